use stagegate_sdk::testing::Fake;

use super::*;

fn case(title: &str, status: Status, parent: Option<Ref<Case>>) -> Case {
    Case { title: title.into(), casestatus: status.into(), parentcaseid: parent.into() }
}

fn become_(status: Status) -> Case {
    Case { casestatus: status.into(), ..default() }
}

fn is_closed(org: &Fake, case: Ref<Case>) -> bool {
    org.get::<Case>(case).unwrap().casestatus.is(Status::Closed)
}

/// A case with two open children, one of which has a child of its own, beside a case that has nothing to do with it.
struct Tree {
    org: Fake,
    root: Ref<Case>,
    child: Ref<Case>,
    sibling: Ref<Case>,
    grandchild: Ref<Case>,
    stranger: Ref<Case>,
}

fn tree() -> Tree {
    let org = Fake::new();
    let root = org.add(case("Outage", Status::Open, None));
    let child = org.add(case("Mail", Status::Open, Some(root)));
    let sibling = org.add(case("Web", Status::Open, Some(root)));
    let grandchild = org.add(case("Mail queue", Status::Open, Some(child)));
    let stranger = org.add(case("Printer", Status::Open, None));
    Tree { org, root, child, sibling, grandchild, stranger }
}

#[test]
fn the_children_close_with_their_case() {
    let Tree { org, root, child, sibling, grandchild, stranger } = tree();
    org.run::<close_children>(root, become_(Status::Closed)).unwrap();
    assert!([root, child, sibling].into_iter().all(|case| is_closed(&org, case)));
    assert_eq!(org.traces(), ["depth 1: `Outage` closes `Mail`", "depth 1: `Outage` closes `Web`"]);
    // The nested updates start no step in a fake organization, so the next level is not reached by itself.
    assert!(!is_closed(&org, grandchild) && !is_closed(&org, stranger));
}

#[test]
fn a_child_that_closes_closes_its_own() {
    let Tree { org, root, child, sibling, grandchild, .. } = tree();
    org.at_depth(2).run::<close_children>(child, become_(Status::Closed)).unwrap();
    assert!(is_closed(&org, grandchild));
    assert!(!is_closed(&org, root) && !is_closed(&org, sibling));
    assert_eq!(org.traces(), ["depth 2: `Mail` closes `Mail queue`"]);
}

#[test]
fn a_blocked_child_keeps_all_of_them_open() {
    let Tree { org, root, child, sibling, .. } = tree();
    let blocked = org.add(case("Backup", Status::Blocked, Some(root)));
    let fault = org.run::<close_children>(root, become_(Status::Closed)).err().unwrap();
    assert_eq!(fault.message(), "`Outage` cannot be closed: its child `Backup` is blocked; unblock it first");
    // The two children before it were closed when it was found.
    assert_eq!(org.traces().len(), 2);
    assert!(![root, child, sibling, blocked].into_iter().any(|case| is_closed(&org, case)));
}

#[test]
fn only_a_case_that_becomes_closed_closes_its_children() {
    let Tree { org, root, child, .. } = tree();
    org.run::<close_children>(root, become_(Status::Blocked)).unwrap();
    org.run::<close_children>(root, Case { title: "Big outage".into(), ..default() }).unwrap();
    assert!(!is_closed(&org, child));

    // A child that was opened again stays open when the case is saved as closed once more.
    org.run::<close_children>(root, become_(Status::Closed)).unwrap();
    org.org().update(child, become_(Status::Open)).unwrap();
    org.run::<close_children>(root, become_(Status::Closed)).unwrap();
    assert!(!is_closed(&org, child));
}

#[test]
fn a_circle_of_cases_ends() {
    let org = Fake::new();
    let one = org.add(case("One", Status::Open, None));
    let other = org.add(case("Other", Status::Open, Some(one)));
    org.org().update(one, Case { parentcaseid: other.into(), ..default() }).unwrap();
    org.run::<close_children>(one, become_(Status::Closed)).unwrap();
    // What the nested update would start: by then its parent is closed, and is not closed again.
    org.org().update(other, become_(Status::Open)).unwrap();
    org.at_depth(2).run::<close_children>(other, become_(Status::Closed)).unwrap();
    assert_eq!(org.traces(), ["depth 1: `One` closes `Other`"]);
}
