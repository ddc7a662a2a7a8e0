//! Runs a case: a database of its own, the records that it begins with, then its requests one after another.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::case::{Case, Step};
use super::compare::{Comparison, Difference};
use super::node::{Kind, Node};
use super::observed::{self, JobRun};
use super::place::{CaseDatabase, Place};
use crate::cli::fact::{self, Fact};
use crate::cli::label::Id;
use crate::host::{Host, Traced};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::trace::StepRun;
use crate::model::{ColumnSet, EntityReference, FixedClock, Job, Query, Request};
use crate::store::{JobSelect, Store};

/// Requests and jobs of a case that run at once.
pub(super) const CONCURRENCY: u32 = 2;
/// How long a request's jobs may take.
const JOBS_TIMEOUT: Duration = Duration::from_secs(30);

/// The last run of each job.
type Runs = Arc<Mutex<BTreeMap<Uuid, StepRun>>>;

/// What came of a case.
#[derive(Debug)]
pub(super) struct Outcome {
    /// What is not as expected, in the order of the file.
    pub(super) differences: Vec<Difference>,
    /// Why the case could not be run to its end.
    pub(super) broken: Option<String>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Runs a case.
pub(super) async fn run(case: &Case, place: &Place) -> Outcome {
    let started = Instant::now();
    let mut differences = Vec::new();
    let broken = match &case.broken {
        Some(error) => refused(case, error, &mut differences),
        None => match place.database().await {
            Ok(database) => {
                let broken = run_on(&database, case, &mut differences).await;
                let removed = place.remove(database).await;
                broken.or_else(|| removed.err().map(|error| error.to_string()))
            }
            Err(error) => Some(error.to_string()),
        },
    };
    Outcome { differences, broken, took: started.elapsed() }
}

async fn run_on(database: &CaseDatabase, case: &Case, differences: &mut Vec<Difference>) -> Option<String> {
    match World::begin(case, &database.store).await {
        Ok(world) => {
            let result = world.play(case, differences).await;
            world.end().await;
            result.err().map(|error| error.to_string())
        }
        Err(error) => refused(case, &error, differences),
    }
}

/// Whether a case that could not begin was meant not to.
fn refused(case: &Case, error: &Error, differences: &mut Vec<Difference>) -> Option<String> {
    let Some(expected) = &case.refused else {
        return Some(format!("the case cannot begin: {}", case.labels.show(&error.to_string())));
    };
    let comparison = Comparison { source: &case.source, labels: &case.labels };
    comparison.node(expected, Some(&fact::error(error)), differences);
    None
}

/// The host that is tested, and one on the same database that has no steps: what a case begins with and what it leaves
/// is not to depend on those.
struct World {
    tested: Host,
    plain: Host,
    runs: Runs,
}

impl World {
    async fn begin(case: &Case, store: &Arc<dyn Store>) -> Result<Self> {
        let clock = FixedClock(case.now);
        let plain = Host::builder().store(Arc::clone(store)).clock(clock).workers(0).build().await?;
        for definitions in &case.definitions {
            plain.define(definitions.clone()).await?;
        }
        let runs = Runs::default();
        let observed = Arc::clone(&runs);
        let mut builder = Host::builder()
            .store(Arc::clone(store))
            .clock(clock)
            .concurrency(CONCURRENCY)
            .workers(CONCURRENCY)
            .observe_jobs(move |job, run| {
                observed.lock().unwrap_or_else(PoisonError::into_inner).insert(job.id, run);
            });
        for plugin in &case.plugins {
            builder = builder.plugin(plugin.clone());
        }
        for step in &case.steps {
            builder = builder.native_step(&step.plugin, step.definition.clone(), step.native());
        }
        for (plugin, grants) in &case.grants {
            builder = builder.grant(plugin, grants.clone());
        }
        for manifest in &case.manifests {
            builder = builder.manifest(manifest.clone());
        }
        let tested = builder.build().await?;
        for record in &case.records {
            plain.execute(Request::create(record.clone())).await?;
        }
        Ok(Self { tested, plain, runs })
    }

    /// Runs the requests, also after one that did not do as expected: `--update` is to see all of them.
    async fn play(&self, case: &Case, differences: &mut Vec<Difference>) -> Result<()> {
        if let Some(expected) = &case.refused {
            differences.push(Difference {
                span: expected.span.clone(),
                path: expected.path.clone(),
                expected: serde_json::from_str(expected.text(&case.source)).unwrap_or_default(),
                actual: "the case begins".into(),
                edit: None,
            });
            return Ok(());
        }
        let comparison = Comparison { source: &case.source, labels: &case.labels };
        for step in &case.requests {
            let observed = self.request(case, step).await?;
            differences.extend(comparison.request(&step.node, step.expect.as_ref(), &observed));
        }
        Ok(())
    }

    async fn request(&self, case: &Case, step: &Step) -> Result<Fact> {
        let traced = self.tested.trace(step.request.clone()).await;
        let jobs = self.jobs(&traced).await?;
        let mut observed = observed::of(&traced, &jobs, &case.labels);
        if let (Some(records), Fact::Object(members)) =
            (step.expect.as_ref().and_then(|expect| expect.get("records")), &mut observed)
        {
            members.push(("records".into(), self.records(records).await?));
        }
        Ok(observed)
    }

    /// The jobs that a request led to, once they are over.
    async fn jobs(&self, traced: &Traced) -> Result<Vec<JobRun>> {
        let Some(trace) = &traced.trace else { return Ok(Vec::new()) };
        let over = tokio::time::timeout(JOBS_TIMEOUT, self.tested.idle()).await;
        over.unwrap_or_else(|_| {
            let message = format!("the jobs of {} were not over in {JOBS_TIMEOUT:?}", trace.message);
            Err(Error::new(ErrorKind::Timeout, message))
        })?;
        let jobs = self.tested.jobs(JobSelect::Correlation(trace.correlation_id)).await?;
        let runs = self.runs.lock().unwrap_or_else(PoisonError::into_inner);
        let run = |job: Job| JobRun { run: runs.get(&job.id).cloned(), job };
        Ok(jobs.into_iter().map(run).collect())
    }

    /// The records that an expectation speaks of: those that it names, or all of an entity.
    async fn records(&self, expected: &Node) -> Result<Fact> {
        let mut entities = Vec::new();
        for (entity, node) in expected.members() {
            let found = match &node.kind {
                Kind::List(_) => {
                    let response = self.plain.execute(Request::retrieve_multiple(Query::new(entity))).await?;
                    Fact::List(response.entities().iter().map(fact::attributes).collect())
                }
                _ => self.named(entity, node).await?,
            };
            entities.push((entity.clone(), found));
        }
        Ok(Fact::Object(entities))
    }

    async fn named(&self, entity: &str, expected: &Node) -> Result<Fact> {
        let mut records = Vec::new();
        for (label, _) in expected.members() {
            let Some(Id(id)) = Id::parse(label) else { continue };
            let request = Request::retrieve(EntityReference::new(entity, id), ColumnSet::All);
            match self.plain.execute(request).await {
                Ok(response) => {
                    records.extend(response.entity().map(|record| (label.clone(), fact::attributes(record))));
                }
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Fact::Object(records))
    }

    async fn end(self) {
        self.tested.shutdown().await;
    }
}
