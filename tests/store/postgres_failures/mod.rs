//! PostgreSQL breaks down in each way there is. Afterwards nothing is lost, nothing is doubled, and no lock is left.

mod cancellation;
mod commits;
mod connections;
mod limits;
mod locks;
mod long_transactions;
mod opening;
#[cfg(unix)]
mod replica;
mod silence;
mod support;
