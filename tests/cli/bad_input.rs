//! Plugins and files that cannot be used: each error names the thing and the way out.

use stagegate::cli::Exit;

use super::program::Program;

/// A core module, empty.
const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
/// A component, empty.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[test]
fn a_file_that_is_no_plugin_is_named_for_what_it_is() {
    let program = Program::new();
    let run = |name: &str| program.run(["--plugin".as_ref(), program.path(name).as_path()]);

    run("missing.wasm").unusable(&["missing.wasm", "No such file"]);
    program.file("text.wasm", "hello");
    run("text.wasm").unusable(&["text.wasm", "is not WebAssembly", "wasm32-wasip2"]);
    program.file("core.wasm", CORE_MODULE);
    run("core.wasm").unusable(&["core.wasm", "core WebAssembly module", "wasm32-wasip2"]);
    program.file("other.wasm", COMPONENT);
    run("other.wasm").unusable(&["other.wasm", "another world", "stagegate:plugin/steps"]);
    program.file("cut.wasm", [COMPONENT, b"\x07\xff"].concat());
    run("cut.wasm").unusable(&["cut.wasm", "damaged", "build it again"]);
}

#[test]
fn inspect_names_what_is_no_component_and_looks_into_what_is_one() {
    let program = Program::new();
    let core = program.file("core.wasm", CORE_MODULE);
    program.run(["inspect".as_ref(), core.as_path()]).unusable(&["core.wasm", "core WebAssembly module"]);

    // Imports `stagegate:plugin/clairvoyance@0.9.0`, an empty instance, and exports nothing.
    let name = b"stagegate:plugin/clairvoyance@0.9.0";
    let length = u8::try_from(name.len()).unwrap();
    let instance_type = [0x07, 0x03, 0x01, 0x42, 0x00];
    let import = [&[0x0a, length + 5, 0x01, 0x00, length], name.as_slice(), &[0x05, 0x00]].concat();
    let other = program.file("other.wasm", [COMPONENT, &instance_type, &import].concat());
    let ran = program.run(["inspect".as_ref(), other.as_path()]);
    assert_eq!(ran.exit, Exit::Unusable, "{ran:?}");
    for part in
        ["refused", "another world", "Lacks", "stagegate:plugin 0.9.0", "clairvoyance", "update the host"]
    {
        assert!(ran.output.contains(part), "`{part}` is not in:\n{}", ran.output);
    }
}

#[test]
fn a_folder_that_is_no_plugin_crate_says_what_it_lacks() {
    let program = Program::new();
    program.file("empty/readme.txt", "");
    let run = |name: &str| program.run(["--plugin".as_ref(), program.path(name).as_path()]);
    run("empty").unusable(&["empty", "no Cargo.toml", "folder of a plugin crate"]);

    program.file("broken/Cargo.toml", "[package]\nname = broken");
    run("broken").unusable(&["broken", "Cargo cannot read the crate", "says above"]);

    let manifest = "[package]\nname = \"plain\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    program.file("plain/Cargo.toml", manifest);
    program.file("plain/src/lib.rs", "");
    run("plain").unusable(&["`plain`", "crate-type = [\"cdylib\"]"]);

    program.file("space/Cargo.toml", "[workspace]\nmembers = [\"guard\"]\nresolver = \"3\"\n");
    let manifest = "[package]\nname = \"guard\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = [\"cdylib\"]\n";
    program.file("space/guard/Cargo.toml", manifest);
    program.file("space/guard/src/lib.rs", "");
    run("space").unusable(&["is a workspace", "one of its plugin crates: guard"]);
}

#[test]
fn a_crate_that_does_not_build_shows_what_the_compiler_says() {
    let program = Program::new();
    let manifest = "[package]\nname = \"guard\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = \
                    [\"cdylib\"]\n[workspace]\n";
    program.file("guard/Cargo.toml", manifest);
    program.file("guard/src/lib.rs", "pub fn f() -> u8 { \"no number\" }");
    let ran = program.run(["--plugin".as_ref(), program.path("guard").as_path()]);
    ran.unusable(&["mismatched types", "src/lib.rs:1:20", "`guard` does not build"]);
    assert!(ran.errors.starts_with("building guard for wasm32-wasip2 ..."), "{}", ran.errors);
}

#[test]
fn missing_tools_are_named_with_where_to_get_them() {
    let mut program = Program::new();
    let manifest = "[package]\nname = \"guard\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[lib]\ncrate-type = \
                    [\"cdylib\"]\n[workspace]\n";
    let folder = program.file("guard/Cargo.toml", manifest);
    program.file("guard/src/lib.rs", "");
    let folder = folder.parent().unwrap().to_owned();

    let tools = program.tools.clone();
    program.tools.cargo = "no-such-cargo".into();
    program
        .run(["--plugin".as_ref(), folder.as_path()])
        .unusable(&["`no-such-cargo` is not installed", "rustup.rs"]);

    // A compiler that does not know the target, and no rustup to add it.
    program.tools = tools;
    program.tools.rustc = "false".into();
    program.tools.rustup = "no-such-rustup".into();
    program.run(["--plugin".as_ref(), folder.as_path()]).unusable(&[
        "the target wasm32-wasip2 is missing; adding it with `rustup target add wasm32-wasip2`",
        "cannot be added: `no-such-rustup` is not installed",
        "by hand",
    ]);
}

#[test]
fn machines_are_told_too() {
    let program = Program::new();
    let requests = program.file("requests.json", "{\n  \"requests\": 5\n}");
    let args = [
        "--plugin".as_ref(),
        "x.wasm".as_ref(),
        "--format".as_ref(),
        "json".as_ref(),
        "--requests".as_ref(),
        requests.as_path(),
    ];
    let ran = program.run(args);
    ran.unusable(&["requests.json:2:"]);
    assert!(
        ran.output.contains("\"format\": 1") && ran.output.contains("\"exit_code\": 2"),
        "{}",
        ran.output
    );
    assert!(
        ran.output.contains("\"line\": 2") && ran.output.contains("\"path\": \"requests\""),
        "{}",
        ran.output
    );
}
