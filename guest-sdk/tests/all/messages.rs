//! What a step is given, what goes back, and when.

use stagegate_sdk::OperationStatus;
use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("account")]
struct Account {
    name: Field<String>,
    #[column("creditlimit")]
    limit: Field<Money>,
    rating: Field<i32>,
}

fn account(name: &str, limit: i64) -> Account {
    Account { name: name.into(), limit: Money::new(limit).into(), ..default() }
}

#[step(PreOperation, changed(limit), before(limit))]
fn tidy(ctx: &mut Update<Account>) -> Result {
    assert_eq!((ctx.message(), ctx.stage(), ctx.mode()), ("Update", Stage::PreOperation, Mode::Synchronous));
    assert_eq!(ctx.entity_name(), "account");
    assert_eq!(ctx.record(), Some(ctx.id().into()));
    ctx.target.rating.set(ctx.before.limit.get().map_or(0, |limit| i32::from(*limit > Money::new(100))));
    ctx.target.name.unset();
    Ok(())
}

#[test]
fn only_what_the_step_changed_goes_back() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 200));
    let target = org.run::<tidy>(acme, account("Renamed", 300)).unwrap();
    assert!(target.name.is_absent());
    assert_eq!(target.rating, 1.into());
    let stored = org.get::<Account>(acme).unwrap();
    assert_eq!((stored.name.or_default(), stored.limit.or_default()), ("Acme".to_owned(), Money::new(300)));
}

#[test]
fn an_update_that_the_filter_passes_over_is_written_all_the_same() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 200));
    org.run::<tidy>(acme, Account { name: "Renamed".into(), ..default() }).unwrap();
    let stored = org.get::<Account>(acme).unwrap();
    assert!(stored.name.is("Renamed"));
    assert!(stored.rating.is_null());
}

#[step(PostOperation, after(all))]
fn number(ctx: &mut Create<Account>) -> Result {
    let id = ctx.id().ok_or_else(|| Fault::new("no id"))?;
    assert_eq!(ctx.record(), Some(id.into()));
    ctx.org().update(id, Account { rating: 7.into(), ..default() })?;
    ctx.target.name = format!("{} ({id})", ctx.after.name.require()?).into();
    Ok(())
}

#[test]
fn after_the_core_operation_the_target_is_not_written() {
    let org = Fake::new();
    let row = org.run_create::<number>(account("Acme", 1)).unwrap();
    assert_eq!(row.name, format!("Acme ({})", row.id).into());
    let stored = org.get::<Account>(row.id).unwrap();
    assert_eq!((stored.name, stored.rating), ("Acme".into(), 7.into()));
}

#[step(PreOperation, before(name))]
fn keep_acme(ctx: &mut Delete<Account>) -> Result {
    ctx.org().create(Account { name: "trail".into(), ..default() })?;
    ensure!(ctx.before.name.require()? != "Acme", "Acme stays");
    Ok(())
}

#[test]
fn a_fault_rolls_back_what_the_step_wrote() {
    let org = Fake::new();
    let (acme, other) = (org.add(account("Acme", 1)), org.add(account("Other", 1)));
    assert_eq!(org.run_delete::<keep_acme>(acme).unwrap_err().message(), "Acme stays");
    assert!(org.created().is_empty());
    org.run_delete::<keep_acme>(other).unwrap();
    assert_eq!(org.created_of::<Account>().unwrap().len(), 1);
    assert!(org.get::<Account>(other).is_err());
    assert!(org.get::<Account>(acme).is_ok());
}

#[step(PostOperation)]
fn hide_limit(ctx: &mut Retrieve<Account>) -> Result {
    ctx.output.limit.clear();
    Ok(())
}

#[test]
fn a_retrieve_step_changes_what_the_reader_gets() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    let seen = org.run_retrieve::<hide_limit>(acme).unwrap();
    assert!(seen.limit.is_null());
    assert_eq!(org.get::<Account>(acme).unwrap().limit, Money::new(1).into());
}

#[derive(Shared)]
struct Visit {
    count: i32,
    by: UniqueIdentifier,
}

#[step(PreValidation)]
fn count(ctx: &mut Update<Account>) -> Result {
    let count = ctx.shared::<Visit>().map_or(0, |visit| visit.count) + 1;
    ctx.set_shared_variable("seen", true)?;
    ctx.share(Visit { count, by: ctx.user() })
}

#[test]
fn shared_variables_pass_from_step_to_step() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    org.run::<count>(acme, Account::default()).unwrap();
    org.run::<count>(acme, Account::default()).unwrap();
    assert_eq!(org.shared::<Visit>().unwrap().count, 2);
    assert_eq!(org.shared_variable::<i32>("Visit.count"), Some(2));
    assert_eq!(org.shared_variable::<bool>("seen"), Some(true));
    assert_eq!(
        org.shared_variable::<UniqueIdentifier>("Visit.by"),
        org.shared::<Visit>().map(|visit| visit.by)
    );
}

#[step(PostOperation, async, configuration = "own")]
fn fails(ctx: &mut Update<Account>) -> Result {
    ctx.org().create(Account { name: "kept".into(), ..default() })?;
    ctx.trace(ctx.configuration().unwrap_or_default());
    assert!(ctx.operation_id().is_some());
    "twelve".parse::<i32>()?;
    Ok(())
}

#[test]
fn the_detail_of_a_foreign_error_goes_to_the_trace() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    let fault = org.run::<fails>(acme, Account::default()).unwrap_err();
    assert_eq!(fault.code(), code::ISV_UNEXPECTED);
    assert!(!fault.message().contains("invalid digit"), "{fault}");
    assert_eq!(org.traces(), ["own", "error: invalid digit found in string"]);
    // An asynchronous step's requests are transactions of their own: the first stays.
    assert_eq!(org.created().len(), 1);
    org.with_configuration("other").run::<fails>(acme, Account::default()).unwrap_err();
    assert_eq!(org.traces()[2], "other");
}

#[step(PreOperation)]
fn swallows(ctx: &mut Update<Account>) -> Result {
    let _ = ctx.org().retrieve::<Account>(UniqueIdentifier::from_u128(1));
    Ok(())
}

#[test]
fn a_request_that_fails_dooms_the_transaction() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    let fault = org.run::<swallows>(acme, account("Renamed", 1)).unwrap_err();
    assert_eq!(fault.code(), code::TRANSACTION_NOT_STARTED);
    assert_eq!(org.get::<Account>(acme).unwrap().name, "Acme".into());
}

#[step(PostOperation, async)]
fn comes_back(_: &mut Update<Account>) -> Result {
    Err(Fault::retry("the other service is away").with_code(12).with_detail("service", "rates"))
}

#[test]
fn a_fault_says_how_the_work_stands() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    let fault = org.run::<comes_back>(acme, Account::default()).unwrap_err();
    assert_eq!((fault.status(), fault.code()), (OperationStatus::Retry, 12));
    assert_eq!(fault.details(), [("service".to_owned(), "rates".to_owned())]);
}

#[step(PreOperation, message = "Assign")]
fn assign(ctx: &mut AnyMessage<Account>) -> Result {
    assert_eq!(ctx.message(), "Assign");
    ctx.target.rating = 3.into();
    Ok(())
}

#[test]
fn any_message_has_no_core_operation_here() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    assert_eq!(org.run::<assign>(acme, Account::default()).unwrap().rating, 3.into());
    assert!(org.get::<Account>(acme).unwrap().rating.is_null());
}

#[test]
fn a_step_runs_on_its_own_message_and_entity_only() {
    let org = Fake::new();
    let acme = org.add(account("Acme", 1));
    let fault = org.run::<keep_acme>(acme, Account::default()).unwrap_err();
    assert_eq!(
        fault.message(),
        "`keep_acme` is a step on Delete: run it with the method of `Fake` for that message."
    );
    let lead = org.add(Record::new("lead"));
    assert_eq!(
        org.run_delete::<keep_acme>(lead).unwrap_err().message(),
        "`keep_acme` is not a step on `lead`."
    );
}
