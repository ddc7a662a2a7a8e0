//! A plugin host: WebAssembly components as steps of a transactional message pipeline.

#[cfg(feature = "cli")]
pub mod cli;
mod host;
pub mod jobs;
pub mod message;
pub mod model;
pub mod pipeline;
pub mod store;
pub mod wasm;

pub use host::{Host, HostBuilder, PlannedStep, Traced};
pub use model::definition::{AttributeDefinition, AttributeType, EntityDefinition, Schema};
pub use model::error::{Error, ErrorKind, Location, Result};
pub use model::{
    Attributes, Clock, ColumnSet, DateTime, Entity, EntityReference, Fault, Filter, FixedClock, Image,
    ImageType, Job, JobStatus, Message, Mode, OperationStatus, Operator, Order, Parameter, Parameters, Query,
    Request, Response, Stage, StepDefinition, SystemClock, Trace, Value,
};
pub use pipeline::native::{NativeStep, StepContext};
