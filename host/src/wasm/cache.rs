//! Compiled components on disk: a hundred milliseconds to compile, a fraction of one to load.
//!
//! An entry is machine code, so nothing but what this process's user wrote may ever be mapped: the folder belongs to
//! its user alone, and each entry carries a keyed hash over its content.

use std::fs;
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::model::error::{Error, ErrorKind, Result};

const KEY_BYTES: usize = 32;

/// A folder with compiled components.
pub(super) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
}

impl Cache {
    /// Opens the folder, or makes it with its key.
    pub(super) fn open(folder: &Path) -> Result<Self> {
        let broken = |problem: &str, error: std::io::Error| {
            let folder = folder.display();
            Error::new(
                ErrorKind::InvalidPlugin,
                format!("the cache folder {folder} {problem}: {error}; use another"),
            )
        };
        make_private(folder).map_err(|error| broken("cannot be made private to its user", error))?;
        let key =
            read_or_make_key(&folder.join("key")).map_err(|error| broken("has no usable key", error))?;
        Ok(Self { folder: folder.to_owned(), key })
    }

    /// The name of the entry for a component, given by its content's hash and by all of the engine that its code depends
    /// on.
    pub(super) fn name(&self, engine: &wasmtime::Engine, component: blake3::Hash) -> String {
        let mut hasher = HashToBytes(blake3::Hasher::new_keyed(&self.key));
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.0.update(component.as_bytes());
        hasher.0.finalize().to_hex().to_string()
    }

    /// The path of an entry that is whole and ours. Anything else is removed, to be compiled again.
    pub(super) fn find(&self, name: &str) -> Option<PathBuf> {
        let (code, mac) =
            (self.folder.join(format!("{name}.cwasm")), self.folder.join(format!("{name}.mac")));
        let expected = fs::read(&mac).ok()?;
        let expected: [u8; KEY_BYTES] = expected.try_into().ok()?;
        // Through a small buffer: most of the time of a load would go into fresh memory for the whole of it.
        let mut hasher = blake3::Hasher::new_keyed(&self.key);
        hasher.update_reader(fs::File::open(&code).ok()?).ok()?;
        // Comparing hashes of this type takes the same time wherever they differ.
        if hasher.finalize() == blake3::Hash::from_bytes(expected) {
            return Some(code);
        }
        tracing::warn!(entry = %code.display(), "a cached component was changed from outside; compiling it again");
        for path in [mac, code] {
            if let Err(error) = fs::remove_file(&path) {
                tracing::warn!(entry = %path.display(), %error, "cannot remove it");
            }
        }
        None
    }

    /// Keeps compiled code and returns its path. Written beside and renamed, so that nobody sees half of it.
    pub(super) fn keep(&self, name: &str, code: &[u8]) -> std::io::Result<PathBuf> {
        let mac = blake3::keyed_hash(&self.key, code);
        let path = self.write(&format!("{name}.cwasm"), code)?;
        self.write(&format!("{name}.mac"), mac.as_bytes())?;
        Ok(path)
    }

    fn write(&self, name: &str, content: &[u8]) -> std::io::Result<PathBuf> {
        let path = self.folder.join(name);
        let beside = self.folder.join(format!("{name}.{}", uuid::Uuid::now_v7()));
        let mut file = fs::File::create_new(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        Ok(path)
    }
}

#[cfg(unix)]
fn make_private(folder: &Path) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mode = fs::metadata(folder)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn make_private(folder: &Path) -> std::io::Result<()> {
    // A user's own profile is private by its inherited access list.
    fs::create_dir_all(folder)
}

fn read_or_make_key(path: &Path) -> std::io::Result<[u8; KEY_BYTES]> {
    if let Ok(bytes) = fs::read(path)
        && let Ok(key) = bytes.try_into()
    {
        return Ok(key);
    }
    // Two version 4 identifiers carry 244 random bits of the operating system; the hash spreads them.
    let random = [uuid::Uuid::new_v4(), uuid::Uuid::new_v4(), uuid::Uuid::new_v4()];
    let mut hasher = blake3::Hasher::new();
    for part in random {
        hasher.update(part.as_bytes());
    }
    let key = *hasher.finalize().as_bytes();
    let beside = path.with_extension(uuid::Uuid::now_v7().to_string());
    fs::write(&beside, key)?;
    match fs::hard_link(&beside, path) {
        // Somebody was faster: theirs counts, unless what is there is no key at all.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => match fs::read(path)?.try_into() {
            Ok(theirs) => {
                fs::remove_file(&beside)?;
                Ok(theirs)
            }
            Err(_) => fs::rename(&beside, path).map(|()| key),
        },
        Err(error) => Err(error),
        Ok(()) => fs::remove_file(&beside).map(|()| key),
    }
}

/// Feeds whatever hashes itself into BLAKE3: the standard hasher's 64 bits are too few for a name that must not collide.
struct HashToBytes(blake3::Hasher);

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
