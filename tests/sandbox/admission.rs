//! Files that are no plugin for this host: each gets an answer that says what it is and the way out.

use std::fs;
use std::path::PathBuf;

use stagegate::ErrorKind;
use stagegate_tests::{GUEST_MISBEHAVING, engine};

/// Bytes in a file of their own.
fn file(folder: &tempfile::TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_file_that_is_no_plugin_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let good = fs::read(GUEST_MISBEHAVING).unwrap();
    let newer = replace(&good, b"stagegate:plugin/steps@0.1.0", b"stagegate:plugin/steps@0.2.0");
    let newer_import = replace(
        &good,
        b"stagegate:plugin/execution-context@0.1.0",
        b"stagegate:plugin/execution-context@0.1.9",
    );
    let unknown = replace(&good, b"wasi:cli/environment@", b"acme:cli/environment@");
    let cases = [
        (file(&folder, "text.wasm", b"hello"), "is not WebAssembly"),
        (file(&folder, "empty.wasm", b""), "is not WebAssembly"),
        (file(&folder, "module.wasm", b"\0asm\x01\0\0\0"), "is a core WebAssembly module, not a component"),
        (
            file(&folder, "other.wasm", b"\0asm\x0d\0\x01\0"),
            "is a component of another world: it exports nothing",
        ),
        (file(&folder, "cut.wasm", &good[..good.len() / 2]), "is damaged"),
        (file(&folder, "newer.wasm", &newer), "update the host"),
        (
            file(&folder, "newer-import.wasm", &newer_import),
            "imports `stagegate:plugin/execution-context@0.1.9`",
        ),
        (file(&folder, "unknown.wasm", &unknown), "this host does not offer it"),
        (folder.path().join("missing.wasm"), "cannot be read"),
        (folder.path().to_owned(), "is not a file"),
    ];
    for (path, expected) in cases {
        let error = engine().load(&path).await.err().unwrap_or_else(|| panic!("accepted: {expected}"));
        assert_eq!(error.kind(), ErrorKind::InvalidPlugin);
        assert!(error.message().contains(expected), "{error} does not say {expected:?}");
        assert!(
            error.message().contains(&path.display().to_string()),
            "{error} does not name {}",
            path.display()
        );
    }
}

/// The bytes with every `from` replaced by a `to` of the same length.
pub(super) fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let mut bytes = bytes.to_vec();
    let mut found = 0;
    for start in 0..=bytes.len() - from.len() {
        if bytes[start..].starts_with(from) {
            bytes[start..start + from.len()].copy_from_slice(to);
            found += 1;
        }
    }
    assert!(found > 0, "{} is not in the component", String::from_utf8_lossy(from));
    bytes
}
