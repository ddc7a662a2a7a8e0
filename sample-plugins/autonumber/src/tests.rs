use stagegate_sdk::testing::Fake;

use super::*;

/// An organization whose invoices are numbered from `INV-2026-000042`.
fn fixture() -> (Fake, Ref<Sequence>) {
    let org = Fake::new();
    org.add(Sequence { name: "order".into(), nextnumber: 7.into(), ..default() });
    let sequence = org.add(Sequence {
        name: "invoice".into(),
        prefix: "INV-2026-".into(),
        width: 6.into(),
        nextnumber: 42.into(),
    });
    (org, sequence)
}

fn total(units: i64) -> Invoice {
    Invoice { total: Money::new(units).into(), ..default() }
}

#[test]
fn invoices_are_numbered_one_after_the_other() {
    let (org, sequence) = fixture();
    for expected in ["INV-2026-000042", "INV-2026-000043"] {
        let invoice = org.run_create::<give_number>(total(100)).unwrap();
        assert_eq!(invoice.invoicenumber, expected.into());
        assert_eq!(org.get::<Invoice>(invoice.id).unwrap().invoicenumber, expected.into());
    }
    assert_eq!(org.get::<Sequence>(sequence).unwrap().nextnumber, 44.into());
}

#[test]
fn an_operator_can_choose_another_sequence() {
    let (org, sequence) = fixture();
    let invoice = org.with_configuration("order").run_create::<give_number>(total(100)).unwrap();
    assert_eq!(invoice.invoicenumber, "7".into());
    assert_eq!(org.get::<Sequence>(sequence).unwrap().nextnumber, 42.into());
}

#[test]
fn a_new_sequence_begins_with_one() {
    let org = Fake::new();
    org.add(Sequence { name: "invoice".into(), ..default() });
    assert_eq!(org.run_create::<give_number>(total(1)).unwrap().invoicenumber, "1".into());
}

#[test]
fn a_width_out_of_range_is_brought_into_it() {
    let org = Fake::new();
    for (name, width, expected) in [("wide", i32::MAX, "0000000000000000001"), ("narrow", -3, "1")] {
        org.add(Sequence { name: name.into(), width: width.into(), ..default() });
        let invoice = org.with_configuration(name).run_create::<give_number>(total(1)).unwrap();
        assert_eq!(invoice.invoicenumber, expected.into());
    }
}

#[test]
fn without_a_sequence_the_fault_says_what_to_create() {
    let fault = Fake::new().run_create::<give_number>(total(100)).err().unwrap();
    assert_eq!(
        fault.message(),
        "there is no number sequence `invoice`: create a `numbersequence` record of that name"
    );
}

#[test]
fn a_number_of_the_callers_own_is_refused() {
    let org = Fake::new();
    let own = Invoice { invoicenumber: "MINE-1".into(), ..total(100) };
    let fault = org.run_create::<refuse_own_number>(own).err().unwrap();
    assert_eq!(fault.message(), "an invoice gets its number when it is created: leave `invoicenumber` out");
    org.run_create::<refuse_own_number>(Invoice { invoicenumber: Field::null(), ..total(100) }).unwrap();
    org.run_create::<refuse_own_number>(total(100)).unwrap();
}

#[test]
fn a_number_is_kept() {
    let org = Fake::new();
    let invoice = org.add(Invoice { invoicenumber: "INV-2026-000001".into(), ..total(100) });
    let other = Invoice { invoicenumber: "INV-2026-000002".into(), ..default() };
    assert!(org.run::<keep_number>(invoice, other).is_err());
    org.run::<keep_number>(invoice, total(90)).unwrap();
    assert_eq!(org.get::<Invoice>(invoice).unwrap().invoicenumber, "INV-2026-000001".into());
}

#[test]
fn a_negative_total_is_refused() {
    let org = Fake::new();
    let fault = org.run_create::<check_total>(total(-5)).err().unwrap();
    assert_eq!(fault.message(), "the total of an invoice is never negative, and this one is -5.00");
    for fine in [Invoice::default(), total(0), total(5)] {
        org.run_create::<check_total>(fine).unwrap();
    }
}
