//! Conversions between the contract's types and the model's.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::bindings::exports::stagegate::plugin::steps as exported;
use super::bindings::stagegate::plugin::{execution_context, organization_service as organization, types};
use crate::model::step::{AttributeDeclaration, Declaration, EntityDeclaration};
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityReference, Error, ErrorKind, Fault, Filter, Image,
    ImageType, Mode, OperationStatus, Operator, Order, Query, Stage, StepDefinition, Value,
};
use crate::pipeline::execution::Context;

pub(in crate::wasm) fn id_in(id: types::UniqueIdentifier) -> Uuid {
    Uuid::from_u64_pair(id.high, id.low)
}

pub(in crate::wasm) fn id_out(id: Uuid) -> types::UniqueIdentifier {
    let (high, low) = id.as_u64_pair();
    types::UniqueIdentifier { high, low }
}

fn decimal_in(decimal: types::Decimal) -> Result<Decimal, Error> {
    let unscaled = (i128::from(decimal.high) << 64) | i128::from(decimal.low);
    Decimal::try_from_i128_with_scale(unscaled, u32::from(decimal.scale)).map_err(|error| {
        refused(format!("the decimal {unscaled} / 10^{} is too large ({error})", decimal.scale))
    })
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the two halves of the integer")]
fn decimal_out(decimal: Decimal) -> types::Decimal {
    let unscaled = decimal.mantissa();
    types::Decimal { high: (unscaled >> 64) as i64, low: unscaled as u64, scale: decimal.scale() as u8 }
}

pub(super) fn value_in(value: types::Value) -> Result<Value, Error> {
    Ok(match value {
        types::Value::Null => Value::Null,
        types::Value::Boolean(value) => Value::Boolean(value),
        types::Value::Integer(value) => Value::Integer(value),
        types::Value::BigInteger(value) => Value::BigInteger(value),
        types::Value::Double(value) if value.is_finite() => Value::Double(value),
        types::Value::Double(value) => return Err(refused(format!("a double must be finite, not {value}"))),
        types::Value::Decimal(value) => Value::Decimal(decimal_in(value)?),
        types::Value::Money(value) => Value::Money(decimal_in(value)?),
        types::Value::String(value) => Value::String(value),
        types::Value::DateTime(value) => Value::DateTime(DateTime(value)),
        types::Value::UniqueIdentifier(value) => Value::UniqueIdentifier(id_in(value)),
        types::Value::Choice(value) => Value::Choice(value),
        types::Value::Choices(mut values) => {
            values.sort_unstable();
            values.dedup();
            Value::Choices(values)
        }
        types::Value::EntityReference(value) => Value::EntityReference(reference_in(value)),
    })
}

pub(super) fn value_out(value: &Value) -> types::Value {
    match value {
        Value::Null => types::Value::Null,
        Value::Boolean(value) => types::Value::Boolean(*value),
        Value::Integer(value) => types::Value::Integer(*value),
        Value::BigInteger(value) => types::Value::BigInteger(*value),
        Value::Double(value) => types::Value::Double(*value),
        Value::Decimal(value) => types::Value::Decimal(decimal_out(*value)),
        Value::Money(value) => types::Value::Money(decimal_out(*value)),
        Value::String(value) => types::Value::String(value.clone()),
        Value::DateTime(value) => types::Value::DateTime(value.0),
        Value::UniqueIdentifier(value) => types::Value::UniqueIdentifier(id_out(*value)),
        Value::Choice(value) => types::Value::Choice(*value),
        Value::Choices(values) => types::Value::Choices(values.clone()),
        Value::EntityReference(value) => types::Value::EntityReference(types::EntityReference {
            entity: value.entity.clone(),
            id: id_out(value.id),
        }),
    }
}

pub(super) fn reference_in(reference: types::EntityReference) -> EntityReference {
    EntityReference { entity: reference.entity, id: id_in(reference.id) }
}

pub(super) fn attributes_in(attributes: Vec<types::Attribute>) -> Result<Attributes, Error> {
    let mut converted = Attributes::new();
    for attribute in attributes {
        let value = value_in(attribute.value)
            .map_err(|error| refused(format!("the attribute `{}`: {}", attribute.name, error.message())))?;
        if let Some(_twice) = converted.insert(attribute.name.clone(), value) {
            return Err(refused(format!("the attribute `{}` is there twice", attribute.name)));
        }
    }
    Ok(converted)
}

pub(super) fn entity_in(entity: types::Entity) -> Result<Entity, Error> {
    Ok(Entity {
        logical_name: entity.logical_name,
        id: entity.id.map(id_in),
        attributes: attributes_in(entity.attributes)?,
    })
}

pub(super) fn entity_out(entity: &Entity) -> types::Entity {
    selected_out(entity, types::ColumnSet::All)
}

/// The part of a record that `columns` selects, without a copy of it in between: for a large record the copy costs about
/// as much as the conversion.
pub(super) fn selected_out(entity: &Entity, columns: types::ColumnSet) -> types::Entity {
    let attribute =
        |(name, value): (&String, &Value)| types::Attribute { name: name.clone(), value: value_out(value) };
    let attributes = match columns {
        types::ColumnSet::All => entity.attributes.iter().map(attribute).collect(),
        types::ColumnSet::Named(mut names) => {
            names.sort_unstable();
            names.dedup();
            names.iter().filter_map(|name| entity.attributes.get_key_value(name)).map(attribute).collect()
        }
    };
    types::Entity { logical_name: entity.logical_name.clone(), id: entity.id.map(id_out), attributes }
}

pub(super) fn columns_in(columns: types::ColumnSet) -> ColumnSet {
    match columns {
        types::ColumnSet::All => ColumnSet::All,
        types::ColumnSet::Named(names) => ColumnSet::Named(names),
    }
}

pub(in crate::wasm) fn fault_in(fault: types::Fault) -> Fault {
    let status = match fault.status {
        types::OperationStatus::Failed => OperationStatus::Failed,
        types::OperationStatus::Canceled => OperationStatus::Canceled,
        types::OperationStatus::Retry => OperationStatus::Retry,
        types::OperationStatus::Suspended => OperationStatus::Suspended,
        types::OperationStatus::Succeeded => OperationStatus::Succeeded,
    };
    Fault { code: fault.code, message: fault.message, status, details: fault.details }
}

pub(super) fn fault_out(error: &Error) -> types::Fault {
    let fault = error.to_fault();
    let status = match fault.status {
        OperationStatus::Failed => types::OperationStatus::Failed,
        OperationStatus::Canceled => types::OperationStatus::Canceled,
        OperationStatus::Retry => types::OperationStatus::Retry,
        OperationStatus::Suspended => types::OperationStatus::Suspended,
        OperationStatus::Succeeded => types::OperationStatus::Succeeded,
    };
    types::Fault { code: fault.code, message: fault.message, status, details: fault.details }
}

pub(super) fn context_out(context: &Context) -> execution_context::Execution {
    execution_context::Execution {
        message: context.message.clone(),
        stage: stage_out(context.stage),
        mode: match context.mode {
            Mode::Synchronous => execution_context::Mode::Synchronous,
            Mode::Asynchronous => execution_context::Mode::Asynchronous,
        },
        depth: context.depth,
        primary_entity_name: context.entity.clone().unwrap_or_else(|| "none".into()),
        primary_entity_id: context.record.map(id_out),
        user_id: id_out(context.user),
        initiating_user_id: id_out(context.initiating_user),
        correlation_id: id_out(context.correlation_id),
        request_id: id_out(context.request_id),
        operation_id: context.operation.as_ref().map(|operation| id_out(operation.id)),
        operation_created_on: context.operation.as_ref().map(|operation| operation.created_on.0),
        is_in_transaction: context.is_in_transaction,
    }
}

fn stage_out(stage: Stage) -> execution_context::Stage {
    match stage {
        Stage::PreValidation => execution_context::Stage::PreValidation,
        Stage::PreOperation => execution_context::Stage::PreOperation,
        Stage::MainOperation => execution_context::Stage::MainOperation,
        Stage::PostOperation => execution_context::Stage::PostOperation,
    }
}

/// Filters nest at most this deep: they are walked by recursion.
const FILTER_DEPTH_MAX: usize = 32;

pub(super) fn query_in(query: organization::Query) -> Result<Query, Error> {
    let mut nodes: Vec<Option<organization::FilterNode>> = query.filter.into_iter().map(Some).collect();
    let filter = if nodes.is_empty() { None } else { Some(filter_in(&mut nodes, 0, 0)?) };
    let orders = query.orders.into_iter();
    Ok(Query {
        entity: query.entity,
        columns: columns_in(query.columns),
        filter,
        orders: orders
            .map(|order| Order { attribute: order.attribute, descending: order.descending })
            .collect(),
        top: query.top,
    })
}

/// Takes a node out of the list, so that no node is used twice and a cycle ends.
fn filter_in(
    nodes: &mut [Option<organization::FilterNode>],
    index: usize,
    depth: usize,
) -> Result<Filter, Error> {
    let node = nodes.get_mut(index).and_then(Option::take).ok_or_else(|| {
        refused(format!(
            "the filter's node {index} does not exist or has two parents; each child has one index"
        ))
    })?;
    if depth > FILTER_DEPTH_MAX {
        return Err(refused(format!("the filter nests more than {FILTER_DEPTH_MAX} deep")));
    }
    let mut children = |indexes: Vec<u32>| {
        let indexes = indexes.into_iter().map(|index| usize::try_from(index).unwrap_or(usize::MAX));
        indexes.map(|index| filter_in(nodes, index, depth + 1)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match node {
        organization::FilterNode::AllOf(indexes) => Filter::All(children(indexes)?),
        organization::FilterNode::AnyOf(indexes) => Filter::Any(children(indexes)?),
        organization::FilterNode::Condition(condition) => {
            let operator = Operator::parse(&condition.operator).ok_or_else(|| {
                let known = Operator::ALL.map(Operator::name).join(", ");
                refused(format!("there is no operator `{}`; there are {known}", condition.operator))
            })?;
            let values = condition.values.into_iter().map(value_in).collect::<Result<_, _>>()?;
            Filter::Condition { attribute: condition.attribute, operator, values }
        }
    })
}

pub(in crate::wasm) fn declaration_in(declaration: exported::Declaration) -> Declaration {
    Declaration {
        steps: declaration.steps.into_iter().map(step_in).collect(),
        entities: declaration
            .entities
            .into_iter()
            .map(|entity| EntityDeclaration {
                logical_name: entity.logical_name,
                attributes: entity
                    .attributes
                    .into_iter()
                    .map(|attribute| AttributeDeclaration {
                        name: attribute.name,
                        attribute_type: attribute.attribute_type,
                        targets: attribute.targets,
                    })
                    .collect(),
            })
            .collect(),
        properties: declaration.properties.into_iter().collect::<BTreeMap<_, _>>(),
    }
}

fn step_in(step: exported::Step) -> StepDefinition {
    StepDefinition {
        name: step.name,
        message: step.message,
        entity: step.entity,
        stage: match step.stage {
            execution_context::Stage::PreValidation => Stage::PreValidation,
            execution_context::Stage::PreOperation => Stage::PreOperation,
            execution_context::Stage::MainOperation => Stage::MainOperation,
            execution_context::Stage::PostOperation => Stage::PostOperation,
        },
        mode: match step.mode {
            execution_context::Mode::Synchronous => Mode::Synchronous,
            execution_context::Mode::Asynchronous => Mode::Asynchronous,
        },
        rank: step.rank,
        filtering_attributes: step.filtering_attributes,
        images: step
            .images
            .into_iter()
            .map(|image| Image {
                alias: image.alias,
                image_type: match image.image_type {
                    exported::ImageType::PreImage => ImageType::PreImage,
                    exported::ImageType::PostImage => ImageType::PostImage,
                    exported::ImageType::Both => ImageType::Both,
                },
                attributes: image.attributes,
            })
            .collect(),
        configuration: step.configuration,
        description: step.description,
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
