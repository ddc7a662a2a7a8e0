//! For authors: the profile of the guests' time, and core dumps of those that trap.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use serde_json::Value as Json;
use stagegate::wasm::{Allocation, Engine, Plugin, Profiler, Settings};
use stagegate::{ErrorKind, Request, Stage};
use stagegate_tests::{GUEST_MISBEHAVING, World, probe};
use wasmparser::{CoreDumpStackSection, Parser, Payload};

use super::with;
use crate::cli::program::Program;

const LIMIT: Duration = Duration::from_millis(300);

async fn load_with(change: impl FnOnce(&mut Settings)) -> Plugin {
    let mut settings = Settings::default();
    settings.allocation = Allocation::OnDemand;
    settings.cache = Some(std::env::temp_dir().join("stagegate-tests-cache"));
    change(&mut settings);
    Engine::new(settings).unwrap().load(GUEST_MISBEHAVING).await.unwrap()
}

/// The names of the functions in the samples of each thread, by the thread's name.
fn functions(profile: &Json) -> Vec<(String, BTreeSet<String>)> {
    let threads = profile["threads"].as_array().expect("threads");
    let of = |thread: &Json| {
        let strings = thread["stringArray"].as_array().or_else(|| thread["stringTable"].as_array());
        let shared = profile["shared"]["stringArray"].as_array();
        let strings = strings.or(shared).expect("a table of strings");
        let text =
            |index: &Json| strings[usize::try_from(index.as_u64().unwrap()).unwrap()].as_str().unwrap();
        let index = |index: &Json| index.as_u64().map(|index| usize::try_from(index).unwrap());
        let mut found = BTreeSet::new();
        for stack in thread["samples"]["stack"].as_array().expect("samples") {
            let mut next = index(stack);
            while let Some(stack) = next {
                let frame = index(&thread["stackTable"]["frame"][stack]).unwrap();
                let function = index(&thread["frameTable"]["func"][frame]).unwrap();
                found.insert(text(&thread["funcTable"]["name"][function]).to_owned());
                next = index(&thread["stackTable"]["prefix"][stack]);
            }
        }
        (thread["name"].as_str().unwrap().to_owned(), found)
    };
    threads.iter().map(of).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_profile_has_the_functions_of_every_guest_that_computed() {
    let profiler = Profiler::new();
    let plugin = load_with(|settings| settings.profiler = Some(profiler.clone())).await;
    let world = World::new(|host| {
        let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
        with(host, &plugin, "spin", "inner", Stage::PreOperation)
    })
    .await;
    for _ in 0..2 {
        let error = world.host.execute(Request::create(probe("a")).within(LIMIT)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Timeout, "{error:?}");
    }
    let mut written = Vec::new();
    profiler.write(&mut written).unwrap();
    let profile: Json = serde_json::from_slice(&written).unwrap();
    let threads = functions(&profile);
    let names: Vec<&str> = threads.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["nest", "spin"], "a thread for each step, whatever the number of its runs");
    let (_, spin) = &threads[1];
    assert!(spin.iter().any(|name| name.contains("turn_for_ever")), "{spin:?}");
    assert_eq!(profile["threads"][0]["processName"], "guest-misbehaving");
    // The call in which the outer guest waited.
    assert!(String::from_utf8_lossy(&written).contains("organization-service.create"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_core_dump_has_the_stack_and_the_memory_of_the_guest_that_trapped() {
    let folder = tempfile::tempdir().unwrap();
    let dumps = folder.path().join("dumps");
    let plugin = load_with(|settings| settings.core_dumps = Some(dumps.clone())).await;
    let world = World::new(|host| {
        let host = with(host, &plugin, "nest", "probe", Stage::PreOperation);
        let host = with(host, &plugin, "panic", "inner", Stage::PreOperation);
        with(host, &plugin, "refuse", "refused", Stage::PreOperation)
    })
    .await;
    let error = world.create("a").await.unwrap_err();
    let path = error.core_dump().expect("the error says where its dump is").to_owned();
    assert_eq!(
        files(&dumps),
        std::slice::from_ref(&path),
        "one dump, although two guests ended by that trap"
    );
    assert!(path.file_name().unwrap().to_string_lossy().starts_with("guest-misbehaving.panic."), "{path:?}");
    check_private(&dumps, &path);
    check_dump(&std::fs::read(&path).unwrap());

    // A guest that computes for too long leaves one too: it shows the loop.
    let world = World::new(|host| with(host, &plugin, "spin", "probe", Stage::PreOperation)).await;
    let error = world.host.execute(Request::create(probe("a")).within(LIMIT)).await.unwrap_err();
    check_dump(&std::fs::read(error.core_dump().expect("a dump")).unwrap());
    // A refusal is none.
    let world = World::new(|host| with(host, &plugin, "refuse", "probe", Stage::PreOperation)).await;
    assert!(world.create("a").await.unwrap_err().core_dump().is_none());
    assert_eq!(files(&dumps).len(), 2);
}

/// Reads a dump as tools do.
fn check_dump(bytes: &[u8]) {
    let (mut frames, mut data, mut memories, mut names) = (0, 0, 0, BTreeSet::new());
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.unwrap() {
            Payload::MemorySection(section) => memories += section.count(),
            Payload::DataSection(section) => {
                data += section.into_iter().map(|data| data.unwrap().data.len()).sum::<usize>();
            }
            Payload::CustomSection(section) => {
                names.insert(section.name().to_owned());
                if section.name() == "corestack" {
                    let stack =
                        CoreDumpStackSection::new(wasmparser::BinaryReader::new(section.data(), 0)).unwrap();
                    frames += stack.frames.len();
                }
            }
            _ => {}
        }
    }
    let expected = ["core", "coreinstances", "coremodules", "corestack"].map(str::to_owned);
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    assert!(frames > 2 && memories > 0 && data > 1000, "{frames} frames, {memories} memories, {data} bytes");
}

fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[cfg(unix)]
fn check_private(folder: &Path, file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;

    for (path, mode) in [(folder, 0o700), (file, 0o600)] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, mode, "{}", path.display());
    }
}

#[cfg(not(unix))]
fn check_private(_folder: &Path, _file: &Path) {}

#[test]
fn the_program_writes_both() {
    let program = Program::new();
    let requests = program.file(
        "requests.json",
        r#"{"entities": [{"logical_name": "probe", "attributes": [{"name": "name", "type": "string"}]}],
            "requests": [{"message": "Create", "target": {"entity": "probe", "attributes": {"name": "a"}}}]}"#,
    );
    let manifest =
        program.file("operator.toml", "enabled = false\n[[step]]\nname = \"spin\"\nenabled = true\n");
    let (profile, dumps) = (program.path("profile.json"), program.path("dumps"));
    let run = |profile: &Path| {
        program.run([
            "--plugin".as_ref(),
            GUEST_MISBEHAVING.as_ref(),
            "--manifest".as_ref(),
            manifest.as_path(),
            "--requests".as_ref(),
            requests.as_path(),
            "--timeout".as_ref(),
            "300ms".as_ref(),
            "--profile".as_ref(),
            profile,
            "--coredump".as_ref(),
            dumps.as_path(),
        ])
    };
    let ran = run(&profile);
    assert!(ran.errors.contains("profiler.firefox.com"), "{}", ran.errors);
    let written: Json = serde_json::from_slice(&std::fs::read(&profile).unwrap()).unwrap();
    let threads = functions(&written);
    assert!(threads[0].1.iter().any(|name| name.contains("turn_for_ever")), "{threads:?}");
    let [dump] = files(&dumps).try_into().expect("one dump");
    check_dump(&std::fs::read(&dump).unwrap());
    assert!(ran.output.contains(&dump.file_name().unwrap().to_string_lossy()[..20]), "{}", ran.output);

    run(Path::new("/nowhere/at/all.json")).unusable(&[
        "profile",
        "/nowhere/at/all.json",
        "name another file",
    ]);
}
