//! Cascades that go on as jobs: what is left of one can be found again at any time, so that a job which was stopped goes on
//! where the records say.

use serde::{Deserialize, Serialize};

use super::{Cascaded, Operation, assign};
use crate::model::error::Result;
use crate::model::{Cascade, Entity, EntityReference, Filter, Operator, Request, Value};

/// A cascade.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rest {
    /// Of a Delete: the children that are deleted with the record, and those that lose their link to it.
    Delete {
        /// The record that is to be deleted.
        parent: EntityReference,
    },
    /// Of a record's new owner.
    Assign {
        /// The record that was assigned.
        parent: EntityReference,
        /// Who owned it.
        from: EntityReference,
        /// Who owns it.
        to: EntityReference,
    },
}

impl Rest {
    /// The record whose cascade it is.
    #[must_use]
    pub fn parent(&self) -> &EntityReference {
        match self {
            Self::Delete { parent } | Self::Assign { parent, .. } => parent,
        }
    }

    /// The requests that are still to be run, each about one child.
    pub(crate) async fn requests(&self, cx: Operation<'_>) -> Result<Vec<Request>> {
        match self {
            Self::Delete { parent } => detaching(cx, parent).await,
            Self::Assign { parent, from, to } => {
                let cascade = assign::children(cx, parent, from, to).await?;
                let requests = cascade.into_iter().filter_map(|cascaded| match cascaded {
                    Cascaded::Request(request) => Some(request),
                    Cascaded::Child { .. } => None,
                });
                Ok(requests.collect())
            }
        }
    }
}

/// The pairs of many-to-many relationships are left to the Delete of the record itself.
async fn detaching(cx: Operation<'_>, parent: &EntityReference) -> Result<Vec<Request>> {
    let mut requests = Vec::new();
    for child in cx.schema.children_of(&parent.entity).filter(|child| !child.definition.intersect) {
        let (entity, attribute) = (&child.definition.logical_name, &child.attribute.name);
        let request = |id| match child.delete {
            Cascade::Cascade => Some(Request::delete(EntityReference::new(entity, id))),
            Cascade::RemoveLink => {
                Some(Request::update(Entity::new(entity).with_id(id).with(attribute, Value::Null)))
            }
            _ => None,
        };
        let points = Filter::condition(attribute, Operator::Eq, Value::EntityReference(parent.clone()));
        requests.extend(cx.ids(child.definition, points).await?.into_iter().filter_map(request));
    }
    Ok(requests)
}
