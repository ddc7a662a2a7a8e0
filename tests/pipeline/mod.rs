//! The pipeline's rules, one file each, shown with native steps: no guest is needed to see an order or a rollback.

mod asynchronous;
mod filters;
mod images;
mod nesting;
mod order;
mod queries;
mod requests;
mod shared_variables;
mod trace;
mod transaction;
