-- System jobs, made anew: with an order of their own, so that what is queued in one transaction after another is first in,
-- first out whatever the clock did, and with all that makes a job wait.
CREATE TABLE system_job_4 (
    sequence       INTEGER PRIMARY KEY AUTOINCREMENT, -- the order of queueing
    id             BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    operation_type INTEGER NOT NULL DEFAULT 1, -- 1 a step, 54 a request
    state          INTEGER NOT NULL,
    status         INTEGER NOT NULL,
    suspension     INTEGER,  -- why it is Suspended: 1 retry, 2 postponed, 3 paused, 4 crashed
    blocked        INTEGER NOT NULL DEFAULT 0, -- behind an earlier job with its order_key
    priority       INTEGER NOT NULL DEFAULT 0,
    run_at         INTEGER NOT NULL, -- since when it may run
    postpone_until INTEGER,
    plugin         TEXT NOT NULL,
    step           TEXT NOT NULL,
    plugin_hash    TEXT, -- SHA-256 of the plugin when the job was queued, in hex
    message        TEXT NOT NULL,
    entity         TEXT, -- with record_id: the record that the message was about
    record_id      BLOB,
    owner_id       BLOB NOT NULL,
    correlation_id BLOB NOT NULL,
    depth          INTEGER NOT NULL,
    order_key      TEXT,
    unique_key     TEXT,
    auto_delete    INTEGER NOT NULL DEFAULT 0,
    attempt        INTEGER NOT NULL,
    retries        INTEGER NOT NULL DEFAULT 0,
    crash_count    INTEGER NOT NULL,
    worker_id      BLOB, -- who has it locked
    host           TEXT,
    error_code     INTEGER,
    error_text     TEXT,
    trace          TEXT, -- a JSON array of lines
    progress       TEXT, -- JSON
    created_on     INTEGER NOT NULL,
    modified_on    INTEGER NOT NULL,
    started_on     INTEGER,
    completed_on   INTEGER,
    recurrence     TEXT, -- a rule of RFC 5545, which counts from recurrence_start
    recurrence_start INTEGER,
    execution_us   INTEGER NOT NULL DEFAULT 0, -- microseconds, of all attempts
    memory_bytes   INTEGER NOT NULL DEFAULT 0, -- at its largest, of all attempts
    version        INTEGER NOT NULL DEFAULT 1,
    checkpoint     BLOB,
    context        BLOB NOT NULL -- last, since it is the large one
) STRICT;

INSERT INTO system_job_4 (
    id, state, status, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt,
    crash_count, worker_id, error_code, error_text, trace, created_on, modified_on, started_on, completed_on, context)
SELECT
    id, state, status, run_at, plugin, step, message, entity, record_id, owner_id, correlation_id, depth, attempt,
    crash_count, worker_id, error_code, error_text, nullif(trace, '[]'), created_on, created_on, started_on, completed_on,
    context
FROM system_job ORDER BY created_on, id;

DROP TABLE system_job;
ALTER TABLE system_job_4 RENAME TO system_job;

-- Each is partial, so that a job costs a claim nothing but where it can be claimed: not while it waits for a moment, for
-- an operator, or behind another job, and not when it is over. By step first, so that a step that is paused, or has as
-- many jobs running as it may, is passed over as a whole.
CREATE INDEX system_job_ready ON system_job (plugin, step, priority, run_at)
    WHERE state = 0 AND blocked = 0 AND crash_count = 0;
-- Those under which a host died.
CREATE INDEX system_job_suspect ON system_job (crash_count, run_at)
    WHERE state = 0 AND blocked = 0 AND crash_count > 0;
CREATE INDEX system_job_later ON system_job (suspension, postpone_until)
    WHERE state = 1 AND postpone_until IS NOT NULL;
CREATE INDEX system_job_locked ON system_job (status) WHERE state = 2;
CREATE INDEX system_job_completed ON system_job (completed_on) WHERE state = 3;
CREATE INDEX system_job_correlation ON system_job (correlation_id);
-- The order of a key, and the rule that one of its jobs at most may run.
CREATE INDEX system_job_order ON system_job (order_key) WHERE order_key IS NOT NULL AND state <> 3;
CREATE UNIQUE INDEX system_job_head ON system_job (order_key)
    WHERE order_key IS NOT NULL AND state <> 3 AND blocked = 0;
-- The rule that one job of a unique key at most waits.
CREATE UNIQUE INDEX system_job_unique ON system_job (unique_key)
    WHERE unique_key IS NOT NULL AND state < 2;

-- What an operator has paused: a step, or with an empty step a whole plugin.
CREATE TABLE paused_step (
    plugin    TEXT NOT NULL,
    step      TEXT NOT NULL,
    paused_on INTEGER NOT NULL,
    PRIMARY KEY (plugin, step)
) STRICT, WITHOUT ROWID;

-- The jobs as records of the entity asyncoperation, in the shape of every entity's table.
CREATE VIEW e_asyncoperation AS SELECT
    id,
    created_on AS createdon, owner_id AS createdby, modified_on AS modifiedon, owner_id AS modifiedby,
    version AS versionnumber,
    owner_id AS c_ownerid, 'systemuser' AS t_ownerid,
    state AS c_statecode, status AS c_statuscode,
    (plugin || '/' || step) COLLATE NOCASE AS c_name,
    plugin COLLATE NOCASE AS c_pluginname,
    plugin_hash COLLATE NOCASE AS c_pluginhash,
    step COLLATE NOCASE AS c_stepname,
    message COLLATE NOCASE AS c_messagename,
    entity COLLATE NOCASE AS c_primaryentitytype,
    record_id AS c_regardingobjectid,
    correlation_id AS c_correlationid,
    depth AS c_depth,
    priority AS c_priority,
    order_key COLLATE NOCASE AS c_dependencytoken,
    blocked AS c_isblocked,
    suspension AS c_suspensionreason,
    postpone_until AS c_postponeuntil,
    started_on AS c_startedon,
    completed_on AS c_completedon,
    execution_us / 1e6 AS c_executiontimespan,
    attempt AS c_attemptcount,
    retries AS c_retrycount,
    crash_count AS c_crashcount,
    host COLLATE NOCASE AS c_hostid,
    operation_type AS c_operationtype,
    recurrence COLLATE NOCASE AS c_recurrencepattern,
    recurrence_start AS c_recurrencestarttime,
    error_code AS c_errorcode,
    error_text COLLATE NOCASE AS c_message,
    progress ->> '$.percent' AS c_progress,
    (progress ->> '$.note') COLLATE NOCASE AS c_progressnote,
    NOT auto_delete AS c_retainjobhistory
FROM system_job;
