//! Jobs that wait to be run: queued once, by the pipeline itself, and copied for every run.

use std::cell::Cell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;
use stagegate::store::PausedStep;
use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::wasm::Plugin;
use stagegate::{
    Entity, EntityCollection, Fault, Host, HostBuilder, NativeStep, Request, Stage, StepDefinition,
};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::harness::{Lap, Prepared};
use crate::jobs_floor::{Floor, Table};
use crate::world::{entities, folder};

/// Records of a request that queues: a job for each.
const BULK: usize = 500;

/// A database with jobs that are ready to run, of a step that is paused.
pub(crate) struct Queue<'a> {
    pub(crate) runtime: &'a Runtime,
    /// The plugin whose step the jobs are of.
    pub(crate) plugin: &'a Plugin,
    synchronous: Synchronous,
    jobs: u32,
    folder: TempDir,
    copies: Cell<u32>,
}

impl<'a> Queue<'a> {
    /// Queues `jobs` by a CreateMultiple of copies of `record`.
    pub(crate) fn make(
        runtime: &'a Runtime,
        plugin: &'a Plugin,
        synchronous: Synchronous,
        jobs: u32,
        record: &Entity,
    ) -> Self {
        let queue = Self { runtime, plugin, synchronous, jobs, folder: folder(), copies: Cell::new(0) };
        let path = queue.template();
        let step = |host: HostBuilder| host.native_step(plugin.name(), asynchronous(), nothing());
        runtime.block_on(async {
            let host = queue.host(&path, &|host| step(host).define(entities()).workers(0)).await;
            host.pause_step(queue.paused()).await.unwrap();
            let records = vec![record.clone(); usize::try_from(jobs).unwrap()];
            for records in records.chunks(BULK) {
                let records = EntityCollection::new(record.logical_name.as_str(), records.to_vec());
                host.execute(Request::create_multiple(records)).await.unwrap();
            }
            host.shutdown().await;
        });
        Floor::prepare(&Connection::open(&path).unwrap());
        queue
    }

    /// The statements alone run all jobs.
    pub(crate) fn floor(&self, table: Table) -> Prepared<'_> {
        Box::new(move || {
            let path = self.copy();
            let mut floor = Floor::open(&path, self.synchronous, table);
            let lap = Lap::of(self.jobs, || assert_eq!(floor.run(), self.jobs));
            drop(floor);
            fs::remove_file(path).unwrap();
            lap
        })
    }

    /// A host runs all jobs.
    pub(crate) fn runs<'b>(&'b self, describe: &'b dyn Fn(HostBuilder) -> HostBuilder) -> Prepared<'b> {
        Box::new(move || {
            let path = self.copy();
            let host = self.runtime.block_on(self.host(&path, describe));
            let lap = Lap::of(self.jobs, || {
                self.runtime.block_on(async {
                    assert!(host.resume_step(self.paused()).await.unwrap());
                    host.idle().await.unwrap();
                });
            });
            self.runtime.block_on(host.shutdown());
            let succeeded = "SELECT count(*) FROM system_job WHERE status = 30";
            let connection = Connection::open(&path).unwrap();
            let succeeded: u32 = connection.query_row(succeeded, [], |row| row.get(0)).unwrap();
            assert_eq!(succeeded, self.jobs);
            drop(connection);
            fs::remove_file(path).unwrap();
            lap
        })
    }

    async fn host(&self, path: &Path, describe: &dyn Fn(HostBuilder) -> HostBuilder) -> Host {
        let mut options = Options::new(path);
        options.synchronous = self.synchronous;
        let store: Arc<SqliteStore> = SqliteStore::open(options).unwrap();
        describe(Host::builder().store(store)).build().await.unwrap()
    }

    fn template(&self) -> PathBuf {
        self.folder.path().join("queue.db")
    }

    /// A copy that is on the disk, so that no commit of the run has to write it.
    fn copy(&self) -> PathBuf {
        self.copies.set(self.copies.get() + 1);
        let path = self.folder.path().join(format!("run-{}.db", self.copies.get()));
        fs::copy(self.template(), &path).unwrap();
        File::open(&path).unwrap().sync_all().unwrap();
        path
    }

    fn paused(&self) -> PausedStep {
        PausedStep { plugin: self.plugin.name().to_owned(), step: None }
    }
}

/// The step of the jobs. As a component it is one that the guest declares otherwise, and that does nothing.
pub(crate) fn asynchronous() -> StepDefinition {
    StepDefinition::new("pass", "Create", Stage::PostOperation).on("probe").asynchronous()
}

/// What the guest's `pass` does, as a closure.
pub(crate) fn nothing() -> NativeStep {
    NativeStep::new(|_| async { Ok::<(), Fault>(()) })
}
