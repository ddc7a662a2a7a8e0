//! The floor of a system job: rusqlite alone claims a hundred jobs, and settles them in the transaction that claims the
//! next hundred.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row};
use stagegate::store::sqlite::Synchronous;
use uuid::Uuid;

/// Jobs of a claim.
const BATCH: u32 = 100;

/// The table that keeps the jobs.
#[derive(Clone, Copy)]
pub(crate) enum Table {
    /// The store's own: a claim reads what the host reads, a settlement is fenced and writes what the host writes.
    SystemJob,
    /// The least that a queue can be: an identifier, a state, a payload.
    Lean,
}

impl Table {
    fn claim(self) -> &'static str {
        match self {
            Self::SystemJob => {
                "UPDATE system_job SET state = 2, status = 20, attempt = attempt + 1, worker_id = ?1, host = 'floor',
                     started_on = ?2, modified_on = ?2, version = version + 1
                 WHERE sequence IN (
                     SELECT sequence FROM system_job WHERE state = 0 AND blocked = 0 AND crash_count = 0
                     ORDER BY plugin, step, priority, run_at, sequence LIMIT ?3)
                 RETURNING id, attempt, context, status, run_at, plugin, step, message, entity, record_id, owner_id,
                     correlation_id, depth, crash_count, worker_id, error_code, error_text, trace, created_on,
                     started_on, completed_on, suspension, blocked, priority, postpone_until, order_key, unique_key,
                     auto_delete, retries, host, progress, execution_us, memory_bytes, checkpoint"
            }
            Self::Lean => {
                "UPDATE lean SET state = 1 WHERE id IN (SELECT id FROM lean WHERE state = 0 ORDER BY id LIMIT ?3)
                 RETURNING id, state, payload, ?1, ?2"
            }
        }
    }

    fn settle(self) -> &'static str {
        match self {
            Self::SystemJob => {
                "UPDATE system_job SET state = 3, status = 30, completed_on = ?4, modified_on = ?4, worker_id = NULL,
                     execution_us = execution_us + 1, version = version + 1
                 WHERE id = ?1 AND attempt = ?2 AND worker_id = ?3 AND state = 2"
            }
            Self::Lean => "UPDATE lean SET state = 2 WHERE id = ?1 AND state = ?2 AND ?3 IS NOT NULL AND ?4 IS NOT NULL",
        }
    }
}

/// A connection to a file of jobs, as the store would have it.
pub(crate) struct Floor {
    connection: Connection,
    table: Table,
    worker: Uuid,
}

/// What is kept of a claimed job.
struct Claimed {
    id: [u8; 16],
    attempt: u32,
    _context: Vec<u8>,
}

impl Floor {
    /// Puts the lean table beside the store's, with the same payloads.
    pub(crate) fn prepare(connection: &Connection) {
        connection
            .execute_batch(
                "CREATE TABLE lean (id BLOB PRIMARY KEY, state INTEGER NOT NULL, payload BLOB NOT NULL);
                 CREATE INDEX lean_ready ON lean (id) WHERE state = 0;
                 INSERT INTO lean SELECT id, 0, context FROM system_job;
                 PRAGMA wal_checkpoint(TRUNCATE);",
            )
            .unwrap();
    }

    pub(crate) fn open(path: &Path, synchronous: Synchronous, table: Table) -> Self {
        let connection = Connection::open(path).unwrap();
        let pragmas = format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {}; PRAGMA foreign_keys = ON;
             PRAGMA cache_size = -65536; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
            if synchronous == Synchronous::Full { "FULL" } else { "NORMAL" }
        );
        connection.execute_batch(&pragmas).unwrap();
        Self { connection, table, worker: Uuid::now_v7() }
    }

    /// Claims and settles until there is no job left, and returns how many there were.
    pub(crate) fn run(&mut self) -> u32 {
        let mut settled = 0;
        let mut running: Vec<Claimed> = Vec::new();
        loop {
            let transaction = self.connection.transaction().unwrap();
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis();
            let now = i64::try_from(now).unwrap();
            let worker = self.worker.as_bytes();
            {
                let mut settle = transaction.prepare_cached(self.table.settle()).unwrap();
                for job in &running {
                    settled += u32::from(settle.execute((job.id, job.attempt, worker, now)).unwrap() == 1);
                }
                let mut claim = transaction.prepare_cached(self.table.claim()).unwrap();
                let claimed = claim.query_map((worker, now, BATCH), read).unwrap();
                running = claimed.collect::<rusqlite::Result<_>>().unwrap();
            }
            transaction.commit().unwrap();
            if running.is_empty() {
                return settled;
            }
        }
    }
}

fn read(row: &Row<'_>) -> rusqlite::Result<Claimed> {
    for column in 3..row.as_ref().column_count() {
        if let ValueRef::Text(text) = row.get_ref(column)? {
            std::hint::black_box(text.to_vec());
        }
    }
    Ok(Claimed { id: row.get(0)?, attempt: row.get(1)?, _context: row.get(2)? })
}
