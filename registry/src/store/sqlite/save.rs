//! One transaction per batch, one statement per table, all handed over at once: a statement costs far more than a row,
//! and its hand-over more than the statement, so the rows come as one JSON array each.

use registry_core::agent::Phase;
use registry_core::document::Reported;
use registry_core::events::{Event, KEPT, KEPT_MS};
use registry_core::saving::{Batch, SavedAgent};
use registry_core::time::Revision;
use serde::{Serialize, Serializer as _};
use serde_json::json;
use sqlx::{Executor, SqliteConnection};

use super::SqliteStore;

/// How many revisions are reserved ahead. Half of them may be used while the store fails, and they are still far too
/// few to reach the 2^53 that JSON readers can count to.
const RESERVED_REVISIONS: u64 = 100_000_000;

/// A batch as one text of several statements: each that is handed to the connection's thread by itself costs two
/// wake-ups, which for nine of them was half of what a small batch cost. Its values are JSON arrays, in this order: keys
/// of the forgotten, keys whose lists are new, agents, capabilities, wiring, events; then the number up to which events
/// go, the instant before which they go, and how many of those are looked at. (`$3` and not `?3`: by a number without a
/// name sqlx would bind the wrong one in a text of several statements.)
const BATCH: &str = "\
    BEGIN IMMEDIATE; \
    DELETE FROM agents WHERE key IN (SELECT value FROM json_each($1)); \
    DELETE FROM capabilities WHERE agent_key IN (SELECT value FROM json_each($1)); \
    DELETE FROM wiring WHERE agent_key IN (SELECT value FROM json_each($1)); \
    DELETE FROM capabilities WHERE agent_key IN (SELECT value FROM json_each($2)); \
    DELETE FROM wiring WHERE agent_key IN (SELECT value FROM json_each($2)); \
    INSERT OR REPLACE INTO agents \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
           value->>9, value->>10, value->>11, value->>12, value->>13, value->>14 FROM json_each($3); \
    INSERT INTO capabilities \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each($4); \
    INSERT INTO wiring \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each($5); \
    INSERT INTO events \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8 \
    FROM json_each($6); \
    DELETE FROM events WHERE number <= $7; \
    DELETE FROM events WHERE number IN (SELECT number FROM events ORDER BY number LIMIT $9) \
        AND at_ms < $8 AND number < (SELECT max(number) FROM events); \
    COMMIT";
/// How often events are looked at for their age, in milliseconds of their own time: it means reading rows.
const AGE_LOOKED_AT_MS: u64 = 1_000;
/// How many of them each time, oldest first. The newest is kept however old it is: the numbering goes on from it.
const AGE_LOOKED_AT: i64 = 5_000;

impl SqliteStore {
    /// Writes a batch, whole or not at all. When this returns, it survives the loss of power.
    pub(super) async fn save(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        if batch.revision.0.saturating_add(RESERVED_REVISIONS / 2) > self.ceiling.0 {
            self.raise_ceiling(batch.revision).await?;
        }
        // Not a transaction of sqlx: when a disk is full, SQLite rolls back by itself, sqlx's own rollback then fails,
        // and it would take the connection for one inside a transaction for ever after.
        let outcome = self.transact(batch).await;
        if outcome.is_err() {
            // It fails when SQLite has done so already.
            let _ = self.connection.execute("ROLLBACK").await;
        }
        outcome
    }

    async fn transact(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        let changed = || batch.saves.iter().filter(|save| save.document_changed);
        // Of who is new there are no lists to replace.
        let replaced = changed().map(|save| save.key).filter(|key| *key <= self.highest_key);
        let last = batch.events.last();
        let looks_at_age =
            last.is_some_and(|last| last.at.0.abs_diff(self.age_looked_at_ms) >= AGE_LOOKED_AT_MS);
        let (gone_through, gone_before) = last.map_or((0, 0), |last| {
            (last.number.saturating_sub(KEPT as u64), last.at.0.saturating_sub(KEPT_MS))
        });
        sqlx::query(BATCH)
            .bind(array(&batch.forgets)?)
            .bind(array(replaced)?)
            .bind(array(batch.saves.iter().map(agent_row))?)
            .bind(array(changed().flat_map(capability_rows))?)
            .bind(array(changed().flat_map(wiring_rows))?)
            .bind(array(batch.events.iter().map(event_row))?)
            .bind(gone_through.cast_signed())
            .bind(gone_before.cast_signed())
            .bind(if looks_at_age { AGE_LOOKED_AT } else { 0 })
            .execute(&mut self.connection)
            .await?;
        let highest = batch.saves.iter().map(|save| save.key).max();
        self.highest_key = self.highest_key.max(highest.unwrap_or_default());
        if let Some(last) = last.filter(|_| looks_at_age) {
            self.age_looked_at_ms = last.at.0;
        }
        Ok(())
    }

    pub(super) async fn raise_ceiling(&mut self, revision: Revision) -> Result<(), sqlx::Error> {
        let ceiling = Revision(revision.0.saturating_add(RESERVED_REVISIONS));
        set_ceiling(&mut self.connection, ceiling).await?;
        self.ceiling = ceiling;
        Ok(())
    }
}

pub(super) async fn set_ceiling(
    connection: &mut SqliteConnection,
    ceiling: Revision,
) -> Result<(), sqlx::Error> {
    let statement = "UPDATE meta SET value = ?1 WHERE name = 'revision_ceiling'";
    sqlx::query(statement).bind(ceiling.0.to_string()).execute(connection).await.map(drop)
}

/// Rows as the text of a JSON array.
fn array<T: Serialize>(rows: impl IntoIterator<Item = T>) -> Result<String, sqlx::Error> {
    let mut text = Vec::new();
    serde_json::Serializer::new(&mut text)
        .collect_seq(rows)
        .map_err(|error| sqlx::Error::Encode(error.into()))?;
    String::from_utf8(text).map_err(|error| sqlx::Error::Encode(error.into()))
}

/// Numbers of 64 bits are written as SQLite's signed ones, bit by bit. Labels and metadata stay JSON text: were they
/// read as JSON here, a NUL in them would end them.
fn agent_row(agent: &SavedAgent) -> impl Serialize {
    let document = &agent.document;
    (
        agent.key,
        &agent.agent_id,
        &document.agent_type,
        phase_text(agent.phase),
        reported_text(agent.reported),
        agent.epoch,
        agent.incarnation.cast_signed(),
        agent.sequence.map(u64::cast_signed),
        agent.barred.map(u64::cast_signed),
        agent.registered_at.0,
        agent.changed.0,
        agent.wiring_since.0,
        &document.endpoint,
        json!(document.labels).to_string(),
        document.metadata.as_ref().map(|metadata| metadata.as_json()),
    )
}

fn capability_rows(agent: &SavedAgent) -> impl Iterator<Item = impl Serialize> {
    agent.document.capabilities.iter().enumerate().map(|(position, capability)| {
        let detail = json!({ "tags": capability.tags, "description": capability.description }).to_string();
        (agent.key, position, &capability.name, &capability.version, detail)
    })
}

fn wiring_rows(agent: &SavedAgent) -> impl Iterator<Item = impl Serialize> {
    agent.document.dependencies.iter().enumerate().map(|(position, needed)| {
        (agent.key, position, &needed.capability, &needed.version, json!(needed.tags).to_string())
    })
}

fn event_row(event: &Event) -> impl Serialize {
    (
        event.number,
        event.revision,
        event.at.0,
        &event.agent_id,
        event.epoch,
        event.kind.as_str(),
        event.from,
        event.to,
        event.cause.map(|cause| cause.as_str()),
    )
}

pub(super) fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Live => "live",
        Phase::Missed => "missed",
        Phase::Expired => "expired",
        Phase::Gone => "gone",
    }
}

pub(super) fn reported_text(reported: Reported) -> &'static str {
    match reported {
        Reported::Healthy => "healthy",
        Reported::Degraded => "degraded",
    }
}
