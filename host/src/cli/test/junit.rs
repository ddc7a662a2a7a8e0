//! The outcome as JUnit's XML, for CI.

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::report::Report;
use crate::cli::failure::Failure;

/// The document: a suite for each file, a test for each case.
pub(super) fn render(report: &Report) -> Result<String, Failure> {
    let mut document = Document::new("stagegate");
    document.set_time(report.took);
    for (file, cases) in report.by_file() {
        let mut suite = TestSuite::new(file);
        for ran in cases {
            let status = if ran.succeeded() {
                TestCaseStatus::success()
            } else {
                let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
                status.set_message(format!("{} is not as expected", ran.case.name));
                status.set_description(anstream::adapter::strip_str(&ran.details()).to_string());
                status
            };
            let mut case = TestCase::new(ran.case.name.clone(), status);
            case.set_time(ran.outcome.took);
            suite.add_test_case(case);
        }
        document.add_test_suite(suite);
    }
    document
        .to_string()
        .map_err(|error| Failure::new(format!("the outcome cannot be written as JUnit: {error}")))
}
