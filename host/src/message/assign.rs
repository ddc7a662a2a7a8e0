//! Assign: gives a record another owner, by an Update of its own, and its children with it.

use async_trait::async_trait;

use super::{
    Cascaded, CoreOperation, Done, Operation, Subject, Traits, check_names, invalid, reference_parameter,
    reference_target,
};
use crate::model::definition::{OWNER_ID, STATE_CODE};
use crate::model::error::Result;
use crate::model::request::parameter;
use crate::model::{
    Cascade, Entity, EntityReference, Filter, Message, Operator, Parameters, Request, Schema, Value,
};

pub(super) struct Assign;

#[async_trait]
impl CoreOperation for Assign {
    fn name(&self) -> &'static str {
        Message::ASSIGN
    }

    fn traits(&self) -> Traits {
        Traits { writes: true, pre_image: true, post_image: true, ..Traits::READ }
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check_names(message, input, &[parameter::TARGET, parameter::ASSIGNEE])?;
        let target = reference_target(message, input)?;
        let definition = schema.entity(&target.entity)?;
        if !definition.is_user_owned() {
            return Err(invalid(format!(
                "records of `{}` have no owner, so {message} does not apply; define the entity as user-owned",
                target.entity
            )));
        }
        let assignee = reference_parameter(message, input, parameter::ASSIGNEE)?.clone();
        let owner = [(OWNER_ID.to_owned(), Value::EntityReference(assignee))];
        definition.check_values(&owner.into_iter().collect())?;
        Ok(Subject::new(definition, Some(target.id)))
    }

    async fn perform(&self, _cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let (definition, id) = subject.record()?;
        let assignee = reference_parameter(self.name(), input, parameter::ASSIGNEE)?.clone();
        let update = Entity::new(&definition.logical_name).with_id(id).with(OWNER_ID, assignee);
        Ok(Done { cascade: vec![Cascaded::Request(Request::update(update))], ..Done::default() })
    }
}

/// The children that are assigned with a record whose owner changes. Those that have the new owner already are not, so
/// that a circle of records ends.
pub(super) async fn children(
    cx: Operation<'_>,
    parent: &EntityReference,
    from: &EntityReference,
    to: &EntityReference,
) -> Result<Vec<Cascaded>> {
    let mut cascade = Vec::new();
    if from == to {
        return Ok(cascade);
    }
    let owner = |operator, owner: &EntityReference| {
        Filter::condition(OWNER_ID, operator, Value::EntityReference(owner.clone()))
    };
    for child in cx.schema.children_of(&parent.entity) {
        let parent = Value::EntityReference(parent.clone());
        let mut filters =
            vec![Filter::condition(&child.attribute.name, Operator::Eq, parent), owner(Operator::Ne, to)];
        match child.assign {
            Cascade::Cascade => {}
            Cascade::Active => filters.push(Filter::condition(STATE_CODE, Operator::Eq, Value::Choice(0))),
            Cascade::UserOwned => filters.push(owner(Operator::Eq, from)),
            Cascade::NoCascade | Cascade::RemoveLink | Cascade::Restrict => continue,
        }
        for id in cx.ids(child.definition, Filter::All(filters)).await? {
            let child = EntityReference::new(&child.definition.logical_name, id);
            cascade.push(Cascaded::Request(Request::assign(child, to.clone())));
        }
    }
    Ok(cascade)
}
