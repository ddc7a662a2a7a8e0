//! Requests files whose form is wrong: each error has the line, the column and the path.

use super::program::Program;

/// Asserts what the program says of a requests file that comes by standard input, before it looks at any plugin.
#[track_caller]
fn refused(text: &str, parts: &[&str]) {
    let mut program = Program::new();
    program.input = text.to_owned();
    program.run(["--plugin", "x.wasm", "--requests", "-"]).unusable(parts);
}

#[test]
fn malformed_json_has_its_line_and_column() {
    refused(
        "{\n  \"requests\": [\n    {\"message\" \"Create\"}\n  ]\n}",
        &[
            "standard input:3:16: at requests[0]: expected `:`",
            "3 |     {\"message\" \"Create\"}",
            "\n   |                ^",
        ],
    );
    refused("{\"requests\": [", &["standard input:1:14: at requests: EOF while parsing a list"]);
    refused("{} {}", &["standard input:1:4: trailing characters"]);
    refused("  \n", &["standard input is empty", "docs/requests.md"]);
    refused("[]", &["standard input:1:1: expected an object, found a list"]);
}

#[test]
fn an_unknown_key_is_named_with_those_that_there_are() {
    refused(
        "{\"request\": []}",
        &["1:13: at request: unknown field `request`, expected one of `entities`", "`requests`"],
    );
    refused(
        "{\n\"requests\": [{\"message\": \"Create\", \"targt\": {}}]\n}",
        &["standard input:2:", "at requests[0].targt: ", "unknown field `targt`", "`target`"],
    );
}

#[test]
fn a_wrong_form_has_its_path() {
    refused("{\"requests\": [{}]}", &["1:15", "at requests[0]", "missing field `message`"]);
    refused("{\"requests\": [7]}", &["1:15", "at requests[0]", "expected an object, found 7"]);
    refused(
        "{\"requests\": [{\"message\": \"Create\", \"user\": \"me\"}]}",
        &["1:45: at requests[0].user", "UUID"],
    );
    refused(
        "{\"requests\": [{\"message\": \"Create\", \"expect\": \"sucess\"}]}",
        &["1:47: at requests[0].expect", "unknown variant `sucess`, expected `success` or `fault`"],
    );
    refused(
        "{\"entities\": [{\"logical_name\": \"a\", \"attributes\": [{\"name\": \"x\", \"type\": \"text\"}]}]}",
        &[
            "standard input:1:",
            "at entities[0].attributes[0]",
            "unknown variant `text`",
            "`string`",
            "\n   | ",
        ],
    );
    refused(
        "{\"entities\": [{\"logical_name\": \"a\", \"attributes\": [{\"name\": \"x\", \"type\": \"money\", \"max_length\": 5}]}]}",
        &["at entities[0].attributes[0]", "`max_length` does not apply to `x`, a money"],
    );
}

#[test]
fn an_expected_fault_names_a_kind_that_there_is() {
    let expecting =
        |expect: &str| format!("{{\"requests\": [{{\"message\": \"Create\", \"expect\": {expect}}}]}}");
    refused(
        &expecting("{\"fault\": {\"kind\": \"panic\"}}"),
        &["requests[0].expect", "`panic` is not known", "panicked"],
    );
    refused(
        &expecting("{\"fault\": {\"text\": \"x\"}}"),
        &["requests[0].expect", "unknown field `text`", "`message`"],
    );
}

#[test]
fn a_line_that_is_cut_says_so() {
    let long = format!(
        "{{\"requests\": [{{\"note\": \"{}\", \"message\": 1, \"user\": \"{}\"}}]}}",
        "x".repeat(90),
        "y".repeat(90)
    );
    let mut program = Program::new();
    program.input = long;
    let errors = program.run(["--plugin", "x.wasm", "--requests", "-"]).errors;
    let lines: Vec<&str> = errors.lines().collect();
    let [.., shown, caret] = lines.as_slice() else { panic!("{errors}") };
    assert!(shown.starts_with(" 1 | …") && shown.ends_with('…'), "{errors}");
    let at = caret.find('^').unwrap();
    assert_eq!(shown.chars().nth(at), Some('"'), "{errors}");
    assert_eq!(shown.chars().nth(at + 1), Some('y'), "{errors}");
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let program = Program::new();
    let missing = program.path("missing.json");
    let args = ["--plugin".as_ref(), "x.wasm".as_ref(), "--requests".as_ref(), missing.as_path()];
    program.run(args).unusable(&["missing.json` cannot be read", "`-` for standard input"]);

    let latin = program.file("latin.json", b"{\"requests\": \"caf\xe9\"}");
    let args = ["--plugin".as_ref(), "x.wasm".as_ref(), "--requests".as_ref(), latin.as_path()];
    program.run(args).unusable(&["latin.json: the byte 17 is not UTF-8", "save the file as UTF-8"]);
}

#[test]
fn a_file_beside_the_plugin_is_found_without_being_named() {
    let program = Program::new();
    program.file("requests.json", "{");
    let plugin = program.path("x.wasm");
    program.run(["--plugin".as_ref(), plugin.as_path()]).unusable(&["requests.json:1:1: EOF"]);
}
