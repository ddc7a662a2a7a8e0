//! What each core message is asked with: the one list from which files are read.

use std::fmt;

use serde_json::value::RawValue;

use super::raw::RawRequest;
use crate::model::request::parameter;
use crate::model::{ColumnSet, Message, Parameter, Value};

/// A key of a request, and the parameter that it gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part {
    pub(super) key: &'static str,
    pub(super) parameter: &'static str,
    pub(super) form: Form,
    pub(super) absent: Absent,
}

/// How a parameter is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A record with attributes. Whether it must say which record it is.
    Record { named: bool },
    /// Which record: by its identifier, or an alternate key.
    Reference,
    /// Records with attributes.
    Records { named: bool },
    /// Which records.
    References,
    /// A user or a team.
    Principal,
    /// Attributes to read.
    Columns,
    /// A query.
    Query,
    /// FetchXML.
    Fetch,
    /// Requests of the same form.
    Requests,
    /// Text.
    Text,
    /// A whole number of 64 bits.
    BigInteger,
    /// An option of a choice.
    Choice,
    /// True or false.
    Boolean,
}

/// What a request without the key gets.
#[derive(Clone, Copy)]
pub(super) enum Absent {
    /// An error, which says what is needed and how it is written.
    Needed(&'static str, &'static str),
    /// This.
    Default(fn() -> Parameter),
    /// No such parameter.
    Nothing,
}

impl fmt::Debug for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Needed(..) => "Needed",
            Self::Default(_) => "Default",
            Self::Nothing => "Nothing",
        })
    }
}

const fn part(key: &'static str, parameter: &'static str, form: Form, absent: Absent) -> Part {
    Part { key, parameter, form, absent }
}

const A_TARGET: Absent = Absent::Needed("a target", "\"target\": {\"entity\": \"<name>\", ...}");
const A_RECORD: Part = part("target", parameter::TARGET, Form::Record { named: true }, A_TARGET);
/// Also the form of a custom message that is bound to an entity.
pub(super) const A_REFERENCE: Part = part("target", parameter::TARGET, Form::Reference, A_TARGET);
const ROW_VERSION: Part = part("row_version", parameter::ROW_VERSION, Form::BigInteger, Absent::Nothing);
const THE_REQUESTS: Part = part(
    "requests",
    parameter::REQUESTS,
    Form::Requests,
    Absent::Needed("requests", "\"requests\": [{\"message\": \"<name>\", ...}]"),
);
const RETURN_RESPONSES: Part =
    part("return_responses", parameter::RETURN_RESPONSES, Form::Boolean, Absent::Default(yes));
const SOME_TARGETS: Absent = Absent::Needed("targets", "\"targets\": [{\"entity\": \"<name>\", ...}]");
const RELATION: [Part; 3] = [
    A_REFERENCE,
    part(
        "relationship",
        parameter::RELATIONSHIP,
        Form::Text,
        Absent::Needed("a relationship", "\"relationship\": \"<name>\""),
    ),
    part(
        "related",
        parameter::RELATED_ENTITIES,
        Form::References,
        Absent::Needed("related records", "\"related\": [{\"entity\": \"<name>\", \"id\": \"<uuid>\"}]"),
    ),
];

/// The core messages, each with its parts in the order in which they are read.
pub(super) static MESSAGES: &[(&str, &[Part])] = &[
    (Message::CREATE, &[part("target", parameter::TARGET, Form::Record { named: false }, A_TARGET)]),
    (
        Message::RETRIEVE,
        &[A_REFERENCE, part("columns", parameter::COLUMN_SET, Form::Columns, Absent::Default(all))],
    ),
    (
        Message::RETRIEVE_MULTIPLE,
        &[
            part("fetch", parameter::QUERY, Form::Fetch, Absent::Nothing),
            part(
                "query",
                parameter::QUERY,
                Form::Query,
                Absent::Needed("a query", "\"query\": {\"entity\": \"<name>\"}"),
            ),
        ],
    ),
    (Message::UPDATE, &[A_RECORD, ROW_VERSION]),
    (Message::DELETE, &[A_REFERENCE, ROW_VERSION]),
    (Message::UPSERT, &[part("target", parameter::TARGET, Form::Record { named: false }, A_TARGET)]),
    (Message::ASSOCIATE, &RELATION),
    (Message::DISASSOCIATE, &RELATION),
    (
        Message::ASSIGN,
        &[
            A_REFERENCE,
            part(
                "assignee",
                parameter::ASSIGNEE,
                Form::Principal,
                Absent::Needed(
                    "an assignee",
                    "\"assignee\": {\"entity\": \"systemuser\", \"id\": \"<uuid>\"}",
                ),
            ),
        ],
    ),
    (
        Message::SET_STATE,
        &[
            part("target", parameter::ENTITY_MONIKER, Form::Reference, A_TARGET),
            part("state", parameter::STATE, Form::Choice, Absent::Needed("a state", "\"state\": <number>")),
            part("status", parameter::STATUS, Form::Choice, Absent::Default(default_status)),
        ],
    ),
    (
        Message::CREATE_MULTIPLE,
        &[part("targets", parameter::TARGETS, Form::Records { named: false }, SOME_TARGETS)],
    ),
    (
        Message::UPDATE_MULTIPLE,
        &[part("targets", parameter::TARGETS, Form::Records { named: true }, SOME_TARGETS)],
    ),
    (
        Message::UPSERT_MULTIPLE,
        &[part("targets", parameter::TARGETS, Form::Records { named: false }, SOME_TARGETS)],
    ),
    (Message::DELETE_MULTIPLE, &[part("targets", parameter::TARGETS, Form::References, SOME_TARGETS)]),
    (Message::EXECUTE_TRANSACTION, &[THE_REQUESTS, RETURN_RESPONSES]),
    (
        Message::EXECUTE_MULTIPLE,
        &[
            THE_REQUESTS,
            part("continue_on_error", parameter::CONTINUE_ON_ERROR, Form::Boolean, Absent::Default(yes)),
            RETURN_RESPONSES,
        ],
    ),
];

/// Parameters that any request can have, by the name alone.
pub(super) static FOR_ANY: &[(&str, Form)] = &[
    (parameter::CONCURRENCY_BEHAVIOR, Form::Choice),
    (parameter::BYPASS_BUSINESS_LOGIC, Form::Text),
    (parameter::BYPASS_STEPS, Form::Text),
    (parameter::BYPASS_PLUGINS, Form::Boolean),
];

impl<'s> RawRequest<'s> {
    /// The keys that give parameters of their own.
    pub(super) fn parts(&self) -> [(&'static str, Option<&'s RawValue>); 14] {
        [
            ("target", self.target),
            ("targets", self.targets),
            ("columns", self.columns),
            ("query", self.query),
            ("fetch", self.fetch),
            ("relationship", self.relationship),
            ("related", self.related),
            ("assignee", self.assignee),
            ("state", self.state),
            ("status", self.status),
            ("row_version", self.row_version),
            ("requests", self.requests),
            ("return_responses", self.return_responses),
            ("continue_on_error", self.continue_on_error),
        ]
    }

    /// The text of one of them.
    pub(super) fn part(&self, key: &str) -> Option<&'s RawValue> {
        self.parts().into_iter().find(|(name, _)| *name == key).and_then(|(_, raw)| raw)
    }
}

fn yes() -> Parameter {
    Value::Boolean(true).into()
}

fn all() -> Parameter {
    Parameter::Columns(ColumnSet::All)
}

fn default_status() -> Parameter {
    Value::Choice(-1).into()
}
