//! Conversions between the contract's types and the model's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rust_decimal::Decimal;
use uuid::Uuid;

use super::bindings::exports::stagegate::plugin::steps as exported;
use super::bindings::stagegate::plugin::{execution_context, organization_service as organization, types};
use crate::model::capability::{Asks, HttpRule};
use crate::model::custom_message::{Binding, MessageDefinition, ParameterDefinition};
use crate::model::query::check::LINKS_MAX;
use crate::model::step::{AttributeDeclaration, Declaration, EntityDeclaration, StepKey};
use crate::model::{
    Attributes, ColumnSet, DateTime, Entity, EntityCollection, EntityReference, Error, ErrorKind, Fault,
    Filter, Image, ImageType, JobPolicy, Join, Link, Mode, OperationStatus, Operator, Order, Page, Parameter,
    Parameters, Query, Request, Stage, StepDefinition, UpsertResult, Value,
};
use crate::pipeline::context::Context;

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
        Value::EntityReference(value) => types::Value::EntityReference(reference_out(value)),
    }
}

pub(super) fn reference_in(reference: types::EntityReference) -> EntityReference {
    EntityReference { entity: reference.entity, id: id_in(reference.id) }
}

fn reference_out(reference: &EntityReference) -> types::EntityReference {
    types::EntityReference { entity: reference.entity.clone(), id: id_out(reference.id) }
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
        key_attributes: attributes_in(entity.key_attributes)?,
    })
}

fn collection_in(collection: types::EntityCollection) -> Result<EntityCollection, Error> {
    Ok(EntityCollection {
        entity: collection.entity,
        entities: collection.entities.into_iter().map(entity_in).collect::<Result<_, _>>()?,
        more_records: collection.more_records,
        paging_cookie: collection.paging_cookie,
        total_record_count: collection.total_record_count,
    })
}

pub(super) fn collection_out(collection: &EntityCollection) -> types::EntityCollection {
    types::EntityCollection {
        entity: collection.entity.clone(),
        entities: collection.entities.iter().map(entity_out).collect(),
        more_records: collection.more_records,
        paging_cookie: collection.paging_cookie.clone(),
        total_record_count: collection.total_record_count,
    }
}

pub(super) fn parameter_in(parameter: types::Parameter) -> Result<Parameter, Error> {
    Ok(match parameter {
        types::Parameter::Value(value) => Parameter::Value(value_in(value)?),
        types::Parameter::Strings(texts) => Parameter::Strings(texts),
        types::Parameter::Ids(ids) => Parameter::Ids(ids.into_iter().map(id_in).collect()),
        types::Parameter::Entity(entity) => Parameter::Entity(Arc::new(entity_in(entity)?)),
        types::Parameter::Entities(entities) => Parameter::Entities(Arc::new(collection_in(entities)?)),
        types::Parameter::References(references) => {
            Parameter::References(references.into_iter().map(reference_in).collect())
        }
        types::Parameter::Columns(columns) => Parameter::Columns(columns_in(columns)),
        types::Parameter::Query(query) => Parameter::Query(Arc::new(query_in(query)?)),
        types::Parameter::Upserts(results) => {
            let results = results.into_iter().map(|result| UpsertResult {
                target: reference_in(result.target),
                record_created: result.record_created,
            });
            Parameter::Upserts(results.collect())
        }
    })
}

/// None for what does not cross: requests and responses, which no step sees.
pub(super) fn parameter_out(parameter: &Parameter) -> Option<types::Parameter> {
    Some(match parameter {
        Parameter::Value(value) => types::Parameter::Value(value_out(value)),
        Parameter::Strings(texts) => types::Parameter::Strings(texts.clone()),
        Parameter::Ids(ids) => types::Parameter::Ids(ids.iter().copied().map(id_out).collect()),
        Parameter::Entity(entity) => types::Parameter::Entity(entity_out(entity)),
        Parameter::Entities(entities) => types::Parameter::Entities(collection_out(entities)),
        Parameter::References(references) => {
            types::Parameter::References(references.iter().map(reference_out).collect())
        }
        Parameter::Columns(columns) => types::Parameter::Columns(columns_out(columns)),
        Parameter::Query(query) => types::Parameter::Query(query_out(query)),
        Parameter::Upserts(results) => {
            let results = results.iter().map(|result| types::UpsertResult {
                target: reference_out(&result.target),
                record_created: result.record_created,
            });
            types::Parameter::Upserts(results.collect())
        }
        Parameter::Requests(_) | Parameter::Responses(_) => return None,
    })
}

pub(super) fn request_in(request: organization::Request) -> Result<Request, Error> {
    let mut parameters = Parameters::new();
    for named in request.parameters {
        let parameter = parameter_in(named.parameter)
            .map_err(|error| refused(format!("the parameter `{}`: {}", named.name, error.message())))?;
        if let Some(_twice) = parameters.insert(named.name.clone(), parameter) {
            return Err(refused(format!("the parameter `{}` is there twice", named.name)));
        }
    }
    let mut made = Request::new(request.message, parameters);
    made.user = request.user.map(id_in);
    Ok(made)
}

pub(super) fn parameters_out(parameters: &Parameters) -> Vec<types::NamedParameter> {
    let named = parameters.iter().filter_map(|(name, parameter)| {
        Some(types::NamedParameter { name: name.clone(), parameter: parameter_out(parameter)? })
    });
    named.collect()
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
    let key_attributes = entity.key_attributes.iter().map(attribute).collect();
    types::Entity {
        logical_name: entity.logical_name.clone(),
        id: entity.id.map(id_out),
        attributes,
        key_attributes,
    }
}

pub(super) fn columns_in(columns: types::ColumnSet) -> ColumnSet {
    match columns {
        types::ColumnSet::All => ColumnSet::All,
        types::ColumnSet::Named(names) => ColumnSet::Named(names),
    }
}

fn columns_out(columns: &ColumnSet) -> types::ColumnSet {
    match columns {
        ColumnSet::All => types::ColumnSet::All,
        ColumnSet::Named(names) => types::ColumnSet::Named(names.clone()),
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
    fault_record_out(error.to_fault())
}

pub(super) fn fault_record_out(fault: Fault) -> types::Fault {
    let status = match fault.status {
        OperationStatus::Failed => types::OperationStatus::Failed,
        OperationStatus::Canceled => types::OperationStatus::Canceled,
        OperationStatus::Retry => types::OperationStatus::Retry,
        OperationStatus::Suspended => types::OperationStatus::Suspended,
        OperationStatus::Succeeded => types::OperationStatus::Succeeded,
    };
    types::Fault { code: fault.code, message: fault.message, status, details: fault.details }
}

pub(super) fn context_out(context: &Context, step: &StepKey) -> execution_context::Execution {
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
        secondary_entity_name: context.secondary_entity.clone().unwrap_or_else(|| "none".into()),
        owning_extension: step.to_string(),
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

pub(super) fn query_in(query: types::Query) -> Result<Query, Error> {
    // Before they are made into a tree: one that is very deep overflows the stack, even when it is only dropped.
    if query.links.len() > LINKS_MAX {
        return Err(refused(format!("the query has {} links; {LINKS_MAX} is the most", query.links.len())));
    }
    let mut links: Vec<(Option<u32>, Link)> = Vec::with_capacity(query.links.len());
    for link in query.links {
        let made = Link {
            entity: link.entity,
            from: link.from,
            to: link.to,
            alias: link.alias,
            join: match link.join {
                types::Join::Inner => Join::Inner,
                types::Join::Outer => Join::Outer,
                types::Join::Exists => Join::Exists,
                types::Join::NotExists => Join::NotExists,
            },
            columns: columns_in(link.columns),
            filter: filter_in(link.filter)?,
            links: Vec::new(),
        };
        links.push((link.parent, made));
    }
    let mut roots = Vec::new();
    // From the last one: a link is whole once all that come after it have found their parents.
    while let Some((parent, mut link)) = links.pop() {
        link.links.reverse();
        let Some(parent) = parent else {
            roots.push(link);
            continue;
        };
        let index = usize::try_from(parent).unwrap_or(usize::MAX);
        let Some((_, parent)) = links.get_mut(index) else {
            return Err(refused(format!(
                "the link `{}` has the parent {parent}, which does not come before it",
                link.alias
            )));
        };
        parent.links.push(link);
    }
    roots.reverse();
    let order = |order: types::Order| Order {
        link: order.link,
        attribute: order.attribute,
        descending: order.descending,
    };
    Ok(Query {
        entity: query.entity,
        columns: columns_in(query.columns),
        filter: filter_in(query.filter)?,
        orders: query.orders.into_iter().map(order).collect(),
        top: query.top,
        page: query.page.map(|page| Page { size: page.size, cookie: page.cookie }),
        distinct: query.distinct,
        count: query.count,
        links: roots,
    })
}

fn query_out(query: &Query) -> types::Query {
    let mut links = Vec::new();
    links_out(&query.links, None, &mut links);
    let order = |order: &Order| types::Order {
        link: order.link.clone(),
        attribute: order.attribute.clone(),
        descending: order.descending,
    };
    types::Query {
        entity: query.entity.clone(),
        columns: columns_out(&query.columns),
        filter: filter_out(query.filter.as_ref()),
        links,
        orders: query.orders.iter().map(order).collect(),
        top: query.top,
        page: query.page.as_ref().map(|page| types::Page { size: page.size, cookie: page.cookie.clone() }),
        distinct: query.distinct,
        count: query.count,
    }
}

fn links_out(links: &[Link], parent: Option<u32>, flat: &mut Vec<types::Link>) {
    for link in links {
        let index = u32::try_from(flat.len()).ok();
        flat.push(types::Link {
            parent,
            entity: link.entity.clone(),
            from: link.from.clone(),
            to: link.to.clone(),
            alias: link.alias.clone(),
            join: match link.join {
                Join::Inner => types::Join::Inner,
                Join::Outer => types::Join::Outer,
                Join::Exists => types::Join::Exists,
                Join::NotExists => types::Join::NotExists,
            },
            columns: columns_out(&link.columns),
            filter: filter_out(link.filter.as_ref()),
        });
        links_out(&link.links, index, flat);
    }
}

fn filter_in(nodes: Vec<types::FilterNode>) -> Result<Option<Filter>, Error> {
    let mut nodes: Vec<Option<types::FilterNode>> = nodes.into_iter().map(Some).collect();
    if nodes.is_empty() { Ok(None) } else { node_in(&mut nodes, 0, 0).map(Some) }
}

/// Takes a node out of the list, so that no node is used twice and a cycle ends.
fn node_in(nodes: &mut [Option<types::FilterNode>], index: usize, depth: usize) -> Result<Filter, Error> {
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
        indexes.map(|index| node_in(nodes, index, depth + 1)).collect::<Result<Vec<_>, _>>()
    };
    Ok(match node {
        types::FilterNode::AllOf(indexes) => Filter::All(children(indexes)?),
        types::FilterNode::AnyOf(indexes) => Filter::Any(children(indexes)?),
        types::FilterNode::Condition(condition) => {
            let operator = Operator::parse(&condition.operator).ok_or_else(|| {
                let known = Operator::ALL.map(Operator::name).join(", ");
                refused(format!("there is no operator `{}`; there are {known}", condition.operator))
            })?;
            let values = condition.values.into_iter().map(value_in).collect::<Result<_, _>>()?;
            Filter::Condition { link: condition.link, attribute: condition.attribute, operator, values }
        }
    })
}

fn filter_out(filter: Option<&Filter>) -> Vec<types::FilterNode> {
    let mut nodes = Vec::new();
    if let Some(filter) = filter {
        node_out(filter, &mut nodes);
    }
    nodes
}

/// Appends a node with its children behind it, and returns its index.
fn node_out(filter: &Filter, nodes: &mut Vec<types::FilterNode>) -> u32 {
    let index = nodes.len();
    let number = u32::try_from(index).unwrap_or(u32::MAX);
    let (parts, group): (_, fn(Vec<u32>) -> types::FilterNode) = match filter {
        Filter::All(parts) => (parts, types::FilterNode::AllOf),
        Filter::Any(parts) => (parts, types::FilterNode::AnyOf),
        Filter::Condition { link, attribute, operator, values } => {
            nodes.push(types::FilterNode::Condition(types::Condition {
                link: link.clone(),
                attribute: attribute.clone(),
                operator: operator.name().to_owned(),
                values: values.iter().map(value_out).collect(),
            }));
            return number;
        }
    };
    // The place comes before the children, whose indexes are known only behind it.
    nodes.push(group(Vec::new()));
    let children = parts.iter().map(|part| node_out(part, nodes)).collect();
    if let Some(node) = nodes.get_mut(index) {
        *node = group(children);
    }
    number
}

pub(in crate::wasm) fn declaration_in(declaration: exported::Declaration) -> Result<Declaration, Error> {
    Ok(Declaration {
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
        messages: declaration.messages.into_iter().map(message_in).collect::<Result<_, _>>()?,
        properties: declaration.properties.into_iter().collect::<BTreeMap<_, _>>(),
        asks: asks_in(declaration.asks)?,
    })
}

fn asks_in(asks: exported::Asks) -> Result<Asks, Error> {
    let rule = |rule: exported::HttpRule| {
        HttpRule::new(rule.methods, &rule.origin).map_err(|problem| {
            Error::new(ErrorKind::InvalidPlugin, format!("the plugin asks for HTTP wrongly: {problem}"))
        })
    };
    Ok(Asks {
        http: asks.http.into_iter().map(rule).collect::<Result<_, _>>()?,
        environment: asks.environment,
        secrets: asks.secrets,
        configuration: asks.configuration,
        random: asks.random,
        clocks: asks.clocks,
        memory: asks.memory,
        background: asks.background.map(Duration::from_secs),
    })
}

fn message_in(message: exported::MessageDeclaration) -> Result<MessageDefinition, Error> {
    let name = message.name;
    let parameters = |parameters: Vec<exported::ParameterDeclaration>| {
        let parameters = parameters.into_iter().map(|parameter| {
            Ok(ParameterDefinition {
                parameter_type: open(&name, &parameter.parameter_type)?,
                name: parameter.name,
                optional: parameter.optional,
                entity: parameter.entity,
            })
        });
        parameters.collect::<Result<Vec<_>, Error>>()
    };
    Ok(MessageDefinition {
        binding: match message.binding {
            exported::Binding::Global => Binding::Global,
            exported::Binding::Entity(entity) => Binding::Entity(entity),
            exported::Binding::EntityCollection(entity) => Binding::EntityCollection(entity),
        },
        steps: open(&name, &message.steps)?,
        parameters: parameters(message.parameters)?,
        properties: parameters(message.properties)?,
        description: message.description,
        name,
    })
}

/// A word of an open set, by the names that definitions have for it.
fn open<T: serde::de::DeserializeOwned>(message: &str, word: &str) -> Result<T, Error> {
    serde_json::from_value(serde_json::Value::String(word.to_owned())).map_err(|error| {
        Error::new(
            ErrorKind::InvalidPlugin,
            format!("the plugin declares the message `{message}` with `{word}`: {error}; update the host"),
        )
    })
}

fn step_in(step: exported::Step) -> StepDefinition {
    let stage = stage_in(step.stage);
    StepDefinition {
        entity: step.entity,
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
                message_property: None,
                relationship: image.relationship,
            })
            .collect(),
        configuration: step.configuration,
        description: step.description,
        changed_only: step.changed_only,
        jobs: step.jobs.map(jobs_in).unwrap_or_default(),
        ..StepDefinition::new(step.name, step.message, stage)
    }
}

/// The part of the policy that an author declares; the rest is the operator's.
fn jobs_in(jobs: exported::JobOptions) -> JobPolicy {
    JobPolicy {
        ordered: jobs.ordered,
        unique: jobs.unique,
        priority: jobs.priority,
        retries: jobs.retries,
        auto_delete: jobs.auto_delete,
        background: jobs.background,
        ..JobPolicy::default()
    }
}

fn stage_in(stage: execution_context::Stage) -> Stage {
    match stage {
        execution_context::Stage::PreValidation => Stage::PreValidation,
        execution_context::Stage::PreOperation => Stage::PreOperation,
        execution_context::Stage::MainOperation => Stage::MainOperation,
        execution_context::Stage::PostOperation => Stage::PostOperation,
    }
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::InvalidRequest, message)
}
