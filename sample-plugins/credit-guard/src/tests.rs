use stagegate_sdk::testing::Fake;

use super::*;

fn limit(units: i64) -> Account {
    Account { creditlimit: Money::new(units).into(), ..default() }
}

/// An organization whose caller approves up to 1000.00, with an account that has 500.00.
fn fixture() -> (Fake, Ref<Account>) {
    let org = Fake::new();
    let clerk = org.add(User { approvallimit: Money::new(1_000).into() });
    let acme = org.add(Account { name: "Acme".into(), ..limit(500) });
    (org.as_user(clerk), acme)
}

#[test]
fn a_rise_above_the_callers_limit_is_refused() {
    let (org, acme) = fixture();
    let fault = org.run::<approve_rise>(acme, limit(5_000)).err().unwrap();
    assert_eq!(fault.message(), "a credit limit of 5000.00 needs an approver");
    assert_eq!(org.get::<Account>(acme).unwrap().creditlimit, Money::new(500).into());
}

#[test]
fn a_rise_within_the_callers_limit_is_dated_and_shared() {
    let (org, acme) = fixture();
    let target = org.run::<approve_rise>(acme, limit(900)).unwrap();
    assert_eq!(target.creditapprovedon, org.now().into());
    assert_eq!(org.get::<Account>(acme).unwrap().creditapprovedon, org.now().into());
    assert_eq!(org.shared::<Rise>().unwrap().to, Money::new(900));
    assert_eq!(org.traces(), ["credit limit 500.00 -> 900.00"]);
}

#[test]
fn a_cut_needs_no_approval() {
    let (org, acme) = fixture();
    let target = org.run::<approve_rise>(acme, limit(100)).unwrap();
    assert!(target.creditapprovedon.is_absent());
    assert!(org.traces().is_empty());
}

#[test]
fn a_rise_leaves_a_task() {
    let (org, acme) = fixture();
    org.share(Rise { from: Money::new(500), to: Money::new(900) });
    org.run::<follow_up>(acme, limit(900)).unwrap();

    let tasks = org.created_of::<Task>().unwrap();
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].subject, "Acme: limit raised from 500.00 to 900.00".into());
    assert_eq!(tasks[0].regardingobjectid, acme.into());
}

#[test]
fn a_job_that_is_run_again_leaves_no_second_task() {
    let (org, acme) = fixture();
    org.share(Rise { from: Money::new(500), to: Money::new(900) });
    let job = org.as_job(UniqueIdentifier::from_u128(0x10b), org.now());
    job.run::<follow_up>(acme, limit(900)).unwrap();
    job.run::<follow_up>(acme, limit(900)).unwrap();
    assert_eq!(org.created().len(), 1);

    // The next rise is another job.
    org.run::<follow_up>(acme, limit(900)).unwrap();
    assert_eq!(org.created().len(), 2);
}

#[test]
fn a_cut_leaves_no_task() {
    let (org, acme) = fixture();
    org.run::<follow_up>(acme, limit(100)).unwrap();
    assert!(org.created().is_empty());
}

#[test]
fn an_update_of_another_column_is_passed_over() {
    let (org, acme) = fixture();
    // The caller has no user record here, so the step would fail if it ran.
    let stranger = Fake::new().as_user(UniqueIdentifier::from_u128(7));
    let elsewhere = stranger.add(limit(500));
    stranger.run::<approve_rise>(elsewhere, Account { name: "Acme Ltd".into(), ..default() }).unwrap();
    assert!(stranger.run::<approve_rise>(elsewhere, limit(501)).is_err());
    org.run::<approve_rise>(acme, Account { name: "Acme Ltd".into(), ..default() }).unwrap();
    assert_eq!(org.get::<Account>(acme).unwrap().name, "Acme Ltd".into());
}
