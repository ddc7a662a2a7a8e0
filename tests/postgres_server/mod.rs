//! PostgreSQL for tests: a server that is there when a test asks for it, and gone when the tests are.
//!
//! ```ignore
//! #[tokio::test]
//! #[cfg_attr(not(postgres), ignore = "no PostgreSQL: apt-get install postgresql, or set STAGEGATE_TEST_POSTGRES")]
//! async fn it_works() {
//!     let database = Server::shared().database();
//!     let (client, connection) = tokio_postgres::connect(&database.url(), NoTls).await.unwrap();
//! }
//! ```
//!
//! The build script looks for PostgreSQL, and `cfg(postgres)` says that there is some; `cfg(postgres_programs)` that
//! its programs are there too, without which there is no [`Cluster`], `cfg(pgbouncer)` that there can be a [`Pooler`]. Nothing here takes an asynchronous runtime, so
//! that all of it works in synchronous tests and in guards that are dropped anywhere.

pub mod binaries;

mod admin;
#[cfg(unix)]
mod cluster;
mod database;
#[cfg(unix)]
mod home;
#[cfg(unix)]
mod pooler;
mod ports;
mod proxy;
mod pump;
mod url;
#[cfg(unix)]
mod watchdog;

use std::sync::{Arc, OnceLock};

use self::admin::Admin;
#[cfg(unix)]
pub use self::cluster::Cluster;
pub use self::database::TestDatabase;
#[cfg(unix)]
pub use self::pooler::Pooler;
pub use self::proxy::{Cut, Proxy, Speaker};
use self::url::Url;

/// Settings of a server, beside those that all have.
#[derive(Clone, Debug, Default)]
pub struct Options {
    settings: Vec<(String, String)>,
    files: Vec<(String, String)>,
    on_disk: bool,
}

impl Options {
    /// With a setting as in `postgresql.conf`. The last of a name counts.
    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// With a file in its data folder, which nobody but the server's user may read: a key, for one.
    #[must_use]
    pub fn with_file(mut self, name: &str, text: &str) -> Self {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// On a disk and waiting for it, as a server in production does: for measurements. Else files are in memory where
    /// the system has room, and a loss of power would lose them.
    #[must_use]
    pub fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }
}

/// A server that databases are made on.
pub struct Server {
    superuser: Url,
    /// For those who own the databases.
    tests: Url,
    admin: Admin,
    drops: Arc<Drops>,
    /// What comes behind `CREATE DATABASE` and its name.
    clauses: String,
}

enum Shared {
    /// Somebody else's, which stays.
    Theirs(Box<Server>),
    #[cfg(unix)]
    Ours(Box<Cluster>),
}

impl Server {
    /// The server of all tests in this process: the one that the environment names, or one of our own, which the
    /// first who asks for it starts.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn shared() -> &'static Self {
        static SERVER: OnceLock<Shared> = OnceLock::new();
        match SERVER.get_or_init(Shared::start) {
            Shared::Theirs(server) => server,
            #[cfg(unix)]
            Shared::Ours(cluster) => cluster,
        }
    }

    /// A server of the caller's own, to kill, or with other settings. It takes half a second.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[cfg(unix)]
    #[must_use]
    pub fn start(options: &Options) -> Cluster {
        let found = binaries::find().unwrap_or_else(|error| panic!("{error}"));
        Cluster::start(found.programs.unwrap_or_else(|| panic!("{MISSING}")), options)
    }

    /// A fresh database.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn database(&self) -> TestDatabase {
        self.database_with("")
    }

    /// A fresh database with more clauses of `CREATE DATABASE`, such as another collation.
    ///
    /// # Panics
    ///
    /// If it cannot be made.
    #[must_use]
    pub fn database_with(&self, clauses: &str) -> TestDatabase {
        TestDatabase::on(self, &format!("{} {clauses}", self.clauses))
    }

    /// Where it listens, for a proxy: host and port.
    #[must_use]
    pub fn address(&self) -> String {
        self.tests.address()
    }

    /// Runs statements as the superuser, in the database that is there for it, and returns the first value that they
    /// yield, as text; empty if there is none.
    ///
    /// # Panics
    ///
    /// If one fails.
    pub fn execute(&self, sql: &str) -> String {
        self.admin.run(sql).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A server that runs. Of one that is not ours, `tests` is `superuser`.
    fn on(superuser: Url, tests: Url) -> Self {
        let is_ours = superuser.user != tests.user;
        let admin = Admin::on(superuser.to_string());
        let version = admin.run("SHOW server_version_num").unwrap_or_else(|error| panic!("{error}"));
        let mut clauses = "TEMPLATE template0".to_owned();
        if is_ours {
            clauses.push_str(" OWNER stagegate");
        }
        // To copy the files is five times faster than to write each page into the log, where nothing waits for the
        // disk.
        if version.parse::<u32>().is_ok_and(|version| version >= 150_000) {
            clauses.push_str(" STRATEGY file_copy");
        }
        let drops = Arc::new(Drops { admin: Admin::on(superuser.to_string()), waits: !is_ours });
        Self { superuser, tests, admin, drops, clauses }
    }
}

impl Shared {
    fn start() -> Self {
        let found = binaries::find().unwrap_or_else(|error| panic!("{error}"));
        if let Some(url) = found.url {
            let url = Url::parse(&url).unwrap_or_else(|| panic!("{} is no URL", binaries::VARIABLE));
            return Self::Theirs(Box::new(Server::on(url.clone(), url)));
        }
        #[cfg(unix)]
        if let Some(programs) = found.programs {
            return Self::Ours(Box::new(Cluster::start(programs, &Options::default())));
        }
        panic!("{MISSING}")
    }
}

/// Drops databases on a connection of its own, so that a test that begins waits for none that ends.
struct Drops {
    admin: Admin,
    /// On a server of ours nobody waits: what is left goes with it.
    waits: bool,
}

impl Drops {
    fn drop_database(&self, name: &str) {
        if self.waits {
            self.drop_database_now(name)
                .unwrap_or_else(|error| eprintln!("a database stays behind: {error}"));
        } else {
            self.admin.run_later(end_connections(name));
            self.admin.run_later(drop_database(name));
        }
    }

    fn drop_database_now(&self, name: &str) -> Result<(), String> {
        self.admin.run_later(end_connections(name));
        self.admin.run(&drop_database(name)).map(drop)
    }
}

fn drop_database(name: &str) -> String {
    format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")
}

/// Ends what is connected, and waits a little until it is gone. A DROP that meets a connection ends it too, but looks
/// again only after 100 ms, and the others wait behind it.
fn end_connections(name: &str) -> String {
    format!(
        "DO $$ BEGIN
            PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}';
            FOR attempt IN 1..50 LOOP
                PERFORM pg_stat_clear_snapshot();
                EXIT WHEN NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = '{name}');
                PERFORM pg_sleep(0.001);
            END LOOP;
        END $$"
    )
}

const MISSING: &str = "no PostgreSQL is here: install it (apt-get install postgresql) and build the tests again (touch \
                       tests/build.rs), or set STAGEGATE_TEST_POSTGRES to a URL or to the folder of its programs";
