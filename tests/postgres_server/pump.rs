//! One connection through the proxy.

use std::io::ErrorKind;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::proxy::{Control, LONGEST, Speaker, Trap};

/// The most that is taken from a side before the other one has it.
const CHUNK: usize = 64 << 10;

/// Passes on what both sides say, until both have ended, or the connection is to be cut. Returns the trap that it ran
/// into.
///
/// By then both sides are closed: with a reset, unless they ended by themselves.
pub(super) async fn run(
    mut client: TcpStream,
    server: &str,
    control: &Control,
    generation: u64,
) -> Option<Trap> {
    let end = talk(&mut client, server, control, generation).await;
    if end.is_err() {
        let _ = client.set_zero_linger();
    }
    end.err().flatten()
}

/// Fails if the connection is to be cut, with the trap if it is for one.
async fn talk(
    client: &mut TcpStream,
    server: &str,
    control: &Control,
    generation: u64,
) -> Result<(), Option<Trap>> {
    let mut server = tokio::select! {
        server = TcpStream::connect(server) => server.map_err(|_| None)?,
        () = until_cut(control, generation) => return Err(None),
    };
    for side in [&*client, &server] {
        side.set_nodelay(true).map_err(|_| None)?;
    }
    let end = pass_on(client, &mut server, control, generation).await;
    if end.is_err() {
        let _ = server.set_zero_linger();
    }
    end
}

async fn until_cut(control: &Control, generation: u64) {
    loop {
        let mut asked = std::pin::pin!(control.asked.notified());
        asked.as_mut().enable();
        {
            let state = control.lock();
            if state.ended || state.generation != generation {
                return;
            }
        }
        asked.await;
    }
}

async fn pass_on(
    client: &mut TcpStream,
    server: &mut TcpStream,
    control: &Control,
    generation: u64,
) -> Result<(), Option<Trap>> {
    let mut up = Way::of(Speaker::Client);
    let mut down = Way::of(Speaker::Server);
    loop {
        // Before the look at what is asked, so that nothing is missed in between.
        let mut asked = std::pin::pin!(control.asked.notified());
        asked.as_mut().enable();
        let frozen = {
            let state = control.lock();
            if state.ended || state.generation != generation {
                return Err(None);
            }
            if !state.frozen {
                // With the lock held, so that nothing is passed on any more once a freeze was asked for.
                up.write(server)?;
                down.write(client)?;
            }
            state.frozen
        };
        if frozen {
            asked.await;
            continue;
        }
        up.close(server).await;
        down.close(client).await;
        if up.closed && down.closed {
            return Ok(());
        }
        tokio::select! {
            () = asked => {}
            _ = client.readable(), if up.takes() => up.read(client, control)?,
            _ = server.readable(), if down.takes() => down.read(server, control)?,
            _ = server.writable(), if !up.held.is_empty() => {}
            _ = client.writable(), if !down.held.is_empty() => {}
        }
    }
}

/// One direction.
struct Way {
    speaker: Speaker,
    /// What was said and is not yet passed on.
    held: Vec<u8>,
    /// The end of what was said before, for bytes to cut at that come in parts.
    before: Vec<u8>,
    /// The speaker says nothing more.
    ended: bool,
    /// The listener knows.
    closed: bool,
}

impl Way {
    fn of(speaker: Speaker) -> Self {
        Self { speaker, held: Vec::new(), before: Vec::new(), ended: false, closed: false }
    }

    fn takes(&self) -> bool {
        self.held.is_empty() && !self.ended
    }

    fn read(&mut self, from: &TcpStream, control: &Control) -> Result<(), Option<Trap>> {
        self.held.reserve(CHUNK);
        match from.try_read_buf(&mut self.held) {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(_) => return Err(None),
        }
        let mut state = control.lock();
        if let Some(sprung) =
            state.traps.iter().position(|trap| trap.speaker == self.speaker && self.holds(&trap.bytes))
        {
            return Err(Some(state.traps.remove(sprung)));
        }
        self.before.extend(&self.held);
        let old = self.before.len().saturating_sub(LONGEST);
        self.before.drain(..old);
        Ok(())
    }

    /// Whether what was just said completes these bytes.
    fn holds(&self, bytes: &[u8]) -> bool {
        let earlier = self.before.len().saturating_sub(bytes.len() - 1);
        let said: Vec<u8> = self.before.iter().skip(earlier).chain(&self.held).copied().collect();
        said.windows(bytes.len()).any(|window| window == bytes)
    }

    fn write(&mut self, to: &TcpStream) -> Result<(), Option<Trap>> {
        while !self.held.is_empty() {
            match to.try_write(&self.held) {
                Ok(written) => drop(self.held.drain(..written)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(_) => return Err(None),
            }
        }
        Ok(())
    }

    async fn close(&mut self, to: &mut TcpStream) {
        if self.ended && self.held.is_empty() && !self.closed {
            // It fails if the listener is gone, which ends the other direction.
            let _ = to.shutdown().await;
            self.closed = true;
        }
    }
}
