//! The world outside. Each of these steps fails if something is granted.

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("files", "reads, lists, writes and links files", Must::HaveNoEffect),
    Attack::step(
        "tcp",
        "connects to the machine itself, to private networks and to the internet",
        Must::HaveNoEffect,
    ),
    Attack::step("udp", "sends datagrams", Must::HaveNoEffect),
    Attack::step("listen", "listens", Must::HaveNoEffect),
    Attack::step("names", "asks for the addresses of names", Must::HaveNoEffect),
    Attack::step(
        "raw_sockets",
        "asks for sockets and addresses without the standard library",
        Must::HaveNoEffect,
    ),
    Attack::step("processes", "starts a process and a thread", Must::HaveNoEffect),
    Attack::step("standard_input", "waits for input", Must::HaveNoEffect),
    Attack::step(
        "clocks",
        "measures time as finely as it can: the clocks go in milliseconds",
        Must::HaveNoEffect,
    ),
];
