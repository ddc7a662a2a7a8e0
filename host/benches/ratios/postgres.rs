//! What a Create costs on PostgreSQL: against the same statements by a bare client that sends them together, and against
//! what one would have instead inside of the database, a trigger in PL/pgSQL or PL/Python that does what the step does.
//!
//! The server is one of its own, on the disk, on this machine: so a round trip is short, and what the host adds to it shows.
//! It has a processor, and the client's one thread has another: left to themselves they meet on one or do not, by chance and for
//! seconds, and that is the double or the half of a round trip.

use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use futures_util::future::join;
use stagegate::store::Store;
use stagegate::store::postgres::{Options, PostgresStore};
use stagegate::wasm::{Allocation, Plugin};
use stagegate::{Entity, Host, HostBuilder, Request, Value};
use stagegate_tests::GUEST_TOUCH;
use stagegate_tests::postgres::{self, Server, TestDatabase};
use tokio::runtime::Runtime;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};
use uuid::Uuid;

use crate::bare::Bare;
use crate::harness::{Alternative, DATABASE_BATCH, Effort, Goal, Report, interleave_by};
use crate::place::{self, Place};
use crate::postgres_jobs;
use crate::steps::executes;
use crate::world::{engine, entities, probe, threads, with_step};

/// The most that a Create with one step in a component may cost, in the sum of its statements and the bare call.
const CREATE_MAX: f64 = 1.25;
const ATTRIBUTES: u32 = 10;

/// Does what the guest's `touch` does.
const IN_PLPGSQL: &str = "CREATE FUNCTION touch_plpgsql() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.c_touched := (SELECT count(*) FROM jsonb_each(to_jsonb(NEW)) AS a (name, value)
            WHERE starts_with(name, 'c_') AND value <> 'null'::jsonb);
        RAISE DEBUG 'touched %', NEW.c_touched;
        RETURN NEW;
    END $$";
const IN_PLPYTHON: &str = "CREATE FUNCTION touch_plpython() RETURNS trigger LANGUAGE plpython3u AS $$
    new = TD['new']
    new['c_touched'] = sum(1 for name, value in new.items() if name.startswith('c_') and value is not None)
    plpy.debug('touched %d' % new['c_touched'])
    return 'MODIFY'
    $$";

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    if let Err(missing) = postgres::binaries::find() {
        return report.note(&missing);
    }
    let options = postgres::Options::default().on_disk();
    // Before this thread has its place, since what compiles it uses all processors.
    let plugin = threads(1).block_on(engine(Allocation::Pool).load(GUEST_TOUCH)).unwrap();
    let server = place::on(Place::Server, || Server::start(&options));
    place::on(Place::Client, || {
        let runtime = &threads(1);
        for commit in ["on", "off"] {
            creates(effort, report, runtime, &server, &plugin, commit);
        }
    });
    drop(server);
    postgres_jobs::measure(effort, report, &threads(2), &Server::start(&options));
}

/// Creates with `synchronous_commit` as given.
fn creates(
    effort: Effort,
    report: &mut Report,
    runtime: &Runtime,
    server: &Server,
    plugin: &Plugin,
    commit: &str,
) {
    let databases: Vec<TestDatabase> = (0..3).map(|_| server.database()).collect();
    let url = |index: usize| with_commit(&databases[index].url(), commit);
    let none = runtime.block_on(host(&url(0), |host| host));
    let wasm = runtime.block_on(host(&url(1), |host| with_step(host, plugin, "touch")));
    runtime.block_on(async { host(&url(2), |host| host).await.shutdown().await });
    let bare = Bare::new(Path::new(GUEST_TOUCH), &probe(ATTRIBUTES));
    let admin = with_commit(&databases[2].admin_url(), commit);
    let open = |table, trigger| runtime.block_on(Alone::open(&admin, table, trigger)).map(Arc::new);
    let alone = open("e_probe", "").unwrap();
    let plpgsql = open("plpgsql", IN_PLPGSQL).unwrap();
    // Its package may be missing.
    let plpython = open("plpython", IN_PLPYTHON);

    let request = Request::create(probe(ATTRIBUTES));
    let creates = |host: &Host| {
        in_task(runtime, (host.clone(), request.clone()), |(host, request), count| async move {
            executes(&host, &request, count).await;
        })
    };
    let inserts = |alone: &Arc<Alone>| {
        in_task(runtime, Arc::clone(alone), |alone, count| async move { alone.inserts(count).await })
    };
    let [sql, call, none_took, wasm_took, plpgsql_took, python_took] = interleave_by(
        DATABASE_BATCH,
        effort.rounds(61),
        [
            in_task(runtime, Arc::clone(&alone), |alone, count| async move { alone.creates(count).await }),
            in_task(runtime, bare, |bare, count| async move { bare.calls(count).await }),
            creates(&none),
            creates(&wasm),
            inserts(&plpgsql),
            inserts(plpython.as_ref().unwrap_or(&plpgsql)),
        ],
    );
    let title = |what: &str| format!("commit {commit}: Create, {what}");
    let (none_took, wasm_took) = (none_took.wall, wasm_took.wall);
    report.ratio(&title("no step / SQL alone"), &none_took, &sql.wall, Goal::None);
    report.ratio(&title("one Wasm step / SQL alone"), &wasm_took, &sql.wall, Goal::None);
    let goal = Goal::AtMost(CREATE_MAX);
    report.ratio(&title("one Wasm step / SQL + bare call"), &wasm_took, &sql.wall.plus(&call.wall), goal);
    report.ratio(&title("one Wasm step / PL/pgSQL trigger"), &wasm_took, &plpgsql_took.wall, Goal::None);
    match &plpython {
        Ok(_) => {
            let name = title("one Wasm step / PL/Python trigger");
            report.ratio(&name, &wasm_took, &python_took.wall, Goal::None);
        }
        Err(error) => report.note(&format!("no PL/Python: {error}; apt-get install postgresql-plpython3-15")),
    }
    runtime.block_on(async { tokio::join!(none.shutdown(), wasm.shutdown()) });
}

/// Does it in a task, as a service does: what is awaited outside of the runtime's threads changes threads for each message.
fn in_task<'a, T, F>(runtime: &'a Runtime, of: T, work: impl Fn(T, u32) -> F + 'a) -> Alternative<'a>
where
    T: Clone + 'a,
    F: Future<Output = ()> + Send + 'static,
{
    Box::new(move |count| runtime.block_on(runtime.spawn(work(of.clone(), count))).unwrap())
}

/// The address, for connections that commit so.
pub(crate) fn with_commit(url: &str, commit: &str) -> String {
    format!("{url}?options=-c%20synchronous_commit%3D{commit}")
}

async fn host(url: &str, describe: impl Fn(HostBuilder) -> HostBuilder) -> Host {
    let store = PostgresStore::open(Options::new(url).unwrap()).await.unwrap();
    store.define(entities().into()).await.unwrap();
    describe(Host::builder().store(store).workers(0)).build().await.unwrap()
}

/// The same row in the same table, or in a copy of it that has a trigger, without a host.
struct Alone {
    client: Client,
    insert: Statement,
    target: Entity,
}

impl Alone {
    async fn open(url: &str, table: &str, trigger: &str) -> Result<Self, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        if !trigger.is_empty() {
            let language = if table == "plpython" { "CREATE EXTENSION plpython3u;" } else { "" };
            let script = format!(
                "{language}{trigger}; CREATE TABLE {table} (LIKE e_probe INCLUDING ALL);
                 CREATE TRIGGER touch BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION touch_{table}()"
            );
            client.batch_execute(&script).await?;
        }
        // The trigger sets what otherwise the client sends.
        let mut target = probe(ATTRIBUTES);
        if trigger.is_empty() {
            target = target.with("touched", Value::Integer(10));
        }
        let names: Vec<String> = target.attributes.keys().map(|name| format!(",c_{name}")).collect();
        let marks: Vec<String> = (0..names.len()).map(|index| format!(",${}", index + 5)).collect();
        let insert = format!(
            "INSERT INTO {table} (id,createdon,modifiedon,versionnumber{}) VALUES ($1,$2,$3,$4{})",
            names.concat(),
            marks.concat()
        );
        let insert = client.prepare(&insert).await?;
        Ok(Self { client, insert, target })
    }

    /// As the host does it: BEGIN and INSERT together, then COMMIT.
    async fn creates(&self, count: u32) {
        for _ in 0..count {
            let (begun, inserted) =
                join(self.client.batch_execute("BEGIN ISOLATION LEVEL READ COMMITTED"), self.insert()).await;
            begun.unwrap();
            inserted.unwrap();
            self.client.batch_execute("COMMIT").await.unwrap();
        }
    }

    /// One statement that commits by itself: what a service without a host would send.
    async fn inserts(&self, count: u32) {
        for _ in 0..count {
            self.insert().await.unwrap();
        }
    }

    async fn insert(&self) -> Result<u64, tokio_postgres::Error> {
        let (id, now, version) = (Uuid::now_v7(), SystemTime::now(), 1_i64);
        let mut row: Vec<&(dyn ToSql + Sync)> = vec![&id, &now, &now, &version];
        for value in self.target.attributes.values() {
            row.push(match value {
                Value::String(text) => text,
                Value::Integer(number) => number,
                other => panic!("the payload has no {other:?}"),
            });
        }
        self.client.execute(&self.insert, &row).await
    }
}
