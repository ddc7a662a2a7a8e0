//! How the jobs of an asynchronous step are run.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::{Value as Json, json};

/// Retries of a job unless its step says otherwise, as on the platform: it gives up after four.
pub const RETRIES_DEFAULT: u32 = 4;
/// The time before the first retry unless an operator says otherwise; each later one waits twice as long.
pub const RETRY_DELAY_DEFAULT: Duration = Duration::from_secs(1);

/// How the jobs of an asynchronous step are run. The author declares the first part of it, and an operator may change
/// all of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct JobPolicy {
    /// Whether jobs about the same record run one after another, in the order in which they were queued; those of a
    /// message without a record as if all were about the same.
    #[serde(skip_serializing_if = "is_default")]
    pub ordered: bool,
    /// Whether a new job takes the place of one about the same record that has not started: that one is canceled.
    #[serde(skip_serializing_if = "is_default")]
    pub unique: bool,
    /// Jobs with a smaller number run first, as ranks do; among equals the oldest.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: i32,
    /// How often a job is run again, after a transient failure or when the step asks for it, before it fails.
    #[serde(skip_serializing_if = "is_retries_default")]
    pub retries: u32,
    /// Whether a job that succeeds is deleted (`asyncautodelete` on the platform). One that fails stays.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_delete: bool,
    /// Whether the step is made for longer than the time limit of a message: it saves checkpoints and goes on from the
    /// last one.
    #[serde(skip_serializing_if = "is_default")]
    pub background: bool,
    /// The operator's: the time that one run of a background step may take, in place of the message's time limit.
    #[serde(with = "duration::option", skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub budget: Option<Duration>,
    /// The operator's: the time before the first retry. Each later one waits twice as long, and a random part less.
    #[serde(with = "duration", skip_serializing_if = "is_retry_delay_default")]
    #[cfg_attr(feature = "cli", schemars(with = "String"))]
    pub retry_delay: Duration,
    /// The operator's: how many jobs of the step a host runs at once.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency: Option<u32>,
    /// The operator's: how many jobs of the step a host starts in a time.
    #[serde(skip_serializing_if = "is_default")]
    #[cfg_attr(feature = "cli", schemars(with = "Option<String>"))]
    pub rate: Option<Rate>,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_retries_default(retries: &u32) -> bool {
    *retries == RETRIES_DEFAULT
}

fn is_retry_delay_default(delay: &Duration) -> bool {
    *delay == RETRY_DELAY_DEFAULT
}

impl Default for JobPolicy {
    fn default() -> Self {
        Self {
            ordered: false,
            unique: false,
            priority: 0,
            retries: RETRIES_DEFAULT,
            auto_delete: false,
            background: false,
            budget: None,
            retry_delay: RETRY_DELAY_DEFAULT,
            concurrency: None,
            rate: None,
        }
    }
}

impl JobPolicy {
    /// Its parts with their names in a manifest, for who compares policies.
    pub(crate) fn parts(&self) -> [(&'static str, Json); 10] {
        // Taken apart, so that a new part cannot be forgotten here.
        let Self {
            ordered,
            unique,
            priority,
            retries,
            auto_delete,
            background,
            budget,
            retry_delay,
            concurrency,
            rate,
        } = self;
        [
            ("jobs.ordered", json!(ordered)),
            ("jobs.unique", json!(unique)),
            ("jobs.priority", json!(priority)),
            ("jobs.retries", json!(retries)),
            ("jobs.auto_delete", json!(auto_delete)),
            ("jobs.background", json!(background)),
            ("jobs.budget", json!(budget.map(duration::show))),
            ("jobs.retry_delay", json!(duration::show(*retry_delay))),
            ("jobs.concurrency", json!(concurrency)),
            ("jobs.rate", json!(rate)),
        ]
    }

    /// What of it makes no sense, if anything.
    #[must_use]
    pub fn problem(&self) -> Option<&'static str> {
        if self.budget.is_some() && !self.background {
            Some("has a `budget`, which only background steps have")
        } else if self.budget.is_some_and(|budget| budget.is_zero()) {
            Some("has a `budget` of no time")
        } else if self.concurrency == Some(0) {
            Some("has a `concurrency` of 0, with which its jobs would never run; pause the step instead")
        } else {
            None
        }
    }
}

/// What a manifest says of a step's jobs. What is none stays as it is declared.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JobPolicyOverride {
    /// See [`JobPolicy::ordered`].
    pub ordered: Option<bool>,
    /// See [`JobPolicy::unique`].
    pub unique: Option<bool>,
    /// See [`JobPolicy::priority`].
    pub priority: Option<i32>,
    /// See [`JobPolicy::retries`].
    pub retries: Option<u32>,
    /// See [`JobPolicy::auto_delete`].
    pub auto_delete: Option<bool>,
    /// See [`JobPolicy::budget`].
    #[serde(with = "duration::option")]
    pub budget: Option<Duration>,
    /// See [`JobPolicy::retry_delay`].
    #[serde(with = "duration::option")]
    pub retry_delay: Option<Duration>,
    /// See [`JobPolicy::concurrency`].
    pub concurrency: Option<u32>,
    /// See [`JobPolicy::rate`].
    pub rate: Option<Rate>,
}

impl JobPolicyOverride {
    /// Writes what it says into `policy`.
    pub fn apply(&self, policy: &mut JobPolicy) {
        let Self { ordered, unique, priority, retries, auto_delete, budget, retry_delay, concurrency, rate } =
            *self;
        policy.ordered = ordered.unwrap_or(policy.ordered);
        policy.unique = unique.unwrap_or(policy.unique);
        policy.priority = priority.unwrap_or(policy.priority);
        policy.retries = retries.unwrap_or(policy.retries);
        policy.auto_delete = auto_delete.unwrap_or(policy.auto_delete);
        policy.budget = budget.or(policy.budget);
        policy.retry_delay = retry_delay.unwrap_or(policy.retry_delay);
        policy.concurrency = concurrency.or(policy.concurrency);
        policy.rate = rate.or(policy.rate);
    }
}

/// So many in a time: `100/1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many, at least 1.
    pub count: u32,
    /// In which time, longer than zero.
    pub per: Duration,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.count, duration::show(self.per))
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no rate; write a number and a time, as in `100/1m`");
        let (count, per) = text.split_once('/').ok_or_else(wrong)?;
        let count = count.trim().parse().ok().filter(|count| *count > 0).ok_or_else(wrong)?;
        let per = duration::read(per).ok().filter(|per| !per.is_zero()).ok_or_else(wrong)?;
        Ok(Self { count, per })
    }
}

impl Serialize for Rate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Rate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Durations as text with units: `90s`, `2m 30s`, `1h`.
pub(crate) mod duration {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer, de};

    pub(crate) fn read(text: &str) -> Result<Duration, String> {
        let wrong =
            || format!("`{text}` is no duration; write a number with a unit, as in `90s`, `30m` or `1h 30m`");
        let duration: jiff::SignedDuration = text.trim().parse().map_err(|_| wrong())?;
        Duration::try_from(duration).map_err(|_| wrong())
    }

    pub(crate) fn show(duration: Duration) -> String {
        jiff::SignedDuration::try_from(duration)
            .map_or_else(|_| format!("{duration:?}"), |d| format!("{d:#}"))
    }

    pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&show(*duration))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        read(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }

    pub(crate) mod option {
        use super::*;

        pub(crate) fn serialize<S: Serializer>(
            duration: &Option<Duration>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            match duration {
                Some(duration) => serializer.collect_str(&show(*duration)),
                None => serializer.serialize_none(),
            }
        }

        pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Duration>, D::Error> {
            let text = Option::<String>::deserialize(deserializer)?;
            text.map(|text| read(&text)).transpose().map_err(de::Error::custom)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_little_as_they_say() {
        let check = |policy: &JobPolicy, json: &str| {
            assert_eq!(serde_json::to_string(policy).unwrap(), json);
            assert_eq!(serde_json::from_str::<JobPolicy>(json).unwrap(), *policy);
        };
        check(&JobPolicy::default(), "{}");
        check(
            &JobPolicy {
                ordered: true,
                retries: 0,
                background: true,
                budget: Some(Duration::from_secs(5400)),
                retry_delay: Duration::from_millis(1500),
                rate: Some(Rate { count: 100, per: Duration::from_secs(60) }),
                ..JobPolicy::default()
            },
            r#"{"ordered":true,"retries":0,"background":true,"budget":"1h 30m","retry_delay":"1s 500ms","rate":"100/1m"}"#,
        );
    }

    #[test]
    fn what_is_no_rate_is_refused_with_an_example() {
        for wrong in ["", "5", "0/1s", "5/0s", "x/1s", "5/soon"] {
            let error = wrong.parse::<Rate>().unwrap_err();
            assert_eq!(error, format!("`{wrong}` is no rate; write a number and a time, as in `100/1m`"));
        }
    }
}
