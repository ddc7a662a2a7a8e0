//! Update and UpdateMultiple: write the attributes that targets carry.

use async_trait::async_trait;
use uuid::Uuid;

use super::targets::{self, Targets, without_identifier};
use super::{
    Cascaded, CoreOperation, Done, Operation, Rest, Subject, Traits, assign, check_names, entity_target,
    invalid, missing, not_found, system_job,
};
use crate::model::definition::MODIFIED_BY;
use crate::model::definition::{MODIFIED_ON, OWNER_ID, STATE_CODE, STATUS_CODE, VERSION_NUMBER};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{
    ColumnSet, Entity, EntityDefinition, EntityReference, Message, Parameter, Parameters, Schema, Value, code,
};
use crate::store::Lock;

pub(super) struct Update;

#[async_trait]
impl CoreOperation for Update {
    fn name(&self) -> &'static str {
        Message::UPDATE
    }

    fn traits(&self) -> Traits {
        Traits {
            writes: true,
            pre_image: true,
            post_image: true,
            filtering: true,
            target_is_written: true,
            parent_hop: true,
            counterpart: Some(Message::UPDATE_MULTIPLE),
            ..Traits::READ
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(
            message,
            input,
            &[parameter::TARGET, parameter::ROW_VERSION, parameter::CONCURRENCY_BEHAVIOR],
        )?;
        let target = entity_target(message, input)?;
        let definition = targets::writable_or_job(schema, message, &target.logical_name)?;
        if target.id.is_none() {
            return Err(without_identifier(message, &target.logical_name));
        }
        row_version(message, input)?;
        definition.check_values(&target.attributes)?;
        Ok(Subject::new(definition, target.id))
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let (definition, id) = subject.record()?;
        let version = row_version(self.name(), input)?;
        let (cascade, rest) = write(cx, definition, id, entity_target(self.name(), input)?, version).await?;
        Ok(Done { cascade, rest, ..Done::default() })
    }
}

pub(super) struct UpdateMultiple;

#[async_trait]
impl CoreOperation for UpdateMultiple {
    fn name(&self) -> &'static str {
        Message::UPDATE_MULTIPLE
    }

    fn traits(&self) -> Traits {
        Traits {
            image_property: parameter::TARGETS,
            target_is_written: false,
            counterpart: Some(Message::UPDATE),
            ..Update.traits()
        }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGETS])?;
        let targets = Targets::of(message, input)?;
        let definition = targets::writable_or_job(schema, message, targets.entity)?;
        targets.check_identifiers(message)?;
        targets.check_values(definition)?;
        Ok(Subject::new(definition, None))
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let definition = subject.definition()?;
        let mut cascade = Vec::new();
        for (index, target, id) in Targets::of(self.name(), input)?.distinct() {
            let written = write(cx, definition, id, target, None).await;
            cascade.append(&mut written.map_err(|error| targets::at(error, index))?.0);
        }
        Ok(Done { cascade, ..Done::default() })
    }
}

/// Writes the attributes, with what the host adds, and says which children are to be assigned with the record.
async fn write(
    cx: Operation<'_>,
    definition: &EntityDefinition,
    id: Uuid,
    target: &Entity,
    version: Option<i64>,
) -> Result<(Vec<Cascaded>, Option<Rest>)> {
    if definition.is_system_job() {
        if version.is_some() {
            check_version(definition, id, &current(cx, definition, id, false, false).await?, version)?;
        }
        return system_job::update(cx, id, target).await.map(|()| Default::default());
    }
    cx.check_references(definition, target).await?;
    let carries = |name: &str| target.attributes.contains_key(name);
    let (changes_state, changes_owner) =
        (carries(STATE_CODE) || carries(STATUS_CODE), carries(OWNER_ID) && definition.is_user_owned());

    let mut attributes = target.attributes.clone();
    let mut owners = None;
    if changes_state || changes_owner || version.is_some() {
        let current = current(cx, definition, id, changes_state, changes_owner).await?;
        check_version(definition, id, &current, version)?;
        if changes_state {
            definition.resolve_state(state_of(&current), &mut attributes)?;
        }
        owners = current.get(OWNER_ID).cloned().zip(target.get(OWNER_ID).cloned());
    }
    attributes.insert(MODIFIED_ON.into(), Value::DateTime(cx.now));
    attributes.insert(MODIFIED_BY.into(), cx.user());
    if !cx.transaction.update(definition, id, &attributes).await? {
        return Err(not_found(Message::UPDATE, definition, id));
    }
    match owners {
        Some((Value::EntityReference(from), Value::EntityReference(to))) => {
            let parent = EntityReference::new(&definition.logical_name, id);
            let cascade = assign::children(cx, &parent, &from, &to).await?;
            Ok((cascade, Some(Rest::Assign { parent, from, to })))
        }
        _ => Ok(Default::default()),
    }
}

/// What of the record decides about the write.
pub(super) async fn current(
    cx: Operation<'_>,
    definition: &EntityDefinition,
    id: Uuid,
    state: bool,
    owner: bool,
) -> Result<Entity> {
    let mut names = vec![VERSION_NUMBER];
    if state {
        names.extend([STATE_CODE, STATUS_CODE]);
    }
    if owner {
        names.push(OWNER_ID);
    }
    let found = cx.transaction.retrieve(definition, id, &ColumnSet::named(names), Lock::Update).await?;
    found.ok_or_else(|| not_found(Message::UPDATE, definition, id))
}

pub(super) fn state_of(record: &Entity) -> Option<(i32, i32)> {
    match (record.get(STATE_CODE), record.get(STATUS_CODE)) {
        (Some(Value::Choice(state)), Some(Value::Choice(status))) => Some((*state, *status)),
        _ => None,
    }
}

/// The version that a request wants the record to have; none if it does not ask.
pub(super) fn row_version(message: &str, input: &Parameters) -> Result<Option<i64>> {
    let version = match input.get(parameter::ROW_VERSION) {
        None => None,
        Some(Parameter::Value(Value::BigInteger(version))) => Some(*version),
        other => return Err(missing(message, parameter::ROW_VERSION, "a big-integer", other)),
    };
    match input.get(parameter::CONCURRENCY_BEHAVIOR) {
        None | Some(Parameter::Value(Value::Choice(0))) => Ok(version),
        Some(Parameter::Value(Value::Choice(1))) if version.is_none() => {
            let problem = format!(
                "{message} demands that the row version matches and does not give it; add the parameter `{}`",
                parameter::ROW_VERSION
            );
            Err(invalid(problem).with_code(code::CONCURRENCY_VERSION_NOT_PROVIDED))
        }
        Some(Parameter::Value(Value::Choice(1))) => Ok(version),
        Some(Parameter::Value(Value::Choice(2))) => Ok(None),
        other => Err(missing(
            message,
            parameter::CONCURRENCY_BEHAVIOR,
            "a choice: 0 by default, 1 if the row version matches, 2 always",
            other,
        )),
    }
}

/// An error unless the record has the version that was asked for.
pub(super) fn check_version(
    definition: &EntityDefinition,
    id: Uuid,
    record: &Entity,
    version: Option<i64>,
) -> Result<()> {
    let Some(wanted) = version else { return Ok(()) };
    match record.get(VERSION_NUMBER) {
        Some(Value::BigInteger(actual)) if *actual == wanted => Ok(()),
        actual => Err(Error::new(
            ErrorKind::Conflict,
            format!(
                "the record {id} of `{}` has the version {}, not {wanted}: somebody wrote it meanwhile; read it again \
                 and decide anew",
                definition.logical_name,
                actual.unwrap_or(&Value::Null)
            ),
        )),
    }
}
