//! Where cases have their databases: in temporary files, or in schemas of a server's database.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::runner::CONCURRENCY;
use crate::cli::database::{Database, Named, open_file};
use crate::cli::failure::Failure;
use crate::model::error::{Error, ErrorKind, Result};
use crate::store::Store;
use crate::store::postgres::{Options as ServerOptions, PostgresStore};
use crate::store::sqlite::{Options as FileOptions, Synchronous};

/// How the names of schemas begin.
const PREFIX: &str = "stagegate_case";
/// How long it may take to remove what an interrupt has left behind.
const CLEAN_UP: Duration = Duration::from_secs(5);

/// Where all cases have their databases.
pub(super) enum Place {
    /// Each in a file of its own.
    Files,
    /// Each in a schema of this database.
    Server {
        options: Box<ServerOptions>,
        /// The schemas that are there.
        schemas: Mutex<BTreeSet<String>>,
    },
}

/// The database of a case.
pub(super) struct CaseDatabase {
    pub(super) store: Arc<dyn Store>,
    /// Where the file is.
    _folder: Option<tempfile::TempDir>,
    schema: Option<String>,
}

impl Place {
    /// What the user named: a server's database, or nothing.
    pub(super) fn of(named: Option<&Named>) -> Result<Self, Failure> {
        match named.map(Named::read).transpose()? {
            None => Ok(Self::Files),
            Some(Database::Server(mut options)) => {
                // A case's own, of which several run at once.
                options.connections = CONCURRENCY as usize + 1;
                options.readers = CONCURRENCY as usize;
                Ok(Self::Server { options, schemas: Mutex::default() })
            }
            Some(Database::File(_)) => Err(Failure::new(
                "each case runs in a temporary SQLite file of its own; leave `--database` out, or name a PostgreSQL \
                 database for the cases to run in: `postgres://user@host/name`",
            )),
        }
    }

    /// A fresh database.
    pub(super) async fn database(&self) -> Result<CaseDatabase> {
        match self {
            Self::Files => {
                let folder = tempfile::tempdir().map_err(|error| {
                    let message = "no folder for the case's database can be made";
                    Error::new(ErrorKind::UnusableDatabase, message).with_source(error)
                })?;
                let mut options = FileOptions::new(folder.path().join("case.db"));
                // Nobody reads it after a loss of power.
                options.synchronous = Synchronous::Normal;
                let store = open_file(options).await?;
                Ok(CaseDatabase { store, _folder: Some(folder), schema: None })
            }
            Self::Server { options, schemas } => {
                let (name, inside) = options.in_new_schema(PREFIX);
                lock(schemas).insert(name.clone());
                inside.create_schema(&name).await?;
                let store = PostgresStore::open(inside).await?;
                Ok(CaseDatabase { store, _folder: None, schema: Some(name) })
            }
        }
    }

    /// Removes a database after its case.
    pub(super) async fn remove(&self, database: CaseDatabase) -> Result<()> {
        database.store.close().await;
        if let (Self::Server { options, schemas }, Some(name)) = (self, &database.schema) {
            options.drop_schema(name).await?;
            lock(schemas).remove(name);
        }
        Ok(())
    }

    /// Removes the databases of cases that did not come to their end. Says what stays behind.
    pub(super) async fn clean_up(&self) -> Result<(), Failure> {
        let Self::Server { options, schemas } = self else { return Ok(()) };
        let left = std::mem::take(&mut *lock(schemas));
        let drop_all = async {
            for name in &left {
                options.drop_schema(name).await?;
            }
            Ok::<_, Error>(())
        };
        let problem = match tokio::time::timeout(CLEAN_UP, drop_all).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("the database `{}` did not do it within {CLEAN_UP:?}", options.database()),
        };
        let names: Vec<String> = left.into_iter().collect();
        let names = names.join(", ");
        Err(Failure::new(format!("schemas of cases stay behind, drop them by hand: {names}: {problem}")))
    }
}

fn lock(schemas: &Mutex<BTreeSet<String>>) -> MutexGuard<'_, BTreeSet<String>> {
    schemas.lock().unwrap_or_else(PoisonError::into_inner)
}
