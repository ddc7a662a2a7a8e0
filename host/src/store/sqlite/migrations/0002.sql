-- Relationships and custom messages beside the entities. The columns that records gain with this version are added to the
-- entities' tables by open.rs, which knows the definitions.

ALTER TABLE entity_definition RENAME COLUMN logical_name TO name;

CREATE TABLE relationship_definition (
    name       TEXT PRIMARY KEY NOT NULL,
    definition TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;

CREATE TABLE message_definition (
    name       TEXT PRIMARY KEY NOT NULL,
    definition TEXT NOT NULL -- JSON
) STRICT, WITHOUT ROWID;
