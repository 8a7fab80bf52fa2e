-- What the registry must not forget. Everything is in memory as well: the store is written in batches and read once,
-- at the start, so there is no index beside the keys.

CREATE TABLE meta (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- One row per agent, the gone ones that are still remembered included. Leases are not kept.
CREATE TABLE agents (
    key              INTEGER PRIMARY KEY,
    agent_id         TEXT    NOT NULL,
    agent_type       TEXT    NOT NULL,
    phase            TEXT    NOT NULL CHECK (phase IN ('live', 'missed', 'expired', 'gone')),
    reported         TEXT    NOT NULL CHECK (reported IN ('healthy', 'degraded')),
    epoch            INTEGER NOT NULL,
    incarnation      INTEGER NOT NULL,
    sequence         INTEGER,
    barred           INTEGER,
    registered_at_ms INTEGER NOT NULL,
    revision         INTEGER NOT NULL,
    wiring_since     INTEGER NOT NULL,
    endpoint         TEXT,
    labels           TEXT    NOT NULL,
    metadata         TEXT
) STRICT;

-- What each agent offers, in the declared order. `detail` is JSON: {"tags": [...], "description": ...}.
CREATE TABLE capabilities (
    agent_key INTEGER NOT NULL,
    position  INTEGER NOT NULL,
    name      TEXT    NOT NULL,
    version   TEXT    NOT NULL,
    detail    TEXT    NOT NULL,
    PRIMARY KEY (agent_key, position)
) STRICT, WITHOUT ROWID;

-- What each agent needs, in the declared order. `tags` is a JSON array.
CREATE TABLE wiring (
    agent_key   INTEGER NOT NULL,
    position    INTEGER NOT NULL,
    capability  TEXT    NOT NULL,
    requirement TEXT    NOT NULL,
    tags        TEXT    NOT NULL,
    PRIMARY KEY (agent_key, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    number      INTEGER PRIMARY KEY,
    revision    INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    agent_id    TEXT    NOT NULL,
    epoch       INTEGER NOT NULL,
    kind        TEXT    NOT NULL,
    status_from TEXT,
    status_to   TEXT,
    reason      TEXT
) STRICT;

INSERT INTO meta VALUES ('store_id', lower(hex(randomblob(16)))), ('revision_ceiling', '0');

PRAGMA user_version = 1;
