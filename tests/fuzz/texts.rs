//! JSON that people write.

use stagegate::cli::{check_requests, check_scenario};

/// A requests file: read or refused, and a refusal says something.
pub(super) fn requests(bytes: &[u8]) {
    refuses_with_words(check_requests("fuzz.json", bytes.to_vec()));
}

/// A scenario, likewise.
pub(super) fn scenarios(bytes: &[u8]) {
    refuses_with_words(check_scenario("fuzz.scenario.json", bytes.to_vec()));
}

fn refuses_with_words(read: Result<(), String>) {
    if let Err(refusal) = read {
        assert!(
            refusal.starts_with("fuzz.") || refusal.contains('`'),
            "says nothing of what is wrong: {refusal}"
        );
    }
}
