//! Each rule's violation, and what definitions may gain.
#![allow(clippy::expect_used, clippy::panic, reason = "a test says what it expects by failing")]

use rust_decimal::Decimal;

use crate::model::error::ErrorKind;
use crate::model::fault::code;
use crate::model::{
    AttributeDefinition, AttributeType, Binding, Cascade, Definitions, EntityDefinition, MessageDefinition,
    ParameterType, RelationshipDefinition, Schema, StepsAllowed,
};

fn text(max_length: u32) -> AttributeType {
    AttributeType::String { max_length }
}

fn choice(options: &[i32]) -> AttributeType {
    AttributeType::Choice { options: options.to_vec() }
}

fn lookup<const N: usize>(targets: [&str; N]) -> AttributeType {
    AttributeType::Lookup { targets: targets.map(str::to_owned).to_vec() }
}

fn number(name: &str) -> AttributeDefinition {
    AttributeDefinition::new(name, AttributeType::Integer)
}

/// A parent, and a child with an owner, states, a key and lookups to it.
fn base() -> Definitions {
    let account = EntityDefinition::new("account").with("name", text(100)).user_owned();
    let task = EntityDefinition::new("task")
        .with("code", text(20))
        .with("size", choice(&[1, 2]))
        .with("price", AttributeType::Decimal { precision: 2 })
        .with("accountid", lookup(["account"]))
        .with_required("ownerofit", lookup(["account", "task"]))
        .with_attribute(number("rank").at_least(0).at_most(10))
        .with_key("by_code", ["code"])
        .user_owned()
        .with_state(0, "Open", [(1, "New"), (2, "Started")])
        .with_state(1, "Done", [(3, "Done")])
        .with_transitions(2, [3]);
    let plain = EntityDefinition::new("plain").with("accountid", lookup(["account"]));
    let message = MessageDefinition::new("new_Check")
        .bound(Binding::Entity("account".into()))
        .parameter("Limit", ParameterType::Money)
        .property("Verdict", ParameterType::String);
    Definitions {
        entities: vec![account, task, plain],
        relationships: vec![
            RelationshipDefinition::one_to_many("account_tasks", "account", "task", "accountid"),
            RelationshipDefinition::many_to_many("account_friends", "account", "account"),
        ],
        messages: vec![message],
    }
}

fn schema() -> Schema {
    Schema::default().extended(&base()).expect("valid")
}

fn entity(definition: EntityDefinition) -> Definitions {
    vec![definition].into()
}

fn relationship(definition: RelationshipDefinition) -> Definitions {
    Definitions { relationships: vec![definition], ..Definitions::default() }
}

fn message(definition: MessageDefinition) -> Definitions {
    Definitions { messages: vec![definition], ..Definitions::default() }
}

/// What each refusal has to name.
fn refused(cases: impl IntoIterator<Item = (Definitions, &'static str)>) {
    let schema = schema();
    for (definitions, expected) in cases {
        match schema.extended(&definitions) {
            Ok(_) => panic!("allowed: {definitions:?}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidDefinition, "{error}");
                assert!(error.message().contains(expected), "{error}\nhas to say: {expected}");
            }
        }
    }
}

#[test]
fn the_same_again_changes_nothing() {
    let schema = schema();
    assert!(schema.defines_same(&schema.extended(&base()).expect("the same")));
    // As it is listed, with what was implied.
    let listed = Definitions {
        entities: schema.entities.values().map(|entity| EntityDefinition::clone(entity)).collect(),
        relationships: schema.relationships.values().map(|one| RelationshipDefinition::clone(one)).collect(),
        messages: schema.messages.values().map(|one| MessageDefinition::clone(one)).collect(),
    };
    assert!(schema.defines_same(&schema.extended(&listed).expect("the same")));
    let fresh = Schema::default().extended(&listed).expect("valid");
    assert_eq!(fresh.relationships, schema.relationships);
    assert_eq!(fresh.entities.keys().collect::<Vec<_>>(), schema.entities.keys().collect::<Vec<_>>());
    // A part of it is no loss of the rest.
    for part in [EntityDefinition::new("task"), EntityDefinition::new("task").with_state(1, "Done", [])] {
        assert!(schema.defines_same(&schema.extended(&entity(part)).expect("the same")));
    }
}

#[test]
fn ownership_and_states_imply_attributes() {
    let schema = schema();
    let task = schema.entity("task").expect("defined");
    let names: Vec<_> = task.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names[names.len() - 3..], ["ownerid", "statecode", "statuscode"]);
    let implied = |name| task.attribute(name).map(|attribute| &attribute.attribute_type);
    assert_eq!(implied("ownerid"), Some(&lookup(["systemuser", "team"])));
    assert_eq!(implied("statecode"), Some(&choice(&[0, 1])));
    assert_eq!(implied("statuscode"), Some(&choice(&[1, 2, 3])));
    assert_eq!(task.state_of_status(3).map(|state| state.value), Some(1));
    assert_eq!(schema.entity("plain").expect("defined").attributes.len(), 1);
    // On live data, behind what is there; the options follow the states.
    let later = EntityDefinition::new("plain").user_owned().with_state(5, "On", [(50, "On")]);
    let schema = schema.extended(&entity(later)).expect("valid");
    let later = EntityDefinition::new("plain").with("more", text(1)).with_state(5, "On", [(51, "Again")]);
    let schema = schema.extended(&entity(later)).expect("valid");
    let plain = schema.entity("plain").expect("defined");
    let names: Vec<_> = plain.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
    assert_eq!(names, ["accountid", "ownerid", "statecode", "statuscode", "more"]);
    assert_eq!(plain.attribute("statuscode").map(|status| &status.attribute_type), Some(&choice(&[50, 51])));
}

#[test]
fn attributes_are_widened() {
    let wider = |attribute: AttributeDefinition| {
        let definition = EntityDefinition::new("task").with_attribute(attribute.clone());
        let schema = schema().extended(&entity(definition)).expect("it is wider");
        assert_eq!(schema.entity("task").expect("defined").attribute(&attribute.name), Some(&attribute));
    };
    wider(AttributeDefinition::new("code", text(30)));
    wider(AttributeDefinition::new("size", choice(&[1, 2, 3])));
    wider(AttributeDefinition::new("size", choice(&[])));
    wider(number("rank"));
    wider(number("rank").at_least(-1).at_most(10));
    let shuffled = EntityDefinition::new("task").with("size", choice(&[3, 2, 1]));
    let schema = schema().extended(&entity(shuffled)).expect("it is wider");
    let size = schema.entity("task").expect("defined").attribute("size").expect("defined");
    assert_eq!(size.attribute_type, choice(&[1, 2, 3]), "in the order in which they came");
}

#[test]
fn attributes_that_break_a_rule_are_refused() {
    let task = || EntityDefinition::new("task");
    let fresh = || EntityDefinition::new("fresh");
    let day = AttributeDefinition::new("code", text(20));
    let range = |low: i32, high: i32| fresh().with_attribute(number("a").at_least(low).at_most(high));
    refused(
        [
            (EntityDefinition::new("Bad Name"), "`Bad Name` cannot be the logical name of an entity"),
            (fresh().with("Bad", text(1)), "`Bad` cannot be the logical name of an attribute"),
            (fresh().with("a", text(1)).with("a", text(1)), "`a` of `fresh` is there twice"),
            (fresh().with("freshid", text(1)), "`freshid` of `fresh` has a name that the host uses itself"),
            (fresh().with("id", text(1)), "the host uses itself"),
            (fresh().with("createdby", text(1)), "the host uses itself"),
            (fresh().with("ownerid", lookup(["account"])), "it comes with `ownership` or `states`"),
            (fresh().user_owned().with("statecode", choice(&[0])), "it comes with `ownership` or `states`"),
            (fresh().with("a", text(0)), "max_length of 1 to 1048576"),
            (fresh().with("a", text(1_048_577)), "max_length of 1 to 1048576"),
            (fresh().with("a", AttributeType::Money { precision: 5 }), "more than 4 digits"),
            (fresh().with("a", AttributeType::Decimal { precision: 11 }), "more than 10 digits"),
            (fresh().with("a", lookup([])), "a lookup without targets"),
            (fresh().with("a", lookup(["account", "account"])), "names a target twice"),
            (fresh().with("a", choice(&[1, 1])), "an option twice"),
            (fresh().with("a", lookup(["nobody"])), "points to `nobody`, which is not defined"),
            (
                fresh().with("a", lookup(["account_friends"])),
                "holds the pairs of a many-to-many relationship",
            ),
            (range(2, 1), "a minimum that is larger than its maximum"),
            (fresh().with_attribute(day.clone().at_least(1)), "which only numbers have"),
            (fresh().with_attribute(day.date_only()), "`date_only`, which only a date-time can be"),
            (fresh().with_required("a", lookup(["fresh"])), "fresh -> fresh form a cycle"),
            (task().with_required("b", text(1)), "cannot be added to `task` as required"),
            (task().with("code", text(19)), "its `max_length` is 20, and 19 is less"),
            (task().with("code", AttributeType::Integer), "its type is string, not integer"),
            (task().with_required("code", text(20)), "its `required` is false, not true"),
            (task().with("size", choice(&[1, 3])), "it has the option 2, which would be lost"),
            (task().with("price", AttributeType::Decimal { precision: 3 }), "its `precision` is 2, not 3"),
            (task().with("accountid", lookup(["account", "task"])), "its `targets` is [\"account\"], not"),
            (task().with_attribute(number("rank").at_least(1).at_most(10)), "its `minimum` is 0, and 1"),
            (task().with_attribute(number("rank").at_least(0).at_most(9)), "its `maximum` is 10, and 9"),
            (EntityDefinition::new("account_friends").with("a", text(1)), "can gain nothing"),
            (EntityDefinition { intersect: true, ..fresh() }, "`fresh` cannot be defined with `intersect`"),
        ]
        .map(|(definition, expected)| (entity(definition), expected)),
    );
    let many = (0..1001).fold(fresh(), |many, number| many.with(format!("a{number}"), text(1)));
    refused([(entity(many), "1000 is the most")]);
}

#[test]
fn keys_that_break_a_rule_are_refused() {
    let fresh = || {
        EntityDefinition::new("fresh")
            .with("a", text(100))
            .with("b", AttributeType::Integer)
            .with("wide", text(451))
            .with("amount", AttributeType::Money { precision: 2 })
    };
    let many = (0..11).fold(fresh(), |many, number| {
        let name = format!("n{number}");
        many.with(name.as_str(), AttributeType::Integer).with_key(name.as_str(), [name.as_str()])
    });
    let names: Vec<String> = (0..17).map(|number| format!("n{number}")).collect();
    let long = names.iter().fold(fresh(), |long, name| long.with(name, AttributeType::Integer));
    refused(
        [
            (fresh().with_key("Bad", ["a"]), "`Bad` cannot be the logical name of a key"),
            (fresh().with_key("k", [""; 0]), "has no attributes"),
            (fresh().with_key("k", ["c"]), "has `c`, which is not an attribute of the entity's own"),
            (fresh().with_key("k", ["createdon"]), "has `createdon`, which is not an attribute"),
            (fresh().with_key("k", ["a", "amount"]), "has `amount`, a money; a key is made of"),
            (fresh().with_key("k", ["a", "a"]), "has `a` twice"),
            (fresh().with_key("k", ["a"]).with_key("k", ["b"]), "is there already, as `k` (a)"),
            (fresh().with_key("k", ["a", "b"]).with_key("l", ["b", "a"]), "is there already, as `k` (a, b)"),
            (fresh().with_key("k", ["wide"]), "would take 902 bytes; 900 is the most"),
            (many, "has 11 keys; 10 is the most"),
            (long.with_key("k", names), "has 17 attributes; 16 is the most"),
            (
                EntityDefinition::new("task").with_key("by_code", ["size"]),
                "`by_code` (code) of `task` is defined already and cannot become (size)",
            ),
            (EntityDefinition::new("task").with("code", text(500)), "would take 1000 bytes"),
        ]
        .map(|(definition, expected)| (entity(definition), expected)),
    );
    let later = EntityDefinition::new("task").with_key("by_owner", ["ownerid", "code"]);
    let schema = schema().extended(&entity(later)).expect("an implied attribute can be in a key");
    assert_eq!(schema.entity("task").expect("defined").keys.len(), 2);
}

#[test]
fn states_that_break_a_rule_are_refused() {
    let fresh = || EntityDefinition::new("fresh");
    let task = || EntityDefinition::new("task");
    refused(
        [
            (
                fresh().with_state(0, "A", [(1, "a")]).with_state(0, "B", [(2, "b")]),
                "the state 0 of `fresh` is there twice",
            ),
            (
                fresh().with_state(0, "A", [(1, "a")]).with_state(1, "B", [(1, "b")]),
                "the status 1 of `fresh` is there twice; a status belongs to one state",
            ),
            (fresh().with_state(0, "A", []), "the state 0 (`A`) of `fresh` has no status"),
            (
                fresh().with_state(0, "A", [(1, "a")]).with_transitions(1, [7]),
                "may be followed by 7, which is no status of it; there are [1]",
            ),
            (task().with_state(1, "Done", [(2, "Started")]), "the status 2 of `task` is there twice"),
            (
                task().with_state(0, "Open", [(1, "New")]).with_transitions(1, [1]),
                "the status 1 (`New`) of `task` is defined already, and what may follow it can only grow",
            ),
        ]
        .map(|(definition, expected)| (entity(definition), expected)),
    );
    let wider = task().with_state(0, "Open", [(2, "Begun")]).with_state(2, "Left", [(9, "Left")]);
    let schema = schema().extended(&entity(wider)).expect("it is wider");
    let task = schema.entity("task").expect("defined");
    let begun = task.statuses().find(|status| status.value == 2).expect("defined");
    assert_eq!((begun.name.as_str(), &begun.next), ("Begun", &None));
    assert_eq!(task.attribute("statecode").expect("implied").attribute_type, choice(&[0, 1, 2]));
}

#[test]
fn relationships_that_break_a_rule_are_refused() {
    let one = RelationshipDefinition::one_to_many;
    let many = RelationshipDefinition::many_to_many;
    let task = || one("account_tasks", "account", "task", "accountid");
    let plain = || one("p", "account", "plain", "accountid");
    let long = "x".repeat(56);
    refused(
        [
            (one("Bad", "account", "plain", "accountid"), "cannot be the logical name of a relationship"),
            (
                one("p", "acount", "plain", "accountid"),
                "relates `acount`, which is not defined; did you mean",
            ),
            (one("p", "account", "nobody", "accountid"), "relates `nobody`, which is not defined"),
            (one("p", "account", "plain", "acountid"), "which is not defined; did you mean `accountid`?"),
            (one("p", "account", "task", "code"), "which is no lookup but a string"),
            (one("p", "task", "task", "accountid"), "which points to account and not to `task`"),
            (one("p", "account", "task", "ownerid"), "which the host keeps itself"),
            (one("p", "account", "account_friends", "accountid_one"), "which the host keeps itself"),
            (one("p", "account", "task", "accountid"), "is the same as `account_tasks`"),
            (one("account_tasks", "account", "plain", "accountid"), "only its `cascade` can change"),
            (many("account_tasks", "account", "task"), "only its `cascade` can change"),
            (task().on_assign(Cascade::RemoveLink), "cannot have remove-link for an assign"),
            (task().on_assign(Cascade::Restrict), "cannot have restrict for an assign"),
            (task().on_delete(Cascade::Active), "cannot have active for a delete"),
            (task().on_delete(Cascade::UserOwned), "cannot have user-owned for a delete"),
            (plain().on_assign(Cascade::Cascade), "the records of `plain` have no owner"),
            (
                one("p", "account", "task", "ownerofit").on_delete(Cascade::RemoveLink),
                "`ownerofit` of `task` is required, so it cannot be cleared",
            ),
            (many("task", "account", "plain"), "would make an entity of its name, and there is one already"),
            (many("p", "account", "nobody"), "relates `nobody`, which is not defined"),
            (many("p", "account", "account_friends"), "relates `account_friends`, which holds the pairs"),
            (many("p", &long, "account"), "is longer than 56 characters"),
        ]
        .map(|(definition, expected)| (relationship(definition), expected)),
    );
    let stateless = Definitions {
        entities: vec![EntityDefinition::new("plain").user_owned()],
        relationships: vec![plain().on_assign(Cascade::Active)],
        ..Definitions::default()
    };
    refused([(stateless, "the active records of `plain`, which has no states")]);
    let required = one("p", "account", "task", "ownerofit").on_delete(Cascade::RemoveLink);
    let error = schema().extended(&relationship(required)).expect_err("refused");
    assert_eq!(error.code(), code::REMOVE_LINK_ON_REQUIRED);
}

#[test]
fn relationships_say_what_becomes_of_children() {
    let children = |schema: &Schema| {
        let of = |child: crate::model::Child<'_>| {
            let name = child.relationship.map_or("-", |relationship| &relationship.name);
            let lookup = format!("{}.{}", child.definition.logical_name, child.attribute.name);
            format!("{lookup} {name} {} {}", child.delete.name(), child.assign.name())
        };
        schema.children_of("account").map(of).collect::<Vec<_>>()
    };
    let schema = schema();
    assert_eq!(
        children(&schema),
        [
            "account_friends.accountid_one - cascade no-cascade",
            "account_friends.accountid_two - cascade no-cascade",
            "plain.accountid - remove-link no-cascade",
            "task.accountid account_tasks remove-link no-cascade",
            "task.ownerofit - restrict no-cascade",
        ]
    );
    let changed = RelationshipDefinition::one_to_many("account_tasks", "account", "task", "accountid")
        .on_delete(Cascade::Restrict)
        .on_assign(Cascade::Active);
    let schema = schema.extended(&relationship(changed)).expect("cascades can change");
    assert_eq!(children(&schema)[3], "task.accountid account_tasks restrict active");
    let error = schema.relationship("account_task").expect_err("not defined");
    assert!(error.message().contains("did you mean `account_tasks`"), "{error}");
}

#[test]
fn messages_that_break_a_rule_are_refused() {
    let new = MessageDefinition::new;
    let check = || new("new_Check").bound(Binding::Entity("account".into()));
    let of_entity = |parameter_type| {
        let mut definition = new("m").parameter("a", parameter_type);
        definition.parameters.iter_mut().for_each(|parameter| parameter.entity = Some("nobody".into()));
        definition
    };
    let string = ParameterType::String;
    refused(
        [
            (new("new-check"), "`new-check` cannot be the name of a message"),
            (new("1st"), "`1st` cannot be the name of a message"),
            (new("Create"), "would hide the host's own `Create`"),
            (new("assign"), "would hide the host's own `Assign`"),
            (new("NEW_CHECK"), "differs from `new_Check`, which is defined already, in upper and lower case"),
            (new("m").bound(Binding::Entity("nobody".into())), "names the entity `nobody`, which is not"),
            (new("m").bound(Binding::EntityCollection("acount".into())), "did you mean `account`?"),
            (new("m").parameter("a b", string), "`a b` cannot be the name of a parameter or a property"),
            (
                new("m").parameter("a", string).parameter("A", string),
                "the parameter `A` of the message `m` is",
            ),
            (new("m").property("a", string).property("a", string), "the property `a` of the message `m` is"),
            (new("m").parameter("Target", string), "`Target` of the message `m` has a name that the host"),
            (new("m").optional_parameter("Tag", string), "has a name that the host uses itself"),
            (of_entity(string), "names an entity, which only an entity, an entity-collection or"),
            (of_entity(ParameterType::EntityReference), "names the entity `nobody`, which is not defined"),
            (new("new_Check"), "with another `binding` or other `steps`, which cannot change"),
            (check().allow(StepsAllowed::None), "with another `binding` or other `steps`"),
            (
                check().parameter("Limit", string),
                "the parameter `Limit` of the message `new_Check` is defined",
            ),
            (check().property("Verdict", ParameterType::Guid), "the property `Verdict` of the message"),
            (
                check().parameter("Reason", string),
                "`Reason` cannot be added to the message `new_Check` as req",
            ),
        ]
        .map(|(definition, expected)| (message(definition), expected)),
    );
    let more = check().optional_parameter("Reason", string).property("Score", ParameterType::Integer);
    let schema = schema().extended(&message(more)).expect("it is wider");
    let check = &schema.messages["new_Check"];
    assert_eq!((check.parameters.len(), check.properties.len()), (2, 2));
}

#[test]
fn definitions_are_taken_together_or_not_at_all() {
    let together = Definitions {
        entities: vec![
            EntityDefinition::new("a").with("b", lookup(["b"])),
            EntityDefinition::new("b").with("a", lookup(["a"])),
            EntityDefinition::new("a").with_required("more", text(1)),
        ],
        relationships: vec![
            RelationshipDefinition::one_to_many("a_b", "a", "b", "a"),
            RelationshipDefinition::many_to_many("pairs", "a", "b"),
        ],
        messages: vec![MessageDefinition::new("new_B").bound(Binding::Entity("b".into()))],
    };
    let schema = schema();
    let after = schema.extended(&together).expect("valid");
    assert_eq!(after.version, schema.version + 1);
    assert_eq!(after.entity("a").expect("defined").attributes.len(), 2);
    let pairs = after.entity("pairs").expect("made by the relationship");
    assert!(pairs.intersect && pairs.attribute("aid").is_some_and(|side| side.required));
    assert_eq!(pairs.keys[0].attributes, ["aid", "bid"]);
    let broken = Definitions { messages: vec![MessageDefinition::new("Create")], ..together };
    refused([(broken, "`Create`")]);
}

#[test]
fn keys_are_found_by_their_attributes() {
    let definition = EntityDefinition::new("task")
        .with("code", text(20))
        .with("rank", AttributeType::Integer)
        .with_key("by_code", ["code"])
        .with_key("by_both", ["code", "rank"]);
    let attributes = |names: &[&str]| {
        names.iter().map(|name| ((*name).to_owned(), crate::model::Value::Integer(1))).collect()
    };
    for (names, expected) in [(&["code"][..], "by_code"), (&["rank", "code"], "by_both")] {
        assert_eq!(definition.key_of(&attributes(names)).expect("a key").name, expected);
    }
    for names in [&["rank"][..], &[], &["code", "rank", "more"]] {
        let error = definition.key_of(&attributes(names)).expect_err("no key");
        assert_eq!((error.kind(), error.code()), (ErrorKind::InvalidRequest, code::KEY_NOT_DEFINED));
        assert!(error.message().contains("there are `by_code` (code), `by_both` (code, rank)"), "{error}");
    }
    let null = [("code".to_owned(), crate::model::Value::Null)].into();
    assert_eq!(definition.key_of(&null).expect_err("null").code(), code::INVALID_KEY_OPERATION);
    let error = EntityDefinition::new("bare").key_of(&null).expect_err("no key");
    assert!(error.message().contains("it has no key"), "{error}");
}

#[test]
fn json_says_what_is_wrong() {
    for (json, expected) in [
        (
            r#"{"relationships":[{"name":"a","type":"one-to-many","referenced":"b"}]}"#,
            "`a` needs `referencing`",
        ),
        (r#"{"relationships":[{"name":"a","type":"many-to-many"}]}"#, "`a` needs `entities`"),
        (
            r#"{"relationships":[{"name":"a","type":"many-to-many","entities":["b","c"],"cascade":{}}]}"#,
            "`cascade` does not apply to `a`, a many-to-many relationship",
        ),
        (r#"{"relationships":[{"name":"a","type":"many-to-many","entites":[]}]}"#, "unknown field `entites`"),
        (r#"{"relationships":[{"name":"a","type":"one-to-one"}]}"#, "unknown variant `one-to-one`"),
        (
            r#"{"entities":[{"logical_name":"a","attributes":[{"name":"b","type":"string","minimum":1}]}]}"#,
            "`minimum` does not apply to `b`, a string",
        ),
        (
            r#"{"entities":[{"logical_name":"a","attributes":[{"name":"b","type":"money","date_only":true}]}]}"#,
            "`date_only` does not apply to `b`, a money",
        ),
        (
            r#"{"messages":[{"name":"a","parameters":[{"name":"b","type":"text"}]}]}"#,
            "unknown variant `text`",
        ),
    ] {
        let error = serde_json::from_str::<Definitions>(json).expect_err("refused");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn json_keeps_everything() {
    let day = AttributeDefinition::new("day", AttributeType::DateTime).date_only();
    let tenth = AttributeDefinition::new("share", AttributeType::Double).at_least(Decimal::new(1, 1));
    let mut definitions = base();
    definitions.entities.push(EntityDefinition::new("more").with_attribute(day).with_attribute(tenth));
    let json = serde_json::to_string(&definitions).expect("written");
    assert_eq!(serde_json::from_str::<Definitions>(&json).expect("read"), definitions);
    let numbers = r#"{"name":"a","type":"double","minimum":0.1,"maximum":9007199254740993}"#;
    let read: AttributeDefinition = serde_json::from_str(numbers).expect("read");
    assert_eq!(read.range.minimum, Some(Decimal::new(1, 1)));
    assert_eq!(read.range.maximum, Some(Decimal::from(9_007_199_254_740_993_i64)));
}

#[test]
fn the_documented_example_is_valid() {
    let page = include_str!("../../../../docs/definitions.md");
    let (_, rest) = page.split_once("```json").expect("there is an example");
    let (json, _) = rest.split_once("```").expect("it ends");
    let definitions: Definitions = serde_json::from_str(json).expect("readable");
    let schema = Schema::default().extended(&definitions).expect("valid");
    assert_eq!((schema.entities.len(), schema.relationships.len(), schema.messages.len()), (3, 2, 1));
}
