//! The messages about many records: their steps, and what issues them.

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
}

fn account(name: &str, limit: i64) -> Account {
    Account { name: name.into(), creditlimit: Money::new(limit).into() }
}

fn collection<const N: usize>(records: [Record; N]) -> EntityCollection {
    EntityCollection::new("account", records.into())
}

fn record(name: &str) -> Record {
    Record::new("account").with("name", name).with("telephone1", "112")
}

#[step(PreOperation)]
fn limit_new(ctx: &mut CreateMultiple<Account>) -> Result {
    for (index, new) in ctx.targets.iter_mut().enumerate() {
        assert_eq!(new.id(), None);
        new.target.creditlimit = Money::new(i64::try_from(index)?).into();
    }
    Ok(())
}

#[step(PostOperation, after(name))]
fn number_new(ctx: &mut CreateMultiple<Account>) -> Result {
    for new in &ctx.targets {
        trace!("{} {}", new.after.name.require()?, new.id().is_some());
    }
    Ok(())
}

#[test]
fn a_create_multiple_is_changed_record_by_record() {
    let org = Fake::new();
    let create = || Request::create_multiple(collection([record("a"), record("b")]));
    org.run_request::<limit_new>(create()).unwrap();
    let found = org.org().retrieve_multiple(Query::of("account").order_by("name")).unwrap();
    let limits: Vec<_> = found.iter().map(|one| one.value::<Money>("creditlimit").unwrap()).collect();
    assert_eq!(limits, [Money::new(0), Money::new(1)]);
    assert_eq!(found[0].value::<String>("telephone1").as_deref(), Some("112"), "what the struct lacks stays");
    org.run_request::<number_new>(create()).unwrap();
    assert_eq!(org.traces(), ["a true", "b true"]);
    assert!(org.created().is_empty(), "they are the message's own");
}

#[step(PreOperation, changed(creditlimit), before(creditlimit))]
fn no_cuts(ctx: &mut UpdateMultiple<Account>) -> Result {
    for one in &mut ctx.targets {
        let (from, to) = (one.before.creditlimit.or_default(), one.target.creditlimit.or_default());
        trace!("{} {from} -> {to}", one.id());
        if to < from {
            one.target.creditlimit.unset();
        }
    }
    Ok(())
}

#[test]
fn an_update_multiple_has_an_image_for_each_record() {
    let org = Fake::new();
    let (a, b) = (org.add(account("a", 10)), org.add(account("b", 10)));
    let limit = |id: Ref<Account>, to| Record::new("account").with_id(id).with("creditlimit", Money::new(to));
    let update = collection([limit(a, 5), limit(b, 20)]);
    org.run_request::<no_cuts>(Request::update_multiple(update)).unwrap();
    assert!(org.get::<Account>(a).unwrap().creditlimit.is(Money::new(10)));
    assert!(org.get::<Account>(b).unwrap().creditlimit.is(Money::new(20)));
    assert_eq!(org.traces().len(), 2);

    let rename = collection([Record::new("account").with_id(a).with("name", "c")]);
    org.run_request::<no_cuts>(Request::update_multiple(rename)).unwrap();
    assert_eq!(org.traces().len(), 2, "the filter passes it over");
}

#[step(PreOperation, before(name))]
fn keep_acme(ctx: &mut DeleteMultiple<Account>) -> Result {
    for one in &ctx.targets {
        ensure!(!one.before.name.is("Acme"), "{} is Acme", one.id());
    }
    Ok(())
}

#[test]
fn a_delete_multiple_is_all_or_none() {
    let org = Fake::new();
    let (acme, other) = (org.add(account("Acme", 1)), org.add(account("Other", 1)));
    let delete = |ids: Vec<EntityReference>| org.run_request::<keep_acme>(Request::delete_multiple(ids));
    delete(vec![other.into(), acme.into()]).unwrap_err();
    assert!(org.get::<Account>(other).is_ok());
    delete(vec![other.into()]).unwrap();
    assert!(org.get::<Account>(other).unwrap_err().is_not_found());
}

#[test]
fn the_service_writes_many_at_once() {
    let fake = Fake::new();
    let org = fake.org();
    let ids = org.create_multiple([account("a", 1), account("b", 2)]).unwrap();
    assert_eq!(ids.len(), 2);
    let limit = |to| Account { creditlimit: Money::new(to).into(), ..default() };
    org.update_multiple([Row::new(ids[0], limit(5)), Row::new(ids[1], limit(6))]).unwrap();
    assert!(fake.get::<Account>(ids[1]).unwrap().creditlimit.is(Money::new(6)));

    let unknown = UniqueIdentifier::from_u128(9);
    org.update_multiple([Row::new(ids[0], limit(50)), Row::new(unknown, limit(1))]).unwrap_err();
    assert!(fake.get::<Account>(ids[0]).unwrap().creditlimit.is(Money::new(5)), "all or none");

    let done = org.upsert_multiple([Row::new(ids[0], limit(7)), Row::new(unknown, account("c", 8))]).unwrap();
    assert_eq!(done.iter().map(|one| one.record_created).collect::<Vec<_>>(), [false, true]);
    org.delete_multiple(ids).unwrap();
    assert_eq!(org.count(Query::<Account>::new()).unwrap(), 1);
}
