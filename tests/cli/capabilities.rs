//! What plugins ask for, are granted and lack, as `inspect` and a run show it.

use std::path::Path;

use stagegate::cli::Exit;
use stagegate_tests::GUEST_CAPABILITIES;

use super::program::Program;

const OPERATOR: &str = r#"
plugin = "guest-capabilities"

[grants]
memory = 32

[[grants.http]]
origin = "http://api.stagegate.test:18080"
methods = ["GET"]
private = true

[grants.secrets]
key = { environment = "STAGEGATE_IS_NOT_SET" }
"#;

#[test]
fn inspect_shows_what_is_asked_granted_and_lacking() {
    let program = Program::new();
    let manifest = program.file("operator.toml", OPERATOR);
    let with = |format: &str| {
        let paths = [Path::new("inspect"), Path::new(GUEST_CAPABILITIES), Path::new("--manifest"), &manifest];
        program.run(paths.into_iter().chain([Path::new("--format"), Path::new(format)]))
    };
    let ran = with("text");
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    for line in [
        "http           asked    GET, POST http://*.stagegate.test:18080",
        "               granted  GET http://api.stagegate.test:18080 (private too)",
        "               lacking  GET, POST http://*.stagegate.test:18080",
        "secret         asked    key",
        "               granted  key",
        "secret         asked    theirs",
        "               lacking  theirs",
        "memory         asked    64 MiB",
        "               lacking  64 MiB beyond 32 MiB",
        "background     asked    2h",
    ] {
        assert!(ran.output.contains(line), "`{line}` is not in:\n{}", ran.output);
    }
    let json: serde_json::Value = serde_json::from_str(&with("json").output).unwrap();
    let memory = json["capabilities"].as_array().unwrap().iter().find(|one| one["kind"] == "memory").unwrap();
    let expected = serde_json::json!({
        "kind": "memory", "asked": "64 MiB", "granted": "32 MiB", "lacking": "64 MiB beyond 32 MiB",
    });
    assert_eq!(*memory, expected);
    assert_eq!(json["declaration"]["asks"]["memory"], 64);
}

#[test]
fn what_nobody_asked_for_is_refused_with_its_place() {
    let program = Program::new();
    let manifest = program.file("operator.toml", "[grants]\nenvironment = ['HOME']");
    let paths = [Path::new("inspect"), Path::new(GUEST_CAPABILITIES), Path::new("--manifest"), &manifest];
    let parts =
        ["operator.toml:1", "the environment variable `HOME`, which it does not ask for; it asks for HTTP"];
    program.run(paths).unusable(&parts);
}

#[test]
fn a_run_warns_of_what_is_lacking() {
    let program = Program::new();
    // Copied, so that nothing is beside it; its steps make nothing of made-up records.
    let component = program.file("asking.wasm", std::fs::read(GUEST_CAPABILITIES).unwrap());
    let ran = program.run([Path::new("--plugin"), &component]);
    assert!(ran.output.contains("it asks for the secret key, which is not granted"), "{}", ran.output);
}
