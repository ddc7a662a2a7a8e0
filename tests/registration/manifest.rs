//! The text of a manifest: what is read, and each way to be wrong with its place.

use std::time::Duration;

use stagegate::model::job::{JobPolicyOverride, Rate};
use stagegate::model::registration::{Manifest, ParseError, Secret, StepOverride};
use stagegate::{Condition, ErrorKind, Image, ImageType, Mode, Operator, Quota, Uuid};

fn parse(text: &str) -> Result<Manifest, ParseError> {
    Manifest::parse("guard.toml", text)
}

#[test]
fn every_key_is_read() {
    let text = r#"
plugin = "guard"
enabled = false
quota = { guest_time = "10s/1m", memory_bytes = 1_048_576 }

[[step]]
name = "approve_rise"
mode = "Synchronous"
rank = -3
filtering_attributes = ["creditlimit", "name"]
changed_only = true
when = { attribute = "creditlimit", operator = "gt", value = 1000 }
images = [{ alias = "before", type = "PreImage", attributes = ["creditlimit"] }]
configuration = "strict"
secure_configuration = "hunter2"
run_as = "00000ada-0000-4000-8000-000000000001"
enabled = true
bypassable = false
description = "Refuses a rise"
jobs = { ordered = true, unique = false, priority = -5, retries = 2, auto_delete = true, budget = "1h 30m", retry_delay = "500ms", concurrency = 3, rate = "100/1m" }
"#;
    let step = StepOverride {
        name: "approve_rise".into(),
        line: 6,
        mode: Some(Mode::Synchronous),
        rank: Some(-3),
        filtering_attributes: Some(vec!["creditlimit".into(), "name".into()]),
        changed_only: Some(true),
        when: Some(Condition::test("creditlimit", Operator::Gt, 1000)),
        images: Some(vec![Image {
            alias: "before".into(),
            image_type: ImageType::PreImage,
            attributes: vec!["creditlimit".into()],
            message_property: None,
            relationship: None,
        }]),
        configuration: Some("strict".into()),
        secure_configuration: Some(Secret::new("hunter2")),
        run_as: Some(Uuid::from_u128(0x0000_0ada_0000_4000_8000_0000_0000_0001)),
        enabled: Some(true),
        bypassable: Some(false),
        description: Some("Refuses a rise".into()),
        jobs: JobPolicyOverride {
            ordered: Some(true),
            unique: Some(false),
            priority: Some(-5),
            retries: Some(2),
            auto_delete: Some(true),
            budget: Some(Duration::from_secs(5400)),
            retry_delay: Some(Duration::from_millis(500)),
            concurrency: Some(3),
            rate: Some(Rate { count: 100, per: Duration::from_secs(60) }),
        },
    };
    let expected = Manifest {
        source: "guard.toml".into(),
        plugin: Some("guard".into()),
        enabled: Some(false),
        quota: Some(
            Quota::default()
                .guest_time(Duration::from_secs(10), Duration::from_secs(60))
                .memory_bytes(1 << 20),
        ),
        steps: vec![step],
        grants: None,
    };
    assert_eq!(parse(text), Ok(expected));
    assert_eq!(parse(""), Ok(Manifest { source: "guard.toml".into(), ..Manifest::default() }));
}

#[test]
fn conditions_are_read_as_toml_writes_them() {
    let check = |when: &str, shown: &str| {
        let manifest = parse(&format!("[[step]]\nname = 'a'\n{when}")).unwrap();
        assert_eq!(manifest.steps[0].when.as_ref().unwrap().to_string(), shown);
    };
    check(
        "when = { any = [{ attribute = 'name', operator = 'null' }, { attribute = 'limit', operator = 'ge', value = 12.5 }] }",
        "name null or limit ge 12.5",
    );
    check(
        "when = { attribute = 'due', operator = 'lt', value = 2030-01-31T12:00:00Z }",
        r#"due lt "2030-01-31T12:00:00Z""#,
    );
    check("[step.when]\nattribute = 'rating'\noperator = 'in'\nvalues = [1, 2]", "rating in (1, 2)");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let check = |text: &str, place: &str, part: &str| {
        let error = parse(text).unwrap_err();
        assert!(error.to_string().starts_with(place), "{error}");
        assert!(error.message.contains(part), "{error}");
    };
    check("plugin = 7", "guard.toml:1:10: ", "expected a string");
    check("plugin = 'guard'\nsteps = []", "guard.toml:2:1: ", "unknown field `steps`");
    check(
        "[[step]]\nname = 'a'\nrnak = 5",
        "guard.toml:3:1: ",
        "unknown field `rnak`, expected one of `name`",
    );
    check("[[step]]\nname = 'a'\nrank = 'first'", "guard.toml:3:8: ", "expected i32");
    check("[[step]]\nname = 'a'\nrank = 3000000000", "guard.toml:3:8: ", "expected i32");
    check("[[step]]\nname = 'a'\nmode = 'async'", "guard.toml:3:8: ", "`Synchronous` or `Asynchronous`");
    check("\n[[step]]\nrank = 5", "guard.toml:2:1: ", "missing field `name`");
    check("[[step]]\nname = 'a'\n\n[[step]]\nname = 'a'", "guard.toml:4:1: ", "`a` is in line 1 already");
    check("[[step]]\nname = 'a'\nrun_as = 'me'", "guard.toml:3:10: ", "UUID");
    check("[[step]]\nname = 'a'\nimages = [{ alias = 'b', side = 'PreImage' }]", "guard.toml:3:", "`side`");
    check(
        "[[step]]\nname = 'a'\nwhen = { attribute = 'a', operator = 'equals', value = 1 }",
        "guard.toml:3:8: ",
        "unknown variant `equals`",
    );
    check("[[step]]\nname = 'a'\nwhen = { attribute = 'a' }", "guard.toml:3:8: ", "a condition is `all`");
    check("plugin = 'guard", "guard.toml:1:", "");
    check("plugin = 'a'\nplugin = 'b'", "guard.toml:2:1: ", "duplicate key");
}

#[test]
fn a_secret_is_in_no_error_and_in_no_debug_text() {
    let step = |line: &str| format!("[[step]]\nname = 'a'\n{line}\n");
    let kept = parse(&step("secure_configuration = 'hunter2'")).unwrap();
    assert!(!format!("{kept:?}").contains("hunter2"));
    for text in [
        step("secure_configuration = 'hunter2' oops"),
        step("secure_configuration = 2222"),
        step("secure_configuration = ['hunter2']"),
        step("secure_configuration = '''hunter2\nhunter2"),
        step("secure_configuration = 'hunter2'\nrank = 'x'"),
    ] {
        let error = parse(&text).unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains("hunter2") && !shown.contains("2222"), "{shown}");
    }
}

#[test]
fn beside_a_plugin_there_is_no_secret_and_no_other_plugin() {
    let beside = |text: &str| parse(text).unwrap().beside("guard");
    assert_eq!(beside("").unwrap().plugin.as_deref(), Some("guard"));
    assert_eq!(beside("plugin = 'guard'").unwrap().plugin.as_deref(), Some("guard"));
    let check = |text: &str, expected: &str| {
        let error = beside(text).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
        assert!(error.message().contains(expected), "{error}");
    };
    check("plugin = 'other'", "guard.toml: the manifest is about the plugin `other` and lies beside `guard`");
    let quota = "guard.toml: the manifest has a quota, which only an operator sets; move it to a manifest of the operator's, \
                 named with `--manifest`";
    check("quota = { memory_bytes = 1 }", quota);
    check(
        "[[step]]\nname = 'a'\nsecure_configuration = 'hunter2'",
        "guard.toml:1: the manifest has a secure configuration of `a`, which only an operator sets",
    );
}

#[test]
fn the_manifest_in_the_documentation_is_one() {
    let docs =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/registration.md")).unwrap();
    let text = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    let manifest = parse(text).unwrap();
    assert_eq!(manifest.plugin.as_deref(), Some("credit-guard"));
    assert_eq!(manifest.steps.len(), 2);
}
