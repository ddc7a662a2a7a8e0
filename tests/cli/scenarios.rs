//! `stagegate test`: what passes, what fails and how it is shown, what is broken, and what `--update` writes.

use std::path::Path;

use stagegate::cli::{self, Exit};
use stagegate_tests::GUEST_CAPABILITIES;

use super::program::{Program, Ran};

/// Accounts, a step that stamps them, and one that refuses those without a name.
const GIVEN: &str = r#""given": {
    "entities": [
      { "logical_name": "account", "attributes": [{ "name": "name", "type": "string" }, { "name": "limit", "type": "money" }] }
    ],
    "steps": [
      { "plugin": "probe", "name": "stamps", "message": "Create", "entity": "account", "stage": "PreOperation",
        "do": [{ "set": { "limit": "10.00" } }, { "trace": "stamped {target.name}" }] },
      { "plugin": "probe", "name": "refuses", "message": "Update", "entity": "account", "stage": "PreValidation",
        "do": [{ "fail": "no {target.name}" }] }
    ]
  }"#;

/// A request that creates an account, with what is expected of it.
fn create(expect: &str) -> String {
    format!(
        r#"{{ "message": "Create", "target": {{ "entity": "account", "id": "$acme", "attributes": {{ "name": "Acme" }} }}{expect} }}"#
    )
}

/// A file of one case with these requests.
fn file(requests: &str) -> String {
    format!(
        "{{\n  {GIVEN},\n  \"cases\": [\n    {{ \"name\": \"the case\", \"requests\": [\n      {requests}\n    ] }}\n  ]\n}}\n"
    )
}

/// Runs a file with these requests, with the options given.
fn test(program: &Program, text: &str, options: &[&str]) -> Ran {
    let path = program.file("some.scenario.json", text);
    let options = options.iter().map(|option| Path::new(option).to_owned());
    program.run(["test".into(), path].into_iter().chain(options))
}

#[test]
fn a_case_that_holds_passes() {
    let expect = r#", "expect": {
        "output": { "id": "$acme" },
        "ran": ["probe/stamps"], "trace": ["stamped Acme"], "jobs": [],
        "records": { "account": { "$acme": { "limit": 10 }, "$other": null } } }"#;
    let ran = test(&Program::new(), &file(&create(expect)), &[]);
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    assert!(ran.output.contains("✓ the case") && ran.output.contains("1 passed, 0 failed"), "{}", ran.output);
    assert_eq!(ran.errors, "");
}

/// Asserts that a request with this expectation fails its case, and what is shown of it.
#[track_caller]
fn fails(requests: &str, shown: &[&str]) {
    let ran = test(&Program::new(), &file(requests), &[]);
    assert_eq!(ran.exit, Exit::RequestFailed, "{ran:?}");
    for part in shown.iter().chain(&["✗ the case", "0 passed, 1 failed"]) {
        assert!(ran.output.contains(part), "`{part}` is not in:\n{}", ran.output);
    }
}

#[test]
fn whatever_differs_is_shown_with_its_place() {
    let wrong = |expect: &str| create(&format!(", \"expect\": {expect}"));
    fails(
        &wrong(r#"{ "ran": ["probe/stamps", "probe/more"] }"#),
        &["some.scenario.json:15: cases[0].requests[0].expect.ran", "  \"probe/stamps\"", "- \"probe/more\""],
    );
    fails(&wrong(r#"{ "trace": ["stamped"] }"#), &["expect.trace[0]", "- \"stamped\"", "+ \"stamped Acme\""]);
    fails(
        &wrong(r#"{ "records": { "account": { "$acme": { "limit": "9.99" } } } }"#),
        &["expect.records.account.$acme.limit", "- \"9.99\"", "+ \"10.00\""],
    );
    fails(&wrong(r#"{ "records": { "account": { "$acme": null } } }"#), &["- null", "\"name\": \"Acme\""]);
    fails(
        &wrong(r#"{ "records": { "account": [] } }"#),
        &["expect.records.account", "+ { \"limit\": \"10.00\""],
    );
    fails(&wrong(r#"{ "records": { "account": { "$x": { "name": "x" } } } }"#), &["account.$x", "+ null"]);
    fails(
        &wrong(r#"{ "output": { "id": "$other" } }"#),
        &["expect.output.id", "- \"$other\"", "+ \"$acme\""],
    );
    fails(&wrong(r#"{ "jobs": [{ "step": "probe/x" }] }"#), &["expect.jobs", "- { \"step\": \"probe/x\" }"]);
    fails(&wrong(r#""fault""#), &["cases[0].requests[0].expect", "- \"fault\"", "\"id\": \"$acme\""]);
    fails(&wrong(r#"{ "fault": { "kind": "timeout" } }"#), &["- { \"kind\": \"timeout\" }"]);
}

#[test]
fn a_request_that_fails_and_does_not_say_so_fails_its_case() {
    let update = |expect: &str| {
        format!(
            r#"{{ "note": "try it", "message": "Update", "target": {{ "entity": "account", "id": "$acme", "attributes": {{ "name": "x" }} }}{expect} }}"#
        )
    };
    for expect in ["", r#", "expect": "success""#, r#", "expect": { "ran": [] }"#] {
        fails(&update(expect), &["try it", "- \"success\"", "\"no x\"", "\"probe/refuses\""]);
    }
    fails(&update(r#", "expect": { "fault": { "message": "yes" } }"#), &["- \"yes\"", "+ \"no x\""]);
    fails(&update(r#", "expect": { "fault": { "stage": "PreOperation" } }"#), &["+ \"PreValidation\""]);
    let right =
        r#", "expect": { "fault": { "kind": "rejected", "message": "no x", "step": "probe/refuses" } }"#;
    assert_eq!(test(&Program::new(), &file(&update(right)), &[]).exit, Exit::Done);
}

#[test]
fn a_broken_file_has_its_place_and_nothing_runs() {
    let broken = |text: &str, parts: &[&str]| test(&Program::new(), text, &[]).unusable(parts);
    broken(
        "{\"cases\": [{\"requests\": []}]}",
        &["some.scenario.json:1:", "cases[0]", "missing field `name`"],
    );
    broken("", &["is empty", "docs/scenarios.md"]);
    broken("{\"cases\": []}", &["no cases"]);
    broken(
        &file(&create(r#", "expect": { "rn": [] }"#)),
        &["some.scenario.json:15:", "cases[0].requests[0].expect.rn", "unknown field `rn`"],
    );
    broken(&file(&create(r#", "expect": 7"#)), &["cases[0].requests[0].expect", "\"success\""]);
    broken(
        &file(r#"{ "message": "Creat" }"#),
        &["cases[0].requests[0].message", "`Creat` is not known", "Create"],
    );
    broken(
        &file(&create(r#", "expect": { "records": { "acount": [] } }"#)),
        &["expect.records.acount", "did you mean `account`"],
    );
    broken(
        r#"{"given": {"entities": [{"logical_name": "account"}]}, "cases": [{"name": "x", "refused": {},
            "requests": [{"message": "Create", "target": {"entity": "account"}}]}]}"#,
        &["cases[0].requests", "runs no requests"],
    );
    let step = |step: &str| format!(r#"{{"given": {{"steps": [{step}]}}, "cases": [{{"name": "x"}}]}}"#);
    broken(
        &step(r#"{"name": "s", "message": "Create", "stage": "Late"}"#),
        &["1:", "given.steps[0].stage", "unknown variant `Late`", "`PreValidation`"],
    );
    broken(&step(r#"{"name": "s", "message": "Create"}"#), &["given.steps[0]", "missing field `stage`"]);
    broken(
        &step(r#"{"name": "s", "message": "Create", "stage": "PreOperation", "do": [{"sett": {}}]}"#),
        &["given.steps[0].do[0]", "unknown variant `sett`", "`set`"],
    );
    broken(
        &step(r#"{"name": "s", "message": "Create", "stage": "PreOperation", "do": [{"trace": "{x}"}]}"#),
        &["given.steps[0].do[0].trace", "`{x}` names no fact"],
    );
    broken(
        &step(
            r#"{"name": "s", "message": "Create", "stage": "PreOperation", "do": [{"set": {"name": "x"}}]}"#,
        ),
        &["given.steps[0].do[0]", "needs the step's \"entity\""],
    );
    broken(
        r#"{"given": {"plugins": [{"path": "no/such.wasm"}]}, "cases": [{"name": "x"}]}"#,
        &["given.plugins[0].path", "no plugin at", "such.wasm"],
    );
    broken(
        r#"{"given": {"entities": [{"logical_name": "a", "attributes": [{"name": "id", "type": "money"}]}]}, "cases": [{"name": "x"}]}"#,
        &["given.entities[0].attributes[0]", "`id`"],
    );
}

#[test]
fn a_case_that_is_to_be_refused_must_be_and_for_that_reason() {
    let file = |refused: &str, stage: &str| {
        format!(
            r#"{{"cases": [{{"name": "the case", "given": {{"steps": [{{"name": "s", "message": "Create", "stage": "{stage}"}}]}}{refused}}}]}}"#
        )
    };
    let refused = r#", "refused": {"kind": "invalid-registration", "message": "MainOperation"}"#;
    let run = |text: &str| test(&Program::new(), text, &[]);
    assert_eq!(run(&file(refused, "MainOperation")).exit, Exit::Done);
    let begins = run(&file(refused, "PreOperation"));
    assert_eq!(begins.exit, Exit::RequestFailed);
    assert!(begins.output.contains("the case begins"), "{}", begins.output);
    let unexpected = run(&file("", "MainOperation"));
    assert_eq!(unexpected.exit, Exit::RequestFailed);
    assert!(unexpected.output.contains("the case cannot begin: "), "{}", unexpected.output);
    let other = run(&file(r#", "refused": {"message": "another reason"}"#, "MainOperation"));
    assert!(other.output.contains("- \"another reason\""), "{}", other.output);
}

#[test]
fn update_corrects_what_differs_and_leaves_the_rest_as_it_is() {
    let program = Program::new();
    let before = file(&format!(
        "{},\n      {}",
        create(r#",   "expect": { "trace":["wrong"],"ran": [ "probe/stamps" ], "output": {} }"#),
        r#"{ "message": "Update", "target": { "entity": "account", "id": "$acme" } }"#,
    ));
    let updated = test(&program, &before, &["--update"]);
    assert_eq!(updated.exit, Exit::Done, "{updated:?}");
    assert!(updated.output.contains("0 passed, 0 failed, 1 updated"), "{}", updated.output);
    let after = std::fs::read_to_string(program.path("some.scenario.json")).unwrap();
    let fault = r#", "expect": { "fault": { "kind": "rejected", "code": -2147220891, "message": "no absent", "step": "probe/refuses", "stage": "PreValidation" }, "ran": ["probe/refuses"] } }"#;
    let expected = before
        .replace("\"wrong\"", "\"stamped Acme\"")
        .replace(r#""id": "$acme" } }"#, &format!(r#""id": "$acme" }}{fault}"#));
    assert_eq!(after, expected);
    let again = test(&program, &after, &["--update"]);
    assert!(again.output.contains("1 passed, 0 failed"), "{}", again.output);
    assert_eq!(std::fs::read_to_string(program.path("some.scenario.json")).unwrap(), after);
}

/// Asserts what `--update` makes of an expectation of a Create that succeeds.
#[track_caller]
fn updates(before: &str, after: &str) {
    let program = Program::new();
    let text = file(&create(&format!(", \"expect\": {before}")));
    assert_eq!(test(&program, &text, &["--update"]).exit, Exit::Done);
    let written = std::fs::read_to_string(program.path("some.scenario.json")).unwrap();
    assert_eq!(written, file(&create(&format!(", \"expect\": {after}"))));
}

#[test]
fn update_keeps_what_an_author_asks_for() {
    updates(r#"{ "fault": {}, "ran": [] }"#, r#"{ "ran": ["probe/stamps"] }"#);
    updates(r#"{ "ran": ["probe/stamps"], "fault": {} }"#, r#"{ "ran": ["probe/stamps"] }"#);
    updates(r#"{ "fault": { "kind": "timeout" } }"#, "{ }");
    updates(
        r#""fault""#,
        r#"{ "output": { "id": "$acme" }, "ran": ["probe/stamps"], "trace": ["stamped Acme"] }"#,
    );
    updates(
        r#"{ "records": { "account": [{ "name": "x" }, { "limit": 1 }] } }"#,
        r#"{ "records": { "account": [{ "limit": "10.00", "name": "Acme" }] } }"#,
    );
    updates(
        r#"{ "records": { "account": { "$acme": null } } }"#,
        r#"{ "records": { "account": { "$acme": { "limit": "10.00", "name": "Acme" } } } }"#,
    );
}

#[test]
fn the_outcome_is_there_for_machines_too() {
    let program = Program::new();
    let junit = program.path("junit.xml");
    let wrong = create(r#", "expect": { "trace": ["<wrong>"] }"#);
    let ran = test(&program, &file(&wrong), &["--format", "json", "--junit", junit.to_str().unwrap()]);
    assert_eq!(ran.exit, Exit::RequestFailed);
    let report: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(report["exit_code"], 1);
    let case = &report["cases"][0];
    assert_eq!((&case["name"], &case["outcome"]), (&"the case".into(), &"failed".into()));
    assert_eq!(case["differences"][0]["actual"], "stamped Acme");
    assert_eq!(case["differences"][0]["place"]["line"], 15);
    let xml = std::fs::read_to_string(junit).unwrap();
    for part in [
        "<testsuite name=\"",
        "tests=\"1\"",
        "failures=\"1\"",
        "<testcase name=\"the case\"",
        "&lt;wrong&gt;",
    ] {
        assert!(xml.contains(part), "`{part}` is not in:\n{xml}");
    }
}

#[test]
fn files_are_found_in_folders_and_cases_by_their_names() {
    let program = Program::new();
    program.file("a/b/deep.scenario.json", file(&create("")));
    program.file("a/other.json", "no scenario");
    program.file("empty/readme.txt", "");
    let run = |args: &[&str]| {
        let args = args.iter().map(|arg| match arg.strip_prefix("./") {
            Some(name) => program.path(name),
            None => arg.into(),
        });
        program.run(std::iter::once("test".into()).chain(args))
    };
    assert!(run(&["./a"]).output.contains("1 passed"));
    assert!(run(&["./a", "--filter", "the case"]).output.contains("1 passed"));
    assert!(run(&["./a", "--filter", "deep"]).output.contains("1 passed"));
    run(&["./a", "--filter", "shallow"]).unusable(&["no case has `shallow`"]);
    run(&["./empty"]).unusable(&["no scenario file", "`.scenario.json`"]);
    run(&["./missing.scenario.json"]).unusable(&["missing.scenario.json` cannot be read"]);
    run(&[]).unusable(&["<PATH>"]);
}

#[test]
fn an_interrupt_drops_the_cases_that_run() {
    let mut program = Program::new();
    program.interrupted = true;
    let ran = test(&program, &file(&create("")), &["--update"]);
    assert_eq!(ran.exit, Exit::Interrupted, "{ran:?}");
    assert!(ran.errors.contains("interrupted") && ran.output.is_empty(), "{ran:?}");
}

#[test]
fn a_plugin_runs_in_a_case_with_the_entities_that_it_declares() {
    let program = Program::new();
    let component = super::program::component().to_str().unwrap();
    let text = format!(
        r#"{{
  "given": {{ "plugins": [{{ "path": {component:?} }}], "user": "$ada", "now": "2026-01-05T09:00:00Z" }},
  "cases": [
    {{
      "name": "an accepted rise is dated and followed up",
      "given": {{
        "records": {{
          "systemuser": {{ "$ada": {{ "approvallimit": "1000.00" }} }},
          "account": {{ "$acme": {{ "name": "Acme", "creditlimit": "500.00" }} }}
        }}
      }},
      "requests": [
        {{
          "message": "Update",
          "target": {{ "entity": "account", "id": "$acme", "attributes": {{ "creditlimit": "900.00" }} }},
          "expect": {{
            "ran": ["credit-guard/approve_rise"],
            "trace": ["credit limit 500.00 -> 900.00"],
            "jobs": [{{ "step": "credit-guard/follow_up", "status": "succeeded" }}],
            "records": {{
              "account": {{ "$acme": {{ "creditlimit": 900, "creditapprovedon": "2026-01-05T10:00:00+01:00" }} }},
              "task": [{{ "subject": "Acme: limit raised from 500.00 to 900.00", "regardingobjectid": "$acme" }}]
            }}
          }}
        }}
      ]
    }}
  ]
}}"#
    );
    let ran = test(&program, &text, &[]);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
}

#[test]
fn the_example_in_the_docs_holds() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenarios.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let example = docs.split("```json\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let ran = test(&Program::new(), example, &[]);
    assert!(ran.exit == Exit::Done && ran.output.contains("2 passed"), "{}\n{}", ran.output, ran.errors);
}

#[test]
fn a_manifest_changes_how_the_steps_of_a_plugin_are_registered() {
    let program = Program::new();
    let component = super::program::component().to_str().unwrap();
    program
        .file("off.toml", "plugin = \"credit-guard\"\n[[step]]\nname = \"approve_rise\"\nenabled = false\n");
    let file = |manifests: &str| {
        format!(
            r#"{{
  "given": {{ "plugins": [{{ "path": {component:?} }}]{manifests} }},
  "cases": [
    {{
      "name": "the case",
      "requests": [
        {{ "message": "Create", "target": {{ "entity": "account", "id": "$acme" }} }},
        {{
          "message": "Update",
          "target": {{ "entity": "account", "id": "$acme", "attributes": {{ "creditlimit": "900.00" }} }},
          "expect": {{ "ran": [] }}
        }}
      ]
    }}
  ]
}}"#
        )
    };
    let ran = test(&program, &file(r#", "manifests": ["off.toml"]"#), &[]);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
    assert_eq!(test(&program, &file(""), &[]).exit, Exit::RequestFailed);
    let missing = test(&program, &file(r#", "manifests": ["on.toml"]"#), &[]);
    missing.unusable(&["given.manifests[0]", "no manifest at", "on.toml"]);
}

#[test]
fn the_schema_in_the_docs_is_that_of_the_code() {
    let ran = Program::new().run(["test", "--schema"]);
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/scenario.schema.json");
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == ran.output, "write it anew: cargo run -- test --schema > docs/scenario.schema.json");
}

/// A file with cases in which the plugin that reaches for what it is granted finds `note`, one for each.
fn reaching(grants: &str, notes: &[(&str, &str)]) -> String {
    let cases = notes.iter().enumerate().map(|(index, (note, expected))| {
        format!(
            r#"{{
      "name": "{note}",
      "requests": [
        {{
          "message": "Create",
          "target": {{ "entity": "probe", "id": "$p{index}", "attributes": {{ "note": "{note}" }} }},
          "expect": {{ "records": {{ "probe": {{ "$p{index}": {{ "note": "{expected}" }} }} }} }}
        }}
      ]
    }}"#
        )
    });
    format!(
        r#"{{
  "given": {{
    "plugins": [{{ "path": {GUEST_CAPABILITIES:?}{grants} }}],
    "manifests": ["only-reach.toml"],
    "entities": [{{ "logical_name": "probe", "attributes": [{{ "name": "note", "type": "string", "max_length": 500 }}] }}]
  }},
  "cases": [{}]
}}"#,
        cases.collect::<Vec<_>>().join(", ")
    )
}

/// A manifest that leaves one step of the plugin.
fn only_reach(program: &Program) {
    let text = "enabled = false\n[[step]]\nname = 'reach'\nenabled = true\n";
    program.file("only-reach.toml", format!("plugin = 'guest-capabilities'\n{text}"));
}

#[test]
fn a_scenario_grants_its_plugins_what_they_ask_for() {
    let program = Program::new();
    only_reach(&program);
    program.file("key.txt", "hush\n");
    let grants = r#", "grants": {
      "secrets": { "key": { "file": "key.txt" } },
      "configuration": { "region": "eu" },
      "environment": ["STAGEGATE_IS_NOT_SET"]
    }"#;
    let notes = [
        ("secret key", "hush"),
        ("configuration region", "eu"),
        ("environment STAGEGATE_IS_NOT_SET", "not set"),
    ];
    let ran = test(&program, &reaching(grants, &notes), &[]);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
    assert!(ran.output.contains("3 passed"), "{}", ran.output);
    // The same without the grants.
    let ran = test(&program, &reaching("", &notes), &[]);
    assert_eq!(ran.exit, Exit::RequestFailed, "{}", ran.output);
    assert!(ran.output.contains("0 passed, 3 failed"), "{}", ran.output);
    assert!(ran.output.contains("is not granted the secret `key`; it asks for it"), "{}", ran.output);

    // A manifest says anew what it has of a kind, and leaves the other kinds.
    let more = "plugin = 'guest-capabilities'\n[grants.configuration]\nregion = 'us'\n";
    program.file("more.toml", more);
    let file = reaching(grants, &[("secret key", "hush"), ("configuration region", "us")]);
    let file = file.replace(r#"["only-reach.toml"]"#, r#"["only-reach.toml", "more.toml"]"#);
    assert_eq!(test(&program, &file, &[]).exit, Exit::Done);
}

#[test]
fn what_cannot_be_granted_in_a_scenario_has_its_place() {
    let program = Program::new();
    only_reach(&program);
    let broken = |grants: &str, parts: &[&str]| {
        let file = reaching(&format!(",\n      \"grants\": {grants}"), &[("secret key", "")]);
        let ran = test(&program, &file, &[]);
        ran.unusable(parts);
        assert!(!ran.errors.contains("hush"), "{}", ran.errors);
        // Without the plugin its form is judged all the same.
        cli::check_scenario("some.scenario.json", file.into_bytes()).unwrap_err()
    };
    let place = "some.scenario.json:4:17: at given.plugins[0].grants: ";
    let asked = "this grants `guest-capabilities` the environment variable `HOME`, which it does not ask for; it asks for HTTP";
    broken(r#"{ "environment": ["HOME"] }"#, &[place, asked]);
    for (grants, problem) in [
        (r#"{ "randm": true }"#, "unknown field `randm`"),
        (r#"{ "secrets": { "key": "hush" } }"#, "its text has no place in a manifest or a scenario"),
        (r#"{ "secrets": { "key": { "file": "hush", "environment": "hush" } } }"#, "its text has no place"),
        (r#"{ "http": [{ "origin": "example.com", "methods": ["GET"] }] }"#, "it has no scheme"),
        (r#"{ "background": "soon" }"#, "is no duration"),
        ("7", "expected an object"),
    ] {
        let said = broken(grants, &["some.scenario.json:4:", "at given.plugins[0].grants", problem]);
        assert!(said.starts_with("some.scenario.json:4:") && said.contains(problem), "{said}");
    }

    let missing = r#", "grants": { "secrets": { "key": { "file": "missing.txt" } } }"#;
    let ran = test(&program, &reaching(missing, &[("secret key", "")]), &[]);
    assert_eq!(ran.exit, Exit::RequestFailed, "{}", ran.output);
    let path = program.path("missing.txt");
    let expected = format!("`guest-capabilities`, cannot be read from `{}`", path.display());
    assert!(
        ran.output.contains("the case cannot begin: ") && ran.output.contains(&expected),
        "{}",
        ran.output
    );
}

#[test]
fn a_case_may_show_that_a_plugin_is_granted_too_much() {
    let text = format!(
        r#"{{ "cases": [{{
            "name": "HOME is none of its business",
            "given": {{ "plugins": [{{ "path": {GUEST_CAPABILITIES:?}, "grants": {{ "environment": ["HOME"] }} }}] }},
            "refused": {{ "kind": "invalid-registration", "message": "`HOME`, which it does not ask for" }}
        }}] }}"#
    );
    let ran = test(&Program::new(), &text, &[]);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
}
