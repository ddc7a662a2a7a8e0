//! When a recurring job runs again: rules of RFC 5545, in UTC, as the platform's recurrence patterns are.

use std::fmt;

use rrule::{Frequency, RRule, Tz, Unvalidated};

use crate::model::DateTime;
use crate::model::error::{Error, ErrorKind, Result};

/// A rule, for example `FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0`, and the moment from which it counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    rule: String,
    start: DateTime,
}

impl Recurrence {
    /// A recurrence that begins at `start`, or after it with what the rule selects first.
    ///
    /// Fails with [`ErrorKind::InvalidRequest`] if the rule is none, selects nothing, or recurs every second: a job a
    /// second is a loop, and belongs into a background step.
    pub fn new(rule: impl Into<String>, start: DateTime) -> Result<Self> {
        let recurrence = Self { rule: rule.into(), start };
        let parsed = recurrence.parse()?;
        if parsed.get_freq() == Frequency::Secondly {
            return Err(recurrence.refused("recurs every second; the shortest is FREQ=MINUTELY"));
        }
        match recurrence.next(DateTime(start.0.saturating_sub(1)))? {
            Some(_) => Ok(recurrence),
            None => Err(recurrence.refused("selects no moment")),
        }
    }

    /// The rule.
    #[must_use]
    pub fn rule(&self) -> &str {
        &self.rule
    }

    /// The moment from which it counts.
    #[must_use]
    pub fn start(&self) -> DateTime {
        self.start
    }

    /// The first moment after `moment`; none if the rule has ended. What was missed meanwhile is passed over.
    pub fn next(&self, moment: DateTime) -> Result<Option<DateTime>> {
        let start =
            utc(self.start).ok_or_else(|| self.refused("begins outside of the years that there are"))?;
        let after = utc(DateTime(moment.0.saturating_add(1)));
        let set = self.parse()?.build(start).map_err(|error| self.refused(&error.to_string()))?;
        let set = match after {
            Some(after) => set.after(after),
            None => return Ok(None),
        };
        let found = set.all(1).dates;
        Ok(found.first().map(|next| DateTime(next.timestamp_millis())))
    }

    /// The same recurrence, counted from one of its moments: so that the next one is found without going through all
    /// since its beginning. One that counts its moments is left as it is.
    #[must_use]
    pub fn from_moment(&self, moment: DateTime) -> Self {
        let counts = self.parse().is_ok_and(|rule| rule.get_count().is_some());
        Self { rule: self.rule.clone(), start: if counts { self.start } else { moment } }
    }

    /// A recurrence as it was kept.
    pub(crate) fn kept(rule: String, start: DateTime) -> Self {
        Self { rule, start }
    }

    fn parse(&self) -> Result<RRule<Unvalidated>> {
        self.rule.parse().map_err(|error: rrule::RRuleError| self.refused(&error.to_string()))
    }

    fn refused(&self, problem: &str) -> Error {
        let example = "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0";
        let message = format!(
            "the recurrence `{}` {problem}; write a rule of RFC 5545, such as `{example}`",
            self.rule
        );
        Error::new(ErrorKind::InvalidRequest, message)
    }
}

impl fmt::Display for Recurrence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rule)
    }
}

fn utc(moment: DateTime) -> Option<chrono::DateTime<Tz>> {
    chrono::DateTime::from_timestamp_millis(moment.0).map(|moment| moment.with_timezone(&Tz::UTC))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> DateTime {
        DateTime(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    #[test]
    fn the_next_moment_is_after_the_last_and_in_the_future() {
        let check = |rule: &str, start: &str, moment: &str, expected: Option<&str>| {
            let recurrence = Recurrence::new(rule, at(start)).unwrap();
            assert_eq!(recurrence.next(at(moment)).unwrap(), expected.map(at), "{rule} after {moment}");
        };
        let nightly = "FREQ=DAILY;BYHOUR=3;BYMINUTE=0;BYSECOND=0";
        check(nightly, "2026-01-01T12:00:00Z", "2026-01-01T12:00:00Z", Some("2026-01-02T03:00:00Z"));
        check(nightly, "2026-01-01T12:00:00Z", "2026-01-02T03:00:00Z", Some("2026-01-03T03:00:00Z"));
        check(nightly, "2026-01-01T12:00:00Z", "2026-06-30T23:00:00Z", Some("2026-07-01T03:00:00Z"));
        let last_friday = "FREQ=MONTHLY;BYDAY=-1FR";
        check(last_friday, "2026-01-30T08:00:00Z", "2026-01-30T08:00:00Z", Some("2026-02-27T08:00:00Z"));
        let twice = "FREQ=HOURLY;COUNT=2";
        check(twice, "2026-01-01T00:00:00Z", "2025-12-31T23:59:59Z", Some("2026-01-01T00:00:00Z"));
        check(twice, "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z", Some("2026-01-01T01:00:00Z"));
        check(twice, "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z", None);
    }

    #[test]
    fn a_recurrence_is_counted_from_any_of_its_moments() {
        let start = at("2026-01-01T00:00:00Z");
        let every = Recurrence::new("FREQ=MINUTELY;INTERVAL=7", start).unwrap();
        let mut moment = start;
        let mut moved = every.clone();
        for _ in 0..50 {
            let next = every.next(moment).unwrap().unwrap();
            assert_eq!(moved.next(moment).unwrap(), Some(next));
            moved = moved.from_moment(next);
            moment = next;
        }
        let counted = Recurrence::new("FREQ=DAILY;COUNT=3", start).unwrap();
        assert_eq!(counted.from_moment(at("2026-01-02T00:00:00Z")), counted);
    }

    #[test]
    fn what_is_no_rule_is_refused_with_an_example() {
        for (rule, expected) in [
            ("every day", "`every day`"),
            ("FREQ=SECONDLY", "recurs every second"),
            ("FREQ=DAILY;UNTIL=20200101T000000Z", "FREQ=DAILY;UNTIL=20200101T000000Z"),
        ] {
            let error = Recurrence::new(rule, at("2026-01-01T00:00:00Z")).unwrap_err();
            assert!(error.message().contains(expected), "{error}");
            assert!(error.message().contains("such as `FREQ=DAILY;BYHOUR=3"), "{error}");
        }
    }
}
