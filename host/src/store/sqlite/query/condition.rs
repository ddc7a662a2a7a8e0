//! Filters as SQL.

use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{AttributeType, Filter, Operator, Value};

use super::{Sql, Table};
use crate::store::sqlite::value::{Column, Scaled, id_parameter, scaled, text_parameter};

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
            Filter::All(parts) => (parts, " AND ", "1"),
            Filter::Any(parts) => (parts, " OR ", "0"),
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
                self.push_test(tested, " LIKE ?");
                let pattern = text_parameter(pattern).ok_or_else(|| unchecked(tested, operator))?;
                self.parameters.push(pattern);
            }
            (Operator::BeginsWith, [Value::String(text)]) => {
                self.push_literal(tested, format!("{}%", literal(text)));
            }
            (Operator::EndsWith, [Value::String(text)]) => {
                self.push_literal(tested, format!("%{}", literal(text)));
            }
            _ => return Err(unchecked(tested, operator)),
        }
        Ok(())
    }

    fn push_literal(&mut self, tested: &Tested<'q>, pattern: String) {
        self.push_test(tested, " LIKE ? ESCAPE '\\'");
        self.parameters.push(pattern.into());
    }

    /// Choices are kept as a JSON array.
    fn push_contains(&mut self, tested: &Tested<'q>, operator: Operator, values: &'q [Value]) -> Result<()> {
        self.push("EXISTS (SELECT 1 FROM json_each(");
        self.push_test(tested, ") WHERE value IN (");
        self.push_list(values.len(), "?");
        self.push("))");
        for value in values {
            let Value::Choice(option) = value else { return Err(unchecked(tested, operator)) };
            self.parameters.push((*option).into());
        }
        Ok(())
    }

    fn push_comparison(&mut self, tested: &Tested<'q>, operator: Operator, value: &'q Value) -> Result<()> {
        let comparison = match operator {
            Operator::Gt => ">?",
            Operator::Ge => ">=?",
            Operator::Lt => "<?",
            _ => "<=?",
        };
        self.push_test(tested, comparison);
        match scale_of(&tested.column, value) {
            Some(Scaled::Exact(number)) => self.parameters.push(number.into()),
            // Between two numbers that the column can have: the one that draws the same line.
            Some(Scaled::Between(below, above)) => {
                let line = if matches!(operator, Operator::Gt | Operator::Le) { below } else { above };
                self.parameters.push(line.into());
            }
            None => tested.column.encode(value, &mut self.parameters)?,
        }
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
                (Value::UniqueIdentifier(id), _) => plain.push(id_parameter(id)),
                // A number that the column cannot have equals none.
                (_, Some(Scaled::Between(..))) => {}
                _ => tested.column.encode(value, &mut plain)?,
            }
        }
        self.push("(");
        // An empty list is false, also for null: `x IN ()` is SQLite's own notation for that.
        self.push_test(tested, if plain.len() == 1 && references.is_empty() { "=?" } else { " IN (" });
        if plain.len() != 1 || !references.is_empty() {
            self.push_list(plain.len(), "?");
            self.push(")");
        }
        self.parameters.append(&mut plain);
        if !references.is_empty() {
            self.push(" OR (");
            self.push_column(tested.table, &tested.column);
            self.push(",");
            self.push_entity_column(tested.table, &tested.column);
            self.push(") IN (VALUES ");
            self.push_list(references.len(), "(?,?)");
            self.push(")");
            for reference in references {
                self.parameters.push(id_parameter(&reference.id));
                self.parameters.push(reference.entity.as_str().into());
            }
        }
        self.push(")");
        Ok(())
    }

    fn push_list(&mut self, count: usize, item: &str) {
        for index in 0..count {
            if index > 0 {
                self.push(",");
            }
            self.push(item);
        }
    }

    fn push_test(&mut self, tested: &Tested<'q>, test: &str) {
        self.push_column(tested.table, &tested.column);
        self.push(test);
    }
}

fn scale_of(column: &Column<'_>, value: &Value) -> Option<Scaled> {
    match (column.attribute_type, value) {
        (AttributeType::Decimal { precision }, Value::Decimal(number))
        | (AttributeType::Money { precision }, Value::Money(number)) => Some(scaled(*number, *precision)),
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
