//! What a plugin is not to know. Each of these steps fails if it finds something.

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("environment", "looks for environment, arguments and working directory", Must::HaveNoEffect),
    Attack::step(
        "configuration_of_others",
        "asks for the secure configuration of another's step",
        Must::HaveNoEffect,
    ),
    Attack::step("tables_of_the_host", "reads the host's and the database's own tables", Must::HaveNoEffect),
    Attack::step("tables_by_queries", "writes SQL where names of attributes belong", Must::HaveNoEffect),
    Attack::step("look_for_stains", "looks for what another run left in memory", Must::HaveNoEffect)
        .after("stain"),
    Attack::step("look_for_globals", "looks for the globals of another run", Must::HaveNoEffect)
        .after("stain"),
    Attack::wat(
        "uninitialised_memory",
        "looks for anything in memory that was not written",
        Must::HaveNoEffect,
    ),
];
