//! Values that cross to the host: malformed, at their limits, too large.

use stagegate::ErrorKind::{InvalidRequest, Rejected, Trapped};

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("double_that_is_no_number", "shares a NaN", Must::Fail(InvalidRequest)),
    Attack::step("decimal_of_too_many_bits", "shares a decimal of 127 bits", Must::Fail(InvalidRequest)),
    Attack::step("attribute_twice", "sets an attribute twice at once", Must::Fail(InvalidRequest)),
    Attack::step("values_at_every_limit", "shares and stores each type at its limits", Must::HaveNoEffect),
    Attack::step(
        "names_that_are_code",
        "names entities and attributes in SQL, paths and shell",
        Must::HaveNoEffect,
    ),
    Attack::step("huge_string", "traces 9 MiB in one call", Must::Fail(Trapped)),
    Attack::step("huge_attribute", "sets an attribute to 7 MiB", Must::Fail(InvalidRequest)),
    Attack::step("huge_list", "sets 200,000 attributes in one call", Must::Fail(Trapped)),
    Attack::step(
        "huge_names",
        "names an entity with a megabyte, for the error to repeat",
        Must::Fail(InvalidRequest),
    ),
    Attack::step("huge_fault", "refuses with a message of 7 MiB", Must::Fail(Rejected)),
    Attack::step("fault_beyond_the_call", "refuses with a message of 9 MiB", Must::Fail(Trapped)),
    Attack::step("thousands_of_details", "refuses with 50,000 details", Must::Fail(Rejected)),
    Attack::wat("invalid_utf8", "traces a text that is no UTF-8", Must::Fail(Trapped)),
    Attack::wat("surrogate_in_utf8", "traces half a character", Must::Fail(Trapped)),
    Attack::wat("text_out_of_bounds", "traces a text behind its memory", Must::Fail(Trapped)),
    Attack::wat("text_of_four_gigabytes", "traces a text of four gigabytes", Must::Fail(Trapped)),
    Attack::wat("list_of_four_billion", "sets four billion attributes", Must::Fail(Trapped)),
    Attack::wat("list_misaligned", "sets attributes at an odd address", Must::Fail(Trapped)),
    Attack::wat("answer_out_of_bounds", "has an answer written behind its memory", Must::Fail(Trapped)),
    Attack::wat("answer_misaligned", "has an answer written to an odd address", Must::Fail(Trapped)),
    Attack::wat("value_of_no_kind", "shares a value of a kind that there is not", Must::Fail(Trapped)),
    Attack::wat("bool_of_77", "shares a boolean that is neither 0 nor 1: it is true", Must::HaveNoEffect),
    Attack::wat("result_of_no_kind", "returns neither success nor a fault", Must::Fail(Trapped)),
    Attack::wat("status_of_no_kind", "returns a fault with a status that there is not", Must::Fail(Trapped)),
    Attack::wat("fault_that_is_no_text", "returns a fault that is no UTF-8", Must::Fail(Trapped)),
    Attack::wat("fault_of_four_billion_details", "returns four billion details", Must::Fail(Trapped)),
    Attack::wat("result_out_of_bounds", "returns a result behind its memory", Must::Fail(Trapped)),
    Attack::wat("result_misaligned", "returns a result at an odd address", Must::Fail(Trapped)),
    Attack::wat("memory_given_out_of_bounds", "gives the host memory that it has not", Must::Fail(Trapped)),
    Attack::wat("memory_given_misaligned", "gives the host memory at an odd address", Must::Fail(Trapped)),
    Attack::wat("memory_given_twice", "gives the host the same memory again and again", Must::HaveNoEffect),
    Attack::wat(
        "call_from_allocator",
        "calls the host in the middle of a call of the host's",
        Must::Fail(Trapped),
    ),
];
