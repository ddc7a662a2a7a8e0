//! The database that the user names: a SQLite file, or a database of a PostgreSQL server.
//!
//! An address may have a password in it. So what the user wrote is kept out of sight and read here and not by clap, whose
//! errors repeat it; and what is shown of a database has neither user nor password.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::failure::Failure;
use super::surroundings::Surroundings;
use crate::host::HostBuilder;
use crate::model::{Error, ErrorKind};
use crate::store::Store;
use crate::store::postgres::{Options as ServerOptions, PostgresStore};
use crate::store::sqlite::{Options as FileOptions, SqliteStore};

/// The environment's variable that names the database of those commands that need one.
pub(super) const VARIABLE: &str = "STAGEGATE_DATABASE";

/// How the addresses of servers begin.
const SCHEMES: [&str; 2] = ["postgres", "postgresql"];
/// What ends the scheme of an address.
const SCHEME_END: &str = "://";

/// The database that a command needs.
#[derive(Debug, Args)]
pub(super) struct DatabaseArguments {
    /// The database: the path of a SQLite file, or the address of a PostgreSQL database, `postgres://user@host/name`.
    /// Default: what STAGEGATE_DATABASE in the environment names.
    #[arg(long, value_name = "DATABASE")]
    database: Option<Named>,
}

impl DatabaseArguments {
    /// Reads what the option names, else what the environment does.
    pub(super) fn read(&self, surroundings: &Surroundings) -> Result<Database, Failure> {
        let environment = surroundings.database.clone().filter(|name| !name.is_empty());
        let named = self.database.clone().or_else(|| environment.map(Named)).ok_or_else(|| {
            Failure::new(format!("no database is named; name one with `--database` or in {VARIABLE}"))
        })?;
        named.read()
    }
}

/// What the user wrote for a database.
#[derive(Clone)]
pub(super) struct Named(OsString);

impl From<OsString> for Named {
    fn from(text: OsString) -> Self {
        Self(text)
    }
}

/// Without the text, which may have a password.
impl fmt::Debug for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Named").finish_non_exhaustive()
    }
}

impl Named {
    /// Takes it for an address if it begins like one, else for a path.
    pub(super) fn read(&self) -> Result<Database, Failure> {
        let Self(name) = self;
        let scheme = name.to_str().and_then(|text| text.split_once(SCHEME_END)).filter(|(scheme, _)| {
            !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        match scheme {
            None => Ok(Database::File(name.into())),
            Some((scheme, _)) if SCHEMES.contains(&scheme) => {
                let options = ServerOptions::new(&name.to_string_lossy())?;
                Ok(Database::Server(Box::new(options)))
            }
            Some((scheme, _)) => Err(Failure::new(format!(
                "a database's address cannot begin with `{scheme}{SCHEME_END}`; write `postgres://user@host/name`, or the \
                 path of a SQLite file"
            ))),
        }
    }
}

/// A database that can be opened.
#[derive(Clone, Debug)]
pub(super) enum Database {
    /// A SQLite file, which may not exist yet.
    File(PathBuf),
    /// A database of a PostgreSQL server.
    Server(Box<ServerOptions>),
}

/// Its name for people and reports: the path, or the server and the database, without user and password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(options) => f.write_str(options.database()),
        }
    }
}

impl Database {
    /// Opens it as a host does: a file is made if it is missing, and the tables are.
    pub(super) async fn open(&self) -> Result<Arc<dyn Store>, Error> {
        match self {
            Self::File(path) => open_file(FileOptions::new(path)).await,
            Self::Server(options) => Ok(PostgresStore::open((**options).clone()).await?),
        }
    }

    /// Opens it beside the hosts on it. Its tables must be there.
    pub(super) async fn attach(&self) -> Result<Arc<dyn Store>, Error> {
        match self {
            Self::File(path) => {
                let options = FileOptions::new(path);
                beside(move || SqliteStore::attach(options).map(|store| store as _)).await
            }
            Self::Server(options) => Ok(PostgresStore::attach((**options).clone()).await?),
        }
    }

    /// Has a host be built on it.
    pub(super) fn host(&self, builder: HostBuilder) -> HostBuilder {
        match self {
            Self::File(path) => builder.sqlite(path),
            Self::Server(options) => builder.server((**options).clone()),
        }
    }

    /// Has `look` see what a host on it would do. Nothing is made: it must be there, a server's with its tables.
    pub(super) async fn look<T>(
        &self,
        builder: HostBuilder,
        look: impl AsyncFnOnce(HostBuilder) -> Result<T, Error>,
    ) -> Result<T, Failure> {
        self.check_exists()?;
        if let Self::File(_) = self {
            return Ok(look(self.host(builder)).await?);
        }
        let store = self.attach().await?;
        let result = look(builder.store(Arc::clone(&store))).await;
        store.close().await;
        Ok(result?)
    }

    /// A failure if it is a file that does not exist: to look into one that is missing would make it. Of a server's
    /// database the server says so.
    pub(super) fn check_exists(&self) -> Result<(), Failure> {
        match self {
            Self::File(path) if !path.exists() => Err(Failure::new(format!(
                "the database `{}` does not exist; correct the path, or make it with `stagegate apply`",
                path.display()
            ))),
            Self::File(_) | Self::Server(_) => Ok(()),
        }
    }
}

/// Opens a file as its owner.
pub(super) async fn open_file(options: FileOptions) -> Result<Arc<dyn Store>, Error> {
    beside(move || SqliteStore::open(options).map(|store| store as _)).await
}

/// Opens a file without blocking the runtime.
async fn beside(
    open: impl FnOnce() -> Result<Arc<dyn Store>, Error> + Send + 'static,
) -> Result<Arc<dyn Store>, Error> {
    tokio::task::spawn_blocking(open).await.unwrap_or_else(|error| {
        Err(Error::new(ErrorKind::Internal, "opening the database broke down").with_source(error))
    })
}
