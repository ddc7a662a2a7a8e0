//! `stagegate worker`, on both stores: it runs what others have queued, and stops as it is asked to.

use std::ffi::OsString;

use serde_json::{Value as Json, json};
use stagegate::cli::Exit;
use stagegate_tests::postgres::Server;
use stagegate_tests::{Database, GUEST_BACKGROUND};

use super::program::{Program, Ran};

/// Creates a `probe`, which queues the jobs of the steps that are enabled.
const REQUESTS: &str = r#"{"entities": [
    {"logical_name": "probe", "attributes": [{"name": "name", "type": "string"}]},
    {"logical_name": "inner", "attributes": [{"name": "name", "type": "string"}]}],
  "requests": [{"message": "Create", "target": {"entity": "probe", "attributes": {"name": "a"}}}]}"#;

/// The plugin on a database that has one of its steps registered, enabled alone, and a job of it.
struct Service {
    program: Program,
    database: Database,
    /// Of the job.
    id: String,
}

impl Service {
    async fn new(database: Database, step: &str) -> Self {
        let program = Program::new();
        let manifest = format!("enabled = false\n[[step]]\nname = \"{step}\"\nenabled = true\n");
        program.file("one.toml", manifest);
        program.file("requests.json", REQUESTS);
        let mut service = Self { program, database, id: String::new() };
        let applied = service.run("apply --plugin @plugin --manifest @one.toml").await;
        assert_eq!(applied.exit, Exit::Done, "{applied:?}");
        // A host that leaves the job to others. What is registered counts, without the manifest.
        let queued = "--plugin @plugin --requests @requests.json --workers 0 --format json";
        let queued = json(&service.run(queued).await);
        assert_eq!(queued["exit_code"], 0, "{queued}");
        let [job] = queued["requests"][0]["jobs"].as_array().unwrap().as_slice() else { panic!("{queued}") };
        assert_eq!(job["status"], "waiting_for_resources", "{queued}");
        service.id = job["id"].as_str().unwrap().to_owned();
        service
    }

    /// Runs the program on the database. `@plugin` is the plugin, `@id` the job, `@name` a file.
    async fn run(&self, args: &str) -> Ran {
        let args = args.split_whitespace().map(|arg| match arg {
            "@plugin" => OsString::from(GUEST_BACKGROUND),
            "@id" => OsString::from(&self.id),
            arg => match arg.strip_prefix('@') {
                Some(name) => self.program.path(name).into(),
                None => OsString::from(arg),
            },
        });
        self.program.start(args.chain(["--database".into(), OsString::from(self.database.name())])).await
    }

    async fn job(&self) -> Json {
        json(&self.run("jobs show @id --format json").await)["job"].take()
    }

    /// Waits until the job has saved a checkpoint: then it computes for ever.
    async fn spins(&self) {
        while self.job().await["checkpoint_bytes"].is_null() {
            tokio::task::yield_now().await;
        }
    }

    fn interrupt(&self, time: usize) {
        self.program.interrupts[time].notify_one();
    }
}

fn json(ran: &Ran) -> Json {
    serde_json::from_str(&ran.output).unwrap_or_else(|error| panic!("{error}: {ran:?}"))
}

async fn runs_the_jobs_and_drains(database: Database) {
    let service = Service::new(database, "count").await;
    let end = async {
        let watched = service.run("jobs watch @id --interval 5ms").await;
        service.interrupt(0);
        watched
    };
    let (worked, watched) = tokio::join!(service.run("worker --plugin @plugin --format json"), end);
    assert_eq!(watched.exit, Exit::Done, "{watched:?}");
    assert_eq!(worked.exit, Exit::Done, "{worked:?}");
    let totals = json(&worked);
    assert_eq!(totals["exit_code"], 0);
    let jobs = json!({"succeeded": 1, "failed": 0, "retried": 0, "set_aside": 0, "handed_back": 0});
    assert_eq!(totals["jobs"], jobs);
    assert!(!totals["database"].as_str().unwrap().contains('@'), "no user, no password: {totals}");
}

async fn stops_what_outlasts_the_grace(database: Database) {
    let service = Service::new(database, "spins").await;
    let end = async {
        service.spins().await;
        service.interrupt(0);
    };
    let (worked, ()) = tokio::join!(service.run("worker --plugin @plugin --workers 1 --grace 1ms"), end);
    assert_eq!(worked.exit, Exit::Done, "{worked:?}");
    assert!(worked.output.contains("1 stopped and handed back"), "{worked:?}");
    let job = service.job().await;
    assert_eq!((&job["status"], &job["crash_count"]), (&json!("waiting_for_resources"), &json!(0)), "{job}");
}

async fn stops_at_once_at_the_second_interrupt(database: Database) {
    let service = Service::new(database, "spins").await;
    let end = async {
        service.spins().await;
        service.interrupt(0);
        service.interrupt(1);
    };
    let (worked, ()) = tokio::join!(service.run("worker --plugin @plugin --grace 10m"), end);
    assert_eq!(worked.exit, Exit::Interrupted, "{worked:?}");
}

macro_rules! on_both {
    ($($exercise:ident)*) => {
        mod sqlite {
            use super::Database;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $exercise() {
                    super::$exercise(Database::Sqlite(tempfile::tempdir().unwrap())).await;
                }
            )*
        }

        mod postgres {
            use super::{Database, Server};
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                #[cfg_attr(
                    not(postgres),
                    ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES"
                )]
                async fn $exercise() {
                    let database = Box::new(Server::shared().database());
                    super::$exercise(Database::Postgres(database)).await;
                }
            )*
        }
    };
}

on_both! { runs_the_jobs_and_drains stops_what_outlasts_the_grace stops_at_once_at_the_second_interrupt }

#[tokio::test]
async fn wrong_usage_is_refused() {
    let program = Program::new();
    for (args, part) in [
        (vec!["worker", "--database", "x.db"], "--plugin"),
        (vec!["worker", "--plugin", "x.wasm", "--workers", "0"], "1..=1000"),
        (vec!["worker", "--plugin", "x.wasm", "--grace", "30"], "the unit is missing"),
    ] {
        program.start(args).await.unusable(&[part]);
    }
    let help = program.start(["worker", "--help"]).await;
    for part in ["--grace", "--background-workers", "STAGEGATE_DATABASE", "second"] {
        assert!(help.output.contains(part), "{help:?}");
    }
}
