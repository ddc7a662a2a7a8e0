//! Opening a file: whether it is ours, whether it is free, whether its tables are of this version.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::model::error::{Error, ErrorKind, Result};

use super::error::failed_on;
use super::{Options, Synchronous, definition, table};

/// Marks a file as Stagegate's: "STGT".
const APPLICATION_ID: u32 = 0x5354_4754;

/// The scripts that make a file's tables, each building on those before. The number of them is the file's version.
const MIGRATIONS: [&str; 4] = [
    include_str!("migrations/0001.sql"),
    include_str!("migrations/0002.sql"),
    include_str!("migrations/0003.sql"),
    include_str!("migrations/0004.sql"),
];
const VERSION: u32 = MIGRATIONS.len() as u32;

/// The prepared statements that a connection keeps: a shape of request takes a handful.
const STATEMENTS_MAX: usize = 512;

/// The file's exclusive owner, until it is dropped.
pub(super) struct Lock {
    _file: File,
}

/// An error that says why a file cannot be used, without SQLite having touched it.
pub(super) fn inspect(path: &Path) -> Result<()> {
    let mut header = [0; 100];
    let read = match File::open(path).and_then(|file| {
        if file.metadata()?.is_dir() {
            return Err(io::Error::from(io::ErrorKind::IsADirectory));
        }
        let mut header = header.as_mut_slice();
        io::copy(&mut file.take(100), &mut header)
    }) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => {
            return Err(unusable(path, &format!("cannot be read: {error}; choose another path or allow it")));
        }
    };
    let number = |at: usize| {
        header.get(at..at + 4).and_then(|bytes| bytes.try_into().ok()).map_or(0, u32::from_be_bytes)
    };
    match read {
        // A new file, also one that a tool made ahead.
        0 => Ok(()),
        100 if header.starts_with(b"SQLite format 3\0") => {
            // Both numbers are in the file's header from its first commit on.
            check_marks(path, number(68), number(60))
        }
        _ => Err(unusable(path, "is not a SQLite database; choose another path")),
    }
}

/// Locks the database for this process. The lock is on a file beside it, since SQLite has its own on the database.
pub(super) fn lock(path: &Path) -> Result<Lock> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let lock_path = PathBuf::from(lock_path);
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&lock_path).map_err(|error| {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
            let way_out = match folder {
                Some(folder) if !folder.exists() => format!("create the folder `{}` first", folder.display()),
                _ => "the host needs to write in that folder".into(),
            };
            unusable(path, &format!("cannot be locked by `{}`: {error}; {way_out}", lock_path.display()))
        })?;
    match file.try_lock() {
        Ok(()) => Ok(Lock { _file: file }),
        Err(TryLockError::WouldBlock) => Err(unusable(
            path,
            "is in use by another host; stop that one, or give this one a database of its own",
        )),
        Err(TryLockError::Error(error)) => {
            Err(unusable(path, &format!("cannot be locked: {error}; move it to a local file system")))
        }
    }
}

/// Opens the connection that writes, and brings the tables to this version.
pub(super) fn writer(options: &Options) -> Result<Connection> {
    let path = &options.path;
    let connection = connect(options)?;
    let run = |what: &str, sql: &str| {
        connection.execute_batch(sql).map_err(|error| failed_on(&path.to_string_lossy(), what, error))
    };
    let application_id = pragma(&connection, path, "application_id")?;
    let version = pragma(&connection, path, "user_version")?;
    // Both are zero in a file that is new, also where SQLite has just undone the first commit that a crash cut off.
    if version > 0 || application_id > 0 {
        check_marks(path, application_id, version)?;
    }
    if version < VERSION {
        // Before the journal becomes a log: so the marks are in the file itself, for the next one who looks.
        let mut script = String::from("BEGIN IMMEDIATE;");
        for migration in MIGRATIONS.iter().skip(version as usize) {
            script.push_str(migration);
        }
        run("bring the tables to this version", &script)?;
        for definition in
            definition::load(&connection)?.entities.values().filter(|entity| !entity.is_system_job())
        {
            table::add_system_columns(&connection, definition)?;
        }
        let marks =
            format!("PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION}; COMMIT;");
        run("bring the tables to this version", &marks)?;
    }
    run("turn on the write-ahead log", "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 1000;")?;
    Ok(connection)
}

/// Opens a connection that reads, beside the one that writes.
pub(super) fn reader(options: &Options) -> Result<Connection> {
    let connection = connect(options)?;
    connection
        .execute_batch("PRAGMA query_only = ON")
        .map_err(|error| failed_on(&options.path.to_string_lossy(), "open a connection to read", error))?;
    Ok(connection)
}

fn connect(options: &Options) -> Result<Connection> {
    let path = options.path.to_string_lossy();
    let fail = |error| failed_on(&path, "open a connection", error);
    // Each connection is used by one thread at a time, behind a lock of ours.
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&options.path, flags).map_err(fail)?;
    connection.busy_timeout(options.busy_timeout).map_err(fail)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    let synchronous = match options.synchronous {
        Synchronous::Full => "FULL",
        Synchronous::Normal => "NORMAL",
    };
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA cache_size = -65536;
             PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
        ))
        .map_err(fail)?;
    Ok(connection)
}

fn pragma(connection: &Connection, path: &Path, name: &str) -> Result<u32> {
    connection
        .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        .map(|number| u32::try_from(number & 0xFFFF_FFFF).unwrap_or_default())
        .map_err(|error| failed_on(&path.to_string_lossy(), "read the marks", error))
}

fn check_marks(path: &Path, application_id: u32, version: u32) -> Result<()> {
    if application_id != APPLICATION_ID {
        return Err(unusable(path, "is a SQLite database of another program; choose another path"));
    }
    if version > VERSION {
        return Err(unusable(
            path,
            &format!(
                "was written by a newer version of the host (its tables are of version {version}, this host knows \
                 {VERSION}); use that version, or restore a backup from before"
            ),
        ));
    }
    Ok(())
}

fn unusable(path: &Path, reason: &str) -> Error {
    Error::new(ErrorKind::UnusableDatabase, format!("the database `{}` {reason}", path.display()))
}

/// The path with its folder's links resolved, so that one database has one lock.
pub(super) fn resolve(path: &Path) -> PathBuf {
    if let Ok(path) = fs::canonicalize(path) {
        return path;
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (fs::canonicalize(folder), path.file_name()) {
        (Ok(folder), Some(name)) => folder.join(name),
        _ => path.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

    use super::*;
    use crate::store::Store;
    use crate::store::sqlite::SqliteStore;

    /// A database as the first version of the tables had it, with one record.
    fn first_version(path: &Path) {
        let connection = Connection::open(path).unwrap();
        connection.execute_batch(MIGRATIONS[0]).unwrap();
        connection
            .execute_batch(&format!(
                r#"CREATE TABLE e_account (id BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16), createdon INTEGER,
                    modifiedon INTEGER, versionnumber INTEGER NOT NULL DEFAULT 1, c_name TEXT COLLATE NOCASE) STRICT;
                INSERT INTO e_account (id, createdon, c_name) VALUES (randomblob(16), 7, 'Contoso');
                INSERT INTO entity_definition (logical_name, definition) VALUES ('account',
                    '{{"logical_name":"account","attributes":[{{"name":"name","type":"string","max_length":100}}]}}');
                UPDATE schema_version SET version = 3;
                PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;"#
            ))
            .unwrap();
    }

    #[tokio::test]
    async fn an_older_file_is_brought_to_this_version() {
        let folder = tempfile::TempDir::new().unwrap();
        let path = folder.path().join("old.db");
        first_version(&path);
        for _ in 0..2 {
            let store = SqliteStore::open(Options::new(&path)).unwrap();
            let schema = store.schema();
            assert_eq!(schema.version, 3);
            assert_eq!(schema.entity("account").unwrap().attributes.len(), 1);
            assert!(schema.relationships.is_empty() && schema.messages.is_empty());
            store.close().await;
        }
        let connection = Connection::open(&path).unwrap();
        let sql = "SELECT createdon, c_name FROM e_account WHERE createdby IS NULL AND modifiedby IS NULL";
        let row = connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        assert_eq!(row, (7, "Contoso".to_owned()));
        assert_eq!(pragma(&connection, &path, "user_version").unwrap(), VERSION);
    }
}
