//! What is asked, granted and lacking, side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{Asks, Grants, HttpGrant, HttpRule, kind};
use crate::model::job::duration;

/// One thing that a plugin asks for, and what it gets of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Capability {
    /// Its kind: see [`kind`].
    pub kind: &'static str,
    /// What is asked: a name, a size, a time, or methods and an origin. Never a secret's text.
    pub asked: String,
    /// What of it is granted; none for nothing.
    pub granted: Option<String>,
    /// What of it is not granted; none if all of it is.
    pub lacking: Option<String>,
}

/// `the secret bureau_key`, `HTTP GET https://api.example.com`: what is lacking, or else what is asked.
impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let what = self.lacking.as_deref().unwrap_or(&self.asked);
        match self.kind {
            kind::HTTP => write!(f, "HTTP {what}"),
            kind::SECRET => write!(f, "the secret {what}"),
            kind::ENVIRONMENT => write!(f, "the environment variable {what}"),
            kind::CONFIGURATION => write!(f, "the configuration value {what}"),
            kind::RANDOM => f.write_str("random numbers"),
            kind::CLOCKS => f.write_str("the real clocks"),
            other => write!(f, "{other} {what}"),
        }
    }
}

/// What a plugin asks for, in the order of the declaration's kinds, and what it gets.
#[must_use]
pub fn capabilities(asks: &Asks, grants: &Grants) -> Vec<Capability> {
    let http: &[HttpGrant] = grants.http.as_deref().unwrap_or_default();
    let mut all: Vec<Capability> = asks.http.iter().map(|asked| of_http(asked, http)).collect();
    let environment = grants.environment.as_deref().unwrap_or_default();
    all.extend(named(kind::ENVIRONMENT, &asks.environment, |name| environment.contains(name)));
    all.extend(named(kind::SECRET, &asks.secrets, |name| has(grants.secrets.as_ref(), name)));
    let configuration = grants.configuration.as_ref();
    all.extend(named(kind::CONFIGURATION, &asks.configuration, |key| has(configuration, key)));
    for (kind, asked, granted) in
        [(kind::RANDOM, asks.random, grants.random), (kind::CLOCKS, asks.clocks, grants.clocks)]
    {
        all.extend(asked.then(|| whole(kind, "yes".into(), granted == Some(true))));
    }
    if asks.memory > 0 {
        let shown = |mebibytes: u32| format!("{mebibytes} MiB");
        all.push(measured(kind::MEMORY, asks.memory, grants.memory.filter(|more| *more > 0), shown));
    }
    if let Some(asked) = asks.background {
        all.push(measured(kind::BACKGROUND, asked, grants.background, |time: Duration| duration::show(time)));
    }
    all
}

fn has<T>(granted: Option<&BTreeMap<String, T>>, name: &str) -> bool {
    granted.is_some_and(|granted| granted.contains_key(name))
}

fn whole(kind: &'static str, asked: String, is_granted: bool) -> Capability {
    let granted = is_granted.then(|| asked.clone());
    let lacking = (!is_granted).then(|| asked.clone());
    Capability { kind, asked, granted, lacking }
}

fn named<'a>(
    kind: &'static str,
    names: &'a [String],
    is_granted: impl Fn(&String) -> bool + 'a,
) -> impl Iterator<Item = Capability> + 'a {
    names.iter().map(move |name| whole(kind, name.clone(), is_granted(name)))
}

/// Of a size: what is granted at most counts.
fn measured<T: Copy + PartialOrd>(
    kind: &'static str,
    asked: T,
    granted: Option<T>,
    shown: impl Fn(T) -> String,
) -> Capability {
    let is_whole = granted.is_some_and(|granted| granted >= asked);
    let lacking = (!is_whole).then(|| match granted {
        None => shown(asked),
        Some(granted) => format!("{} beyond {}", shown(asked), shown(granted)),
    });
    Capability { kind, asked: shown(asked), granted: granted.map(shown), lacking }
}

fn of_http(asked: &HttpRule, grants: &[HttpGrant]) -> Capability {
    // Of a rule that grants more methods than this one asks, another one asks the others.
    let inside = |grant: &HttpGrant| {
        let methods = grant.rule.methods.iter().filter(|method| asked.methods.contains(method)).cloned();
        let methods: Vec<String> = methods.collect();
        let rule = HttpRule { methods, origin: grant.rule.origin.clone() };
        (!rule.methods.is_empty() && asked.origin.covers(&rule.origin))
            .then(|| if grant.private { format!("{rule} (private too)") } else { rule.to_string() })
    };
    let granted: Vec<String> = grants.iter().filter_map(inside).collect();
    let is_whole = |method: &&String| {
        grants
            .iter()
            .any(|grant| grant.rule.methods.contains(method) && grant.rule.origin.covers(&asked.origin))
    };
    let methods: Vec<String> = asked.methods.iter().filter(|method| !is_whole(method)).cloned().collect();
    let lacking =
        (!methods.is_empty()).then(|| HttpRule { methods, origin: asked.origin.clone() }.to_string());
    Capability {
        kind: kind::HTTP,
        asked: asked.to_string(),
        granted: (!granted.is_empty()).then(|| granted.join("; ")),
        lacking,
    }
}

#[cfg(test)]
mod tests {
    use super::super::SecretSource;
    use super::*;

    fn asks() -> Asks {
        Asks {
            http: vec![HttpRule::new(["GET", "POST"], "https://*.example.com").unwrap()],
            environment: vec!["REGION".into()],
            secrets: vec!["key".into()],
            memory: 64,
            background: Some(Duration::from_secs(7200)),
            random: true,
            ..Asks::default()
        }
    }

    fn shown(grants: &Grants) -> Vec<String> {
        let line = |one: &Capability| {
            let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".into());
            format!("{} {} | {} | {}", one.kind, one.asked, or_dash(&one.granted), or_dash(&one.lacking))
        };
        capabilities(&asks(), grants).iter().map(line).collect()
    }

    #[test]
    fn nothing_is_granted_unless_somebody_says_so() {
        let all = shown(&Grants::new());
        assert_eq!(
            all,
            [
                "http GET, POST https://*.example.com | - | GET, POST https://*.example.com",
                "environment REGION | - | REGION",
                "secret key | - | key",
                "random yes | - | yes",
                "memory 64 MiB | - | 64 MiB",
                "background 2h | - | 2h",
            ]
        );
    }

    #[test]
    fn a_part_of_what_is_asked_leaves_the_rest_lacking() {
        let grants = Grants::new()
            .http(HttpGrant::new(HttpRule::new(["GET"], "https://*.example.com").unwrap()))
            .http(HttpGrant::new(HttpRule::new(["POST"], "https://api.example.com").unwrap()).private())
            .secret("key", SecretSource::Environment("KEY".into()))
            .memory(32)
            .background(Duration::from_secs(7200));
        assert_eq!(grants.excess(&asks()), None);
        assert_eq!(
            shown(&grants),
            [
                "http GET, POST https://*.example.com | GET https://*.example.com; POST https://api.example.com (private \
                 too) | POST https://*.example.com",
                "environment REGION | - | REGION",
                "secret key | key | -",
                "random yes | - | yes",
                "memory 64 MiB | 32 MiB | 64 MiB beyond 32 MiB",
                "background 2h | 2h | -",
            ]
        );
    }

    #[test]
    fn what_nobody_asked_for_is_found() {
        let http = |methods: &[&str], origin: &str| {
            Grants::new().http(HttpGrant::new(HttpRule::new(methods.to_vec(), origin).unwrap()))
        };
        for (grants, expected) in [
            (http(&["DELETE"], "https://a.example.com"), "the call `DELETE https://a.example.com`"),
            (http(&["GET"], "https://example.com"), "the call `GET https://example.com`"),
            (http(&["GET"], "http://a.example.com:443"), "the call `GET http://a.example.com:443`"),
            (Grants::new().environment("HOME"), "the environment variable `HOME`"),
            (Grants::new().secret("other", SecretSource::Environment("X".into())), "the secret `other`"),
            (Grants::new().configuration("k", "v"), "the configuration value `k`"),
            (Grants::new().clocks(), "the clocks"),
            (Grants::new().memory(65), "65 MiB of memory"),
            (Grants::new().background(Duration::from_secs(7201)), "2h 1s for background steps"),
        ] {
            assert_eq!(grants.excess(&asks()).as_deref(), Some(expected));
        }
    }
}
