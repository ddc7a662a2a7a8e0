//! Delete and DeleteMultiple: remove records, and before that what hangs on them.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use uuid::Uuid;

use super::update::{check_version, row_version};
use super::{
    Cascaded, CoreOperation, Done, Operation, Prepared, Subject, Traits, check_names, invalid, missing,
    not_found, reference_target, system_job, targets,
};
use crate::model::definition::VERSION_NUMBER;
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::trace::Event;
use crate::model::{
    Cascade, ColumnSet, EntityDefinition, EntityReference, Filter, Message, Operator, Parameter, Parameters,
    Schema, Value,
};
use crate::store::Lock;

pub(super) struct Delete;

#[async_trait]
impl CoreOperation for Delete {
    fn name(&self) -> &'static str {
        Message::DELETE
    }

    fn traits(&self) -> Traits {
        Traits {
            writes: true,
            deletes: true,
            pre_image: true,
            parent_hop: true,
            counterpart: Some(Message::DELETE_MULTIPLE),
            ..Traits::READ
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(
            message,
            input,
            &[parameter::TARGET, parameter::ROW_VERSION, parameter::CONCURRENCY_BEHAVIOR],
        )?;
        let target = reference_target(message, input)?;
        row_version(message, input)?;
        let definition = targets::writable_or_job(schema, message, &target.entity)?;
        Ok(Subject::new(definition, Some(target.id)))
    }

    async fn prepare(&self, cx: Operation<'_>, subject: &Subject, _input: &Parameters) -> Result<Prepared> {
        let (definition, id) = subject.record()?;
        detach(cx, &EntityReference::new(&definition.logical_name, id)).await
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let (definition, id) = subject.record()?;
        remove(cx, definition, id, row_version(self.name(), input)?).await?;
        Ok(Done::default())
    }
}

pub(super) struct DeleteMultiple;

#[async_trait]
impl CoreOperation for DeleteMultiple {
    fn name(&self) -> &'static str {
        Message::DELETE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits { image_property: parameter::TARGETS, counterpart: Some(Message::DELETE), ..Delete.traits() }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGETS])?;
        let references = references(message, input)?;
        let Some(first) = references.first() else {
            return Err(missing(message, parameter::TARGETS, "entity references", None));
        };
        if let Some(other) = references.iter().find(|reference| reference.entity != first.entity) {
            return Err(invalid(format!(
                "the targets of {message} are records of one entity, not of `{}` and `{}`; issue a request for each",
                first.entity, other.entity
            )));
        }
        let mut seen = BTreeSet::new();
        if let Some(index) = references.iter().position(|reference| !seen.insert(reference.id)) {
            let problem = format!("two targets of {message} are the same record; name it once");
            return Err(targets::at(invalid(problem), index));
        }
        let definition = targets::writable_or_job(schema, message, &first.entity)?;
        Ok(Subject::new(definition, None))
    }

    async fn prepare(&self, cx: Operation<'_>, _subject: &Subject, input: &Parameters) -> Result<Prepared> {
        let mut all = Prepared::default();
        for (index, target) in references(self.name(), input)?.iter().enumerate() {
            let mut one = detach(cx, target).await.map_err(|error| targets::at(error, index))?;
            all.events.append(&mut one.events);
            all.cascade.append(&mut one.cascade);
        }
        Ok(all)
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let definition = subject.definition()?;
        for (index, target) in references(self.name(), input)?.iter().enumerate() {
            remove(cx, definition, target.id, None).await.map_err(|error| targets::at(error, index))?;
        }
        Ok(Done::default())
    }
}

fn references<'a>(message: &str, input: &'a Parameters) -> Result<&'a [EntityReference]> {
    match input.get(parameter::TARGETS) {
        Some(Parameter::References(references)) => {
            targets::check_count(message, references.len())?;
            Ok(references)
        }
        other => Err(missing(message, parameter::TARGETS, "entity references", other)),
    }
}

async fn remove(
    cx: Operation<'_>,
    definition: &EntityDefinition,
    id: Uuid,
    version: Option<i64>,
) -> Result<()> {
    if version.is_some() {
        let columns = ColumnSet::named([VERSION_NUMBER]);
        let record = cx.transaction.retrieve(definition, id, &columns, Lock::Delete).await?;
        let record = record.ok_or_else(|| not_found(Message::DELETE, definition, id))?;
        check_version(definition, id, &record, version)?;
    }
    if definition.is_system_job() {
        return system_job::delete(cx, id).await;
    }
    if cx.transaction.delete(definition, id).await? {
        Ok(())
    } else {
        Err(not_found(Message::DELETE, definition, id))
    }
}

/// What must be gone before the record: first every restriction is checked, so that nothing is done in vain; then the
/// children are named that go with it or lose their link.
async fn detach(cx: Operation<'_>, target: &EntityReference) -> Result<Prepared> {
    for child in cx.schema.children_of(&target.entity).filter(|child| child.delete == Cascade::Restrict) {
        if cx.transaction.is_referenced(child.definition, &child.attribute.name, target).await? {
            return Err(Error::new(
                ErrorKind::Restricted,
                format!(
                    "cannot delete {target}: records of `{}` refer to it as their `{}`, which restricts it; delete them \
                     or let them point elsewhere first",
                    child.definition.logical_name, child.attribute.name
                ),
            ));
        }
    }
    let mut prepared = Prepared::default();
    for child in cx.schema.children_of(&target.entity) {
        let (definition, attribute) = (child.definition, &child.attribute.name);
        if !matches!(child.delete, Cascade::Cascade | Cascade::RemoveLink) {
            continue;
        }
        let points = Filter::condition(attribute, Operator::Eq, Value::EntityReference(target.clone()));
        let ids = cx.ids(definition, points).await?;
        if ids.is_empty() {
            continue;
        }
        if child.delete == Cascade::RemoveLink {
            let (entity, records) = (definition.logical_name.clone(), ids.len() as u64);
            prepared.events.push(Event::Unlinked { entity, attribute: attribute.clone(), records });
        }
        for id in ids {
            if definition.intersect {
                cx.transaction.delete(definition, id).await?;
            } else {
                prepared.cascade.push(Cascaded::Child {
                    definition: Arc::clone(definition),
                    id,
                    attribute: attribute.clone(),
                    parent: target.clone(),
                    deleted: child.delete == Cascade::Cascade,
                });
            }
        }
    }
    Ok(prepared)
}
