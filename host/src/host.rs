//! The host: everything put together, for the service that embeds it.

mod follow;
mod grants;
mod registration;
mod supervision;
mod usage;

#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::jobs::{self, JobTotals, Service, Tally};
use crate::model::error::{Error, ErrorKind, Result};
use crate::model::job::{Control, Controlled, JobCount, Schedule};
use crate::model::registration::Override;
use crate::model::step::StepKey;
use crate::model::trace::StepRun;
use crate::model::{
    BreakerSettings, Clock, Definitions, Job, MessageDefinition, Quota, Request, Response, Schema,
    StepDefinition, SystemClock, Trace,
};
use crate::pipeline::current::Current;
use crate::pipeline::dry_run::DryRun;
use crate::pipeline::gauge::Gauge;
use crate::pipeline::host_job::CascadeThresholds;
use crate::pipeline::native::NativeStep;
use crate::pipeline::runner::Runner;
use crate::pipeline::supervision::Supervisor;
use crate::pipeline::{DEPTH_LIMIT_DEFAULT, Doorbell, Pipeline, SATURATED_RETRY_AFTER, TIME_LIMIT_DEFAULT};
#[cfg(feature = "postgres")]
use crate::store::{BoxFuture, postgres::Options as PostgresOptions};
use crate::store::{JobSelect, PausedStep, Store};
use crate::wasm::Plugin;
use follow::{Following, Registrations};
pub use grants::PluginCapabilities;
pub use registration::Planned;
use registration::sources::{Entry, Sources, definable};
pub use usage::Usage;

/// How often [`Host::idle`] looks at the jobs of other hosts.
const IDLE_POLL: Duration = Duration::from_millis(50);
/// Message requests from outside that run at once where the embedder does not say.
const CONCURRENCY_DEFAULT: u32 = 16;

/// A plugin host over one database. Cheap to clone; the clones share everything.
///
/// ```
/// use stagegate::{AttributeType, Entity, EntityDefinition, Host, NativeStep, Request, Stage, StepDefinition, Value};
///
/// # async fn embed(folder: &std::path::Path) -> stagegate::Result<()> {
/// let trim = NativeStep::new(|cx| async move {
///     let name = cx.target()?.and_then(|target| target.get("name").cloned());
///     if let Some(Value::String(name)) = name {
///         cx.set_target([("name", Value::String(name.trim().to_owned()))])?;
///     }
///     Ok(())
/// });
/// let host = Host::builder()
///     .sqlite(folder.join("service.db"))
///     .native_step("service", StepDefinition::new("trim", "Create", Stage::PreOperation).on("account"), trim)
///     .build()
///     .await?;
/// let account = EntityDefinition::new("account").with("name", AttributeType::String { max_length: 100 });
/// host.define(vec![account]).await?;
///
/// let acme = Entity::new("account").with("name", Value::String("  Acme ".into()));
/// let id = host.execute(Request::create(acme)).await?.id();
/// assert!(id.is_some());
/// host.shutdown().await;
/// # Ok(())
/// # }
/// # let folder = tempfile::tempdir().unwrap();
/// # tokio::runtime::Runtime::new().unwrap().block_on(embed(folder.path())).unwrap();
/// ```
#[derive(Clone)]
pub struct Host {
    inner: Arc<Inner>,
}

struct Inner {
    pipeline: Arc<Pipeline>,
    admission: Arc<Semaphore>,
    concurrency: u32,
    registrations: Arc<Registrations>,
    service: std::sync::Mutex<Option<Service>>,
    following: std::sync::Mutex<Option<Following>>,
    settled: Arc<Notify>,
    tally: Arc<Tally>,
}

/// A request with its trace.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Traced {
    /// What came of it.
    pub result: Result<Response>,
    /// What happened; none if the request was refused before it began.
    pub trace: Option<Trace>,
}

/// A registered step and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PlannedStep {
    /// The plugin and the step.
    pub key: StepKey,
    /// What was registered.
    pub definition: StepDefinition,
    /// Whether it is native code of the embedding service.
    pub native: bool,
    /// Its place among all registrations, which decides between equal ranks.
    pub sequence: u32,
    /// What of it is not as the plugin declares it, and who says so.
    pub overrides: Vec<Override>,
    /// Whether it has a secure configuration.
    pub has_secure_configuration: bool,
}

impl Host {
    /// Starts to describe a host.
    pub fn builder() -> HostBuilder {
        HostBuilder::default()
    }

    /// Runs a message request through the whole pipeline.
    ///
    /// It waits for a place among the requests that run at once, bounded by its time limit (then the error's kind is
    /// [`ErrorKind::Saturated`]). If the returned future is dropped, the request is stopped and rolled back. Steps that
    /// issue requests do so through their context: calling this from inside a step would wait for a place while holding
    /// one.
    pub async fn execute(&self, request: Request) -> Result<Response> {
        let _place = self.admit(&request).await?;
        self.inner.pipeline.execute(request).await
    }

    /// Runs a message request and returns what happened in it too.
    pub async fn trace(&self, request: Request) -> Traced {
        let asked = Instant::now();
        let place = match self.admit(&request).await {
            Ok(place) => place,
            Err(error) => return Traced { result: Err(error), trace: None },
        };
        let (result, trace) = self.inner.pipeline.trace(request, Some(asked.elapsed())).await;
        drop(place);
        Traced { result, trace }
    }

    /// Runs a message request as [`Host::execute`] does, rolls it back in any case, and returns what it would have
    /// changed. PreValidation runs inside the transaction too, and asynchronous steps are named and not run.
    pub async fn dry_run(&self, request: Request) -> DryRun {
        match self.admit(&request).await {
            Ok(_place) => self.inner.pipeline.dry_run(request).await,
            Err(error) => DryRun::refused(error),
        }
    }

    /// Defines entities, relationships and custom messages, or adds to existing ones; all or none, in one transaction.
    /// Defining what is there already changes nothing. Fails with [`ErrorKind::InvalidDefinition`] if a rule is broken.
    ///
    /// The custom messages that plugins declare for an entity come with it, unless they are defined already.
    pub async fn define(&self, definitions: impl Into<Definitions>) -> Result<Arc<Schema>> {
        let mut definitions = definitions.into();
        let store = &self.inner.pipeline.store;
        let schema = store.schema();
        let is_new = |message: &&MessageDefinition| {
            let named = definitions.messages.iter().any(|defined| defined.name == message.name);
            !named && !schema.messages.contains_key(&message.name)
        };
        let declared = self.plugins().iter().flat_map(|plugin| &plugin.declaration().messages);
        let declared = declared.filter(is_new).cloned().collect();
        definitions.messages.extend(definable(declared, &definitions, &schema));
        store.define(definitions).await
    }

    /// The entity definitions.
    #[must_use]
    pub fn schema(&self) -> Arc<Schema> {
        self.inner.pipeline.store.schema()
    }

    /// The plugins, in the order of registration.
    #[must_use]
    pub fn plugins(&self) -> &[Plugin] {
        &self.inner.registrations.sources.plugins
    }

    /// System jobs, oldest first.
    pub async fn jobs(&self, select: JobSelect) -> Result<Vec<Job>> {
        self.inner.pipeline.store.jobs(select).await
    }

    /// Queues a message request to be run by the asynchronous service, once or again and again, and returns the identifier
    /// of its system job. Fails at once if the request is not well formed.
    pub async fn schedule(&self, request: Request, schedule: Schedule) -> Result<Uuid> {
        self.inner.pipeline.schedule(request, &schedule).await
    }

    /// Does to system jobs what an operator asks, and returns for each what became of it. All is written in one
    /// transaction; a job that cannot go there says so in its result and keeps none of the others from it.
    pub async fn control_jobs(&self, ids: &[Uuid], control: Control) -> Result<Vec<Controlled>> {
        let (ids, now) = (ids.to_vec(), self.inner.pipeline.clock.now());
        let label = format!("{control} system jobs");
        let controlled = self.inner.pipeline.write(label, move |transaction| {
            Box::pin(async move { transaction.control_jobs(&ids, control, now).await })
        });
        let controlled = controlled.await?;
        self.inner.pipeline.doorbell.queued.notify_one();
        self.inner.pipeline.doorbell.controlled.notify_one();
        Ok(controlled)
    }

    /// Deletes system jobs that are over, and returns for each what became of it.
    pub async fn delete_jobs(&self, ids: &[Uuid]) -> Result<Vec<Controlled>> {
        let ids = ids.to_vec();
        self.inner
            .pipeline
            .write("delete system jobs".into(), move |transaction| {
                Box::pin(async move { transaction.delete_jobs(&ids).await })
            })
            .await
    }

    /// How many system jobs there are, by step and status, and since when the oldest of them: what a service exports as
    /// its metrics. Counts all of them, so it is for once in a while.
    pub async fn job_counts(&self) -> Result<Vec<JobCount>> {
        self.inner.pipeline.store.job_counts().await
    }

    /// Keeps the jobs of a step, or of a whole plugin, from being started until it is resumed; those that run go on. Kept
    /// in the database. False if it was paused already.
    pub async fn pause_step(&self, step: PausedStep) -> Result<bool> {
        let pipeline = &self.inner.pipeline;
        let paused = pipeline.store.pause_step(step, true, pipeline.clock.now()).await;
        pipeline.doorbell.controlled.notify_one();
        paused
    }

    /// Lets the jobs of a step, or of a whole plugin, go again. False if it was not paused.
    pub async fn resume_step(&self, step: PausedStep) -> Result<bool> {
        let resumed =
            self.inner.pipeline.store.pause_step(step, false, self.inner.pipeline.clock.now()).await;
        self.inner.pipeline.doorbell.queued.notify_one();
        resumed
    }

    /// The steps and plugins whose jobs are kept from being started.
    pub async fn paused_steps(&self) -> Result<Vec<PausedStep>> {
        self.inner.pipeline.store.paused_steps().await
    }

    /// Waits until no job is ready to run or running. Jobs that wait for a later moment, for an operator or for a step
    /// that is paused are not waited for, and neither are those of steps that are disabled for a while, once no others are
    /// left.
    pub async fn idle(&self) -> Result<()> {
        loop {
            let settled = self.inner.settled.notified();
            tokio::pin!(settled);
            // Before the look, so that what is settled between the look and the wait is not missed.
            settled.as_mut().enable();
            if self.inner.pipeline.store.is_idle().await? || self.only_disabled_are_left().await? {
                return Ok(());
            }
            if self.inner.pipeline.store.lease().is_none() {
                settled.await;
                continue;
            }
            // What another host ends, it tells nobody.
            tokio::select! {
                () = settled => {}
                () = tokio::time::sleep(IDLE_POLL) => {}
            }
        }
    }

    /// What this host has done of system jobs since it started; after [`Host::shutdown`], all that it did.
    #[must_use]
    pub fn job_totals(&self) -> JobTotals {
        self.inner.tally.totals()
    }

    /// Ends the host: refuses new requests, lets running ones end, and running jobs within the
    /// [grace](HostBuilder::shutdown_grace), closes the database. Jobs that were not started, or had to be stopped, are
    /// ready for the next host on the database.
    pub async fn shutdown(&self) {
        let service = self.inner.service.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(service) = service {
            service.stop().await;
        }
        let following = self.inner.following.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(following) = following {
            following.stop().await;
        }
        // All places at once are free when nothing runs any more.
        let all = self.inner.admission.acquire_many(self.inner.concurrency).await;
        self.inner.admission.close();
        drop(all);
        self.inner.pipeline.store.close().await;
    }

    async fn admit(&self, request: &Request) -> Result<OwnedSemaphorePermit> {
        let admission = Arc::clone(&self.inner.admission);
        if let Ok(place) = Arc::clone(&admission).try_acquire_owned() {
            return Ok(place);
        }
        let limit = self.inner.pipeline.time_limit;
        let limit = request.time_limit.map_or(limit, |own| own.min(limit));
        match tokio::time::timeout(limit, admission.acquire_owned()).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_closed)) => Err(Error::new(
                ErrorKind::ShuttingDown,
                format!("cannot run {}: the host is shutting down", request.message),
            )),
            Err(_elapsed) => Err(Error::new(
                ErrorKind::Saturated,
                format!(
                    "cannot run {}: all {} places of the host were taken for {} ms; try again later, or give the host \
                     more concurrency",
                    request.message,
                    self.inner.concurrency,
                    limit.as_millis()
                ),
            )
            .with_retry_after(SATURATED_RETRY_AFTER)),
        }
    }
}

/// Describes a host. See [`Host::builder`].
#[must_use]
pub struct HostBuilder {
    store: Option<StoreChoice>,
    sources: Sources,
    clock: Arc<dyn Clock>,
    time_limit: Duration,
    depth_limit: u32,
    concurrency: Option<u32>,
    workers: u32,
    background_workers: u32,
    grace: Duration,
    retention: Option<Duration>,
    asynchronous_cascades: Option<CascadeThresholds>,
    observer: Option<jobs::Observer>,
    breaker: Option<BreakerSettings>,
    quotas: Vec<(String, Quota)>,
}

enum StoreChoice {
    Open(Arc<dyn Store>),
    #[cfg(feature = "sqlite")]
    Sqlite(PathBuf),
    #[cfg(feature = "postgres")]
    Postgres(Result<Box<PostgresOptions>>),
}

struct Registration {
    plugin: String,
    definition: StepDefinition,
    secure_configuration: Option<String>,
    runner: Arc<dyn Runner>,
}

impl Default for HostBuilder {
    fn default() -> Self {
        Self {
            store: None,
            sources: Sources::default(),
            clock: Arc::new(SystemClock),
            time_limit: TIME_LIMIT_DEFAULT,
            depth_limit: DEPTH_LIMIT_DEFAULT,
            concurrency: None,
            workers: jobs::WORKERS_DEFAULT,
            background_workers: jobs::BACKGROUND_WORKERS_DEFAULT,
            grace: jobs::GRACE_DEFAULT,
            retention: Some(jobs::RETENTION_DEFAULT),
            asynchronous_cascades: None,
            observer: None,
            breaker: Some(BreakerSettings::default()),
            quotas: Vec::new(),
        }
    }
}

impl HostBuilder {
    /// Keeps the data in a SQLite file, which is made if it does not exist. One host at a time opens it.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(mut self, path: impl Into<PathBuf>) -> Self {
        self.store = Some(StoreChoice::Sqlite(path.into()));
        self
    }

    /// Keeps the data in a database of a PostgreSQL server, which several hosts may share. The address is as libpq takes
    /// it, `postgres://user:password@host:port/database`; [`Options`](crate::store::postgres::Options) says what else it
    /// takes. The database must exist; its tables are made. [`build`](Self::build) fails if the address cannot be read.
    #[cfg(feature = "postgres")]
    pub fn postgres(mut self, address: impl AsRef<str>) -> Self {
        self.store = Some(StoreChoice::Postgres(PostgresOptions::new(address.as_ref()).map(Box::new)));
        self
    }

    /// As [`HostBuilder::postgres`], by an address that was read before.
    #[cfg(feature = "cli")]
    pub(crate) fn server(mut self, options: PostgresOptions) -> Self {
        self.store = Some(StoreChoice::Postgres(Ok(Box::new(options))));
        self
    }

    /// Keeps the data in a store that is open already.
    pub fn store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(StoreChoice::Open(store));
        self
    }

    /// Registers a plugin with the steps that it declares, in their order, as [manifests](Self::manifest) change them;
    /// or, if the database keeps a registration of the plugin, with the steps of that. Plugins and native steps of equal
    /// rank run in the order of these calls, after the steps whose registration the database keeps.
    pub fn plugin(mut self, plugin: Plugin) -> Self {
        let guest = plugin.clone().with_clock(Arc::clone(&self.clock));
        self.sources.guests.push(guest.clone());
        self.sources.entries.push(Entry::Declared(plugin.clone(), Arc::new(guest)));
        self.sources.plugins.push(plugin);
        self
    }

    /// Registers one step of a plugin as `definition` says, whatever the plugin declares, manifests change and the
    /// database keeps; with the secure configuration, which never reaches a log. The definition's name is that of the
    /// step in the plugin.
    pub fn plugin_step(
        mut self,
        plugin: Plugin,
        definition: StepDefinition,
        secure_configuration: Option<String>,
    ) -> Self {
        let guest = plugin.clone().with_clock(Arc::clone(&self.clock));
        self.sources.guests.push(guest.clone());
        self.sources.entries.push(Entry::Step(Box::new(Registration {
            plugin: plugin.name().to_owned(),
            definition,
            secure_configuration,
            runner: Arc::new(guest),
        })));
        if !self.sources.plugins.iter().any(|known| known.name() == plugin.name()) {
            self.sources.plugins.push(plugin);
        }
        self
    }

    /// Registers a Rust closure of the service as a step. `plugin` is the name that errors and traces call it by.
    pub fn native_step(
        mut self,
        plugin: impl Into<String>,
        definition: StepDefinition,
        step: NativeStep,
    ) -> Self {
        self.sources.entries.push(Entry::Step(Box::new(Registration {
            plugin: plugin.into(),
            definition,
            secure_configuration: None,
            runner: Arc::new(step),
        })));
        self
    }

    /// The clock that records, jobs and plugins see; the operating system's unless set. Set it before the plugins.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The time of a message request, nested work included: two minutes unless set, as on the platform.
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How deep requests may nest: 8 unless set, as on the platform. The engine of the plugins must have room for it.
    pub fn depth_limit(mut self, limit: u32) -> Self {
        self.depth_limit = limit;
        self
    }

    /// Message requests from outside that run at once, asynchronous steps included. Unless set, as many as the engine
    /// of the first plugin has room for.
    pub fn concurrency(mut self, requests: u32) -> Self {
        self.concurrency = Some(requests);
        self
    }

    /// Asynchronous steps that run at once: 4 unless set. With 0 jobs are queued and not run.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// Jobs of background steps that run at once, besides those of other steps: 1 unless set. They have places of their
    /// own, since they may run for hours.
    pub fn background_workers(mut self, workers: u32) -> Self {
        self.background_workers = workers;
        self
    }

    /// How long running jobs have to end in [`Host::shutdown`]: 30 seconds unless set. Then they are stopped and handed
    /// back; a background step goes on from its last checkpoint in the next host.
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// How long jobs that succeeded or were canceled are kept: 30 days unless set, none for ever. Those that failed stay
    /// until somebody acts.
    pub fn job_retention(mut self, retention: Option<Duration>) -> Self {
        self.retention = retention;
        self
    }

    /// Lets cascades with many children go on as jobs: off unless set, as on the platform. A Delete with more children
    /// than the threshold then answers with the job's identifier as `AsyncJobId` after PreValidation: the job deletes the
    /// children one by one, and at the end the record itself, by a Delete with all its stages.
    pub fn asynchronous_cascades(mut self, thresholds: CascadeThresholds) -> Self {
        self.asynchronous_cascades = Some(thresholds);
        self
    }

    /// Makes definitions before the steps are registered: above all the custom messages that the steps are on. What a
    /// plugin declares of these it brings along itself. See [`Host::define`].
    pub fn define(mut self, definitions: impl Into<Definitions>) -> Self {
        let Definitions { entities, relationships, messages } = definitions.into();
        let defined = &mut self.sources.definitions;
        defined.entities.extend(entities);
        defined.relationships.extend(relationships);
        defined.messages.extend(messages);
        self
    }

    /// Has `observer` told of every run of an asynchronous step, before its outcome is written: what [`Host::trace`] is
    /// for requests. Called on the runtime, so it should be short.
    pub fn observe_jobs(mut self, observer: impl Fn(&Job, StepRun) + Send + Sync + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// Opens the store, registers the steps and starts the asynchronous service on the current tokio runtime.
    ///
    /// Fails with the rule that a registration breaks, the problem of the database, a manifest that does not fit the
    /// plugins, a step that the database has registered and the plugin no longer has, or a concurrency and depth for
    /// which an engine has no room.
    pub async fn build(mut self) -> Result<Host> {
        let concurrency = self.concurrency.unwrap_or_else(|| {
            self.sources.plugins.first().map_or(CONCURRENCY_DEFAULT, |plugin| plugin.room().concurrency)
        });
        check_room(&self.sources.plugins, concurrency, self.depth_limit)?;
        let (store, registered) = self.open_and_register().await?;
        let quotas = self.quotas()?;
        let supervisor = Supervisor::new(self.breaker, quotas, Arc::clone(&self.clock), self.time_limit);
        let pipeline = Arc::new(Pipeline {
            store,
            registry: Current::new(Arc::clone(&registered.registry)),
            clock: self.clock,
            depth_limit: self.depth_limit,
            time_limit: self.time_limit,
            asynchronous_cascades: self.asynchronous_cascades,
            doorbell: Doorbell::default(),
            supervisor,
            transactions: Gauge::default(),
        });
        let admission = Arc::new(Semaphore::new(usize::try_from(concurrency).unwrap_or(usize::MAX)));
        let tally = Arc::new(Tally::default());
        let settings = jobs::Settings {
            admission: Arc::clone(&admission),
            workers: self.workers,
            background_workers: self.background_workers,
            grace: self.grace,
            retention: self.retention,
            observer: self.observer,
            tally: Arc::clone(&tally),
        };
        let service = (self.workers > 0).then(|| Service::start(Arc::clone(&pipeline), settings));
        let settled = service.as_ref().map(Service::settled).unwrap_or_default();
        let service = std::sync::Mutex::new(service);
        let current = Current::new(Arc::new(registered));
        let registrations = Arc::new(Registrations { sources: self.sources, current });
        let following = Following::start(&pipeline, &registrations);
        let following = std::sync::Mutex::new(following);
        let inner =
            Inner { pipeline, admission, concurrency, registrations, service, following, settled, tally };
        Ok(Host { inner: Arc::new(inner) })
    }
}

async fn open(choice: Option<StoreChoice>) -> Result<Arc<dyn Store>> {
    match choice {
        Some(StoreChoice::Open(store)) => Ok(store),
        #[cfg(feature = "sqlite")]
        Some(StoreChoice::Sqlite(path)) => open_sqlite(path).await,
        #[cfg(feature = "postgres")]
        Some(StoreChoice::Postgres(options)) => open_postgres(*options?).await,
        None => Err(Error::new(
            ErrorKind::UnusableDatabase,
            "the host has no database; name one with `HostBuilder::sqlite`, `HostBuilder::postgres` or \
             `HostBuilder::store`",
        )),
    }
}

#[cfg(feature = "sqlite")]
async fn open_sqlite(path: PathBuf) -> Result<Arc<dyn Store>> {
    use crate::store::sqlite::{Options, SqliteStore};

    let opened = tokio::task::spawn_blocking(move || SqliteStore::open(Options::new(path))).await;
    match opened {
        Ok(store) => Ok(store?),
        Err(error) => {
            Err(Error::new(ErrorKind::Internal, "opening the database broke down").with_source(error))
        }
    }
}

/// Boxed: the driver's futures are deep, and those of whoever builds a host are around them.
#[cfg(feature = "postgres")]
fn open_postgres(options: PostgresOptions) -> BoxFuture<'static, Result<Arc<dyn Store>>> {
    Box::pin(async { Ok(crate::store::postgres::PostgresStore::open(options).await? as Arc<dyn Store>) })
}

/// Sandboxes are never waited for inside a request, so an engine must have one for every request at every depth.
fn check_room(plugins: &[Plugin], concurrency: u32, depth_limit: u32) -> Result<()> {
    for plugin in plugins {
        let room = plugin.room();
        if concurrency > room.concurrency || depth_limit > room.depth_limit {
            return Err(Error::new(
                ErrorKind::InvalidRegistration,
                format!(
                    "the engine of plugin `{}` has room for {} requests at depth {}, and the host is to run {concurrency} \
                     at depth {depth_limit}; give `wasm::Settings` the host's concurrency and depth limit",
                    plugin.name(),
                    room.concurrency,
                    room.depth_limit
                ),
            ));
        }
    }
    Ok(())
}
