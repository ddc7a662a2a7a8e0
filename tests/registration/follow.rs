//! Hosts that follow what another host on their database changes, without a restart. The test is the other host, and tells
//! of its changes as a database does that several hosts share.

use std::sync::Arc;
use std::time::Duration;

use stagegate::model::JobPolicy;
use stagegate::model::registration::{Manifest, StepRegistration, Update};
use stagegate::model::step::StepKey;
use stagegate::store::sqlite::{Options, SqliteStore};
use stagegate::store::{Change, Claim, Lane, Store};
use stagegate::wasm::Plugin;
use stagegate::{EntityReference, ErrorKind, Host, HostBuilder, NativeStep, Request, Stage, StepDefinition};
use stagegate_tests::interposed::Interposed;
use stagegate_tests::{GUEST_CONFIGURED, GUEST_MISBEHAVING, PATIENCE, World, load, on_create, probe, text};
use tokio::sync::Notify;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const LEASE: Duration = Duration::from_secs(60);

/// A host, and the other one on its database.
struct Two {
    world: World,
    database: Arc<dyn Store>,
    tells: UnboundedSender<Change>,
    asked: UnboundedReceiver<()>,
    /// The claims of the host, exchange by exchange.
    claims: UnboundedReceiver<Vec<Claim>>,
    _folder: tempfile::TempDir,
}

impl Two {
    async fn new(describe: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database: Arc<dyn Store> =
            SqliteStore::open(Options::new(folder.path().join("shared.db"))).unwrap();
        let (tells, changes) = unbounded_channel();
        let (asks, asked) = unbounded_channel();
        let (said, claims) = unbounded_channel();
        let store = Interposed::new(Arc::clone(&database)).lease(LEASE).changes(changes, asks);
        let store = store.exchange(move |store, given| {
            let _ = said.send(given.claims.clone());
            async move { store.exchange_jobs(given).await }
        });
        let store = store.done();
        let world = World::new(|host| describe(host.store(store))).await;
        let mut two = Self { world, database, tells, asked, claims, _folder: folder };
        two.followed().await;
        two
    }

    /// Waits until the host asks for the next change.
    async fn followed(&mut self) {
        tokio::time::timeout(PATIENCE, self.asked.recv()).await.expect("it follows").unwrap();
    }

    /// Tells the host of a change and waits until it is done with it.
    async fn tell(&mut self, change: Change) {
        self.tells.send(change).unwrap();
        self.followed().await;
    }

    /// The other host registers what this manifest makes of the plugin.
    async fn apply(&mut self, plugin: &Plugin, manifest: &str) {
        let other = Host::builder().store(Arc::clone(&self.database)).plugin(plugin.clone());
        other.manifest(Manifest::parse("other.toml", manifest).unwrap()).apply(false).await.unwrap();
        self.tell(Change::Registrations).await;
    }

    async fn update(&mut self, put: Vec<StepRegistration>, remove: Vec<StepKey>) {
        self.database.update_registrations(Update { put, remove }).await.unwrap();
        self.tell(Change::Registrations).await;
    }

    /// What the guest `configured` is told of its configurations.
    async fn told(&self) -> String {
        let id = self.world.create("a").await.unwrap().id().unwrap();
        text(&self.world.get(&EntityReference::new("probe", id)).await.unwrap(), "note")
    }

    fn drift(&self) -> Vec<String> {
        self.world.host.drift().steps.iter().map(ToString::to_string).collect()
    }
}

fn key(plugin: &str, step: &str) -> StepKey {
    StepKey { plugin: plugin.into(), step: step.into() }
}

#[tokio::test]
async fn what_another_host_registers_runs_without_a_restart() {
    let plugin = load(GUEST_CONFIGURED).await;
    let mut two = Two::new(|host| host.plugin(plugin.clone())).await;
    assert_eq!(two.told().await, " / ");
    let step = "[[step]]\nname = 'tell'\n";
    two.apply(&plugin, &format!("{step}configuration = 'open'\nsecure_configuration = 'hunter2'")).await;
    assert_eq!(two.told().await, "open / hunter2");
    assert_eq!(two.drift().len(), 1, "this host has no such manifest: {:?}", two.drift());
    let [tell] = two.world.host.plan().try_into().unwrap();
    assert_eq!(tell.overrides[0].to_string(), "configuration none -> \"open\" (the database)");
    assert!(tell.has_secure_configuration && two.world.host.outdated().is_none());

    two.apply(&plugin, &format!("{step}enabled = false")).await;
    assert_eq!(two.told().await, "", "it does not run");
    assert_eq!(two.world.names("probe").await.len(), 3);
    two.world.host.shutdown().await;
}

#[tokio::test]
async fn a_request_keeps_to_the_steps_that_there_were_when_it_came() {
    let plugin = load(GUEST_CONFIGURED).await;
    let (reached, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (reaches, goes) = (Arc::clone(&reached), Arc::clone(&go));
    let holds = NativeStep::new(move |cx| {
        let (reaches, goes) = (Arc::clone(&reaches), Arc::clone(&goes));
        async move {
            if cx.target()?.is_some_and(|target| text(&target, "name") == "held") {
                reaches.notify_one();
                goes.notified().await;
                cx.create(probe("nested")).await?;
            }
            Ok(())
        }
    });
    let on = on_create("holds", Stage::PreValidation);
    let mut two = Two::new(|host| host.plugin(plugin.clone()).native_step("p", on, holds)).await;
    let host = two.world.host.clone();
    let held = tokio::spawn(async move { host.execute(Request::create(probe("held"))).await });
    reached.notified().await;
    two.apply(&plugin, "[[step]]\nname = 'tell'\nconfiguration = 'new'").await;
    assert_eq!(two.told().await, "new / ");
    go.notify_one();
    held.await.unwrap().unwrap();
    let query = stagegate::Query::new("probe");
    let found = two.world.run(Request::retrieve_multiple(query)).await;
    let mut notes: Vec<String> =
        found.entities().iter().map(|record| text(record, "name") + ": " + &text(record, "note")).collect();
    notes.sort();
    assert_eq!(notes, ["a: new / ", "held:  / ", "nested:  / "]);
    two.world.host.shutdown().await;
}

#[tokio::test]
async fn what_cannot_be_run_here_changes_nothing_but_what_the_host_says() {
    let plugin = load(GUEST_CONFIGURED).await;
    let mut two = Two::new(|host| host.plugin(plugin.clone())).await;
    two.apply(&plugin, "[[step]]\nname = 'tell'\nconfiguration = 'open'").await;
    let before = two.world.host.plan();
    let newer = StepRegistration {
        plugin: plugin.name().to_owned(),
        definition: StepDefinition::new("newer", "Create", Stage::PreOperation).on("probe"),
        secure_configuration: None,
    };
    two.update(vec![newer.clone()], Vec::new()).await;
    let error = two.world.host.outdated().expect("it says so");
    assert_eq!(error.kind(), ErrorKind::InvalidRegistration);
    for part in ["`newer` of plugin `guest-configured`", "no longer has it", "load the plugin that has it"] {
        assert!(error.message().contains(part), "{error}");
    }
    assert_eq!(two.world.host.plan(), before);
    assert!(two.drift().iter().any(|step| step.starts_with("- guest-configured/newer")), "{:?}", two.drift());
    assert_eq!(two.told().await, "open / ");

    two.update(Vec::new(), vec![newer.key()]).await;
    assert!(two.world.host.outdated().is_none());
    assert_eq!(two.drift().len(), 1);
    // Steps of a plugin that this host does not have are none of its business.
    let foreign = StepRegistration { plugin: "elsewhere".into(), ..newer };
    two.update(vec![foreign], Vec::new()).await;
    assert!(two.world.host.outdated().is_none());
    assert_eq!(two.world.host.plan(), before);
    two.world.host.shutdown().await;
}

#[tokio::test]
async fn lanes_and_limits_of_jobs_follow() {
    let plugin = load(GUEST_MISBEHAVING).await;
    let step = |jobs| StepRegistration {
        plugin: plugin.name().to_owned(),
        definition: StepDefinition::new("pass", "Create", Stage::PostOperation)
            .on("probe")
            .asynchronous()
            .jobs(jobs),
        secure_configuration: None,
    };
    let mut two = Two::new(|host| host.plugin(plugin.clone())).await;
    let pass = key(plugin.name(), "pass");
    let policy = JobPolicy { concurrency: Some(2), background: true, ..JobPolicy::default() };
    two.update(vec![step(policy)], Vec::new()).await;
    until(&mut two.claims, |claims| {
        let [ordinary, background] = claims else { return false };
        let (Lane::Only(own), Lane::Only(only)) = (&ordinary.lane, &background.lane) else { return false };
        !own.contains(&pass) && only.contains(&pass) && background.limits == [(pass.clone(), 2)]
    })
    .await;
    two.update(vec![step(JobPolicy::default())], Vec::new()).await;
    until(&mut two.claims, |claims| {
        let [ordinary, background] = claims else { return false };
        let (Lane::Only(own), Lane::Only(only)) = (&ordinary.lane, &background.lane) else { return false };
        own.contains(&pass) && !only.contains(&pass) && ordinary.limits.is_empty()
    })
    .await;
    two.world.host.shutdown().await;
}

#[tokio::test]
async fn the_service_looks_when_it_is_told() {
    let mut two = Two::new(|host| host).await;
    // More than it would look by itself in that time.
    let looks = PATIENCE.as_secs() * 3;
    let all = async {
        for number in 0..looks {
            until(&mut two.claims, |_| true).await;
            while two.claims.try_recv().is_ok() {}
            two.tells.send(if number % 2 == 0 { Change::Jobs } else { Change::Control }).unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, all).await.expect("it is told");
    two.world.host.shutdown().await;
}

#[tokio::test]
async fn following_keeps_nothing_alive() {
    for shuts_down in [true, false] {
        let two = Two::new(|host| host.workers(0)).await;
        if shuts_down {
            two.world.host.shutdown().await;
        }
        drop(two.world);
        tokio::time::timeout(PATIENCE, two.tells.closed()).await.expect("the store is gone");
    }
}

/// Waits for claims of which `is` holds.
async fn until(claims: &mut UnboundedReceiver<Vec<Claim>>, is: impl Fn(&[Claim]) -> bool) {
    let found = async { while !is(&claims.recv().await.expect("it goes on")) {} };
    tokio::time::timeout(PATIENCE, found).await.expect("it comes");
}
