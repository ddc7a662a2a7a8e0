//! Assign, SetState, Associate, RetrieveMultiple, and the children of a Delete.

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("account")]
struct Account {
    name: Field<String>,
    creditlimit: Field<Money>,
    ownerid: Field<EntityReference>,
    statecode: Field<State>,
    statuscode: Field<Choice>,
}

#[derive(Entity, Default, Debug)]
#[entity("task")]
struct Task {
    subject: Field<String>,
    regardingobjectid: Field<Ref<Account>>,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
enum State {
    Active = 0,
    Inactive = 1,
}

fn account(name: &str) -> Account {
    Account { name: name.into(), ..default() }
}

fn user(number: u128) -> EntityReference {
    EntityReference::new("systemuser", UniqueIdentifier::from_u128(number))
}

#[step(PreOperation, before(name, ownerid))]
fn delegate(ctx: &mut Assign<Account>) -> Result {
    ensure!(ctx.before.ownerid.is_null(), "it has an owner");
    assert!(ctx.before.name.is("Acme") && ctx.assignee == user(1));
    trace!("{}", ctx.id());
    ctx.assignee = user(2);
    Ok(())
}

#[step(PostOperation, after(ownerid))]
fn owned(ctx: &mut Assign<Account>) -> Result {
    ensure!(ctx.after.ownerid.is(user(1)), "not the new owner");
    Ok(())
}

#[test]
fn an_assign_gives_another_owner() {
    let org = Fake::new();
    let acme = org.add(account("Acme"));
    org.run_request::<delegate>(Request::assign(acme, user(1))).unwrap();
    assert!(org.get::<Account>(acme).unwrap().ownerid.is(user(2)));
    let fault = org.run_request::<delegate>(Request::assign(acme, user(1))).unwrap_err();
    assert_eq!(fault.message(), "it has an owner");
    org.run_request::<owned>(Request::assign(acme, user(1))).unwrap();
    assert!(org.get::<Account>(acme).unwrap().ownerid.is(user(1)));
}

#[step(PreOperation, before(statecode))]
fn with_status(ctx: &mut SetState<Account>) -> Result {
    assert_eq!(ctx.status, None);
    if ctx.state.is(State::Inactive) {
        ctx.status = Some(Choice(7));
    }
    ensure!(ctx.state.to::<State>().is_some(), "no such state");
    Ok(())
}

#[test]
fn a_set_state_gives_another_state_and_status() {
    let org = Fake::new();
    let acme = org.add(account("Acme"));
    let set = |state: Choice| org.run_request::<with_status>(Request::set_state(acme, state, None));
    set(State::Inactive.into()).unwrap();
    let stored = org.get::<Account>(acme).unwrap();
    assert!(stored.statecode.is(State::Inactive) && stored.statuscode.is(Choice(7)));
    set(State::Active.into()).unwrap();
    assert!(org.get::<Account>(acme).unwrap().statecode.is(State::Active));
    assert_eq!(set(Choice(5)).unwrap_err().message(), "no such state");
}

#[step(PreOperation)]
fn not_itself(ctx: &mut Associate<Account>) -> Result {
    assert_eq!((ctx.relationship(), ctx.secondary_entity_name()), ("partners", "account"));
    let id = ctx.id().into();
    ctx.related.retain(|other| *other != id);
    Ok(())
}

#[step(PostOperation)]
fn keeps_tasks(ctx: &mut Disassociate<Account>) -> Result {
    ensure!(ctx.relationship() != "account_tasks", "{} keeps its {} tasks", ctx.id(), ctx.related.len());
    Ok(())
}

#[test]
fn relations_come_and_go() {
    let org = Fake::new();
    let (acme, other) = (org.add(account("Acme")), org.add(account("Other")));
    let both: Vec<EntityReference> = vec![acme.into(), other.into()];
    let associate = || Request::associate(acme, "partners", both.clone());
    let fault = org.run_request::<not_itself>(associate()).unwrap_err();
    assert!(fault.message().contains("`Fake::many_to_many`"), "{fault}");
    org.many_to_many("partners");
    org.run_request::<not_itself>(associate()).unwrap();
    assert_eq!(org.related(acme, "partners").unwrap(), [other.into()]);
    assert_eq!(org.related(other, "partners").unwrap(), [acme.into()]);
    org.org().disassociate(other, "partners", [acme]).unwrap();
    assert!(org.related(acme, "partners").unwrap().is_empty());

    org.one_to_many::<Task, _>("account_tasks", Task::COLUMNS.regardingobjectid);
    let task = org.add(Task::default());
    org.org().associate(acme, "account_tasks", [task]).unwrap();
    assert!(org.get::<Task>(task).unwrap().regardingobjectid.is(acme));
    let remove = Request::disassociate(acme, "account_tasks", vec![task.into()]);
    org.run_request::<keeps_tasks>(remove).unwrap_err();
    assert_eq!(org.related(acme, "account_tasks").unwrap(), [task.into()], "rolled back");
}

#[step(PreOperation)]
fn only_named(ctx: &mut RetrieveMultiple<Account>) -> Result {
    assert_eq!(ctx.query.entity, "account");
    assert_eq!(ctx.query.links.len(), 0);
    ctx.query.restrict(Account::COLUMNS.name.is_not_null());
    ctx.query.top = Some(2);
    Ok(())
}

#[step(PostOperation)]
fn censor(ctx: &mut RetrieveMultiple<Account>) -> Result {
    ctx.output.retain(|account| !account.name.is("Secret"));
    ctx.output.reverse();
    for account in &mut ctx.output {
        account.creditlimit.clear();
    }
    Ok(())
}

#[test]
fn a_query_is_narrowed_and_its_result_changed() {
    let org = Fake::new();
    for name in ["A", "Secret", "C"] {
        org.add(Account { creditlimit: Money::new(1).into(), ..account(name) });
    }
    org.add(Account::default());
    let query = || Query::<Account>::new().order_by(Account::COLUMNS.name);
    let names =
        |rows: Vec<Row<Account>>| -> Vec<_> { rows.iter().map(|row| row.name.or_default()).collect() };
    assert_eq!(names(org.run_retrieve_multiple::<only_named>(query()).unwrap()), ["A", "C"]);
    let rows = org.run_retrieve_multiple::<censor>(query()).unwrap();
    assert!(rows.iter().all(|row| row.creditlimit.is_null()));
    assert_eq!(names(rows), ["C", "A", ""]);
    assert_eq!(org.org().count(query().filter(gt("creditlimit", Money::ZERO))).unwrap(), 3, "as it was");
}

#[step(PostOperation)]
fn shorten(ctx: &mut RetrieveMultiple<Record>) -> Result {
    for record in &mut ctx.output {
        record.unset("creditlimit");
    }
    Ok(())
}

#[test]
fn a_record_may_lose_an_attribute_on_its_way() {
    let org = Fake::new();
    org.add(Account { creditlimit: Money::new(1).into(), ..account("A") });
    let records = org.run_retrieve_multiple::<shorten>(Query::of("account")).unwrap();
    assert_eq!(records[0].attributes.len(), 1);
}

#[step(PreOperation, before(name), children("account_tasks", Task))]
fn mention_tasks(ctx: &mut Delete<Account>) -> Result {
    for task in ctx.children::<Task>("account_tasks")? {
        trace!("{} of {}", task.subject.require()?, ctx.before.name.require()?);
    }
    let untyped = ctx.children::<Record>("account_tasks")?;
    ensure!(untyped.len() < 3, "three tasks are too many");
    Ok(())
}

#[step(PreOperation)]
fn forgets_to_ask(ctx: &mut Delete<Account>) -> Result {
    ctx.children::<Task>("account_tasks").map(drop)
}

#[test]
fn a_delete_shows_its_children() {
    let org = Fake::new();
    org.one_to_many::<Task, _>("account_tasks", Task::COLUMNS.regardingobjectid);
    let acme = org.add(account("Acme"));
    let task = |subject: &str| Task { subject: subject.into(), regardingobjectid: acme.into() };
    for subject in ["call", "write"] {
        org.add(task(subject));
    }
    org.add(Task { subject: "other".into(), ..default() });
    org.run_delete::<mention_tasks>(acme).unwrap();
    assert_eq!(org.traces(), ["call of Acme", "write of Acme"]);
}

#[test]
#[should_panic(expected = "add children(\"account_tasks\", ..) to the step's #[step] attribute")]
fn children_that_were_not_asked_for_fail_the_test() {
    let org = Fake::new();
    let acme = org.add(account("Acme"));
    drop(org.run_delete::<forgets_to_ask>(acme));
}

#[step(PreOperation, changed(name), changed_only, before(name))]
fn count_renames(ctx: &mut Update<Account>) -> Result {
    trace!("{} -> {}", ctx.before.name.or_default(), ctx.target.name.or_default());
    Ok(())
}

#[step(PreOperation, changed_only)]
fn count_changes(_: &mut Update<Account>) -> Result {
    trace!("changed");
    Ok(())
}

#[test]
fn the_same_value_is_no_change() {
    let org = Fake::new();
    let acme = org.add(account("Acme"));
    org.run::<count_renames>(acme, account("Acme")).unwrap();
    org.run::<count_changes>(acme, account("Acme")).unwrap();
    org.run::<count_renames>(acme, Account { creditlimit: Money::new(5).into(), ..default() }).unwrap();
    assert!(org.traces().is_empty());
    org.run::<count_changes>(acme, Account { creditlimit: Money::new(6).into(), ..default() }).unwrap();
    org.run::<count_renames>(acme, account("New")).unwrap();
    assert_eq!(org.traces(), ["changed", "Acme -> New"]);
}

#[step(PreOperation, message = "Upsert", entity = "account")]
fn name_upserts(ctx: &mut AnyMessage<Record>) -> Result {
    ctx.target.set("name", "upserted");
    Ok(())
}

#[test]
fn any_message_goes_with_its_request() {
    let org = Fake::new();
    let record = Record::new("account").with_key("accountnumber", "A-1");
    let output = org.run_request::<name_upserts>(Request::upsert_record(record).tag("import")).unwrap();
    assert_eq!(output.value("RecordCreated"), Some(true));
    let target: EntityReference = output.value("Target").unwrap();
    let stored = org.get_record(target).unwrap();
    assert_eq!(stored.value::<String>("name").as_deref(), Some("upserted"));
    assert_eq!(org.shared_variable::<String>("tag").as_deref(), Some("import"));
}
