//! The world outside: files, sockets, names, processes, clocks.

use std::fs;
use std::io::Read;
use std::net::{TcpListener, TcpStream, ToSocketAddrs, UdpSocket};

use stagegate_sdk::prelude::*;
use wasip2::sockets::instance_network::instance_network;
use wasip2::sockets::ip_name_lookup::resolve_addresses;
use wasip2::sockets::network::IpAddressFamily;
use wasip2::sockets::tcp_create_socket::create_tcp_socket;
use wasip2::sockets::udp_create_socket::create_udp_socket;

use crate::refused;

fn denied<T, E>(what: &str, result: Result<T, E>) -> Result {
    refused(what, result.map_err(|_| Fault::new("refused")))
}

/// Reads, lists, writes and links files.
#[step(PreOperation, entity = "probe")]
pub(crate) fn files(_: &mut Create<Record>) -> Result {
    for path in ["/etc/passwd", "/proc/self/environ", "/proc/self/mem", "../../../etc/passwd", "Cargo.toml"] {
        denied(path, fs::read(path))?;
    }
    for path in ["/", ".", "..", "/tmp"] {
        denied(path, fs::read_dir(path))?;
    }
    denied("to write", fs::write("/tmp/stagegate-hostile", "x"))?;
    denied("to write here", fs::write("hostile", "x"))?;
    denied("to make a folder", fs::create_dir("hostile"))?;
    denied("to remove", fs::remove_file("/tmp/stagegate-hostile"))?;
    ensure!(wasip2::filesystem::preopens::get_directories().is_empty(), "a folder is open");
    Ok(())
}

/// Connects to the machine itself, the link, private networks and the internet.
#[step(PreOperation, entity = "probe")]
pub(crate) fn tcp(_: &mut Create<Record>) -> Result {
    for address in
        ["127.0.0.1:80", "[::1]:80", "169.254.169.254:80", "10.0.0.1:443", "192.168.0.1:22", "1.1.1.1:53"]
    {
        denied(address, TcpStream::connect(address))?;
    }
    Ok(())
}

/// Sends a datagram.
#[step(PreOperation, entity = "probe")]
pub(crate) fn udp(_: &mut Create<Record>) -> Result {
    denied("to bind", UdpSocket::bind("127.0.0.1:0"))?;
    denied("to bind everywhere", UdpSocket::bind("0.0.0.0:53"))
}

/// Listens.
#[step(PreOperation, entity = "probe")]
pub(crate) fn listen(_: &mut Create<Record>) -> Result {
    denied("to listen", TcpListener::bind("127.0.0.1:0"))?;
    denied("to listen to all", TcpListener::bind("[::]:8080"))
}

/// Asks for the addresses of names.
#[step(PreOperation, entity = "probe")]
pub(crate) fn names(_: &mut Create<Record>) -> Result {
    for name in ["localhost:80", "example.com:80", "metadata.google.internal:80", "127.0.0.1.nip.io:80"] {
        denied(name, name.to_socket_addrs())?;
    }
    Ok(())
}

/// Asks WASI itself, without the standard library in between.
#[step(PreOperation, entity = "probe")]
pub(crate) fn raw_sockets(_: &mut Create<Record>) -> Result {
    for family in [IpAddressFamily::Ipv4, IpAddressFamily::Ipv6] {
        denied("a TCP socket", create_tcp_socket(family))?;
        denied("a UDP socket", create_udp_socket(family))?;
    }
    let network = instance_network();
    if let Ok(stream) = resolve_addresses(&network, "localhost") {
        stream.subscribe().block();
        denied("an address", stream.resolve_next_address())?;
    }
    Ok(())
}

/// Starts processes and threads.
#[step(PreOperation, entity = "probe")]
pub(crate) fn processes(_: &mut Create<Record>) -> Result {
    denied("a process", std::process::Command::new("/bin/sh").spawn())?;
    denied("a thread", std::thread::Builder::new().spawn(|| ()))
}

/// Measures time as finely as the clock does. Not defended against: what a guest may learn by it is told in the docs.
#[step(PreOperation, entity = "probe")]
pub(crate) fn clocks(ctx: &mut Create<Record>) -> Result {
    let start = std::time::Instant::now();
    let calls = (0..1000).filter(|_| ctx.now().to_string().is_empty()).count();
    let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
    let (spent, rest) = (start.elapsed(), wall.subsec_nanos());
    ensure!(
        spent.subsec_nanos() % 1_000_000 == 0 && rest % 1_000_000 == 0,
        "a fine clock: {spent:?}, {rest}"
    );
    trace!("{calls} {spent:?}");
    Ok(())
}

/// Waits for input that nobody gives.
#[step(PreOperation, entity = "probe")]
pub(crate) fn standard_input(_: &mut Create<Record>) -> Result {
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    ensure!(read.is_err() || text.is_empty(), "there was input: {text}");
    Ok(())
}
