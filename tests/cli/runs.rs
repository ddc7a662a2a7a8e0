//! Whole runs of a plugin, from its crate's folder to the report.

use std::ffi::OsStr;
use std::path::Path;

use stagegate::cli::Exit;

use super::program::{Program, Ran, component};

const DEFINITIONS: &str = r#"{"logical_name": "account", "attributes": [
    {"name": "name", "type": "string", "max_length": 10}, {"name": "creditlimit", "type": "money"},
    {"name": "creditapprovedon", "type": "date-time"}]},
  {"logical_name": "systemuser", "attributes": [{"name": "approvallimit", "type": "money"}]},
  {"logical_name": "task", "attributes": [{"name": "subject", "type": "string"},
    {"name": "scheduledend", "type": "date-time"}, {"name": "regardingobjectid", "type": "lookup", "targets": ["account"]}]}"#;

const ADA: &str = "00000ada-0000-4000-8000-000000000001";
const ACME: &str = "0000000a-0000-4000-8000-000000000001";

/// Runs the credit guard with these requests, against the test's own database file.
fn run(program: &Program, requests: &str, more: &[&str]) -> Ran {
    let file = program
        .file("requests.json", format!("{{\"entities\": [{DEFINITIONS}], \"requests\": [{requests}]}}"));
    run_file(program, &file, more)
}

fn run_file(program: &Program, requests: &Path, more: &[&str]) -> Ran {
    let database = program.path("data.db");
    let args = ["--plugin".as_ref(), component().as_os_str(), "--database".as_ref(), database.as_os_str()];
    let args = args.into_iter().chain(["--requests".as_ref(), requests.as_os_str()]);
    program.run(args.chain(more.iter().map(OsStr::new)))
}

fn create_user(limit: &str) -> String {
    format!(
        r#"{{"message": "Create", "target": {{"entity": "systemuser", "id": "{ADA}", "attributes": {{"approvallimit": "{limit}"}}}}}}"#
    )
}

fn create_account(name: &str) -> String {
    format!(
        r#"{{"message": "Create", "target": {{"entity": "account", "id": "{ACME}", "attributes": {{"name": "{name}", "creditlimit": 500}}}}}}"#
    )
}

fn raise(limit: &str, more: &str) -> String {
    format!(
        r#"{{"message": "Update", "user": "{ADA}", "target": {{"entity": "account", "id": "{ACME}", "attributes": {{"creditlimit": {limit}}}}}{more}}}"#
    )
}

fn read() -> String {
    format!(
        r#"{{"message": "Retrieve", "target": {{"entity": "account", "id": "{ACME}"}}, "columns": ["name", "creditlimit"]}}"#
    )
}

#[track_caller]
fn says(ran: &Ran, exit: Exit, parts: &[&str]) {
    assert_eq!(ran.exit, exit, "{}\n{}", ran.errors, ran.output);
    for part in parts {
        assert!(ran.output.contains(part), "`{part}` is not in:\n{}", ran.output);
    }
}

#[test]
fn a_plugin_alone_shows_its_steps_at_work_on_made_up_records() {
    let program = Program::new();
    // Copied, so that there are no requests beside it.
    let component = program.file("guard.wasm", std::fs::read(component()).unwrap());
    let first = program.run(["inspect".as_ref(), component.as_os_str()]);
    assert!(first.errors.contains("compiled credit-guard in"), "{}", first.errors);

    let ran = program.run(["--plugin".as_ref(), component.as_os_str()]);
    let parts = [
        "The plan: which steps run on which message",
        "in transaction, before the operation",
        "made up from what the plugins declare",
        "✓ approve_rise  credit-guard",
        "creditlimit: 100.00 -> 200.00",
        "│ credit limit",
        "queued job",
        "follow_up  credit-guard → succeeded",
        "Where the time went",
        "peak memory of a guest",
    ];
    says(&ran, Exit::Done, &parts);
    assert!(ran.errors.contains("loaded credit-guard from the cache"), "{}", ran.errors);
}

#[test]
fn requests_run_in_order_and_faults_that_are_expected_are_no_failures() {
    let program = Program::new();
    let requests = [
        create_user("1000.00"),
        create_account("Acme"),
        raise("5000", r#", "expect": "fault""#),
        raise("900", r#", "note": "within the limit""#),
        read(),
    ];
    let ran = run(&program, &requests.join(","), &[]);
    let parts = [
        "refused as expected, rolled back",
        "✗ rejected  a credit limit of 5000",
        "in       step `approve_rise` of plugin `credit-guard` at PreOperation of Update account",
        "code     0x80040265 (-2147220891)",
        "within the limit",
        "creditlimit: 500.00 -> 900.00",
        "follow_up  credit-guard → succeeded",
        "← account",
        "5 requests, 4 succeeded, 1 refused as expected",
    ];
    says(&ran, Exit::Done, &parts);

    let ran = run(&program, &raise("1000", r#", "expect": "fault""#), &[]);
    says(&ran, Exit::RequestFailed, &["and it succeeded", "1 succeeded though a fault was expected"]);
    let ran = run(&program, &raise("1001", ""), &[]);
    says(&ran, Exit::RequestFailed, &["rolled back", "1 request, 1 failed"]);
}

#[test]
fn the_json_report_has_the_documented_shape() {
    let program = Program::new();
    let requests = [create_user("1000"), create_account("Acme"), raise("900", ""), read()];
    let ran = run(&program, &requests.join(","), &["--format", "json"]);
    assert_eq!(ran.exit, Exit::Done, "{}", ran.errors);
    let report: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    assert_eq!(report["format"], 1);
    assert_eq!(report["plan"][0]["step"], "approve_rise");
    assert_eq!(report["requests"][2]["outcome"], "succeeded");
    assert_eq!(report["requests"][2]["jobs"][0]["status"], "succeeded");
    assert_eq!(report["requests"][3]["response"]["BusinessEntity"]["attributes"]["creditlimit"], "900.00");
    let shares = [
        "admission",
        "database_wait",
        "guests",
        "host_calls",
        "native_steps",
        "operations",
        "transaction_ends",
        "pipeline",
    ];
    let us = |name: &str| report["totals"][format!("{name}_us")].as_u64().unwrap();
    // Each share is cut to whole microseconds.
    let sum: u64 = shares.into_iter().map(us).sum();
    assert!(us("total") - sum <= 8, "{} is not {sum}", us("total"));
}

#[test]
fn the_output_parameters_of_any_message_are_shown() {
    let program = Program::new();
    let file = r#"{
        "entities": [
            {"logical_name": "account", "attributes": [{"name": "name", "type": "string"}]},
            {"logical_name": "label", "attributes": [{"name": "name", "type": "string"}]}
        ],
        "relationships": [{"name": "account_labels", "type": "many-to-many", "entities": ["account", "label"]}],
        "messages": [{"name": "sg_Ping", "parameters": [{"name": "times", "type": "integer"}]}],
        "requests": [
            {"message": "Upsert", "target": {"entity": "account", "id": "$acme"}},
            {"message": "CreateMultiple", "targets": [{"entity": "label", "id": "$new"}]},
            {"message": "Associate", "target": {"entity": "account", "id": "$acme"}, "relationship": "account_labels",
             "related": [{"entity": "label", "id": "$new"}]},
            {"message": "sg_Ping", "parameters": {"times": 2}},
            {"message": "ExecuteMultiple", "requests": [{"message": "Delete", "target": {"entity": "label", "id": "$x"}}]}
        ]}"#;
    let file = program.file("every.json", file);
    says(&run_file(&program, &file, &[]), Exit::Done, &["← RecordCreated true", "← IsFaulted true"]);
    // On a database of its own.
    let ran = run_file(&Program::new(), &file, &["--format", "json"]);
    let report: serde_json::Value = serde_json::from_str(&ran.output).unwrap();
    let response = |number: usize| &report["requests"][number]["response"];
    assert_eq!(response(0)["RecordCreated"], true);
    assert_eq!(response(0)["Target"]["entity"], "account");
    assert_eq!(response(1)["Ids"].as_array().map(Vec::len), Some(1));
    assert_eq!(response(3), &serde_json::json!({}));
    assert_eq!(response(4)["Responses"][0]["fault"]["code"], -2_147_220_969);
}

#[test]
fn a_request_that_cannot_be_read_leaves_the_data_as_they_were() {
    let program = Program::new();
    says(&run(&program, &create_account("Acme"), &[]), Exit::Done, &["committed"]);

    let bad = |requests: &str, parts: &[&str]| run(&program, requests, &[]).unusable(parts);
    let first = raise("900", "");
    bad(
        &format!("{first},\n{}", raise("true", "")),
        &[
            "requests.json:7:",
            "at requests[1].target.attributes.creditlimit: expected money (a number, or a string such as \"12.50\"",
            "found true",
        ],
    );
    bad(
        &raise("900", "").replace("creditlimit", "creditlimt"),
        &["no attribute `creditlimt`; did you mean `creditlimit`?"],
    );
    bad(
        &create_account("x").replace("\"account\"", "\"acount\""),
        &["the entity `acount` is not defined; did you mean `account`?"],
    );
    bad(
        &raise("900", "").replace("Update", "Upsrt"),
        &["at requests[0].message", "`Upsrt` is not known; use one of Create"],
    );
    bad(r#"{"message": "Update", "target": {"entity": "account"}}"#, &["Update needs the record", "\"id\""]);
    bad(r#"{"message": "Create"}"#, &["Create needs a target"]);
    bad(r#"{"message": "RetrieveMultiple"}"#, &["needs a query"]);
    let filter = |filter: &str| {
        format!(r#"{{"message": "RetrieveMultiple", "query": {{"entity": "account", "filter": {filter}}}}}"#)
    };
    bad(
        &filter(r#"{"attribute": "name", "operator": "equals", "value": "x"}"#),
        &["`equals` is not known; use one of eq, ne"],
    );
    bad(
        &filter(r#"{"attribute": "name", "operator": "eq", "value": null}"#),
        &["needs one value", "`not-null`"],
    );
    bad(&filter(r#"{"all": [], "any": []}"#), &["a filter is"]);
    bad(&filter(&format!("{}{}", r#"{"all": ["#.repeat(40), "]}".repeat(40))), &["more than 32 levels deep"]);

    let cyclic = r#"{"entities": [{"logical_name": "a", "attributes": [{"name": "b", "type": "lookup", "targets": ["b"], "required": true}]},
        {"logical_name": "b", "attributes": [{"name": "a", "type": "lookup", "targets": ["a"], "required": true}]}]}"#;
    let file = program.file("cyclic.json", cyclic);
    run_file(&program, &file, &[]).unusable(&[
        "cyclic.json:1:15: at entities[0]: ",
        "a -> b -> a form a cycle",
        "make one of them optional",
    ]);

    let other = "{\"entities\": [\n  {\"logical_name\": \"account\", \"attributes\": [\n    {\"name\": \"name\", \"type\": \"integer\"}]}]}";
    let file = program.file("other.json", other);
    run_file(&program, &file, &[]).unusable(&["other.json:3:5: at entities[0].attributes[0]: ", "`name`"]);

    let ran = run(&program, &read(), &[]);
    says(&ran, Exit::Done, &["creditlimit: 500.00", "name: \"Acme\""]);
}

#[test]
fn what_only_the_host_can_judge_is_the_requests_failure() {
    let program = Program::new();
    let ran = run(&program, &create_account("a name too long"), &[]);
    says(
        &ran,
        Exit::RequestFailed,
        &["✗ invalid-request", "`name` of `account` has 15 characters; 10 is the most"],
    );
    says(&run(&program, &read(), &[]), Exit::RequestFailed, &["✗ not-found", "0x80040217"]);
}

#[test]
fn limits_can_be_tried() {
    let program = Program::new();
    let requests = [create_user("1000"), create_account("Acme")].join(",");
    says(&run(&program, &requests, &[]), Exit::Done, &[]);
    // Less than what the guest begins with.
    run(&program, &raise("900", ""), &["--memory", "64KiB"]).unusable(&["credit_guard.wasm", "memory"]);
    let ran = run(&program, &raise("900", ""), &["--timeout", "1us"]);
    says(&ran, Exit::RequestFailed, &["✗ timeout"]);
    let ran = run(&program, &raise("900", r#", "expect": "fault""#), &["--timeout", "1us"]);
    says(&ran, Exit::RequestFailed, &["expects a refusal, and `timeout` is none", "1 request, 1 failed"]);
    let ran =
        run(&program, &raise("900", r#", "expect": {"fault": {"kind": "timeout"}}"#), &["--timeout", "1us"]);
    says(&ran, Exit::Done, &["1 refused as expected"]);
    let ran = run(&program, &raise("900", ""), &["--depth", "1"]);
    says(&ran, Exit::RequestFailed, &["✗ depth-exceeded"]);
}

#[test]
fn a_database_file_that_is_something_else_is_left_alone() {
    let program = Program::new();
    let text = "not a database, but a text that somebody needs ".repeat(40);
    let database = program.file("data.db", &text);
    let ran = run(&program, &read(), &[]);
    ran.unusable(&["data.db"]);
    assert_eq!(std::fs::read_to_string(database).unwrap(), text);
}

#[test]
fn an_interrupted_run_reports_what_was_over_and_says_so() {
    let mut program = Program::new();
    program.interrupted = true;
    let ran = run(&program, &create_account("Acme"), &[]);
    says(&ran, Exit::Interrupted, &["Stagegate", "none was over when the program was interrupted"]);
    assert!(ran.errors.contains("interrupted: "), "{}", ran.errors);
}
