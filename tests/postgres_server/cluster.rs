//! A server of the tests' own, which they can stop, kill and start again.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use nix::sys::signal::Signal;
use uuid::Uuid;

use super::home::{Home, Process};
use super::url::Url;
use super::watchdog::Watchdog;
use super::{Options, Server};

/// A server whose processes are the test's to kill. Dropped, it is gone with its folder.
pub struct Cluster {
    server: Server,
    port: u16,
    /// None while it is down.
    process: Mutex<Option<Process>>,
    home: Home,
    /// Last, since it removes the folder.
    _watchdog: Watchdog,
}

impl Cluster {
    pub(super) fn start(programs: PathBuf, options: &Options) -> Self {
        let home = Home::new(programs, options.on_disk);
        let watchdog =
            Watchdog::start(home.command(Path::new("sh")), &home.folder, "data/postmaster.pid", "QUIT");
        let password = Uuid::new_v4().simple().to_string();
        home.init(&password);
        home.configure(options);
        let (port, process) = home.launch_somewhere();
        let url = Url {
            user: format!("postgres:{password}@"),
            host: format!("127.0.0.1:{port}"),
            database: "postgres".into(),
            query: String::new(),
        };
        // Tests are not the superuser, whom permissions and limits do not bind.
        let server = Server::on(url.clone(), Url { user: format!("stagegate:{password}@"), ..url });
        server.execute(&format!("CREATE ROLE stagegate LOGIN PASSWORD '{password}'"));
        Self { server, port, process: Mutex::new(Some(process)), home, _watchdog: watchdog }
    }

    /// Ends the server at once, as `pg_ctl stop -m immediate` does: whatever is under way is aborted, and the next
    /// start recovers.
    ///
    /// # Panics
    ///
    /// If it is down, or does not end.
    pub fn stop_immediately(&self) {
        self.end(Signal::SIGQUIT);
    }

    /// Kills the server with a signal that it cannot catch, and waits until none of its processes is left.
    ///
    /// # Panics
    ///
    /// If it is down, or one of its processes does not notice.
    pub fn kill(&self) {
        self.end(Signal::SIGKILL);
        self.home.clear_killed();
    }

    /// Starts the server on the same folder and port. Until it has recovered, this waits.
    ///
    /// # Panics
    ///
    /// If it is up, or does not start.
    pub fn start_again(&self) {
        let mut process = self.process.lock().expect("no test failed in here");
        assert!(process.is_none(), "the server is up");
        *process =
            Some(self.home.launch(self.port).unwrap_or_else(|log| panic!("it does not start:\n{log}")));
    }

    /// Where its files are: `data`, the socket, and `log`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.home.folder
    }

    /// What the server has said so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.home.log()
    }

    /// The process to which all others of the server belong. None while it is down.
    ///
    /// # Panics
    ///
    /// If another test thread panicked while it started or stopped the server.
    #[must_use]
    pub fn process_id(&self) -> Option<u32> {
        self.process.lock().expect("no test failed in here").as_ref().map(Process::id)
    }

    fn end(&self, signal: Signal) {
        let process = self.process.lock().expect("no test failed in here").take();
        process.expect("the server is down").end(signal).unwrap_or_else(|error| panic!("{error}"));
    }
}

impl Deref for Cluster {
    type Target = Server;

    fn deref(&self) -> &Server {
        &self.server
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A test that failed may have left the lock poisoned; the process is to go in any case.
        let process = match self.process.get_mut() {
            Ok(process) => process.take(),
            Err(poisoned) => poisoned.into_inner().take(),
        };
        if let Some(Err(error)) = process.map(|process| process.end(Signal::SIGQUIT)) {
            eprintln!("{error}");
        }
    }
}
