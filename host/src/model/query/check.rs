//! Whether a query fits the definitions, and the limits of it. Every store takes what passes, and none has to look again.

use std::collections::BTreeMap;

use crate::model::definition::{SYSTEM_ATTRIBUTES, nearest};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::{Filter, Join, Link, Operator, Query, RECORDS_MAX};
use crate::model::{AttributeType, ColumnSet, EntityDefinition, Schema, Value, ValueType};

/// Conditions of a query at most, as on the platform. Databases limit the depth of an expression.
pub const CONDITIONS_MAX: usize = 500;
/// Values in all conditions of a query together: SQLite takes 32 766 parameters, PostgreSQL 65 535, and a reference
/// takes two. Those of a link count once for each link that they are in, since a statement may have to ask for a match
/// before it joins it.
pub const VALUES_MAX: usize = 10_000;
/// Groups of conditions, or joins, inside one another at most.
pub const DEPTH_MAX: usize = 32;
/// Attributes to sort by at most.
pub const ORDERS_MAX: usize = 100;
/// Joins of a query at most, as on the platform.
pub const LINKS_MAX: usize = 15;
/// Characters of a link's alias at most.
pub const ALIAS_LENGTH_MAX: usize = 100;
/// Columns of a distinct query at most: each is compared, and its value is part of the page cookie.
pub const DISTINCT_COLUMNS_MAX: usize = 100;
/// Characters of a pattern at most: matching takes time with its length.
pub const PATTERN_LENGTH_MAX: usize = 1000;

impl Query {
    /// An error if the query asks for what the definitions do not have, compares what cannot be compared, contradicts
    /// itself, or is larger than any store takes.
    pub fn check(&self, schema: &Schema) -> Result<()> {
        let definition = schema.entity(&self.entity)?;
        definition.check_columns(&self.columns)?;
        let mut check = Check { query: self, schema, links: BTreeMap::new(), conditions: 0, values: 0 };
        for link in &self.links {
            check.link(link, definition, true, 1)?;
        }
        if let Some(filter) = &self.filter {
            check.filter(Scope { definition, alias: None, times: 1 }, filter, 0)?;
        }
        check.orders(definition)?;
        check.page()?;
        if self.distinct { check.distinct(definition) } else { Ok(()) }
    }
}

struct Check<'q> {
    query: &'q Query,
    schema: &'q Schema,
    /// By alias; the definition of those whose attributes can be named.
    links: BTreeMap<&'q str, Option<&'q EntityDefinition>>,
    conditions: usize,
    values: usize,
}

/// What the conditions of a filter are on.
#[derive(Clone, Copy)]
struct Scope<'q> {
    definition: &'q EntityDefinition,
    /// Of the link whose filter it is.
    alias: Option<&'q str>,
    /// How often its values count.
    times: usize,
}

impl<'q> Check<'q> {
    /// `joined` unless it is inside of one that only asks whether there is a match.
    fn link(
        &mut self,
        link: &'q Link,
        parent: &'q EntityDefinition,
        joined: bool,
        depth: usize,
    ) -> Result<()> {
        let definition = self.schema.entity(&link.entity)?;
        let alias = link.alias.as_str();
        let wrong = |reason: &str| {
            let Link { entity, alias, .. } = link;
            Err(self.refusal(&format!("has the link `{alias}` to `{entity}`, which {reason}")))
        };
        if !(1..=ALIAS_LENGTH_MAX).contains(&alias.len())
            || !alias.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            return wrong(&format!("needs an alias of 1 to {ALIAS_LENGTH_MAX} letters, digits and `_`"));
        }
        if self.links.contains_key(alias) {
            return wrong("has an alias that is there already; choose another");
        }
        if self.links.len() == LINKS_MAX || depth > DEPTH_MAX {
            return wrong(&format!("is one too many; {LINKS_MAX} is the most"));
        }
        if let Some(reason) = difference(definition, &link.from, parent, &link.to)? {
            return wrong(&reason);
        }
        definition.check_columns(&link.columns)?;
        let joined = joined && matches!(link.join, Join::Inner | Join::Outer);
        if !joined && link.columns != ColumnSet::Named(Vec::new()) {
            return wrong("asks whether there is a match and so has no columns; remove them, or join it");
        }
        self.links.insert(alias, joined.then_some(definition));
        if let Some(filter) = &link.filter {
            self.filter(Scope { definition, alias: Some(alias), times: depth }, filter, 0)?;
        }
        link.links.iter().try_for_each(|inner| self.link(inner, definition, joined, depth + 1))
    }

    fn filter(&mut self, scope: Scope<'q>, part: &Filter, depth: usize) -> Result<()> {
        if depth > DEPTH_MAX {
            return Err(self.refusal(&format!("nests its conditions more than {DEPTH_MAX} deep")));
        }
        match part {
            Filter::All(parts) | Filter::Any(parts) => {
                parts.iter().try_for_each(|part| self.filter(scope, part, depth + 1))?;
            }
            Filter::Condition { link, attribute, operator, values } => {
                self.conditions += 1;
                self.values += values.len() * scope.times;
                condition(self.conditioned(scope, link.as_deref())?, attribute, *operator, values)?;
            }
        }
        if self.conditions > CONDITIONS_MAX {
            return Err(self.refusal(&format!("has more than {CONDITIONS_MAX} conditions; split it")));
        }
        if self.values > VALUES_MAX {
            return Err(self.refusal(&format!("compares with more than {VALUES_MAX} values; split it")));
        }
        Ok(())
    }

    fn conditioned(&self, scope: Scope<'q>, link: Option<&str>) -> Result<&'q EntityDefinition> {
        match (scope.alias, link) {
            (_, None) => Ok(scope.definition),
            (None, Some(alias)) => self.joined(alias),
            (Some(own), Some(alias)) if own == alias => Ok(scope.definition),
            (Some(own), Some(alias)) => Err(self.refusal(&format!(
                "has a condition on `{alias}` in the filter of the link `{own}`; a link's filter is on its own \
                 attributes, so put the condition into the query's filter"
            ))),
        }
    }

    fn joined(&self, alias: &str) -> Result<&'q EntityDefinition> {
        match self.links.get(alias) {
            Some(Some(definition)) => Ok(definition),
            Some(None) => Err(self.refusal(&format!(
                "names an attribute of the link `{alias}`, which only asks whether there is a match; use the link's own \
                 filter, or join it"
            ))),
            None => {
                let known = nearest(alias, self.links.keys().copied());
                Err(self.refusal(&format!("names the link `{alias}`, which it does not have{known}")))
            }
        }
    }

    fn orders(&self, definition: &'q EntityDefinition) -> Result<()> {
        let orders = &self.query.orders;
        if orders.len() > ORDERS_MAX {
            return Err(
                self.refusal(&format!("sorts by {} attributes; {ORDERS_MAX} is the most", orders.len()))
            );
        }
        for order in orders {
            let definition = match &order.link {
                Some(alias) => self.joined(alias)?,
                None => definition,
            };
            definition.readable_type(&order.attribute)?;
        }
        Ok(())
    }

    fn page(&self) -> Result<()> {
        let Some(page) = &self.query.page else { return Ok(()) };
        if self.query.top.is_some() {
            return Err(self.refusal("has both a `top` and a page; remove one"));
        }
        if page.size == 0 || page.size > RECORDS_MAX {
            let size = page.size;
            return Err(
                self.refusal(&format!("asks for pages of {size} records; 1 to {RECORDS_MAX} is possible"))
            );
        }
        Ok(())
    }

    /// What a distinct query sorts by has to be among its columns, or equal combinations could have several places.
    fn distinct(&self, definition: &'q EntityDefinition) -> Result<()> {
        let mut count = column_count(definition, &self.query.columns);
        let mut waiting: Vec<&Link> = self.query.links.iter().collect();
        while let Some(link) = waiting.pop() {
            count += column_count(self.schema.entity(&link.entity)?, &link.columns);
            waiting.extend(&link.links);
        }
        if count == 0 || count > DISTINCT_COLUMNS_MAX {
            return Err(self.refusal(&format!(
                "is distinct over {count} columns; name 1 to {DISTINCT_COLUMNS_MAX} of them"
            )));
        }
        for order in &self.query.orders {
            let columns = match &order.link {
                None => Some(&self.query.columns),
                Some(alias) => find(&self.query.links, alias).map(|link| &link.columns),
            };
            // All attributes are without the identifier.
            let identifier = order.link.is_none() && order.attribute == definition.primary_id();
            let has = match columns {
                Some(ColumnSet::All) => !identifier,
                Some(ColumnSet::Named(names)) => names.contains(&order.attribute),
                None => false,
            };
            if !has {
                return Err(self.refusal(&format!(
                    "is distinct and sorts by `{}`, which is not one of its columns; add it to them",
                    order.attribute
                )));
            }
        }
        Ok(())
    }

    fn refusal(&self, reason: &str) -> Error {
        Error::new(ErrorKind::InvalidRequest, format!("the query over `{}` {reason}", self.query.entity))
    }
}

fn find<'q>(links: &'q [Link], alias: &str) -> Option<&'q Link> {
    links.iter().find_map(|link| if link.alias == alias { Some(link) } else { find(&link.links, alias) })
}

fn column_count(definition: &EntityDefinition, columns: &ColumnSet) -> usize {
    match columns {
        ColumnSet::All => definition.attributes.len() + SYSTEM_ATTRIBUTES.len(),
        ColumnSet::Named(names) => names.len(),
    }
}

/// Why two attributes cannot be compared for a join; none if they can.
fn difference(
    definition: &EntityDefinition,
    from: &str,
    parent: &EntityDefinition,
    to: &str,
) -> Result<Option<String>> {
    let (a, b) = (definition.readable_type(from)?, parent.readable_type(to)?);
    let names_record = |value_type| matches!(value_type, ValueType::UniqueIdentifier | ValueType::Lookup);
    if names_record(a) && names_record(b) {
        let (x, y) = (records_of(definition, from), records_of(parent, to));
        // Records of two entities may share an identifier on purpose; a lookup never points elsewhere.
        let points = a == ValueType::Lookup || b == ValueType::Lookup;
        let apart = points && !x.is_empty() && !y.is_empty() && !x.iter().any(|entity| y.contains(entity));
        let (x, y) = (x.join(", "), y.join(", "));
        return Ok(apart.then(|| format!("compares `{from}`, which is of {x}, with `{to}`, which is of {y}")));
    }
    // Exact numbers are kept at the scale of their definitions.
    let scaled = matches!(a, ValueType::Decimal | ValueType::Money);
    let differ =
        a != b || a == ValueType::Choices || scaled && definition.readable(from)? != parent.readable(to)?;
    Ok(differ.then(|| format!("compares `{from}`, a {a}, with `{to}`, a {b}; both must be of one type")))
}

/// The entities whose identifiers the attribute has; none if of any.
fn records_of(definition: &EntityDefinition, name: &str) -> Vec<String> {
    match definition.readable(name) {
        Ok(AttributeType::Lookup { targets }) => targets.clone(),
        Ok(_) if definition.is_primary_id(name) => vec![definition.logical_name.clone()],
        _ => Vec::new(),
    }
}

fn condition(
    definition: &EntityDefinition,
    attribute: &str,
    operator: Operator,
    values: &[Value],
) -> Result<()> {
    let attribute_type = definition.readable_type(attribute)?;
    let wrong = |reason: String| {
        Err(Error::new(
            ErrorKind::InvalidRequest,
            format!("the condition `{attribute} {operator}` on `{}` {reason}", definition.logical_name),
        ))
    };
    let arity = operator.arity();
    if !arity.accepts(values.len()) {
        return wrong(format!("takes {arity}, not {}", values.len()));
    }
    let Some(operand) = operator.operand(attribute_type) else {
        return wrong(format!("is not possible: `{attribute}` is a {attribute_type}"));
    };
    for value in values {
        let Some(value_type) = value.value_type() else {
            return wrong("compares with null; use the operators `null` and `not-null`".into());
        };
        // A lookup can be compared with an identifier alone: identifiers are unique across entities.
        let names_record = operand == ValueType::Lookup && value_type == ValueType::UniqueIdentifier;
        if value_type != operand && !names_record {
            return wrong(format!("needs a value of type {operand}, not {value_type} ({value})"));
        }
        if let Err(reason) = operand_fits(definition, attribute, operator, value) {
            return wrong(reason);
        }
    }
    Ok(())
}

fn operand_fits(
    definition: &EntityDefinition,
    attribute: &str,
    operator: Operator,
    value: &Value,
) -> Result<(), String> {
    match value {
        Value::Double(number) if !number.is_finite() => Err(format!("needs a finite number, not {number}")),
        Value::Integer(number) if operator.counts() && *number < 1 => {
            Err(format!("needs a number of 1 or more, not {number}"))
        }
        Value::String(text) if text.contains('\0') => {
            Err("has the character U+0000, which no store keeps; take it out".into())
        }
        Value::String(text) if operator.is_pattern() && text.chars().count() > PATTERN_LENGTH_MAX => {
            Err(format!("has a pattern of more than {PATTERN_LENGTH_MAX} characters"))
        }
        Value::EntityReference(reference) => {
            let targets = records_of(definition, attribute);
            if targets.is_empty() || targets.contains(&reference.entity) {
                return Ok(());
            }
            Err(format!(
                "compares with a `{}`, but `{attribute}` can only point to {}",
                reference.entity,
                targets.join(", ")
            ))
        }
        _ => Ok(()),
    }
}
