//! Filters as SQL.

use std::borrow::Cow;

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, Filter, Operator, Value};

use super::selection::push_list;
use super::tables::Table;
use crate::store::sql::column::{Column, Scaled, scaled};
use crate::store::sql::parameter::Parameter;
use crate::store::sql::{Dialect, Sql};

/// What makes a pattern's next character one like any other, where the pattern is ours.
const ESCAPE: &str = " ESCAPE '\\'";

/// A column of one of the statement's tables.
struct Tested<'q> {
    table: usize,
    column: Column<'q>,
}

/// Finds the table that an alias names.
type TableOf<'t, 'q> = dyn Fn(Option<&str>) -> Result<&'t Table<'q>> + 't;

impl<'q> Sql<'q> {
    pub(super) fn push_filter(&mut self, table_of: &TableOf<'_, 'q>, filter: &'q Filter) -> Result<()> {
        let (parts, separator, empty) = match filter {
            Filter::All(parts) => (parts, " AND ", "TRUE"),
            Filter::Any(parts) => (parts, " OR ", "FALSE"),
            Filter::Condition { link, attribute, operator, values } => {
                let table = table_of(link.as_deref())?;
                let tested = Tested { table: table.number, column: Column::of(table.definition, attribute)? };
                return self.push_condition(&tested, *operator, values);
            }
        };
        self.push("(");
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                self.push(separator);
            }
            self.push_filter(table_of, part)?;
        }
        if parts.is_empty() {
            self.push(empty);
        }
        self.push(")");
        Ok(())
    }

    fn push_condition(&mut self, tested: &Tested<'q>, operator: Operator, values: &'q [Value]) -> Result<()> {
        // A negation holds for null too, so it is the opposite of the plain test where that is true.
        if let Some(opposite) = operator.negated() {
            self.push("(");
            self.push_test(tested, " IS NULL OR NOT ");
            self.push_condition(tested, opposite, values)?;
            self.push(")");
            return Ok(());
        }
        match (operator, values) {
            (Operator::Null, _) => self.push_test(tested, " IS NULL"),
            (Operator::NotNull, _) => self.push_test(tested, " IS NOT NULL"),
            (Operator::Eq, [_]) | (Operator::In, _) => self.push_in(tested, values)?,
            (Operator::Gt | Operator::Ge | Operator::Lt | Operator::Le, [value]) => {
                self.push_comparison(tested, operator, value)?;
            }
            (Operator::Between, [from, to]) => {
                self.push("(");
                self.push_comparison(tested, Operator::Ge, from)?;
                self.push(" AND ");
                self.push_comparison(tested, Operator::Le, to)?;
                self.push(")");
            }
            (Operator::ContainValues, _) => self.push_contains(tested, operator, values)?,
            (Operator::Like, [Value::String(pattern)]) => {
                // Without an escape character, which PostgreSQL has unless it is told.
                let escape = if self.dialect() == Dialect::Postgres { " ESCAPE ''" } else { "" };
                self.push_like(tested, operator, Parameter::text(pattern), escape)?;
            }
            (Operator::BeginsWith, [Value::String(text)]) => {
                let pattern = format!("{}%", literal(text));
                self.push_like(tested, operator, Parameter::text(pattern), ESCAPE)?;
            }
            (Operator::EndsWith, [Value::String(text)]) => {
                let pattern = format!("%{}", literal(text));
                self.push_like(tested, operator, Parameter::text(pattern), ESCAPE)?;
            }
            _ => return Err(unchecked(tested, operator)),
        }
        Ok(())
    }

    fn push_like(
        &mut self,
        tested: &Tested<'q>,
        operator: Operator,
        pattern: Option<Parameter<'q>>,
        escape: &str,
    ) -> Result<()> {
        let pattern = pattern.ok_or_else(|| unchecked(tested, operator))?;
        self.push_compared(tested.table, &tested.column);
        self.push(" LIKE ");
        self.push_operand(&tested.column, pattern);
        self.push(escape);
        Ok(())
    }

    /// Choices are kept as a JSON array.
    fn push_contains(&mut self, tested: &Tested<'q>, operator: Operator, values: &'q [Value]) -> Result<()> {
        if values.is_empty() {
            self.push("FALSE");
            return Ok(());
        }
        let (before, after) = match self.dialect() {
            Dialect::Sqlite => ("json_each(", ") WHERE value IN ("),
            Dialect::Postgres => ("jsonb_array_elements_text(", "::jsonb) AS e (value) WHERE e.value IN ("),
        };
        self.push("EXISTS (SELECT 1 FROM ");
        self.push(before);
        self.push_column(tested.table, &tested.column);
        self.push(after);
        for (index, value) in values.iter().enumerate() {
            let Value::Choice(option) = value else { return Err(unchecked(tested, operator)) };
            self.push(if index > 0 { "," } else { "" });
            self.push_parameter(match self.dialect() {
                Dialect::Sqlite => Parameter::Integer((*option).into()),
                Dialect::Postgres => Parameter::Text(Cow::Owned(option.to_string())),
            });
        }
        self.push("))");
        Ok(())
    }

    fn push_comparison(&mut self, tested: &Tested<'q>, operator: Operator, value: &'q Value) -> Result<()> {
        let comparison = match operator {
            Operator::Gt => ">",
            Operator::Ge => ">=",
            Operator::Lt => "<",
            _ => "<=",
        };
        let operand = match scale_of(&tested.column, value) {
            // Between two numbers that the column can have: the one that draws the same line.
            Some((Scaled::Between(below, above), precision)) => {
                let line = if matches!(operator, Operator::Gt | Operator::Le) { below } else { above };
                Parameter::scaled(line, precision).ok_or_else(|| unchecked(tested, operator))?
            }
            _ => tested.column.parameter(value).ok_or_else(|| tested.column.refusal(value))?,
        };
        self.push_compared(tested.table, &tested.column);
        self.push(comparison);
        self.push_operand(&tested.column, operand);
        Ok(())
    }

    /// One of the values. Equality is this with one.
    fn push_in(&mut self, tested: &Tested<'q>, values: &'q [Value]) -> Result<()> {
        let (mut plain, mut references) = (Vec::new(), Vec::new());
        for value in values {
            match (value, scale_of(&tested.column, value)) {
                (Value::EntityReference(reference), _) if tested.column.has_entity() => {
                    references.push(reference);
                }
                // A lookup that is compared with an identifier alone.
                (Value::UniqueIdentifier(id), _) => plain.push(Parameter::Id(*id)),
                // A number that the column cannot have equals none.
                (_, Some((Scaled::Between(..), _))) => {}
                _ => tested.column.encode(value, &mut plain)?,
            }
        }
        self.push("(");
        self.push_plain(tested, plain);
        if !references.is_empty() {
            self.push(" OR (");
            self.push_column(tested.table, &tested.column);
            self.push(",");
            self.push_entity_column(tested.table, &tested.column);
            self.push(") IN (VALUES ");
            push_list(self, references, |sql, reference| {
                sql.push("(");
                sql.push_parameter(Parameter::Id(reference.id));
                sql.push(",");
                sql.push_parameter(Parameter::Text(Cow::Borrowed(&reference.entity)));
                sql.push(")");
            });
            self.push(")");
        }
        self.push(")");
        Ok(())
    }

    /// One of the values; with none of them it is false, also for null.
    fn push_plain(&mut self, tested: &Tested<'q>, values: Vec<Parameter<'q>>) {
        let (before, after) = match values.len() {
            0 => return self.push("FALSE"),
            1 => ("=", ""),
            _ => (" IN (", ")"),
        };
        self.push_compared(tested.table, &tested.column);
        self.push(before);
        push_list(self, values, |sql, value| sql.push_operand(&tested.column, value));
        self.push(after);
    }

    fn push_test(&mut self, tested: &Tested<'q>, test: &str) {
        self.push_column(tested.table, &tested.column);
        self.push(test);
    }
}

/// The number at the scale of its column, and that one's precision.
fn scale_of(column: &Column<'_>, value: &Value) -> Option<(Scaled, u8)> {
    match (column.attribute_type, value) {
        (AttributeType::Decimal { precision }, Value::Decimal(number))
        | (AttributeType::Money { precision }, Value::Money(number)) => {
            Some((scaled(*number, *precision), *precision))
        }
        _ => None,
    }
}

/// The text as a pattern that matches it alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        if matches!(character, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern
}

fn unchecked(tested: &Tested<'_>, operator: Operator) -> Error {
    Error::new(
        ErrorKind::Internal,
        format!("the condition `{} {operator}` has values that were not checked", tested.column.attribute),
    )
}
