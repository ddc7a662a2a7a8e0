-- The registered steps of plugins, as `apply` stored them: what a host on this database runs.
CREATE TABLE step_registration (
    plugin     TEXT NOT NULL,
    step       TEXT NOT NULL,
    sequence   INTEGER NOT NULL UNIQUE, -- of the first registration: what decides between equal ranks
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    definition TEXT NOT NULL, -- JSON, all but whether it is enabled
    PRIMARY KEY (plugin, step)
) STRICT, WITHOUT ROWID;

-- Apart, so that a dump of the registration has no secrets.
CREATE TABLE step_secure_configuration (
    plugin               TEXT NOT NULL,
    step                 TEXT NOT NULL,
    secure_configuration TEXT NOT NULL,
    PRIMARY KEY (plugin, step),
    FOREIGN KEY (plugin, step) REFERENCES step_registration (plugin, step) ON DELETE CASCADE
) STRICT, WITHOUT ROWID;
