//! Plain data: values, entities, definitions, requests, steps, jobs, errors. Nothing here does IO or reads a clock.

mod attribute_json;
pub mod clock;
pub mod definition;
pub mod entity;
pub mod error;
pub mod fault;
pub mod job;
pub mod query;
pub mod request;
pub mod schema;
pub mod step;
pub mod trace;
pub mod value;

pub use clock::{Clock, FixedClock, SystemClock};
pub use definition::{AttributeDefinition, AttributeType, EntityDefinition};
pub use entity::{Attributes, ColumnSet, Entity, EntityReference};
pub use error::{Error, ErrorKind, Location};
pub use fault::{Fault, OperationStatus, code};
pub use job::{Job, JobState, JobStatus};
pub use query::{Filter, Operator, Order, Query};
pub use request::{Message, Parameter, Parameters, Request, Response};
pub use schema::Schema;
pub use step::{Image, ImageType, Mode, Stage, StepDefinition};
pub use trace::{Change, Trace};
pub use value::{DateTime, Value, ValueType};
