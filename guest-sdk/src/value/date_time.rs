//! Moments.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::time::Duration;

use super::ParseError;

const MILLIS_PER_DAY: i64 = 86_400_000;

/// A moment in UTC, to the millisecond.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DateTime(i64);

impl DateTime {
    /// From milliseconds since 1970-01-01T00:00:00Z, negative before it.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// As milliseconds since 1970-01-01T00:00:00Z.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Midnight UTC at the start of a day of the Gregorian calendar; none if there is no such day.
    pub fn from_ymd(year: i32, month: u32, day: u32) -> Option<Self> {
        let days = days_from_civil(i64::from(year), i64::from(month), i64::from(day));
        let exists = civil_from_days(days) == (i64::from(year), i64::from(month), i64::from(day));
        exists.then_some(Self(days * MILLIS_PER_DAY))
    }

    /// Year, month (1 to 12) and day (1 to 31) in UTC.
    pub fn ymd(self) -> (i64, i64, i64) {
        civil_from_days(self.0.div_euclid(MILLIS_PER_DAY))
    }

    /// The time since `earlier`; zero if that is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// Stops at the end of time.
impl Add<Duration> for DateTime {
    type Output = Self;

    fn add(self, later_by: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(later_by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Stops at the beginning of time.
impl Sub<Duration> for DateTime {
    type Output = Self;

    fn sub(self, earlier_by: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(earlier_by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// RFC 3339: `2026-01-31T08:30:00Z`, with milliseconds if there are any.
impl fmt::Display for DateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.ymd();
        let millis = self.0.rem_euclid(MILLIS_PER_DAY);
        let (hour, minute, second) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if millis % 1000 != 0 {
            write!(out, ".{:03}", millis % 1000)?;
        }
        out.write_str("Z")
    }
}

impl fmt::Debug for DateTime {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

/// Reads RFC 3339 with any offset; digits past the millisecond are dropped.
impl FromStr for DateTime {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        parse(text).ok_or_else(|| ParseError::new(text, "a moment like 2026-01-31T08:30:00Z"))
    }
}

fn parse(text: &str) -> Option<DateTime> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let mut date = date.splitn(3, '-');
    let (year, month, day) = (digits(date.next()?, 4)?, digits(date.next()?, 2)?, digits(date.next()?, 2)?);
    let midnight =
        DateTime::from_ymd(i32::try_from(year).ok()?, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;

    let offset_at = time.find(['Z', 'z', '+', '-'])?;
    let (clock, offset) = time.split_at(offset_at);
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let mut clock = clock.splitn(3, ':');
    let (hour, minute, second) =
        (digits(clock.next()?, 2)?, digits(clock.next()?, 2)?, digits(clock.next()?, 2)?);
    if hour > 23 || minute > 59 || second > 59 || fraction.is_empty() {
        return None;
    }
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let local = midnight.0 + ((hour * 60 + minute) * 60 + second) * 1000 + millis;
    Some(DateTime(local - offset_millis(offset)?))
}

fn offset_millis(offset: &str) -> Option<i64> {
    let (sign, rest) = match offset.split_at_checked(1)? {
        ("Z" | "z", "") => return Some(0),
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    (hours <= 23 && minutes <= 59).then_some(sign * (hours * 60 + minutes) * 60_000)
}

fn digits(text: &str, count: usize) -> Option<i64> {
    if text.len() != count || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Days since 1970-01-01 of a day of the Gregorian calendar, counted in eras of 400 years that start in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// The inverse of [`days_from_civil`].
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_rfc_3339() {
        let check = |text: &str, millis: i64, back: &str| {
            let moment: DateTime = text.parse().unwrap();
            assert_eq!(moment.as_millis(), millis, "{text}");
            assert_eq!(moment.to_string(), back);
        };
        check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
        check("2000-02-29T12:30:45.678Z", 951_827_445_678, "2000-02-29T12:30:45.678Z");
        check("2026-01-31T08:30:00+02:00", 1_769_841_000_000, "2026-01-31T06:30:00Z");
        check("1969-12-31T23:59:59.9999Z", -1, "1969-12-31T23:59:59.999Z");
        check("2026-01-31t08:30:00.5-00:30", 1_769_850_000_500, "2026-01-31T09:00:00.500Z");
    }

    #[test]
    fn refuses_what_is_no_moment() {
        for text in [
            "",
            "2026-02-30T00:00:00Z",
            "2026-01-31",
            "2026-01-31T24:00:00Z",
            "2026-01-31T08:30:00",
            "2026-01-31T08:30:00.Z",
            "2026-01-31T08:30:00+2:00",
            "2026-13-01T00:00:00Z",
            "26-01-01T00:00:00Z",
        ] {
            assert!(text.parse::<DateTime>().is_err(), "{text}");
        }
    }
}
