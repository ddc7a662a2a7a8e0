//! The contract's types and this crate's, each as the other: `_in` for what the host sends, `_out` for what it gets.

use super::bindings::stagegate::plugin::{execution_context, types};
use crate::context::{Mode, Stage};
use crate::fault::{Fault, OperationStatus};
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::services::Execution;
use crate::value::{Choice, Choices, DateTime, Decimal, EntityReference, Money, UniqueIdentifier, Value};

pub(super) fn identifier_in(id: types::UniqueIdentifier) -> UniqueIdentifier {
    UniqueIdentifier::from_u128(u128::from(id.high) << 64 | u128::from(id.low))
}

#[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
pub(super) fn identifier_out(id: UniqueIdentifier) -> types::UniqueIdentifier {
    types::UniqueIdentifier { high: (id.as_u128() >> 64) as u64, low: id.as_u128() as u64 }
}

pub(super) fn reference_in(reference: types::EntityReference) -> EntityReference {
    EntityReference { entity: reference.entity, id: identifier_in(reference.id) }
}

pub(super) fn reference_out(reference: EntityReference) -> types::EntityReference {
    types::EntityReference { entity: reference.entity, id: identifier_out(reference.id) }
}

/// A host sends no number that needs more than 96 bits; should one, the step traps rather than calculate with another.
#[expect(clippy::expect_used, reason = "a breach of the contract is a trap")]
fn decimal_in(decimal: types::Decimal) -> Decimal {
    let unscaled = i128::from(decimal.high) << 64 | i128::from(decimal.low);
    Decimal::try_from_i128_with_scale(unscaled, u32::from(decimal.scale))
        .expect("the host sent a decimal number of more than 96 bits or 28 digits after the point")
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the halves of the number; scale <= 28"
)]
fn decimal_out(decimal: Decimal) -> types::Decimal {
    let unscaled = decimal.mantissa();
    types::Decimal { high: (unscaled >> 64) as i64, low: unscaled as u64, scale: decimal.scale() as u8 }
}

pub(super) fn value_in(value: types::Value) -> Value {
    match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(value) => Value::Boolean(value),
        types::Value::Integer(value) => Value::Integer(value),
        types::Value::BigInteger(value) => Value::BigInteger(value),
        types::Value::Double(value) => Value::Double(value),
        types::Value::Decimal(value) => Value::Decimal(decimal_in(value)),
        types::Value::Money(value) => Value::Money(Money::from(decimal_in(value))),
        types::Value::String(value) => Value::String(value),
        types::Value::DateTime(value) => Value::DateTime(DateTime::from_millis(value)),
        types::Value::UniqueIdentifier(value) => Value::UniqueIdentifier(identifier_in(value)),
        types::Value::Choice(value) => Value::Choice(Choice(value)),
        types::Value::Choices(value) => Value::Choices(Choices(value)),
        types::Value::EntityReference(value) => Value::EntityReference(reference_in(value)),
    }
}

pub(super) fn value_out(value: Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(value) => types::Value::Boolean(value),
        Value::Integer(value) => types::Value::Integer(value),
        Value::BigInteger(value) => types::Value::BigInteger(value),
        Value::Double(value) => types::Value::Double(value),
        Value::Decimal(value) => types::Value::Decimal(decimal_out(value)),
        Value::Money(value) => types::Value::Money(decimal_out(value.amount())),
        Value::String(value) => types::Value::String(value),
        Value::DateTime(value) => types::Value::DateTime(value.as_millis()),
        Value::UniqueIdentifier(value) => types::Value::UniqueIdentifier(identifier_out(value)),
        Value::Choice(value) => types::Value::Choice(value.0),
        Value::Choices(value) => types::Value::Choices(value.0),
        Value::EntityReference(value) => types::Value::EntityReference(reference_out(value)),
    }
}

pub(super) fn attributes_out(attributes: impl IntoIterator<Item = (String, Value)>) -> Vec<types::Attribute> {
    attributes.into_iter().map(|(name, value)| types::Attribute { name, value: value_out(value) }).collect()
}

pub(super) fn record_in(entity: types::Entity) -> Record {
    let mut record =
        Record { logical_name: entity.logical_name, id: entity.id.map(identifier_in), ..Record::default() };
    // One by one: collecting them would bring a sort into every component, some 10 KB.
    for attribute in entity.attributes {
        record.insert(attribute.name, value_in(attribute.value));
    }
    for attribute in entity.key_attributes {
        record.key_attributes.insert(attribute.name, value_in(attribute.value));
    }
    record
}

pub(super) fn images_in(images: Vec<Option<types::Entity>>) -> Vec<Option<Record>> {
    images.into_iter().map(|image| image.map(record_in)).collect()
}

pub(super) fn collection_in(collection: types::EntityCollection) -> EntityCollection {
    EntityCollection {
        entity: collection.entity,
        records: collection.entities.into_iter().map(record_in).collect(),
        more_records: collection.more_records,
        paging_cookie: collection.paging_cookie,
        total_record_count: collection.total_record_count,
    }
}

pub(super) fn collection_out(collection: EntityCollection) -> types::EntityCollection {
    types::EntityCollection {
        entity: collection.entity,
        entities: collection.records.into_iter().map(record_out).collect(),
        more_records: collection.more_records,
        paging_cookie: collection.paging_cookie,
        total_record_count: collection.total_record_count,
    }
}

pub(super) fn record_out(record: Record) -> types::Entity {
    types::Entity {
        logical_name: record.logical_name,
        id: record.id.map(identifier_out),
        attributes: attributes_out(record.attributes),
        key_attributes: attributes_out(record.key_attributes),
    }
}

pub(super) fn columns_out(columns: &ColumnSet) -> types::ColumnSet {
    match columns {
        ColumnSet::All => types::ColumnSet::All,
        ColumnSet::Named(names) => types::ColumnSet::Named(names.clone()),
    }
}

pub(super) fn columns_in(columns: types::ColumnSet) -> ColumnSet {
    match columns {
        types::ColumnSet::All => ColumnSet::All,
        types::ColumnSet::Named(names) => ColumnSet::Named(names),
    }
}

pub(super) fn execution_in(execution: execution_context::Execution) -> Execution {
    Execution {
        message: execution.message,
        stage: match execution.stage {
            execution_context::Stage::PreValidation => Stage::PreValidation,
            execution_context::Stage::PreOperation => Stage::PreOperation,
            execution_context::Stage::MainOperation => Stage::MainOperation,
            execution_context::Stage::PostOperation => Stage::PostOperation,
        },
        mode: match execution.mode {
            execution_context::Mode::Synchronous => Mode::Synchronous,
            execution_context::Mode::Asynchronous => Mode::Asynchronous,
        },
        depth: execution.depth,
        entity_name: execution.primary_entity_name,
        entity_id: execution.primary_entity_id.map(identifier_in),
        secondary_entity_name: execution.secondary_entity_name,
        owning_extension: execution.owning_extension,
        user: identifier_in(execution.user_id),
        initiating_user: identifier_in(execution.initiating_user_id),
        correlation_id: identifier_in(execution.correlation_id),
        request_id: identifier_in(execution.request_id),
        operation_id: execution.operation_id.map(identifier_in),
        operation_created_on: execution.operation_created_on.map(DateTime::from_millis),
        is_in_transaction: execution.is_in_transaction,
    }
}

pub(super) fn fault_in(fault: types::Fault) -> Fault {
    let status = match fault.status {
        types::OperationStatus::Failed => OperationStatus::Failed,
        types::OperationStatus::Canceled => OperationStatus::Canceled,
        types::OperationStatus::Retry => OperationStatus::Retry,
        types::OperationStatus::Suspended => OperationStatus::Suspended,
        types::OperationStatus::Succeeded => OperationStatus::Succeeded,
    };
    let plain = Fault::new(fault.message).with_code(fault.code).with_status(status);
    fault.details.into_iter().fold(plain, |fault, (name, text)| fault.with_detail(name, text))
}

pub(super) fn fault_out(fault: &Fault) -> types::Fault {
    types::Fault {
        code: fault.code(),
        message: fault.message().to_owned(),
        status: match fault.status() {
            OperationStatus::Failed => types::OperationStatus::Failed,
            OperationStatus::Canceled => types::OperationStatus::Canceled,
            OperationStatus::Retry => types::OperationStatus::Retry,
            OperationStatus::Suspended => types::OperationStatus::Suspended,
            OperationStatus::Succeeded => types::OperationStatus::Succeeded,
        },
        details: fault.details().to_vec(),
    }
}
