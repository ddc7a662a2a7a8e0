//! Joins, pages, dates, and keys, versions and options of requests.

use std::time::Duration;

use stagegate_sdk::prelude::*;
use stagegate_sdk::query::Order;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("account")]
struct Account {
    name: Field<String>,
    number: Field<String>,
    versionnumber: Field<i64>,
}

#[derive(Entity, Default, Debug)]
#[entity("task")]
struct Task {
    subject: Field<String>,
    due: Field<DateTime>,
    hours: Field<i32>,
    regardingobjectid: Field<Ref<Account>>,
}

/// The same lookup, as one to any entity.
#[derive(Entity, Default, Debug)]
#[entity("task")]
struct AnyTask {
    regardingobjectid: Field<EntityReference>,
}

fn account(name: &str) -> Account {
    Account { name: name.into(), ..default() }
}

/// Acme with two tasks, Busy with one, Calm with none; and a task about nothing.
fn fixture() -> Fake {
    let org = Fake::new();
    let [acme, busy, _] = ["Acme", "Busy", "Calm"].map(|name| org.add(account(name)));
    let about = |subject: &str, hours, account: Option<Ref<Account>>| Task {
        subject: subject.into(),
        hours: i32::into(hours),
        regardingobjectid: account.into(),
        ..default()
    };
    for task in [about("a1", 1, Some(acme)), about("a2", 2, Some(acme)), about("b1", 3, Some(busy))] {
        org.add(task);
    }
    org.add(about("none", 4, None));
    org
}

fn subjects(org: &Fake, query: Query<Task>) -> Vec<String> {
    org.org().retrieve_multiple(query).unwrap().iter().map(|row| row.subject.or_default()).collect()
}

fn names(org: &Fake, query: Query<Account>) -> Vec<String> {
    let query = query.order_by(Account::COLUMNS.name);
    org.org().retrieve_multiple(query).unwrap().iter().map(|row| row.name.or_default()).collect()
}

#[test]
fn joins_follow_lookups_both_ways() {
    let org = fixture();
    let tasks = || Query::<Task>::new().order_by(Task::COLUMNS.subject);
    let to_account = || Link::to(Task::COLUMNS.regardingobjectid);
    assert_eq!(subjects(&org, tasks().link(to_account())), ["a1", "a2", "b1"]);
    assert_eq!(subjects(&org, tasks().link(to_account().outer())), ["a1", "a2", "b1", "none"]);
    let acme = to_account().filter(Account::COLUMNS.name.eq("acme"));
    assert_eq!(subjects(&org, tasks().link(acme)), ["a1", "a2"]);
    let in_root =
        tasks().link(to_account().alias("a")).filter(Account::COLUMNS.name.begins_with("B").of("a"));
    assert_eq!(subjects(&org, in_root), ["b1"]);
    let sorted = Query::<Task>::new().link(to_account()).order(Order::by("name").of("account").descending());
    assert_eq!(subjects(&org, sorted)[0], "b1");

    let by_task = || Link::<Task>::by(Task::COLUMNS.regardingobjectid);
    let accounts = Query::<Account>::new;
    assert_eq!(names(&org, accounts().link(by_task())), ["Acme", "Acme", "Busy"], "once for each match");
    assert_eq!(names(&org, accounts().link(by_task().exists())), ["Acme", "Busy"]);
    assert_eq!(names(&org, accounts().link(by_task().not_exists())), ["Calm"]);
    let long = by_task().filter(Task::COLUMNS.hours.ge(2));
    assert_eq!(names(&org, accounts().link(long.not_exists())), ["Calm"]);
    let untyped = Link::of("task", "regardingobjectid", "accountid").filter(between("hours", 3, 9));
    assert_eq!(names(&org, accounts().link(untyped)), ["Busy"]);

    let any = Query::<AnyTask>::new().link(Link::<Account>::to(AnyTask::COLUMNS.regardingobjectid));
    assert_eq!(org.org().retrieve_multiple(any).unwrap().len(), 3);

    // Tasks whose account has a task of three hours.
    let nested = to_account().link(by_task().alias("other").filter(Task::COLUMNS.hours.eq(3)));
    assert_eq!(subjects(&org, tasks().link(nested)), ["b1"]);
}

#[test]
fn a_row_has_the_columns_of_its_links() {
    let org = fixture();
    let link = Link::to(Task::COLUMNS.regardingobjectid).with_columns();
    let query = Query::<Task>::new().link(link.outer()).order_by_descending(Task::COLUMNS.subject);
    let rows = org.org().retrieve_multiple(query).unwrap();
    let accounts: Vec<Account> = rows.iter().map(|row| row.linked().unwrap()).collect();
    assert!(accounts[0].name.is_null() && accounts[1].name.is("Busy") && accounts[3].name.is("Acme"));
    let records = Query::of("task")
        .columns(["subject"])
        .link(Link::of("account", "accountid", "regardingobjectid").alias("a").columns(["name"]));
    let record = org.org().retrieve_first(records.order_by("subject")).unwrap().unwrap();
    assert_eq!(record.value::<String>("a.name").as_deref(), Some("Acme"));
    assert_eq!(record.attributes.len(), 2);
}

#[test]
fn pages_cover_every_record_once() {
    let org = fixture();
    let query = || Query::<Task>::new().order_by(Task::COLUMNS.subject);
    let pages: Vec<Vec<String>> = org
        .org()
        .pages(query(), 3)
        .map(|page| page.unwrap().iter().map(|row| row.subject.or_default()).collect())
        .collect();
    assert_eq!(pages, [vec!["a1", "a2", "b1"], vec!["none"]]);
    let first = org.org().retrieve_page(query().page(1).with_count()).unwrap();
    assert_eq!((first.rows.len(), first.more_records, first.total_record_count), (1, true, Some(4)));
    let next = query().page_after(1, first.paging_cookie.unwrap());
    assert_eq!(subjects(&org, next), ["a2"]);
    let edited = org.org().retrieve_page(query().page_after(1, "after all"));
    assert!(edited.err().unwrap().message().contains("is not a paging cookie"));
    let failing = org.org().pages(Query::<Task>::new().filter(condition("due", "this-week", [])), 3);
    let results: Vec<bool> = failing.map(|page| page.is_ok()).collect();
    assert_eq!(results, [false], "a fault ends it");
    assert_eq!(org.org().count(query().filter(Task::COLUMNS.hours.not_between(2, 3))).unwrap(), 2);
}

#[test]
fn a_distinct_query_has_each_combination_once() {
    let org = fixture();
    let query = Query::of("task").columns(["regardingobjectid"]).distinct();
    let found = org.org().retrieve_multiple(query).unwrap();
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|record| record.id.is_none()));
}

#[test]
fn negations_hold_for_null() {
    let org = fixture();
    let tasks = || Query::<Task>::new().order_by(Task::COLUMNS.subject);
    let acme = org.org().retrieve_first(Query::<Account>::new().order_by("name")).unwrap().unwrap().id;
    let others = tasks().filter(Task::COLUMNS.regardingobjectid.ne(acme));
    assert_eq!(subjects(&org, others), ["b1", "none"]);
    let others = tasks().filter(Task::COLUMNS.subject.not_like("a%")).filter(not_ends_with("subject", "e"));
    assert_eq!(subjects(&org, others), ["b1"]);
}

#[test]
fn dates_are_relative_to_the_clock() {
    let org = Fake::new();
    org.set_now("2026-03-31T12:00:00Z".parse().unwrap());
    for due in
        ["2026-03-31T00:00:00Z", "2026-03-30T23:59:59Z", "2026-02-28T00:00:00Z", "2026-04-03T09:00:00Z"]
    {
        let due: DateTime = due.parse().unwrap();
        org.add(Task { subject: due.to_string()[5..10].into(), due: due.into(), ..default() });
    }
    let due = || Task::COLUMNS.due;
    let day = |day: u64| org.now() + Duration::from_hours(24 * day);
    let check = |filter, expected: &[&str]| {
        let text = format!("{filter:?}");
        let found = subjects(&org, Query::new().filter(filter).order_by(Task::COLUMNS.due));
        assert_eq!(found, expected, "{text}");
    };
    check(due().today(), &["03-31"]);
    check(due().yesterday(), &["03-30"]);
    check(due().last_x_hours(12), &["03-31"]);
    check(due().last_x_days(1), &["03-30", "03-31"]);
    check(due().last_seven_days(), &["03-30", "03-31"]);
    check(due().next_x_days(3), &["04-03"]);
    check(due().last_month(), &["02-28"]);
    check(due().this_month(), &["03-30", "03-31"]);
    check(due().next_month(), &["04-03"]);
    check(due().last_year(), &[]);
    check(due().older_than_x_days(1), &["02-28"]);
    check(due().on(day(3)), &["04-03"]);
    check(due().on_or_after(day(0)), &["03-31", "04-03"]);
    check(due().on_or_before(day(0)), &["02-28", "03-30", "03-31"]);
}

#[test]
fn an_alternate_key_names_a_record() {
    let fake = Fake::new();
    let org = fake.org();
    let key = || Key::<Account>::new(Account::COLUMNS.number, "A-1");
    assert!(org.retrieve_by_key(key()).err().unwrap().is_not_found());
    let done = org.upsert_by_key(key(), account("Acme")).unwrap();
    assert!(done.record_created);
    let again = org.upsert_by_key(key(), account("Acme Ltd")).unwrap();
    assert!(!again.record_created && again.target == done.target);
    org.update_by_key(key(), account("Acme & Co")).unwrap();
    let found = org.retrieve_by_key(key()).unwrap();
    assert!(found.id == done.target && found.name.is("Acme & Co") && found.number.is("A-1"));
    let record = org.retrieve_by_key(Key::of("account").with("number", "A-1").with("name", "Acme & Co"));
    assert_eq!(record.unwrap().id, Some(done.target.id()));
    org.update_record(Record::new("account").with_key("number", "A-1").with("name", "X")).unwrap();
    org.delete_by_key(key()).unwrap();
    assert!(org.delete_by_key(key()).unwrap_err().is_not_found());

    let id = UniqueIdentifier::from_u128(5);
    assert!(org.upsert(id, account("Five")).unwrap().record_created);
    assert!(!org.upsert(id, account("Cinq")).unwrap().record_created);
    assert!(fake.get::<Account>(id).unwrap().name.is("Cinq"));
}

#[test]
fn a_version_guards_a_write() {
    let fake = Fake::new();
    let org = fake.org();
    let acme = fake.add(account("Acme"));
    let version = org.retrieve::<Account>(acme).unwrap().versionnumber.require().unwrap();
    org.update_if(acme, version, account("New")).unwrap();
    let fault = org.update_if(acme, version, account("Newer")).unwrap_err();
    assert!(fault.is_conflict(), "{fault}");
    assert!(org.delete_if(acme, version).unwrap_err().is_conflict());
    let version = org.retrieve::<Account>(acme).unwrap().versionnumber.require().unwrap();
    org.delete_if(acme, version).unwrap();
}

#[derive(CustomMessage)]
#[message("sg_Ping")]
struct Ping;

#[step(PreOperation)]
fn who(ctx: &mut Call<Ping>) -> Result {
    trace!("{}", ctx.user());
    Ok(())
}

#[test]
fn requests_go_as_another_user() {
    let fake = Fake::new();
    fake.implement(|_: Ping, _: &Organization| Ok(()));
    let eight = UniqueIdentifier::from_u128(8);
    fake.run_request::<who>(Request::call(Ping).as_user(eight)).unwrap();
    fake.as_user(eight).run_call::<who>(Ping).unwrap();
    assert_eq!(fake.traces(), [eight.to_string(), eight.to_string()]);
    let other = fake.org().as_user(eight).tag("night");
    let id = other.create(account("Acme")).unwrap();
    assert!(other.retrieve::<Account>(id).unwrap().name.is("Acme"));
    other.update(id, account("New")).unwrap();
    assert_eq!(other.retrieve_multiple(Query::<Account>::new()).unwrap().len(), 1);
    other.delete(id).unwrap();
    assert!(other.retrieve_record(id, ["name"]).unwrap_err().is_not_found());
}

#[test]
fn requests_run_together() {
    let fake = Fake::new();
    let org = fake.org();
    let missing = Ref::<Account>::new(UniqueIdentifier::from_u128(7));
    let create = |name: &str| Request::create(account(name));
    let responses = org.execute_transaction([create("a"), create("b")]).unwrap();
    assert!(responses.iter().all(|output| output.value::<UniqueIdentifier>("id").is_some()));
    let fault = org.execute_transaction([create("c"), Request::update(missing, account("x"))]).unwrap_err();
    assert_eq!(fault.details(), [("FaultedRequestIndex".to_owned(), "1".to_owned())]);
    assert_eq!(names(&fake, Query::new()), ["a", "b"]);

    let some = || [create("d"), Request::delete(missing), create("e")];
    let results = org.execute_multiple(some(), true).unwrap();
    assert_eq!(results.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, false, true]);
    assert_eq!(org.execute_multiple(some(), false).unwrap().len(), 2);
    assert_eq!(names(&fake, Query::new()), ["a", "b", "d", "d", "e"]);
}

#[test]
fn what_the_fake_cannot_do_it_says() {
    let org = Fake::new();
    let fault = org.org().fetch::<Record>("<fetch/>").err().unwrap();
    assert!(fault.message().contains("no FetchXML"), "{fault}");
    let fault = org.org().execute(Request::new("Merge")).unwrap_err();
    assert_eq!(fault.code(), code::UNKNOWN_MESSAGE);
    let week = Query::of("task").filter(condition("due", "eq-userid", []));
    org.add(Record::new("task"));
    let fault = org.org().retrieve_multiple(week).unwrap_err();
    assert!(fault.message().contains("`eq-userid`"), "{fault}");
}
