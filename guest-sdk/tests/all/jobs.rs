//! Asynchronous steps that are run again.

use std::time::Duration;

use stagegate_sdk::prelude::*;
use stagegate_sdk::testing::Fake;

#[derive(Entity, Default, Debug)]
#[entity("account")]
struct Account {
    name: Field<String>,
}

#[derive(Entity, Default, Debug)]
#[entity("task")]
struct Task {
    subject: Field<String>,
}

fn task(subject: &str) -> Task {
    Task { subject: subject.into() }
}

/// An organization with an account, as seen by one job.
fn fixture(job: u128) -> (Fake, Fake, Ref<Account>) {
    let org = Fake::new();
    let acme = org.add(Account { name: "Acme".into() });
    (org.clone(), org.as_job(UniqueIdentifier::from_u128(job), org.now()), acme)
}

/// Leaves two tasks and a note, and fails after the first as often as the account's name says.
#[step(PostOperation, async)]
fn remind(ctx: &mut Update<Account>) -> Result {
    let first = ctx.create_once("call", task("call"))?;
    let again = ctx.create_once("call", task("call again"))?;
    assert_eq!(first, again);
    if ctx.target.name.is("away") {
        return Err(Fault::retry("the other service is away"));
    }
    let second = ctx.create_once(2, task("write"))?;
    assert_ne!(first, second);
    let note = ctx.create_once("call", Record::new("note").with("text", "called"))?;
    assert_ne!(note.id, first.id());
    Ok(())
}

#[test]
fn a_retry_creates_what_is_missing_and_nothing_twice() {
    let (org, job, acme) = fixture(0x10b);
    let subjects = || -> Vec<_> {
        let tasks = org.created_of::<Task>().unwrap();
        tasks.iter().map(|task| task.subject.or_default()).collect()
    };
    job.run::<remind>(acme, Account { name: "away".into() }).unwrap_err();
    assert_eq!(subjects(), ["call"]);
    job.run::<remind>(acme, Account::default()).unwrap();
    job.run::<remind>(acme, Account::default()).unwrap();
    assert_eq!(subjects(), ["call", "write"]);
    assert_eq!(org.created().len(), 3);

    // Another job, and so other records, though its identifier differs in the last bit only.
    let other = org.as_job(UniqueIdentifier::from_u128(0x10a), org.now());
    other.run::<remind>(acme, Account::default()).unwrap();
    assert_eq!(subjects(), ["call", "write", "call", "write"]);
}

#[test]
fn the_identifiers_are_marked_as_uuids() {
    let (org, job, acme) = fixture(u128::MAX);
    job.run::<remind>(acme, Account::default()).unwrap();
    for record in org.created() {
        let id = record.id.unwrap().to_string();
        assert!(
            id.get(14..15) == Some("8") && id.get(19..20).is_some_and(|digit| "89ab".contains(digit)),
            "{id}"
        );
    }
}

#[step(PostOperation, async)]
fn remind_under_an_own_identifier(ctx: &mut Update<Account>) -> Result {
    let own = UniqueIdentifier::from_u128(5);
    let created = ctx.create_once("own", Record::new("task").with_id(own))?;
    assert_eq!(created, EntityReference::new("task", own));
    Ok(())
}

#[test]
fn an_identifier_of_ones_own_stays() {
    let (org, job, acme) = fixture(0x10b);
    for _ in 0..2 {
        job.run::<remind_under_an_own_identifier>(acme, Account::default()).unwrap();
    }
    assert_eq!(org.created().len(), 1);
}

#[step(PreOperation)]
fn remind_at_once(ctx: &mut Update<Account>) -> Result {
    assert_eq!(ctx.operation_id(), None);
    ctx.create_once("call", task("call"))?;
    ctx.create_once("call", task("call"))?;
    Ok(())
}

#[test]
fn a_synchronous_step_has_no_job_to_be_run_again() {
    let (org, job, acme) = fixture(0x10b);
    job.run::<remind_at_once>(acme, Account::default()).unwrap();
    assert_eq!(org.created_of::<Task>().unwrap().len(), 2);
}

#[step(PostOperation, async)]
fn note_the_job(ctx: &mut Update<Account>) -> Result {
    let (Some(job), Some(created_on)) = (ctx.operation_id(), ctx.operation_created_on()) else {
        bail!("an asynchronous step without a job");
    };
    trace!("{job} {created_on} {}", ctx.now());
    Ok(())
}

#[test]
fn a_job_keeps_its_identifier_and_its_time() {
    let (org, job, acme) = fixture(0x10b);
    org.set_now(org.now() + Duration::from_hours(1));
    job.run::<note_the_job>(acme, Account::default()).unwrap();
    org.run::<note_the_job>(acme, Account::default()).unwrap();
    let traces = org.traces();
    assert_eq!(traces[0], "00000000-0000-0000-0000-00000000010b 2026-01-01T00:00:00Z 2026-01-01T01:00:00Z");
    assert!(traces[1].ends_with(" 2026-01-01T01:00:00Z 2026-01-01T01:00:00Z"), "{}", traces[1]);
}
