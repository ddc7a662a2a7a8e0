//! The SDK's tests, native; what a component does in a host is tested there.
#![allow(clippy::unwrap_used, reason = "a test may fail at once")]

mod audit;
mod bindings;
mod bulk;
mod custom;
mod declaration;
mod diagnostics;
mod images;
mod jobs;
mod messages;
mod more_messages;
mod organization;
mod queries;
mod readme;
mod system_job;
