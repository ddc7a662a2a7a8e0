//! The stores' conformance suite, and each store that calls it.
//!
//! An exercise is a function over an open database. `conformance!` lists them, once, and makes a test of each for a
//! store: a new store is one line. A store that is not everywhere adds attributes for its tests, such as one that ignores
//! them.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by failing"
)]

mod definitions;
mod job_moves;
mod jobs;
mod joins;
mod pages;
mod postgres;
mod postgres_failures;
mod queries;
mod records;
mod registrations;
mod sqlite;
mod support;
mod transactions;
mod values;

macro_rules! conformance {
    ($suite:ident, $database:path $(, #[$attribute:meta])*) => {
        mod $suite {
            crate::store::exercises! { $database, [$(#[$attribute])*];
                values {
                    every_type_round_trips,
                    numbers_have_the_scale_of_their_definition,
                    null_is_kept_and_clears,
                    choices_are_a_set,
                    values_that_do_not_fit_are_refused,
                }
                records {
                    insert_writes_exactly_what_is_given,
                    insert_of_a_taken_identifier_is_a_duplicate,
                    update_writes_the_given_and_raises_the_version,
                    update_can_set_the_version,
                    delete_takes_one_record,
                    retrieve_reads_the_columns_asked_for,
                    retrieve_of_an_unknown_column_is_refused,
                    a_transaction_reads_what_it_wrote,
                    a_key_allows_its_values_once,
                    an_update_onto_a_taken_key_is_a_duplicate,
                    a_key_is_made_on_records_that_have_none_twice,
                    a_record_is_referenced_by_what_points_to_it,
                    a_reference_by_what_is_no_lookup_is_refused,
                }
                queries {
                    operators_on_numbers,
                    operators_on_strings_ignore_ascii_case,
                    operators_on_exact_numbers,
                    operators_on_other_types,
                    operators_on_moments,
                    operators_on_the_user,
                    a_store_takes_no_relative_condition,
                    groups_of_conditions,
                    text_is_never_code,
                    orders_put_nulls_first_and_break_ties_by_identifier,
                    top_limits_and_is_limited,
                    a_query_returns_the_columns_asked_for,
                    queries_that_make_no_sense_are_refused,
                    queries_at_the_limits_run,
                }
                joins {
                    inner_and_outer_joins,
                    links_that_ask_whether_there_is_a_match,
                    links_in_links,
                    lookups_to_several_entities_join_the_one_they_point_to,
                    conditions_and_orders_on_links,
                    joins_over_other_types,
                    columns_of_links,
                    links_that_make_no_sense_are_refused,
                    the_most_links,
                }
                pages {
                    pages_in_every_order_are_the_whole,
                    pages_of_joins_and_distinct_queries_are_the_whole,
                    records_that_come_and_go_neither_repeat_nor_hide_others,
                    more_records_is_exact,
                    counts_are_over_all_pages,
                    distinct_queries,
                    a_cookie_belongs_to_its_query,
                    pages_that_make_no_sense_are_refused,
                    pages_at_the_limits,
                }
                definitions {
                    a_new_database_is_empty,
                    define_returns_and_publishes_the_schema,
                    definitions_and_records_survive_a_reopening,
                    define_extends_an_entity_with_records,
                    statements_follow_the_definition,
                    defining_the_same_again_changes_nothing,
                    refused_definitions_leave_all_as_it_was,
                    wide_entities_and_long_names,
                    definitions_made_at_once_all_count,
                    every_kind_of_definition_survives_a_reopening,
                    ownership_and_states_are_attributes_as_any,
                    records_that_were_there_get_the_first_state,
                    what_is_wider_takes_more,
                    pairs_are_records_with_a_key,
                }
                registrations {
                    registrations_round_trip_and_survive_a_reopening,
                    a_step_keeps_its_place_in_the_registration,
                    a_registration_without_a_secret_has_none_left,
                }
                transactions {
                    a_rollback_leaves_nothing,
                    a_failed_verb_dooms_the_transaction,
                    a_caller_that_goes_while_it_waits_never_runs,
                    a_caller_that_goes_while_it_runs_is_rolled_back,
                    a_panic_rolls_back_and_is_reported,
                    a_deadline_while_waiting_names_the_holder,
                    a_deadline_ends_a_transaction_that_runs,
                    a_deadline_interrupts_a_query,
                    a_caller_that_goes_interrupts_its_query,
                    a_deadline_interrupts_a_write_and_undoes_it,
                    readers_see_what_is_committed,
                    a_reader_cannot_write,
                    writers_lose_no_update,
                    writers_take_turns_as_they_came,
                    a_handle_that_is_kept_does_nothing,
                    close_waits_and_then_refuses,
                }
                jobs {
                    every_field_round_trips,
                    a_rollback_leaves_no_job,
                    a_job_is_queued_once,
                    claims_take_the_oldest_of_the_first_priority,
                    claims_keep_to_their_lane_and_limits,
                    steps_that_are_paused_are_passed_over,
                    claims_at_once_share_the_jobs,
                    settlements_end_an_attempt,
                    a_retry_waits_for_its_moment,
                    a_clock_that_goes_back_keeps_no_retry_waiting,
                    settlements_of_others_are_dropped,
                    reports_are_kept_for_who_runs_the_job,
                    jobs_that_are_over_are_deleted,
                    jobs_are_counted_by_step_and_status,
                    jobs_are_read_oldest_first,
                    jobs_survive_a_reopening,
                }
                job_moves {
                    recovery_hands_back_what_dead_hosts_held,
                    a_job_that_kills_its_hosts_is_found_out,
                    operators_move_jobs_that_wait,
                    operators_are_heard_by_who_runs_a_job,
                    recovery_hears_operators_too,
                    what_a_worker_does_not_know_of_is_handed_back,
                    jobs_of_a_key_run_in_their_order,
                    of_a_unique_key_the_newest_waits,
                    jobs_keep_their_rules_whatever_happens,
                }
            }
        }
    };
}

macro_rules! exercises {
    ($database:path, $attributes:tt; $($module:ident { $($exercise:ident,)* })*) => {
        $(mod $module {
            $(crate::store::exercise! { $database, $attributes, $module, $exercise })*
        })*
    };
}

macro_rules! exercise {
    ($database:path, [$(#[$attribute:meta])*], $module:ident, $exercise:ident) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        $(#[$attribute])*
        async fn $exercise() {
            crate::store::$module::$exercise($database()).await;
        }
    };
}

use conformance;
use exercise;
use exercises;
