//! What these tests share: a database on a path, an effect that is there once.

use std::path::Path;
use std::sync::Arc;

use stagegate::store::sqlite::{Options, SqliteStore, Synchronous};
use stagegate::store::{JobSelect, Store};
use stagegate::{Entity, EntityCollection, ErrorKind, Fault, Host, Job, Request, StepContext};
use stagegate_tests::probe;

/// Opens the database of a test. Without waiting for the disk, which a kill of the process does not need.
pub(super) fn open(path: &Path) -> Arc<dyn Store> {
    let mut options = Options::new(path);
    options.synchronous = Synchronous::Normal;
    SqliteStore::open(options).unwrap()
}

/// Creates `count` probes with one request, and so queues the jobs of all of them in one transaction.
pub(super) async fn queue(host: &Host, count: usize) {
    let probes = (0..count).map(|number| probe(&number.to_string())).collect();
    host.execute(Request::create_multiple(EntityCollection::new("probe", probes))).await.unwrap();
}

/// All jobs, oldest first.
pub(super) async fn jobs(host: &Host) -> Vec<Job> {
    host.jobs(JobSelect::Newest(10_000)).await.unwrap()
}

/// What a job leaves behind: a record with the job's own identifier, so that it is there once, however often the job runs.
pub(super) async fn write_effect(cx: &StepContext) -> Result<(), Fault> {
    let id = cx.operation_id()?.unwrap();
    match cx.create(Entity::new("inner").with_id(id)).await {
        Err(error) if error.kind() == ErrorKind::Duplicate => Ok(()),
        created => Ok(created.map(drop)?),
    }
}
