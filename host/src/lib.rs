//! A plugin host: WebAssembly components as steps of a transactional message pipeline.
//!
//! A service puts a [`Host`] in the middle of its writes. Each [`Request`] passes four stages: PreValidation (10), before the
//! database transaction; PreOperation (20), inside it and before the write, where a step changes the record with no second
//! update; MainOperation (30), the write; PostOperation (40), after it and still inside. Steps are other people's plugins,
//! sandboxed [components](wasm::Plugin), or the service's own [closures](NativeStep). A synchronous step that fails rolls
//! everything back; an asynchronous one is queued in the transaction and runs after it.
//!
//! # A tour
//!
//! - [`Host`] and [`HostBuilder`]: put a database, plugins and native steps together, and run requests.
//! - [`Request`], [`Response`], [`Entity`], [`Value`]: what goes in and comes out. [`Error`] says what failed and where.
//! - [`EntityDefinition`]: the shape of records, defined at run time ([`Host::define`]).
//! - [`StepDefinition`]: where a step joins the pipeline; [`Manifest`] changes how a plugin's steps are registered, and
//!   [`model::registration`] has the rule of what counts.
//! - [`wasm::Engine`] compiles and loads plugins; [`wasm::Limits`] bounds what one run of them may use.
//! - [`model::capability`]: what plugins ask for beyond that, and what an operator grants ([`HostBuilder::grant`], or a manifest).
//! - [`Trace`] ([`Host::trace`]): what happened in a request, also in one that was rolled back.
//! - [`Job`] ([`Host::jobs`]): asynchronous steps and how they ended.
//! - [`store::Store`]: the seam to the database.
//!
//! The example at [`Host`] is a whole service.
//!
//! # Features
//!
//! `sqlite` (default): the embedded store. `cli` (default): the `stagegate` program as a library, [`cli`].

#[cfg(feature = "cli")]
pub mod cli;
mod host;
pub mod jobs;
pub mod message;
pub mod model;
pub mod pipeline;
pub mod store;
pub mod wasm;

pub use host::{Host, HostBuilder, Planned, PlannedStep, PluginCapabilities, Traced, Usage};
pub use jobs::JobTotals;
pub use model::attribute::{AttributeDefinition, AttributeType};
pub use model::definition::EntityDefinition;
pub use model::error::{Error, ErrorKind, Location, Result};
pub use model::{
    Attributes, Binding, BreakerSettings, Cascade, Cause, Child, Clock, ColumnSet, Condition, DateTime,
    Definitions, Entity, EntityCollection, EntityReference, Fault, Filter, FixedClock, Image, ImageType,
    ItemResponse, Job, JobStatus, Join, KeyDefinition, Ledger, Link, Manifest, Message, MessageDefinition,
    Mode, NumberRange, OpenBreaker, OperationStatus, Operator, Order, Ownership, Page, Parameter,
    ParameterType, Parameters, PluginUsage, Query, Quota, RelationshipDefinition, Request, Response, Schema,
    Stage, StateDefinition, StatusDefinition, StepDefinition, StepsAllowed, SystemClock, Trace, UpsertResult,
    Value,
};
pub use pipeline::dry_run::DryRun;
pub use pipeline::native::{NativeStep, StepContext};
pub use rust_decimal::Decimal;
pub use store::watch::{ChangeKind, RecordChange};
pub use uuid::Uuid;
