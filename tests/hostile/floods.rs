//! Floods: what a plugin may do, without end.

use stagegate::ErrorKind::InvalidRequest;

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("host_calls", "calls the host without end", Must::BeStopped),
    Attack::step("traces", "traces without end", Must::BeStopped),
    Attack::step("output", "writes to standard output and standard error without end", Must::BeStopped),
    Attack::step("creates", "creates records without end", Must::BeStopped),
    Attack::step("queries", "queries without end", Must::BeStopped),
    Attack::step("caught_failures", "goes on after every refusal", Must::BeStopped),
    Attack::step(
        "requests_in_requests",
        "issues ten requests that each issue ten, eight deep",
        Must::BeStopped,
    ),
    Attack::step("random_bytes", "takes random numbers by the megabyte without end", Must::BeStopped),
    Attack::step("thousands_of_variables", "shares 100,000 variables", Must::Fail(InvalidRequest)),
    Attack::step("huge_variables", "shares 16 MiB in variables", Must::Fail(InvalidRequest)),
    Attack::step("thousands_of_requests", "issues 20,000 requests in one batch", Must::Fail(InvalidRequest)),
    Attack::step("batches_in_batches", "issues batches in a batch", Must::Fail(InvalidRequest)),
];
