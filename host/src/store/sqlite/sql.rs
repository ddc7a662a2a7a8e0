//! The text of the statements on records. Names come from definitions, which allow only letters that need no quotes;
//! the prefixes keep them apart from SQL's own words. Values are always parameters.
//!
//! Building a text takes about as long as finding its prepared statement by it, a tenth of running it: so there is no
//! cache of texts. The text has every column's name and never `*`, so a statement prepared for an older definition is
//! simply another statement.

use crate::model::EntityDefinition;

use super::value::{Column, Place};

/// The names of a column, or of the two columns of a lookup with several targets, each with `after` behind it.
pub(super) fn push_columns(sql: &mut String, column: &Column<'_>, after: &str) {
    push_column(sql, column);
    sql.push_str(after);
    if column.has_entity() {
        push_entity_column(sql, column);
        sql.push_str(after);
    }
}

/// The name of the column, of its first for a lookup with several targets.
pub(super) fn push_column(sql: &mut String, column: &Column<'_>) {
    match column.place {
        Place::Id => sql.push_str("id"),
        Place::System => sql.push_str(column.attribute),
        Place::Own => {
            sql.push_str("c_");
            sql.push_str(column.attribute);
        }
    }
}

/// The name of the second column of a lookup with several targets.
pub(super) fn push_entity_column(sql: &mut String, column: &Column<'_>) {
    sql.push_str("t_");
    sql.push_str(column.attribute);
}

/// The name of an entity's table.
pub(super) fn push_table(sql: &mut String, definition: &EntityDefinition) {
    sql.push_str("e_");
    sql.push_str(&definition.logical_name);
}

/// Parameters: the identifier, then the columns' values.
pub(super) fn insert(definition: &EntityDefinition, columns: &[Column<'_>]) -> String {
    let mut sql = text("INSERT INTO ", definition, columns.len());
    sql.push_str(" (id");
    let mut parameters = String::with_capacity(2 * columns.len());
    for column in columns {
        sql.push(',');
        push_column(&mut sql, column);
        parameters.push_str(",?");
        if column.has_entity() {
            sql.push(',');
            push_entity_column(&mut sql, column);
            parameters.push_str(",?");
        }
    }
    sql.push_str(") VALUES (?");
    sql.push_str(&parameters);
    sql.push(')');
    sql
}

/// Parameters: the columns' values, then the identifier. Raises the version, unless it is given.
pub(super) fn update(definition: &EntityDefinition, columns: &[Column<'_>]) -> String {
    let mut sql = text("UPDATE ", definition, columns.len());
    sql.push_str(" SET ");
    for column in columns {
        push_columns(&mut sql, column, "=?,");
    }
    if columns.iter().any(Column::is_version) {
        sql.pop();
    } else {
        sql.push_str(RAISE_VERSION);
    }
    sql.push_str(" WHERE id=?");
    sql
}

/// Parameter: the identifier.
pub(super) fn delete(definition: &EntityDefinition) -> String {
    let mut sql = text("DELETE FROM ", definition, 0);
    sql.push_str(" WHERE id=?");
    sql
}

/// The identifier, then the columns, up to FROM and the table.
pub(super) fn select(definition: &EntityDefinition, columns: &[Column<'_>]) -> String {
    let mut sql = String::with_capacity(64 + 24 * columns.len());
    sql.push_str("SELECT ");
    for column in columns {
        push_columns(&mut sql, column, ",");
    }
    sql.push_str("id FROM ");
    push_table(&mut sql, definition);
    sql
}

/// Parameters: the target's identifier, and its entity where the lookup has several targets. One row, 0 or 1.
pub(super) fn is_referenced(definition: &EntityDefinition, lookup: &Column<'_>) -> String {
    let mut sql = text("SELECT EXISTS (SELECT 1 FROM ", definition, 2);
    sql.push_str(" WHERE ");
    push_points_to(&mut sql, lookup);
    sql.push(')');
    sql
}

const RAISE_VERSION: &str = "versionnumber=versionnumber+1";

fn push_points_to(sql: &mut String, lookup: &Column<'_>) {
    push_column(sql, lookup);
    sql.push_str("=?");
    if lookup.has_entity() {
        sql.push_str(" AND ");
        push_entity_column(sql, lookup);
        sql.push_str("=?");
    }
}

fn text(verb: &str, definition: &EntityDefinition, columns: usize) -> String {
    let mut sql = String::with_capacity(64 + 24 * columns);
    sql.push_str(verb);
    push_table(&mut sql, definition);
    sql
}
