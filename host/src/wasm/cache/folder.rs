//! The cache's folder: its user's own, and nobody else's.

use std::fs;
use std::io;
use std::path::Path;

use super::KEY_BYTES;

/// Makes the folder, or sees that it is private: what others could write to may hold anybody's machine code.
#[cfg(unix)]
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    let (owner, user) = (metadata.uid(), rustix::process::geteuid().as_raw());
    if owner != user {
        return Err(io::Error::other(format!(
            "it belongs to the user {owner}, and this process is {user}'s"
        )));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 == 0 {
        return Ok(());
    }
    // An empty one has nobody's code in it yet. It is looked at again once nobody else can write to it.
    if is_empty(folder)? {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
        if is_empty(folder)? {
            return Ok(());
        }
    }
    Err(io::Error::other(format!(
        "its mode {mode:o} lets others in, who may have left code there; remove it"
    )))
}

#[cfg(unix)]
fn is_empty(folder: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

#[cfg(not(unix))]
pub(super) fn make_private(folder: &Path) -> io::Result<()> {
    // A user's own profile is private by its inherited access list.
    fs::create_dir_all(folder)
}

/// A new file that nobody else can read.
pub(super) fn create_private(path: &Path) -> io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// The key by which entries are told from what others wrote. One that is cut short is made anew, and all entries with
/// it.
pub(super) fn read_or_make_key(path: &Path) -> io::Result<[u8; KEY_BYTES]> {
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
    let beside = path.with_file_name(format!("{}.{}", uuid::Uuid::now_v7(), super::PART));
    io::Write::write_all(&mut create_private(&beside)?, &key)?;
    match fs::hard_link(&beside, path) {
        // Somebody was faster: theirs counts, unless what is there is no key at all.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => match fs::read(path)?.try_into() {
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
