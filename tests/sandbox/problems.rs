//! The admission report: all that is wrong with a component, at once, each with its way out.

use std::fs;

use stagegate::ErrorKind;
use stagegate::wasm::{Admission, ProblemKind, Validity};
use stagegate_tests::{GUEST_BACKGROUND, GUEST_MISBEHAVING, engine, load};
use wit_component::{ComponentEncoder, StringEncoding, dummy_module, embed_component_metadata};
use wit_parser::{LiftLowerAbi, ManglingAndAbi, Resolve};

use super::admission::replace;

/// Judges these bytes. The second is the error of the load.
async fn judge(bytes: &[u8]) -> (Admission, Option<String>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("judged.wasm");
    fs::write(&path, bytes).unwrap();
    let admitted = engine().admit(&path).await.unwrap();
    let error = admitted.plugin.err().map(|error| {
        assert_eq!(error.kind(), ErrorKind::InvalidPlugin);
        error.message().to_owned()
    });
    assert_eq!(admitted.admission.is_refused(), error.is_some());
    (admitted.admission, error)
}

fn kinds(admission: &Admission) -> Vec<ProblemKind> {
    admission.problems.iter().map(|problem| problem.kind).collect()
}

/// A component of a world in WIT, whose functions trap.
pub(crate) fn component(wit: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_source("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = dummy_module(&resolve, world, ManglingAndAbi::Legacy(LiftLowerAbi::Sync));
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().encode().unwrap()
}

#[tokio::test]
async fn every_problem_is_said_at_once_and_the_error_says_the_same() {
    let good = fs::read(GUEST_MISBEHAVING).unwrap();
    let bad = replace(&good, b"wasi:cli/environment@", b"acme:cli/environment@");
    let bad = replace(
        &bad,
        b"stagegate:plugin/execution-context@0.1.0",
        b"stagegate:plugin/execution-context@0.1.9",
    );
    let bad = replace(&bad, b"stagegate:plugin/steps@0.1.0", b"stagegate:plugin/steps@0.2.0");
    let (admission, error) = judge(&bad).await;
    assert_eq!(kinds(&admission).len(), 3, "{:?}", admission.problems);
    assert_eq!(admission.compilation, None, "nothing is compiled that cannot be loaded");
    let error = error.unwrap();
    assert!(error.contains("has 3 problems:\n  1. exports `stagegate:plugin/steps@0.2.0`"), "{error}");
    for problem in &admission.problems {
        assert!(!problem.way_out.is_empty());
        assert!(error.contains(&format!("{}; {}", problem.message, problem.way_out)), "{error}");
    }
}

#[tokio::test]
async fn a_contract_of_another_shape_is_shown_as_a_difference_in_wit() {
    let bytes = component(
        "package stagegate:plugin@0.1.0;
         interface tracing-service { trace: func(line: string, level: u8); flush: func(); }
         interface steps { declare: func() -> string; execute: func(step: string) -> result<_, string>; }
         world plugin { import tracing-service; export steps; }",
    );
    let (admission, error) = judge(&bytes).await;
    assert_eq!(kinds(&admission), [ProblemKind::Contract; 2], "{:?}", admission.problems);
    let error = error.unwrap();
    for part in [
        "imports `stagegate:plugin/tracing-service@0.1.0` in another shape than what this host offers",
        "\n    - trace: func(line: string, level: u8);\n    + trace: func(line: string);\n    - flush: func();",
        "exports `stagegate:plugin/steps@0.1.0` in another shape than what this host calls",
        "\n    - declare: func() -> string;\n    + declare: func() -> ",
        "\n    - execute: func(step: string) -> result<_, string>;\n    + execute: func(step: string) -> result<_, fault>;",
        "build it again with the SDK of this host's version",
    ] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
}

#[tokio::test]
async fn a_type_is_shown_where_it_is_defined_and_names_alone_are_no_difference() {
    let wit = |seconds: &str| {
        format!(
            "package stagegate:plugin@0.1.0;
             interface types {{ record unique-identifier {{ high: u64, low: {seconds} }} }}
             interface organization-service {{
                 use types.{{unique-identifier}};
                 type mine = unique-identifier;
                 enum operation-status {{ failed, canceled, retry, suspended, succeeded }}
                 record fault {{ code: s32, message: string, status: operation-status,
                                 details: list<tuple<string, string>> }}
                 record reference {{ entity: string, id: mine }}
                 delete: func(which: reference) -> result<_, fault>;
             }}
             interface steps {{ declare: func(); execute: func(step: string); }}
             world plugin {{ import organization-service; export steps; }}"
        )
    };
    let of = |admission: &Admission, interface: &str| {
        let mut problems = admission.problems.iter();
        problems.find(|problem| problem.message.contains(interface)).map(|problem| problem.diff.join("\n"))
    };
    let (narrow, _) = judge(&component(&wit("u32"))).await;
    let types = of(&narrow, "/types@").unwrap();
    assert_eq!(types, "  record unique-identifier {\n    high: u64,\n-   low: u32,\n+   low: u64,\n  }");
    let service = of(&narrow, "/organization-service@").unwrap();
    assert!(
        service.contains(
            "- delete: func(which: reference) -> result<_, fault>;\n+ delete: func(target: entity-reference) -> \
             result<_, fault>;"
        ),
        "{service}"
    );

    // What the interface calls its types and parameters is nothing to the linker, and `steps` is all that differs.
    let (same, _) = judge(&component(&wit("u64"))).await;
    let service = of(&same, "/organization-service@").unwrap_or_default();
    assert!(!service.contains("delete: func"), "{service}");
    assert!(of(&same, "/steps@").is_some());
}

#[tokio::test]
async fn a_newer_contract_shows_what_it_asks_for_more() {
    let bytes = component(
        "package stagegate:plugin@0.2.0;
         interface tracing-service { trace: func(line: string); span: func(name: string) -> u64; }
         interface steps { declare: func(); }
         world plugin { import tracing-service; export steps; }",
    );
    let (admission, _) = judge(&bytes).await;
    let import =
        admission.problems.iter().find(|problem| problem.message.contains("tracing-service")).unwrap();
    assert_eq!(import.diff, ["- span: func(name: string) -> u64;"]);
    assert!(import.message.contains("another line of the contract than this host's 0.1.0"), "{import}");
    assert!(import.way_out.contains("update the host"), "{import}");
}

#[tokio::test]
async fn what_a_sandbox_has_too_little_of_is_counted_before_compiling() {
    let modules = "(core module $m (memory 1024) (table 60000 funcref))".to_owned();
    let bytes =
        wat::parse_str(format!("(component {modules} {})", "(core instance (instantiate $m))".repeat(65)))
            .unwrap();
    let (admission, error) = judge(&bytes).await;
    let resources = admission.inspection.resources;
    assert_eq!((resources.core_instances, resources.memories, resources.tables), (65, 65, 65));
    assert_eq!(resources.initial_memory_bytes, 65 << 26);
    let error = error.unwrap();
    for part in [
        "another world",
        "needs 65 core instances, and a sandbox has 64",
        "needs 65 memories, and a sandbox has 4",
        "needs 65 tables, and a sandbox has 40",
        "table elements to begin with, and a sandbox has 50000",
        "starts with 4259840 KiB of memory, and 32768 KiB is the limit",
    ] {
        assert!(error.contains(part), "{part:?} is not in:\n{error}");
    }
}

#[tokio::test]
async fn components_that_double_thirty_times_are_counted_and_not_made() {
    let mut text = "(component)".to_owned();
    for _ in 0..15 {
        text = format!("(component (component $c {}", text.strip_prefix("(component").unwrap());
        text += " (instance (instantiate $c)) (instance (instantiate $c)))";
    }
    let (admission, error) = judge(&wat::parse_str(&text).unwrap()).await;
    assert_eq!(admission.inspection.resources.component_instances, (1 << 16) - 2);
    assert!(error.unwrap().contains("65534 instances of nested components, and 1000 is the most"));

    // Outer aliases double without nesting.
    let mut text = "(component (component $c0)".to_owned();
    for level in 1..=40 {
        let inner = level - 1;
        text += &format!(
            "(component $c{level} (alias outer 1 $c{inner} (component $i)) (instance (instantiate $i)) (instance \
             (instantiate $i)))"
        );
    }
    text += "(instance (instantiate $c40)))";
    let (admission, error) = judge(&wat::parse_str(&text).unwrap()).await;
    assert!(admission.inspection.resources.component_instances > 1 << 40);
    assert!(error.unwrap().contains("instances of nested components"));
}

#[tokio::test]
async fn deep_nesting_and_huge_functions_are_refused_before_compiling() {
    let deep = format!("{}{}", "(component ".repeat(17), ")".repeat(17));
    let (_, error) = judge(&wat::parse_str(deep).unwrap()).await;
    assert!(error.unwrap().contains("has 17 levels of nested components, and 16 is the most"));

    let huge = format!("(component (core module (func {})))", "nop ".repeat((1 << 20) + 1));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.wasm");
    // The function is never looked at, so it need not be there.
    fs::write(&path, &wat::parse_str(huge).unwrap()[..1000]).unwrap();
    let error = engine().admit(&path).await.err().unwrap();
    assert!(
        error.message().contains("has 1048579 bytes in one function, and 1048576 is the most"),
        "{error}"
    );
}

#[tokio::test]
async fn each_declared_step_is_judged_as_its_registration_would() {
    let (admission, error) = judge(&fs::read(GUEST_BACKGROUND).unwrap()).await;
    assert_eq!((error, admission.problems.as_slice()), (None, [].as_slice()));
    assert!(admission.steps.iter().all(|step| step.validity == Validity::Valid), "{:?}", admission.steps);
    assert_eq!(load(GUEST_BACKGROUND).await.report().admission.steps, admission.steps);

    let good = fs::read(GUEST_BACKGROUND).unwrap();
    // A manifest may still mend it, so it is loaded.
    let early = replace(&good, br#""stage":"PostOperation""#, br#""stage":"PreValidation""#);
    let (admission, error) = judge(&early).await;
    assert_eq!(error, None);
    assert_eq!(admission.steps[0].validity, Validity::Invalid);
    assert_eq!(kinds(&admission), vec![ProblemKind::Step; admission.steps.len()]);
    let said = admission.problems[0].to_string();
    assert!(said.contains("which is asynchronous, which only PostOperation (40) allows"), "{said}");

    let custom = replace(&good, br#""message":"Create""#, br#""message":"Craete""#);
    let (admission, _) = judge(&custom).await;
    assert_eq!(admission.steps[0].validity, Validity::Depends);
    assert!(admission.steps[0].reason.as_ref().unwrap().contains("the database must define it"));
}
