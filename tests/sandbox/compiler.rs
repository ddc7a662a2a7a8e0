//! Compiling in a process of its own: what takes too much of time or memory there is an error here, and the host goes on.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use stagegate::Stage;
use stagegate::wasm::{Compiler, Engine, ProblemKind, Program, Settings, compile_child};
use stagegate_tests::hostile::compile_bomb;
use stagegate_tests::{GUEST_MISBEHAVING, GUEST_TOUCH, World, load};

use super::with;

/// Compiles as `stagegate compile-child` does. The harness writes to the standard output, so code goes where that was.
pub(super) fn program() -> Program {
    let line = "exec \"$0\" --exact sandbox::compiler::child --ignored --nocapture 3>&1 >/dev/null";
    let test = std::env::current_exe().unwrap().into_os_string();
    Program { path: "/bin/sh".into(), arguments: vec!["-c".into(), line.into(), test] }
}

#[test]
#[ignore = "the process that compiles"]
fn child() {
    let Ok(output) = fs::OpenOptions::new().write(true).open("/dev/fd/3") else { return };
    if let Err(error) = compile_child(std::io::stdin().lock(), output) {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

fn engine_with(change: impl FnOnce(&mut Compiler)) -> Engine {
    let mut settings = Settings::default();
    settings.concurrency = 1;
    settings.compiler.program = Some(program());
    change(&mut settings.compiler);
    Engine::new(settings).unwrap()
}

fn bomb(folder: &tempfile::TempDir) -> PathBuf {
    let path = folder.path().join("bomb.wasm");
    fs::write(&path, compile_bomb()).unwrap();
    path
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_child_compiles_runs() {
    let plugin = engine_with(|_| {}).load(GUEST_MISBEHAVING).await.unwrap();
    let world = World::new(|host| {
        let host = host.concurrency(1);
        with(host, &plugin, "pass", "probe", Stage::PreOperation)
    })
    .await;
    world.create("a").await.unwrap();
    assert_eq!(world.names("probe").await, ["a"]);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bomb_takes_its_time_and_no_more_and_requests_go_on_meanwhile() {
    let folder = tempfile::tempdir().unwrap();
    let path = bomb(&folder);
    let good = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &good, "pass", "probe", Stage::PreOperation)).await;

    let engine = engine_with(|compiler| compiler.time = Duration::from_secs(2));
    let loading = tokio::spawn(async move { engine.admit(path).await.unwrap() });
    let mut served = 0;
    while !loading.is_finished() {
        world.create("a").await.unwrap();
        served += usize::from(!loading.is_finished());
    }
    let admitted = loading.await.unwrap();
    assert!(served > 0, "requests are served while it is compiled");
    let problem = &admitted.admission.problems[0];
    assert_eq!(problem.kind, ProblemKind::Compilation);
    assert_eq!(problem.message, "takes longer than 2s to be compiled");
    let error = admitted.plugin.err().unwrap();
    assert!(error.message().contains("bomb.wasm takes longer than 2s to be compiled; split"), "{error}");
    world.create("b").await.unwrap();
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_bomb_gets_its_memory_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = bomb(&folder);
    let engine = engine_with(|compiler| compiler.memory_bytes = 64 << 20);
    let error = engine.load(path).await.err().unwrap();
    assert!(error.message().contains("needs more than 64 MiB of memory to be compiled"), "{error}");
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_does_not_compile_is_named_or_quoted() {
    let says = async |path: &str, arguments: &[&str]| {
        let arguments = arguments.iter().map(Into::into).collect();
        let engine =
            engine_with(|compiler| compiler.program = Some(Program { path: path.into(), arguments }));
        engine.load(GUEST_TOUCH).await.err().unwrap().message().to_owned()
    };
    let said = says("/nowhere/stagegate", &[]).await;
    assert!(
        said.contains("the program that compiles, /nowhere/stagegate, cannot be started: No such"),
        "{said}"
    );
    let said = says("/bin/sh", &["-c", "echo no machine code"]).await;
    assert!(said.contains("cannot be loaded once it is compiled"), "{said}");
    let said = says("/bin/sh", &["-c", "echo not today >&2; exit 2"]).await;
    assert!(said.contains("cannot be compiled: not today"), "{said}");
    let said = says("/bin/sh", &["-c", "exit 7"]).await;
    assert!(said.contains("broke down with the exit code 7"), "{said}");
    let said = says("/bin/sh", &["-c", "kill -SEGV $$"]).await;
    assert!(said.contains("ended by signal 11"), "{said}");
}

#[test]
fn a_child_without_a_host_or_of_another_version_does_nothing() {
    let says = |input: &str| compile_child(input.as_bytes(), Vec::new()).err().unwrap().message().to_owned();
    let said = says("hello");
    assert!(said.contains("no order of a host"), "{said}");
    let said =
        says("{\"compatibility\":\"of tomorrow\",\"has_places\":true,\"seconds\":1,\"memory_bytes\":1}\n");
    assert!(said.contains("of another version than the host"), "{said}");
}
