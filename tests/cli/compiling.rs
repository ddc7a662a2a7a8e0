//! Compiling in a process of its own, as the program has it done.

use std::fs;
use std::path::Path;

use stagegate::cli::{Exit, Surroundings};
use stagegate::wasm::Program as Compiler;
use stagegate_tests::GUEST_TOUCH;

use super::program::Program;

/// The program's own process in place of the one that `stagegate` starts: the same command, and a mark that it was started.
#[cfg(unix)]
fn compiler(mark: &Path) -> Compiler {
    // The harness writes to the standard output, so machine code goes where that was.
    let line = "echo compiled >> \"$1\"; exec \"$0\" --exact cli::compiling::child --ignored --nocapture 3>&1 >/dev/null";
    let test = std::env::current_exe().unwrap().into_os_string();
    Compiler { path: "/bin/sh".into(), arguments: vec!["-c".into(), line.into(), test, mark.into()] }
}

#[cfg(unix)]
#[test]
#[ignore = "the process that compiles"]
fn child() {
    use std::io::Write as _;

    let Ok(output) = fs::OpenOptions::new().write(true).open("/dev/fd/3") else { return };
    std::io::stdout().flush().unwrap();
    nix::unistd::dup2_stdout(output).unwrap();
    let mut surroundings = Surroundings::of_process();
    let command = ["stagegate", "compile-child"].map(Into::into);
    let exit =
        tokio::runtime::Runtime::new().unwrap().block_on(stagegate::cli::run(command, &mut surroundings));
    // Nothing more of the harness.
    std::process::exit(exit.code().into());
}

#[cfg(unix)]
#[test]
fn a_run_compiles_in_a_process_of_its_own() {
    let mut program = Program::new();
    let mark = program.path("mark");
    let times = || fs::read_to_string(&mark).map_or(0, |text| text.lines().count());
    program.tools.compiler = Some(compiler(&mark));
    let plugin = program.file("touch.wasm", fs::read(GUEST_TOUCH).unwrap());
    let run = |more: &[&str]| {
        let ran = program.run([Path::new("--plugin"), &plugin].into_iter().chain(more.iter().map(Path::new)));
        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        ran
    };
    assert!(run(&[]).errors.contains("compiled guest-touch in"));
    assert_eq!(times(), 1);
    assert!(run(&[]).errors.contains("loaded guest-touch from the cache in"));
    assert_eq!(times(), 1, "what is in the cache is not compiled");
    run(&["--no-cache", "--compile-timeout", "5m", "--compile-memory", "3GiB"]);
    assert_eq!(times(), 2);
}

#[test]
fn the_program_compiles_by_starting_itself() {
    let own = Compiler { path: std::env::current_exe().unwrap(), arguments: vec!["compile-child".into()] };
    assert_eq!(Surroundings::of_process().tools.compiler, Some(own));
}

#[test]
fn who_starts_the_child_by_hand_is_told_what_it_is() {
    let mut program = Program::new();
    for input in ["", "hello\n", "{}\n", "\0asm"] {
        program.input = input.into();
        let ran = program.run(["compile-child"]);
        ran.unusable(&[
            "this is what a host starts to compile a plugin; `stagegate inspect PATH` has one compiled",
        ]);
        assert_eq!(ran.output, "");
    }
    program.input =
        "{\"compatibility\":\"of tomorrow\",\"has_places\":true,\"seconds\":1,\"memory_bytes\":1}\n".into();
    program.run(["compile-child"]).unusable(&["of another version than the host"]);
    program.run(["compile-child", "x.wasm"]).unusable(&["unexpected argument 'x.wasm'"]);
    // It is no command for people.
    assert!(!program.run(["--help"]).output.contains("compile-child"));
}

#[cfg(unix)]
#[test]
fn the_limits_of_the_compiler_are_the_users() {
    let mut program = Program::new();
    let plugin = program.file("touch.wasm", fs::read(GUEST_TOUCH).unwrap());
    let sh = |line: &str| Compiler { path: "/bin/sh".into(), arguments: vec!["-c".into(), line.into()] };
    let run = |program: &Program, more: &[&str]| {
        program.run([Path::new("--plugin"), &plugin].into_iter().chain(more.iter().map(Path::new)))
    };
    // One that never answers.
    program.tools.compiler = Some(sh("exec sleep 600"));
    run(&program, &["--compile-timeout", "50ms"]).unusable(&[
        "takes longer than 50ms to be compiled",
        "give the compiler more time (`--compile-timeout`, `Settings::compiler.time`)",
    ]);
    // One that says which order it got, and then what a process says that gets no memory.
    let order = program.path("order");
    let tell = format!(
        "head -n 1 > '{}'; echo 'memory allocation of 8 bytes failed' >&2; exit 134",
        order.display()
    );
    program.tools.compiler = Some(sh(&tell));
    let orders = |more: &[&str], parts: &[&str]| {
        run(&program, more).unusable(parts);
        let order: serde_json::Value = serde_json::from_str(&fs::read_to_string(&order).unwrap()).unwrap();
        (order["seconds"].as_u64().unwrap(), order["memory_bytes"].as_u64().unwrap())
    };
    let way_out = "give the compiler more (`--compile-memory`, `Settings::compiler.memory_bytes`)";
    let said = ["needs more than 4096 MiB of memory to be compiled", way_out];
    // Processor time of the four threads, with what is left of a second.
    assert_eq!(orders(&[], &said), (4 * 120 + 1, 4 << 30));
    let said = ["needs more than 64 MiB of memory to be compiled", way_out];
    assert_eq!(orders(&["--compile-memory", "64", "--compile-timeout", "3s"], &said), (4 * 3 + 1, 64 << 20));
}

#[test]
fn every_command_that_loads_a_plugin_takes_the_limits() {
    let program = Program::new();
    for command in [&[][..], &["inspect"], &["test"], &["plan"], &["diff"], &["apply"], &["worker"]] {
        let help = program.run(command.iter().chain(&["--help"])).output;
        for part in
            ["--compile-timeout <DURATION>", "Default: 2m", "--compile-memory <SIZE>", "Default: 4 GiB"]
        {
            assert!(help.contains(part), "{command:?} does not say {part}:\n{help}");
        }
    }
    program.run(["--plugin", "x.wasm", "--compile-timeout", "30"]).unusable(&["write `30s` or `30ms`"]);
    program.run(["--plugin", "x.wasm", "--compile-memory", "8"]).unusable(&["it must be at least 32 MiB"]);
    program.run(["--plugin", "x.wasm", "--compile-memory", "4GB"]).unusable(&["KiB, MiB or GiB"]);
}
