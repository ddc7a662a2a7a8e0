//! A component's file, as far as it has to be read.

use std::io::Read;
use std::path::Path;

use super::bounds::FUNCTION_BYTES_MAX;
use super::scan::Scan;
use super::{MAGIC, refused};
use crate::model::error::Result;

/// Bytes of a component at most: well above the largest that embed a language's runtime (20 MB).
const COMPONENT_BYTES_MAX: u64 = 64 << 20;
/// Bytes that are read at once, between two looks at what they say.
const PIECE_BYTES: u64 = 256 << 10;

/// Reads a component, if its size is one that a plugin may have, and as long as none of its functions is too large.
pub(in crate::wasm) fn read(path: &Path) -> Result<Vec<u8>> {
    let unreadable = |error| refused(path, &format!("cannot be read: {error}")).with_source(error);
    let metadata = std::fs::metadata(path).map_err(|error| {
        refused(path, &format!("cannot be read: {error}; name a .wasm component")).with_source(error)
    })?;
    if !metadata.is_file() {
        return Err(refused(path, "is not a file; name a .wasm component"));
    }
    if metadata.len() > COMPONENT_BYTES_MAX && begins_like_wasm(path) {
        let (size, most) = (metadata.len() >> 20, COMPONENT_BYTES_MAX >> 20);
        return Err(refused(path, &format!("has {size} MiB; a plugin has {most} MiB at most, so strip it")));
    }
    let mut bytes = Vec::new();
    // The file may have grown since; and of one that is no component, the first bytes are enough to say so.
    let mut file = std::fs::File::open(path).map_err(unreadable)?.take(COMPONENT_BYTES_MAX);
    let mut scan = Scan::new();
    while file.by_ref().take(PIECE_BYTES).read_to_end(&mut bytes).map_err(unreadable)? > 0 {
        if let Some(size) = scan.go_on(&bytes) {
            return Err(refused(
                path,
                &format!(
                    "has {size} bytes in one function, and {FUNCTION_BYTES_MAX} is the most that this host compiles; split \
                     the function"
                ),
            ));
        }
    }
    Ok(bytes)
}

fn begins_like_wasm(path: &Path) -> bool {
    let mut magic = [0; 4];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *MAGIC
}
