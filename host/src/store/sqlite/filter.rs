//! Queries as SQL: the conditions, the order, the limit.
//!
//! The columns of strings are declared `COLLATE NOCASE`, so that every comparison and order of them is without regard
//! to ASCII case; `LIKE` is so in SQLite by itself. Null is the smallest in both directions, which is SQLite's own
//! order.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::query::RECORDS_MAX;
use crate::model::{AttributeType, EntityDefinition, Filter, Operator, Query, Value};

use super::sql;
use super::value::{Column, Parameter, Scaled, id_parameter, scaled, text_parameter};

/// A statement's text and its parameters.
pub(super) struct Select<'q> {
    pub(super) sql: String,
    pub(super) parameters: Vec<Parameter<'q>>,
}

/// The statement of a query that `check::query` allowed.
pub(super) fn select<'q>(
    definition: &'q EntityDefinition,
    query: &'q Query,
    columns: &[Column<'_>],
) -> Result<Select<'q>> {
    let mut select = Select { sql: sql::select(definition, columns), parameters: Vec::new() };
    if let Some(filter) = &query.filter {
        select.sql.push_str(" WHERE ");
        select.push_filter(definition, filter)?;
    }
    select.sql.push_str(" ORDER BY ");
    for order in &query.orders {
        sql::push_column(&mut select.sql, &Column::of(definition, &order.attribute)?);
        select.sql.push_str(if order.descending { " DESC," } else { "," });
    }
    select.sql.push_str("id LIMIT ?");
    select.parameters.push(i64::from(query.top.unwrap_or(RECORDS_MAX).min(RECORDS_MAX)).into());
    Ok(select)
}

impl<'q> Select<'q> {
    fn push_filter(&mut self, definition: &'q EntityDefinition, filter: &'q Filter) -> Result<()> {
        let (parts, separator, empty) = match filter {
            Filter::All(parts) => (parts, " AND ", "1"),
            Filter::Any(parts) => (parts, " OR ", "0"),
            Filter::Condition { link: _, attribute, operator, values } => {
                return self.push_condition(&Column::of(definition, attribute)?, *operator, values);
            }
        };
        self.sql.push('(');
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.sql.push_str(separator);
            }
            self.push_filter(definition, part)?;
        }
        if parts.is_empty() {
            self.sql.push_str(empty);
        }
        self.sql.push(')');
        Ok(())
    }

    fn push_condition(&mut self, column: &Column<'q>, operator: Operator, values: &'q [Value]) -> Result<()> {
        match operator {
            Operator::Null => self.push_test(column, " IS NULL"),
            Operator::NotNull => self.push_test(column, " IS NOT NULL"),
            // A negation holds for null too, so it is the opposite of the plain test where that is true.
            Operator::Ne | Operator::NotIn | Operator::NotLike => {
                self.sql.push('(');
                self.push_test(column, " IS NULL OR NOT ");
                self.push_positive(column, operator, values)?;
                self.sql.push(')');
            }
            _ => self.push_positive(column, operator, values)?,
        }
        Ok(())
    }

    fn push_positive(&mut self, column: &Column<'q>, operator: Operator, values: &'q [Value]) -> Result<()> {
        match operator {
            Operator::In | Operator::NotIn => return self.push_in(column, values),
            Operator::Eq | Operator::Ne => return self.push_in(column, values.get(..1).unwrap_or(values)),
            _ => {}
        }
        let [value] = values else { return Err(unchecked(column, operator)) };
        match (operator, value) {
            (Operator::Like | Operator::NotLike, Value::String(pattern)) => {
                self.push_test(column, " LIKE ?");
                self.parameters.push(text_parameter(pattern).ok_or_else(|| unchecked(column, operator))?);
            }
            (Operator::BeginsWith, Value::String(start)) => {
                self.push_test(column, " LIKE ? ESCAPE '\\'");
                text_parameter(start).ok_or_else(|| unchecked(column, operator))?;
                self.parameters.push(beginning(start).into());
            }
            (Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le, value) => {
                self.push_comparison(column, operator, value)?;
            }
            _ => return Err(unchecked(column, operator)),
        }
        Ok(())
    }

    fn push_comparison(&mut self, column: &Column<'q>, operator: Operator, value: &'q Value) -> Result<()> {
        let comparison = match operator {
            Operator::Gt => ">?",
            Operator::Ge => ">=?",
            Operator::Lt => "<?",
            _ => "<=?",
        };
        self.push_test(column, comparison);
        match scale_of(column, value) {
            Some(Scaled::Exact(number)) => self.parameters.push(number.into()),
            // Between two numbers that the column can have: the one that draws the same line.
            Some(Scaled::Between(below, above)) => {
                let line = if matches!(operator, Operator::Gt | Operator::Le) { below } else { above };
                self.parameters.push(line.into());
            }
            None => column.encode(value, &mut self.parameters)?,
        }
        Ok(())
    }

    /// One of the values. Equality is this with one.
    fn push_in(&mut self, column: &Column<'q>, values: &'q [Value]) -> Result<()> {
        let (mut plain, mut references) = (Vec::new(), Vec::new());
        for value in values {
            match (value, scale_of(column, value)) {
                (Value::EntityReference(reference), _) if column.has_entity() => references.push(reference),
                // A lookup that is compared with an identifier alone.
                (Value::UniqueIdentifier(id), _) => plain.push(id_parameter(id)),
                // A number that the column cannot have equals none.
                (_, Some(Scaled::Between(..))) => {}
                _ => column.encode(value, &mut plain)?,
            }
        }
        self.sql.push('(');
        // An empty list is false, also for null: `x IN ()` is SQLite's own notation for that.
        self.push_test(column, if plain.len() == 1 && references.is_empty() { "=?" } else { " IN (" });
        if plain.len() != 1 || !references.is_empty() {
            self.push_list(plain.len(), "?");
            self.sql.push(')');
        }
        self.parameters.append(&mut plain);
        if !references.is_empty() {
            self.sql.push_str(" OR (");
            sql::push_column(&mut self.sql, column);
            self.sql.push(',');
            sql::push_entity_column(&mut self.sql, column);
            self.sql.push_str(") IN (VALUES ");
            self.push_list(references.len(), "(?,?)");
            self.sql.push(')');
            for reference in references {
                self.parameters.push(id_parameter(&reference.id));
                self.parameters.push(reference.entity.as_str().into());
            }
        }
        self.sql.push(')');
        Ok(())
    }

    fn push_list(&mut self, count: usize, item: &str) {
        for index in 0..count {
            if index > 0 {
                self.sql.push(',');
            }
            self.sql.push_str(item);
        }
    }

    fn push_test(&mut self, column: &Column<'q>, test: &str) {
        sql::push_column(&mut self.sql, column);
        self.sql.push_str(test);
    }
}

fn scale_of(column: &Column<'_>, value: &Value) -> Option<Scaled> {
    match (column.attribute_type, value) {
        (AttributeType::Decimal { precision }, Value::Decimal(number))
        | (AttributeType::Money { precision }, Value::Money(number)) => Some(scaled(*number, *precision)),
        _ => None,
    }
}

/// A pattern for texts that begin with this one.
fn beginning(start: &str) -> String {
    let mut pattern = String::with_capacity(start.len() + 8);
    for character in start.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('%');
    pattern
}

fn unchecked(column: &Column<'_>, operator: Operator) -> Error {
    Error::new(
        ErrorKind::InvalidRequest,
        format!("the condition `{} {operator}` has values that do not fit it", column.attribute),
    )
}
