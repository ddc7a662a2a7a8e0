//! Handles: the host's, and those of resources of the plugin's own.

use stagegate::ErrorKind::Trapped;

use super::attack::{Attack, Must};
use super::loops::RESOURCE;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("leak_pollables", "makes timers without end and keeps them", Must::Fail(Trapped)),
    Attack::step("leak_streams", "takes streams without end and keeps them", Must::Fail(Trapped)),
    Attack::step("drop_twice", "drops a handle twice", Must::Fail(Trapped)),
    Attack::step("poll_nothing", "polls an empty list, which WASI forbids", Must::Fail(Trapped)),
    Attack::wat("leak_resources", "makes resources of its own without end", Must::Fail(Trapped))
        .wider(RESOURCE),
    Attack::wat("forged_handle", "drops a handle that it was never given", Must::Fail(Trapped))
        .wider(RESOURCE),
];
