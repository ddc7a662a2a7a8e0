//! Memory and tables: their limits are sums over all that a run has.

use stagegate::ErrorKind::{OutOfMemory, Trapped};

use super::attack::{Attack, Must};
use super::shapes::{component, with};

/// Modules with a memory each: two take 20 MiB, the last as much as there is. Together it is always too much.
const THREE_MEMORIES: &str = r#"
    (core module $some (memory 1)
      (func $start (if (i32.lt_s (memory.grow (i32.const 320)) (i32.const 0)) (then unreachable))) (start $start))
    (core module $all (memory 1)
      (func $start (loop $more (br_if $more (i32.ge_s (memory.grow (i32.const 16)) (i32.const 0)))) unreachable)
      (start $start))
    (core instance (instantiate $some)) (core instance (instantiate $some)) (core instance (instantiate $all))"#;

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
    Attack::made(
        "three_memories",
        "spreads what it takes over three memories, each within the limit",
        || with(&component(THREE_MEMORIES)),
        Must::Fail(OutOfMemory),
    ),
    Attack::wat(
        "many_memories",
        "has 17 memories",
        Must::BeRefused("needs 17 memories, and a sandbox has 4"),
    ),
    Attack::wat("memory_too_large", "begins with 4 GiB", Must::BeRefused("is the limit of a plugin")),
    Attack::wat(
        "memory_of_64_bits",
        "begins with 16 TiB, by addresses of 64 bits",
        Must::BeRefused("is the limit of a plugin"),
    ),
    Attack::wat(
        "shared_memory",
        "has a memory that threads share",
        Must::BeRefused("threads must be enabled"),
    ),
    Attack::wat("table_grows", "grows a table without end", Must::Fail(OutOfMemory)),
    Attack::wat(
        "table_too_large",
        "begins with a table of ten million elements",
        Must::BeRefused("needs 10000000 table elements"),
    ),
    Attack::wat("many_tables", "has 100 tables", Must::BeRefused("needs 100 tables, and a sandbox has 40")),
    Attack::wat("read_out_of_bounds", "reads behind its memory", Must::Fail(Trapped)),
];
