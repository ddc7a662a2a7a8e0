//! Steps that each attack their host in one way. `tests/hostile` says of each what it tries and what must happen; a step
//! that looks for something it must not have fails with what it found.
//!
//! What Rust cannot express is in `../wat`: core modules that the tests make components of.
#![allow(clippy::panic, reason = "to break down is what some of these are for")]

use stagegate_sdk::prelude::*;

mod boundary;
mod calls;
mod floods;
mod jobs;
mod loops;
mod memory;
mod outside;
mod queries;
mod resources;
mod script;
mod secrets;
mod sleeps;
mod stacks;

/// Issues one request, and so runs the steps there.
#[step(PreOperation, entity = "probe")]
fn nest(ctx: &mut Create<Record>) -> Result {
    ctx.org().create(Record::new("inner").with("name", "nested"))?;
    Ok(())
}

/// Does nothing.
#[step(PreOperation, entity = "probe")]
fn pass(_: &mut Create<Record>) -> Result {
    Ok(())
}

/// A fault unless the host refused it.
#[expect(clippy::needless_pass_by_value, reason = "a call is its argument")]
fn refused<T>(what: &str, result: Result<T>) -> Result {
    ensure!(result.is_err(), "{what} was granted");
    Ok(())
}

plugin!(
    nest,
    pass,
    boundary::double_that_is_no_number,
    boundary::decimal_of_too_many_bits,
    boundary::attribute_twice,
    boundary::values_at_every_limit,
    boundary::names_that_are_code,
    boundary::huge_string,
    boundary::huge_attribute,
    boundary::huge_list,
    boundary::huge_names,
    boundary::huge_fault,
    boundary::fault_beyond_the_call,
    boundary::thousands_of_details,
    boundary::thousands_of_requests,
    boundary::batches_in_batches,
    boundary::thousands_of_variables,
    boundary::huge_variables,
    calls::calls_not_granted,
    calls::calls_of_addresses,
    calls::calls_of_names,
    calls::calls_by_redirect,
    calls::calls_by_rebinding,
    calls::requests_in_headers,
    calls::response_without_end,
    calls::head_without_end,
    calls::response_in_drops,
    calls::call_without_answer,
    calls::calls_without_end,
    calls::calls_left_open,
    calls::calls_at_once,
    floods::host_calls,
    floods::traces,
    floods::output,
    floods::creates,
    floods::queries,
    floods::caught_failures,
    floods::requests_in_requests,
    floods::random_bytes,
    jobs::checkpoints,
    jobs::checkpoint_too_large,
    jobs::checkpoint_again_and_again,
    jobs::progress,
    jobs::put_off_for_ever,
    jobs::thousands_of_jobs,
    jobs::huge_jobs,
    jobs::jobs_without_end,
    jobs::jobs_in_jobs,
    jobs::job_in_jobs,
    loops::spin,
    loops::spin_in_destructor,
    loops::spin_in_comparison,
    loops::spin_in_panic,
    loops::spin_in_bulk_instructions,
    memory::allocate,
    memory::allocate_and_go_on,
    memory::fill,
    memory::fragment,
    memory::stain,
    memory::look_for_stains,
    memory::look_for_globals,
    outside::files,
    outside::tcp,
    outside::udp,
    outside::listen,
    outside::names,
    outside::raw_sockets,
    outside::processes,
    outside::clocks,
    outside::standard_input,
    queries::join_bomb,
    queries::like_bomb,
    queries::link_chain,
    queries::filter_chain,
    queries::filter_cycle,
    queries::filter_shared,
    queries::thousands_of_values,
    queries::thousands_of_links,
    queries::fetch_xml_deep,
    queries::fetch_xml_entities,
    queries::fetch_xml_links,
    resources::leak_pollables,
    resources::leak_streams,
    resources::drop_twice,
    resources::poll_nothing,
    script::follow,
    secrets::environment,
    secrets::configuration_of_others,
    secrets::tables_of_the_host,
    secrets::tables_by_queries,
    sleeps::sleep,
    sleeps::sleep_in_poll,
    sleeps::sleep_until_the_end_of_time,
    sleeps::sleep_in_many_polls,
    sleeps::sleep_and_wake,
    stacks::exit,
    stacks::panic_at_length,
    stacks::recurse,
    stacks::recurse_with_large_frames,
    stacks::recurse_through_requests,
    stacks::recurse_at_every_depth,
    stacks::call_from_the_bottom,
    // Granted by the rows of `calls` alone.
    asks(
        http(GET, "http://*.stagegate.test:18080"),
        http(GET, "http://127.0.0.1:18080"),
        http(GET, "http://10.0.0.1:18080"),
        http(GET, "http://169.254.169.254:18080"),
        http(GET, "http://[::1]:18080"),
        http(GET, "http://[::ffff:127.0.0.1]:18080"),
    )
);
