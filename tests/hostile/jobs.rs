//! System jobs: what a step tells of its own without end, and jobs by the thousand.

use stagegate::ErrorKind::{DepthExceeded, InvalidRequest};

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("checkpoints", "saves checkpoints of a mebibyte without end", Must::BeStopped).as_job(),
    Attack::step(
        "checkpoint_too_large",
        "saves the largest checkpoint that there may be, and larger ones",
        Must::HaveNoEffect,
    )
    .as_job(),
    Attack::step(
        "checkpoint_again_and_again",
        "reads a checkpoint of a mebibyte without end",
        Must::BeStopped,
    )
    .as_job(),
    Attack::step("progress", "reports progress without end", Must::BeStopped).as_job(),
    Attack::step("put_off_for_ever", "puts itself off to a moment that is over, each time", Must::Wait)
        .as_job(),
    Attack::step("thousands_of_jobs", "queues 5,000 jobs in one transaction", Must::HaveNoEffect)
        .queues(&["pass"]),
    Attack::step(
        "huge_jobs",
        "queues 5,000 jobs in one transaction, with a mebibyte of shared variables in each",
        Must::Fail(InvalidRequest),
    )
    .queues(&["pass"]),
    Attack::step(
        "jobs_in_jobs",
        "has each job queue two others; the last of them is told",
        Must::Fail(DepthExceeded),
    )
    .as_job()
    .queues(&["job_in_jobs"]),
    Attack::step("jobs_without_end", "queues jobs without end", Must::BeStopped).queues(&["pass"]),
];
