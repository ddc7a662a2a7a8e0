//! System jobs as an entity: what queries, Retrieve, Update, SetState and Delete see of them. The names are the
//! platform's where it has the attribute.

use std::sync::LazyLock;

use crate::model::definition::{STATE_CODE, STATUS_CODE};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{Control, JobState};
use crate::model::{AttributeDefinition, AttributeType, Attributes, EntityDefinition, Schema, Value, code};

/// The entity that system jobs are records of.
pub const SYSTEM_JOB_ENTITY: &str = "asyncoperation";
/// The attribute with the moment that a job is put off to.
pub const POSTPONE_UNTIL: &str = "postponeuntil";

/// The attributes, besides those of every entity, its owner and its state: each with its name and type.
fn attributes() -> Vec<(&'static str, AttributeType)> {
    let text = |max_length| AttributeType::String { max_length };
    vec![
        ("name", text(256)),
        ("pluginname", text(256)),
        ("pluginhash", text(64)),
        ("stepname", text(256)),
        ("messagename", text(160)),
        ("primaryentitytype", text(64)),
        ("regardingobjectid", AttributeType::UniqueIdentifier),
        ("correlationid", AttributeType::UniqueIdentifier),
        ("depth", AttributeType::Integer),
        ("priority", AttributeType::Integer),
        ("dependencytoken", text(1000)),
        ("isblocked", AttributeType::Boolean),
        ("suspensionreason", AttributeType::Choice { options: Vec::new() }),
        (POSTPONE_UNTIL, AttributeType::DateTime),
        ("startedon", AttributeType::DateTime),
        ("completedon", AttributeType::DateTime),
        ("executiontimespan", AttributeType::Double),
        ("attemptcount", AttributeType::Integer),
        ("retrycount", AttributeType::Integer),
        ("crashcount", AttributeType::Integer),
        ("hostid", text(256)),
        ("operationtype", AttributeType::Choice { options: Vec::new() }),
        ("recurrencepattern", text(256)),
        ("recurrencestarttime", AttributeType::DateTime),
        ("errorcode", AttributeType::Integer),
        ("message", text(1_048_576)),
        ("progress", AttributeType::Integer),
        ("progressnote", text(1000)),
        ("retainjobhistory", AttributeType::Boolean),
    ]
}

impl Schema {
    /// The schema with the entities that are the host's own: [`SYSTEM_JOB_ENTITY`].
    #[must_use]
    pub fn with_host_entities(mut self) -> Self {
        static SYSTEM_JOB: LazyLock<Option<Schema>> = LazyLock::new(|| {
            let mut definition = EntityDefinition::new(SYSTEM_JOB_ENTITY)
                .user_owned()
                .with_state(0, "Ready", [(0, "Waiting for resources")])
                .with_state(1, "Suspended", [(10, "Waiting")])
                .with_state(2, "Locked", [(20, "In progress"), (21, "Pausing"), (22, "Canceling")])
                .with_state(3, "Completed", [(30, "Succeeded"), (31, "Failed"), (32, "Canceled")]);
            for (name, attribute_type) in attributes() {
                definition.attributes.push(AttributeDefinition::new(name, attribute_type));
            }
            Schema::default().extended(&vec![definition].into()).ok()
        });
        let own = SYSTEM_JOB.iter().flat_map(|schema| &schema.entities);
        self.entities.extend(own.map(|(name, definition)| (name.clone(), definition.clone())));
        self
    }
}

impl EntityDefinition {
    /// Whether its records are the system jobs, which the host writes.
    #[must_use]
    pub fn is_system_job(&self) -> bool {
        self.logical_name == SYSTEM_JOB_ENTITY
    }
}

impl Control {
    /// What the attributes of an Update ask of a job. As on the platform, only the state, the status and the moment that
    /// it is put off to can be written.
    pub fn from_attributes(attributes: &Attributes) -> Result<Self> {
        let writable = [STATE_CODE, STATUS_CODE, POSTPONE_UNTIL];
        if let Some(name) = attributes.keys().find(|name| !writable.contains(&name.as_str())) {
            return Err(refused(
                code::INVALID_ARGUMENT,
                &format!(
                    "`{name}` is written by the host; `statecode`, `statuscode` and `postponeuntil` can be"
                ),
            ));
        }
        if let Some(Value::DateTime(moment)) = attributes.get(POSTPONE_UNTIL) {
            return Ok(Self::Postpone(*moment));
        }
        let state = match (attributes.get(STATE_CODE), attributes.get(STATUS_CODE)) {
            (Some(Value::Choice(state)), _) => *state,
            // A status is of one state.
            (None, Some(Value::Choice(status))) => status / 10,
            _ => {
                return Err(refused(
                    code::INVALID_ARGUMENT,
                    "nothing says where it is to go; set `statecode`",
                ));
            }
        };
        let status = attributes.get(STATUS_CODE);
        if state == JobState::Ready.number() {
            Ok(Self::Resume)
        } else if state == JobState::Suspended.number() {
            Ok(Self::Pause)
        } else if state == JobState::Completed.number() && matches!(status, None | Some(Value::Choice(32))) {
            Ok(Self::Cancel)
        } else if state == JobState::Completed.number() {
            let problem = "only the host ends a job; to cancel it, write the status 32";
            Err(refused(code::JOB_NOT_TO_COMPLETED, problem))
        } else {
            Err(refused(code::INVALID_JOB_STATE, "only the host runs a job; write the state 0, 1 or 3"))
        }
    }
}

fn refused(code: i32, problem: &str) -> Error {
    Error::new(ErrorKind::InvalidRequest, format!("cannot update a system job so: {problem}")).with_code(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DateTime;

    #[test]
    fn an_update_of_the_state_is_a_control() {
        let check = |attributes: &[(&str, Value)], expected: Result<Control, i32>| {
            let attributes =
                attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
            let control = Control::from_attributes(&attributes);
            assert_eq!(control.map_err(|error| error.code()), expected, "{attributes:?}");
        };
        let until = DateTime(9);
        check(&[("statecode", Value::Choice(0))], Ok(Control::Resume));
        check(&[("statecode", Value::Choice(1))], Ok(Control::Pause));
        check(&[("statecode", Value::Choice(3))], Ok(Control::Cancel));
        check(&[("statuscode", Value::Choice(32))], Ok(Control::Cancel));
        check(&[("statuscode", Value::Choice(10))], Ok(Control::Pause));
        check(&[("postponeuntil", Value::DateTime(until))], Ok(Control::Postpone(until)));
        let both = [("postponeuntil", Value::DateTime(until)), ("statecode", Value::Choice(1))];
        check(&both, Ok(Control::Postpone(until)));
        let succeeded = [("statecode", Value::Choice(3)), ("statuscode", Value::Choice(30))];
        check(&succeeded, Err(code::JOB_NOT_TO_COMPLETED));
        check(&[("statecode", Value::Choice(2))], Err(code::INVALID_JOB_STATE));
        check(&[("name", Value::Null)], Err(code::INVALID_ARGUMENT));
        check(&[], Err(code::INVALID_ARGUMENT));
    }
}
