//! Filters: tests of a record's attributes.

use std::borrow::Cow;

use crate::entity::Column;
use crate::value::{AttributeType, DateTime, Value};

/// A test of a record's attributes.
#[derive(Clone, Debug, PartialEq)]
pub enum Filter {
    /// Compares one attribute.
    Condition {
        /// The alias of the link whose attribute it is; none for the query's own entity.
        link: Option<String>,
        /// The attribute's logical name.
        attribute: String,
        /// The operator's name in FetchXML: `eq`, `begins-with`, `last-x-days`, ...
        operator: Cow<'static, str>,
        /// What to compare with.
        values: Vec<Value>,
    },
    /// Holds if every filter does.
    All(Vec<Filter>),
    /// Holds if at least one filter does.
    Any(Vec<Filter>),
}

impl Filter {
    /// Of the link with that alias, in place of the query's own entity: each condition in it that has no link yet.
    #[must_use]
    pub fn of(mut self, alias: &str) -> Self {
        self.set_link(alias);
        self
    }

    fn set_link(&mut self, alias: &str) {
        match self {
            Self::Condition { link, .. } => drop(link.get_or_insert_with(|| alias.to_owned())),
            Self::All(filters) | Self::Any(filters) => {
                for filter in filters {
                    filter.set_link(alias);
                }
            }
        }
    }
}

/// Both filters, in one list where the first is a list already.
pub(super) fn and(earlier: Option<Filter>, filter: Filter) -> Filter {
    match earlier {
        None => filter,
        Some(Filter::All(mut filters)) => {
            filters.push(filter);
            Filter::All(filters)
        }
        Some(earlier) => Filter::All(vec![earlier, filter]),
    }
}

/// Compares an attribute by an operator of FetchXML, for those that have no function here:
/// `condition("ownerid", "eq-userid", [])`. A host that does not know the operator answers with a fault.
pub fn condition(
    attribute: impl Into<String>,
    operator: impl Into<Cow<'static, str>>,
    values: impl IntoIterator<Item = Value>,
) -> Filter {
    compare(attribute.into(), operator.into(), values.into_iter().collect())
}

fn known(attribute: impl Into<String>, operator: &'static str, values: Vec<Value>) -> Filter {
    compare(attribute.into(), Cow::Borrowed(operator), values)
}

/// Not generic, so that a component holds it once.
fn compare(attribute: String, operator: Cow<'static, str>, values: Vec<Value>) -> Filter {
    Filter::Condition { link: None, attribute, operator, values }
}

/// Holds if every filter does.
pub fn all_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::All(filters.into_iter().collect())
}

/// Holds if at least one filter does.
pub fn any_of(filters: impl IntoIterator<Item = Filter>) -> Filter {
    Filter::Any(filters.into_iter().collect())
}

/// Holds if the attribute is null.
pub fn is_null(attribute: impl Into<String>) -> Filter {
    known(attribute, "null", Vec::new())
}

/// Holds if the attribute has a value.
pub fn is_not_null(attribute: impl Into<String>) -> Filter {
    known(attribute, "not-null", Vec::new())
}

/// Holds if the attribute is one of the values.
pub fn is_in<V: Into<Value>>(attribute: impl Into<String>, values: impl IntoIterator<Item = V>) -> Filter {
    known(attribute, "in", values.into_iter().map(Into::into).collect())
}

/// Holds if the attribute is none of the values, or is null.
pub fn is_not_in<V: Into<Value>>(
    attribute: impl Into<String>,
    values: impl IntoIterator<Item = V>,
) -> Filter {
    known(attribute, "not-in", values.into_iter().map(Into::into).collect())
}

/// Holds if the attribute is at least the first value and at most the second.
pub fn between(attribute: impl Into<String>, least: impl Into<Value>, most: impl Into<Value>) -> Filter {
    known(attribute, "between", vec![least.into(), most.into()])
}

/// Holds if the attribute is smaller than the first value or larger than the second, or is null.
pub fn not_between(attribute: impl Into<String>, least: impl Into<Value>, most: impl Into<Value>) -> Filter {
    known(attribute, "not-between", vec![least.into(), most.into()])
}

/// Conditions whose values have the column's type.
impl<T: AttributeType> Column<T> {
    /// Holds if the column is at least the first value and at most the second.
    pub fn between(self, least: impl Into<T>, most: impl Into<T>) -> Filter {
        between(self, least.into(), most.into())
    }

    /// Holds if the column is smaller than the first value or larger than the second, or is null.
    pub fn not_between(self, least: impl Into<T>, most: impl Into<T>) -> Filter {
        not_between(self, least.into(), most.into())
    }

    /// Holds if the column is null.
    pub fn is_null(self) -> Filter {
        is_null(self)
    }

    /// Holds if the column has a value.
    pub fn is_not_null(self) -> Filter {
        is_not_null(self)
    }

    /// Holds if the column is one of the values.
    pub fn is_in<V: Into<T>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        is_in(self, values.into_iter().map(Into::into))
    }

    /// Holds if the column is none of the values, or is null.
    pub fn is_not_in<V: Into<T>>(self, values: impl IntoIterator<Item = V>) -> Filter {
        is_not_in(self, values.into_iter().map(Into::into))
    }
}

/// Each comparison twice: of an attribute by its name, and of a column of the type.
macro_rules! comparisons {
    (of $type:ty $(where $parameter:ident)?: $($name:ident, $operator:literal, $meaning:literal;)+) => {
        $(
            #[doc = concat!("Holds if the attribute ", $meaning, ".")]
            pub fn $name(attribute: impl Into<String>, value: impl Into<Value>) -> Filter {
                known(attribute, $operator, vec![value.into()])
            }
        )+

        impl$(<$parameter: AttributeType>)? Column<$type> {
            $(
                #[doc = concat!("Holds if the column ", $meaning, ".")]
                pub fn $name(self, value: impl Into<$type>) -> Filter {
                    $name(self, value.into())
                }
            )+
        }
    };
}

comparisons! { of T where T:
    eq, "eq", "equals the value. A null never does";
    ne, "ne", "differs from the value, or is null";
    gt, "gt", "is larger than the value. A null never is";
    ge, "ge", "is the value or larger. A null never is";
    lt, "lt", "is smaller than the value. A null never is";
    le, "le", "is the value or smaller. A null never is";
}

comparisons! { of String:
    like, "like", "is text like the pattern, with `%` for any text and `_` for one character";
    not_like, "not-like", "is text unlike the pattern, or null";
    begins_with, "begins-with", "is text that begins with the value";
    not_begins_with, "not-begin-with", "is text that begins with something else, or null";
    ends_with, "ends-with", "is text that ends with the value";
    not_ends_with, "not-end-with", "is text that ends with something else, or null";
}

/// Dates relative to the host's clock, in UTC.
macro_rules! dates {
    (
        alone { $($name:ident, $operator:literal, $meaning:literal;)+ }
        with a count { $($counted:ident, $counted_operator:literal, $counted_meaning:literal;)+ }
        with a day { $($dated:ident, $dated_operator:literal, $dated_meaning:literal;)+ }
    ) => {
        impl Column<DateTime> {
            $(
                #[doc = concat!("Holds if the date is ", $meaning, ".")]
                pub fn $name(self) -> Filter {
                    known(self, $operator, Vec::new())
                }
            )+
            $(
                #[doc = concat!("Holds if the date is ", $counted_meaning, ".")]
                pub fn $counted(self, count: i32) -> Filter {
                    known(self, $counted_operator, vec![count.into()])
                }
            )+
            $(
                #[doc = concat!("Holds if the date is ", $dated_meaning, ".")]
                pub fn $dated(self, day: DateTime) -> Filter {
                    known(self, $dated_operator, vec![day.into()])
                }
            )+
        }
    };
}

dates! {
    alone {
        today, "today", "today";
        yesterday, "yesterday", "yesterday";
        tomorrow, "tomorrow", "tomorrow";
        last_seven_days, "last-seven-days", "in the last seven days, today included";
        next_seven_days, "next-seven-days", "in the next seven days";
        this_week, "this-week", "in this week";
        last_week, "last-week", "in the week before this one";
        next_week, "next-week", "in the week after this one";
        this_month, "this-month", "in this month";
        last_month, "last-month", "in the month before this one";
        next_month, "next-month", "in the month after this one";
        this_year, "this-year", "in this year";
        last_year, "last-year", "in the year before this one";
        next_year, "next-year", "in the year after this one";
    }
    with a count {
        last_x_hours, "last-x-hours", "in the last so many hours";
        next_x_hours, "next-x-hours", "in the next so many hours";
        last_x_days, "last-x-days", "in the last so many days";
        next_x_days, "next-x-days", "in the next so many days";
        last_x_weeks, "last-x-weeks", "in the last so many weeks";
        next_x_weeks, "next-x-weeks", "in the next so many weeks";
        last_x_months, "last-x-months", "in the last so many months";
        next_x_months, "next-x-months", "in the next so many months";
        last_x_years, "last-x-years", "in the last so many years";
        next_x_years, "next-x-years", "in the next so many years";
        older_than_x_minutes, "olderthan-x-minutes", "longer ago than so many minutes";
        older_than_x_hours, "olderthan-x-hours", "longer ago than so many hours";
        older_than_x_days, "olderthan-x-days", "longer ago than so many days";
        older_than_x_weeks, "olderthan-x-weeks", "longer ago than so many weeks";
        older_than_x_months, "olderthan-x-months", "longer ago than so many months";
        older_than_x_years, "olderthan-x-years", "longer ago than so many years";
    }
    with a day {
        on, "on", "on that day";
        on_or_before, "on-or-before", "on that day or before it";
        on_or_after, "on-or-after", "on that day or after it";
    }
}
