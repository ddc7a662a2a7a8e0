//! What is known of a breakdown, typed: through the interface of the host, and in the report for machines.

use std::time::Duration;

use serde_json::{Value as Json, json};
use stagegate::model::{Phase, Resource, TrapCode};
use stagegate::{Cause, Error, ErrorKind, NativeStep, Request, Stage};
use stagegate_tests::{GUEST_MISBEHAVING, GUEST_SPIN_AT_START, MEMORY_BYTES, World, load, on_create, probe};

use super::with;
use crate::cli::program::Program;

const LIMIT: Duration = Duration::from_millis(300);

/// The error of a Create on which that step of the misbehaving guest runs.
async fn error_of(step: &str) -> Error {
    let plugin = load(GUEST_MISBEHAVING).await;
    let world = World::new(|host| with(host, &plugin, step, "probe", Stage::PreOperation)).await;
    world.host.execute(Request::create(probe("a")).within(LIMIT)).await.expect_err(step)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_trap_has_its_code() {
    for (step, kind, code) in [
        ("panic", ErrorKind::Panicked, TrapCode::UnreachableCodeReached),
        ("panic_at_length", ErrorKind::Panicked, TrapCode::UnreachableCodeReached),
        ("abort", ErrorKind::Trapped, TrapCode::UnreachableCodeReached),
        ("read_beyond", ErrorKind::Trapped, TrapCode::MemoryOutOfBounds),
        ("call_beyond", ErrorKind::Trapped, TrapCode::TableOutOfBounds),
    ] {
        let error = error_of(step).await;
        assert_eq!((error.kind(), error.cause()), (kind, Some(&Cause::Trap(code))), "{step}: {error:?}");
        assert!(error.is_breakdown(), "{step}");
        let frame = error.frames().first().unwrap_or_else(|| panic!("{step} has no frames: {error:?}"));
        let of_guest = |file: &String| file.ends_with("misbehaving/src/lib.rs");
        assert!(frame.file.as_ref().is_some_and(of_guest), "{step}: {frame:?}");
        assert!(frame.line.is_some_and(|line| line > 1), "{step}: {frame:?}");
    }
    let overflow = error_of("overflow").await;
    assert!(matches!(overflow.cause(), Some(Cause::Trap(_))), "{overflow:?}");
    let refused = error_of("refuse").await;
    assert!(refused.cause().is_none() && !refused.is_breakdown(), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_guest_ran_out_of_has_its_limit_and_its_peak() {
    let error = error_of("allocate").await;
    let Some(Cause::Exhausted(found)) = error.cause() else { panic!("{error:?}") };
    let limit = u64::try_from(MEMORY_BYTES).unwrap();
    assert_eq!(
        (error.kind(), found.resource, found.limit),
        (ErrorKind::OutOfMemory, Resource::Memory, limit)
    );
    let (peak, asked) = (found.peak.unwrap(), found.asked.unwrap());
    assert!(peak > limit / 2 && peak <= limit && asked > limit, "{found:?}");

    let error = error_of("trace_at_length").await;
    let Some(Cause::Exhausted(found)) = error.cause() else { panic!("{error:?}") };
    assert_eq!(
        (error.kind(), found.resource, found.limit),
        (ErrorKind::OutOfMemory, Resource::CallBytes, 8 << 20)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_says_what_had_the_time() {
    for (step, phase) in [("spin", Phase::Computing), ("sleep", Phase::Wasi)] {
        let error = error_of(step).await;
        check_timeout(&error, phase, None);
        let words = if phase == Phase::Computing { "while the plugin computed" } else { "in WASI" };
        assert!(error.message().contains(words), "{error}");
    }
    let error = error_of("spin").await;
    let frame = error.frames().first().expect("where it was");
    assert!(frame.function.contains("turn_for_ever"), "{frame}");

    // What Rust calls before `main` runs in the first call: the stack tells it apart.
    let plugin = load(GUEST_SPIN_AT_START).await;
    let world = World::new(|host| with(host, &plugin, "pass", "probe", Stage::PreOperation)).await;
    let error = world.host.execute(Request::create(probe("a")).within(LIMIT)).await.unwrap_err();
    check_timeout(&error, Phase::Computing, None);
    assert!(error.frames().iter().any(|frame| frame.function == "__wasm_call_ctors"), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_timeout_in_a_call_to_the_host_names_the_call() {
    const CREATE: Option<&str> = Some("organization-service.create");
    let plugin = load(GUEST_MISBEHAVING).await;
    let waits = NativeStep::new(|_| std::future::pending());
    // Blocks the thread: the call is answered, and too late.
    let blocks = NativeStep::new(|_| async {
        std::thread::sleep(LIMIT * 2);
        Ok(())
    });
    for native in [waits, blocks] {
        let world = World::new(|host| {
            let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
            host.native_step("service", on_create("native", Stage::PreOperation).on("inner"), native)
        })
        .await;
        let error = world.host.execute(Request::create(probe("a")).within(LIMIT)).await.unwrap_err();
        check_timeout(&error, Phase::HostCall, CREATE);
    }
    // The guest further in has the time, whoever waits for it.
    let world = World::new(|host| {
        let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
        with(host, &plugin, "spin", "inner", Stage::PreOperation)
    })
    .await;
    let error = world.host.execute(Request::create(probe("a")).within(LIMIT)).await.unwrap_err();
    check_timeout(&error, Phase::Computing, None);
    assert_eq!(error.location().unwrap().step.step, "spin");
}

#[track_caller]
fn check_timeout(error: &Error, phase: Phase, host_call: Option<&str>) {
    let Some(Cause::Timeout(found)) = error.cause() else { panic!("{error:?}") };
    assert_eq!((found.phase, found.host_call), (phase, host_call), "{error:?}");
    assert_eq!(found.limit, Some(LIMIT), "{error:?}");
    assert!(found.spent > LIMIT / 2, "nothing else took time: {found:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_words_are_text_and_bounded() {
    let error = error_of("garble").await;
    assert!(error.message().contains("garbled"), "{error}");
    let words = error.last_words().expect("it wrote");
    assert!(words.starts_with('\u{fc}'), "the cut leaves no half of a character: {:?}", words.chars().next());
    assert!(words.contains("\u{fffd}\u{fffd} is no text"), "{words}");
    let output_bytes = stagegate::wasm::Limits::default().output_bytes;
    assert!(words.len() <= output_bytes + 2 * 2, "{} bytes", words.len());
    let error = error_of("panic_at_length").await;
    assert!(error.message().contains("longer than what is kept"), "{error}");
}

/// Each step by itself, through the program: a manifest disables the others.
#[test]
fn the_report_for_machines_has_it_all() {
    let program = Program::new();
    let requests = program.file(
        "requests.json",
        r#"{"entities": [{"logical_name": "probe", "attributes": [{"name": "name", "type": "string"}]}],
            "requests": [{"message": "Create", "expect": "fault", "target": {"entity": "probe", "attributes": {"name": "a"}}}]}"#,
    );
    for (step, kind, evidence) in [
        ("refuse", "rejected", json!({})),
        ("panic", "panicked", json!({"trap": "unreachable-code-reached"})),
        ("abort", "trapped", json!({"trap": "unreachable-code-reached"})),
        ("read_beyond", "trapped", json!({"trap": "memory-out-of-bounds"})),
        ("exit", "exited", json!({})),
        ("overflow", "stack-overflow", json!({})),
        ("allocate", "out-of-memory", json!({"exhausted": {"resource": "memory", "limit": 32 << 20}})),
        ("spin", "timeout", json!({"timeout": {"phase": "computing", "limit_us": 500_000}})),
        ("sleep", "timeout", json!({"timeout": {"phase": "wasi", "limit_us": 500_000}})),
    ] {
        let manifest = program
            .file("operator.toml", format!("enabled = false\n[[step]]\nname = \"{step}\"\nenabled = true\n"));
        let ran = program.run([
            "--plugin".as_ref(),
            GUEST_MISBEHAVING.as_ref(),
            "--manifest".as_ref(),
            manifest.as_path(),
            "--requests".as_ref(),
            requests.as_path(),
            "--format".as_ref(),
            "json".as_ref(),
            "--memory".as_ref(),
            "32".as_ref(),
            "--timeout".as_ref(),
            "500ms".as_ref(),
        ]);
        let report: Json =
            serde_json::from_str(&ran.output).unwrap_or_else(|_| panic!("{step}: {}", ran.errors));
        let error = &report["requests"][0]["error"];
        assert_eq!(error["kind"], kind, "{step}: {error:#}");
        assert_eq!(error["path"][0]["step"], step);
        if step == "overflow" {
            // Its own stack, or the one of its large values in its memory.
            assert!(error["trap"].is_string(), "{error:#}");
            continue;
        }
        for key in ["trap", "exhausted", "timeout"] {
            assert!(contains(&error[key], &evidence[key]), "{step}: {error:#}");
        }
        let has_frames = !["refuse", "sleep"].contains(&step);
        assert_eq!(error["frames"][0]["function"].is_string(), has_frames, "{step}: {error:#}");
        if step == "panic" {
            assert!(error["last_words"].as_str().unwrap().contains("the answer is not 42"), "{error:#}");
        }
    }
}

/// Whether a value has all that is expected of it.
fn contains(found: &Json, expected: &Json) -> bool {
    match expected.as_object() {
        Some(members) => members.iter().all(|(name, value)| contains(&found[name], value)),
        None => found == expected,
    }
}
