-- What the store itself keeps. The records' tables are made from the entity definitions: see definition.rs.
--
-- Text is compared by its bytes, whatever the language of the database. Moments are whole milliseconds. Integers have their
-- width in their name, and an index that is read in its order says so, since engines exist that take either otherwise.

CREATE TABLE stagegate_migration (
    version    int4 PRIMARY KEY,
    applied_on timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE entity_definition (
    name       text COLLATE "C" PRIMARY KEY,
    definition text NOT NULL -- JSON
);

CREATE TABLE relationship_definition (
    name       text COLLATE "C" PRIMARY KEY,
    definition text NOT NULL -- JSON
);

CREATE TABLE message_definition (
    name       text COLLATE "C" PRIMARY KEY,
    definition text NOT NULL -- JSON
);

-- One row. Its numbers grow with every change of a definition and of a registered step: so hosts see that others changed
-- something. Whoever changes either locks it first.
CREATE TABLE schema_version (
    singleton     boolean PRIMARY KEY CHECK (singleton),
    version       int8 NOT NULL,
    registrations int8 NOT NULL
);
INSERT INTO schema_version (singleton, version, registrations) VALUES (true, 0, 0);

-- The registered steps of plugins, as `apply` stored them: what the hosts on this database run.
CREATE TABLE step_registration (
    plugin     text COLLATE "C" NOT NULL,
    step       text COLLATE "C" NOT NULL,
    sequence   int8 NOT NULL UNIQUE, -- of the first registration: what decides between equal ranks
    enabled    boolean NOT NULL,
    definition text NOT NULL, -- JSON, all but whether it is enabled
    PRIMARY KEY (plugin, step)
);

-- Apart, so that a dump of the registration has no secrets.
CREATE TABLE step_secure_configuration (
    plugin               text COLLATE "C" NOT NULL,
    step                 text COLLATE "C" NOT NULL,
    secure_configuration text NOT NULL,
    PRIMARY KEY (plugin, step),
    FOREIGN KEY (plugin, step) REFERENCES step_registration (plugin, step) ON DELETE CASCADE
);

-- The hosts that run jobs: a new row for each start. What a host holds whose lease is over, others take over.
CREATE TABLE worker (
    id          uuid PRIMARY KEY,
    host        text NOT NULL,
    started_on  timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_until timestamptz NOT NULL,
    held        int8[] NOT NULL DEFAULT '{}' -- the sequence of every job that it has locked, and perhaps of some more
);
-- Every claim writes it: to compress it would take most of the time of that.
ALTER TABLE worker ALTER COLUMN held SET STORAGE EXTERNAL;

-- States and statuses are the platform's numbers, but that a job which is locked has the state of one that is ready, and a
-- worker. So a claim changes nothing that an index has, and need not write to any: that is most of what a job costs.
CREATE TABLE system_job (
    sequence       int8 GENERATED ALWAYS AS IDENTITY, -- the order of queueing
    -- Every claim looks at these of each job that runs: what comes first, and has a fixed width, is found at once.
    worker_id      uuid, -- who has it locked; one that is not locked has none
    state          int4 NOT NULL, -- 0 ready or locked, 1 suspended, 3 completed
    blocked        boolean NOT NULL, -- behind an earlier job with its order_key
    crash_count    int4 NOT NULL,
    priority       int4 NOT NULL,
    run_at         timestamptz NOT NULL, -- since when it may run
    plugin         text COLLATE "C" NOT NULL,
    step           text COLLATE "C" NOT NULL,
    id             uuid CONSTRAINT p_system_job PRIMARY KEY,
    operation_type int4 NOT NULL, -- 1 a step, 54 a request
    status         int4 NOT NULL,
    suspension     int4,  -- why it is Suspended: 1 retry, 2 postponed, 3 paused, 4 crashed
    postpone_until timestamptz,
    plugin_hash    text COLLATE "C", -- SHA-256 of the plugin when the job was queued, in hex
    message        text COLLATE "C" NOT NULL,
    entity         text COLLATE "C", -- with record_id: the record that the message was about
    record_id      uuid,
    owner_id       uuid NOT NULL,
    correlation_id uuid NOT NULL,
    depth          int4 NOT NULL,
    order_key      text COLLATE "C",
    unique_key     text COLLATE "C",
    -- Its unique key as long as it waits: for an index that a claim changes only where there is such a key.
    waiting_key    text COLLATE "C"
        GENERATED ALWAYS AS (CASE WHEN worker_id IS NULL AND state <> 3 THEN unique_key END) STORED,
    auto_delete    boolean NOT NULL,
    attempt        int8 NOT NULL,
    retries        int4 NOT NULL,
    host           text COLLATE "C",
    error_code     int4,
    error_text     text COLLATE "C",
    trace          text, -- a JSON array of lines
    progress       jsonb,
    created_on     timestamptz NOT NULL,
    modified_on    timestamptz NOT NULL,
    started_on     timestamptz,
    completed_on   timestamptz,
    recurrence     text COLLATE "C", -- a rule of RFC 5545, which counts from recurrence_start
    recurrence_start timestamptz,
    execution_us   int8 NOT NULL, -- microseconds, of all attempts
    memory_bytes   int8 NOT NULL, -- at its largest, of all attempts
    version        int8 NOT NULL DEFAULT 1,
    checkpoint     bytea,
    context        bytea NOT NULL,
    -- Who is to stop it, for an index of these alone.
    stopping       uuid GENERATED ALWAYS AS (CASE WHEN status IN (21, 22) THEN worker_id END) STORED
) WITH (
    -- A claim takes whole pages of jobs at once, and the indexes stay as they are only where every one of them finds room
    -- on its page for what it becomes, a sixth larger at most. And dead entries at the head of the index of what is ready are
    -- what slows claims down, so they are to go early.
    fillfactor = 45, autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_cost_delay = 0
);

CREATE UNIQUE INDEX system_job_sequence ON system_job (sequence ASC);
-- Each is partial, so that a job costs a claim nothing but where it can be claimed: not while it waits for a moment, for
-- an operator, or behind another job, and not when it is over; those that run are passed over. By step first, so that a
-- step that is paused, or has as many jobs running as it may, is passed over as a whole.
CREATE INDEX system_job_ready ON system_job (plugin ASC, step, priority, run_at, sequence)
    WHERE state = 0 AND NOT blocked AND crash_count = 0;
-- Those under which a host died.
CREATE INDEX system_job_suspect ON system_job (crash_count ASC, run_at, sequence)
    WHERE state = 0 AND NOT blocked AND crash_count > 0;
CREATE INDEX system_job_later ON system_job (suspension, postpone_until)
    WHERE state = 1 AND postpone_until IS NOT NULL;
CREATE INDEX system_job_stopping ON system_job (stopping) WHERE stopping IS NOT NULL;
CREATE INDEX system_job_completed ON system_job (completed_on ASC) WHERE state = 3;
CREATE INDEX system_job_correlation ON system_job (correlation_id);
-- The order of a key, and the rule that one of its jobs at most may run.
CREATE INDEX system_job_order ON system_job (order_key, sequence) WHERE order_key IS NOT NULL AND state <> 3;
CREATE UNIQUE INDEX system_job_head ON system_job (order_key)
    WHERE order_key IS NOT NULL AND state <> 3 AND NOT blocked;
-- The rule that one job of a unique key at most waits.
CREATE UNIQUE INDEX system_job_unique ON system_job (waiting_key) WHERE waiting_key IS NOT NULL;

-- What an operator has paused: a step, or with an empty step a whole plugin.
CREATE TABLE paused_step (
    plugin    text COLLATE "C" NOT NULL,
    step      text COLLATE "C" NOT NULL,
    paused_on timestamptz NOT NULL,
    PRIMARY KEY (plugin, step)
);

-- The jobs as records of the entity asyncoperation, in the shape of every entity's table.
CREATE VIEW e_asyncoperation AS SELECT
    id,
    created_on AS createdon, owner_id AS createdby, modified_on AS modifiedon, owner_id AS modifiedby,
    version AS versionnumber,
    owner_id AS c_ownerid, 'systemuser'::text COLLATE "C" AS t_ownerid,
    CASE WHEN worker_id IS NULL THEN state ELSE 2 END AS c_statecode, status AS c_statuscode,
    plugin || '/' || step AS c_name,
    plugin AS c_pluginname,
    plugin_hash AS c_pluginhash,
    step AS c_stepname,
    message AS c_messagename,
    entity AS c_primaryentitytype,
    record_id AS c_regardingobjectid,
    correlation_id AS c_correlationid,
    depth AS c_depth,
    priority AS c_priority,
    order_key AS c_dependencytoken,
    blocked AS c_isblocked,
    suspension AS c_suspensionreason,
    postpone_until AS c_postponeuntil,
    started_on AS c_startedon,
    completed_on AS c_completedon,
    execution_us / 1e6::float8 AS c_executiontimespan,
    least(attempt, 2147483647)::int4 AS c_attemptcount,
    retries AS c_retrycount,
    crash_count AS c_crashcount,
    host AS c_hostid,
    operation_type AS c_operationtype,
    recurrence AS c_recurrencepattern,
    recurrence_start AS c_recurrencestarttime,
    error_code AS c_errorcode,
    error_text AS c_message,
    (progress ->> 'percent')::int4 AS c_progress,
    (progress ->> 'note') COLLATE "C" AS c_progressnote,
    NOT auto_delete AS c_retainjobhistory
FROM system_job;
