//! Write Stagegate plugins in Rust.

mod context;
mod declaration;
mod entity;
mod fault;
mod field;
mod json;
mod message;
mod organization;
pub mod query;
mod record;
mod services;
mod shared;
mod step;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod trace;
mod value;
mod wit;

pub use context::{Context, Mode, ParentContext, Stage};
pub use declaration::{
    AttributeDeclaration, CONTRACT, Declaration, EntityDeclaration, ImageDeclaration, ImageType, SDK,
    StepDeclaration,
};
pub use entity::{Column, Entity, Row, Shape};
pub use fault::{Fault, OperationStatus, Result, code};
pub use field::{EntityField, Field};
pub use message::{AnyMessage, Create, Delete, Message, Retrieve, Update};
pub use organization::Organization;
pub use query::{Filter, Query};
pub use record::{ColumnSet, Record};
pub use shared::Shared;
pub use stagegate_sdk_macros::{Choice, Entity, Shared, plugin, step};
pub use step::Step;
pub use value::{
    AttributeType, Choice, Choices, DateTime, Decimal, EntityReference, Lookup, Money, ParseError, Ref,
    UniqueIdentifier, Value,
};

/// All that a plugin's source needs: `use stagegate_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::query::{
        all_of, any_of, begins_with, eq, ge, gt, is_in, is_not_in, is_not_null, is_null, le, like, lt, ne,
        not_like,
    };
    pub use crate::{
        AnyMessage, AttributeType, Choice, Choices, ColumnSet, Context, Create, DateTime, Decimal, Delete,
        Entity, EntityReference, Fault, Field, Message, Mode, Money, Organization, Query, Record, Ref,
        Result, Retrieve, Row, Shared, Stage, Step, UniqueIdentifier, Update, Value, bail, default, ensure,
        plugin, step, trace,
    };
}

/// `Default::default()`, short enough for `..default()`.
pub fn default<T: Default>() -> T {
    T::default()
}

/// For the macros' expansions only.
#[doc(hidden)]
pub mod __private {
    pub use crate::json::{len as json_len, text as json_text};
    pub use crate::record::Side;
    pub use crate::step::Entry;
    pub use crate::wit::bindings::export_plugin;
    pub use crate::wit::bindings::exports::stagegate::plugin::steps::{Declaration as DeclarationOut, Guest};
    pub use crate::wit::bindings::stagegate::plugin::types::Fault as FaultOut;
    pub use crate::wit::{bindings, declare, execute};
}
