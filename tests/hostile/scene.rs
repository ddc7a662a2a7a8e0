//! Where an attack happens: a host with the hostile plugin, and a good one beside it.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use stagegate::wasm::{Engine, Plugin, Program};
use stagegate::{
    AttributeType, Entity, EntityDefinition, Error, Host, HostBuilder, Request, Response, Stage,
    StepDefinition,
};

use super::attack::{Attack, Must};
use super::compiling::engine_for;
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
        let world = World::with(definitions(), |host| {
            // Outside of the transaction, as SQLite has one writer: in it, the others would wait for the guest's time.
            let on = |step: &str, entity: &str| {
                StepDefinition::new(step, "Create", Stage::PreValidation).on(entity)
            };
            // Each attack is to be met, again and again.
            let mut host =
                host.breaker(None).plugin_step(plugin.clone(), on(attack.step_name(), "probe"), None);
            for step in attack.nested {
                host = host.plugin_step(plugin.clone(), on(step, "inner"), None);
            }
            if let Some(step) = attack.before {
                host = host.plugin_step(plugin.clone(), on(step, "before"), None);
            }
            if let Some((sites, outside)) = sites.as_ref().zip(attack.outside) {
                host = sites.describe(host, plugin.name(), outside);
            }
            with_good(host, good)
        })
        .await;
        let limit = if attack.must == Must::BeStopped { SHORT } else { LONG };
        let scene = Self { world, limit, sites, strikes: AtomicUsize::new(0) };
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
        Self { world, limit: LONG, sites: None, strikes: AtomicUsize::new(0) }
    }

    /// Attacks once.
    pub async fn strike(&self) -> Result<Response, Error> {
        self.strikes.fetch_add(1, Ordering::Relaxed);
        self.sites.iter().for_each(Sites::begin_anew);
        self.world.host.execute(Request::create(probe(HOSTILE)).within(self.limit)).await
    }

    /// Whether what came of the last strike is what must, here and outside, and otherwise what was wrong.
    pub fn judge(&self, attack: &Attack, outcome: &Result<Response, Error>) -> Result<(), String> {
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
    if outcome.is_err() && scene.world.names("probe").await.iter().any(|name| name == HOSTILE) {
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
