//! Warnings: each rule with what it says, and what it does not say it of.

use stagegate::model::registration::{Rule, lints};
use stagegate::model::step::StepKey;
use stagegate::{
    AttributeType, Condition, Definitions, EntityDefinition, ImageType, Operator, Schema, Stage,
    StepDefinition,
};

const NONE: [&str; 0] = [];

fn on(message: &str, name: &str) -> StepDefinition {
    StepDefinition::new(name, message, Stage::PreOperation).on("account").filter(["name"])
}

fn schema() -> Schema {
    let text = AttributeType::String { max_length: 100 };
    let account = EntityDefinition::new("account").with("name", text.clone());
    let task = EntityDefinition::new("task").with("subject", text);
    Schema::default().extended(&Definitions::from(vec![account, task])).unwrap()
}

/// The warnings about steps of the plugin `p`, as `rule: text`.
fn warnings(steps: &[StepDefinition], schema: Option<&Schema>) -> Vec<String> {
    let keys: Vec<StepKey> =
        steps.iter().map(|step| StepKey { plugin: "p".into(), step: step.name.clone() }).collect();
    let found = lints(keys.iter().zip(steps), schema);
    found.iter().map(|lint| format!("{}: {lint}", lint.rule.name())).collect()
}

#[track_caller]
fn check<const N: usize>(steps: impl Into<Vec<StepDefinition>>, expected: [&str; N]) {
    assert_eq!(warnings(&steps.into(), Some(&schema())), expected);
}

#[test]
fn a_tie_is_named_with_its_order() {
    check(
        [on("Update", "a"), on("Update", "b")],
        [
            "rank-tie: `p/a`, `p/b` have rank 1 at PreOperation of Update account, so they run in the order of \
             registration; give each its own rank",
        ],
    );
    check([on("Update", "a"), on("Update", "b").rank(2)], NONE);
    check([on("Update", "a"), on("Update", "b").disabled()], ["disabled: `p/b` is disabled and never runs"]);
    let post = |name: &str| StepDefinition { stage: Stage::PostOperation, ..on("Update", name) };
    check([post("a"), post("b").asynchronous(), post("c").asynchronous(), on("Update", "d")], NONE);
    // A step for every entity ties with those of each.
    let any = StepDefinition { entity: None, ..on("Update", "any") };
    let task = on("Update", "t").on("task").filter(["subject"]);
    check(
        [on("Update", "a"), any.clone(), task],
        [
            "rank-tie: `p/a`, `p/any` have rank 1 at PreOperation of Update account, so they run in the order of \
             registration; give each its own rank",
            "rank-tie: `p/any`, `p/t` have rank 1 at PreOperation of Update task, so they run in the order of \
             registration; give each its own rank",
        ],
    );
}

#[test]
fn a_step_that_runs_on_every_update_is_named() {
    let all = |name: &str| on("Update", name).filter([""; 0]);
    check(
        [all("a")],
        [
            "empty-filter: `p/a` runs on every Update of account; give it filtering attributes, or set `changed_only`",
        ],
    );
    check([all("a").changed_only()], NONE);
    check([all("a").when(Condition::test("name", Operator::Eq, "x"))], NONE);
    check([StepDefinition { message: "Create".into(), ..all("a") }], NONE);
}

#[test]
fn the_primary_key_is_no_filter() {
    check(
        [on("Update", "a").filter(["name", "accountid"])],
        [
            "primary-key-in-filter: `p/a` filters on the primary key `accountid`, which every target has; take it out",
        ],
    );
}

#[test]
fn an_image_of_all_columns_is_named() {
    check(
        [on("Update", "a").image("before", ImageType::PreImage, [""; 0]).image(
            "after",
            ImageType::PostImage,
            [""; 0],
        )],
        ["all-columns-image: `p/a` has all columns in the image `before`, `after`; name those that it reads"],
    );
    check([on("Update", "a").image("before", ImageType::PreImage, ["name"])], NONE);
}

#[test]
fn a_plugin_on_a_message_and_its_bulk_form_is_named() {
    let create =
        |message: &str, name: &str| StepDefinition { filtering_attributes: vec![], ..on(message, name) };
    check(
        [create("Create", "a"), create("CreateMultiple", "b")],
        [
            "single-and-bulk: `p/a`, `p/b` are on Create and CreateMultiple at PreOperation, and a request of either \
             message runs both; keep one",
        ],
    );
    let post = StepDefinition { stage: Stage::PostOperation, ..create("CreateMultiple", "b") };
    check([create("Create", "a"), post], NONE);
    check([create("Create", "a"), create("CreateMultiple", "b").on("task")], NONE);
    check([create("Create", "a"), create("UpdateMultiple", "b").filter(["name"])], NONE);
}

#[test]
fn a_step_on_reading_is_named() {
    for message in ["Retrieve", "RetrieveMultiple"] {
        let step = StepDefinition { filtering_attributes: vec![], ..on(message, "a") };
        let expected = format!(
            "retrieve-step: `p/a` runs on every {message}, which slows all reading down; do without it"
        );
        check([step], [expected.as_str()]);
    }
}

#[test]
fn what_is_not_defined_is_named_where_definitions_are_known() {
    let undefined = on("Update", "a").on("acount");
    check([undefined.clone()], ["undefined-entity: `p/a` never runs: the entity `acount` is not defined"]);
    assert_eq!(warnings(&[undefined], None), NONE);
    check(
        [on("Update", "a").filter(["nam", "limit"])],
        [
            "undefined-attribute: `p/a` never runs: `account` has none of its filtering attributes `nam`, `limit`",
        ],
    );
    check(
        [on("Update", "a").filter(["name", "limit"])],
        ["undefined-attribute: `p/a` filters on `limit`, which `account` does not have"],
    );
    check(
        [on("Update", "a").image("before", ImageType::PreImage, ["name", "limit"])],
        ["undefined-attribute: `p/a` has the image `before` with `limit`, which `account` does not have"],
    );
}

#[test]
fn a_condition_that_does_not_fit_is_named() {
    check(
        [on("Update", "a").when(Condition::test("name", Operator::Eq, 5))],
        [
            "condition-does-not-fit: `p/a` cannot run: the condition `name eq 5` does not fit the entity `account`: \
             expected string (a string), found 5",
        ],
    );
    let any = StepDefinition { entity: None, ..on("Update", "a") };
    check(
        [any.when(Condition::test("name", Operator::Eq, "x"))],
        [
            "condition-does-not-fit: `p/a` is for every entity, and its condition `name eq \"x\"` does not fit `task`",
        ],
    );
}

#[test]
fn every_rule_has_a_name_of_its_own_that_the_docs_have() {
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/registration.md")).unwrap();
    let mut names: Vec<&str> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    for name in &names {
        assert!(docs.contains(&format!("| `{name}` |")), "{name} is not in docs/registration.md");
    }
    names.dedup();
    assert_eq!(names.len(), Rule::ALL.len());
}
