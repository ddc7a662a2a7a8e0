//! Queries that cost the host more than the plugin.

use stagegate::ErrorKind::InvalidRequest;

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step(
        "join_bomb",
        "joins 40 records with themselves eight times and counts the rows",
        Must::BeStopped,
    ),
    Attack::step("like_bomb", "asks for a pattern of 150 wildcards in long texts", Must::HaveNoEffect),
    Attack::step("link_chain", "links 40,000 entities in a chain", Must::Fail(InvalidRequest)),
    Attack::step("thousands_of_links", "links 10,000 entities", Must::Fail(InvalidRequest)),
    Attack::step("filter_chain", "nests filters 50,000 deep", Must::Fail(InvalidRequest)),
    Attack::step("filter_cycle", "sends a filter that contains itself", Must::Fail(InvalidRequest)),
    Attack::step(
        "filter_shared",
        "sends a filter that unfolds to two thousand million",
        Must::Fail(InvalidRequest),
    ),
    Attack::step("thousands_of_values", "compares with 100,000 values", Must::Fail(InvalidRequest)),
    Attack::step("fetch_xml_deep", "nests filters 50,000 deep in FetchXML", Must::Fail(InvalidRequest)),
    Attack::step("fetch_xml_links", "nests links 15,000 deep in FetchXML", Must::Fail(InvalidRequest)),
    Attack::step(
        "fetch_xml_entities",
        "defines XML entities that unfold without end",
        Must::Fail(InvalidRequest),
    ),
];
