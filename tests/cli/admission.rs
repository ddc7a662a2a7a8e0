//! Components that this host cannot run, as `inspect` and a run tell it.

use std::path::{Path, PathBuf};

use stagegate::cli::Exit;

use super::program::Program;
use crate::sandbox::problems::component;

/// A component whose tracing service and steps are not this host's.
const OTHER_SHAPE: &str = "package stagegate:plugin@0.1.0;
    interface tracing-service { trace: func(line: string, level: u8); flush: func(); }
    interface steps { declare: func() -> string; execute: func(step: string) -> result<_, string>; }
    world plugin { import tracing-service; export steps; }";

const IMPORT: &str =
    "imports `stagegate:plugin/tracing-service@0.1.0` in another shape than what this host offers";
const DIFF: [&str; 3] =
    ["- trace: func(line: string, level: u8);", "+ trace: func(line: string);", "- flush: func();"];

fn written(program: &Program) -> PathBuf {
    program.file("other.wasm", component(OTHER_SHAPE))
}

#[test]
fn inspect_shows_how_a_component_differs_from_the_contract() {
    let program = Program::new();
    let path = written(&program);
    let ran = program.run([Path::new("inspect"), &path]);
    assert_eq!(ran.exit, Exit::Unusable, "{ran:?}");
    let lines: Vec<&str> = ran.output.lines().map(str::trim).collect();
    let problem = lines.iter().position(|line| line.starts_with("1. it imports `stagegate:plugin/")).unwrap();
    let diff = lines.iter().position(|line| *line == DIFF[0]).unwrap();
    let paragraph = lines[problem..diff].join(" ");
    assert!(paragraph.contains(IMPORT), "{}", ran.output);
    assert!(paragraph.contains("build it again with the SDK of this host's version"), "{}", ran.output);
    assert_eq!(lines[diff..diff + 3], DIFF, "{}", ran.output);
    assert!(ran.output.contains("2. it exports `stagegate:plugin/steps@0.1.0` in another"), "{}", ran.output);
    assert!(ran.output.contains("refused     this host does not load it"), "{}", ran.output);
}

#[test]
fn inspect_has_the_difference_for_machines() {
    let program = Program::new();
    let path = written(&program);
    let ran = program.run([Path::new("inspect"), &path, Path::new("--format"), Path::new("json")]);
    assert_eq!(ran.exit, Exit::Unusable, "{ran:?}");
    let json: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(json["exit_code"], 2);
    let problem = &json["problems"][0];
    assert_eq!((&problem["kind"], &problem["refuses"]), (&"contract".into(), &true.into()));
    assert!(problem["message"].as_str().unwrap().contains(IMPORT), "{problem}");
    assert_eq!(problem["diff"], serde_json::json!(DIFF));
    assert!(json["refused"].as_str().unwrap().contains("other.wasm has 2 problems"), "{json}");
}

#[test]
fn a_run_is_refused_with_the_same() {
    let program = Program::new();
    let path = written(&program);
    let diff = DIFF.map(|line| format!("    {line}\n")).concat();
    let parts =
        ["other.wasm has 2 problems:\n  1. ", IMPORT, &diff, "2. exports `stagegate:plugin/steps@0.1.0`"];
    program.run([Path::new("--plugin"), &path]).unusable(&parts);
    let ran = program.run([Path::new("--plugin"), &path, Path::new("--format"), Path::new("json")]);
    let json: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert!(json["error"]["message"].as_str().unwrap().contains(DIFF[0]), "{json}");
}
