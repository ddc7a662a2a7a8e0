//! Where an attack happens: a host with the hostile plugin, and a good one beside it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stagegate::model::job::{Control, JobPolicy};
use stagegate::store::JobSelect;
use stagegate::wasm::{Engine, Plugin, Program};
use stagegate::{
    AttributeType, Entity, EntityDefinition, Error, Host, HostBuilder, Request, Response, Stage,
    StepDefinition,
};

use super::attack::{Attack, Must};
use super::compiling::engine_for;
use super::outcome::Outcome;
use super::sites::Sites;
use crate::{GUEST_TOUCH, World, entity, probe, string};

/// The time of a request whose guest must be stopped by it: long enough to get there, short enough to wait for.
pub const SHORT: Duration = Duration::from_millis(300);
/// The time of any other: an attack that is still on then has not ended by itself, and its error says so.
pub const LONG: Duration = Duration::from_secs(30);

/// The name of the record that a hostile request creates.
const HOSTILE: &str = "hostile";

/// A host under attack.
pub struct Scene {
    /// The host and its database.
    pub world: World,
    limit: Duration,
    as_job: bool,
    sites: Option<Sites>,
    strikes: AtomicUsize,
}

impl Scene {
    /// A host on a database of its own, with the attack's plugin on Create of `probe`, a step with a secure configuration,
    /// and a good plugin on Create of `good`.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub async fn new(engine: &Engine, plugin: &Plugin, attack: &Attack) -> Self {
        let good = engine.load(GUEST_TOUCH).await.expect("the good plugin");
        let sites = match attack.outside {
            Some(outside) => Some(Sites::open(outside).await),
            None => None,
        };
        let limit = if attack.must == Must::BeStopped { SHORT } else { LONG };
        let world = World::with(definitions(), |host| {
            let host = steps(host, plugin, attack, limit);
            let host = match sites.as_ref().zip(attack.outside) {
                Some((sites, outside)) => sites.describe(host, plugin.name(), outside),
                None => host,
            };
            with_good(host, good)
        })
        .await;
        let scene = Self { world, limit, as_job: attack.as_job, sites, strikes: AtomicUsize::new(0) };
        if attack.before.is_some() {
            scene.world.run(Request::create(Entity::new("before"))).await;
        }
        scene
    }

    /// A host with the good plugin alone.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub async fn peaceful(engine: &Engine) -> Self {
        let good = engine.load(GUEST_TOUCH).await.expect("the good plugin");
        let world = World::with(definitions(), |host| with_good(host, good)).await;
        Self { world, limit: LONG, as_job: false, sites: None, strikes: AtomicUsize::new(0) }
    }

    /// Attacks once, and waits for what comes of it.
    ///
    /// # Panics
    ///
    /// If the jobs of an attack cannot be read, or the request that queues one fails.
    pub async fn strike(&self) -> Outcome {
        self.strikes.fetch_add(1, Ordering::Relaxed);
        self.sites.iter().for_each(Sites::begin_anew);
        let request = self.world.host.execute(Request::create(probe(HOSTILE)).within(self.limit)).await;
        if !self.as_job {
            return Outcome::Request(request);
        }
        request.expect("the job is queued");
        let host = &self.world.host;
        host.idle().await.expect("jobs that end");
        let job = host.jobs(JobSelect::Newest(1)).await.expect("the jobs").remove(0);
        if job.postpone_until.is_some() {
            // As an operator would, or it came again beside the next ones.
            host.control_jobs(&[job.id], Control::Cancel).await.expect("the job is canceled");
        }
        Outcome::Job(Box::new(job))
    }

    /// Whether what came of the last strike is what must, here and outside, and otherwise what was wrong.
    pub fn judge(&self, attack: &Attack, outcome: &Outcome) -> Result<(), String> {
        attack.judge(outcome)?;
        self.sites.iter().try_for_each(|sites| sites.judge(self.strikes.load(Ordering::Relaxed)))
    }

    /// Who issues good requests.
    #[must_use]
    pub fn neighbour(&self) -> Neighbour {
        Neighbour(self.world.host.clone())
    }
}

/// Issues requests that only the good plugin has a part in.
#[derive(Clone)]
pub struct Neighbour(Host);

impl Neighbour {
    /// One of them.
    pub async fn request(&self) -> Result<Response, Error> {
        let record = Entity::new("good").with("name", string("good"));
        self.0.execute(Request::create(record)).await
    }
}

/// The steps of the attack's plugin. Synchronous ones are outside of the transaction, as SQLite has one writer: in it, the
/// others would wait for the guest's time.
fn steps(host: HostBuilder, plugin: &Plugin, attack: &Attack, limit: Duration) -> HostBuilder {
    let before =
        |step: &str, entity: &str| StepDefinition::new(step, "Create", Stage::PreValidation).on(entity);
    let after = |step: &str, entity: &str, jobs: JobPolicy| {
        StepDefinition::new(step, "Create", Stage::PostOperation).on(entity).asynchronous().jobs(jobs)
    };
    let own = if attack.as_job {
        let jobs = JobPolicy { background: true, budget: Some(limit), ..JobPolicy::default() };
        after(attack.step_name(), "probe", jobs)
    } else {
        before(attack.step_name(), "probe")
    };
    let nested = attack.nested.iter().map(|step| before(step, "inner"));
    let queued = attack.queues.iter().map(|step| after(step, "inner", JobPolicy::default()));
    let first = attack.before.iter().map(|step| before(step, "before"));
    let all = nested.chain(queued).chain(first).chain([own]);
    // Each attack is to be met, again and again.
    all.fold(host.breaker(None), |host, step| host.plugin_step(plugin.clone(), step, None))
}

fn with_good(host: HostBuilder, good: Plugin) -> HostBuilder {
    let touch = StepDefinition::new("touch", "Create", Stage::PreOperation).on("good");
    host.plugin_step(good, touch, Some("a secret of the good plugin".into()))
}

fn definitions() -> Vec<EntityDefinition> {
    let good = entity("good").with("touched", AttributeType::Integer);
    vec![entity("probe"), entity("inner"), entity("before"), good]
}

/// A folder for components.
///
/// # Panics
///
/// If there is none to be had.
#[must_use]
pub fn folder() -> tempfile::TempDir {
    tempfile::tempdir().expect("a folder")
}

/// Loads, strikes once and judges: what was wrong, if anything was. `compiler` is for attacks on it.
pub async fn run(attack: &Attack, engine: &Engine, compiler: &Program, folder: &Path) -> Result<(), String> {
    let engine = engine_for(attack, engine, compiler);
    let plugin = match engine.load(attack.component(folder)).await {
        Ok(plugin) => plugin,
        Err(error) => return attack.judge_refusal(&error),
    };
    if let Must::BeRefused(_) = attack.must {
        return Err("it was loaded".to_owned());
    }
    let scene = Scene::new(&engine, &plugin, attack).await;
    let outcome = scene.strike().await;
    scene.judge(attack, &outcome)?;
    // What nested requests created before the transaction is theirs, and stays.
    let failed = matches!(outcome, Outcome::Request(Err(_)));
    if failed && scene.world.names("probe").await.iter().any(|name| name == HOSTILE) {
        return Err("its record is there".to_owned());
    }
    if let Some(sites) = &scene.sites {
        sites.are_left_alone().await?;
        // What came late counts too.
        scene.judge(attack, &outcome)?;
    }
    scene
        .neighbour()
        .request()
        .await
        .map(drop)
        .map_err(|error| format!("the good plugin does not run any more: {error:?}"))
}
