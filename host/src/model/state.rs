//! States and statuses: which belong together, and which may follow which.

use serde::{Deserialize, Serialize};

use crate::model::definition::{STATE_CODE, STATUS_CODE};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::{Attributes, EntityDefinition, Value};

/// A state, and the statuses that belong to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StateDefinition {
    /// Its number in `statecode`. The first state of an entity is that of new records; by custom 0 is active, 1 inactive.
    pub value: i32,
    /// For people.
    pub name: String,
    /// Its statuses; the first is the one that a record gets with the state when no other is named.
    pub statuses: Vec<StatusDefinition>,
}

/// A status: the reason of a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct StatusDefinition {
    /// Its number in `statuscode`, unique in the entity.
    pub value: i32,
    /// For people.
    pub name: String,
    /// The statuses that may follow it; any, if this is missing, and none, if the list is empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Vec<i32>>,
}

impl EntityDefinition {
    /// The state of that number.
    #[must_use]
    pub fn state(&self, value: i32) -> Option<&StateDefinition> {
        self.states.iter().find(|state| state.value == value)
    }

    /// The state that a status belongs to.
    #[must_use]
    pub fn state_of_status(&self, status: i32) -> Option<&StateDefinition> {
        self.states.iter().find(|state| state.statuses.iter().any(|other| other.value == status))
    }

    /// Completes the state and the status in what is to be written, and checks that they belong together and may follow
    /// the record's own. `current` is the record's state and status, none for a new record.
    ///
    /// A new record gets the first state, and a state without a status its first status, unless the record is in it
    /// already. A status without a state must be one of the record's state. An entity without states has none to check.
    pub fn resolve_state(&self, current: Option<(i32, i32)>, target: &mut Attributes) -> Result<()> {
        let Some(first) = self.states.first() else { return Ok(()) };
        let (state, status) = (self.chosen(target, STATE_CODE)?, self.chosen(target, STATUS_CODE)?);
        if current.is_some() && state.is_none() && status.is_none() {
            return Ok(());
        }
        let before = current.map_or(first.value, |(state, _)| state);
        let state_value = state.unwrap_or(before);
        let Some(chosen) = self.state(state_value) else {
            let states = self.states.iter().map(|state| (state.value, state.name.as_str()));
            return Err(self.refused(&format!("has no state {state_value}; there are {}", listed(states))));
        };
        let status = match (status, current) {
            (Some(status), _) => status,
            (None, Some((before, status))) if before == state_value => status,
            (None, _) => chosen.statuses.first().map(|status| status.value).unwrap_or_default(),
        };
        if !chosen.statuses.iter().any(|other| other.value == status) {
            return Err(self.not_of_state(chosen, status, state.is_none()));
        }
        if let Some((_, before)) = current {
            self.check_transition(before, status)?;
        }
        target.insert(STATE_CODE.into(), Value::Choice(state_value));
        target.insert(STATUS_CODE.into(), Value::Choice(status));
        Ok(())
    }

    /// The number that is to be written; none if the attribute is absent.
    fn chosen(&self, target: &Attributes, name: &str) -> Result<Option<i32>> {
        let Some(value) = target.get(name) else { return Ok(None) };
        self.check_value(name, value)?;
        Ok(match value {
            Value::Choice(number) => Some(*number),
            _ => None,
        })
    }

    fn check_transition(&self, from: i32, to: i32) -> Result<()> {
        let Some(status) = self.statuses().find(|status| status.value == from) else { return Ok(()) };
        let Some(next) = status.next.as_ref().filter(|next| to != from && !next.contains(&to)) else {
            return Ok(());
        };
        let allowed = self.statuses().filter(|other| next.contains(&other.value));
        let allowed = listed(allowed.map(|other| (other.value, other.name.as_str())));
        let way_out = if allowed.is_empty() {
            "it is a last one".into()
        } else {
            format!("it can change to {allowed}")
        };
        Err(self.refused(&format!(
            "does not allow the status {from} (`{}`) to change to {to}; {way_out}",
            status.name
        )))
    }

    fn not_of_state(&self, state: &StateDefinition, status: i32, implied: bool) -> Error {
        let StateDefinition { value, name, statuses } = state;
        let allowed = listed(statuses.iter().map(|status| (status.value, status.name.as_str())));
        match self.state_of_status(status) {
            Some(other) if implied => self.refused(&format!(
                "has the status {status} in the state {} (`{}`), and this record is in the state {value} (`{name}`); set \
                 `{STATE_CODE}` too, or choose one of {allowed}",
                other.value, other.name
            )),
            _ => self.refused(&format!(
                "has no status {status} in the state {value} (`{name}`); that state has {allowed}"
            )),
        }
    }

    pub(super) fn statuses(&self) -> impl Iterator<Item = &StatusDefinition> {
        self.states.iter().flat_map(|state| &state.statuses)
    }

    fn refused(&self, reason: &str) -> Error {
        Error::new(ErrorKind::InvalidRequest, format!("the entity `{}` {reason}", self.logical_name))
    }
}

/// Numbers with their names, for people.
fn listed<'a>(named: impl Iterator<Item = (i32, &'a str)>) -> String {
    named.map(|(value, name)| format!("{value} (`{name}`)")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test says what it expects by failing")]

    use super::*;
    use crate::model::{Definitions, Schema};

    const OPEN: (i32, i32) = (0, 1);
    const WON: (i32, i32) = (1, 3);

    /// Open: 1 new, 2 on hold, which may only become 1 or 4. Closed: 3 won, 4 lost, after which nothing comes.
    fn deal() -> std::sync::Arc<EntityDefinition> {
        let deal = EntityDefinition::new("deal")
            .with_state(0, "Open", [(1, "New"), (2, "On hold")])
            .with_state(1, "Closed", [(3, "Won"), (4, "Lost")])
            .with_transitions(2, [1, 4])
            .with_transitions(4, []);
        let schema = Schema::default().extended(&Definitions::from(vec![deal])).expect("valid");
        schema.entity("deal").expect("defined").clone()
    }

    fn resolve(
        current: Option<(i32, i32)>,
        state: Option<i32>,
        status: Option<i32>,
    ) -> Result<Option<(i32, i32)>> {
        let mut target = Attributes::new();
        let mut set = |name: &str, value: Option<i32>| {
            value.map(|value| target.insert(name.into(), Value::Choice(value)));
        };
        set(STATE_CODE, state);
        set(STATUS_CODE, status);
        deal().resolve_state(current, &mut target)?;
        let number = |name| match target.get(name) {
            Some(Value::Choice(number)) => Some(*number),
            _ => None,
        };
        Ok(number(STATE_CODE).zip(number(STATUS_CODE)))
    }

    #[test]
    fn what_is_left_out_is_filled_in() {
        for (current, state, status, expected) in [
            (None, None, None, Some(OPEN)),
            (None, Some(1), None, Some(WON)),
            (None, None, Some(2), Some((0, 2))),
            (None, Some(1), Some(4), Some((1, 4))),
            (Some(OPEN), None, None, None),
            (Some(OPEN), Some(1), None, Some(WON)),
            (Some((0, 2)), Some(0), None, Some((0, 2))),
            (Some(OPEN), None, Some(2), Some((0, 2))),
            (Some((0, 2)), Some(1), Some(4), Some((1, 4))),
            (Some((1, 4)), Some(1), None, Some((1, 4))),
            (Some(WON), Some(0), None, Some(OPEN)),
        ] {
            let found = resolve(current, state, status).expect("allowed");
            assert_eq!(found, expected, "{current:?} {state:?} {status:?}");
        }
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        for (current, state, status, expected) in [
            (None, Some(7), None, "not one of the options [0, 1]"),
            (None, Some(0), Some(9), "not one of the options [1, 2, 3, 4]"),
            (None, None, Some(3), "set `statecode` too, or choose one of 1 (`New`), 2 (`On hold`)"),
            (Some(OPEN), None, Some(3), "has the status 3 in the state 1 (`Closed`)"),
            (Some(OPEN), Some(0), Some(3), "no status 3 in the state 0 (`Open`); that state has 1 (`New`)"),
            (
                Some((0, 2)),
                Some(1),
                None,
                "status 2 (`On hold`) to change to 3; it can change to 1 (`New`), 4",
            ),
            (Some((1, 4)), Some(0), Some(1), "it is a last one"),
        ] {
            let error = resolve(current, state, status).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidRequest);
            assert!(error.message().contains(expected), "{error}");
        }
        let mut cleared = Attributes::from([(STATE_CODE.to_owned(), Value::Null)]);
        assert!(deal().resolve_state(Some(OPEN), &mut cleared).is_err());
    }

    #[test]
    fn an_entity_without_states_has_nothing_to_resolve() {
        let mut target = Attributes::new();
        EntityDefinition::new("note").resolve_state(None, &mut target).expect("nothing to do");
        assert!(target.is_empty());
    }
}
