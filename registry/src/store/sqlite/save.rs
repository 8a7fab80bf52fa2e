//! One transaction per batch, one statement per table, all handed over at once: a statement costs far more than a row,
//! and its hand-over more than the statement.

use std::io::Write as _;

use registry_core::saving::Batch;
use registry_core::time::Revision;
use serde::Serialize;
use sqlx::{Executor, SqliteConnection};

use super::SqliteStore;
use super::record::{Declared, Record, Told};

/// How many revisions are reserved ahead. Half of them may be used while the store fails, and they are still far too
/// few to reach the 2^53 that JSON readers can count to.
const RESERVED_REVISIONS: u64 = 100_000_000;

/// How many rows are written out before others get the thread.
const ROWS_AT_ONCE: usize = 500;

/// A batch as one text of several statements: each that is handed to the connection's thread by itself costs two
/// wake-ups, which for nine of them was half of what a small batch cost. Its values are JSON: an array of the keys of the
/// forgotten; objects that have agents, documents and events by their keys, whose parts SQLite hands on as text without
/// looking into them; then the number of the oldest event that is kept. (`$3` and not `?3`: by a number without a name
/// sqlx would bind the wrong one in a text of several statements.)
const BATCH: &str = "\
    BEGIN IMMEDIATE; \
    DELETE FROM agents WHERE key IN (SELECT value FROM json_each($1)); \
    DELETE FROM documents WHERE key IN (SELECT value FROM json_each($1)); \
    INSERT OR REPLACE INTO agents SELECT CAST(key AS INTEGER), value FROM json_each($2); \
    INSERT OR REPLACE INTO documents SELECT CAST(key AS INTEGER), value FROM json_each($3); \
    INSERT INTO events SELECT CAST(key AS INTEGER), value FROM json_each($4); \
    DELETE FROM events WHERE number < $5; \
    COMMIT";

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
        let saves = || batch.saves.iter();
        let changed = saves().filter(|save| save.document_changed);
        let agents = saves().map(|save| (save.key, Record::of(save)));
        let documents = changed.map(|save| (save.key, Declared::of(&save.document)));
        let events = batch.events.iter().map(|event| (event.number, Told::of(event)));
        sqlx::query(BATCH)
            .bind(serde_json::to_string(&batch.forgets).map_err(unwritable)?)
            .bind(object(agents).await?)
            .bind(object(documents).await?)
            .bind(object(events).await?)
            .bind(batch.oldest_event.cast_signed())
            .execute(&mut self.connection)
            .await
            .map(drop)
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

/// A JSON object of rows by their keys. It is made on the thread that answers heartbeats, which come in between: a large
/// batch takes milliseconds.
async fn object(rows: impl Iterator<Item = (u64, impl Serialize)>) -> Result<String, sqlx::Error> {
    let mut text = vec![b'{'];
    for (number, (key, row)) in rows.enumerate() {
        if number > 0 {
            text.push(b',');
        }
        if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1 {
            tokio::task::yield_now().await;
        }
        write!(text, "\"{key}\":")?;
        serde_json::to_writer(&mut text, &row).map_err(unwritable)?;
    }
    text.push(b'}');
    String::from_utf8(text).map_err(|error| sqlx::Error::Encode(error.into()))
}

fn unwritable(error: serde_json::Error) -> sqlx::Error {
    sqlx::Error::Encode(error.into())
}
