//! Reads everything, once, in portions.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use registry_core::agent::{Phase, Status};
use registry_core::document::{
    AgentId, AgentType, Capability, CapabilityName, Dependency, Document, LabelKey, Metadata, Reported,
    Requirement,
};
use registry_core::events::{Cause, Event, Kind};
use registry_core::saving::{Saved, SavedAgent};
use registry_core::time::{Revision, WallTime};
use serde::Deserialize;
use sqlx::{Row, SqliteConnection, sqlite::SqliteRow};

use super::OpenError;
use super::open::Contents;
use super::save::{phase_text, reported_text};

const AGENTS_AT_ONCE: i64 = 10_000;

/// An agent with its lists as JSON: a row an item took six times the rows, and sqlx some microseconds for each.
const AGENTS: &str = "SELECT agents.*,
    (SELECT json_group_array(json_array(name, version, detail) ORDER BY position)
     FROM capabilities WHERE agent_key = agents.key) AS capabilities,
    (SELECT json_group_array(json_array(capability, requirement, tags) ORDER BY position)
     FROM wiring WHERE agent_key = agents.key) AS wiring
    FROM agents WHERE key > ?1 ORDER BY key LIMIT ?2";

/// What a row says that it cannot say.
type Fault = Box<dyn std::error::Error + Send + Sync>;

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
    let events = read_events(connection).await?;
    let next_event = next_event(revision, events.last());
    let mut saved = Saved { revision, next_event, events, agents: Vec::new() };
    let mut after = i64::MIN;
    loop {
        let rows = sqlx::query(AGENTS).bind(after).bind(AGENTS_AT_ONCE).fetch_all(&mut *connection).await?;
        let Some(last) = rows.last() else { break };
        after = last.try_get("key")?;
        let (mut capabilities, mut dependencies) = (Lists::default(), Lists::default());
        for row in &rows {
            let key: i64 = row.try_get("key")?;
            let about = |table: &str, fault: Fault| format!("{table} of the agent with key {key}: {fault}");
            let capabilities = capabilities.read(row.try_get("capabilities")?, capability);
            let capabilities = capabilities.map_err(|fault| about("capabilities", fault))?;
            let dependencies = dependencies.read(row.try_get("wiring")?, dependency);
            let dependencies = dependencies.map_err(|fault| about("wiring", fault))?;
            let about = |fault: Fault| format!("agent with key {key}: {fault}");
            saved.agents.push(agent(row, capabilities, dependencies).map_err(about)?);
        }
    }
    Ok((store_id.into(), saved))
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

async fn read_events(connection: &mut SqliteConnection) -> Result<Vec<Event>, Fault> {
    let rows = sqlx::query("SELECT * FROM events ORDER BY number").fetch_all(connection).await?;
    rows.iter().map(event).collect()
}

fn event(row: &SqliteRow) -> Result<Event, Fault> {
    let number = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
    let status = |column| -> Result<Option<Status>, Fault> {
        let text: Option<&str> = row.try_get(column)?;
        text.map(|text| named(text, Status::ALL, Status::as_str)).transpose()
    };
    let reason: Option<&str> = row.try_get("reason")?;
    Ok(Event {
        number: number("number")?,
        revision: Revision(number("revision")?),
        at: WallTime(number("at_ms")?),
        agent_id: AgentId::parse(row.try_get("agent_id")?)?,
        epoch: number("epoch")?,
        kind: named(row.try_get("kind")?, Kind::ALL, Kind::as_str)?,
        from: status("status_from")?,
        to: status("status_to")?,
        cause: reason.map(|text| named(text, Cause::ALL, Cause::as_str)).transpose()?,
    })
}

/// A capability or dependency as the store has it: its name, its version, and the rest.
type Item = (String, String, String);

/// Lists that were read already: a fleet's agents have the same.
struct Lists<T>(HashMap<String, Arc<[T]>>);

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T> Lists<T> {
    fn read(&mut self, json: &str, item: fn(Item) -> Result<T, Fault>) -> Result<Arc<[T]>, Fault> {
        if let Some(known) = self.0.get(json) {
            return Ok(Arc::clone(known));
        }
        let items: Vec<Item> = serde_json::from_str(json)?;
        let list: Arc<[T]> = items.into_iter().map(item).collect::<Result<_, _>>()?;
        self.0.insert(json.to_owned(), Arc::clone(&list));
        Ok(list)
    }
}

fn agent(
    row: &SqliteRow,
    capabilities: Arc<[Capability]>,
    dependencies: Arc<[Dependency]>,
) -> Result<SavedAgent, Fault> {
    let number = |column| row.try_get::<i64, _>(column).map(i64::cast_unsigned);
    let optional = |column| row.try_get::<Option<i64>, _>(column).map(|value| value.map(i64::cast_unsigned));
    let document = Document {
        agent_type: AgentType::parse(row.try_get("agent_type")?)?,
        endpoint: row.try_get::<Option<String>, _>("endpoint")?.map(Into::into),
        capabilities,
        dependencies,
        labels: labels(row.try_get("labels")?)?.into(),
        metadata: row.try_get::<Option<String>, _>("metadata")?.map(Metadata::from_json).transpose()?,
    };
    Ok(SavedAgent {
        key: number("key")?,
        agent_id: AgentId::parse(row.try_get("agent_id")?)?,
        phase: named(
            row.try_get("phase")?,
            [Phase::Live, Phase::Missed, Phase::Expired, Phase::Gone],
            phase_text,
        )?,
        reported: named(row.try_get("reported")?, [Reported::Healthy, Reported::Degraded], reported_text)?,
        epoch: number("epoch")?,
        incarnation: number("incarnation")?,
        sequence: optional("sequence")?,
        barred: optional("barred")?,
        registered_at: WallTime(number("registered_at_ms")?),
        changed: Revision(number("revision")?),
        wiring_since: Revision(number("wiring_since")?),
        document: Arc::new(document),
        document_changed: false,
    })
}

fn labels(json: &str) -> Result<BTreeMap<LabelKey, String>, Fault> {
    let labels: BTreeMap<String, String> = serde_json::from_str(json)?;
    labels.into_iter().map(|(key, value)| Ok((LabelKey::parse(&key)?, value))).collect()
}

fn capability((name, version, detail): Item) -> Result<Capability, Fault> {
    #[derive(Deserialize)]
    struct Detail {
        tags: Vec<String>,
        description: Option<String>,
    }
    let Detail { tags, description } = serde_json::from_str(&detail)?;
    Ok(Capability {
        name: CapabilityName::parse(&name)?,
        version: semver::Version::parse(&version)?,
        tags,
        description,
    })
}

fn dependency((name, requirement, tags): Item) -> Result<Dependency, Fault> {
    Ok(Dependency {
        capability: CapabilityName::parse(&name)?,
        version: Requirement::parse(&requirement)?,
        tags: serde_json::from_str(&tags)?,
    })
}

fn named<T: Copy, const N: usize>(text: &str, all: [T; N], name: fn(T) -> &'static str) -> Result<T, Fault> {
    let found = all.into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("{text:?} is none of {:?}", all.map(name)).into())
}
