-- What the store itself keeps. The records' tables are made from the entity definitions: see definition.rs.

CREATE TABLE entity_definition (
    logical_name TEXT PRIMARY KEY NOT NULL,
    definition   TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

-- One row: statements are cached by this number, and it grows with every change of a definition.
CREATE TABLE schema_version (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    version   INTEGER NOT NULL
) STRICT;
INSERT INTO schema_version (singleton, version) VALUES (1, 0);

-- States and statuses are the platform's numbers. Identifiers are 16 bytes, times are milliseconds since 1970 in UTC.
CREATE TABLE system_job (
    id             BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    state          INTEGER NOT NULL,
    status         INTEGER NOT NULL,
    run_at         INTEGER NOT NULL,
    plugin         TEXT NOT NULL,
    step           TEXT NOT NULL,
    message        TEXT NOT NULL,
    entity         TEXT, -- with record_id: the record that the message was about
    record_id      BLOB,
    owner_id       BLOB NOT NULL,
    correlation_id BLOB NOT NULL,
    depth          INTEGER NOT NULL,
    attempt        INTEGER NOT NULL,
    crash_count    INTEGER NOT NULL,
    worker_id      BLOB, -- who has it locked
    error_code     INTEGER,
    error_text     TEXT,
    trace          TEXT NOT NULL, -- a JSON array of lines
    created_on     INTEGER NOT NULL,
    started_on     INTEGER,
    completed_on   INTEGER,
    context        BLOB NOT NULL -- last, since it is the large one
) STRICT;

-- Partial, so that a job which is over costs a claim nothing.
CREATE INDEX system_job_ready ON system_job (run_at, id) WHERE state = 0;
CREATE INDEX system_job_locked ON system_job (worker_id) WHERE state = 2;
CREATE INDEX system_job_correlation ON system_job (correlation_id);
CREATE INDEX system_job_created ON system_job (created_on, id);
