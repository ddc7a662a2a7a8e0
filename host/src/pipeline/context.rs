//! The context: what a step is told of the message that it runs in, and what a job keeps of that.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::model::request::parameter;
use crate::model::{
    ColumnSet, DateTime, Entity, Image, ImageType, Mode, Parameter, Parameters, Stage, Value,
};
use crate::pipeline::registry::Step;

/// Shared variables of a message at most, and their bytes: they are copied to every asynchronous job.
pub const SHARED_VARIABLES_MAX: usize = 1000;
/// Bytes of all shared variables of a message at most.
pub const SHARED_BYTES_MAX: usize = 1 << 20;

/// Shared variables by name.
pub type SharedVariables = BTreeMap<String, Value>;

/// The facts about a message execution, as its steps see them. Cloning shares the records. What is not there is not written:
/// a job that waits carries its context through every write of its row.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Context {
    /// The message.
    pub message: String,
    /// The stage that is running.
    pub stage: Stage,
    /// How the running step runs.
    pub mode: Mode,
    /// 1 for a request from outside.
    pub depth: u32,
    /// The entity that the message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entity: Option<String>,
    /// The record that the message is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<Uuid>,
    /// The entity on the other side of an Associate or a Disassociate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary_entity: Option<String>,
    /// Who the step acts as.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub user: Uuid,
    /// Who started the work.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub initiating_user: Uuid,
    /// The same for everything that one request leads to.
    #[serde(default, skip_serializing_if = "Uuid::is_nil")]
    pub correlation_id: Uuid,
    /// When the first request of the correlation arrived.
    #[serde(default, skip_serializing_if = "is_unset")]
    pub correlated_since: DateTime,
    /// How many levels of a cascade are between this request and the step, or the caller from outside, that began it; 0
    /// for a request that they issued.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub cascade: u32,
    /// This execution.
    pub request_id: Uuid,
    /// The system job that runs the step, for an asynchronous one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationContext>,
    /// Whether the step's writes can be rolled back with the message.
    #[serde(default, skip_serializing_if = "is_false")]
    pub is_in_transaction: bool,
    /// The input parameters.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub input: Parameters,
    /// The output parameters, from PostOperation on.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub output: Parameters,
    /// The shared variables.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub shared: Arc<SharedVariables>,
    /// The record before the core operation, with every attribute that some step's image asks for; of a bulk message
    /// each of its records.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pre_images: Vec<Option<Arc<Entity>>>,
    /// The record after it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub post_images: Vec<Option<Arc<Entity>>>,
    /// In a Delete, the children before the cascade, by relationship; of a bulk message those of each of its records.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub children: BTreeMap<String, Vec<Arc<Vec<Entity>>>>,
    /// The context that this one came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Arc<Context>>,
}

fn is_empty(shared: &Arc<SharedVariables>) -> bool {
    shared.is_empty()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_unset(moment: &DateTime) -> bool {
    *moment == DateTime::default()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(flag: &bool) -> bool {
    !flag
}

/// The system job behind an asynchronous run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct OperationContext {
    /// Its identifier.
    pub id: Uuid,
    /// When it was queued.
    pub created_on: DateTime,
}

impl Context {
    /// The context as those that come from it see it: without its parameters and images, which nobody reads there. A
    /// second owner of the target would make the next change of it copy every attribute, and a job's snapshot would have
    /// it twice.
    pub(crate) fn to_parent(&self) -> Self {
        Self {
            message: self.message.clone(),
            entity: self.entity.clone(),
            secondary_entity: self.secondary_entity.clone(),
            operation: self.operation.clone(),
            input: Parameters::new(),
            output: Parameters::new(),
            shared: Arc::clone(&self.shared),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: BTreeMap::new(),
            parent: self.parent.clone(),
            ..*self
        }
    }

    /// The context as a job of an asynchronous step keeps it. Its ancestors are of the same correlation, which is written
    /// once.
    pub(crate) fn to_snapshot(&self) -> Self {
        fn lean(ancestor: &Context) -> Arc<Context> {
            Arc::new(Context {
                correlation_id: Uuid::nil(),
                correlated_since: DateTime::default(),
                parent: ancestor.parent.as_deref().map(lean),
                ..ancestor.to_parent()
            })
        }
        let parent = self.parent.as_deref().map(lean);
        Self { mode: Mode::Asynchronous, is_in_transaction: false, parent, ..self.clone() }
    }

    /// The context that such a snapshot is of.
    pub(crate) fn of_snapshot(mut snapshot: Self) -> Self {
        let mut ancestor = &mut snapshot.parent;
        while let Some(context) = ancestor {
            let context = Arc::make_mut(context);
            context.correlation_id = snapshot.correlation_id;
            context.correlated_since = snapshot.correlated_since;
            ancestor = &mut context.parent;
        }
        snapshot
    }

    /// The context `level` steps up: 1 is the parent.
    #[must_use]
    pub fn ancestor(&self, level: u32) -> Option<&Self> {
        let mut context = self;
        for _ in 0..level {
            context = context.parent.as_deref()?;
        }
        Some(context)
    }

    /// The target, where the message has a record as one.
    #[must_use]
    pub fn target(&self) -> Option<&Entity> {
        match self.input.get(parameter::TARGET) {
            Some(Parameter::Entity(entity)) => Some(entity),
            _ => None,
        }
    }

    /// What a step sees as its target: the record, or a bare reference to it.
    #[must_use]
    pub fn target_entity(&self, columns: &ColumnSet) -> Option<Entity> {
        match self.input.get(parameter::TARGET)? {
            Parameter::Entity(entity) => Some(entity.select(columns)),
            parameter => {
                let reference = parameter.reference()?;
                Some(Entity::new(&reference.entity).with_id(reference.id))
            }
        }
    }

    /// The record that a Retrieve returns, from PostOperation on.
    #[must_use]
    pub fn output_entity(&self) -> Option<&Entity> {
        match self.output.get(parameter::BUSINESS_ENTITY)? {
            Parameter::Entity(entity) => Some(entity),
            _ => None,
        }
    }

    /// One side of an image that `step` registered, narrowed to `columns`; of a bulk message that of its first record.
    #[must_use]
    pub fn image(&self, step: &Step, side: Side, alias: &str, columns: &ColumnSet) -> Option<Entity> {
        let image = step.image(side, alias)?;
        let record = self.records(side).first()?.as_ref()?;
        Some(record.select(&narrowed(image, columns)))
    }

    /// One side of an image for each record of the message; empty if the step registered none of that alias.
    #[must_use]
    pub fn images(&self, step: &Step, side: Side, alias: &str, columns: &ColumnSet) -> Vec<Option<Entity>> {
        let Some(image) = step.image(side, alias) else { return Vec::new() };
        let columns = narrowed(image, columns);
        let records = self.records(side).iter();
        records.map(|record| record.as_ref().map(|record| record.select(&columns))).collect()
    }

    /// The children that an image of a Delete asked for, as they were before the cascade.
    #[must_use]
    pub fn children_image(&self, step: &Step, alias: &str, columns: &ColumnSet) -> Vec<Entity> {
        let image = step.definition.images.iter().find(|image| image.alias == alias);
        let Some((image, relationship)) = image.and_then(|image| Some((image, image.relationship.as_ref()?)))
        else {
            return Vec::new();
        };
        let columns = narrowed(image, columns);
        let children = self.children.get(relationship).and_then(|records| records.first());
        let children = children.into_iter().flat_map(|children| children.iter());
        children.map(|child| child.select(&columns)).collect()
    }

    /// The records that the message is about, in the order of its targets.
    pub(crate) fn subjects(&self) -> Vec<Option<Uuid>> {
        records_of(&self.input, self.record)
    }

    /// The record that the message's target of that index is.
    pub(crate) fn subject(&self, index: usize) -> Option<Uuid> {
        match self.input.get(parameter::TARGETS) {
            Some(Parameter::Entities(targets)) => targets.entities.get(index)?.id,
            Some(Parameter::References(targets)) => targets.get(index).map(|target| target.id),
            _ => self.record.filter(|_| index == 0),
        }
    }

    fn records(&self, side: Side) -> &[Option<Arc<Entity>>] {
        match side {
            Side::Pre => &self.pre_images,
            Side::Post => &self.post_images,
        }
    }
}

pub(super) fn records_of(input: &Parameters, record: Option<Uuid>) -> Vec<Option<Uuid>> {
    match input.get(parameter::TARGETS) {
        Some(Parameter::Entities(targets)) => targets.entities.iter().map(|target| target.id).collect(),
        Some(Parameter::References(targets)) => targets.iter().map(|target| Some(target.id)).collect(),
        _ => vec![record],
    }
}

/// What of an image's columns `columns` selects.
fn narrowed(image: &Image, columns: &ColumnSet) -> ColumnSet {
    match columns {
        _ if image.attributes.is_empty() => columns.clone(),
        ColumnSet::All => ColumnSet::Named(image.attributes.clone()),
        ColumnSet::Named(names) => {
            ColumnSet::Named(names.iter().filter(|name| image.attributes.contains(name)).cloned().collect())
        }
    }
}

/// A side of the core operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Before it.
    Pre,
    /// After it.
    Post,
}

impl Side {
    /// Whether images of that type have this side.
    #[must_use]
    pub fn is_of(self, image_type: ImageType) -> bool {
        match self {
            Self::Pre => image_type.is_pre(),
            Self::Post => image_type.is_post(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Message;

    fn context(depth: u32, parent: Option<Context>) -> Context {
        Context {
            message: Message::CREATE.to_owned(),
            stage: Stage::PostOperation,
            mode: Mode::Synchronous,
            depth,
            entity: None,
            record: None,
            secondary_entity: None,
            user: Uuid::nil(),
            initiating_user: Uuid::nil(),
            correlation_id: Uuid::from_u128(7),
            correlated_since: DateTime(5),
            cascade: 0,
            request_id: Uuid::from_u128(depth.into()),
            operation: None,
            is_in_transaction: true,
            input: Parameters::new(),
            output: Parameters::new(),
            shared: Arc::default(),
            pre_images: Vec::new(),
            post_images: Vec::new(),
            children: BTreeMap::new(),
            parent: parent.map(Arc::new),
        }
    }

    #[test]
    fn a_snapshot_has_the_correlation_once_and_gives_it_back_to_every_ancestor() {
        let nested = context(3, Some(context(2, Some(context(1, None)))));
        let written = rmp_serde::to_vec_named(&nested.to_snapshot()).unwrap();
        let names = written.windows(14).filter(|bytes| bytes == b"correlation_id");
        assert_eq!(names.count(), 1);
        let read = Context::of_snapshot(rmp_serde::from_slice(&written).unwrap());
        assert_eq!((read.mode, read.is_in_transaction), (Mode::Asynchronous, false));
        for level in 0..3 {
            let (then, now) = (nested.ancestor(level).unwrap(), read.ancestor(level).unwrap());
            assert_eq!(
                (now.correlation_id, now.correlated_since),
                (then.correlation_id, then.correlated_since)
            );
            assert_eq!((now.request_id, now.depth), (then.request_id, then.depth));
        }
        assert!(read.ancestor(3).is_none());
    }
}
