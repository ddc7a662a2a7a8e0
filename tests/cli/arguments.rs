//! Arguments: help, the version, and what is refused with its way out.

use stagegate::cli::Exit;

use super::program::Program;

#[test]
fn help_and_version_go_to_the_output_and_are_no_failure() {
    let help = Program::new().run(["--help"]);
    assert_eq!(help.exit, Exit::Done);
    for flag in [
        "--plugin",
        "--requests",
        "--database",
        "--timeout",
        "--memory",
        "--jobs-timeout",
        "--manifest",
        "inspect",
        "plan",
        "diff",
        "apply",
    ] {
        assert!(help.output.contains(flag), "{flag} is missing in:\n{}", help.output);
    }
    assert!(help.output.contains("Exit codes: 0 done;"));
    assert_eq!(help.errors, "");
    let version = Program::new().run(["--version"]);
    assert_eq!((version.exit, version.output.as_str()), (Exit::Done, "stagegate 0.1.0\n"));
}

#[test]
fn every_option_says_its_default() {
    let help = Program::new().run(["--help"]).output;
    let options = help
        .split("\n      --")
        .skip(1)
        .filter(|text| !text.starts_with("help") && !text.starts_with("plugin"));
    for option in options {
        let text = option.split("\n  -").next().unwrap();
        assert!(text.to_lowercase().contains("default"), "--{text}");
    }
}

#[test]
fn wrong_usage_is_refused_with_the_way_out() {
    let program = Program::new();
    program.run([] as [&str; 0]).unusable(&["--plugin"]);
    program.run(["--format", "json"]).unusable(&["--plugin <PATH>"]);
    program.run(["--plugin", "x.wasm", "--timeout", "30"]).unusable(&["--timeout", "write `30s` or `30ms`"]);
    program.run(["--plugin", "x.wasm", "--memory", "64MB"]).unusable(&["--memory", "KiB, MiB or GiB"]);
    program.run(["--plugin", "x.wasm", "--depth", "0"]).unusable(&["--depth", "the least is 1"]);
    program.run(["--plugin", "x.wasm", "--user", "me"]).unusable(&["--user", "a UUID, such as 0000000a-"]);
    program.run(["my.wasm"]).unusable(&["write `stagegate --plugin my.wasm`"]);
    let plugin = program.file("twice.wasm", "");
    let again = program.path("./twice.wasm");
    let twice = ["--plugin".as_ref(), plugin.as_path(), "--plugin".as_ref(), again.as_path()];
    program.run(twice).unusable(&["twice.wasm` is named twice", "remove one"]);
    program.run(["--plugin", "x.wasm", "--format", "xml"]).unusable(&["text", "json"]);
    program.run(["--plugins", "x.wasm"]).unusable(&["--plugin"]);
}
