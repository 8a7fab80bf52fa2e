//! Heartbeats without anything wrong or unusual, which nearly all are, read in one pass over borrowed text. Whatever is
//! not plainly right is `None` here and read again, field by field, by [`super`], which alone knows the faults; a
//! property test holds the two together. What it costs shows in `just bench --only lean,full`.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use semver::Version;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{
    CAPABILITIES, DEPENDENCIES, DESCRIPTION_BYTES, LABEL_VALUE_BYTES, LABELS, METADATA_BYTES, TAG_BYTES,
    TAGS, endpoint, requirement, version,
};
use crate::document::{
    AgentId, AgentType, Capability, CapabilityName, Dependency, Document, Heartbeat, LabelKey, Metadata,
    Reported, Requirement,
};

#[derive(Deserialize)]
struct Plain<'a> {
    agent_id: &'a str,
    #[serde(default, deserialize_with = "present")]
    status: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    incarnation: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    sequence: Option<u64>,
    #[serde(default, deserialize_with = "present")]
    wiring_revision: Option<u64>,
    #[serde(default, borrow, deserialize_with = "present")]
    capabilities: Option<&'a RawValue>,
    #[serde(default, deserialize_with = "present")]
    agent_type: Option<&'a str>,
    #[serde(default, deserialize_with = "present")]
    endpoint: Option<&'a str>,
    #[serde(default, borrow, deserialize_with = "present")]
    dependencies: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    labels: Option<&'a RawValue>,
    #[serde(default, borrow, deserialize_with = "present")]
    metadata: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct PlainCapability<'a> {
    name: &'a str,
    #[serde(default, deserialize_with = "present")]
    version: Option<&'a str>,
    #[serde(default, borrow, deserialize_with = "present")]
    tags: Option<Vec<&'a str>>,
    #[serde(default, deserialize_with = "present")]
    description: Option<&'a str>,
}

#[derive(Deserialize)]
struct PlainDependency<'a> {
    capability: &'a str,
    #[serde(default, deserialize_with = "present")]
    version: Option<&'a str>,
    #[serde(default, borrow, deserialize_with = "present")]
    tags: Option<Vec<&'a str>>,
}

/// What is there must have a value: `null` is a fault.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// `None` for what needs a closer look.
pub(super) fn heartbeat(body: &[u8]) -> Option<Heartbeat> {
    let plain: Plain<'_> = object(std::str::from_utf8(body).ok()?.trim_ascii_start())?;
    let status = match plain.status {
        None => None,
        Some("healthy") => Some(Reported::Healthy),
        Some("degraded") => Some(Reported::Degraded),
        Some(_) => return None,
    };
    if plain.capabilities.is_none() && declares(&plain) {
        return None;
    }
    Some(Heartbeat {
        agent_id: AgentId::parse(plain.agent_id).ok()?,
        status,
        incarnation: plain.incarnation,
        sequence: plain.sequence,
        wiring_revision: plain.wiring_revision,
        document: match plain.capabilities {
            Some(raw) => Some(document(&plain, raw)?),
            None => None,
        },
    })
}

/// What serde makes a struct of may also be an array; here it may not.
fn object<'a, T: Deserialize<'a>>(text: &'a str) -> Option<T> {
    text.starts_with('{').then(|| serde_json::from_str(text).ok()).flatten()
}

fn declares(plain: &Plain<'_>) -> bool {
    plain.agent_type.is_some()
        || plain.endpoint.is_some()
        || plain.dependencies.is_some()
        || plain.labels.is_some()
        || plain.metadata.is_some()
}

/// The longest text that is remembered, in bytes.
const TEXT_BYTES: usize = 4_096;
/// How many texts of a kind are remembered.
const TEXTS: usize = 1_024;

/// What texts came to that were read before: the agents of a fleet declare the same, and each the same again and again.
struct Read<T: ?Sized>(RefCell<HashMap<Box<str>, Arc<T>>>);

impl<T: ?Sized> Read<T> {
    fn new() -> Self {
        Self(RefCell::new(HashMap::new()))
    }

    fn read(&self, raw: &RawValue, read: fn(&str) -> Option<Arc<T>>) -> Option<Arc<T>> {
        let text = raw.get();
        let mut known = self.0.borrow_mut();
        if let Some(part) = known.get(text) {
            return Some(Arc::clone(part));
        }
        let part = read(text)?;
        if text.len() <= TEXT_BYTES {
            if known.len() == TEXTS {
                known.clear();
            }
            known.insert(text.into(), Arc::clone(&part));
        }
        Some(part)
    }
}

thread_local! {
    static CAPABILITIES_READ: Read<[Capability]> = Read::new();
    static DEPENDENCIES_READ: Read<[Dependency]> = Read::new();
    static LABELS_READ: Read<BTreeMap<LabelKey, String>> = Read::new();
}

fn document(plain: &Plain<'_>, raw_capabilities: &RawValue) -> Option<Document> {
    Some(Document {
        agent_type: match plain.agent_type {
            Some(text) => AgentType::parse(text).ok()?,
            None => AgentType::default(),
        },
        endpoint: match plain.endpoint {
            Some(text) => Some(endpoint(text).ok()?.into()),
            None => None,
        },
        capabilities: CAPABILITIES_READ.with(|known| known.read(raw_capabilities, capabilities))?,
        dependencies: match plain.dependencies {
            Some(raw) => DEPENDENCIES_READ.with(|known| known.read(raw, dependencies))?,
            None => Arc::default(),
        },
        labels: match plain.labels {
            Some(raw) => LABELS_READ.with(|known| known.read(raw, labels))?,
            None => Arc::default(),
        },
        metadata: match plain.metadata {
            Some(raw) => Some(metadata(raw)?),
            None => None,
        },
    })
}

fn capabilities(text: &str) -> Option<Arc<[Capability]>> {
    let mut capabilities: Vec<Capability> = Vec::new();
    for raw in items(text, CAPABILITIES)? {
        let capability = capability(raw)?;
        let is_twice =
            |other: &Capability| other.name == capability.name && other.version == capability.version;
        if capabilities.iter().any(is_twice) {
            return None;
        }
        capabilities.push(capability);
    }
    Some(capabilities.into())
}

fn dependencies(text: &str) -> Option<Arc<[Dependency]>> {
    items(text, DEPENDENCIES)?.into_iter().map(dependency).collect()
}

fn labels(text: &str) -> Option<Arc<BTreeMap<LabelKey, String>>> {
    let labels: BTreeMap<&str, &str> = serde_json::from_str(text).ok()?;
    let is_short = labels.len() <= LABELS;
    is_short.then(|| labels.into_iter().map(label).collect::<Option<_>>().map(Arc::new)).flatten()
}

fn items(text: &str, most: usize) -> Option<Vec<&RawValue>> {
    limited(serde_json::from_str(text).ok()?, most)
}

fn capability(raw: &RawValue) -> Option<Capability> {
    let plain: PlainCapability<'_> = object(raw.get())?;
    Some(Capability {
        name: CapabilityName::parse(plain.name).ok()?,
        version: match plain.version {
            Some(text) => version(text).ok()?,
            None => Version::new(0, 0, 0),
        },
        tags: tags(plain.tags)?,
        description: match plain.description {
            Some(text) => Some(short(text, DESCRIPTION_BYTES)?),
            None => None,
        },
    })
}

fn dependency(raw: &RawValue) -> Option<Dependency> {
    let plain: PlainDependency<'_> = object(raw.get())?;
    Some(Dependency {
        capability: CapabilityName::parse(plain.capability).ok()?,
        version: match plain.version {
            Some(text) => requirement(text).ok()?,
            None => Requirement::any(),
        },
        tags: tags(plain.tags)?,
    })
}

fn tags(plain: Option<Vec<&str>>) -> Option<Vec<String>> {
    let tags = limited(plain.unwrap_or_default(), TAGS)?;
    tags.into_iter().map(|tag| short(tag, TAG_BYTES).filter(|tag| !tag.is_empty())).collect()
}

fn label((key, value): (&str, &str)) -> Option<(LabelKey, String)> {
    Some((LabelKey::parse(key).ok()?, short(value, LABEL_VALUE_BYTES)?))
}

fn metadata(raw: &RawValue) -> Option<Metadata> {
    let is_object = raw.get().starts_with('{') && raw.get().len() <= METADATA_BYTES;
    let is_readable = is_object && serde_json::from_str::<serde_json::Value>(raw.get()).is_ok();
    is_readable.then(|| Metadata::new(raw.to_owned()))
}

fn limited<T>(items: Vec<T>, most: usize) -> Option<Vec<T>> {
    (items.len() <= most).then_some(items)
}

fn short(text: &str, longest_bytes: usize) -> Option<String> {
    (text.len() <= longest_bytes).then(|| text.to_owned())
}
