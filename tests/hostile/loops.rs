//! Endless loops, wherever a plugin's code is run.

use super::attack::{Attack, Must};

/// The destructor of a resource of the plugin's own.
pub(super) const RESOURCE: &str = "export evil: interface { resource thing; }";

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("spin", "computes for ever in a step", Must::BeStopped),
    Attack::step("spin_in_destructor", "drops a value whose destructor never ends", Must::BeStopped),
    Attack::step("spin_in_comparison", "sorts values whose comparison never ends", Must::BeStopped),
    Attack::step("spin_in_panic", "panics, and never ends its panic hook", Must::BeStopped),
    Attack::step(
        "spin_in_bulk_instructions",
        "fills 16 MiB with one instruction, which nothing interrupts, again and again",
        Must::BeStopped,
    ),
    Attack::step("spin_in_nested", "has a nested request run a step that computes for ever", Must::BeStopped)
        .nested(&["spin"]),
    Attack::wat("spin_at_start", "computes for ever in its start function", Must::BeStopped),
    Attack::wat("spin_in_allocator", "computes for ever when the host asks it for memory", Must::BeStopped),
    Attack::wat(
        "spin_in_post_return",
        "returns, and computes for ever when the host frees the result",
        Must::BeStopped,
    ),
    Attack::wat(
        "spin_in_resource_destructor",
        "drops a resource whose destructor, called by the host, never ends",
        Must::BeStopped,
    )
    .wider(RESOURCE),
    Attack::wat(
        "spin_by_tail_calls",
        "calls itself by tail calls, without a loop or a stack",
        Must::BeStopped,
    ),
    Attack::made(
        "spin_while_declaring",
        "computes for ever when it is asked what it declares",
        || super::component::for_contract("spin_while_declaring", "", &[], &[]),
        Must::BeRefused("could not declare its steps"),
    ),
];
