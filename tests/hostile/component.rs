//! Components of core modules that were written by hand, for the contract or for one that is almost it.

use std::fs;
use std::path::PathBuf;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// The declaration of a plugin without steps, so that it need not be run for it.
const SECTION: (&str, &str) = ("stagegate:plugin", r#"{"steps":[]}"#);

/// The plugin of the core module `name`, with its declaration in a section. `items` are added to its world.
///
/// # Panics
///
/// If the file is not there, or what is in it is not for that world.
#[must_use]
pub fn of(name: &str, items: &str) -> Vec<u8> {
    let mut bytes = for_contract(name, items, &[], &[]);
    custom_section(&mut bytes, SECTION.0, SECTION.1.as_bytes());
    bytes
}

/// The component of the core module `name` for the contract with each `changes.0` replaced by `changes.1`, and with
/// further `packages` that `items` in its world may name.
///
/// # Panics
///
/// If the file is not there, what is in it is not for that world, or what is to be changed is not in the contract.
#[must_use]
pub fn for_contract(name: &str, items: &str, packages: &[&str], changes: &[(&str, &str)]) -> Vec<u8> {
    let module = wat::parse_file(source(name)).unwrap_or_else(|error| panic!("{error}"));
    around(module, items, packages, changes)
}

/// The plugin of a core module in text.
///
/// # Panics
///
/// If it is none, or not for the contract.
#[must_use]
pub fn of_text(text: &str) -> Vec<u8> {
    let mut bytes = around(wat::parse_str(text).expect("a module"), "", &[], &[]);
    custom_section(&mut bytes, SECTION.0, SECTION.1.as_bytes());
    bytes
}

/// The text of the core module `name`.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn text(name: &str) -> String {
    fs::read_to_string(source(name)).expect("the module")
}

fn around(mut module: Vec<u8>, items: &str, packages: &[&str], changes: &[(&str, &str)]) -> Vec<u8> {
    let (resolve, world) = world(items, packages, changes);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("the world");
    // Not validated: that is for the host to do.
    let encoded = ComponentEncoder::default().module(&module).and_then(|mut encoder| encoder.encode());
    encoded.unwrap_or_else(|error| panic!("{error:?}"))
}

/// Adds a custom section at the end.
pub fn custom_section(bytes: &mut Vec<u8>, name: &str, data: &[u8]) {
    let mut section = Vec::new();
    leb(&mut section, name.len());
    section.extend_from_slice(name.as_bytes());
    section.extend_from_slice(data);
    bytes.push(0);
    leb(bytes, section.len());
    bytes.extend_from_slice(&section);
}

/// Writes a number as WebAssembly does.
pub fn leb(bytes: &mut Vec<u8>, mut number: usize) {
    while number > 0x7f {
        bytes.push(0x80 | u8::try_from(number & 0x7f).expect("seven bits"));
        number >>= 7;
    }
    bytes.push(u8::try_from(number).expect("seven bits"));
}

fn source(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests/hostile/wat");
    folder.join(name).with_extension("wat")
}

fn world(items: &str, packages: &[&str], changes: &[(&str, &str)]) -> (Resolve, WorldId) {
    let mut resolve = Resolve::default();
    let contract = tempfile::tempdir().expect("a folder");
    let mut changed = vec![false; changes.len()];
    for entry in fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../wit/v0.1")).expect("the contract") {
        let path = entry.expect("the contract").path();
        let mut text = fs::read_to_string(&path).expect("the contract");
        for ((from, to), changed) in changes.iter().zip(&mut changed) {
            *changed |= text.contains(from);
            text = text.replace(from, to);
        }
        fs::write(contract.path().join(path.file_name().expect("a name")), text).expect("a copy of it");
    }
    assert!(changed.iter().all(|changed| *changed), "not in the contract: {changes:?}, {changed:?}");
    let (plugin, _) = resolve.push_dir(contract.path()).expect("the contract");
    let version = resolve.packages[plugin].name.version.clone().expect("a version");
    for package in packages {
        resolve.push_str("package.wit", package).expect("the package");
    }
    let text = format!(
        "package hostile:guest;\nworld guest {{ include stagegate:plugin/plugin@{version};\n{items} }}"
    );
    let guest = resolve.push_str("guest.wit", &text).expect("the world");
    let world = resolve.select_world(&[guest], None).expect("the world");
    (resolve, world)
}
