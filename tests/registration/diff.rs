//! What differs between a description and a database, and what a host runs of the two.

use stagegate::model::registration::{
    Explained, Manifest, Secret, StepRegistration, describe, diff, resolve,
};
use stagegate::model::step::Declaration;
use stagegate::{Condition, Error, ErrorKind, ImageType, Operator, Stage, StepDefinition};

fn step(name: &str) -> StepDefinition {
    StepDefinition::new(name, "Update", Stage::PreOperation).on("account")
}

/// Steps of the plugin `p`, each as it is declared.
fn described(steps: Vec<StepDefinition>, manifest: &str) -> Vec<Explained> {
    let declaration = Declaration { steps, ..Declaration::default() };
    describe(&[("p", &declaration)], &[Manifest::parse("m.toml", manifest).unwrap()]).unwrap()
}

fn stored(plugin: &str, definition: StepDefinition, secret: Option<&str>) -> StepRegistration {
    StepRegistration { plugin: plugin.into(), definition, secure_configuration: secret.map(Secret::new) }
}

fn shown(described: &[Explained], stored: &[StepRegistration]) -> Vec<String> {
    let diff = diff(described, stored);
    let kept = diff.kept.iter().map(|key| format!("kept {key}"));
    diff.steps.iter().map(ToString::to_string).chain(kept).collect()
}

#[test]
fn each_difference_is_said_in_a_line() {
    let check = |described: &[Explained], stored: &[StepRegistration], expected: &[&str]| {
        assert_eq!(shown(described, stored), expected);
    };
    let plain = described(vec![step("a")], "");
    check(&plain, &[], &["+ p/a: on Update of account at PreOperation, rank 1"]);
    check(&plain, &[stored("p", step("a"), None)], &[]);
    check(&plain, &[stored("p", step("a").rank(5), None)], &["~ p/a: rank 5 -> 1"]);
    check(
        &plain,
        &[stored("p", step("a"), None), stored("p", step("gone"), None)],
        &["- p/gone: the plugin no longer has it"],
    );
    check(
        &plain,
        &[stored("p", step("a"), None), stored("p", step("gone").disabled(), None)],
        &["kept p/gone"],
    );
    // Another plugin's registration is nobody's business here.
    check(&plain, &[stored("p", step("a"), None), stored("q", step("b"), None)], &[]);

    let mut full = step("a")
        .filter(["name", "creditlimit"])
        .image("before", ImageType::PreImage, ["name"])
        .when(Condition::test("name", Operator::Eq, "x"))
        .disabled();
    full.configuration = Some("a b".into());
    check(
        &described(vec![full], ""),
        &[stored("p", step("a"), None)],
        &[
            "~ p/a: filtering_attributes none -> name, creditlimit; when none -> name eq \"x\"; images none -> pre-image \
           before(name); configuration none -> \"a b\"; enabled true -> false",
        ],
    );
}

#[test]
fn a_secure_configuration_changes_without_being_said_and_stays_where_nobody_speaks_of_it() {
    let check = |manifest: &str, kept: Option<&str>, expected: &[&str], becomes: Option<&str>| {
        let described = described(vec![step("a")], manifest);
        let stored = [stored("p", step("a"), kept)];
        assert_eq!(shown(&described, &stored), expected);
        let update = diff(&described, &stored).update(false);
        if let [put] = update.put.as_slice() {
            assert_eq!(put.secure_configuration.as_ref().map(Secret::expose), becomes);
        }
    };
    let manifest = |secret: &str| format!("[[step]]\nname = 'a'\nsecure_configuration = '{secret}'");
    check("", None, &[], None);
    check("", Some("old"), &[], Some("old"));
    check("[[step]]\nname = 'a'\nrank = 2", Some("old"), &["~ p/a: rank 1 -> 2"], Some("old"));
    check(&manifest("new"), None, &["~ p/a: secure_configuration set"], Some("new"));
    check(&manifest("new"), Some("old"), &["~ p/a: secure_configuration replaced"], Some("new"));
    check(&manifest("old"), Some("old"), &[], Some("old"));
    check(&manifest(""), Some("old"), &["~ p/a: secure_configuration cleared"], None);
    check(&manifest(""), None, &[], None);
}

#[test]
fn what_is_gone_is_disabled_and_removed_only_if_asked() {
    let described = described(vec![step("a")], "");
    let old = [
        stored("p", step("gone"), Some("secret")),
        stored("p", step("kept").disabled(), None),
        stored("p", step("a"), None),
    ];
    let update = diff(&described, &old).update(false);
    assert_eq!(update.put, [stored("p", step("gone").disabled(), Some("secret"))]);
    assert_eq!(update.remove, []);
    let update = diff(&described, &old).update(true);
    assert_eq!(update.put, []);
    let removed: Vec<String> = update.remove.iter().map(ToString::to_string).collect();
    assert_eq!(removed, ["p/gone", "p/kept"]);
}

/// What a host runs: first the stored steps, then the described ones, each with what is not as declared.
fn runs(described: Vec<Explained>, stored: &[StepRegistration]) -> Result<Vec<String>, Error> {
    let resolved = resolve(described, stored)?;
    let say = |step: &Explained| {
        let overrides: Vec<String> = step.overrides.iter().map(ToString::to_string).collect();
        format!("{} [{}]", step.registration.key(), overrides.join("; "))
    };
    let drift = resolved.drift.steps.iter().map(|step| format!("drift {step}"));
    let steps = resolved.stored.iter().chain(&resolved.described).map(say);
    Ok(steps.chain(drift).collect())
}

#[test]
fn a_host_runs_what_is_stored_and_reports_the_drift() {
    let manifest = "[[step]]\nname = 'a'\nrank = 5";
    let both = || described(vec![step("a"), step("b")], manifest);
    assert_eq!(runs(both(), &[]).unwrap(), ["p/a [rank 1 -> 5 (m.toml)]", "p/b []"]);
    assert_eq!(runs(both(), &[stored("q", step("x"), None)]).unwrap().len(), 2);
    // In the stored order; a step that is not stored does not run.
    let kept = [stored("p", step("b").rank(3), None), stored("p", step("a").rank(5), None)];
    assert_eq!(
        runs(both(), &kept).unwrap(),
        ["p/b [rank 1 -> 3 (the database)]", "p/a [rank 1 -> 5 (the database)]", "drift ~ p/b: rank 3 -> 1",]
    );
    assert_eq!(
        runs(both(), &kept[1..]).unwrap(),
        ["p/a [rank 1 -> 5 (the database)]", "drift + p/b: on Update of account at PreOperation, rank 1",]
    );
}

#[test]
fn a_stored_step_that_the_plugin_lost_is_an_error_unless_it_is_disabled() {
    let described = || described(vec![step("a")], "");
    let error =
        runs(described(), &[stored("p", step("a"), None), stored("p", step("gone"), None)]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
    for part in ["`gone` of plugin `p`", "no longer has it", "`stagegate apply`", "--prune"] {
        assert!(error.message().contains(part), "{error}");
    }
    let kept = [stored("p", step("a"), None), stored("p", step("gone").disabled(), None)];
    assert_eq!(runs(described(), &kept).unwrap(), ["p/a []"]);
}
