//! Queries over the records of a fake organization.

use super::filter::{compare, holds, order, qualified};
use super::world::{Attributes, World};
use crate::query::{Join, LinkEntity, QueryExpression};
use crate::record::{ColumnSet, EntityCollection, Record};
use crate::value::{EntityReference, Value};
use crate::{Fault, Result, code};

/// A record with the attributes of its links, by `alias.attribute`.
#[derive(Clone)]
struct Row {
    reference: EntityReference,
    attributes: Attributes,
}

/// A host's limit.
const RECORDS_MAX: usize = 5000;

pub(super) fn select(world: &World, query: &QueryExpression) -> Result<EntityCollection> {
    let mut rows = Vec::new();
    for (reference, attributes) in world.records_of(&query.entity) {
        let row = Row { reference, attributes };
        rows.extend(joined(world, row, &query.links, None)?);
    }
    let mut found = Vec::new();
    for row in rows {
        let passes = query.filter.as_ref().map(|filter| holds(filter, &row.attributes, world.now));
        if passes.transpose()?.unwrap_or(true) {
            found.push(row);
        }
    }
    // The order of the records, by identifier, decides what the orders leave equal.
    found.sort_by(|one, other| order(&query.orders, &one.attributes, &other.attributes));

    let mut records = Vec::<Record>::new();
    for row in &found {
        let record = projected(query, row);
        if !query.distinct || !records.contains(&record) {
            records.push(record);
        }
    }
    let total = records.len();
    let (from, size) = window(query)?;
    let records: Vec<_> = records.into_iter().skip(from).take(size).collect();
    let next = from + records.len();
    let more_records = next < total && query.top.is_none();
    Ok(EntityCollection {
        entity: query.entity.clone(),
        records,
        more_records,
        paging_cookie: more_records.then(|| format!("after {next}")),
        total_record_count: query.count.then_some(total as u64),
    })
}

/// The row once for each combination of its links' records. `parent` is the alias of what they are joined to.
fn joined(world: &World, row: Row, links: &[LinkEntity], parent: Option<&str>) -> Result<Vec<Row>> {
    let mut rows = vec![row];
    for link in links {
        let mut next = Vec::new();
        for row in rows {
            let matches = matches(world, &row, link, parent)?;
            match link.join {
                Join::Inner => next.extend(matches),
                Join::Outer if matches.is_empty() => next.push(row),
                Join::Outer => next.extend(matches),
                Join::Exists if !matches.is_empty() => next.push(row),
                Join::NotExists if matches.is_empty() => next.push(row),
                Join::Exists | Join::NotExists => {}
            }
        }
        rows = next;
    }
    Ok(rows)
}

fn matches(world: &World, row: &Row, link: &LinkEntity, parent: Option<&str>) -> Result<Vec<Row>> {
    let to = row.attributes.get(&qualified(parent, &link.to)).cloned().unwrap_or_default();
    let mut found = Vec::new();
    for (_, attributes) in world.records_of(&link.entity) {
        let from = attributes.get(&link.from).unwrap_or(&Value::Null);
        if compare(from, &to).is_none_or(std::cmp::Ordering::is_ne) {
            continue;
        }
        if let Some(filter) = &link.filter
            && !holds(filter, &attributes, world.now)?
        {
            continue;
        }
        let mut row = row.clone();
        let named = attributes.into_iter().map(|(name, value)| (qualified(Some(&link.alias), &name), value));
        row.attributes.extend(named);
        found.extend(joined(world, row, &link.links, Some(&link.alias))?);
    }
    Ok(found)
}

/// The columns that the query asks for.
fn projected(query: &QueryExpression, row: &Row) -> Record {
    let mut record = Record::new(query.entity.clone());
    if !query.distinct {
        record.id = Some(row.reference.id);
    }
    match &query.columns {
        ColumnSet::All => {
            let own = row.attributes.iter().filter(|(name, _)| !name.contains('.'));
            record.attributes.extend(own.map(|(name, value)| (name.clone(), value.clone())));
            super::world::hide_system_attributes(&query.entity, &mut record.attributes);
        }
        ColumnSet::Named(names) => project(row, None, names, &mut record),
    }
    for link in &query.links {
        link_columns(link, row, &mut record);
    }
    record
}

fn link_columns(link: &LinkEntity, row: &Row, record: &mut Record) {
    if matches!(link.join, Join::Inner | Join::Outer) {
        match &link.columns {
            ColumnSet::Named(names) => project(row, Some(&link.alias), names, record),
            ColumnSet::All => {
                let prefix = format!("{}.", link.alias);
                let own = row.attributes.iter().filter(|(name, _)| name.starts_with(&prefix));
                record.attributes.extend(own.map(|(name, value)| (name.clone(), value.clone())));
            }
        }
        for link in &link.links {
            link_columns(link, row, record);
        }
    }
}

/// The named columns, null where there is no value.
fn project(row: &Row, link: Option<&str>, names: &[String], record: &mut Record) {
    for name in names {
        let name = qualified(link, name);
        let value = row.attributes.get(&name).cloned().unwrap_or_default();
        record.attributes.insert(name, value);
    }
}

/// Where the page begins, and how many records it may have.
fn window(query: &QueryExpression) -> Result<(usize, usize)> {
    let size = |count: u32| usize::try_from(count).unwrap_or(usize::MAX).min(RECORDS_MAX);
    let invalid = |text: String| Fault::new(text).with_code(code::INVALID_ARGUMENT);
    let Some(page) = &query.page else { return Ok((0, query.top.map_or(RECORDS_MAX, size))) };
    if query.top.is_some() {
        return Err(invalid("A query has a page or a top, not both.".to_owned()));
    }
    let from = match &page.cookie {
        None => 0,
        Some(cookie) => {
            let number = cookie.strip_prefix("after ").and_then(|number| number.parse().ok());
            number.ok_or_else(|| invalid(format!("`{cookie}` is not a paging cookie of this query.")))?
        }
    };
    Ok((from, size(page.size)))
}
