//! Stacks, the guest's and the host's; and breaking down.

use stagegate::ErrorKind::{DepthExceeded, Exited, StackOverflow, Trapped};

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("recurse", "recurses without end", Must::Fail(StackOverflow)),
    Attack::step(
        "recurse_with_large_frames",
        "recurses with large values on the stack in its own memory",
        Must::Fail(StackOverflow),
    ),
    Attack::step("recurse_through_requests", "issues the request that runs it", Must::Fail(DepthExceeded)),
    Attack::step(
        "recurse_at_every_depth",
        "goes 2,000 calls deep before it issues the request that runs it",
        Must::Fail(DepthExceeded),
    ),
    Attack::step(
        "call_from_the_bottom",
        "calls the host from ever deeper, the last time with no stack left",
        Must::Fail(StackOverflow),
    ),
    Attack::wat("recurse_indirectly", "recurses through a table", Must::Fail(StackOverflow)),
    Attack::wat("recurse_with_many_locals", "recurses with large frames", Must::Fail(StackOverflow)),
    Attack::wat(
        "recurse_in_allocator",
        "recurses when the host asks it for memory",
        Must::Fail(StackOverflow),
    ),
    Attack::step("exit", "ends its process, with success", Must::Fail(Exited)),
    Attack::step("panic_at_length", "panics with a megabyte of text", Must::Fail(Trapped)),
    Attack::wat("trap_at_start", "breaks down in its start function", Must::Fail(Trapped)),
    Attack::wat("trap_in_post_return", "returns success, then breaks down", Must::Fail(Trapped)),
    Attack::wat("divide_by_zero", "divides by zero", Must::Fail(Trapped)),
    Attack::wat("call_of_another_type", "calls a function as what it is not", Must::Fail(Trapped)),
    Attack::wat("call_of_nothing", "calls an empty element of a table", Must::Fail(Trapped)),
];
