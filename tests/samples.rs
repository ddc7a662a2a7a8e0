//! Every sample plugin with its own requests, through the program and a real database. A sample without a test here does
//! not compile.

use std::path::{Path, PathBuf};

use stagegate::cli::Exit;
use stagegate_tests::{AUDIT_TRAIL, AUTONUMBER, CLOSE_CHILDREN, CREDIT_GUARD, DISCOUNT, for_each_sample};

use crate::cli::program::Program;

macro_rules! has_a_test {
    ($($sample:ident)*) => { $(const _: fn() = $sample;)* };
}
for_each_sample!(has_a_test);

/// What the requests of a sample did, as the program reports it to machines.
struct Story(serde_json::Value);

/// Runs a sample's component with the requests in its folder. Every request must end as the file expects.
fn story(component: &str, folder: &str) -> Story {
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-plugins");
    let args: [PathBuf; 6] = [
        "--plugin".into(),
        component.into(),
        "--requests".into(),
        samples.join(folder).join("requests.json"),
        "--format".into(),
        "json".into(),
    ];
    let ran = Program::new().run(args);
    assert_eq!(ran.exit, Exit::Done, "{}\n{}", ran.output, ran.errors);
    Story(serde_json::from_str(&ran.output).unwrap())
}

impl Story {
    /// A request by its number, from 1.
    fn request(&self, number: usize) -> &serde_json::Value {
        &self.0["requests"][number - 1]
    }

    /// The error message of a request that was refused.
    fn refusal(&self, number: usize) -> &str {
        self.request(number)["trace"]["error"]["message"].as_str().unwrap()
    }

    /// The jobs that a request queued: step and status.
    fn jobs(&self, number: usize) -> Vec<(&str, &str)> {
        let jobs = self.request(number)["jobs"].as_array().unwrap();
        jobs.iter().map(|job| (job["step"].as_str().unwrap(), job["status"].as_str().unwrap())).collect()
    }

    /// An attribute of the records that a request returned.
    fn returned(&self, number: usize, attribute: &str) -> Vec<serde_json::Value> {
        let response = &self.request(number)["response"];
        let records = match &response["BusinessEntityCollection"]["entities"] {
            serde_json::Value::Array(records) => records.clone(),
            _ => vec![response["BusinessEntity"].clone()],
        };
        records.iter().map(|record| record["attributes"][attribute].clone()).collect()
    }
}

#[test]
fn credit_guard() {
    let story = story(CREDIT_GUARD, "credit-guard");
    assert_eq!(story.jobs(3), [("follow_up", "succeeded")]);
    assert_eq!(story.refusal(4), "a credit limit of 5000.00 needs an approver");
    assert_eq!(story.jobs(4), []);
    assert_eq!(story.jobs(5), [], "the filter passes it over");
}

#[test]
fn autonumber() {
    let story = story(AUTONUMBER, "autonumber");
    let numbers = story.returned(8, "invoicenumber");
    assert_eq!(numbers, ["INV-2026-000001", "INV-2026-000002", "INV-2026-000003"]);
    assert_eq!(story.returned(9, "nextnumber"), [4], "what was rolled back was given again");
}

#[test]
fn audit_trail() {
    let story = story(AUDIT_TRAIL, "audit-trail");
    // The entry that the first one writes is a Create too: its step runs, sees an entry and returns.
    assert_eq!(story.jobs(3), [("audit_update", "succeeded"), ("audit_create", "succeeded")]);
    assert_eq!(story.jobs(4), [], "rolled back: no job");
    let operations = story.returned(6, "operation");
    assert_eq!(operations, ["Create", "Create", "Update", "Delete"]);
}

#[test]
fn close_children() {
    let story = story(CLOSE_CHILDREN, "close-children");
    assert_eq!(story.returned(6, "casestatus"), [3, 3, 3, 3]);
    assert_eq!(story.returned(12, "casestatus"), [1], "the whole tree was rolled back");
    assert_eq!(story.returned(16, "casestatus"), [3, 3, 3, 3]);
    assert!(story.refusal(25).contains("nest more than 8 deep"));
    assert_eq!(story.returned(29, "casestatus"), [3; 8]);
}

#[test]
fn discount() {
    let story = story(DISCOUNT, "discount");
    assert_eq!(
        story.returned(3, "discountpercent"),
        [20],
        "the message's main operation, and the step after it"
    );
    assert_eq!(story.refusal(5), "there is no coupon `FREE`");
    assert_eq!(story.returned(6, "price"), ["160.00", "170.00"]);
}
