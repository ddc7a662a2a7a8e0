//! Queries with their values typed by the schema.

use std::collections::BTreeMap;

use serde_json::value::RawValue;

use super::raw::{RawFilter, RawLink, RawQuery};
use super::source::{decode, object};
use super::typed::Reader;
use crate::cli::failure::Failure;
use crate::model::query::Arity;
use crate::model::{ColumnSet, EntityDefinition, Filter, Link, Operator, Order, Query, ValueType};

/// How deeply filters and joins nest at most: far more than a person writes, and little enough for the stack.
const DEPTH_MAX: u32 = 32;

/// The entities of a query: its own, and those of its joins by alias.
struct Scope<'c> {
    own: &'c EntityDefinition,
    links: BTreeMap<String, &'c EntityDefinition>,
}

impl<'s, 'c> Reader<'s, 'c> {
    /// A query.
    pub(super) fn query(&self, raw: &'s RawValue, path: &str) -> Result<Query, Failure> {
        let given: RawQuery<'s> = object(self.source, raw.get(), path)?;
        let own = self.definition(given.entity, path)?;
        let mut scope = Scope { own, links: BTreeMap::new() };
        let mut query = Query::new(&own.logical_name);
        query.columns = self.columns(given.columns, own, ColumnSet::All, &format!("{path}.columns"))?;
        query.links = self.links(&given.links, own, &mut scope, &format!("{path}.links"), 1)?;
        query.filter = self.optional_filter(given.filter, own, &scope, path)?;
        for (index, order) in given.orders.iter().enumerate() {
            let path = format!("{path}.orders[{index}]");
            let read: Order = object(self.source, order.get(), &path)?;
            let definition = self.in_scope(&scope, own, read.link.as_deref(), order, &path)?;
            self.readable(definition, &read.attribute, order, &path)?;
            query.orders.push(read);
        }
        query.top = given.top;
        query.page = given.page;
        query.distinct = given.distinct;
        query.count = given.count;
        Ok(query)
    }

    fn links(
        &self,
        list: &[&'s RawValue],
        parent: &'c EntityDefinition,
        scope: &mut Scope<'c>,
        path: &str,
        depth: u32,
    ) -> Result<Vec<Link>, Failure> {
        let mut links = Vec::new();
        for (index, raw) in list.iter().enumerate() {
            let path = format!("{path}[{index}]");
            let given: RawLink<'s> = object(self.source, raw.get(), &path)?;
            if depth > DEPTH_MAX {
                let message = format!("the joins nest more than {DEPTH_MAX} levels deep");
                return Err(self.wrong(message, raw, &path));
            }
            let definition = self.definition(given.entity, &path)?;
            self.readable(definition, &given.from, raw, &format!("{path}.from"))?;
            self.readable(parent, &given.to, raw, &format!("{path}.to"))?;
            if scope.links.insert(given.alias.clone(), definition).is_some() {
                let message = format!("two joins have the alias `{}`; give each its own", given.alias);
                return Err(self.wrong(message, raw, &path));
            }
            let none = ColumnSet::Named(Vec::new());
            let columns = self.columns(given.columns, definition, none, &format!("{path}.columns"))?;
            let below = self.links(&given.links, definition, scope, &format!("{path}.links"), depth + 1)?;
            let filter = self.optional_filter(given.filter, definition, scope, &path)?;
            links.push(Link {
                entity: definition.logical_name.clone(),
                from: given.from,
                to: given.to,
                alias: given.alias,
                join: given.join,
                columns,
                filter,
                links: below,
            });
        }
        Ok(links)
    }

    fn optional_filter(
        &self,
        raw: Option<&'s RawValue>,
        own: &'c EntityDefinition,
        scope: &Scope<'c>,
        path: &str,
    ) -> Result<Option<Filter>, Failure> {
        raw.map(|raw| self.filter(raw, own, scope, &format!("{path}.filter"), 1)).transpose()
    }

    fn filter(
        &self,
        raw: &'s RawValue,
        own: &'c EntityDefinition,
        scope: &Scope<'c>,
        path: &str,
        depth: u32,
    ) -> Result<Filter, Failure> {
        if depth > DEPTH_MAX {
            let message = format!("the filter nests more than {DEPTH_MAX} levels deep; flatten it");
            return Err(self.wrong(message, raw, path));
        }
        let filter: RawFilter<'s> = object(self.source, raw.get(), path)?;
        let parts = |parts: &[&'s RawValue], name: &str| {
            let path = format!("{path}.{name}");
            let part = |(index, raw): (usize, &&'s RawValue)| {
                self.filter(raw, own, scope, &format!("{path}[{index}]"), depth + 1)
            };
            parts.iter().enumerate().map(part).collect::<Result<Vec<_>, _>>()
        };
        let tests =
            [filter.attribute, filter.operator, filter.value, filter.link].iter().any(Option::is_some)
                || filter.values.is_some();
        match (&filter.all, &filter.any) {
            (Some(list), None) if !tests => parts(list, "all").map(Filter::All),
            (None, Some(list)) if !tests => parts(list, "any").map(Filter::Any),
            (None, None) => self.condition(&filter, raw, own, scope, path),
            _ => Err(self.wrong(FORMS, raw, path)),
        }
    }

    fn condition(
        &self,
        given: &RawFilter<'s>,
        raw: &'s RawValue,
        own: &'c EntityDefinition,
        scope: &Scope<'c>,
        path: &str,
    ) -> Result<Filter, Failure> {
        let (Some(attribute), Some(operator)) = (given.attribute, given.operator) else {
            return Err(self.wrong(FORMS, raw, path));
        };
        let attribute_path = format!("{path}.attribute");
        let name: String = decode(self.source, attribute.get(), &attribute_path)?;
        let link: Option<String> =
            given.link.map(|link| decode(self.source, link.get(), &format!("{path}.link"))).transpose()?;
        let definition = self.in_scope(scope, own, link.as_deref(), raw, path)?;
        // Checked here too, for a condition without values.
        let attribute_type = self.readable(definition, &name, attribute, &attribute_path)?;
        let values = match (given.value, &given.values) {
            (Some(_), Some(_)) => {
                let message = "a condition has either \"value\" or \"values\"; remove one";
                return Err(self.wrong(message, raw, path));
            }
            (Some(value), None) => vec![value],
            (None, values) => values.clone().unwrap_or_default(),
        };
        let operator_path = format!("{path}.operator");
        let parsed = self.operator(operator, &operator_path)?;
        let impossible = |reason: String| {
            self.wrong(format!("the operator `{parsed}` {reason}"), operator, &operator_path)
        };
        if let Some(needs) = needs(parsed.arity(), values.len()) {
            return Err(impossible(needs));
        }
        let operand = parsed
            .operand(attribute_type)
            .ok_or_else(|| impossible(format!("is not possible: `{name}` is a {attribute_type}")))?;
        let value = |raw: &&'s RawValue| {
            if operand == attribute_type {
                self.value(definition, &name, raw, path)
            } else {
                self.typed(raw, operand.into(), path)
            }
        };
        let values = values.iter().map(value).collect::<Result<_, _>>()?;
        Ok(Filter::Condition { link, attribute: name, operator: parsed, values })
    }

    fn operator(&self, raw: &RawValue, path: &str) -> Result<Operator, Failure> {
        let name: String = decode(self.source, raw.get(), path)?;
        Operator::parse(&name).ok_or_else(|| {
            let known: Vec<&str> = Operator::ALL.into_iter().map(Operator::name).collect();
            let message = format!("the operator `{name}` is not known; use one of {}", known.join(", "));
            self.wrong(message, raw, path)
        })
    }

    /// The entity that a condition or an order speaks of.
    fn in_scope(
        &self,
        scope: &Scope<'c>,
        own: &'c EntityDefinition,
        link: Option<&str>,
        raw: &RawValue,
        path: &str,
    ) -> Result<&'c EntityDefinition, Failure> {
        let Some(link) = link else { return Ok(own) };
        scope.links.get(link).copied().ok_or_else(|| {
            let known: Vec<&str> = scope.links.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let message = format!(
                "the query on `{}` has no join with the alias `{link}`; there are {known}",
                scope.own.logical_name
            );
            self.wrong(message, raw, path)
        })
    }

    fn readable(
        &self,
        definition: &EntityDefinition,
        attribute: &str,
        raw: &RawValue,
        path: &str,
    ) -> Result<ValueType, Failure> {
        definition.readable_type(attribute).map_err(|error| self.wrong(error.message(), raw, path))
    }
}

/// What is wrong with so many values; none if they are right.
fn needs(arity: Arity, values: usize) -> Option<String> {
    (!arity.accepts(values)).then(|| match arity {
        Arity::None => "takes no value; remove it".to_owned(),
        Arity::One => "needs one value other than null; test for null with `null` or `not-null`".to_owned(),
        Arity::Two | Arity::Any => format!("takes {arity}; write \"values\": [...]"),
    })
}

const FORMS: &str = "a filter is {\"all\": [...]}, {\"any\": [...]}, or {\"attribute\": ..., \"operator\": ..., \"value\": ...}";
