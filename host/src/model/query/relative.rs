//! What depends on the time and the user, as plain comparisons.
//!
//! Days, weeks, months and years are those of UTC, and a week begins on Sunday. A period reaches from its first moment to
//! the first moment after it, which is not in it any more.

use jiff::civil;
use jiff::tz::Offset;
use jiff::{Span, Timestamp, ToSpan};
use uuid::Uuid;

use crate::model::query::{Filter, Link, Operator, Query};
use crate::model::{DateTime, Value};

impl Query {
    /// Whether a condition of it depends on the time or the user.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::is_relative) || self.links.iter().any(Link::is_relative)
    }

    /// The query with every condition that depends on the time or the user as comparisons with moments and with that user:
    /// what a store takes. A condition whose values do not fit its operator, which [`Query::check`] refuses, stays as it
    /// is.
    #[must_use]
    pub fn resolved(&self, now: DateTime, user: Uuid) -> Self {
        let mut query = self.clone();
        query.filter = query.filter.map(|filter| filter.resolved(now, user));
        query.links = query.links.into_iter().map(|link| link.resolved(now, user)).collect();
        query
    }
}

impl Link {
    fn is_relative(&self) -> bool {
        self.filter.as_ref().is_some_and(Filter::is_relative) || self.links.iter().any(Self::is_relative)
    }

    fn resolved(mut self, now: DateTime, user: Uuid) -> Self {
        self.filter = self.filter.map(|filter| filter.resolved(now, user));
        self.links = self.links.into_iter().map(|link| link.resolved(now, user)).collect();
        self
    }
}

impl Filter {
    /// Whether a condition of it depends on the time or the user.
    #[must_use]
    pub fn is_relative(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::is_relative),
            Self::Condition { operator, .. } => operator.is_relative(),
        }
    }

    /// As [`Query::resolved`].
    #[must_use]
    pub fn resolved(self, now: DateTime, user: Uuid) -> Self {
        match self {
            Self::All(parts) => Self::all(parts.into_iter().map(|part| part.resolved(now, user))),
            Self::Any(parts) => Self::any(parts.into_iter().map(|part| part.resolved(now, user))),
            Self::Condition { link, attribute, operator, values } => {
                match comparisons(operator, &values, now, user) {
                    Some(comparisons) => {
                        let mut parts = comparisons.into_iter().map(|(operator, value)| Self::Condition {
                            link: link.clone(),
                            attribute: attribute.clone(),
                            operator,
                            values: vec![value],
                        });
                        match (parts.next(), parts.next()) {
                            (Some(one), None) => one,
                            (first, second) => Self::All(first.into_iter().chain(second).collect()),
                        }
                    }
                    None => Self::Condition { link, attribute, operator, values },
                }
            }
        }
    }
}

/// The comparisons that together are the condition; none if it is plain, or its values do not fit.
fn comparisons(
    operator: Operator,
    values: &[Value],
    now: DateTime,
    user: Uuid,
) -> Option<Vec<(Operator, Value)>> {
    let bounds = match (operator, values) {
        (Operator::EqUserId, []) => return Some(vec![(Operator::Eq, user.into())]),
        (Operator::NeUserId, []) => return Some(vec![(Operator::Ne, user.into())]),
        (_, []) => period(operator, now)?,
        (_, [Value::DateTime(moment)]) => day(operator, *moment)?,
        (_, [Value::Integer(count)]) if *count > 0 => counted(operator, i64::from(*count), now)?,
        _ => return None,
    };
    Some(bounds.into_iter().map(|(operator, moment)| (operator, Value::DateTime(moment))).collect())
}

type Bounds = Vec<(Operator, DateTime)>;

fn day(operator: Operator, moment: DateTime) -> Option<Bounds> {
    let day = civil(moment).date();
    let next = later(day, 1.day());
    Some(match operator {
        Operator::On => within(day, next),
        Operator::OnOrBefore => vec![(Operator::Lt, start(next))],
        Operator::OnOrAfter => vec![(Operator::Ge, start(day))],
        _ => return None,
    })
}

fn period(operator: Operator, now: DateTime) -> Option<Bounds> {
    let today = civil(now).date();
    let week = today.saturating_sub(i64::from(today.weekday().to_sunday_zero_offset()).days());
    let (month, year) = (today.first_of_month(), today.first_of_year());
    Some(match operator {
        Operator::Today => within(today, later(today, 1.day())),
        Operator::Yesterday => within(later(today, -1.day()), today),
        Operator::Tomorrow => within(later(today, 1.day()), later(today, 2.days())),
        Operator::LastSevenDays => last(later(today, -7.days()), now),
        Operator::NextSevenDays => next(now, later(today, 8.days())),
        Operator::LastWeek => within(later(week, -1.week()), week),
        Operator::ThisWeek => within(week, later(week, 1.week())),
        Operator::NextWeek => within(later(week, 1.week()), later(week, 2.weeks())),
        Operator::LastMonth => within(later(month, -1.month()), month),
        Operator::ThisMonth => within(month, later(month, 1.month())),
        Operator::NextMonth => within(later(month, 1.month()), later(month, 2.months())),
        Operator::LastYear => within(later(year, -1.year()), year),
        Operator::ThisYear => within(year, later(year, 1.year())),
        Operator::NextYear => within(later(year, 1.year()), later(year, 2.years())),
        _ => return None,
    })
}

fn counted(operator: Operator, count: i64, now: DateTime) -> Option<Bounds> {
    let moment = civil(now);
    let (today, tomorrow) = (moment.date(), later(moment.date(), 1.day()));
    let span = Span::new();
    let (days, weeks, months, years) =
        (span.try_days(count), span.try_weeks(count), span.try_months(count), span.try_years(count));
    let before = |span: Result<Span, jiff::Error>| {
        span.ok().and_then(|span| today.checked_sub(span).ok()).unwrap_or(civil::Date::MIN)
    };
    let after = |span: Result<Span, jiff::Error>| {
        span.ok().and_then(|span| tomorrow.checked_add(span).ok()).unwrap_or(civil::Date::MAX)
    };
    let older = |span: Result<Span, jiff::Error>| {
        let then = span.ok().and_then(|span| moment.checked_sub(span).ok()).unwrap_or(civil::DateTime::MIN);
        vec![(Operator::Lt, utc(then))]
    };
    let (minute, hour) = (60_000, 3_600_000);
    let ago = |unit: i64| DateTime(now.0.saturating_sub(count.saturating_mul(unit)));
    Some(match operator {
        Operator::LastXHours => vec![(Operator::Ge, ago(hour)), (Operator::Le, now)],
        Operator::NextXHours => {
            let end = DateTime(now.0.saturating_add(count.saturating_mul(hour)));
            vec![(Operator::Gt, now), (Operator::Le, end)]
        }
        Operator::LastXDays => last(before(days), now),
        Operator::LastXWeeks => last(before(weeks), now),
        Operator::LastXMonths => last(before(months), now),
        Operator::LastXYears => last(before(years), now),
        Operator::NextXDays => next(now, after(days)),
        Operator::NextXWeeks => next(now, after(weeks)),
        Operator::NextXMonths => next(now, after(months)),
        Operator::NextXYears => next(now, after(years)),
        Operator::OlderThanXMinutes => vec![(Operator::Lt, ago(minute))],
        Operator::OlderThanXHours => vec![(Operator::Lt, ago(hour))],
        Operator::OlderThanXDays => older(days),
        Operator::OlderThanXWeeks => older(weeks),
        Operator::OlderThanXMonths => older(months),
        Operator::OlderThanXYears => older(years),
        _ => return None,
    })
}

fn within(first: civil::Date, end: civil::Date) -> Bounds {
    vec![(Operator::Ge, start(first)), (Operator::Lt, start(end))]
}

fn last(first: civil::Date, now: DateTime) -> Bounds {
    vec![(Operator::Ge, start(first)), (Operator::Le, now)]
}

fn next(now: DateTime, end: civil::Date) -> Bounds {
    vec![(Operator::Gt, now), (Operator::Lt, start(end))]
}

fn later(date: civil::Date, span: Span) -> civil::Date {
    date.saturating_add(span)
}

fn start(date: civil::Date) -> DateTime {
    utc(date.at(0, 0, 0, 0))
}

/// The date and time in UTC; the first or last that the calendar knows for a moment beyond it.
fn civil(moment: DateTime) -> civil::DateTime {
    let edge = if moment.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
    Offset::UTC.to_datetime(Timestamp::from_millisecond(moment.0).unwrap_or(edge))
}

fn utc(date_time: civil::DateTime) -> DateTime {
    let edge = if date_time.year() < 0 { Timestamp::MIN } else { Timestamp::MAX };
    DateTime(Offset::UTC.to_timestamp(date_time).unwrap_or(edge).as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Wednesday.
    const NOW: &str = "2026-11-25T13:30:00Z";

    /// A condition with `values` as its bounds: `>=`, `>`, `<=`, `<`, each with a moment.
    #[track_caller]
    fn check(operator: Operator, values: &[Value], expected: &str) {
        check_at(NOW, operator, values, expected);
    }

    #[track_caller]
    fn check_at(now: &str, operator: Operator, values: &[Value], expected: &str) {
        let condition = Filter::test("createdon", operator, values.to_vec());
        assert!(condition.is_relative(), "{operator}");
        let resolved = condition.resolved(now.parse().expect("a moment"), Uuid::from_u128(7));
        assert_eq!(written(&resolved), expected, "{operator} {values:?}");
    }

    fn written(filter: &Filter) -> String {
        match filter {
            Filter::All(parts) => parts.iter().map(written).collect::<Vec<_>>().join(" "),
            Filter::Condition { operator, values, .. } => {
                format!("{operator} {}", values.iter().map(ToString::to_string).collect::<String>())
            }
            Filter::Any(_) => panic!("no bounds are alternatives"),
        }
    }

    #[test]
    fn days() {
        let noon = || vec![Value::DateTime("2026-03-01T12:00:00Z".parse().expect("a moment"))];
        check(Operator::On, &noon(), "ge 2026-03-01T00:00:00Z lt 2026-03-02T00:00:00Z");
        check(Operator::OnOrBefore, &noon(), "lt 2026-03-02T00:00:00Z");
        check(Operator::OnOrAfter, &noon(), "ge 2026-03-01T00:00:00Z");
        check(Operator::Today, &[], "ge 2026-11-25T00:00:00Z lt 2026-11-26T00:00:00Z");
        check(Operator::Yesterday, &[], "ge 2026-11-24T00:00:00Z lt 2026-11-25T00:00:00Z");
        check(Operator::Tomorrow, &[], "ge 2026-11-26T00:00:00Z lt 2026-11-27T00:00:00Z");
        check(Operator::LastSevenDays, &[], "ge 2026-11-18T00:00:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextSevenDays, &[], "gt 2026-11-25T13:30:00Z lt 2026-12-03T00:00:00Z");
    }

    #[test]
    fn weeks_begin_on_sunday() {
        check(Operator::LastWeek, &[], "ge 2026-11-15T00:00:00Z lt 2026-11-22T00:00:00Z");
        check(Operator::ThisWeek, &[], "ge 2026-11-22T00:00:00Z lt 2026-11-29T00:00:00Z");
        check(Operator::NextWeek, &[], "ge 2026-11-29T00:00:00Z lt 2026-12-06T00:00:00Z");
        let sunday = "2026-11-22T00:00:00Z";
        check_at(sunday, Operator::ThisWeek, &[], "ge 2026-11-22T00:00:00Z lt 2026-11-29T00:00:00Z");
        let saturday = "2026-11-28T23:59:59Z";
        check_at(saturday, Operator::ThisWeek, &[], "ge 2026-11-22T00:00:00Z lt 2026-11-29T00:00:00Z");
    }

    #[test]
    fn months_and_years() {
        check(Operator::LastMonth, &[], "ge 2026-10-01T00:00:00Z lt 2026-11-01T00:00:00Z");
        check(Operator::ThisMonth, &[], "ge 2026-11-01T00:00:00Z lt 2026-12-01T00:00:00Z");
        check(Operator::NextMonth, &[], "ge 2026-12-01T00:00:00Z lt 2027-01-01T00:00:00Z");
        check(Operator::LastYear, &[], "ge 2025-01-01T00:00:00Z lt 2026-01-01T00:00:00Z");
        check(Operator::ThisYear, &[], "ge 2026-01-01T00:00:00Z lt 2027-01-01T00:00:00Z");
        check(Operator::NextYear, &[], "ge 2027-01-01T00:00:00Z lt 2028-01-01T00:00:00Z");
        let long = "2024-03-31T10:00:00Z";
        check_at(long, Operator::LastMonth, &[], "ge 2024-02-01T00:00:00Z lt 2024-03-01T00:00:00Z");
    }

    #[test]
    fn numbers_of_periods() {
        let count = |number| [Value::Integer(number)];
        check(Operator::LastXHours, &count(2), "ge 2026-11-25T11:30:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXHours, &count(2), "gt 2026-11-25T13:30:00Z le 2026-11-25T15:30:00Z");
        check(Operator::LastXDays, &count(4), "ge 2026-11-21T00:00:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXDays, &count(4), "gt 2026-11-25T13:30:00Z lt 2026-11-30T00:00:00Z");
        check(Operator::LastXWeeks, &count(2), "ge 2026-11-11T00:00:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXWeeks, &count(2), "gt 2026-11-25T13:30:00Z lt 2026-12-10T00:00:00Z");
        check(Operator::LastXMonths, &count(3), "ge 2026-08-25T00:00:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXMonths, &count(3), "gt 2026-11-25T13:30:00Z lt 2027-02-26T00:00:00Z");
        check(Operator::LastXYears, &count(2), "ge 2024-11-25T00:00:00Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXYears, &count(2), "gt 2026-11-25T13:30:00Z lt 2028-11-26T00:00:00Z");
        check(Operator::OlderThanXMinutes, &count(15), "lt 2026-11-25T13:15:00Z");
        check(Operator::OlderThanXHours, &count(15), "lt 2026-11-24T22:30:00Z");
        check(Operator::OlderThanXDays, &count(1), "lt 2026-11-24T13:30:00Z");
        check(Operator::OlderThanXWeeks, &count(1), "lt 2026-11-18T13:30:00Z");
        check(Operator::OlderThanXMonths, &count(1), "lt 2026-10-25T13:30:00Z");
        check(Operator::OlderThanXYears, &count(1), "lt 2025-11-25T13:30:00Z");
        let leap = "2024-02-29T10:00:00Z";
        check_at(leap, Operator::OlderThanXYears, &count(1), "lt 2023-02-28T10:00:00Z");
    }

    #[test]
    fn numbers_beyond_the_calendar_end_at_its_edge() {
        let most = [Value::Integer(i32::MAX)];
        check(Operator::OlderThanXYears, &most, "lt -009999-01-02T01:59:59Z");
        check(Operator::LastXYears, &most, "ge -009999-01-02T01:59:59Z le 2026-11-25T13:30:00Z");
        check(Operator::NextXDays, &most, "gt 2026-11-25T13:30:00Z lt 253402207200999 ms");
        let beyond = [Value::DateTime(DateTime(i64::MAX))];
        check(Operator::OnOrAfter, &beyond, "ge 9999-12-30T00:00:00Z");
    }

    #[test]
    fn the_user() {
        let user = "00000000-0000-0000-0000-000000000007";
        check(Operator::EqUserId, &[], &format!("eq {user}"));
        check(Operator::NeUserId, &[], &format!("ne {user}"));
    }

    /// Every operator that says it is relative is gone afterwards, also in groups and links; and nothing else is touched.
    #[test]
    fn every_relative_operator_is_resolved() {
        for operator in Operator::ALL {
            let values = if operator.counts() {
                vec![Value::Integer(1)]
            } else {
                vec![Value::DateTime(DateTime(0)); usize::from(operator.arity().accepts(1))]
            };
            let filter = Filter::any([Filter::all([Filter::test("createdon", operator, values)])]);
            let query = Query::new("account")
                .filter(filter.clone())
                .link(Link::inner("a", "b", "c", "d").link(Link::exists("a", "b", "c", "e").filter(filter)));
            let resolved = query.resolved(DateTime(0), Uuid::nil());
            assert_eq!(query.is_relative(), operator.is_relative(), "{operator}");
            assert!(!resolved.is_relative(), "{operator}");
            assert!(operator.is_relative() || resolved == query, "{operator}");
        }
    }
}
