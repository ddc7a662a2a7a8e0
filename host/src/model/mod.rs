//! Plain data: values, entities, definitions, requests, steps, jobs, errors. Nothing here does IO or reads a clock.

mod attribute_json;
pub mod clock;
pub mod condition;
pub mod custom_message;
pub mod definition;
pub mod entity;
pub mod error;
pub mod fault;
pub mod job;
pub mod query;
pub mod registration;
pub mod relationship;
pub mod request;
pub mod schema;
pub mod step;
pub mod trace;
pub mod value;
pub mod value_json;

pub use clock::{Clock, FixedClock, SystemClock};
pub use condition::Condition;
pub use custom_message::{Binding, MessageDefinition, ParameterDefinition, ParameterType, StepsAllowed};
pub use definition::{
    AttributeDefinition, AttributeType, EntityDefinition, KeyDefinition, Ownership, StateDefinition,
    StatusDefinition,
};
pub use entity::{Attributes, ColumnSet, Entity, EntityCollection, EntityReference};
pub use error::{Error, ErrorKind, Location};
pub use fault::{Fault, OperationStatus, code};
pub use job::{Job, JobState, JobStatus};
pub use query::{Filter, Join, Link, Operator, Order, Page, Query};
pub use registration::Manifest;
pub use relationship::{Cascade, CascadeConfiguration, RelationshipDefinition, RelationshipKind};
pub use request::{ItemResponse, Message, Parameter, Parameters, Request, Response, UpsertResult};
pub use schema::{Definitions, Schema};
pub use step::{Image, ImageType, Mode, Stage, StepDefinition};
pub use trace::{Change, Trace};
pub use value::{DateTime, Value, ValueType};
