//! Outgoing HTTP: calls that are not granted, of what is not to be reached, and of servers that are hostile too.
//!
//! A server that an attack is after must see nothing; beside it, one call that is granted shows that others might arrive.

use std::time::Duration;

use super::attack::{Attack, Must};
use super::sites::{Allowed, At, Name, Outside, Sees, Site};
use crate::web::{Answer, PORT, response};

/// The server that the plugin may call.
const API: &str = "api.stagegate.test";
const API_ORIGIN: &str = "http://api.stagegate.test:18080";
/// One that it is after: there is a name for it that it may call, at public addresses.
const INSIDE: &str = "inside.stagegate.test";
/// Another one, by the name.
const OTHER: &str = "other.stagegate.test";
/// One that listens elsewhere.
const ELSEWHERE: &str = "elsewhere.stagegate.test";
const ELSEWHERE_PORT: u16 = 18_081;
/// One without an end, of an answer or to it.
const ENDLESS: &str = "endless.stagegate.test";
const ENDLESS_ORIGIN: &str = "http://endless.stagegate.test:18080";
/// Calls of one run, as the engine's limits have it.
const CALLS: usize = 32;

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step(
        "calls_not_granted",
        "calls by methods, of hosts and at ports that are not granted",
        Must::HaveNoEffect,
    )
    .outside(&NOT_GRANTED),
    Attack::step(
        "calls_of_addresses",
        "calls loopback, private and metadata addresses by their numbers, in IPv6 too",
        Must::HaveNoEffect,
    )
    .outside(&ADDRESSES),
    Attack::step(
        "calls_of_names",
        "calls names that stand for loopback, private and metadata addresses",
        Must::HaveNoEffect,
    )
    .outside(&NAMES),
    Attack::step(
        "calls_by_redirect",
        "follows a redirect to a server inside, and to metadata",
        Must::HaveNoEffect,
    )
    .outside(&REDIRECT),
    Attack::step(
        "calls_by_rebinding",
        "calls a name that stands for a server inside a moment later",
        Must::HaveNoEffect,
    )
    .outside(&REBINDING),
    Attack::step(
        "requests_in_headers",
        "writes another request into headers and lengths",
        Must::HaveNoEffect,
    )
    .outside(&API_TWICE),
    Attack::step("response_without_end", "reads responses that do not end", Must::HaveNoEffect)
        .outside(&ENDLESS_BODY),
    Attack::step(
        "head_without_end",
        "calls a server whose response never comes to its body",
        Must::HaveNoEffect,
    )
    .outside(&ENDLESS_HEAD),
    Attack::step(
        "response_in_drops",
        "reads a response that goes on for ever, a byte at a time",
        Must::BeStopped,
    )
    .outside(&DROPS),
    Attack::step("call_without_answer", "calls a server that never answers", Must::BeStopped)
        .outside(&SILENT),
    Attack::step("calls_without_end", "calls again and again", Must::BeStopped).outside(&FLOOD),
    Attack::step(
        "calls_left_open",
        "makes 31 calls at once, and returns without their answers",
        Must::HaveNoEffect,
    )
    .outside(&LEFT_OPEN),
    Attack::step("calls_at_once", "makes calls without end and waits for none", Must::BeStopped)
        .outside(&SILENT_FLOOD),
];

const API_ONCE: Site = Site { name: API, port: PORT, answers: hello, sees: Sees::Times(1) };
const API_GRANTED: Allowed = Allowed { origin: API_ORIGIN, private: true };
const TARGET: Site = Site { name: INSIDE, port: PORT, answers: hello, sees: Sees::Nothing };
/// All names below it, at public addresses.
const NAMES_GRANTED: Allowed = Allowed { origin: "http://*.stagegate.test:18080", private: false };
const ENDLESS_GRANTED: Allowed = Allowed { origin: ENDLESS_ORIGIN, private: true };

/// Once by the call that works, and once by the one whose body is left out.
const API_TWICE: Outside =
    Outside { sites: &[Site { sees: Sees::Times(2), ..API_ONCE }], names: &[], grants: &[API_GRANTED] };

const NOT_GRANTED: Outside = Outside {
    sites: &[
        API_ONCE,
        Site { name: OTHER, ..TARGET },
        Site { name: ELSEWHERE, port: ELSEWHERE_PORT, ..TARGET },
    ],
    names: &[],
    grants: &[API_GRANTED, Allowed { origin: "http://elsewhere.stagegate.test:18080", private: true }],
};

const ADDRESSES: Outside = Outside {
    sites: &[API_ONCE],
    names: &[],
    grants: &[
        API_GRANTED,
        Allowed { origin: "http://127.0.0.1:18080", private: false },
        Allowed { origin: "http://10.0.0.1:18080", private: false },
        Allowed { origin: "http://169.254.169.254:18080", private: false },
        Allowed { origin: "http://[::1]:18080", private: false },
        Allowed { origin: "http://[::ffff:127.0.0.1]:18080", private: false },
    ],
};

const NAMES: Outside = Outside {
    sites: &[API_ONCE, TARGET],
    names: &[
        Name("private.stagegate.test", &[&[At::Address("10.0.0.7")]]),
        Name("metadata.stagegate.test", &[&[At::Address("169.254.169.254")]]),
        Name("mapped.stagegate.test", &[&[At::Address("::ffff:127.0.0.1")]]),
        Name("translated.stagegate.test", &[&[At::Address("64:ff9b::10.0.0.7")]]),
        // Nobody connects to the first one: every address counts.
        Name("both.stagegate.test", &[&[At::Address("8.8.8.8"), At::Site(INSIDE)]]),
    ],
    grants: &[API_GRANTED, NAMES_GRANTED],
};

const REDIRECT: Outside = Outside {
    sites: &[Site { answers: redirect, ..API_ONCE }, TARGET],
    names: &[],
    grants: &[API_GRANTED, NAMES_GRANTED, Allowed { origin: "http://169.254.169.254:18080", private: false }],
};

const REBINDING: Outside = Outside {
    sites: &[API_ONCE, TARGET, Site { name: OTHER, ..API_ONCE }],
    names: &[
        // One look-up is for the judgement and for the connection, so the second one is not made.
        Name("rebound.stagegate.test", &[&[At::Site(OTHER)], &[At::Site(INSIDE)]]),
        // Of names that are granted at public addresses, each look-up is judged.
        Name("flips.stagegate.test", &[&[At::Site(INSIDE)], &[At::Address("10.0.0.7")], &[At::Site(INSIDE)]]),
    ],
    grants: &[
        API_GRANTED,
        NAMES_GRANTED,
        Allowed { origin: "http://rebound.stagegate.test:18080", private: true },
    ],
};

const ENDLESS_BODY: Outside =
    endless(&[Site { name: ENDLESS, port: PORT, answers: body_without_end, sees: Sees::AtMost(CALLS) }]);
const ENDLESS_HEAD: Outside = endless(&[Site { name: ENDLESS, answers: head_without_end, ..API_ONCE }]);
const DROPS: Outside = endless(&[Site { name: ENDLESS, answers: drops, ..API_ONCE }]);
const SILENT: Outside = endless(&[Site { name: ENDLESS, answers: silent, ..API_ONCE }]);
const FLOOD: Outside =
    endless(&[Site { name: ENDLESS, port: PORT, answers: hello, sees: Sees::AtMost(CALLS) }]);
const LEFT_OPEN: Outside = Outside {
    sites: &[API_ONCE, Site { name: ENDLESS, port: PORT, answers: silent, sees: Sees::AtMost(CALLS - 1) }],
    names: &[],
    grants: &[API_GRANTED, ENDLESS_GRANTED],
};
const SILENT_FLOOD: Outside =
    endless(&[Site { name: ENDLESS, port: PORT, answers: silent, sees: Sees::AtMost(CALLS) }]);

const fn endless(sites: &'static [Site]) -> Outside {
    Outside { sites, names: &[], grants: &[ENDLESS_GRANTED] }
}

fn hello(_: &str) -> Answer {
    response(200, "", "hello")
}

fn silent(_: &str) -> Answer {
    Answer::Part(Vec::new())
}

fn redirect(_: &str) -> Answer {
    response(302, &format!("location: http://{INSIDE}:{PORT}/\r\n"), "moved")
}

fn body_without_end(_: &str) -> Answer {
    let head = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
    Answer::Endless(head, vec![b'x'; 64 << 10], Duration::ZERO)
}

fn head_without_end(_: &str) -> Answer {
    Answer::Endless(b"HTTP/1.1 200 X\r\n".to_vec(), b"x: another field\r\n".repeat(100), Duration::ZERO)
}

fn drops(_: &str) -> Answer {
    let head = b"HTTP/1.1 200 X\r\nconnection: close\r\n\r\n".to_vec();
    Answer::Endless(head, b"x".to_vec(), Duration::from_millis(10))
}
