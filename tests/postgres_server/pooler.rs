//! PgBouncer before a server.

use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio_postgres::Config;

use super::home::Home;
use super::watchdog::Watchdog;
use super::{Server, binaries, ports};
use crate::PATIENCE;

/// The pace at which one that starts is looked at.
const TICK: Duration = Duration::from_millis(5);
const PID_FILE: &str = "pgbouncer.pid";

/// A PgBouncer that gives each transaction a connection of its own choice to the server. Dropped, it is gone.
pub struct Pooler {
    port: u16,
    process: Child,
    home: Home,
    /// Last, since it removes the folder.
    _watchdog: Watchdog,
}

impl Pooler {
    /// The one of all tests in this process, before the [server that they share](Server::shared). The first who asks for
    /// it starts it.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn shared() -> &'static Self {
        static POOLER: OnceLock<Pooler> = OnceLock::new();
        POOLER.get_or_init(|| Self::to(Server::shared()))
    }

    /// One before a server.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn to(server: &Server) -> Self {
        let program =
            binaries::find_pooler().unwrap_or_else(|| panic!("no PgBouncer: apt-get install pgbouncer"));
        let home = Home::new(program.parent().unwrap_or(Path::new("/")).to_owned(), false);
        let watchdog = Watchdog::start(home.command(Path::new("sh")), &home.folder, PID_FILE, "TERM");
        let url = server.tests.database("postgres").to_string();
        let config: Config = url.parse().expect("a URL of a server that the tests are on");
        let name = |bytes: Option<&[u8]>| {
            let text = String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
            format!("\"{}\"", text.replace('"', "\"\""))
        };
        let user = name(config.get_user().map(str::as_bytes));
        home.write(&home.folder.join("users"), &format!("{user} {}\n", name(config.get_password())));
        let mut log = String::new();
        for port in ports::candidates() {
            let settings = settings(server, port);
            let file = home.folder.join(format!("{port}.ini"));
            home.write(&file, &settings);
            match launch(&home, &program, &file) {
                Ok(process) => return Self { port, process, home, _watchdog: watchdog },
                Err(said) => log = said,
            }
        }
        panic!("{} does not start:\n{log}", program.display())
    }

    /// Where it listens: host and port.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.home.folder
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.process.id()) {
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.process.wait();
        // Its number may be somebody else's soon.
        let _ = std::fs::remove_file(self.home.folder.join(PID_FILE));
    }
}

fn settings(server: &Server, port: u16) -> String {
    let address = server.address();
    let (host, server_port) = address.rsplit_once(':').unwrap_or((&address, "5432"));
    format!(
        "[databases]
* = host={host} port={server_port}
[pgbouncer]
pool_mode = transaction
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = users
default_pool_size = 20
max_client_conn = 500
pidfile = {PID_FILE}
"
    )
}

fn launch(home: &Home, program: &Path, settings: &Path) -> Result<Child, String> {
    let log_path = home.folder.join("log");
    let _ = std::fs::remove_file(&log_path);
    let log = std::fs::File::create(&log_path).expect("a file in a folder of ours");
    let mut command = home.command(program);
    command.arg(settings).stdout(Stdio::null()).stderr(log);
    let mut process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let patience = Instant::now() + PATIENCE;
    // It says so once it listens.
    while !home.log().contains("process up") {
        if process.try_wait().expect("a child of ours").is_some() || Instant::now() > patience {
            let _ = process.kill();
            let _ = process.wait();
            return Err(home.log());
        }
        std::thread::sleep(TICK);
    }
    Ok(process)
}
