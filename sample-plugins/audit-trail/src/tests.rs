use std::time::Duration;

use stagegate_sdk::testing::Fake;

use super::*;

/// An organization with a user and an account.
fn fixture() -> (Fake, UniqueIdentifier, EntityReference) {
    let org = Fake::new();
    let ada = UniqueIdentifier::from_u128(0xada);
    let acme = org.add(
        Record::new("account")
            .with("name", "Acme")
            .with("creditlimit", Money::new(500))
            .with("rating", 3)
            .with("versionnumber", 1_i64),
    );
    (org.as_user(ada), ada, acme)
}

fn entries(org: &Fake) -> Vec<Row<AuditEntry>> {
    org.created_of().unwrap()
}

#[test]
fn an_update_is_kept_with_what_it_changed() {
    let (org, ada, acme) = fixture();
    let update = Record::new("account")
        .with("name", "Acme\n\"Holding\"")
        .with("creditlimit", Money::cents(50_050))
        .with("rating", Value::Null)
        .with("phone", "(empty)")
        .with("versionnumber", 2_i64);
    org.run::<audit_update>(acme.clone(), update).unwrap();

    let entries = entries(&org);
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].operation, "Update".into());
    assert_eq!(entries[0].entityname, "account".into());
    assert_eq!(entries[0].recordid, acme.id.to_string().into());
    assert_eq!(entries[0].userid, ada.into());
    assert_eq!(entries[0].occurredon, org.now().into());
    assert_eq!(
        entries[0].changes,
        "creditlimit: 500.00 -> 500.50\n\
         name: \"Acme\" -> \"Acme\\n\\\"Holding\\\"\"\n\
         phone: (empty) -> \"(empty)\"\n\
         rating: 3 -> (empty)"
            .into()
    );
}

#[test]
fn an_attribute_that_is_saved_unchanged_is_no_change() {
    let (org, _, acme) = fixture();
    let same = Record::new("account").with("name", "Acme").with("phone", Value::Null);
    org.run::<audit_update>(acme, same).unwrap();
    assert_eq!(entries(&org)[0].changes, "".into());
}

#[test]
fn a_create_is_kept_with_what_the_record_begins_with() {
    let (org, _, acme) = fixture();
    let contact = Record::new("contact").with("fullname", "Grace").with("account", acme.clone());
    let contact = org.run_create::<audit_create>(contact).unwrap();

    let entries = entries(&org);
    assert_eq!(entries[0].operation, "Create".into());
    assert_eq!(entries[0].recordid, contact.id.map(|id| id.to_string()).into());
    assert_eq!(
        entries[0].changes,
        format!("account: (empty) -> {acme}\nfullname: (empty) -> \"Grace\"").into()
    );
}

#[test]
fn a_delete_is_kept_with_what_was_lost() {
    let (org, _, acme) = fixture();
    org.run_delete::<audit_delete>(acme.clone()).unwrap();

    let entries = entries(&org);
    assert_eq!(entries[0].operation, "Delete".into());
    assert_eq!(entries[0].recordid, acme.id.to_string().into());
    assert_eq!(
        entries[0].changes,
        "creditlimit: 500.00 -> (empty)\nname: \"Acme\" -> (empty)\nrating: 3 -> (empty)".into()
    );
}

#[test]
fn the_trail_does_not_keep_itself() {
    let (org, ..) = fixture();
    let entry = org.add(Record::new("auditentry").with("operation", "Update"));
    org.run_create::<audit_create>(Record::new("auditentry")).unwrap();
    org.run::<audit_update>(entry.clone(), Record::new("auditentry").with("operation", "Create")).unwrap();
    org.run_delete::<audit_delete>(entry).unwrap();
    assert!(org.created().is_empty());
}

#[test]
fn a_job_that_is_run_again_keeps_nothing_twice() {
    let rename = || Record::new("account").with("name", "Acme Ltd");
    let (org, _, acme) = fixture();
    let queued_on = org.now();
    let job = org.as_job(UniqueIdentifier::from_u128(0x10b), queued_on);
    job.run::<audit_update>(acme.clone(), rename()).unwrap();
    org.set_now(queued_on + Duration::from_hours(1));
    job.run::<audit_update>(acme.clone(), rename()).unwrap();

    let entries_of_job = entries(&org);
    assert_eq!(entries_of_job.len(), 1);
    assert_eq!(entries_of_job[0].changes, "name: \"Acme\" -> \"Acme Ltd\"".into());

    // The same change as another job is another entry.
    org.run::<audit_update>(acme, rename()).unwrap();
    assert_eq!(entries(&org).len(), 2);
}

#[test]
fn an_entry_is_dated_to_when_its_job_was_queued() {
    let (org, _, acme) = fixture();
    let queued_on = org.now();
    org.set_now(queued_on + Duration::from_hours(9));
    org.as_job(UniqueIdentifier::from_u128(0x10b), queued_on).run_delete::<audit_delete>(acme).unwrap();
    assert_eq!(entries(&org)[0].occurredon, queued_on.into());
}
