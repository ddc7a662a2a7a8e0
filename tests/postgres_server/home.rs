//! What a server of the tests' own has on the disk, and its processes.

use std::env;
use std::fs;
use std::io::{PipeReader, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::{Pid, Uid, User};

use super::{Options, ports};
use crate::PATIENCE;

/// The pace at which a starting server is looked at.
const TICK: Duration = Duration::from_millis(5);

/// What is on the disk, and as whom its processes run.
pub(super) struct Home {
    pub(super) folder: PathBuf,
    programs: PathBuf,
    /// None to stay who we are. PostgreSQL refuses to be root.
    user: Option<User>,
}

pub(super) struct Process {
    postmaster: Child,
    /// Ends when the last process of the server has: they all inherit its other end.
    lives: PipeReader,
}

impl Process {
    /// Sends a signal that ends it, and waits until all its processes are gone.
    pub(super) fn end(mut self, signal: Signal) -> Result<(), String> {
        let id = i32::try_from(self.postmaster.id()).map_err(|error| error.to_string())?;
        // It fails if the server has ended by itself.
        let _ = kill(Pid::from_raw(id), signal);
        self.postmaster.wait().map_err(|error| error.to_string())?;
        let (ended, end) = channel();
        std::thread::spawn(move || {
            let _ = self.lives.read_to_end(&mut Vec::new());
            let _ = ended.send(());
        });
        end.recv_timeout(PATIENCE).map_err(|_| "a process of the server outlives it".to_owned())
    }

    /// The number of the process to which the others belong.
    pub(super) fn id(&self) -> u32 {
        self.postmaster.id()
    }
}

impl Home {
    pub(super) fn new(programs: PathBuf, on_disk: bool) -> Self {
        let memory = if on_disk { None } else { roomy_memory() };
        let mut builder = tempfile::Builder::new();
        let folder = builder.prefix("stagegate-pg-").tempdir_in(memory.unwrap_or_else(env::temp_dir));
        // The watchdog removes it.
        let home = Self { folder: folder.expect("a folder").keep(), programs, user: unprivileged() };
        home.give(&home.folder);
        home
    }

    /// A program that runs in the folder, as the right user, in a group of its own: Ctrl-C in a terminal is for the
    /// tests.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("LC_ALL", "C").process_group(0).stdin(Stdio::null());
        for (name, _) in env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("PG")) {
            command.env_remove(name);
        }
        if let Some(user) = &self.user {
            // This gives up root's other groups too.
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }

    fn give(&self, path: &Path) {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).expect("root may do so");
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn pid_file(&self) -> PathBuf {
        self.data().join("postmaster.pid")
    }

    /// Removes what a server that is killed leaves, and one that ends otherwise does not: the number of its process,
    /// which may be somebody else's soon, and a segment of shared memory, of which a system has so many.
    pub(super) fn clear_killed(&self) {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        if let Some(segment) = file.lines().nth(6).and_then(|line| line.split_whitespace().nth(1)) {
            // Where the tool is missing, the next start on this folder clears it.
            let _ = self.command(Path::new("ipcrm")).args(["-m", segment]).output();
        }
        let _ = fs::remove_file(self.pid_file());
    }

    pub(super) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(super) fn init(&self, password: &str) {
        let file = self.folder.join("password");
        self.write(&file, password);
        let mut initdb = self.command(&self.programs.join("initdb"));
        initdb.arg("-D").arg(self.data()).arg(format!("--pwfile={}", file.display())).args([
            "--username=postgres",
            "--encoding=UTF8",
            "--locale=C",
            // Through the socket nobody comes but the owner of the folder.
            "--auth-local=trust",
            "--auth-host=scram-sha-256",
            "--no-sync",
        ]);
        let done = initdb.output().unwrap_or_else(|error| panic!("{initdb:?}: {error}"));
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{initdb:?} ends with {}:\n{said}", done.status);
        fs::remove_file(file).expect("it is ours");
    }

    pub(super) fn configure(&self, options: &Options) {
        let path = self.data().join("postgresql.conf");
        let mut text = fs::read_to_string(&path).expect("initdb has made it");
        let folder = self.folder.display().to_string();
        let own = [
            ("listen_addresses", "127.0.0.1"),
            ("unix_socket_directories", &folder),
            ("max_connections", "200"),
            ("synchronous_commit", "on"),
            ("deadlock_timeout", "200ms"),
            // In the folder, so that what a killed server leaves goes with it.
            ("dynamic_shared_memory_type", "mmap"),
        ];
        // Nothing of the tests' outlives the machine, and a killed process loses none of what it has written.
        let without_disk = [("fsync", "off"), ("full_page_writes", "off"), ("max_wal_size", "256MB")];
        let without_disk = without_disk.into_iter().filter(|_| !options.on_disk);
        let theirs = options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        for (name, value) in own.into_iter().chain(without_disk).chain(theirs) {
            text.push_str(&format!("{name} = '{}'\n", value.replace('\'', "''")));
        }
        fs::write(path, text).expect("it is ours");
        for (name, text) in &options.files {
            self.write(&self.data().join(name), text);
        }
    }

    /// Writes a file that nobody but the right user may read.
    pub(super) fn write(&self, path: &Path, text: &str) {
        let file = fs::File::options().create_new(true).write(true).mode(0o600).open(path);
        let written = file.and_then(|mut file| file.write_all(text.as_bytes()));
        written.expect("a file in a folder of ours");
        self.give(path);
    }

    pub(super) fn launch_somewhere(&self) -> (u16, Process) {
        let mut log = String::new();
        for port in ports::candidates() {
            match self.launch(port) {
                Ok(process) => return (port, process),
                Err(said) if said.contains("could not bind") => log = said,
                Err(said) => panic!("{} does not start:\n{said}", self.programs.join("postgres").display()),
            }
        }
        panic!("no port is free:\n{log}")
    }

    /// Starts the server and waits until it takes connections, or returns what it said.
    pub(super) fn launch(&self, port: u16) -> Result<Process, String> {
        let log = fs::File::options().create(true).append(true).open(self.folder.join("log"));
        let (lives, life) = std::io::pipe().expect("a pipe");
        let mut postgres = self.command(&self.programs.join("postgres"));
        postgres.arg("-D").arg(self.data()).args(["-p", &port.to_string()]);
        // On standard input, which PostgreSQL never reads and hands to each of its processes.
        postgres.stdin(life).stdout(Stdio::null()).stderr(log.expect("a file in a folder of ours"));
        let mut postmaster = postgres.spawn().unwrap_or_else(|error| panic!("{postgres:?}: {error}"));
        // Our copy of the pipe's other end.
        drop(postgres);
        let patience = Instant::now() + PATIENCE;
        while !self.is_ready() {
            if postmaster.try_wait().expect("a child of ours").is_some() || Instant::now() > patience {
                let _ = postmaster.kill();
                let _ = postmaster.wait();
                return Err(self.log());
            }
            std::thread::sleep(TICK);
        }
        Ok(Process { postmaster, lives })
    }

    /// As PostgreSQL's own `pg_ctl` sees it: the server writes its state into the eighth line of the file.
    fn is_ready(&self) -> bool {
        let file = fs::read_to_string(self.pid_file()).unwrap_or_default();
        file.lines().nth(7).is_some_and(|state| ["ready", "standby"].contains(&state.trim()))
    }
}

/// A file system in memory with room for the databases of many tests at once. Each has 300 files, and a disk's file
/// system that makes and removes so many can take a quarter of a second for a database, where this takes 8 ms.
fn roomy_memory() -> Option<PathBuf> {
    /// A hundred databases have a third of that.
    const ROOM: u64 = 2 << 30;
    let memory = PathBuf::from("/dev/shm");
    if env::var_os("TMPDIR").is_some() {
        return None;
    }
    let has = statvfs(&memory).ok()?;
    #[allow(clippy::useless_conversion, reason = "some systems count with 32 bits")]
    let free = u64::from(has.blocks_available()).saturating_mul(u64::from(has.fragment_size()));
    (free >= ROOM).then_some(memory)
}

/// The user to run as, if we are root.
fn unprivileged() -> Option<User> {
    if !Uid::effective().is_root() {
        return None;
    }
    let found = ["postgres", "nobody"].into_iter().find_map(|name| User::from_name(name).ok().flatten());
    Some(found.expect("a user `postgres` or `nobody`, since PostgreSQL refuses to run as root"))
}
