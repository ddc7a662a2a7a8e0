//! Core dumps of guests that trap, for their authors: the memory, the globals and the stack, as the tools of WebAssembly
//! read them.
//!
//! A dump holds whatever the guest had in memory: data of records, and its secure configuration. So there is none unless
//! somebody asks for it, and its files are their user's alone.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use wasmtime::{Store, WasmCoreDump};

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::step::StepKey;
use crate::wasm::run::State;

/// Dumps that one engine writes at most: each may be as large as a guest's memory, and a guest that traps in a loop is not
/// to fill a disk. The first ones tell the most.
const DUMPS_MAX: u32 = 16;
/// Characters of a plugin's and of a step's name that the name of a file keeps.
const NAME_MAX: usize = 60;

/// A folder for core dumps.
pub(super) struct CoreDumps {
    folder: PathBuf,
    written: AtomicU32,
}

impl CoreDumps {
    /// Takes the folder, or makes it for its user alone.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        make(folder).map_err(|error| {
            let message = format!(
                "core dumps cannot be written to the folder `{}`: {error}; name another",
                folder.display()
            );
            Error::new(ErrorKind::Internal, message)
        })?;
        Ok(Self { folder: folder.to_owned(), written: AtomicU32::new(0) })
    }

    /// Writes the dump that a trap came with, and returns its path. None if there is none, or it cannot be written, which
    /// is told in the log: the trap is the error that counts.
    pub(super) fn keep(
        &self,
        trap: &wasmtime::Error,
        store: &mut Store<State>,
        step: &StepKey,
    ) -> Option<PathBuf> {
        let dump = trap.downcast_ref::<WasmCoreDump>()?;
        // The trap of a step further in passes through those that wait for it.
        if trap.downcast_ref::<Error>().is_some_and(|error| !error.path().is_empty()) {
            return None;
        }
        let number = self.written.fetch_add(1, Ordering::Relaxed);
        if number >= DUMPS_MAX {
            self.written.store(DUMPS_MAX, Ordering::Relaxed);
            return None;
        }
        let dump = dump.serialize(store, &step.to_string());
        let process = std::process::id();
        let name = format!("{}.{}.{process}-{number}.coredump", safe(&step.plugin), safe(&step.step));
        let path = self.folder.join(name);
        match write(&path, &dump) {
            Ok(()) => Some(path),
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot write the core dump of a plugin");
                None
            }
        }
    }
}

/// A name as a part of a file's name.
fn safe(name: &str) -> String {
    let plain = |letter: char| if letter.is_alphanumeric() || "-_".contains(letter) { letter } else { '_' };
    name.chars().take(NAME_MAX).map(plain).collect()
}

fn write(path: &Path, dump: &[u8]) -> io::Result<()> {
    create(path)?.write_all(dump)
}

#[cfg(unix)]
fn make(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn make(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

/// A file that was not there before, and that its user alone may read.
#[cfg(unix)]
fn create(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    File::options().write(true).create_new(true).mode(0o600).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path) -> io::Result<File> {
    // A user's own profile is private by its inherited access list.
    File::create_new(path)
}
