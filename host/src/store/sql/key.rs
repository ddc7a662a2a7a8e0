//! Alternate keys: unique indexes, and the errors of what they refuse.
//!
//! An index is partial, since a record with a null among a key's values is outside of the key: databases would allow any
//! number of those by themselves, but would keep an entry of each.

use uuid::Uuid;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::fault::code;
use crate::model::{Attributes, Entity, EntityDefinition, KeyDefinition, Value};

use super::column::Column;
use super::{Dialect, push_table};

/// Appends the name of the index of the key with that number.
pub(in crate::store) fn push_index_name(text: &mut String, definition: &EntityDefinition, number: usize) {
    text.push_str(&format!("k_{}_{number}", definition.logical_name));
}

/// The statement that makes the index of a key, which is the one with that number.
pub(in crate::store) fn index(
    dialect: Dialect,
    definition: &EntityDefinition,
    number: usize,
    key: &KeyDefinition,
) -> Result<String> {
    let columns = columns(definition, key)?;
    let mut ddl = String::from("CREATE UNIQUE INDEX ");
    push_index_name(&mut ddl, definition, number);
    ddl.push_str(" ON ");
    push_table(&mut ddl, definition);
    ddl.push_str(&format!(" ({}) WHERE {}", names(dialect, &columns).join(","), complete(&columns)));
    Ok(ddl)
}

/// The query for the identifiers of two records with the same values of a key. No row if there are none.
pub(in crate::store) fn same_values(
    dialect: Dialect,
    definition: &EntityDefinition,
    key: &KeyDefinition,
) -> Result<String> {
    let columns = columns(definition, key)?;
    let mut select = String::from(match dialect {
        Dialect::Sqlite => "SELECT min(id), max(id) FROM ",
        // It has no smallest identifier.
        Dialect::Postgres => "SELECT min(id::text)::uuid, max(id::text)::uuid FROM ",
    });
    push_table(&mut select, definition);
    select.push_str(&format!(
        " WHERE {} GROUP BY {} HAVING count(*) > 1 LIMIT 1",
        complete(&columns),
        names(dialect, &columns).join(",")
    ));
    Ok(select)
}

/// The error of a record that has the values of another. `stored` is what the record had before, if it existed.
pub(in crate::store) fn duplicate(
    definition: &EntityDefinition,
    key: &KeyDefinition,
    attributes: &Attributes,
    stored: Option<&Entity>,
) -> Error {
    let value = |name: &String| {
        attributes.get(name).or_else(|| stored.and_then(|record| record.get(name))).unwrap_or(&Value::Null)
    };
    let values: Vec<String> = key.attributes.iter().map(|name| format!("{name} = {}", value(name))).collect();
    Error::new(
        ErrorKind::Duplicate,
        format!(
            "another record of `{}` has these values of the alternate key `{}` already: {}; update that record, or choose \
             other values",
            definition.logical_name,
            key.name,
            values.join(", ")
        ),
    )
    .with_code(code::DUPLICATE_KEY)
}

/// The error of a key that the records there do not keep. `example` are two of them, see [`same_values`].
pub(in crate::store) fn has_duplicates(
    definition: &EntityDefinition,
    key: &KeyDefinition,
    example: Option<(Uuid, Uuid)>,
) -> Error {
    let entity = &definition.logical_name;
    let example = example.map_or_else(String::new, |(one, other)| format!(", for example {one} and {other}"));
    Error::new(
        ErrorKind::InvalidDefinition,
        format!(
            "the key {key} of `{entity}` cannot be made: there are records with the same values{example}; change or delete \
             those, then define the key again"
        ),
    )
}

/// The columns of a key's attributes.
pub(in crate::store) fn columns<'a>(
    definition: &'a EntityDefinition,
    key: &'a KeyDefinition,
) -> Result<Vec<Column<'a>>> {
    key.attributes.iter().map(|name| Column::of(definition, name)).collect()
}

/// What an index has of columns: what they are compared by.
pub(in crate::store) fn names(dialect: Dialect, columns: &[Column<'_>]) -> Vec<String> {
    let mut names = Vec::with_capacity(columns.len());
    for column in columns {
        let mut name = String::new();
        column.push_name(&mut name);
        names.push(if dialect.folds(column) { format!("lower({name})") } else { name });
        if column.has_entity() {
            let mut name = String::new();
            column.push_entity_name(&mut name);
            names.push(name);
        }
    }
    names
}

/// The condition that no value is null.
fn complete(columns: &[Column<'_>]) -> String {
    let mut conditions = Vec::with_capacity(columns.len());
    for column in columns {
        let mut condition = String::new();
        column.push_name(&mut condition);
        condition.push_str(" IS NOT NULL");
        conditions.push(condition);
    }
    conditions.join(" AND ")
}
