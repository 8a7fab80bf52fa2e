//! What stands in the rows: JSON, so that a row takes one value to hand over, however much there is to say.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use registry_core::agent::{Phase, Status};
use registry_core::document::{
    AgentId, AgentType, Capability, CapabilityName, Dependency, Document, LabelKey, Metadata, Reported,
    Requirement,
};
use registry_core::events::{Cause, Event, Kind};
use registry_core::saving::SavedAgent;
use registry_core::time::{Revision, WallTime};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// What a row says that it cannot say.
pub(super) type Fault = Box<dyn std::error::Error + Send + Sync>;

/// What heartbeats and silence change of an agent.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record<'a> {
    #[serde(borrow)]
    agent_id: Cow<'a, str>,
    #[serde(borrow)]
    phase: Cow<'a, str>,
    #[serde(borrow)]
    reported: Cow<'a, str>,
    epoch: u64,
    incarnation: u64,
    sequence: Option<u64>,
    barred: Option<u64>,
    registered_at_ms: u64,
    revision: u64,
    wiring_since: u64,
}

impl<'a> Record<'a> {
    pub(super) fn of(agent: &'a SavedAgent) -> Self {
        Self {
            agent_id: agent.agent_id.as_str().into(),
            phase: phase_text(agent.phase).into(),
            reported: reported_text(agent.reported).into(),
            epoch: agent.epoch,
            incarnation: agent.incarnation,
            sequence: agent.sequence,
            barred: agent.barred,
            registered_at_ms: agent.registered_at.0,
            revision: agent.changed.0,
            wiring_since: agent.wiring_since.0,
        }
    }

    fn agent(self, key: u64, document: Document) -> Result<SavedAgent, Fault> {
        const PHASES: [Phase; 4] = [Phase::Live, Phase::Missed, Phase::Expired, Phase::Gone];
        Ok(SavedAgent {
            key,
            agent_id: AgentId::parse(&self.agent_id)?,
            phase: named(&self.phase, PHASES, phase_text)?,
            reported: named(&self.reported, [Reported::Healthy, Reported::Degraded], reported_text)?,
            epoch: self.epoch,
            incarnation: self.incarnation,
            sequence: self.sequence,
            barred: self.barred,
            registered_at: WallTime(self.registered_at_ms),
            changed: Revision(self.revision),
            wiring_since: Revision(self.wiring_since),
            document: Arc::new(document),
            document_changed: false,
        })
    }
}

/// What an agent declared, as it is written.
#[derive(Debug, Serialize)]
pub(super) struct Declared<'a> {
    agent_type: &'a AgentType,
    endpoint: Option<&'a str>,
    capabilities: &'a [Capability],
    dependencies: &'a [Dependency],
    labels: &'a BTreeMap<LabelKey, String>,
    /// JSON inside a text: SQLite writes JSON in its own way, and metadata is handed out as it came.
    metadata: Option<&'a str>,
}

impl<'a> Declared<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        Self {
            agent_type: &document.agent_type,
            endpoint: document.endpoint.as_deref(),
            capabilities: &document.capabilities,
            dependencies: &document.dependencies,
            labels: &document.labels,
            metadata: document.metadata.as_ref().map(Metadata::as_json),
        }
    }
}

/// The same as it is read. The lists are still text: a fleet's agents have the same, which need not be read again.
#[derive(Debug, Deserialize)]
pub(super) struct Read<'a> {
    #[serde(borrow)]
    agent_type: Cow<'a, str>,
    endpoint: Option<Arc<str>>,
    #[serde(borrow)]
    capabilities: &'a RawValue,
    #[serde(borrow)]
    dependencies: &'a RawValue,
    #[serde(borrow)]
    labels: &'a RawValue,
    metadata: Option<String>,
}

/// Makes agents of rows.
#[derive(Debug, Default)]
pub(super) struct Reader {
    capabilities: Lists<[Capability]>,
    dependencies: Lists<[Dependency]>,
    labels: Lists<BTreeMap<LabelKey, String>>,
}

impl Reader {
    pub(super) fn agent(
        &mut self,
        key: u64,
        record: Record<'_>,
        read: Read<'_>,
    ) -> Result<SavedAgent, Fault> {
        let document = Document {
            agent_type: AgentType::parse(&read.agent_type)?,
            endpoint: read.endpoint,
            capabilities: self.capabilities.read(read.capabilities, capabilities)?,
            dependencies: self.dependencies.read(read.dependencies, dependencies)?,
            labels: self.labels.read(read.labels, labels)?,
            metadata: read.metadata.map(Metadata::from_json).transpose()?,
        };
        record.agent(key, document)
    }
}

/// Lists that were read already, by their text.
#[derive(Debug)]
struct Lists<T: ?Sized>(HashMap<Box<str>, Arc<T>>);

impl<T: ?Sized> Default for Lists<T> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<T: ?Sized> Lists<T> {
    fn read(&mut self, json: &RawValue, parse: fn(&str) -> Result<Arc<T>, Fault>) -> Result<Arc<T>, Fault> {
        if let Some(known) = self.0.get(json.get()) {
            return Ok(Arc::clone(known));
        }
        let list = parse(json.get())?;
        self.0.insert(json.get().into(), Arc::clone(&list));
        Ok(list)
    }
}

fn capabilities(json: &str) -> Result<Arc<[Capability]>, Fault> {
    #[derive(Deserialize)]
    struct Item {
        name: String,
        version: String,
        tags: Vec<String>,
        description: Option<String>,
    }
    let items: Vec<Item> = serde_json::from_str(json)?;
    let capability = |Item { name, version, tags, description }| {
        let (name, version) = (CapabilityName::parse(&name)?, semver::Version::parse(&version)?);
        Ok(Capability { name, version, tags, description })
    };
    items.into_iter().map(capability).collect()
}

fn dependencies(json: &str) -> Result<Arc<[Dependency]>, Fault> {
    #[derive(Deserialize)]
    struct Item {
        capability: String,
        version: String,
        tags: Vec<String>,
    }
    let items: Vec<Item> = serde_json::from_str(json)?;
    let dependency = |Item { capability, version, tags }| {
        let (capability, version) = (CapabilityName::parse(&capability)?, Requirement::parse(&version)?);
        Ok(Dependency { capability, version, tags })
    };
    items.into_iter().map(dependency).collect()
}

fn labels(json: &str) -> Result<Arc<BTreeMap<LabelKey, String>>, Fault> {
    let labels: BTreeMap<String, String> = serde_json::from_str(json)?;
    let labels = labels.into_iter().map(|(key, value)| Ok((LabelKey::parse(&key)?, value)));
    labels.collect::<Result<_, Fault>>().map(Arc::new)
}

/// An event without its number.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Told<'a> {
    revision: u64,
    at_ms: u64,
    #[serde(borrow)]
    agent_id: Cow<'a, str>,
    epoch: u64,
    #[serde(borrow)]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    from: Option<Cow<'a, str>>,
    #[serde(borrow)]
    to: Option<Cow<'a, str>>,
    #[serde(borrow)]
    cause: Option<Cow<'a, str>>,
}

impl<'a> Told<'a> {
    pub(super) fn of(event: &'a Event) -> Self {
        Self {
            revision: event.revision.0,
            at_ms: event.at.0,
            agent_id: event.agent_id.as_str().into(),
            epoch: event.epoch,
            kind: event.kind.as_str().into(),
            from: event.from.map(|status| status.as_str().into()),
            to: event.to.map(|status| status.as_str().into()),
            cause: event.cause.map(|cause| cause.as_str().into()),
        }
    }

    pub(super) fn event(self, number: u64) -> Result<Event, Fault> {
        let status = |text: Option<Cow<'_, str>>| {
            text.map(|text| named(&text, Status::ALL, Status::as_str)).transpose()
        };
        Ok(Event {
            number,
            revision: Revision(self.revision),
            at: WallTime(self.at_ms),
            agent_id: AgentId::parse(&self.agent_id)?,
            epoch: self.epoch,
            kind: named(&self.kind, Kind::ALL, Kind::as_str)?,
            from: status(self.from)?,
            to: status(self.to)?,
            cause: self.cause.map(|text| named(&text, Cause::ALL, Cause::as_str)).transpose()?,
        })
    }
}

fn phase_text(phase: Phase) -> &'static str {
    match phase {
        Phase::Live => "live",
        Phase::Missed => "missed",
        Phase::Expired => "expired",
        Phase::Gone => "gone",
    }
}

fn reported_text(reported: Reported) -> &'static str {
    match reported {
        Reported::Healthy => "healthy",
        Reported::Degraded => "degraded",
    }
}

fn named<T: Copy, const N: usize>(text: &str, all: [T; N], name: fn(T) -> &'static str) -> Result<T, Fault> {
    let found = all.into_iter().find(|one| name(*one) == text);
    found.ok_or_else(|| format!("{text:?} is none of {:?}", all.map(name)).into())
}
