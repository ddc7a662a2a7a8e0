//! The whole contract from a guest's side, on a real host: a step on every message, and every function of the organization
//! service.

use stagegate::store::JobSelect;
use stagegate::{
    AttributeType, ColumnSet, DateTime, Definitions, Entity, EntityCollection, EntityDefinition,
    EntityReference, FixedClock, JobStatus, Parameter, Query, RelationshipDefinition, Request, Stage, Value,
};
use stagegate_tests::{GUEST_BACKGROUND, GUEST_MESSAGES, World, load, string, text};
use uuid::Uuid;

fn definitions() -> Definitions {
    let name = || AttributeType::String { max_length: 100 };
    let account = EntityDefinition::new("account")
        .with("name", name())
        .with("number", name())
        .with("credit", AttributeType::Money { precision: 2 })
        .with_key("by_number", ["number"])
        .with_default_states()
        .user_owned();
    let task = EntityDefinition::new("task")
        .with("subject", name())
        .with("accountid", AttributeType::Lookup { targets: vec!["account".into()] });
    Definitions {
        entities: vec![account, task, EntityDefinition::new("partner")],
        relationships: vec![
            RelationshipDefinition::one_to_many("account_tasks", "account", "task", "accountid"),
            RelationshipDefinition::many_to_many("partners", "account", "partner"),
        ],
        messages: vec![],
    }
}

async fn world() -> World {
    let plugin = load(GUEST_MESSAGES).await;
    World::with(definitions(), |host| host.plugin(plugin)).await
}

/// Without the steps that change accounts: only the main operations of the custom messages.
async fn quiet_world() -> World {
    let plugin = load(GUEST_MESSAGES).await;
    World::with(definitions(), |host| {
        let steps = plugin.declaration().steps.iter().filter(|step| step.stage == Stage::MainOperation);
        steps.fold(host, |host, step| host.plugin_step(plugin.clone(), step.clone(), None))
    })
    .await
}

fn named(name: &str) -> Entity {
    Entity::new("account").with("name", string(name))
}

/// Calls one function of the organization service from inside of a guest, and returns what the guest says of it.
async fn serve(world: &World, function: &str, account: &EntityReference, other: &EntityReference) -> String {
    let request = Request::new("test_Serve", Default::default())
        .with("Function", string(function))
        .with("Account", account.clone())
        .with("Other", other.clone());
    match world.host.execute(request).await {
        Ok(response) => match response.parameters.get("Text") {
            Some(Parameter::Value(Value::String(text))) => text.clone(),
            other => format!("{other:?}"),
        },
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_function_of_the_organization_service_reaches_the_host() {
    let user = EntityReference::new("systemuser", Uuid::from_u128(7));
    let cases = [
        ("upsert", "false"),
        ("upsert_by_key", "false"),
        ("retrieve_by_key", "keyed"),
        ("update_by_key", "done"),
        ("delete_by_key", "done"),
        ("associate", "done"),
        ("disassociate", "done"),
        ("assign", "done"),
        ("set_state", "done"),
        ("create_multiple", "2"),
        ("update_multiple", "done"),
        ("upsert_multiple", "1"),
        ("delete_multiple", "done"),
        ("call", "1536.00"),
        ("as_user", "done"),
        ("tag", "done"),
        ("execute_transaction", "2"),
        ("fetch", "keyed"),
        ("links", "keyed"),
        ("linked", "keyed"),
        ("pages", "1"),
        ("count", "1"),
        ("dates", "keyed"),
        ("job", "0 None"),
    ];
    for (function, expected) in cases {
        let world = quiet_world().await;
        let account = world.add(named("keyed").with("number", string("K-1"))).await;
        let task = world
            .add(Entity::new("task").with("subject", string("call")).with("accountid", account.clone()))
            .await;
        let partner = world.add(Entity::new("partner")).await;
        let other = match function {
            "associate" => &partner,
            "disassociate" => {
                world.run(Request::associate(account.clone(), "partners", vec![partner.clone()])).await;
                &partner
            }
            "execute_transaction" => &task,
            _ => &user,
        };
        assert_eq!(serve(&world, function, &account, other).await, expected, "{function}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_host_refuses_a_guest_is_told() {
    let world = quiet_world().await;
    let account = world.add(named("a")).await;
    let missing = EntityReference::new("task", Uuid::from_u128(404));
    for (function, expected) in [
        ("update_if", "has the version 1, not 0"),
        ("retrieve_by_key", "no record of `account` has the alternate key number = \"K-1\""),
        ("execute_transaction", "cannot delete task"),
        ("assign", "it can point to systemuser, team"),
        ("execute_multiple", "the transaction cannot go on"),
        ("bypass", "cannot pass over steps when a plugin issues it"),
        ("save_checkpoint", "cannot save a checkpoint: only an asynchronous step has a system job"),
        ("report_progress", "cannot report progress: only an asynchronous step has a system job"),
        ("postpone_until", "cannot postpone itself: only an asynchronous step has a system job"),
    ] {
        let told = serve(&world, function, &account, &missing).await;
        assert!(told.contains(expected), "{function}: {told}");
    }
    assert_eq!(world.names("account").await, ["a"], "nothing of it stays");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_see_and_change_every_message() {
    let world = world().await;
    let lines = async |request: Request| {
        let traced = world.host.trace(request).await;
        let trace = traced.trace.unwrap();
        assert!(trace.error.is_none(), "{:?}", trace.error);
        let mut lines = Vec::new();
        said(&trace, &mut lines);
        (traced.result.unwrap(), lines)
    };
    let created = lines(Request::create_multiple(EntityCollection::new(
        "account",
        vec![named("b"), named("secret"), Entity::new("account")],
    )));
    let (created, said) = created.await;
    assert_eq!(said, ["created N-0 true", "created N-1 true", "created N-2 true"]);
    let account = EntityReference::new("account", created.ids()[0]);

    let found = world.run(Request::retrieve_multiple(Query::new("account"))).await;
    let names: Vec<String> = found.entities().iter().map(|account| text(account, "name")).collect();
    assert_eq!(names, ["b"], "the nameless and the secret one are hidden");

    let money = |text: &str| Value::Money(text.parse().unwrap());
    let credit = |text: &str| {
        let update = Entity::new("account").with_id(account.id).with("credit", money(text));
        Request::update_multiple(EntityCollection::new("account", vec![update]))
    };
    world.run(credit("5")).await;
    world.run(credit("3")).await;
    let read = Request::retrieve(account.clone(), ColumnSet::named(["credit"]));
    assert_eq!(world.run(read).await.entity().unwrap().get("credit"), Some(&money("5.00")), "no cuts");

    let rename = |name: &str| Request::update(named(name).with_id(account.id));
    assert_eq!(lines(rename("b")).await.1, Vec::<String>::new());
    assert_eq!(lines(rename("c")).await.1, ["renamed"]);

    let partner = world.add(Entity::new("partner")).await;
    let related = vec![partner];
    let (_, said) = lines(Request::associate(account.clone(), "partners", related.clone())).await;
    assert_eq!(said, ["partners +1 partner"]);
    let (_, said) = lines(Request::disassociate(account.clone(), "partners", related)).await;
    assert_eq!(said, ["partners -1 partner"]);

    world.run(Request::set_state(account.clone(), 1, None)).await;
    let state = world.get(&account).await.unwrap();
    assert_eq!(state.get("statuscode"), Some(&Value::Choice(2)));

    let call = Request::new("test_Double", Default::default())
        .with("Target", account.clone())
        .with("Amount", money("1"))
        .with("Times", Value::Integer(9));
    let answer = world.run(call).await;
    assert_eq!(answer.parameters.get("Amount"), Some(&Parameter::Value(money("16"))), "four times at most");
    assert_eq!(answer.parameters.get("Name"), Some(&Parameter::Value(string("C"))));

    world.add(Entity::new("task").with("subject", string("call")).with("accountid", account.clone())).await;
    let (_, said) = lines(Request::delete(account)).await;
    assert_eq!(said, ["takes call along", "delete c"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_asynchronous_step_reaches_its_system_job() {
    let plugin = load(GUEST_BACKGROUND).await;
    let start = DateTime(1_767_225_600_000);
    let world = World::new(|host| {
        let steps = plugin.declaration().steps.iter().filter(|step| step.name != "spins");
        let host = host.clock(FixedClock(start));
        steps.fold(host, |host, step| host.plugin_step(plugin.clone(), step.clone(), None))
    })
    .await;
    world.create("a").await.unwrap();
    world.host.idle().await.unwrap();
    let jobs = world.host.jobs(JobSelect::Newest(100)).await.unwrap();
    let job = |step: &str| jobs.iter().find(|job| job.step.step == step).unwrap();

    let count = job("count");
    assert_eq!((count.status, count.attempt), (JobStatus::Succeeded, 1));
    assert_eq!(count.trace, ["attempt 1 goes on from 0"]);
    let progress = count.progress.as_ref().unwrap();
    assert_eq!((progress.percent, progress.note.as_str()), (Some(100), "5 of 5"));
    let names: Vec<_> = (1..=5).map(|number| format!("{}/{number}", count.id)).collect();
    assert_eq!(world.names("inner").await, names);

    let later = job("later");
    assert_eq!((later.status, later.checkpoint.as_deref()), (JobStatus::Waiting, Some(b"seen".as_slice())));
    assert_eq!(later.postpone_until, Some(DateTime(start.0 + 3_600_000)));
    assert_eq!(job("again").attempt, 1, "the clock stands still before its second one");
}

/// What steps traced, in order, through everything that the request led to.
fn said(trace: &stagegate::Trace, lines: &mut Vec<String>) {
    use stagegate::model::trace::Event;
    for event in &trace.events {
        match event {
            Event::Step(run) => {
                lines.extend(run.lines.iter().cloned());
                run.requests.iter().for_each(|request| said(request, lines));
            }
            Event::Request(inner) => said(inner, lines),
            _ => {}
        }
    }
}
