//! The checked-in bindings are what the contract generates.
//!
//! They are checked in so that a plugin's author does not compile the generator. After a change of the contract:
//! `UPDATE_BINDINGS=1 cargo test -p stagegate-sdk bindings`

use std::path::Path;

use wit_bindgen_core::wit_parser::Resolve;
use wit_bindgen_core::{Files, WorldGenerator};

#[test]
fn the_bindings_are_what_the_contract_generates() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let checked_in = root.join("src/wit/bindings.rs");
    let generated = generate(&root.join("wit"));
    if std::env::var_os("UPDATE_BINDINGS").is_some() {
        std::fs::write(&checked_in, &generated).unwrap();
    }
    let current = std::fs::read_to_string(&checked_in).unwrap();
    let difference = current.lines().zip(generated.lines()).position(|(one, other)| one != other);
    assert!(
        current == generated,
        "src/wit/bindings.rs is not what wit/ generates (first difference in line {}). Regenerate it: \
         UPDATE_BINDINGS=1 cargo test -p stagegate-sdk bindings",
        difference.map_or(current.lines().count(), |line| line) + 1
    );
}

fn generate(wit: &Path) -> String {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(wit).unwrap();
    let world = resolve.select_world(&[package], Some("plugin")).unwrap();
    let options = wit_bindgen_rust::Opts {
        format: true,
        pub_export_macro: true,
        export_macro_name: Some("export_plugin".to_owned()),
        default_bindings_module: Some("stagegate_sdk::__private::bindings".to_owned()),
        ..Default::default()
    };
    let mut files = Files::default();
    options.build().generate(&mut resolve, world, &mut files).unwrap();
    let (_, source) = files.iter().next().unwrap();
    String::from_utf8(source.to_vec()).unwrap()
}
