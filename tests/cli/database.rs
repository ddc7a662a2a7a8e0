//! `--database`: the same on a SQLite file and in a PostgreSQL database, and what cannot be used says why and no password.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use serde_json::Value as Json;
use stagegate::cli::Exit;
use stagegate::{DateTime, Uuid};
use stagegate_tests::postgres::Server;

use super::program::{Program, Ran, component};
use crate::postgres::{ask, connect};

const SECRET: &str = "hunter2";

/// Runs the program. `@guard` is the credit guard, `@database` that name.
fn run(program: &Program, args: &str, database: &str) -> Ran {
    let args = args.split_whitespace().map(|arg| match arg {
        "@guard" => component().as_os_str().to_owned(),
        "@database" => OsString::from(database),
        "@requests" => {
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../sample-plugins/credit-guard/requests.json").into()
        }
        arg => OsString::from(arg),
    });
    let ran = program.run(args.collect::<Vec<_>>());
    assert!(!ran.output.contains(SECRET) && !ran.errors.contains(SECRET), "{ran:?}");
    ran
}

#[track_caller]
fn json(ran: &Ran) -> Json {
    serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

/// Takes out of a report what is different in every run: times, sizes, and identifiers, which become their numbers in the
/// order of their first appearance.
fn comparable(value: &mut Json, ids: &mut BTreeMap<Uuid, usize>) {
    match value {
        Json::Object(members) => {
            members.retain(|key, _| !key.ends_with("_us") && key != "database");
            members.values_mut().for_each(|value| comparable(value, ids));
        }
        Json::Array(items) => items.iter_mut().for_each(|item| comparable(item, ids)),
        Json::String(text) => {
            if let Ok(id) = text.parse::<Uuid>() {
                let next = ids.len();
                *text = format!("id {}", ids.entry(id).or_insert(next));
            } else if text.parse::<DateTime>().is_ok() {
                "a moment".clone_into(text);
            }
        }
        _ => {}
    }
}

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn a_run_reports_the_same_on_both_stores() {
    let (program, database) = (Program::new(), Server::shared().database());
    // So that both find the compiled code.
    run(&program, "inspect @guard", "");
    let args = "--plugin @guard --requests @requests --format json --database @database";
    let [file, server] = [program.path("data.db").to_str().unwrap().to_owned(), database.url()].map(|name| {
        let ran = run(&program, args, &name);
        assert_eq!(ran.exit, Exit::Done, "{ran:?}");
        let mut report = json(&ran);
        let named = report["database"].as_str().unwrap().to_owned();
        comparable(&mut report, &mut BTreeMap::new());
        (named, report)
    });
    assert_eq!(file.0, program.path("data.db").to_str().unwrap());
    let shown = format!("postgres://{}/{}", Server::shared().address(), database.name());
    assert_eq!(server.0, shown, "neither user nor password");
    assert!(file.1["requests"].as_array().unwrap().len() > 3);
    assert_eq!(file.1, server.1);
    let text = run(&program, "--plugin @guard --database @database", &database.url());
    assert!(text.output.contains(&shown), "{text:?}");
}

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn a_database_keeps_its_registration_and_is_only_looked_at_before() {
    let (program, database) = (Program::new(), Server::shared().database());
    let run = |args| run(&program, args, &database.url());
    for args in [
        "plan --plugin @guard --database @database",
        "diff --plugin @guard --database @database",
        "apply --dry-run --plugin @guard --database @database",
        "jobs list --database @database",
    ] {
        run(args).unusable(&[database.name(), "has no tables of a host"]);
    }
    let applied = run("apply --plugin @guard --database @database --format json");
    assert_eq!((applied.exit, json(&applied)["applied"].as_bool()), (Exit::Done, Some(true)), "{applied:?}");
    assert_eq!(json(&applied)["steps"].as_array().unwrap().len(), 2);
    assert_eq!(run("diff --plugin @guard --database @database").exit, Exit::Done);
    let plan = run("plan --plugin @guard --database @database --format json");
    assert!(json(&plan)["database"].as_str().unwrap().ends_with(database.name()), "{plan:?}");
    assert_eq!(run("jobs list --database @database").exit, Exit::Done);
}

/// The address of a test's database with another password.
fn with_password(url: &str, password: &str) -> String {
    let (start, rest) = url.split_once("://").unwrap();
    let (user, rest) = rest.split_once('@').unwrap();
    let (user, _) = user.split_once(':').unwrap();
    format!("{start}://{user}:{password}@{rest}")
}

#[test]
#[cfg_attr(
    not(postgres_programs),
    ignore = "no programs of PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES to their folder"
)]
fn a_server_that_lets_nobody_in_is_told_without_the_password() {
    let (program, database) = (Program::new(), Server::shared().database());
    let wrong = with_password(&database.url(), SECRET);
    let missing = database.url().replace(database.name(), "nowhere");
    for command in [
        "--plugin @guard --database @database",
        "apply --plugin @guard --database @database",
        "worker --plugin @guard --database @database",
        "jobs list --database @database",
    ] {
        run(&program, command, &wrong).unusable(&[
            database.name(),
            "password authentication failed",
            "correct the user, the password",
        ]);
        run(&program, command, &missing).unusable(&["nowhere", "does not exist", "createdb"]);
    }
}

#[test]
#[cfg(unix)]
#[cfg_attr(
    not(postgres_programs),
    ignore = "no programs of PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES to their folder"
)]
fn a_replica_is_told_apart() {
    let program = Program::new();
    let server = Server::start(&stagegate_tests::postgres::Options::default());
    let (empty, database) = (server.database(), server.database());
    assert_eq!(run(&program, "apply --plugin @guard --database @database", &database.url()).exit, Exit::Done);
    server.stop_immediately();
    std::fs::write(server.folder().join("data/standby.signal"), "").unwrap();
    server.start_again();
    let (start, apply) =
        ("--plugin @guard --database @database", "apply --plugin @guard --database @database");
    for (command, database) in [(start, &empty), (apply, &empty), (start, &database)] {
        run(&program, command, &database.url()).unusable(&[
            database.name(),
            "is a replica that only reads",
            "the primary's address",
        ]);
    }
    // What only looks may look.
    assert_eq!(run(&program, "jobs list --database @database", &database.url()).exit, Exit::Done);
}

#[test]
fn a_server_that_is_not_there_is_told_without_the_password() {
    // The port is free: whoever listened there was this test.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("postgres://somebody:{SECRET}@{address}/service");
    let shown = format!("postgres://{address}/service");
    run(&Program::new(), "jobs counts --database @database", &url).unusable(&[
        &shown,
        "refused",
        "see that the server runs",
    ]);
}

#[test]
fn what_is_no_address_is_refused_without_the_password() {
    let program = Program::new();
    let commands = [
        "--plugin @guard --database @database",
        "plan --plugin @guard --database @database",
        "worker --plugin @guard --database @database",
        "jobs list --database @database",
        "test . --database @database",
    ];
    for (address, said) in [
        (format!("postgres://ada:{SECRET}@host:door/service"), "cannot be read"),
        (format!("postgresql://ada:{SECRET}@host/service?sslmode=perhaps"), "is none of `disable`"),
        (format!("postgres://ada:{SECRET}@host/service?speed=high"), "cannot be read"),
        (format!("postgres://ada:{SECRET}@host/service?connections=none"), "is not a number"),
        (format!("postgres://ada:{SECRET}@host/service?pooler=big"), "is neither"),
        (format!("postgress://ada:{SECRET}@host/service"), "cannot begin with `postgress://`"),
        (format!("mysql://ada:{SECRET}@host/service"), "`postgres://user@host/name`"),
    ] {
        for command in commands {
            run(&program, command, &address).unusable(&[said]);
        }
    }
}

#[test]
fn the_environment_names_the_database_of_commands_that_need_one() {
    let mut program = Program::new();
    for command in ["jobs list", "apply --plugin @guard", "diff --plugin @guard", "worker --plugin @guard"] {
        run(&program, command, "").unusable(&["no database is named", "`--database`", "STAGEGATE_DATABASE"]);
    }
    program.database = Some(program.path("service.db").into());
    assert_eq!(run(&program, "apply --plugin @guard", "").exit, Exit::Done);
    assert_eq!(run(&program, "diff --plugin @guard", "").exit, Exit::Done);
    assert_eq!(run(&program, "jobs list", "").exit, Exit::Done);
    let other = program.path("other.db");
    let ran = run(&program, "jobs list --database @database", other.to_str().unwrap());
    ran.unusable(&["other.db", "does not exist"]);
    // It makes up requests, which are not for the database that happens to be named.
    let ran = run(&program, "--plugin @guard --requests @requests", "");
    assert!(ran.output.contains("temporary database"), "{ran:?}");
    program.database = Some(format!("postgres://ada:{SECRET}@host:door/service").into());
    run(&program, "jobs list", "").unusable(&["cannot be read"]);
}

const SCENARIO: &str = r#"{"given": {"entities": [{"logical_name": "probe", "attributes": []}]}, "cases": [
  {"name": "holds", "requests": [{"message": "Create", "target": {"entity": "probe"}}]},
  {"name": "does not begin", "given": {"steps": [
    {"name": "s", "message": "Create", "entity": "nobody", "stage": "PreOperation", "mode": "Asynchronous"}]},
   "refused": {}}]}"#;

#[test]
#[cfg_attr(
    not(postgres),
    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
)]
fn scenarios_leave_nothing_in_a_servers_database() {
    let mut program = Program::new();
    let database = Server::shared().database();
    let scenario = program.file("some.scenario.json", SCENARIO);
    let command = format!("test {} --database @database", scenario.display());
    let ran = run(&program, &command, &database.url());
    assert_eq!(ran.exit, Exit::Done, "{ran:?}");
    program.interrupted = true;
    let ran = run(&program, &command, &database.url());
    assert_eq!(ran.exit, Exit::Interrupted, "{ran:?}");
    let left = tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = connect(&database.url()).await.unwrap();
        let left = "SELECT count(*)::text FROM pg_class WHERE relnamespace::regnamespace::text ~ '^public|^stagegate'";
        ask(&client, left).await
    });
    assert_eq!(left, "0");

    let url = database.url() + "?pooler=sometimes";
    run(&program, &command, &url).unusable(&["is neither `transaction` nor `none`"]);
    run(&program, &command, "some.db")
        .unusable(&["a temporary SQLite file of its own", "`postgres://user@host/name`"]);
}
