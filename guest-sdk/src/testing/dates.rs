//! Dates relative to the clock, in UTC.

use std::ops::Range;

use crate::value::{DateTime, Value};
use crate::{Fault, Result, code};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// The milliseconds that an operator's moments lie in; none if it is not one of dates, or one that depends on settings,
/// such as the first day of a week.
pub(super) fn span(operator: &str, values: &[Value], now: DateTime) -> Option<Result<Range<i64>>> {
    let at = now.as_millis();
    let today = at.div_euclid(DAY) * DAY;
    let days = |from: i64, to: i64| Some(Ok(today + from * DAY..today + to * DAY));
    let (year, month, _) = now.ymd();
    match operator {
        "today" => return days(0, 1),
        "yesterday" => return days(-1, 0),
        "tomorrow" => return days(1, 2),
        "last-seven-days" => return Some(Ok(today - 7 * DAY..at + 1)),
        "next-seven-days" => return Some(Ok(at..today + 8 * DAY)),
        "last-month" => return Some(months(year, month, -1, 0)),
        "this-month" => return Some(months(year, month, 0, 1)),
        "next-month" => return Some(months(year, month, 1, 2)),
        "last-year" => return Some(months(year, 1, -12, 0)),
        "this-year" => return Some(months(year, 1, 0, 12)),
        "next-year" => return Some(months(year, 1, 12, 24)),
        _ => {}
    }
    match (operator, values) {
        ("on", [Value::DateTime(day)]) => {
            let start = day.as_millis().div_euclid(DAY) * DAY;
            Some(Ok(start..start + DAY))
        }
        ("on-or-before", [Value::DateTime(day)]) => {
            Some(Ok(i64::MIN..day.as_millis().div_euclid(DAY) * DAY + DAY))
        }
        ("on-or-after", [Value::DateTime(day)]) => Some(Ok(day.as_millis().div_euclid(DAY) * DAY..i64::MAX)),
        (_, [Value::Integer(count)]) => {
            let count = i64::from(*count);
            Some(Ok(match operator {
                "last-x-hours" => at - count * HOUR..at + 1,
                "next-x-hours" => at..at + count * HOUR + 1,
                "last-x-days" => today - count * DAY..at + 1,
                "next-x-days" => at..today + (count + 1) * DAY,
                "last-x-weeks" => today - 7 * count * DAY..at + 1,
                "next-x-weeks" => at..today + (7 * count + 1) * DAY,
                "olderthan-x-minutes" => i64::MIN..at - count * 60_000,
                "olderthan-x-hours" => i64::MIN..at - count * HOUR,
                "olderthan-x-days" => i64::MIN..at - count * DAY,
                "olderthan-x-weeks" => i64::MIN..at - 7 * count * DAY,
                _ => return None,
            }))
        }
        _ => None,
    }
}

/// Whole months, counted from this one.
fn months(year: i64, month: i64, from: i64, to: i64) -> Result<Range<i64>> {
    let start = |shift: i64| {
        let index = year * 12 + month - 1 + shift;
        let year = i32::try_from(index.div_euclid(12)).ok()?;
        let month = u32::try_from(index.rem_euclid(12) + 1).ok()?;
        Some(DateTime::from_ymd(year, month, 1)?.as_millis())
    };
    let out_of_range = || Fault::new("The clock is out of range.").with_code(code::INVALID_ARGUMENT);
    Ok(start(from).ok_or_else(out_of_range)?..start(to).ok_or_else(out_of_range)?)
}
