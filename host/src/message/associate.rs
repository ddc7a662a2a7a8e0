//! Associate and Disassociate: relate records, and take relations away.
//!
//! A many-to-many relationship keeps a pair for each relation. A one-to-many relationship is the lookup of the children,
//! which are changed by an Update each.

use async_trait::async_trait;
use uuid::Uuid;

use super::{
    Cascaded, CoreOperation, Done, Operation, Steps, Subject, Traits, check_names, invalid, missing,
    not_found, reference_target,
};
use crate::model::definition::{CREATED_BY, CREATED_ON, MODIFIED_BY, MODIFIED_ON, VERSION_NUMBER};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::request::parameter;
use crate::model::{
    Attributes, Entity, EntityReference, Filter, Message, Operator, Parameter, Parameters,
    RelationshipDefinition, RelationshipKind, Request, Schema, Value,
};

pub(super) struct Associate;
pub(super) struct Disassociate;

#[async_trait]
impl CoreOperation for Associate {
    fn name(&self) -> &'static str {
        Message::ASSOCIATE
    }

    fn traits(&self) -> Traits {
        TRAITS
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check(schema, message, input)
    }

    async fn perform(&self, cx: Operation<'_>, subject: &Subject, input: &Parameters) -> Result<Done> {
        let relation = Relation::of(cx.schema, self.name(), input)?;
        let (definition, id) = subject.record()?;
        if !cx.exists(relation.target).await? {
            return Err(not_found(self.name(), definition, id));
        }
        let mut cascade = Vec::new();
        for related in relation.related {
            match relation.sides {
                Sides::Pairs { own, other } => {
                    if !cx.exists(related).await? {
                        return Err(not_found(self.name(), cx.schema.entity(&related.entity)?, related.id));
                    }
                    pair(cx, &relation, [(own, relation.target), (other, related)]).await?;
                }
                Sides::Lookup { attribute, target_is_parent } => {
                    cascade.push(relation.link(related, attribute, target_is_parent, true));
                }
            }
        }
        Ok(Done { cascade, ..Done::default() })
    }
}

#[async_trait]
impl CoreOperation for Disassociate {
    fn name(&self) -> &'static str {
        Message::DISASSOCIATE
    }

    fn traits(&self) -> Traits {
        TRAITS
    }

    fn check(&self, schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
        check(schema, message, input)
    }

    async fn perform(&self, cx: Operation<'_>, _subject: &Subject, input: &Parameters) -> Result<Done> {
        let relation = Relation::of(cx.schema, self.name(), input)?;
        let mut cascade = Vec::new();
        for related in relation.related {
            match relation.sides {
                Sides::Pairs { own, other } => {
                    let is = |attribute: &str, reference: &EntityReference| {
                        Filter::condition(attribute, Operator::Eq, Value::EntityReference(reference.clone()))
                    };
                    let pairs = cx.schema.entity(&relation.definition.name)?;
                    let filter = Filter::All(vec![is(own, relation.target), is(other, related)]);
                    // A relation that there is not is taken away already.
                    for id in cx.ids(pairs, filter).await? {
                        cx.transaction.delete(pairs, id).await?;
                    }
                }
                Sides::Lookup { attribute, target_is_parent } => {
                    let (child, parent) = relation.roles(related, target_is_parent);
                    let definition = cx.schema.entity(&child.entity)?;
                    let points = Filter::All(vec![
                        Filter::condition(
                            definition.primary_id(),
                            Operator::Eq,
                            Value::UniqueIdentifier(child.id),
                        ),
                        Filter::condition(attribute, Operator::Eq, Value::EntityReference(parent.clone())),
                    ]);
                    if !cx.ids(definition, points).await?.is_empty() {
                        cascade.push(relation.link(related, attribute, target_is_parent, false));
                    }
                }
            }
        }
        Ok(Done { cascade, ..Done::default() })
    }
}

/// On the platform, steps on these messages are registered for no entity.
const TRAITS: Traits = Traits { writes: true, steps: Steps::EveryEntity, ..Traits::READ };

fn check(schema: &Schema, message: &str, input: &Parameters) -> Result<Subject> {
    check_names(message, input, &[parameter::TARGET, parameter::RELATIONSHIP, parameter::RELATED_ENTITIES])?;
    let relation = Relation::of(schema, message, input)?;
    let definition = schema.entity(&relation.target.entity)?;
    let secondary = relation.related.first().map(|related| related.entity.clone());
    Ok(Subject { secondary, ..Subject::new(definition, Some(relation.target.id)) })
}

/// A request to relate, seen from its target.
struct Relation<'a> {
    definition: &'a RelationshipDefinition,
    target: &'a EntityReference,
    related: &'a [EntityReference],
    sides: Sides<'a>,
}

/// How a relation is kept.
#[derive(Clone, Copy)]
enum Sides<'a> {
    /// As a pair with these lookups.
    Pairs { own: &'a str, other: &'a str },
    /// As the child's lookup.
    Lookup { attribute: &'a str, target_is_parent: bool },
}

impl<'a> Relation<'a> {
    fn of(schema: &'a Schema, message: &str, input: &'a Parameters) -> Result<Self> {
        let target = reference_target(message, input)?;
        let name = match input.get(parameter::RELATIONSHIP) {
            Some(Parameter::Value(Value::String(name))) => name,
            other => {
                return Err(missing(message, parameter::RELATIONSHIP, "the name of a relationship", other));
            }
        };
        let related = match input.get(parameter::RELATED_ENTITIES) {
            Some(Parameter::References(related)) if !related.is_empty() => related.as_slice(),
            other => {
                return Err(missing(
                    message,
                    parameter::RELATED_ENTITIES,
                    "at least one entity reference",
                    other,
                ));
            }
        };
        super::targets::check_count(message, related.len())?;
        let definition = schema.relationship(name)?;
        let (sides, [first, second]) = match &definition.kind {
            RelationshipKind::ManyToMany { entities: [first, second] } => {
                let pairs = schema.entity(name)?;
                let [own, other, ..] = &pairs.attributes[..] else {
                    return Err(Error::new(ErrorKind::Internal, format!("`{name}` has no two sides")));
                };
                let (own, other) = (own.name.as_str(), other.name.as_str());
                let swapped = *first != target.entity;
                let (own, other) = if swapped { (other, own) } else { (own, other) };
                (Sides::Pairs { own, other }, [first, second])
            }
            RelationshipKind::OneToMany { referenced, referencing, attribute, .. } => {
                let related_are_children = related.iter().all(|related| related.entity == *referencing);
                let target_is_parent = target.entity == *referenced && related_are_children;
                (Sides::Lookup { attribute, target_is_parent }, [referenced, referencing])
            }
        };
        let other_side = if target.entity == *first { Some(second) } else { None };
        let other_side = other_side.or_else(|| (target.entity == *second).then_some(first));
        let fits = other_side.is_some_and(|other| related.iter().all(|related| related.entity == *other));
        if !fits {
            let entities: Vec<&str> = related.iter().map(|related| related.entity.as_str()).collect();
            return Err(invalid(format!(
                "the relationship `{name}` relates `{first}` and `{second}`, not `{}` and {}",
                target.entity,
                entities.join(", ")
            )));
        }
        Ok(Self { definition, target, related, sides })
    }

    /// The child and the parent of a one-to-many relation.
    fn roles<'r>(
        &'r self,
        related: &'r EntityReference,
        target_is_parent: bool,
    ) -> (&'r EntityReference, &'r EntityReference) {
        if target_is_parent { (related, self.target) } else { (self.target, related) }
    }

    /// The Update that sets or clears the child's lookup.
    fn link(
        &self,
        related: &EntityReference,
        attribute: &str,
        target_is_parent: bool,
        set: bool,
    ) -> Cascaded {
        let (child, parent) = self.roles(related, target_is_parent);
        let value = if set { Value::EntityReference(parent.clone()) } else { Value::Null };
        let update = Entity::new(&child.entity).with_id(child.id).with(attribute, value);
        Cascaded::Request(Request::update(update))
    }
}

async fn pair(
    cx: Operation<'_>,
    relation: &Relation<'_>,
    sides: [(&str, &EntityReference); 2],
) -> Result<()> {
    let pairs = cx.schema.entity(&relation.definition.name)?;
    let mut attributes: Attributes = sides
        .iter()
        .map(|(attribute, side)| ((*attribute).to_owned(), Value::EntityReference((*side).clone())))
        .collect();
    attributes.insert(CREATED_ON.into(), Value::DateTime(cx.now));
    attributes.insert(CREATED_BY.into(), cx.user());
    attributes.insert(MODIFIED_ON.into(), Value::DateTime(cx.now));
    attributes.insert(MODIFIED_BY.into(), cx.user());
    attributes.insert(VERSION_NUMBER.into(), Value::BigInteger(1));
    let [(_, first), (_, second)] = sides;
    cx.transaction.insert(pairs, Uuid::now_v7(), &attributes).await.map_err(|error| {
        if error.kind() != ErrorKind::Duplicate {
            return error;
        }
        let name = &relation.definition.name;
        let problem = format!("{first} and {second} are related by `{name}` already");
        Error::new(ErrorKind::Duplicate, problem).with_source(error)
    })
}
