//! The registered steps of plugins.

use stagegate::model::registration::{Secret, StepRegistration, Update};
use stagegate::{Condition, ImageType, Operator, Stage, StepDefinition};

use super::support::*;

fn registration(plugin: &str, definition: StepDefinition) -> StepRegistration {
    StepRegistration { plugin: plugin.into(), definition, secure_configuration: None }
}

fn step(name: &str) -> StepDefinition {
    StepDefinition::new(name, "Update", Stage::PostOperation)
}

fn put(steps: &[StepRegistration]) -> Update {
    Update { put: steps.to_vec(), remove: Vec::new() }
}

pub(super) async fn registrations_round_trip_and_survive_a_reopening(database: Database) {
    let store = database.open();
    assert_eq!(store.registrations().await.expect("read"), []);
    let mut full = step("full")
        .on("account")
        .rank(-7)
        .asynchronous()
        .filter(["name"])
        .image("after", ImageType::PostImage, ["name"])
        .changed_only()
        .when(Condition::test("name", Operator::Eq, "x"))
        .run_as(id(7))
        .disabled()
        .not_bypassable();
    full.configuration = Some("strict".into());
    full.description = Some("for people".into());
    let full =
        StepRegistration { secure_configuration: Some(Secret::new("hunter2")), ..registration("p", full) };
    let steps = [full, registration("p", step("plain")), registration("q", step("plain"))];
    store.update_registrations(put(&steps)).await.expect("written");
    assert_eq!(store.registrations().await.expect("read"), steps);
    store.close().await;
    drop(store);
    assert_eq!(database.open().registrations().await.expect("read"), steps);
}

pub(super) async fn a_step_keeps_its_place_in_the_registration(database: Database) {
    let store = database.open();
    let [a, b, c] = ["a", "b", "c"].map(|name| registration("p", step(name)));
    store.update_registrations(put(&[a.clone(), b.clone()])).await.expect("written");
    let first = registration("p", step("a").rank(5));
    store.update_registrations(put(&[c.clone(), first.clone()])).await.expect("written");
    assert_eq!(store.registrations().await.expect("read"), [first.clone(), b.clone(), c.clone()]);
    // One that is removed and comes back comes last.
    let update = Update { put: Vec::new(), remove: vec![b.key()] };
    store.update_registrations(update).await.expect("removed");
    store.update_registrations(put(std::slice::from_ref(&b))).await.expect("written");
    assert_eq!(store.registrations().await.expect("read"), [first, c, b]);
}

pub(super) async fn a_registration_without_a_secret_has_none_left(database: Database) {
    let store = database.open();
    let plain = registration("p", step("a"));
    let secret = StepRegistration { secure_configuration: Some(Secret::new("hunter2")), ..plain.clone() };
    for steps in [[&secret], [&plain]] {
        store.update_registrations(put(&steps.map(Clone::clone))).await.expect("written");
        assert_eq!(store.registrations().await.expect("read"), steps.map(Clone::clone));
    }
    store.update_registrations(put(&[secret])).await.expect("written");
    let update = Update { put: Vec::new(), remove: vec![plain.key()] };
    store.update_registrations(update).await.expect("removed");
    store.update_registrations(put(std::slice::from_ref(&plain))).await.expect("written");
    assert_eq!(store.registrations().await.expect("read"), [plain], "the secret went with its step");
}
