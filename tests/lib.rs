//! What the tests share: the built components, a host on a temporary database, and short names for what they say.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails is a test that fails"
)]

// Beside it is the module of its tests, which goes by its name in the tests' binary.
#[path = "postgres_server/mod.rs"]
pub mod postgres;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use stagegate::wasm::{Engine, Limits, Plugin, Settings};
use stagegate::{
    AttributeType, ColumnSet, Definitions, Entity, EntityDefinition, EntityReference, Error, Host,
    HostBuilder, NativeStep, Request, Response, Stage, StepContext, StepDefinition, Value,
};

#[path = "fuzz/mod.rs"]
pub mod fuzz;
pub mod hostile;
pub mod interposed;
pub mod web;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// The limit of guests in tests: small, so that a guest that allocates without end is soon there.
pub const MEMORY_BYTES: usize = 32 << 20;

/// One engine for all tests of the process: its pool is address space, which there is no need to reserve twice.
///
/// # Panics
///
/// If the engine cannot be made.
pub fn engine() -> Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE
        .get_or_init(|| {
            let mut settings = Settings::default();
            let mut limits = Limits::default();
            limits.memory_bytes = MEMORY_BYTES;
            settings.limits = limits;
            settings.concurrency = 32;
            settings.cache = Some(std::env::temp_dir().join("stagegate-tests-cache"));
            Engine::new(settings).expect("an engine")
        })
        .clone()
}

/// Loads a component.
///
/// # Panics
///
/// If it is no plugin.
pub async fn load(path: &str) -> Plugin {
    engine().load(path).await.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A database of a test's own, which goes when it does: a SQLite file, or with `STAGEGATE_TEST_STORE=postgres` in the
/// environment one on the server that the tests share. So what is no store's own matter is tested on each.
pub enum Database {
    /// A file in a folder of its own.
    Sqlite(tempfile::TempDir),
    /// One of the server's.
    Postgres(Box<postgres::TestDatabase>),
}

impl Database {
    /// A fresh one, where the environment says.
    ///
    /// # Panics
    ///
    /// If it cannot be made, or the environment names another store.
    #[must_use]
    pub fn fresh() -> Self {
        match std::env::var(STORE_VARIABLE).as_deref() {
            Err(_) | Ok("sqlite") => Self::Sqlite(tempfile::tempdir().expect("a folder")),
            Ok("postgres") => Self::Postgres(Box::new(postgres::Server::shared().database())),
            Ok(other) => panic!("{STORE_VARIABLE}={other}: write `sqlite` or `postgres`"),
        }
    }

    /// What `--database` takes: the file's path, or the address.
    ///
    /// # Panics
    ///
    /// If the temporary folder's path is no UTF-8.
    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Sqlite(folder) => {
                folder.path().join("test.db").into_os_string().into_string().expect("UTF-8")
            }
            Self::Postgres(database) => database.url(),
        }
    }

    /// A host on it, to be described further.
    pub fn host(&self) -> HostBuilder {
        match self {
            Self::Sqlite(_) => Host::builder().sqlite(self.name()),
            Self::Postgres(_) => Host::builder().postgres(self.name()),
        }
    }
}

/// Names the store of [`Database::fresh`].
const STORE_VARIABLE: &str = "STAGEGATE_TEST_STORE";

/// A host on a database of its own that goes when it does.
pub struct World {
    /// The host.
    pub host: Host,
    /// Where its database is.
    pub database: Database,
}

impl World {
    /// Builds a host with the entities `probe` and `inner`, each with a `name`, an `amount` and a `note`.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub async fn new(describe: impl FnOnce(HostBuilder) -> HostBuilder) -> Self {
        Self::with(vec![entity("probe"), entity("inner")], describe).await
    }

    /// Builds a host with these definitions.
    ///
    /// # Panics
    ///
    /// If it cannot be built.
    pub async fn with(
        definitions: impl Into<Definitions>,
        describe: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Self {
        Self::attempt(definitions, describe).await.expect("a host")
    }

    /// As [`World::with`], where it may fail.
    ///
    /// # Panics
    ///
    /// If there is no database.
    pub async fn attempt(
        definitions: impl Into<Definitions>,
        describe: impl FnOnce(HostBuilder) -> HostBuilder,
    ) -> Result<Self, Error> {
        let database = Database::fresh();
        let builder = database.host().define(definitions);
        Ok(Self { host: describe(builder).build().await?, database })
    }

    /// Runs a request that has to succeed.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn run(&self, request: Request) -> Response {
        self.host.execute(request).await.expect("the request succeeds")
    }

    /// Creates a record and returns the reference to it.
    ///
    /// # Panics
    ///
    /// If it fails.
    pub async fn add(&self, record: Entity) -> EntityReference {
        let entity = record.logical_name.clone();
        EntityReference::new(entity, self.run(Request::create(record)).await.id().expect("an identifier"))
    }

    /// Reads a record; none if it does not exist.
    ///
    /// # Panics
    ///
    /// If it cannot be read for another reason.
    pub async fn get(&self, record: &EntityReference) -> Option<Entity> {
        match self.host.execute(Request::retrieve(record.clone(), ColumnSet::All)).await {
            Ok(response) => response.entity().cloned(),
            Err(error) if error.is_not_found() => None,
            Err(error) => panic!("{record}: {error}"),
        }
    }

    /// Creates a `probe`.
    pub async fn create(&self, name: &str) -> Result<Response, Error> {
        self.host.execute(Request::create(probe(name))).await
    }

    /// The names of all `probe` records, sorted.
    ///
    /// # Panics
    ///
    /// If they cannot be read.
    pub async fn names(&self, entity: &str) -> Vec<String> {
        let query = stagegate::Query::new(entity);
        let found = self.host.execute(Request::retrieve_multiple(query)).await.expect("the records");
        let mut names: Vec<String> = found.entities().iter().map(|record| text(record, "name")).collect();
        names.sort();
        names
    }
}

/// An entity for tests.
#[must_use]
pub fn entity(name: &str) -> EntityDefinition {
    EntityDefinition::new(name)
        .with("name", AttributeType::String { max_length: 100 })
        .with("note", AttributeType::String { max_length: 1000 })
        .with("amount", AttributeType::Integer)
}

/// A `probe` to create.
#[must_use]
pub fn probe(name: &str) -> Entity {
    Entity::new("probe").with("name", string(name))
}

/// A string value.
#[must_use]
pub fn string(text: &str) -> Value {
    Value::String(text.to_owned())
}

/// A string attribute, empty if it is absent or null.
#[must_use]
pub fn text(record: &Entity, attribute: &str) -> String {
    match record.get(attribute) {
        Some(Value::String(text)) => text.clone(),
        _ => String::new(),
    }
}

/// What steps did, in order.
#[derive(Clone, Default)]
pub struct Log(Arc<std::sync::Mutex<Vec<String>>>);

impl Log {
    /// Notes something.
    ///
    /// # Panics
    ///
    /// If another test thread panicked while it noted something.
    pub fn note(&self, what: impl Into<String>) {
        self.0.lock().expect("the log").push(what.into());
    }

    /// What was noted so far.
    ///
    /// # Panics
    ///
    /// If another test thread panicked while it noted something.
    #[must_use]
    pub fn all(&self) -> Vec<String> {
        self.0.lock().expect("the log").clone()
    }

    /// A native step that notes its own name.
    #[must_use]
    pub fn step(&self, name: &'static str) -> NativeStep {
        let log = self.clone();
        NativeStep::new(move |_| {
            log.note(name);
            async { Ok(()) }
        })
    }
}

/// A native step that notes what `tell` says of its context.
#[must_use]
pub fn tells(
    log: &Log,
    tell: impl Fn(&StepContext) -> Result<String, Error> + Clone + Send + Sync + 'static,
) -> NativeStep {
    let log = log.clone();
    NativeStep::new(move |cx| {
        let (log, tell) = (log.clone(), tell.clone());
        async move {
            log.note(tell(&cx)?);
            Ok(())
        }
    })
}

/// A step on Create of `probe`.
#[must_use]
pub fn on_create(name: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(name, "Create", stage).on("probe")
}

/// A step on Update of `probe`.
#[must_use]
pub fn on_update(name: &str, stage: Stage) -> StepDefinition {
    StepDefinition::new(name, "Update", stage).on("probe")
}

/// Long enough for anything that ends, short enough to notice what does not.
pub const PATIENCE: Duration = Duration::from_secs(30);
