//! What plugins use, and how much they may: as an operator's manifest or the builder has it.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::model::breaker::OpenBreaker;
use crate::model::error::ErrorKind;
use crate::model::job::duration;

/// What one plugin may use on a host, all of its steps together. No quota is set unless somebody does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Quota {
    /// The time in its guests, of all runs together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_time: Option<GuestTime>,
    /// Bytes of linear memory in all of its sandboxes at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
}

impl Quota {
    /// Allows so much time in guests in each such time.
    #[must_use]
    pub fn guest_time(mut self, time: Duration, per: Duration) -> Self {
        self.guest_time = Some(GuestTime { time, per });
        self
    }

    /// Allows so many bytes of linear memory in all sandboxes of the plugin at one time.
    #[must_use]
    pub fn memory_bytes(mut self, bytes: u64) -> Self {
        self.memory_bytes = Some(bytes);
        self
    }

    /// Takes over what `other` sets.
    pub(crate) fn overridden(self, other: Self) -> Self {
        Self {
            guest_time: other.guest_time.or(self.guest_time),
            memory_bytes: other.memory_bytes.or(self.memory_bytes),
        }
    }
}

/// So much time in guests in a time: `10s/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestTime {
    /// How much, longer than zero.
    pub time: Duration,
    /// In which time, longer than zero.
    pub per: Duration,
}

impl fmt::Display for GuestTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", duration::show(self.time), duration::show(self.per))
    }
}

impl FromStr for GuestTime {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no time in a time; write two durations, as in `10s/1m`");
        let (time, per) = text.split_once('/').ok_or_else(wrong)?;
        let read = |text| duration::read(text).ok().filter(|time| !time.is_zero()).ok_or_else(wrong);
        Ok(Self { time: read(time)?, per: read(per)? })
    }
}

impl Serialize for GuestTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for GuestTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// The time that is left of a quota: it fills evenly, and a run takes what it used when it is over. So a run may take more
/// than there is, and what comes next waits until that is made up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeLeft {
    quota: GuestTime,
    /// Seconds; negative after a run that took more than there was.
    left: f64,
    /// When that was, since the host began.
    as_of: Duration,
}

impl TimeLeft {
    /// The whole of it.
    pub(crate) fn new(quota: GuestTime, now: Duration) -> Self {
        Self { quota, left: quota.time.as_secs_f64(), as_of: now }
    }

    /// Takes what a run has used.
    pub(crate) fn take(&mut self, used: Duration, now: Duration) {
        self.fill(now);
        self.left -= used.as_secs_f64();
    }

    /// How long to wait for the next run to begin; none if it may begin now.
    pub(crate) fn wait(&mut self, now: Duration) -> Option<Duration> {
        self.fill(now);
        // A millisecond at least, so that nobody tries again at the same moment.
        (self.left <= 0.0)
            .then(|| Duration::from_secs_f64((-self.left / self.rate()).clamp(0.001, LONGEST_WAIT)))
    }

    fn fill(&mut self, now: Duration) {
        let filled = now.saturating_sub(self.as_of).as_secs_f64() * self.rate();
        self.left = (self.left + filled).min(self.quota.time.as_secs_f64());
        self.as_of = self.as_of.max(now);
    }

    fn rate(&self) -> f64 {
        self.quota.time.as_secs_f64() / self.quota.per.as_secs_f64()
    }
}

/// The longest wait that is told, a year in seconds: a quota may be as small as one likes.
const LONGEST_WAIT: f64 = 365.0 * 24.0 * 3600.0;

/// What a plugin has used on this host since it started: what a service exports as its metrics.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct PluginUsage {
    /// The plugin.
    pub plugin: String,
    /// Runs of its steps that have ended, in whichever way.
    pub runs: u64,
    /// Those that failed, by what they failed with, as often as they did; refusals with a fault among them.
    pub failures: Vec<(ErrorKind, u64)>,
    /// Runs that did not begin, since their step was disabled or the quota used up.
    pub held_back: u64,
    /// The time in its guests: runs without their calls to the host.
    pub guest_time: Duration,
    /// Bytes of linear memory in all of its sandboxes now.
    pub memory_bytes: u64,
    /// The most that it was at one time.
    pub memory_peak_bytes: u64,
    /// What it may use.
    pub quota: Quota,
    /// Its steps that are disabled for a while.
    pub open_breakers: Vec<OpenBreaker>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quota_is_read_and_written_as_text() {
        let quota: GuestTime = "10s / 1m".parse().unwrap();
        assert_eq!(quota, GuestTime { time: Duration::from_secs(10), per: Duration::from_secs(60) });
        assert_eq!(quota.to_string().parse(), Ok(quota));
        for wrong in ["", "10s", "0s/1m", "10s/0s", "10/1m", "a/b"] {
            assert!(wrong.parse::<GuestTime>().unwrap_err().contains("10s/1m"), "{wrong}");
        }
    }

    #[test]
    fn time_that_is_used_comes_back_evenly() {
        let seconds = Duration::from_secs;
        let quota = GuestTime { time: seconds(10), per: seconds(60) };
        let mut left = TimeLeft::new(quota, seconds(0));
        left.take(seconds(9), seconds(0));
        assert_eq!(left.wait(seconds(0)), None, "a second is left");
        // A run may take more than there is: then it is made up.
        left.take(seconds(6), seconds(0));
        assert_eq!(left.wait(seconds(0)), Some(seconds(30)));
        assert_eq!(left.wait(seconds(20)), Some(seconds(10)));
        assert_eq!(left.wait(seconds(31)), None);
        // It is never more than the whole.
        left.take(seconds(10), seconds(1_000_000));
        assert!(left.wait(seconds(1_000_000)).is_some());
    }
}
