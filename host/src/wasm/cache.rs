//! Compiled components on disk: a hundred milliseconds to compile, less than one to load.
//!
//! An entry is machine code, so nothing but what this process's user wrote may ever be executed. The folder belongs to
//! its user alone, and each entry carries a keyed hash over its name and its content. An entry is read into memory once,
//! and the bytes that were found authentic are the bytes that are loaded: nobody can put others there in between.

mod folder;

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::model::error::{Error, ErrorKind, Result};

/// Bytes of compiled code that are kept unless somebody says otherwise: some dozens of plugins that bring a language's
/// runtime, or thousands that do not.
pub(super) const CACHE_BYTES_DEFAULT: u64 = 1 << 30;

const KEY_BYTES: usize = 32;
/// An entry begins with the keyed hash over the rest of it.
const MAC_BYTES: usize = 32;
const ENTRY: &str = "cwasm";
/// What is being written, and becomes an entry when it is whole.
const PART: &str = "part";
/// Parts older than this were left behind by a process that was killed: no write takes that long.
const PART_AGE_MAX: Duration = Duration::from_secs(3600);

/// A folder with compiled components.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
    bytes_max: u64,
}

/// What the cache has under a name.
pub(super) enum Found {
    /// An entry that is whole and ours.
    Code(Code),
    /// Nothing.
    Nothing,
    /// Something else, which is removed; and what is wrong with it.
    Damaged(String),
}

/// Authentic machine code.
pub(super) struct Code(Vec<u8>);

impl Code {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.get(MAC_BYTES..).unwrap_or_default()
    }
}

impl Cache {
    /// Opens the folder, or makes it with its key.
    pub(super) fn open(folder: &Path, bytes_max: u64) -> Result<Self> {
        let broken = |error: io::Error| {
            let folder = folder.display();
            Error::new(
                ErrorKind::InvalidPlugin,
                format!("the cache folder {folder} cannot be used: {error}; or use another"),
            )
        };
        folder::make_private(folder).map_err(broken)?;
        let key = folder::read_or_make_key(&folder.join("key")).map_err(broken)?;
        Ok(Self { folder: folder.to_owned(), key, bytes_max })
    }

    /// The name of the entry for a component, given by its content's hash and by all of the engine that its code depends
    /// on.
    pub(super) fn name(&self, engine: &wasmtime::Engine, component: &[u8; 32]) -> String {
        let mut hasher = HashToBytes(blake3::Hasher::new_keyed(&self.key));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.update(component);
        hasher.0.finalize().to_hex().to_string()
    }

    /// What there is under a name.
    pub(super) fn find(&self, name: &str) -> Found {
        let path = self.path(name);
        let damage = match self.read(&path, name) {
            Ok(Some(code)) => return Found::Code(code),
            Ok(None) => {
                "it is not what was written under this name: changed, cut short, or another's".to_owned()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Nothing,
            Err(error) => format!("it cannot be read: {error}"),
        };
        tracing::warn!(entry = %path.display(), %damage, "an entry of the cache is compiled again");
        if let Err(error) = fs::remove_file(&path) {
            tracing::warn!(entry = %path.display(), %error, "cannot remove it");
        }
        Found::Damaged(damage)
    }

    /// The entry, if it is authentic.
    fn read(&self, path: &Path, name: &str) -> io::Result<Option<Code>> {
        let file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        if length > self.bytes_max {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or_default());
        (&file).take(self.bytes_max).read_to_end(&mut bytes)?;
        let Some((mac, code)) = bytes.split_first_chunk::<MAC_BYTES>() else { return Ok(None) };
        // Comparing hashes of this type takes the same time wherever they differ.
        if self.mac(name, code) != blake3::Hash::from_bytes(*mac) {
            return Ok(None);
        }
        // What was used last goes last. A cache that cannot be written to still serves.
        if let Err(error) = file.set_modified(SystemTime::now()) {
            tracing::debug!(entry = %path.display(), %error, "cannot note that it was used");
        }
        Ok(Some(Code(bytes)))
    }

    /// Keeps compiled code. Written beside and renamed, so that nobody sees half of it; entries that were not used for
    /// the longest time make room.
    pub(super) fn keep(&self, name: &str, code: &[u8]) -> io::Result<()> {
        let size = u64::try_from(code.len() + MAC_BYTES).unwrap_or(u64::MAX);
        if size > self.bytes_max {
            let most = self.bytes_max;
            return Err(io::Error::other(format!("it has {size} bytes, and the whole cache takes {most}")));
        }
        let part = self.folder.join(format!("{}.{PART}", uuid::Uuid::now_v7()));
        let written = self.write(&part, name, code).and_then(|()| fs::rename(&part, self.path(name)));
        if written.is_err() {
            // It may not be there at all.
            let _ = fs::remove_file(&part);
        }
        written?;
        self.evict(name);
        Ok(())
    }

    fn write(&self, part: &Path, name: &str, code: &[u8]) -> io::Result<()> {
        let mut file = folder::create_private(part)?;
        file.write_all(self.mac(name, code).as_bytes())?;
        file.write_all(code)?;
        file.sync_all()
    }

    /// The name is part of it, so that no entry can stand for another one.
    fn mac(&self, name: &str, code: &[u8]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update(&u64::try_from(name.len()).unwrap_or(u64::MAX).to_le_bytes());
        hasher.update(name.as_bytes());
        hasher.update(code);
        hasher.finalize()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}.{ENTRY}"))
    }

    /// Brings the folder below its size, but for the entry that was written just now. Other processes may do the same
    /// at the same time, so what is gone already is no failure.
    fn evict(&self, kept: &str) {
        let (kept, now) = (self.path(kept), SystemTime::now());
        let mut entries = Vec::new();
        let mut total = 0_u64;
        for file in fs::read_dir(&self.folder).into_iter().flatten().flatten() {
            let path = file.path();
            let Ok(metadata) = file.metadata() else { continue };
            let used = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            match path.extension().and_then(|extension| extension.to_str()) {
                Some(ENTRY) => {
                    total = total.saturating_add(metadata.len());
                    entries.push((used, metadata.len(), path));
                }
                Some(PART) if now.duration_since(used).is_ok_and(|age| age > PART_AGE_MAX) => {
                    let _ = fs::remove_file(&path);
                }
                _ => {}
            }
        }
        entries.sort();
        for (_, bytes, path) in entries {
            if total <= self.bytes_max {
                return;
            }
            if path != kept {
                let _ = fs::remove_file(&path);
                total = total.saturating_sub(bytes);
            }
        }
    }
}

/// Feeds whatever hashes itself into BLAKE3: the standard hasher's 64 bits are too few for a name that must not collide.
pub(super) struct HashToBytes(pub(super) blake3::Hasher);

impl Hasher for HashToBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let mut first = [0; 8];
        self.0.finalize_xof().fill(&mut first);
        u64::from_le_bytes(first)
    }
}
