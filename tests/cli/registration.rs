//! Manifests on the command line, and the commands `plan`, `diff` and `apply`.

use std::ffi::OsString;

use serde_json::{Value as Json, json};
use stagegate::cli::Exit;
use stagegate::model::registration::{StepRegistration, Update};
use stagegate::store::Store as _;
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::{Stage, StepDefinition};

use super::program::{Program, Ran, component};

const OPERATOR: &str = r#"
plugin = "credit-guard"

[[step]]
name = "approve_rise"
rank = 5
changed_only = true
when = { attribute = "creditlimit", operator = "gt", value = 1000 }
secure_configuration = "hunter2"
"#;

/// The program with the operator's manifest `operator.toml`.
fn program() -> Program {
    let program = Program::new();
    program.file("operator.toml", OPERATOR);
    program
}

/// Runs the program with the credit guard. `@name` is a file in the program's folder.
fn run(program: &Program, args: &str) -> Ran {
    let args = args.split_whitespace().map(|arg| match arg.strip_prefix('@') {
        Some("guard") => component().as_os_str().to_owned(),
        Some(name) => program.path(name).into_os_string(),
        None => OsString::from(arg),
    });
    program.run(args.collect::<Vec<_>>())
}

#[track_caller]
fn says(ran: &Ran, exit: Exit, parts: &[&str]) {
    assert_eq!(ran.exit, exit, "{}\n{}", ran.errors, ran.output);
    for part in parts {
        assert!(ran.output.contains(part), "`{part}` is not in:\n{}", ran.output);
    }
    assert!(!ran.output.contains("hunter2") && !ran.errors.contains("hunter2"));
}

fn json(ran: &Ran) -> Json {
    serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {}{}", ran.output, ran.errors))
}

#[test]
fn the_plan_says_what_runs_and_who_says_so() {
    let program = program();
    let ran = run(&program, "plan --plugin @guard --manifest @operator.toml");
    let parts = [
        "1  20 PreOperation      5  sync   approve_rise  credit-guard  in transaction, before the operation",
        "if the target changes creditlimit; when creditlimit gt 1000; pre-image before(creditlimit)",
        "rank 1 -> 5 (",
        "operator.toml); changed_only false -> true (",
        "secure_configuration set",
        "2  40 PostOperation     1  async  follow_up",
    ];
    says(&ran, Exit::Done, &parts);
    assert!(!ran.output.contains("Warnings"), "{}", ran.output);
    says(&run(&program, "plan Update account --plugin @guard"), Exit::Done, &["approve_rise", "follow_up"]);
    says(&run(&program, "plan Update task --plugin @guard"), Exit::Done, &["no steps are registered"]);
    says(&run(&program, "plan Create --plugin @guard"), Exit::Done, &["no steps are registered"]);
}

#[test]
fn the_plan_warns_and_marks_what_is_disabled() {
    let program = program();
    program.file(
        "off.toml",
        "[[step]]\nname = 'follow_up'\nenabled = false\n[[step]]\nname = 'approve_rise'\nfiltering_attributes = []",
    );
    let ran = run(&program, "plan --plugin @guard --manifest @off.toml");
    let parts = [
        " -  40 PostOperation     1  async  follow_up     credit-guard  disabled, so it does not run",
        "enabled true -> false (",
        "Warnings\n  empty-filter: `credit-guard/approve_rise` runs on every Update of account; give it",
        "disabled: `credit-guard/follow_up` is disabled and never runs",
    ];
    says(&ran, Exit::Done, &parts);
    let plan = json(&run(&program, "plan --plugin @guard --manifest @off.toml --format json"));
    assert_eq!(plan["plan"][1]["enabled"], false);
    assert_eq!(plan["plan"][1].get("order"), None);
    assert_eq!(plan["plan"][1]["overrides"][0]["field"], "enabled");
    assert_eq!(plan["plan"][1]["overrides"][0]["origin"], "manifest");
    assert_eq!(plan["warnings"][1]["rule"], "disabled");
    assert_eq!(plan["warnings"][1]["steps"], json!([{"plugin": "credit-guard", "step": "follow_up"}]));
}

#[test]
fn a_registration_is_compared_applied_and_then_what_runs() {
    let program = program();
    let apply = "apply --plugin @guard --manifest @operator.toml --database @data.db";
    let diff = "diff --plugin @guard --manifest @operator.toml --database @data.db";
    run(&program, diff).unusable(&["data.db` does not exist", "`stagegate apply`"]);
    run(&program, &format!("{apply} --dry-run")).unusable(&["data.db` does not exist"]);
    let added = [
        "+ credit-guard/approve_rise: on Update of account at PreOperation, rank 5, with a secure configuration",
        "+ credit-guard/follow_up: on Update of account at PostOperation, asynchronous, rank 1",
        "2 new, 0 changed, 0 gone; written to",
    ];
    says(&run(&program, apply), Exit::Done, &added);
    says(&run(&program, diff), Exit::Done, &["is what is described"]);
    says(&run(&program, apply), Exit::Done, &["is what is described"]);
    let undefined =
        ["undefined-entity: `credit-guard/approve_rise` never runs: the entity `account` is not defined"];
    says(&run(&program, "plan --plugin @guard --database @data.db"), Exit::Done, &undefined);

    let without = "--plugin @guard --database @data.db";
    let changed = [
        "~ credit-guard/approve_rise:\n    rank 5 -> 1\n    changed_only true -> false\n    when creditlimit gt 1000 -> none\n",
    ];
    says(&run(&program, &format!("diff {without}")), Exit::Different, &changed);
    let dry = run(&program, &format!("apply --dry-run {without}"));
    says(&dry, Exit::Done, &[changed[0], "nothing was written to"]);
    says(&run(&program, diff), Exit::Done, &["is what is described"]);

    // A host on the database runs what was applied, and says what differs.
    let ran = run(&program, &format!("plan {without}"));
    let parts = [
        "rank 1 -> 5 (the database)",
        "secure_configuration set",
        "registration is not what is described",
        changed[0],
    ];
    says(&ran, Exit::Done, &parts);
    let ran = run(&program, without);
    says(
        &ran,
        Exit::Done,
        &[
            "note: the database's registration is not what is described: ~ credit-guard/approve_rise: rank 5 -> 1;",
        ],
    );

    says(&run(&program, &format!("apply {without}")), Exit::Done, &["0 new, 1 changed, 0 gone; written to"]);
    let plan = run(&program, &format!("plan {without}"));
    says(&plan, Exit::Done, &["secure_configuration set"]);
    assert!(!plan.output.contains("the database)"), "{}", plan.output);
    assert!(!plan.output.contains("Warnings"), "the run has made the definitions: {}", plan.output);
}

/// Stores a step of the credit guard that it does not have: as if it had lost it.
fn store_lost_step(program: &Program) {
    let lost = StepRegistration {
        plugin: "credit-guard".into(),
        definition: StepDefinition::new("lost", "Update", Stage::PreOperation).on("account"),
        secure_configuration: None,
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let store = SqliteStore::open(Options::new(program.path("data.db"))).unwrap();
        store.update_registrations(Update { put: vec![lost], remove: Vec::new() }).await.unwrap();
        store.close().await;
    });
}

#[test]
fn a_step_that_the_plugin_lost_stops_a_host_until_it_is_disabled_or_removed() {
    let program = program();
    let on_database =
        |command: &str| run(&program, &format!("{command} --plugin @guard --database @data.db"));
    on_database("apply");
    store_lost_step(&program);
    for command in ["plan", "--no-cache"] {
        on_database(command).unusable(&[
            "the step `lost` of plugin `credit-guard`",
            "no longer has it",
            "--prune",
        ]);
    }
    let line = "- credit-guard/lost: the plugin no longer has it; ";
    let check = |command: &str, exit: Exit, what: &str| {
        says(&on_database(command), exit, &[&format!("{line}{what}\n")]);
    };
    check("diff", Exit::Different, "`stagegate apply` disables it, with `--prune` removes it");
    check("apply --dry-run", Exit::Done, "would be disabled; `--prune` removes it");
    check("apply", Exit::Done, "disabled; `--prune` removes it");
    check("diff", Exit::Done, "disabled, kept until `stagegate apply --prune`");
    says(&on_database("plan"), Exit::Done, &["approve_rise"]);
    assert_eq!(json(&on_database("diff --format json"))["kept"][0]["step"], "lost");
    check("apply --prune --dry-run", Exit::Done, "would be removed");
    check("apply --prune", Exit::Done, "removed");
    let ran = on_database("diff");
    assert!(!ran.output.contains("lost"), "{}", ran.output);

    store_lost_step(&program);
    check("apply --prune", Exit::Done, "removed");
    assert!(!on_database("diff").output.contains("lost"));
}

#[test]
fn a_difference_is_told_to_machines() {
    let program = program();
    run(&program, "apply --plugin @guard --database @data.db");
    let ran =
        run(&program, "diff --plugin @guard --manifest @operator.toml --database @data.db --format json");
    assert_eq!(ran.exit, Exit::Different);
    let when = json!({"attribute": "creditlimit", "operator": "gt", "value": 1000});
    let expected = json!({
        "format": 1,
        "exit_code": 1,
        "database": program.path("data.db").to_str().unwrap(),
        "same": false,
        "applied": false,
        "steps": [{
            "difference": "changed",
            "plugin": "credit-guard",
            "step": "approve_rise",
            "changes": [
                {"field": "rank", "from": 1, "to": 5},
                {"field": "changed_only", "from": false, "to": true},
                {"field": "when", "from": null, "to": when},
            ],
            "secure_configuration": "set",
        }],
        "kept": [],
    });
    assert_eq!(json(&ran), expected);
}

#[test]
fn a_manifest_beside_the_plugin_counts_before_the_operators() {
    let program = program();
    program.file("guard.wasm", std::fs::read(component()).unwrap());
    let beside = program.file(
        "guard.toml",
        "[[step]]\nname = 'approve_rise'\nrank = 2\n[[step]]\nname = 'follow_up'\nrank = 7",
    );
    let ran = run(&program, "plan --plugin @guard.wasm --manifest @operator.toml");
    says(&ran, Exit::Done, &["operator.toml)", &format!("rank 1 -> 7 ({})", beside.display())]);
    says(&run(&program, "plan --plugin @guard.wasm"), Exit::Done, &["rank 1 -> 2 ("]);
    // The run of the requests too.
    says(&run(&program, "--plugin @guard.wasm"), Exit::Done, &["rank 1 -> 2 (", "The requests"]);

    program.file("guard.toml", "[[step]]\nname = 'approve_rise'\nsecure_configuration = 'hunter2'");
    run(&program, "plan --plugin @guard.wasm")
        .unusable(&["guard.toml:1: the manifest has a secure configuration"]);
    program.file("guard.toml", "plugin = 'autonumber'");
    run(&program, "plan --plugin @guard.wasm").unusable(&["about the plugin `autonumber` and lies beside"]);
}

#[test]
fn what_is_wrong_in_a_manifest_is_named_with_its_place() {
    let program = program();
    let check = |text: &str, parts: &[&str]| {
        program.file("wrong.toml", text);
        for command in ["plan", "--no-cache"] {
            run(&program, &format!("{command} --plugin @guard --manifest @wrong.toml")).unusable(parts);
        }
    };
    check(
        "[[step]]\nname = 'approve_rise'\nrnak = 5\n",
        &["wrong.toml:3:1: unknown field `rnak`, expected one of `name`", "\n 3 | rnak = 5\n   | ^"],
    );
    check(
        "[[step]]\nname = 'approve_ris'\n",
        &["wrong.toml:1: the manifest names the step `approve_ris`", "did you mean `approve_rise`?"],
    );
    check("plugin = 'guard'", &["the plugin `guard`, which is not loaded; there are credit-guard"]);
    check(
        "[[step]]\nname = 'approve_rise'\nmode = 'Asynchronous'\n",
        &["step `approve_rise` of plugin `credit-guard` on Update at PreOperation cannot be registered"],
    );
    run(&program, "plan --plugin @guard --manifest @missing.toml")
        .unusable(&["missing.toml` cannot be read"]);

    program
        .file("secret.toml", "[[step]]\nname = 'approve_rise'\nsecure_configuration = 'hunter2' 'hunter2'\n");
    let ran = run(&program, "plan --plugin @guard --manifest @secret.toml");
    ran.unusable(&["secret.toml:3:"]);
    assert!(!ran.errors.contains("hunter2"), "{}", ran.errors);
}

#[test]
fn what_cannot_be_registered_is_not_applied() {
    let program = program();
    program.file("wrong.toml", "[[step]]\nname = 'approve_rise'\nmode = 'Asynchronous'\n");
    run(&program, "apply --plugin @guard --database @data.db");
    for command in ["apply", "diff"] {
        let ran =
            run(&program, &format!("{command} --plugin @guard --manifest @wrong.toml --database @data.db"));
        ran.unusable(&["cannot be registered"]);
    }
    says(&run(&program, "diff --plugin @guard --database @data.db"), Exit::Done, &["is what is described"]);
}
