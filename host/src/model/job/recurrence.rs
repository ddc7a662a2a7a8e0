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
        let rule = self.parse()?;
        let start = utc(self.near(&rule, moment));
        let start = start.ok_or_else(|| self.refused("begins outside of the years that there are"))?;
        let Some(after) = utc(DateTime(moment.0.saturating_add(1))) else { return Ok(None) };
        let set = rule.build(start).map_err(|error| self.refused(&error.to_string()))?;
        let found = set.after(after).all(1).dates;
        Ok(found.first().map(|next| DateTime(next.timestamp_millis())))
    }

    /// A start shortly before `moment` from which the rule selects the same. Periods up to a week are equally long in UTC,
    /// so whole ones of them can be skipped: going through every minute since a year ago would take seconds. A rule that
    /// counts its moments has to.
    fn near(&self, rule: &RRule<Unvalidated>, moment: DateTime) -> DateTime {
        let minutes = match rule.get_freq() {
            Frequency::Minutely => 1,
            Frequency::Hourly => 60,
            Frequency::Daily => 24 * 60,
            Frequency::Weekly => 7 * 24 * 60,
            Frequency::Secondly | Frequency::Monthly | Frequency::Yearly => return self.start,
        };
        let period = minutes * 60_000 * i64::from(rule.get_interval().max(1));
        let periods = moment.0.saturating_sub(self.start.0).div_euclid(period);
        match rule.get_count() {
            None if periods > 1 => DateTime(self.start.0 + (periods - 1) * period),
            _ => self.start,
        }
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

    /// Whole periods are skipped, and nothing else than time is saved by that.
    #[test]
    fn a_rule_selects_the_same_however_long_ago_it_began() {
        let start = at("2026-01-01T00:30:15Z");
        for rule in [
            "FREQ=MINUTELY;INTERVAL=7",
            "FREQ=HOURLY;INTERVAL=5;BYMINUTE=10,40",
            "FREQ=DAILY;INTERVAL=3;BYHOUR=3,15",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU",
            "FREQ=MONTHLY;BYDAY=-1FR",
        ] {
            let all: RRule<Unvalidated> = rule.parse().unwrap();
            let all = all.build(utc(start).unwrap()).unwrap().all(300).dates;
            let recurrence = Recurrence::new(rule, start).unwrap();
            for pair in all.windows(2) {
                let [before, next] = [0, 1].map(|index| DateTime(pair[index].timestamp_millis()));
                assert_eq!(recurrence.next(before).unwrap(), Some(next), "{rule} after {before:?}");
                assert_eq!(recurrence.next(DateTime(next.0 - 1)).unwrap(), Some(next), "{rule}");
            }
        }
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
