//! What the architecture forbids, read off the sources.

use std::fs;
use std::path::{Path, PathBuf};

/// The layers of the host, lowest first. A file may use its own layer and those before it.
const LAYERS: [&str; 8] = ["model", "store", "message", "pipeline", "wasm", "jobs", "host", "cli"];

#[test]
fn layers_point_down() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in rust_files(&source) {
        let relative = file.strip_prefix(&source).unwrap();
        let Some(own) = layer_of(relative) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for (number, line) in text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            for (start, _) in code.match_indices("crate::") {
                let name: String =
                    code[start + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(used) = LAYERS.iter().position(|layer| *layer == name) else { continue };
                seen += 1;
                let sideways = own == position("jobs") && used == position("wasm");
                if used > own || sideways {
                    wrong.push(format!("{}:{}: {}", relative.display(), number + 1, line.trim()));
                }
            }
        }
    }
    assert!(seen > 100, "only {seen} uses were found: does the test still read the sources?");
    assert!(wrong.is_empty(), "a layer points up:\n{}", wrong.join("\n"));
}

#[test]
fn wasm_does_not_name_the_store() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src/wasm");
    for file in rust_files(&source) {
        let text = fs::read_to_string(&file).unwrap();
        let uses = text.lines().filter(|line| line.contains("crate::store"));
        assert_eq!(uses.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", file.display());
    }
}

#[test]
fn only_wasm_names_wasmtime() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host/src");
    for file in rust_files(&source).into_iter().filter(|file| !file.starts_with(source.join("wasm"))) {
        let text = fs::read_to_string(&file).unwrap();
        let uses =
            text.lines().filter(|line| line.contains("wasmtime::") && !line.trim_start().starts_with("//"));
        assert_eq!(uses.collect::<Vec<_>>(), Vec::<&str>::new(), "{}", file.display());
    }
}

#[test]
fn the_readme_shows_code_that_compiles() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let readme = read("README.md");
    let plugin = read("sample-plugins/credit-guard/src/lib.rs");
    let plugin = plugin.split("#[cfg(test)]").next().unwrap().trim_end();
    for (path, code) in
        [("credit-guard/src/lib.rs", plugin), ("embed.rs", read("host/examples/embed.rs").trim_end())]
    {
        assert!(
            readme.contains(&format!("```rust,ignore\n{code}\n```")),
            "the README does not show {path} as it is"
        );
    }
}

fn position(layer: &str) -> usize {
    LAYERS.iter().position(|name| *name == layer).unwrap()
}

/// The layer of a file: the first part of its path. `lib.rs` and the binary stand above all.
fn layer_of(relative: &Path) -> Option<usize> {
    let first = relative.components().next()?.as_os_str().to_str()?;
    LAYERS.iter().position(|layer| *layer == first.trim_end_matches(".rs"))
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}
