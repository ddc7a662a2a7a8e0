//! Made-up requests, for plugins that come without any: each step that they declare gets its turn.

use std::collections::{BTreeMap, BTreeSet};

use rust_decimal::prelude::ToPrimitive;
use uuid::Uuid;

use super::report::plan::Registered;
use super::requests::{Expect, Scripted};
use crate::model::definition::USER_ENTITY;
use crate::model::error::Result;
use crate::model::step::{Declaration, SYSTEM_USER};
use crate::model::{
    AttributeDefinition, AttributeType, ColumnSet, DateTime, Entity, EntityDefinition, EntityReference,
    Message, Ownership, Parameter, Query, Request, Schema, Value, request::parameter,
};

/// The entity on which steps for every entity are tried.
const STAND_IN: &str = "sample";

/// 2030-01-31T12:00:00Z: a fixed moment, so that two runs make up the same records.
const MOMENT: DateTime = DateTime(1_896_091_200_000);
/// Milliseconds of half a day.
const HALF_A_DAY: i64 = 43_200_000;

/// The definitions that the plugins' declarations ask for, without what `schema` has already. An entity that only a
/// lookup mentions is defined without attributes.
pub(super) fn definitions<'d>(
    declared: impl IntoIterator<Item = &'d Declaration>,
    steps: &[Registered],
    schema: &Schema,
) -> Result<Vec<EntityDefinition>> {
    let mut definitions: BTreeMap<String, EntityDefinition> = BTreeMap::new();
    for entity in declared.into_iter().map(Declaration::definitions).collect::<Result<Vec<_>>>()?.concat() {
        let name = &entity.logical_name;
        let definition = definitions.entry(name.clone()).or_insert_with(|| EntityDefinition::new(name));
        let existing = schema.entities.get(name);
        if entity.ownership == Ownership::User {
            definition.ownership = entity.ownership;
        }
        if definition.states.is_empty() && existing.is_none_or(|existing| existing.states.is_empty()) {
            definition.states = entity.states;
        }
        for attribute in entity.attributes {
            let known = existing.is_some_and(|existing| existing.readable_type(&attribute.name).is_ok());
            if !known && definition.readable_type(&attribute.name).is_err() {
                definition.attributes.push(attribute);
            }
        }
    }
    let targets: BTreeSet<String> = definitions.values().flat_map(lookup_targets).collect();
    let missing = |name: &&String| !definitions.contains_key(*name) && !schema.entities.contains_key(*name);
    let bare: Vec<EntityDefinition> = targets.iter().filter(missing).map(EntityDefinition::new).collect();
    let mut all: Vec<EntityDefinition> = definitions.into_values().chain(bare).collect();
    if steps.iter().any(|step| needs_stand_in(steps, step)) {
        let name = AttributeType::String { max_length: 100 };
        all.push(EntityDefinition::new(STAND_IN).with("name", name));
    }
    Ok(all)
}

/// Whether a step is on every entity and no other step of its message names one. An entity that its plugin declares would
/// not do: it is what the step works with, for example the audit log, and often left out by it.
fn needs_stand_in(steps: &[Registered], step: &Registered) -> bool {
    let names_one = |other: &Registered| {
        other.definition.entity.is_some() && other.definition.message == step.definition.message
    };
    step.definition.entity.is_none() && !steps.iter().any(names_one)
}

fn lookup_targets(definition: &EntityDefinition) -> Vec<String> {
    let targets = definition.attributes.iter().filter_map(|attribute| match &attribute.attribute_type {
        AttributeType::Lookup { targets } => Some(targets.clone()),
        _ => None,
    });
    targets.flatten().collect()
}

/// Requests that give every step that is enabled its turn: for each entity the messages that steps wait for, in the order of a record's
/// life, on a record that is created first. `new_id` gives each made-up record its identifier.
pub(super) fn requests(
    steps: &[Registered],
    schema: &Schema,
    user: Uuid,
    new_id: &mut dyn FnMut() -> Uuid,
) -> Vec<Scripted> {
    let mut wanted: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for step in steps.iter().filter(|step| step.definition.enabled) {
        let entity = match step.definition.entity.as_deref() {
            Some(entity) => entity,
            // Without the stand-in, the step is tried with those that other steps name.
            None if needs_stand_in(steps, step) => STAND_IN,
            None => continue,
        };
        wanted.entry(entity).or_default().insert(&step.definition.message);
    }
    let mut made = Maker { steps, schema, user, new_id, records: BTreeMap::new(), scripted: Vec::new() };
    if user == SYSTEM_USER {
        made.caller(wanted.contains_key(USER_ENTITY));
    }
    for (entity, messages) in wanted {
        made.life_of(entity, &messages);
    }
    made.scripted
}

/// A second try for a Create with a made-up record, should it be refused: with the required attributes alone.
pub(super) fn again(scripted: &Scripted, schema: &Schema) -> Option<Scripted> {
    let Scripted { expect: Expect::Any, request, .. } = scripted else { return None };
    let Some(Parameter::Entity(target)) = request.parameters.get(parameter::TARGET) else { return None };
    let definition = schema.entities.get(&target.logical_name)?;
    let mut bare = Entity::clone(target);
    bare.attributes.retain(|name, _| definition.attribute(name).is_some_and(|attribute| attribute.required));
    if request.message != Message::CREATE || bare.attributes == target.attributes {
        return None;
    }
    let note = Some("again, with nothing but required attributes".to_owned());
    let request = Request { user: request.user, ..Request::create(bare) };
    Some(Scripted { note, expect: Expect::Any, request })
}

struct Maker<'a> {
    steps: &'a [Registered],
    schema: &'a Schema,
    user: Uuid,
    new_id: &'a mut dyn FnMut() -> Uuid,
    /// The records created so far, by entity.
    records: BTreeMap<String, Uuid>,
    scripted: Vec<Scripted>,
}

impl Maker<'_> {
    /// Where users are records, whoever asks should be one: steps look their caller up.
    fn caller(&mut self, is_tried: bool) {
        let Some(definition) = self.schema.entities.get(USER_ENTITY).cloned() else { return };
        if !is_tried {
            self.user = self.create(&definition, Variant::Background, &mut BTreeSet::new());
        }
    }

    fn life_of(&mut self, entity: &str, messages: &BTreeSet<&str>) {
        let Some(definition) = self.schema.entities.get(entity).cloned() else { return };
        let id = self.create(&definition, Variant::First, &mut BTreeSet::new());
        let reference = EntityReference::new(entity, id);
        let columns = ColumnSet::All;
        if messages.contains(Message::RETRIEVE) {
            self.push(entity, "reads it", Request::retrieve(reference.clone(), columns));
        }
        if messages.contains(Message::RETRIEVE_MULTIPLE) {
            let mut query = Query::new(entity);
            query.top = Some(5);
            self.push(entity, "reads them all", Request::retrieve_multiple(query));
        }
        if messages.contains(Message::UPDATE) {
            // Every attribute, so that no filter holds a step back, and other values than before.
            let target = self.record(&definition, Variant::Second, id);
            self.push(entity, "changes it", Request::update(target));
        }
        if messages.contains(Message::DELETE) {
            // A record of its own: others may point to the first.
            let id = self.create_another(&definition, Variant::First);
            self.push(entity, "deletes it", Request::delete(EntityReference::new(entity, id)));
        }
    }

    /// The entity's record, created first if there is none yet, and before it those that it points to.
    fn create(
        &mut self,
        definition: &EntityDefinition,
        variant: Variant,
        under_way: &mut BTreeSet<String>,
    ) -> Uuid {
        if let Some(id) = self.records.get(&definition.logical_name) {
            return *id;
        }
        under_way.insert(definition.logical_name.clone());
        for target in lookup_targets(definition) {
            // One that is under way already points back here; its lookup stays empty.
            if !self.records.contains_key(&target)
                && !under_way.contains(&target)
                && let Some(other) = self.schema.entities.get(&target).cloned()
            {
                self.create(&other, Variant::Background, under_way);
            }
        }
        let id = self.create_another(definition, variant);
        self.records.insert(definition.logical_name.clone(), id);
        id
    }

    fn create_another(&mut self, definition: &EntityDefinition, variant: Variant) -> Uuid {
        let id = (self.new_id)();
        let target = self.record(definition, variant, id);
        self.push(&definition.logical_name, "made-up record", Request::create(target));
        id
    }

    fn record(&self, definition: &EntityDefinition, variant: Variant, id: Uuid) -> Entity {
        let mut record = Entity::new(&definition.logical_name).with_id(id);
        for attribute in &definition.attributes {
            if let Some(value) = self.value(attribute, variant, id) {
                record.attributes.insert(attribute.name.clone(), value);
            }
        }
        record
    }

    /// A plausible value for the record `id`; none for a lookup without another record to point to.
    fn value(&self, attribute: &AttributeDefinition, variant: Variant, id: Uuid) -> Option<Value> {
        let number: i32 = match variant {
            Variant::First => 1,
            Variant::Second => 2,
            Variant::Background => 1_000,
        };
        let within = |number: i32| attribute.range.nearest(number.into());
        Some(match &attribute.attribute_type {
            AttributeType::Boolean => Value::Boolean(variant != Variant::Second),
            AttributeType::Integer => Value::Integer(within(number * 10).to_i32()?),
            AttributeType::BigInteger => Value::BigInteger(within(number * 1000).to_i64()?),
            AttributeType::Double => Value::Double(within(number).to_f64()?),
            AttributeType::Decimal { .. } => Value::Decimal(within((number * 10).min(100))),
            AttributeType::Money { .. } => Value::Money(within(number * 100)),
            AttributeType::String { max_length } => {
                Value::String(text(&attribute.name, variant, *max_length))
            }
            AttributeType::DateTime => {
                let moment = if attribute.date_only { MOMENT.0 - HALF_A_DAY } else { MOMENT.0 };
                Value::DateTime(match variant {
                    Variant::Second => DateTime(moment + 2 * HALF_A_DAY),
                    Variant::First | Variant::Background => DateTime(moment),
                })
            }
            AttributeType::UniqueIdentifier => {
                Value::UniqueIdentifier(Uuid::from_u128(u128::from(number.unsigned_abs())))
            }
            AttributeType::Choice { options } => Value::Choice(option(options, variant, number)),
            AttributeType::Choices { options } => Value::Choices(vec![option(options, variant, number)]),
            AttributeType::Lookup { targets } => {
                let other = |target: &String| {
                    let other = *self.records.get(target)?;
                    (other != id).then(|| EntityReference::new(target, other))
                };
                Value::EntityReference(targets.iter().find_map(other)?)
            }
        })
    }

    /// Adds a request on that entity; its note says which steps wait for it.
    fn push(&mut self, entity: &str, note: &str, request: Request) {
        let waits = |step: &&Registered| {
            let definition = &step.definition;
            definition.message == request.message
                && definition.entity.as_deref().is_none_or(|other| other == entity)
        };
        let names: Vec<&str> = self.steps.iter().filter(waits).map(|step| step.key.step.as_str()).collect();
        let note =
            if names.is_empty() { note.to_owned() } else { format!("{note}, for {}", names.join(", ")) };
        let request = request.as_user(self.user);
        self.scripted.push(Scripted { note: Some(note), expect: Expect::Any, request });
    }
}

/// Which values a record gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Variant {
    /// Those of a new record.
    First,
    /// Others: an Update must change something.
    Second,
    /// Those of a record that is only there for others: ample numbers, since they tend to be limits.
    Background,
}

/// A text that fits the attribute's name, where the name says what it holds.
fn text(name: &str, variant: Variant, max_length: u32) -> String {
    let [first, second] = match name {
        _ if name.contains("email") => ["ada@example.com", "grace@example.com"].map(str::to_owned),
        _ if name.contains("phone") => ["+1 555 0100", "+1 555 0101"].map(str::to_owned),
        _ if name.contains("url") || name.contains("website") => {
            ["https://example.com", "https://example.org"].map(str::to_owned)
        }
        _ => [format!("Sample {name}"), format!("Sample {name} changed")],
    };
    let text = match variant {
        Variant::First | Variant::Background => first,
        Variant::Second => second,
    };
    text.chars().take(usize::try_from(max_length).unwrap_or(usize::MAX)).collect()
}

fn option(options: &[i32], variant: Variant, number: i32) -> i32 {
    let chosen = match variant {
        Variant::First | Variant::Background => options.first(),
        Variant::Second => options.last(),
    };
    chosen.copied().unwrap_or(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::step::{AttributeDeclaration, EntityDeclaration, StepKey};
    use crate::model::{Stage, StepDefinition};

    fn declared(entity: &str, attributes: &[(&str, &str, &[&str])]) -> Declaration {
        let attribute = |(name, attribute_type, targets): &(&str, &str, &[&str])| AttributeDeclaration {
            name: (*name).into(),
            attribute_type: (*attribute_type).into(),
            targets: targets.iter().map(|target| (*target).to_owned()).collect(),
        };
        let entity = EntityDeclaration {
            logical_name: entity.into(),
            attributes: attributes.iter().map(attribute).collect(),
        };
        Declaration { entities: vec![entity], ..Declaration::default() }
    }

    fn step(message: &str, entity: Option<&str>) -> Registered {
        let mut definition = StepDefinition::new(format!("on_{message}"), message, Stage::PreOperation);
        definition.entity = entity.map(str::to_owned);
        Registered::declared(StepKey { plugin: "p".into(), step: definition.name.clone() }, definition)
    }

    fn tried(steps: &[Registered], declared: &[Declaration]) -> Vec<String> {
        let schema = Schema::default();
        let definitions = definitions(declared, steps, &schema).unwrap();
        let schema = schema.extended(&definitions.clone().into()).unwrap();
        let mut next = 0;
        let mut new_id = || {
            next += 1;
            Uuid::from_u128(next)
        };
        let requests = requests(steps, &schema, Uuid::nil(), &mut new_id);
        for scripted in &requests {
            if let Some(Parameter::Entity(target)) = scripted.request.parameters.get(parameter::TARGET) {
                let definition = schema.entity(&target.logical_name).unwrap();
                definition.check_values(&target.attributes).unwrap();
            }
        }
        let name = |scripted: &Scripted| match scripted.request.parameters.get(parameter::TARGET) {
            Some(Parameter::Entity(target)) => {
                let lookups =
                    target.attributes.values().filter(|value| matches!(value, Value::EntityReference(_)));
                format!(
                    "{} {} with {} lookups",
                    scripted.request.message,
                    target.logical_name,
                    lookups.count()
                )
            }
            Some(Parameter::Value(Value::EntityReference(target))) => {
                format!("{} {}", scripted.request.message, target.entity)
            }
            _ => scripted.request.message.clone(),
        };
        requests.iter().map(name).collect()
    }

    #[test]
    fn a_record_is_created_after_those_that_it_points_to_and_then_lives() {
        let declared = [
            declared("account", &[("name", "string", &[]), ("parent", "lookup", &["account"])]),
            declared("task", &[("due", "date-time", &[]), ("about", "lookup", &["account", "lead"])]),
        ];
        let steps =
            [step("Update", Some("task")), step("Delete", Some("task")), step("Retrieve", Some("account"))];
        assert_eq!(
            tried(&steps, &declared),
            [
                "Create account with 0 lookups",
                "Retrieve account",
                "Create lead with 0 lookups",
                "Create task with 1 lookups",
                "Update task with 1 lookups",
                "Create task with 1 lookups",
                "Delete task",
            ]
        );
    }

    #[test]
    fn every_declared_type_has_a_value_that_its_definition_allows() {
        let types = [
            "boolean",
            "integer",
            "big-integer",
            "double",
            "decimal",
            "money",
            "string",
            "date-time",
            "unique-identifier",
            "choice",
            "choices",
        ];
        let attributes: Vec<(&str, &str, &[&str])> = types.iter().map(|name| ("x", *name, &[][..])).collect();
        for attribute in attributes {
            let tried = tried(&[step("Update", Some("thing"))], &[declared("thing", &[attribute])]);
            assert_eq!(tried.len(), 2, "{attribute:?}");
        }
    }

    #[test]
    fn values_keep_to_their_constraints() {
        let deal = EntityDefinition::new("deal")
            .with_attribute(AttributeDefinition::new("rank", AttributeType::Integer).at_most(3))
            .with_attribute(AttributeDefinition::new("share", AttributeType::Double).at_least(50).at_most(60))
            .with_attribute(AttributeDefinition::new("day", AttributeType::DateTime).date_only());
        let schema = Schema::default().extended(&vec![deal].into()).unwrap();
        let steps = [step("Update", Some("deal"))];
        let requests = requests(&steps, &schema, Uuid::nil(), &mut Uuid::now_v7);
        assert_eq!(requests.len(), 2);
        for scripted in &requests {
            let Some(Parameter::Entity(target)) = scripted.request.parameters.get(parameter::TARGET) else {
                panic!("{scripted:?}");
            };
            assert_eq!(target.attributes.len(), 3);
            schema.entity("deal").unwrap().check_values(&target.attributes).unwrap();
        }
    }

    #[test]
    fn declared_owners_and_states_come_with_what_implies_them() {
        let attributes: [(&str, &str, &[&str]); 3] = [
            ("ownerid", "lookup", &["systemuser"]),
            ("statecode", "choice", &[]),
            ("createdby", "lookup", &["systemuser"]),
        ];
        let definitions = definitions(&[declared("deal", &attributes)], &[], &Schema::default()).unwrap();
        assert_eq!(definitions, [EntityDefinition::new("deal").user_owned().with_default_states()]);
        let schema = Schema::default().extended(&definitions.into()).unwrap();
        assert_eq!(schema.entity("deal").unwrap().attributes.len(), 3);
    }

    #[test]
    fn a_step_on_every_entity_gets_one_even_where_none_is_declared() {
        assert_eq!(tried(&[step("Create", None)], &[]), ["Create sample with 0 lookups"]);
    }

    #[test]
    fn a_note_names_the_steps_that_the_request_is_for() {
        let steps = [step("Update", Some("account")), step("Update", None)];
        let definitions = definitions(&[declared("account", &[])], &steps, &Schema::default()).unwrap();
        let schema = Schema::default().extended(&definitions.clone().into()).unwrap();
        let requests = requests(&steps, &schema, Uuid::nil(), &mut Uuid::now_v7);
        let notes: Vec<&str> = requests.iter().filter_map(|scripted| scripted.note.as_deref()).collect();
        assert_eq!(notes, ["made-up record", "changes it, for on_Update, on_Update"]);
    }

    #[test]
    fn an_unknown_type_is_named() {
        let declared = [declared("account", &[("shape", "polygon", &[])])];
        let error = definitions(&declared, &[], &Schema::default()).unwrap_err();
        let error = error.message();
        assert!(error.contains("`account.shape`") && error.contains("`polygon`"), "{error}");
    }
}
