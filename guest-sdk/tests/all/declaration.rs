//! The declaration: as JSON for the custom section, and as the component's export answers it.

use serde_json::{Value as Json, json};
use stagegate_sdk::__private::{self, Declares, Entry};
use stagegate_sdk::Declaration;
use stagegate_sdk::prelude::*;

#[derive(Entity, Default)]
#[entity("account")]
struct Account {
    name: Field<String>,
    #[column("creditlimit")]
    credit_limit: Field<Money>,
}

/// Another struct for the same entity, with one column more.
#[derive(Entity, Default)]
#[entity("account")]
struct AccountOwner {
    name: Field<String>,
    ownerid: Field<Ref<User>>,
    statecode: Field<State>,
}

#[derive(Entity, Default)]
#[entity("systemuser")]
struct User {
    fullname: Field<String>,
    parent: Field<EntityReference>,
}

#[derive(Choice, Clone, Copy, Debug, PartialEq)]
enum State {
    Active = 0,
    Inactive = 1,
}

/// Says "no" \ to
/// every other one.
///
/// Not this paragraph.
#[step(PreOperation, rank = -20, changed(credit_limit, "telephone1"), before(all), configuration = "{\"a\":\t1}")]
fn refuse(_: &mut Update<Account>) -> Result {
    bail!("no")
}

#[step(PostOperation, async, name = "watch/owner", after(ownerid))]
fn watch_owner(_: &mut Create<AccountOwner>) -> Result {
    Ok(())
}

#[step(PostOperation, sync, rank = 2147483647, before(all), after("name"))]
fn everywhere(_: &mut Update<Record>) -> Result {
    Ok(())
}

#[step(PreValidation, message = "Assign", entity = "lead", description = "assigned")]
fn assigned(_: &mut AnyMessage<Record>) -> Result {
    Ok(())
}

/// Merges accounts.
#[derive(CustomMessage)]
#[message("sg_Merge", response = Merged)]
struct Merge {
    #[target]
    account: Ref<Account>,
    other_account: Ref<Account>,
    #[parameter("keep")]
    keep_both: Option<bool>,
    state: State,
}

#[derive(Response)]
struct Merged {
    record: Record,
}

#[derive(CustomMessage)]
#[message("sg_Recount", collection = Account, steps = "async-only")]
struct Recount {}

#[derive(CustomMessage)]
#[message("sg_Purge", steps = "none")]
struct Purge;

#[step(MainOperation)]
fn merge(ctx: &mut Call<Merge>) -> Result<Merged> {
    let (_, _) = (ctx.request.account, ctx.request.other_account);
    bail!("{:?} {:?}", ctx.request.keep_both, ctx.request.state)
}

#[step(PreOperation, changed_only, before(name))]
fn rename(_: &mut Update<Account>) -> Result {
    Ok(())
}

#[step(PreOperation, children("account_tasks", "subject"), children("account_users", User))]
fn remove(_: &mut Delete<Account>) -> Result {
    Ok(())
}

#[step(PostOperation, async, ordered, unique, priority = -5, retries = 2, auto_delete, background)]
fn recount(_: &mut Call<Recount>) -> Result {
    Ok(())
}

#[step(PostOperation, async, priority = 2147483647, retries = 4294967295)]
fn late(_: &mut Update<Account>) -> Result {
    Ok(())
}

/// What it says is what it is without saying it.
#[step(PostOperation, async, priority = 0, retries = 4)]
fn usual(_: &mut Update<Account>) -> Result {
    Ok(())
}

// That it compiles is the test: the export of this binary is never called.
plugin!(
    refuse,
    watch_owner,
    everywhere,
    assigned,
    merge,
    rename,
    remove,
    recount,
    late,
    usual,
    uses(User, Recount, Purge)
);

const CUSTOM: Declaration = Declaration::new(
    ["custom", "1.0.0", ""],
    &[Entry::of::<merge>(), Entry::of::<rename>(), Entry::of::<remove>()],
    &[<Merge as Declares>::DECLARED, <Recount as Declares>::DECLARED, <Purge as Declares>::DECLARED],
);

fn json_of_custom() -> Json {
    const LEN: usize = __private::json_len(&CUSTOM);
    const TEXT: [u8; LEN] = __private::json_text::<LEN>(&CUSTOM);
    serde_json::from_slice(&TEXT).unwrap()
}

#[test]
fn custom_messages_are_declared_once() {
    let expected = json!([
        {
            "name": "sg_Merge", "binding": { "entity": "account" }, "steps": "sync-and-async",
            "parameters": [
                { "name": "OtherAccount", "type": "entity-reference", "entity": "account" },
                { "name": "keep", "type": "boolean", "optional": true, "entity": null },
                { "name": "State", "type": "picklist", "entity": null },
            ],
            "properties": [{ "name": "Record", "type": "entity", "entity": null }],
            "description": "Merges accounts.",
        },
        {
            "name": "sg_Recount", "binding": { "entity-collection": "account" }, "steps": "async-only",
            "parameters": [], "properties": [], "description": null,
        },
        {
            "name": "sg_Purge", "binding": "global", "steps": "none",
            "parameters": [], "properties": [], "description": null,
        },
    ]);
    assert_eq!(json_of_custom()["messages"], expected);
    // The target's entity is declared with its struct's columns.
    assert_eq!(json_of_custom()["entities"][0]["logical_name"], "account");

    let exported = __private::declare(&CUSTOM);
    let names: Vec<_> = exported.messages.iter().map(|message| message.name.as_str()).collect();
    assert_eq!(names, ["sg_Merge", "sg_Recount", "sg_Purge"]);
    let merge = &exported.messages[0];
    assert_eq!((merge.steps.as_str(), merge.parameters[1].optional), ("sync-and-async", true));
    assert_eq!(merge.parameters[0].entity.as_deref(), Some("account"));
}

const ASKING: Declaration = CUSTOM.asking(stagegate_sdk::Asks {
    http: &[stagegate_sdk::HttpRule { methods: &["GET", "POST"], origin: "https://*.example.com:8443" }],
    secrets: &["key", "other"],
    configuration: &["region"],
    random: true,
    memory: 64,
    background: 7200,
    ..stagegate_sdk::Asks::NOTHING
});

#[test]
fn what_a_plugin_asks_for_is_declared() {
    const LEN: usize = __private::json_len(&ASKING);
    const TEXT: [u8; LEN] = __private::json_text::<LEN>(&ASKING);
    let json: Json = serde_json::from_slice(&TEXT).unwrap();
    let expected = json!({
        "http": [{ "methods": ["GET", "POST"], "origin": "https://*.example.com:8443" }],
        "secrets": ["key", "other"], "configuration": ["region"], "random": true, "memory": 64, "background": "7200s",
    });
    assert_eq!(json["asks"], expected);
    assert_eq!(json_of_custom().get("asks"), None, "who asks for nothing says nothing");

    let asks = __private::declare(&ASKING).asks;
    assert_eq!((asks.memory, asks.background, asks.clocks), (64, Some(7200), false));
    assert_eq!((asks.http[0].methods.len(), asks.http[0].origin.as_str()), (2, "https://*.example.com:8443"));
    assert_eq!(__private::declare(&CUSTOM).asks.background, None);
}

const JOBS: Declaration = Declaration::new(
    ["jobs", "1.0.0", ""],
    &[Entry::of::<recount>(), Entry::of::<late>(), Entry::of::<usual>()],
    &[],
);

#[test]
fn how_jobs_run_is_declared_where_it_is_not_the_usual_way() {
    const LEN: usize = __private::json_len(&JOBS);
    const TEXT: [u8; LEN] = __private::json_text::<LEN>(&JOBS);
    let json: Json = serde_json::from_slice(&TEXT).unwrap();
    let all = json!({
        "ordered": true, "unique": true, "priority": -5, "retries": 2, "auto_delete": true, "background": true,
    });
    assert_eq!(json["steps"][0]["jobs"], all);
    assert_eq!(json["steps"][1]["jobs"], json!({ "priority": i32::MAX, "retries": u32::MAX }));
    assert_eq!(json["steps"][2].get("jobs"), None);

    let steps = __private::declare(&JOBS).steps;
    let jobs: Vec<_> = steps.iter().map(|step| step.jobs).collect();
    let [Some(all), Some(late), None] = jobs.as_slice() else { panic!("{jobs:?}") };
    assert!(all.ordered && all.unique && all.auto_delete && all.background);
    assert_eq!((all.priority, all.retries), (-5, 2));
    assert!(!late.ordered && !late.unique && !late.auto_delete && !late.background);
    assert_eq!((late.priority, late.retries), (i32::MAX, u32::MAX));
}

#[test]
fn changed_only_and_children_are_in_the_declaration() {
    let json = json_of_custom();
    assert_eq!(json["steps"][0]["stage"], "MainOperation");
    assert_eq!(
        (&json["steps"][0]["message"], &json["steps"][0]["entity"]),
        (&json!("sg_Merge"), &Json::Null)
    );
    assert_eq!(json["steps"][1]["changed_only"], true);
    assert!(json["steps"][2].get("changed_only").is_none());
    let images = json!([
        {
            "alias": "account_tasks", "type": "PreImage", "attributes": ["subject"],
            "relationship": "account_tasks",
        },
        {
            "alias": "account_users", "type": "PreImage", "attributes": ["fullname", "parent"],
            "relationship": "account_users",
        },
    ]);
    assert_eq!(json["steps"][2]["images"], images);
    let exported = __private::declare(&CUSTOM);
    assert!(exported.steps[1].changed_only);
    assert_eq!(exported.steps[2].images[0].relationship.as_deref(), Some("account_tasks"));
}

const DECLARATION: Declaration = Declaration::new(
    ["na\"me", "1.2.3", "text"],
    &[Entry::of::<refuse>(), Entry::of::<watch_owner>(), Entry::of::<everywhere>(), Entry::of::<assigned>()],
    &[<User as Declares>::DECLARED],
);

#[test]
fn the_json_is_as_the_contract_describes() {
    const LEN: usize = __private::json_len(&DECLARATION);
    const TEXT: [u8; LEN] = __private::json_text::<LEN>(&DECLARATION);
    let actual: Json = serde_json::from_slice(&TEXT).unwrap();
    let expected = json!({
        "steps": [
            {
                "name": "refuse", "message": "Update", "entity": "account", "stage": "PreOperation",
                "mode": "Synchronous", "rank": -20, "filtering_attributes": ["creditlimit", "telephone1"],
                "images": [{ "alias": "before", "type": "PreImage", "attributes": ["name", "creditlimit"] }],
                "configuration": "{\"a\":\t1}", "description": "Says \"no\" \\ to every other one.",
            },
            {
                "name": "watch/owner", "message": "Create", "entity": "account", "stage": "PostOperation",
                "mode": "Asynchronous", "rank": 1, "filtering_attributes": [],
                "images": [{ "alias": "after", "type": "PostImage", "attributes": ["ownerid"] }],
                "configuration": null, "description": null,
            },
            {
                "name": "everywhere", "message": "Update", "entity": null, "stage": "PostOperation",
                "mode": "Synchronous", "rank": 2_147_483_647, "filtering_attributes": [],
                "images": [
                    { "alias": "before", "type": "PreImage", "attributes": [] },
                    { "alias": "after", "type": "PostImage", "attributes": ["name"] },
                ],
                "configuration": null, "description": null,
            },
            {
                "name": "assigned", "message": "Assign", "entity": "lead", "stage": "PreValidation",
                "mode": "Synchronous", "rank": 1, "filtering_attributes": [], "images": [],
                "configuration": null, "description": "assigned",
            },
        ],
        "entities": [
            { "logical_name": "account", "attributes": [
                { "name": "name", "type": "string", "targets": [] },
                { "name": "creditlimit", "type": "money", "targets": [] },
                { "name": "ownerid", "type": "lookup", "targets": ["systemuser"] },
                { "name": "statecode", "type": "choice", "targets": [] },
            ] },
            { "logical_name": "systemuser", "attributes": [
                { "name": "fullname", "type": "string", "targets": [] },
                { "name": "parent", "type": "lookup", "targets": [] },
            ] },
        ],
        "messages": [],
        "properties": {
            "name": "na\"me", "version": "1.2.3", "description": "text",
            "sdk": concat!("stagegate-sdk ", env!("CARGO_PKG_VERSION")), "contract": "0.1.0",
        },
    });
    assert_eq!(actual, expected);
}

/// The generated types have no serialization, and their debug form shows all that they hold.
#[test]
fn the_export_answers_the_same() {
    let exported = __private::declare(&DECLARATION);
    let steps: Vec<_> =
        exported.steps.iter().map(|step| format!("{} {:?} {:?}", step.name, step.stage, step.mode)).collect();
    assert_eq!(
        steps,
        [
            "refuse Stage::PreOperation Mode::Synchronous",
            "watch/owner Stage::PostOperation Mode::Asynchronous",
            "everywhere Stage::PostOperation Mode::Synchronous",
            "assigned Stage::PreValidation Mode::Synchronous",
        ]
    );
    let refuse = &exported.steps[0];
    assert_eq!(
        (refuse.message.as_str(), refuse.entity.as_deref(), refuse.rank),
        ("Update", Some("account"), -20)
    );
    assert_eq!(refuse.filtering_attributes, ["creditlimit", "telephone1"]);
    assert_eq!(refuse.images[0].alias, "before");
    assert_eq!(refuse.images[0].attributes, ["name", "creditlimit"]);
    assert_eq!(refuse.configuration.as_deref(), Some("{\"a\":\t1}"));
    assert_eq!(exported.steps[2].entity, None);

    let entities: Vec<_> = exported
        .entities
        .iter()
        .map(|entity| {
            let attributes: Vec<_> =
                entity.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
            (entity.logical_name.as_str(), attributes)
        })
        .collect();
    assert_eq!(
        entities,
        [
            ("account", vec!["name", "creditlimit", "ownerid", "statecode"]),
            ("systemuser", vec!["fullname", "parent"])
        ]
    );
    assert_eq!(exported.properties[1], ("version".to_owned(), "1.2.3".to_owned()));
}

#[test]
fn a_choice_goes_by_its_numbers() {
    assert_eq!(Value::from(State::Inactive), Value::Choice(Choice(1)));
    assert_eq!(Value::Choice(Choice(0)).to::<State>(), Some(State::Active));
    assert_eq!(Value::Choice(Choice(2)).to::<State>(), None);
}
