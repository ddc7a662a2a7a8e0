//! What a component declares: in its custom section, or by its export where it has none.

use std::fs;

use stagegate::model::JobPolicy;
use stagegate_tests::{GUEST_BACKGROUND, engine, load};

use super::admission::replace;

#[tokio::test]
async fn the_export_declares_what_the_section_does() {
    let section = load(GUEST_BACKGROUND).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("without-section.wasm");
    let bytes = fs::read(GUEST_BACKGROUND).unwrap();
    // The section's name is followed by its content.
    fs::write(&path, replace(&bytes, br#"stagegate:plugin{"steps""#, br#"something:plugin{"steps""#))
        .unwrap();
    let export = engine().load(&path).await.unwrap();
    assert_eq!(section.declaration(), export.declaration());
}

#[tokio::test]
async fn a_step_declares_how_its_jobs_run() {
    let plugin = load(GUEST_BACKGROUND).await;
    let steps = &plugin.declaration().steps;
    let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
    assert_eq!(names, ["count", "again", "later", "spins"]);
    let long = JobPolicy { ordered: true, background: true, ..JobPolicy::default() };
    assert_eq!(steps[0].jobs, long);
    assert!(steps[1..].iter().all(|step| step.jobs == JobPolicy::default()));
}
