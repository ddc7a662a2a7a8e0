//! What the databases have in common: the statements on records, the queries and the tables, written once and rendered for
//! each [`Dialect`]. A store runs them, and reads its own rows.
//!
//! Names come from definitions, which allow only letters that need no quotes; the prefixes `e_`, `c_` and `t_` keep them
//! apart from SQL's own words. Values are always parameters.
//!
//! **Text** is compared, sorted and told apart without regard to ASCII case, the rest by its bytes. SQLite's columns do that
//! by themselves, with `COLLATE NOCASE`. PostgreSQL's have the collation `C`, in which `lower` folds ASCII alone: so every
//! comparison is of `lower(column)`, indexes too, and what it is compared with is folded here.
//!
//! **Null** is the smallest in both directions.

pub(in crate::store) mod column;
pub(in crate::store) mod failure;
pub(in crate::store) mod key;
pub(in crate::store) mod parameter;
pub(in crate::store) mod query;
pub(in crate::store) mod statement;
pub(in crate::store) mod table;
#[cfg(test)]
mod tests;

use std::fmt::{Display, Write as _};

use crate::model::error::Result;
use crate::model::{EntityDefinition, Value};

use column::Column;
use parameter::Parameter;
use query::position::Part;
use query::selection::Field;

/// What differs between the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Dialect {
    /// SQLite.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// A row that a store has read.
pub(in crate::store) trait Row {
    /// Reads the value of a column at `index` of the row, and moves `index` behind it: by two for a lookup with several
    /// targets, whose second column is the entity.
    fn value(&self, column: &Column<'_>, index: &mut usize) -> Result<Value>;

    /// Reads what a position says of a field, which the row has at `place`. Of a lookup that is the identifier alone, since
    /// the entity is a field of its own and may be anywhere.
    fn part(&self, field: &Field<'_>, place: usize) -> Result<Part>;
}

/// A statement's text and its parameters, in the order of their marks.
#[derive(Debug)]
pub(in crate::store) struct Sql<'v> {
    /// The text.
    pub(in crate::store) text: String,
    /// The parameters.
    pub(in crate::store) parameters: Vec<Parameter<'v>>,
    dialect: Dialect,
}

impl<'v> Sql<'v> {
    /// An empty one, with room for `columns` names and as many parameters as given.
    pub(in crate::store) fn new(dialect: Dialect, columns: usize, parameters: usize) -> Self {
        let text = String::with_capacity(64 + 24 * columns);
        Self { text, parameters: Vec::with_capacity(parameters), dialect }
    }

    /// Which database it is for.
    pub(in crate::store) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Appends text.
    pub(in crate::store) fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Appends what is displayed.
    fn push_display(&mut self, value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "{value}");
    }

    /// Appends the mark of a parameter, and keeps the parameter.
    pub(in crate::store) fn push_parameter(&mut self, parameter: Parameter<'v>) {
        self.parameters.push(parameter);
        self.push_mark(self.parameters.len());
    }

    /// Appends the mark of a parameter that is there or will be. Numbers begin with 1. SQLite's marks have none: it counts
    /// for itself, and the text is shorter.
    fn push_mark(&mut self, number: usize) {
        match self.dialect {
            Dialect::Sqlite => self.push("?"),
            Dialect::Postgres => {
                self.push("$");
                self.push_display(number);
            }
        }
    }

    /// As [`push_parameter`](Self::push_parameter), of what a column is [compared](Self::push_compared) with.
    pub(in crate::store) fn push_operand(&mut self, column: &Column<'_>, parameter: Parameter<'v>) {
        let folds = self.dialect.folds(column);
        self.push_parameter(if folds { parameter.folded() } else { parameter });
    }

    /// The name of an entity's table.
    pub(in crate::store) fn push_table(&mut self, definition: &EntityDefinition) {
        push_table(&mut self.text, definition);
    }

    /// The name of a column of a table of the statement, or of the first of two.
    pub(in crate::store) fn push_column(&mut self, table: usize, column: &Column<'_>) {
        self.push_alias(table);
        column.push_name(&mut self.text);
    }

    /// The name of the second column of a lookup with several targets.
    pub(in crate::store) fn push_entity_column(&mut self, table: usize, column: &Column<'_>) {
        self.push_alias(table);
        column.push_entity_name(&mut self.text);
    }

    /// A column as it is compared and sorted.
    pub(in crate::store) fn push_compared(&mut self, table: usize, column: &Column<'_>) {
        let folds = self.dialect.folds(column);
        self.push(if folds { "lower(" } else { "" });
        self.push_column(table, column);
        self.push(if folds { ")" } else { "" });
    }

    /// `q0.`: a number and no alias, since an alias is the user's word.
    fn push_alias(&mut self, table: usize) {
        self.push("q");
        self.push_display(table);
        self.push(".");
    }
}

impl Dialect {
    /// Whether a column is compared in lower case, and does not do so by itself.
    fn folds(self, column: &Column<'_>) -> bool {
        self == Self::Postgres && column.is_text()
    }
}

/// The name of an entity's table.
pub(in crate::store) fn push_table(text: &mut String, definition: &EntityDefinition) {
    text.push_str("e_");
    text.push_str(&definition.logical_name);
}
