//! The pipeline's rules, one file each, shown with native steps: no guest is needed to see an order or a rollback.

mod asynchronous;
mod batches;
mod bulk;
mod cascades;
mod custom;
mod dry_runs;
mod filters;
mod images;
mod job_control;
mod job_order;
mod job_outcomes;
mod job_records;
mod nesting;
mod options;
mod order;
mod parameters;
mod queries;
mod registration;
mod relations;
mod requests;
mod shared_variables;
mod system_jobs;
mod trace;
mod transaction;
mod upsert;
mod users;
