//! Memory and tables: their limits are sums over all that a run has.

use stagegate::ErrorKind::{OutOfMemory, Trapped};

use super::attack::{Attack, Must};

pub(super) const ATTACKS: &[Attack] = &[
    Attack::step("allocate", "allocates without end", Must::Fail(OutOfMemory)),
    Attack::step("allocate_and_go_on", "asks for two gigabytes, is refused, and goes on", Must::HaveNoEffect),
    Attack::step("fill", "takes most of its memory and fills it at once", Must::HaveNoEffect),
    Attack::step(
        "fragment",
        "keeps pieces of ever other sizes between calls to the host",
        Must::Fail(OutOfMemory),
    ),
    Attack::wat("grow_at_start", "takes all memory in its start function", Must::Fail(OutOfMemory)),
    Attack::wat("grow_in_allocator", "takes all memory when the host asks for some", Must::Fail(OutOfMemory)),
    Attack::wat("many_memories", "has 17 memories", Must::BeRefused("")),
    Attack::wat("memory_too_large", "begins with 4 GiB", Must::BeRefused("is the limit of a plugin")),
    Attack::wat("memory_of_64_bits", "begins with 16 TiB, by addresses of 64 bits", Must::BeRefused("")),
    Attack::wat("shared_memory", "has a memory that threads share", Must::BeRefused("")),
    Attack::wat("table_grows", "grows a table without end", Must::Fail(OutOfMemory)),
    Attack::wat("table_too_large", "begins with a table of ten million elements", Must::BeRefused("")),
    Attack::wat("many_tables", "has 100 tables", Must::BeRefused("")),
    Attack::wat("read_out_of_bounds", "reads behind its memory", Must::Fail(Trapped)),
];
