//! A step on every entity, with records whose columns nobody knew when it was compiled.

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[step(PostOperation, async, before(all), after(all))]
fn audit(ctx: &mut Update<Record>) -> Result {
    let id = ctx.id();
    for (attribute, new) in &ctx.after.attributes {
        let old = ctx.before.value_or_null(attribute);
        if old != new {
            let entry = Record::new("auditentry")
                .with("record", id.clone())
                .with("attribute", attribute.as_str())
                .with("old", old.to_string())
                .with("new", new.to_string())
                .with("by", ctx.initiating_user());
            ctx.org().create(entry)?;
        }
    }
    Ok(())
}

#[test]
fn every_difference_is_an_entry() {
    let org = Fake::new();
    let lead = org
        .add(Record::new("lead").with("subject", "Fair").with("budget", Money::new(5)).with("rating", 1_i32));
    let changes = Record::new("lead")
        .with("subject", "Fair")
        .with("budget", Money::cents(550))
        .with("rating", Value::Null);
    org.run::<audit>(lead.clone(), changes.with("note", "called")).unwrap();

    let entries: Vec<_> = org
        .created()
        .iter()
        .map(|entry| {
            assert_eq!(entry.value::<EntityReference>("record"), Some(lead.clone()));
            ["attribute", "old", "new"].map(|name| entry.value::<String>(name).unwrap())
        })
        .collect();
    assert_eq!(
        entries,
        [["budget", "5.00", "5.50"], ["note", "", "called"]].map(|entry| entry.map(str::to_owned))
    );
}
