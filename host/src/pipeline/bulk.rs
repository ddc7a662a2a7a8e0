//! Bulk and single messages share one pipeline: a Create runs the steps of CreateMultiple with one target, a
//! CreateMultiple those of Create for each of its targets, and so with Update and Delete. What a step changes in its view
//! of the message is folded back into the message.
//!
//! Within a stage the steps of the requested message come first, then those of its counterpart: the platform leaves the
//! order open.

use std::sync::Arc;

use uuid::Uuid;

use crate::message::{self, Subject};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{Entity, EntityCollection, Parameter, Parameters, Value};
use crate::pipeline::context::Context;
use crate::pipeline::execution::Execution;

/// How many views the counterpart's steps have of a message: one of all of its records, or one for each.
pub(super) fn views(execution: &Execution) -> usize {
    if message::is_bulk(&execution.context.message) { execution.context.subjects().len() } else { 1 }
}

/// The message as the steps of its counterpart see it; what it was is returned, for [`restore`].
pub(super) fn enter(execution: &mut Execution, counterpart: &str, index: usize) -> Result<Whole> {
    let context = &execution.context;
    let view = if message::is_bulk(&context.message) {
        single(context, index, execution.operation.traits().creates)
    } else {
        multiple(context)
    };
    let mut view = view.ok_or_else(|| {
        Error::new(ErrorKind::Internal, format!("{} has no view as {counterpart}", context.message))
    })?;
    view.message = counterpart.to_owned();
    let operation = message::find(&execution.schema, counterpart)?;
    let id = (!message::is_bulk(counterpart)).then(|| context.subject(index)).flatten();
    let subject = Subject { id, ..execution.subject.clone() };
    Ok(Whole {
        context: std::mem::replace(&mut execution.context, Box::new(view)),
        operation: std::mem::replace(&mut execution.operation, operation),
        subject: std::mem::replace(&mut execution.subject, subject),
    })
}

/// The message itself, while steps see a view of it.
pub(super) struct Whole {
    context: Box<Context>,
    operation: &'static dyn message::CoreOperation,
    subject: Subject,
}

/// Makes the execution that of the message itself again, with what the steps changed in their view.
pub(super) fn restore(execution: &mut Execution, whole: Whole, index: usize) {
    let view = std::mem::replace(&mut execution.context, whole.context);
    execution.operation = whole.operation;
    execution.subject = whole.subject;
    let context = &mut execution.context;
    context.shared = view.shared;
    if message::is_bulk(&context.message) {
        fold_single(context, view.input, &view.output, index);
    } else {
        fold_multiple(context, view.input, &view.output);
    }
}

/// A single message as one with several records, of which there is one.
fn multiple(context: &Context) -> Option<Context> {
    let targets = match context.input.get(parameter::TARGET)? {
        Parameter::Entity(entity) => Parameter::Entities(Arc::new(EntityCollection::new(
            &entity.logical_name,
            vec![Entity::clone(entity)],
        ))),
        target => Parameter::References(vec![target.reference()?.clone()]),
    };
    let output = match context.output.get(parameter::ID) {
        Some(Parameter::Value(Value::UniqueIdentifier(id))) => {
            Parameters::from([(parameter::IDS.into(), Parameter::Ids(vec![*id]))])
        }
        _ => Parameters::new(),
    };
    let input = Parameters::from([(parameter::TARGETS.into(), targets)]);
    Some(Context { input, output, record: None, ..context.clone() })
}

/// One record of a message with several. Nothing is copied that there is for each of them, or thousands of records would
/// be copied thousands of times.
fn single(context: &Context, index: usize, creates: bool) -> Option<Context> {
    let (target, id): (Parameter, Option<Uuid>) = match context.input.get(parameter::TARGETS)? {
        Parameter::Entities(targets) => {
            let target = targets.entities.get(index)?;
            (Parameter::Entity(Arc::new(target.clone())), target.id)
        }
        Parameter::References(targets) => {
            let target = targets.get(index)?;
            (target.clone().into(), Some(target.id))
        }
        _ => return None,
    };
    let output = match context.output.get(parameter::IDS) {
        Some(Parameter::Ids(ids)) => {
            let id = Value::UniqueIdentifier(*ids.get(index)?);
            Parameters::from([(parameter::ID.into(), Parameter::Value(id))])
        }
        _ => Parameters::new(),
    };
    // A Create that brings its identifiers along still has no records before the core operation.
    let record = if creates && context.output.is_empty() { None } else { id };
    let of = |images: &[Option<Arc<Entity>>]| images.get(index).cloned().into_iter().collect();
    let children = context.children.iter().map(|(relationship, records)| {
        (relationship.clone(), records.get(index).cloned().into_iter().collect())
    });
    Some(Context {
        input: Parameters::from([(parameter::TARGET.into(), target)]),
        output,
        record,
        pre_images: of(&context.pre_images),
        post_images: of(&context.post_images),
        children: children.collect(),
        ..context.to_parent()
    })
}

fn fold_multiple(context: &mut Context, mut input: Parameters, output: &Parameters) {
    if let (Some(Parameter::Entity(target)), Some(Parameter::Entities(targets))) =
        (context.input.get_mut(parameter::TARGET), input.remove(parameter::TARGETS))
        && let Some(changed) = targets.entities.first()
        && changed != target.as_ref()
    {
        *target = Arc::new(changed.clone());
    }
    if let (Some(Parameter::Value(id)), Some(Parameter::Ids(ids))) =
        (context.output.get_mut(parameter::ID), output.get(parameter::IDS))
        && let Some(changed) = ids.first()
    {
        *id = Value::UniqueIdentifier(*changed);
    }
}

fn fold_single(context: &mut Context, mut input: Parameters, output: &Parameters, index: usize) {
    if let (Some(Parameter::Entities(targets)), Some(Parameter::Entity(changed))) =
        (context.input.get_mut(parameter::TARGETS), input.remove(parameter::TARGET))
        && targets.entities.get(index).is_some_and(|target| *target != *changed)
        && let Some(target) = Arc::make_mut(targets).entities.get_mut(index)
    {
        *target = Arc::unwrap_or_clone(changed);
    }
    if let (Some(Parameter::Ids(ids)), Some(Parameter::Value(Value::UniqueIdentifier(changed)))) =
        (context.output.get_mut(parameter::IDS), output.get(parameter::ID))
        && let Some(id) = ids.get_mut(index)
    {
        *id = *changed;
    }
}
