//! The comparisons, in one list.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::model::ValueType;

/// Writes the enum and what follows from each of its lines: the name in FetchXML, and the kind.
macro_rules! operators {
    ($($(#[$doc:meta])* $operator:ident = $name:literal, $kind:ident;)*) => {
        /// Comparisons, named as FetchXML names them. A negation is true wherever the plain comparison is not: also for
        /// null.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
        pub enum Operator {
            $($(#[$doc])* #[serde(rename = $name)] $operator,)*
        }

        impl Operator {
            /// Every operator, in the order of the documentation.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$operator),*];

            /// The operator's name in FetchXML, in the contract and in JSON.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$operator => $name,)*
                }
            }

            fn kind(self) -> Kind {
                match self {
                    $(Self::$operator => Kind::$kind,)*
                }
            }
        }
    };
}

operators! {
    /// Equal. Strings compare without regard to ASCII case, as everywhere in queries.
    Eq = "eq", Equality;
    /// Not equal, or null.
    Ne = "ne", Equality;
    /// Greater.
    Gt = "gt", Order;
    /// Greater or equal.
    Ge = "ge", Order;
    /// Less.
    Lt = "lt", Order;
    /// Less or equal.
    Le = "le", Order;
    /// From the first value to the second, both included.
    Between = "between", Range;
    /// Outside of the two values, or null.
    NotBetween = "not-between", Range;
    /// One of the values.
    In = "in", Set;
    /// None of the values, or null.
    NotIn = "not-in", Set;
    /// Matches a pattern: `%` any text, `_` any character.
    Like = "like", Pattern;
    /// Does not match the pattern, or null.
    NotLike = "not-like", Pattern;
    /// Begins with the text, taken literally.
    BeginsWith = "begins-with", Pattern;
    /// Does not begin with the text, or null.
    NotBeginWith = "not-begin-with", Pattern;
    /// Ends with the text, taken literally.
    EndsWith = "ends-with", Pattern;
    /// Does not end with the text, or null.
    NotEndWith = "not-end-with", Pattern;
    /// Has at least one of the options.
    ContainValues = "contain-values", Options;
    /// Has none of the options, or null.
    NotContainValues = "not-contain-values", Options;
    /// Has no value.
    Null = "null", Presence;
    /// Has a value.
    NotNull = "not-null", Presence;
    /// The user who asks.
    EqUserId = "eq-userid", User;
    /// Not the user who asks, or null.
    NeUserId = "ne-userid", User;
    /// On the day of the moment.
    On = "on", Day;
    /// On that day or before.
    OnOrBefore = "on-or-before", Day;
    /// On that day or after.
    OnOrAfter = "on-or-after", Day;
    /// Today.
    Today = "today", Period;
    /// Yesterday.
    Yesterday = "yesterday", Period;
    /// Tomorrow.
    Tomorrow = "tomorrow", Period;
    /// From the start of the day seven days ago until now.
    LastSevenDays = "last-seven-days", Period;
    /// From now to the end of the day in seven days.
    NextSevenDays = "next-seven-days", Period;
    /// The week before this one, Sunday to Saturday.
    LastWeek = "last-week", Period;
    /// This week, Sunday to Saturday.
    ThisWeek = "this-week", Period;
    /// The week after this one, Sunday to Saturday.
    NextWeek = "next-week", Period;
    /// The month before this one.
    LastMonth = "last-month", Period;
    /// This month.
    ThisMonth = "this-month", Period;
    /// The month after this one.
    NextMonth = "next-month", Period;
    /// The year before this one.
    LastYear = "last-year", Period;
    /// This year.
    ThisYear = "this-year", Period;
    /// The year after this one.
    NextYear = "next-year", Period;
    /// From so many hours ago until now.
    LastXHours = "last-x-hours", Count;
    /// From now until so many hours later.
    NextXHours = "next-x-hours", Count;
    /// From the start of the day so many days ago until now.
    LastXDays = "last-x-days", Count;
    /// From now to the end of the day in so many days.
    NextXDays = "next-x-days", Count;
    /// As `last-x-days`, with weeks.
    LastXWeeks = "last-x-weeks", Count;
    /// As `next-x-days`, with weeks.
    NextXWeeks = "next-x-weeks", Count;
    /// As `last-x-days`, with months.
    LastXMonths = "last-x-months", Count;
    /// As `next-x-days`, with months.
    NextXMonths = "next-x-months", Count;
    /// As `last-x-days`, with years.
    LastXYears = "last-x-years", Count;
    /// As `next-x-days`, with years.
    NextXYears = "next-x-years", Count;
    /// More than so many minutes ago.
    OlderThanXMinutes = "olderthan-x-minutes", Count;
    /// More than so many hours ago.
    OlderThanXHours = "olderthan-x-hours", Count;
    /// More than so many days ago.
    OlderThanXDays = "olderthan-x-days", Count;
    /// More than so many weeks ago.
    OlderThanXWeeks = "olderthan-x-weeks", Count;
    /// More than so many months ago.
    OlderThanXMonths = "olderthan-x-months", Count;
    /// More than so many years ago.
    OlderThanXYears = "olderthan-x-years", Count;
}

/// How many values an operator takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arity {
    /// None.
    None,
    /// One.
    One,
    /// Two.
    Two,
    /// Any number, also none.
    Any,
}

impl Arity {
    /// Whether so many values are right.
    #[must_use]
    pub fn accepts(self, count: usize) -> bool {
        match self {
            Self::None => count == 0,
            Self::One => count == 1,
            Self::Two => count == 2,
            Self::Any => true,
        }
    }
}

impl fmt::Display for Arity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "no value",
            Self::One => "one value",
            Self::Two => "two values",
            Self::Any => "any number of values",
        })
    }
}

impl Operator {
    /// How many values it takes.
    #[must_use]
    pub fn arity(self) -> Arity {
        match self.kind() {
            Kind::Presence | Kind::User | Kind::Period => Arity::None,
            Kind::Equality | Kind::Order | Kind::Pattern | Kind::Day | Kind::Count => Arity::One,
            Kind::Range => Arity::Two,
            Kind::Set | Kind::Options => Arity::Any,
        }
    }

    /// The type that its values have on an attribute of type `attribute`; none if it does not apply to such attributes.
    /// For an operator without values, any type says that it applies.
    #[must_use]
    pub fn operand(self, attribute: ValueType) -> Option<ValueType> {
        use ValueType::{Boolean, Choice, Choices, DateTime, Integer, Lookup, String, UniqueIdentifier};
        match self.kind() {
            Kind::Equality | Kind::Set | Kind::Presence => Some(attribute),
            // What has no order that means anything.
            Kind::Order | Kind::Range => {
                (!matches!(attribute, Boolean | Choices | Lookup)).then_some(attribute)
            }
            Kind::Pattern => (attribute == String).then_some(String),
            Kind::Options => (attribute == Choices).then_some(Choice),
            Kind::User => matches!(attribute, Lookup | UniqueIdentifier).then_some(UniqueIdentifier),
            Kind::Day | Kind::Period => (attribute == DateTime).then_some(DateTime),
            Kind::Count => (attribute == DateTime).then_some(Integer),
        }
    }

    /// Whether it depends on the calendar, the time or the user, so that it becomes plain comparisons before a store
    /// sees it: see [`Query::resolved`](crate::model::Query::resolved).
    #[must_use]
    pub fn is_relative(self) -> bool {
        matches!(self.kind(), Kind::User | Kind::Day | Kind::Period | Kind::Count)
    }

    /// Whether its value is a number of periods.
    pub(super) fn counts(self) -> bool {
        self.kind() == Kind::Count
    }

    /// Whether its value is a pattern or a part of a text.
    pub(super) fn is_pattern(self) -> bool {
        self.kind() == Kind::Pattern
    }

    /// For a negation, the comparison whose opposite it is.
    pub(crate) fn negated(self) -> Option<Self> {
        Some(match self {
            Self::Ne => Self::Eq,
            Self::NotBetween => Self::Between,
            Self::NotIn => Self::In,
            Self::NotLike => Self::Like,
            Self::NotBeginWith => Self::BeginsWith,
            Self::NotEndWith => Self::EndsWith,
            Self::NotContainValues => Self::ContainValues,
            _ => return None,
        })
    }

    /// The operator of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operator| operator.name() == name)
    }
}

impl fmt::Display for Operator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Operators that take the same values.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One value of the attribute's type.
    Equality,
    /// One, where the type has an order.
    Order,
    /// Two, where the type has an order.
    Range,
    /// Any number.
    Set,
    /// A text.
    Pattern,
    /// Options of a choices attribute.
    Options,
    /// Nothing.
    Presence,
    /// The user who asks.
    User,
    /// A moment that stands for its day.
    Day,
    /// A period that the time alone says.
    Period,
    /// A number of periods.
    Count,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_the_same_in_json() {
        for operator in Operator::ALL {
            assert_eq!(Operator::parse(operator.name()), Some(operator));
            let json = serde_json::to_string(&operator).expect("a string");
            assert_eq!(json, format!("\"{operator}\""));
            assert_eq!(serde_json::from_str::<Operator>(&json).expect("a name"), operator);
        }
        assert_eq!(Operator::parse("equals"), None);
    }

    /// The documentation's table has every operator, once, with what it takes.
    #[test]
    fn the_documentation_lists_every_operator() {
        let page = include_str!("../../../../docs/queries.md");
        for operator in Operator::ALL {
            let line = format!("| `{operator}` | {} |", operator.arity());
            assert_eq!(page.matches(&line).count(), 1, "docs/queries.md must have one line `{line}`");
        }
    }
}
