//! Sleeping: an interrupt of the computation does not reach a guest that waits.

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("sleep", "sleeps for an hour", Must::BeStopped),
    Attack::step("sleep_in_poll", "polls a timer that is an hour away", Must::BeStopped),
    Attack::step("sleep_until_the_end_of_time", "blocks on a timer that no clock reaches", Must::BeStopped),
    Attack::step("sleep_in_many_polls", "polls 5,000 timers at once", Must::BeStopped),
    Attack::step("sleep_and_wake", "sleeps a nanosecond, again and again", Must::BeStopped),
    Attack::step("sleep_in_nested", "has a nested request run a step that sleeps", Must::BeStopped)
        .nested(&["sleep"]),
];
