//! Reads everything, once, in portions.

use std::path::Path;

use registry_core::events::Event;
use registry_core::saving::Saved;
use registry_core::time::Revision;
use serde::Deserialize;
use sqlx::SqliteConnection;

use super::OpenError;
use super::open::Contents;
use super::record::{Fault, Read, Reader, Record, Told};

/// Rows of a portion. It comes as one text, which SQLite bounds by 1,000 million bytes; a document has a quarter of a
/// million at most.
const ROWS_AT_ONCE: i64 = 1_000;

/// The rows of a portion as one text, a JSON array each: a row for itself costs sqlx some microseconds. With it
/// the last key and how many rows there are, for one without a document is NULL and not in the text.
const AGENTS: &str = "SELECT max(key), count(*), group_concat('[' || key || ',' || record || ',' || document || ']', ' ')
    FROM (SELECT agents.key AS key, record, document FROM agents LEFT JOIN documents ON documents.key = agents.key
          WHERE agents.key > ?1 ORDER BY agents.key LIMIT ?2)";
const EVENTS: &str = "SELECT max(number), count(*), group_concat('[' || number || ',' || event || ']', ' ')
    FROM (SELECT number, event FROM events WHERE number > ?1 ORDER BY number LIMIT ?2)";

pub(super) async fn everything(
    connection: &mut SqliteConnection,
    path: &Path,
) -> Result<Contents, OpenError> {
    read(connection)
        .await
        .map_err(|fault| OpenError::Damaged { path: path.to_owned(), detail: fault.to_string() })
}

async fn read(connection: &mut SqliteConnection) -> Result<Contents, Fault> {
    let meta = "SELECT value FROM meta WHERE name = ?1";
    let store_id: String = sqlx::query_scalar(meta).bind("store_id").fetch_one(&mut *connection).await?;
    let ceiling: String =
        sqlx::query_scalar(meta).bind("revision_ceiling").fetch_one(&mut *connection).await?;
    let revision = Revision(ceiling.parse()?);
    let mut events = Vec::new();
    let event = |(number, told): (i64, Told<'_>)| (number, told.event(number.cast_unsigned()));
    portions(connection, EVENTS, |text| take(text, "event", event, &mut events)).await?;
    let (mut agents, mut reader) = (Vec::new(), Reader::default());
    portions(connection, AGENTS, |text| {
        let agent = |(key, record, declared): (i64, Record<'_>, Read<'_>)| {
            (key, reader.agent(key.cast_unsigned(), record, declared))
        };
        take(text, "agent", agent, &mut agents)
    })
    .await?;
    let next_event = next_event(revision, events.last());
    Ok((store_id.into(), Saved { revision, next_event, events, agents }))
}

/// Hands each portion's text to `take`, which says how many rows it had.
async fn portions(
    connection: &mut SqliteConnection,
    statement: &'static str,
    mut take: impl FnMut(&str) -> Result<i64, Fault>,
) -> Result<(), Fault> {
    let mut after = i64::MIN;
    loop {
        let portion = sqlx::query_as(statement).bind(after).bind(ROWS_AT_ONCE).fetch_one(&mut *connection);
        let (last, rows, text): (Option<i64>, i64, Option<String>) = portion.await?;
        let Some(last) = last else { return Ok(()) };
        let taken = take(text.as_deref().unwrap_or_default())?;
        if taken != rows {
            return Err(format!(
                "of {rows} rows with keys above {after} and up to {last}, {} have no document",
                rows - taken
            )
            .into());
        }
        after = last;
    }
}

/// Takes what is in a portion's rows; says how many there are. `make` gives a row's key and what it holds.
fn take<'a, R: Deserialize<'a>, T>(
    text: &'a str,
    what: &str,
    mut make: impl FnMut(R) -> (i64, Result<T, Fault>),
    into: &mut Vec<T>,
) -> Result<i64, Fault> {
    let (mut rows, mut last) = (0, None);
    for row in serde_json::Deserializer::from_str(text).into_iter::<R>() {
        let after = || last.map_or_else(String::new, |last| format!(" after the one with key {last}"));
        let row = row.map_err(|fault| format!("an {what}{}: {fault}", after()))?;
        let (key, made) = make(row);
        into.push(made.map_err(|fault| format!("{what} with key {key}: {fault}"))?);
        (rows, last) = (rows + 1, Some(key));
    }
    Ok(rows)
}

/// Events are shown before they are saved, and no number may be used twice. After a clean end the last saved one made
/// the last revision; otherwise the numbers go on above all that can have been shown: a revision has two events at most.
fn next_event(revision: Revision, last: Option<&Event>) -> u64 {
    let (number, made) = last.map_or((0, 0), |last| (last.number, last.revision.0));
    match revision.0.saturating_sub(made) {
        0 => number + 1,
        lost => number + 2 + 2 * lost,
    }
}
