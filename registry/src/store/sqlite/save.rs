//! One transaction per batch, one statement per table: a statement costs far more than a row, so the rows come as one
//! JSON array each.

use registry_core::agent::Phase;
use registry_core::document::Reported;
use registry_core::events::{Event, KEPT, KEPT_MS};
use registry_core::saving::{Batch, SavedAgent};
use registry_core::time::Revision;
use serde_json::{Value, json};
use sqlx::{Executor, SqliteConnection};

use super::SqliteStore;

/// How many revisions are reserved ahead. Half of them may be used while the store fails, and they are still far too
/// few to reach the 2^53 that JSON readers can count to.
const RESERVED_REVISIONS: u64 = 100_000_000;

const FORGET: [&str; 3] = [
    "DELETE FROM agents WHERE key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM capabilities WHERE agent_key IN (SELECT value FROM json_each(?1))",
    "DELETE FROM wiring WHERE agent_key IN (SELECT value FROM json_each(?1))",
];
const SAVE_AGENTS: &str = "INSERT OR REPLACE INTO agents \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8, \
           value->>9, value->>10, value->>11, value->>12, value->>13, value->>14 FROM json_each(?1)";
const SAVE_CAPABILITIES: &str = "INSERT INTO capabilities \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?1)";
const SAVE_WIRING: &str = "INSERT INTO wiring \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4 FROM json_each(?1)";
const SAVE_EVENTS: &str = "INSERT INTO events \
    SELECT value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, value->>6, value->>7, value->>8 \
    FROM json_each(?1)";
// The newest is kept however old it is: the numbering goes on from it.
const TRIM_EVENTS: &str = "DELETE FROM events WHERE number <= ?1 \
    OR (number IN (SELECT number FROM events ORDER BY number LIMIT 1000) \
        AND at_ms < ?2 AND number < (SELECT max(number) FROM events))";

impl SqliteStore {
    /// Writes a batch, whole or not at all. When this returns, it survives the loss of power.
    pub(super) async fn save(&mut self, batch: &Batch) -> Result<(), sqlx::Error> {
        if batch.revision.0.saturating_add(RESERVED_REVISIONS / 2) > self.ceiling.0 {
            self.raise_ceiling(batch.revision).await?;
        }
        // Not a transaction of sqlx: when a disk is full, SQLite rolls back by itself, sqlx's own rollback then fails,
        // and it would take the connection for one inside a transaction for ever after.
        let outcome = transact(&mut self.connection, batch).await;
        if outcome.is_err() {
            // It fails when SQLite has done so already.
            let _ = self.connection.execute("ROLLBACK").await;
        }
        outcome
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

async fn transact(connection: &mut SqliteConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let changed: Vec<&SavedAgent> = batch.saves.iter().filter(|save| save.document_changed).collect();
    connection.execute("BEGIN IMMEDIATE").await?;
    write(connection, &FORGET, &batch.forgets).await?;
    let keys: Vec<u64> = changed.iter().map(|save| save.key).collect();
    let [_, documents @ ..] = &FORGET;
    write(connection, documents, &keys).await?;
    let agents: Vec<Value> = batch.saves.iter().map(agent_row).collect();
    write(connection, &[SAVE_AGENTS], &agents).await?;
    let capabilities: Vec<Value> = changed.iter().flat_map(|save| capability_rows(save)).collect();
    write(connection, &[SAVE_CAPABILITIES], &capabilities).await?;
    let wiring: Vec<Value> = changed.iter().flat_map(|save| wiring_rows(save)).collect();
    write(connection, &[SAVE_WIRING], &wiring).await?;
    let events: Vec<Value> = batch.events.iter().map(event_row).collect();
    write(connection, &[SAVE_EVENTS], &events).await?;
    if let Some(last) = batch.events.last() {
        sqlx::query(TRIM_EVENTS)
            .bind(last.number.saturating_sub(KEPT as u64).cast_signed())
            .bind(last.at.0.saturating_sub(KEPT_MS).cast_signed())
            .execute(&mut *connection)
            .await?;
    }
    connection.execute("COMMIT").await.map(drop)
}

async fn write<T: serde::Serialize>(
    connection: &mut SqliteConnection,
    statements: &[&'static str],
    rows: &[T],
) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let rows = serde_json::to_string(rows).map_err(|error| sqlx::Error::Encode(error.into()))?;
    for statement in statements {
        sqlx::query(*statement).bind(&rows).execute(&mut *connection).await?;
    }
    Ok(())
}

/// Numbers of 64 bits are written as SQLite's signed ones, bit by bit. Labels and metadata stay JSON text: were they
/// read as JSON here, a NUL in them would end them.
fn agent_row(agent: &SavedAgent) -> Value {
    let document = &agent.document;
    json!([
        agent.key,
        agent.agent_id,
        document.agent_type,
        phase_text(agent.phase),
        reported_text(agent.reported),
        agent.epoch,
        agent.incarnation.cast_signed(),
        agent.sequence.map(u64::cast_signed),
        agent.barred.map(u64::cast_signed),
        agent.registered_at.0,
        agent.changed.0,
        agent.wiring_since.0,
        document.endpoint,
        json!(document.labels).to_string(),
        document.metadata.as_ref().map(|metadata| metadata.as_json()),
    ])
}

fn capability_rows(agent: &SavedAgent) -> impl Iterator<Item = Value> {
    agent.document.capabilities.iter().enumerate().map(|(position, capability)| {
        let detail = json!({ "tags": capability.tags, "description": capability.description }).to_string();
        json!([agent.key, position, capability.name, capability.version, detail])
    })
}

fn wiring_rows(agent: &SavedAgent) -> impl Iterator<Item = Value> {
    agent.document.dependencies.iter().enumerate().map(|(position, needed)| {
        json!([agent.key, position, needed.capability, needed.version, json!(needed.tags).to_string()])
    })
}

fn event_row(event: &Event) -> Value {
    json!([
        event.number,
        event.revision,
        event.at.0,
        event.agent_id,
        event.epoch,
        event.kind.as_str(),
        event.from,
        event.to,
        event.cause.map(|cause| cause.as_str()),
    ])
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
