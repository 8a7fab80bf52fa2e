-- An agent's row and its lists become two JSON texts: nothing in here is ever asked for by itself, each of a dozen
-- columns cost more to hand over than the whole text does, and each item of a list was a row of its own. What changes by
-- silence stands apart from what the agent declared, which is some times as long.

ALTER TABLE agents RENAME TO agents_before;
ALTER TABLE events RENAME TO events_before;

-- One row per agent, the gone ones that are still remembered included. Leases are not kept. Of the record the numbers
-- `incarnation`, `sequence` and `barred` are unsigned ones of 64 bits.
CREATE TABLE agents (
    key    INTEGER PRIMARY KEY,
    record TEXT NOT NULL
) STRICT;

-- What each agent declared; of a gone one only the type. `metadata` is JSON inside a text, so that it stays as it came.
CREATE TABLE documents (
    key      INTEGER PRIMARY KEY,
    document TEXT NOT NULL
) STRICT;

CREATE TABLE events (
    number INTEGER PRIMARY KEY,
    event  TEXT NOT NULL
) STRICT;

INSERT INTO agents
SELECT key, json_object(
    'agent_id', agent_id, 'phase', phase, 'reported', reported, 'epoch', epoch,
    'incarnation', json(printf('%u', incarnation)),
    'sequence', json(iif(sequence IS NULL, 'null', printf('%u', sequence))),
    'barred', json(iif(barred IS NULL, 'null', printf('%u', barred))),
    'registered_at_ms', registered_at_ms, 'revision', revision, 'wiring_since', wiring_since)
FROM agents_before;

INSERT INTO documents
SELECT key, json_object(
    'agent_type', agent_type, 'endpoint', endpoint,
    'capabilities', json((
        SELECT json_group_array(json_insert(detail, '$.name', name, '$.version', version) ORDER BY position)
        FROM capabilities WHERE agent_key = agents_before.key)),
    'dependencies', json((
        SELECT json_group_array(json_object('capability', capability, 'version', requirement, 'tags', json(tags))
                                ORDER BY position)
        FROM wiring WHERE agent_key = agents_before.key)),
    'labels', json(labels), 'metadata', metadata)
FROM agents_before;

INSERT INTO events
SELECT number, json_object(
    'revision', revision, 'at_ms', at_ms, 'agent_id', agent_id, 'epoch', epoch, 'kind', kind,
    'from', status_from, 'to', status_to, 'cause', reason)
FROM events_before;

DROP TABLE agents_before;
DROP TABLE events_before;
DROP TABLE capabilities;
DROP TABLE wiring;

PRAGMA user_version = 2;
