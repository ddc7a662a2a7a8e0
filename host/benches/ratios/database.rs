//! What a Create costs on SQLite: against the same SQL by rusqlite alone, and against the sum of that and the bare call.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use stagegate::store::Store;
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::wasm::Allocation;
use stagegate::{Entity, Fault, Host, HostBuilder, NativeStep, Request, Value};
use stagegate_tests::GUEST_TOUCH;
use uuid::Uuid;

use crate::bare::Bare;
use crate::harness::{Alternative, DATABASE_BATCH, Effort, Goal, Report, interleave_by};
use crate::steps::executes;
use crate::world::{declared, engine, entities, folder, probe, threads, with_step};

/// The most that a Create with one step in a component may cost, in the sum of its SQL and the bare call.
const CREATE_MAX: f64 = 1.5;
const ATTRIBUTES: u32 = 10;

pub(crate) fn measure(effort: Effort, report: &mut Report) {
    let runtime = &threads(2);
    let plugin = runtime.block_on(engine(Allocation::Pool).load(GUEST_TOUCH)).unwrap();
    for (synchronous, word) in [(Synchronous::Full, "FULL"), (Synchronous::Normal, "NORMAL")] {
        let folder = folder();
        let open = |name: &str, describe: &dyn Fn(HostBuilder) -> HostBuilder| {
            let path = folder.path().join(format!("{name}.db"));
            runtime.block_on(host(path, synchronous, describe))
        };
        let none = open("none", &|host| host);
        let native = open("native", &|host| host.native_step("service", declared(&plugin, "touch"), touch()));
        let wasm = open("wasm", &|host| with_step(host, &plugin, "touch"));
        let alone = open("alone", &|host| host);
        runtime.block_on(alone.shutdown());
        let alone = Alone::open(&folder.path().join("alone.db"), word);
        let bare = Bare::new(Path::new(GUEST_TOUCH), &probe(ATTRIBUTES));

        let request = &Request::create(probe(ATTRIBUTES));
        let creates = |host: &Host| -> Alternative<'_> {
            let host = host.clone();
            Box::new(move |count| runtime.block_on(executes(&host, request, count)))
        };
        let [alone, bare, none, native, wasm] = interleave_by(
            DATABASE_BATCH,
            effort.rounds(101),
            [
                Box::new(|count| (0..count).for_each(|_| alone.create())),
                Box::new(|count| runtime.block_on(bare.calls(count))),
                creates(&none),
                creates(&native),
                creates(&wasm),
            ],
        );
        let title = |what: &str| format!("{word}: Create, {what}");
        report.ratio(&title("no step / SQL alone"), &none.wall, &alone.wall, Goal::None);
        report.ratio(&title("one native step / SQL alone"), &native.wall, &alone.wall, Goal::None);
        report.ratio(&title("one Wasm step / SQL alone"), &wasm.wall, &alone.wall, Goal::None);
        let goal = Goal::AtMost(CREATE_MAX);
        report.ratio(
            &title("one Wasm step / SQL + bare call"),
            &wasm.wall,
            &alone.wall.plus(&bare.wall),
            goal,
        );
        let title = |what: &str| title(&format!("{what}, processor time"));
        report.ratio(&title("no step / SQL"), &none.cpu, &alone.cpu, Goal::None);
        report.ratio(&title("native / SQL"), &native.cpu, &alone.cpu, Goal::None);
        report.ratio(&title("Wasm / SQL + bare"), &wasm.cpu, &alone.cpu.plus(&bare.cpu), Goal::None);
    }
}

async fn host(
    path: PathBuf,
    synchronous: Synchronous,
    describe: &dyn Fn(HostBuilder) -> HostBuilder,
) -> Host {
    let mut options = Options::new(path);
    options.synchronous = synchronous;
    let store = SqliteStore::open(options).unwrap();
    store.define(entities().into()).await.unwrap();
    describe(Host::builder().store(store).workers(0)).build().await.unwrap()
}

/// What the guest's `touch` does, as a closure.
fn touch() -> NativeStep {
    NativeStep::new(|cx| async move {
        let count = cx.target()?.map_or(0, |target| target.attributes.len());
        cx.set_target([("touched", Value::Integer(i32::try_from(count).unwrap_or(i32::MAX)))])?;
        cx.trace(format!("touched {count}"));
        Ok::<(), Fault>(())
    })
}

/// The same row in the same table, without a host: the table is one that the store has made.
struct Alone {
    connection: Connection,
    insert: String,
    target: Entity,
}

impl Alone {
    fn open(path: &Path, synchronous: &str) -> Self {
        let connection = Connection::open(path).unwrap();
        let pragmas = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
        );
        connection.execute_batch(&pragmas).unwrap();
        let target = probe(ATTRIBUTES).with("touched", Value::Integer(10));
        let columns: Vec<String> = target.attributes.keys().map(|name| format!("c_{name}")).collect();
        let insert = format!(
            "INSERT INTO e_probe (id,createdon,modifiedon,versionnumber,{}) VALUES (?,?,?,?{})",
            columns.join(","),
            ",?".repeat(columns.len())
        );
        Self { connection, insert, target }
    }

    fn create(&self) {
        let begin = |sql| self.connection.prepare_cached(sql).unwrap().execute([]).unwrap();
        begin("BEGIN IMMEDIATE");
        {
            let mut insert = self.connection.prepare_cached(&self.insert).unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let now = i64::try_from(now).unwrap();
            insert.raw_bind_parameter(1, Uuid::now_v7().as_bytes()).unwrap();
            insert.raw_bind_parameter(2, now).unwrap();
            insert.raw_bind_parameter(3, now).unwrap();
            insert.raw_bind_parameter(4, 1).unwrap();
            for (index, value) in self.target.attributes.values().enumerate() {
                match value {
                    Value::String(text) => insert.raw_bind_parameter(index + 5, text).unwrap(),
                    Value::Integer(number) => insert.raw_bind_parameter(index + 5, number).unwrap(),
                    other => panic!("the payload has no {other:?}"),
                }
            }
            insert.raw_execute().unwrap();
        }
        begin("COMMIT");
    }
}
