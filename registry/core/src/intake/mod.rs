//! From the bytes of a heartbeat to a [`Heartbeat`], or to ALL that is wrong with them.
//!
//! Fields are parsed one by one from their raw text, so that one bad field hides no other.

mod fields;
mod plain;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use semver::Version;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::document::{
    AgentId, AgentType, Capability, CapabilityName, Dependency, Document, Heartbeat, LabelKey, Metadata,
    Reported, Requirement,
};
use fields::Fields;

/// The largest body of a heartbeat, in bytes.
pub const BODY_BYTES: usize = 256 * 1024;
/// The longest endpoint, in bytes.
pub const ENDPOINT_BYTES: usize = 2_048;
/// The most capabilities of a document.
pub const CAPABILITIES: usize = 256;
/// The most dependencies of a document.
pub const DEPENDENCIES: usize = 256;
/// The most tags of a capability or dependency.
pub const TAGS: usize = 32;
/// The longest tag, in bytes. The contract sets none; without one a list entry has no bound.
pub const TAG_BYTES: usize = 256;
/// The longest description, in bytes.
pub const DESCRIPTION_BYTES: usize = 1_024;
/// The most labels of a document.
pub const LABELS: usize = 64;
/// The longest value of a label, in bytes.
pub const LABEL_VALUE_BYTES: usize = 256;
/// The largest metadata, in bytes as sent.
pub const METADATA_BYTES: usize = 8 * 1024;
/// The longest version or requirement, in bytes. The contract sets none; see [`TAG_BYTES`].
pub const VERSION_BYTES: usize = 256;

/// What only a full heartbeat may have, `capabilities` aside.
pub const FULL_ONLY: [&str; 5] = ["agent_type", "endpoint", "dependencies", "labels", "metadata"];

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Where, as a JSON pointer (RFC 6901); empty for the whole body.
    pub pointer: String,
    /// What is wrong and what is allowed.
    pub detail: String,
}

/// Reads a heartbeat. The faults are in the order of the contract's table, and never none.
pub fn heartbeat(body: &[u8]) -> Result<Heartbeat, Vec<Fault>> {
    plain::heartbeat(body).map_or_else(|| by_field(body), Ok)
}

fn by_field(body: &[u8]) -> Result<Heartbeat, Vec<Fault>> {
    let members = members(body)?;
    let mut fields = Fields::new();
    let get = |name: &str| members.get(name).copied();

    let agent_id = match get("agent_id") {
        Some(raw) => fields.parsed(raw, "/agent_id", AgentId::parse),
        None => {
            fields.fault("/agent_id", "is missing");
            None
        }
    };
    let status = get("status").and_then(|raw| reported(&mut fields, raw));
    let document = match get("capabilities") {
        Some(raw) => Some(document(&mut fields, raw, &members)),
        None => {
            refuse_document_members(&mut fields, &members);
            None
        }
    };
    let incarnation = get("incarnation").and_then(|raw| fields.unsigned(raw, "/incarnation"));
    let sequence = get("sequence").and_then(|raw| fields.unsigned(raw, "/sequence"));
    let wiring_revision = get("wiring_revision").and_then(|raw| fields.unsigned(raw, "/wiring_revision"));

    match (agent_id, fields.into_faults()) {
        (Some(agent_id), faults) if faults.is_empty() => {
            Ok(Heartbeat { agent_id, status, document, incarnation, sequence, wiring_revision })
        }
        (_, faults) => Err(faults),
    }
}

fn members(body: &[u8]) -> Result<BTreeMap<String, &RawValue>, Vec<Fault>> {
    let whole = |detail: String| vec![Fault { pointer: String::new(), detail }];
    let raw: &RawValue =
        serde_json::from_slice(body).map_err(|error| whole(format!("is not JSON: {error}")))?;
    if !raw.get().starts_with('{') {
        return Err(whole(format!("must be a JSON object, found {}", fields::kind(raw))));
    }
    serde_json::from_str(raw.get()).map_err(|error| whole(format!("is not JSON: {error}")))
}

fn reported(fields: &mut Fields, raw: &RawValue) -> Option<Reported> {
    fields.parsed(raw, "/status", |text| match text {
        "healthy" => Ok(Reported::Healthy),
        "degraded" => Ok(Reported::Degraded),
        other => Err(format!("is {other:?}; allowed are \"healthy\" and \"degraded\"")),
    })
}

fn refuse_document_members(fields: &mut Fields, members: &BTreeMap<String, &RawValue>) {
    for name in FULL_ONLY {
        if members.contains_key(name) {
            fields.fault(
                &format!("/{name}"),
                "is only allowed in a full heartbeat, which has `capabilities` (an empty array counts)",
            );
        }
    }
}

fn document(
    fields: &mut Fields,
    raw_capabilities: &RawValue,
    members: &BTreeMap<String, &RawValue>,
) -> Document {
    let get = |name: &str| members.get(name).copied();
    let agent_type = get("agent_type").and_then(|raw| fields.parsed(raw, "/agent_type", AgentType::parse));
    let endpoint = get("endpoint").and_then(|raw| fields.parsed(raw, "/endpoint", endpoint));
    let capabilities = capabilities(fields, raw_capabilities);
    let dependencies = get("dependencies").map(|raw| dependencies(fields, raw)).unwrap_or_default();
    let labels = get("labels").map(|raw| labels(fields, raw)).unwrap_or_default();
    let metadata = get("metadata").and_then(|raw| metadata(fields, raw));
    Document {
        agent_type: agent_type.unwrap_or_default(),
        endpoint: endpoint.map(Into::into),
        capabilities: capabilities.into(),
        dependencies: dependencies.into(),
        labels: labels.into(),
        metadata,
    }
}

/// Schemes that name a host always, so that one without is a mistake.
const SCHEMES_WITH_HOST: [&str; 4] = ["http", "https", "ws", "wss"];

fn endpoint(text: &str) -> Result<String, String> {
    if text.len() > ENDPOINT_BYTES {
        return Err(format!("has {} bytes, at most {ENDPOINT_BYTES} are allowed", text.len()));
    }
    let uri = fluent_uri::Uri::parse(text).map_err(|_| {
        "is not an absolute URI as RFC 3986 says, such as http://10.0.0.3:9000/mcp".to_owned()
    })?;
    let scheme = uri.scheme().as_str().to_ascii_lowercase();
    let has_host = uri.authority().is_some_and(|authority| !authority.host().is_empty());
    if SCHEMES_WITH_HOST.contains(&scheme.as_str()) && !has_host {
        return Err(format!("names no host, which a URI of the scheme {scheme} must"));
    }
    Ok(text.to_owned())
}

fn capabilities(fields: &mut Fields, raw: &RawValue) -> Vec<Capability> {
    let mut capabilities: Vec<Capability> = Vec::new();
    for (position, raw) in fields.items(raw, "/capabilities", CAPABILITIES).into_iter().enumerate() {
        let at = format!("/capabilities/{position}");
        let Some(capability) = capability(fields, raw, &at) else { continue };
        let twice =
            |other: &&Capability| other.name == capability.name && other.version == capability.version;
        match capabilities.iter().find(twice) {
            Some(_) => fields.fault(
                &at,
                &format!(
                    "has the same name and version as another ({} {})",
                    capability.name, capability.version
                ),
            ),
            None => capabilities.push(capability),
        }
    }
    capabilities
}

fn capability(fields: &mut Fields, raw: &RawValue, at: &str) -> Option<Capability> {
    let members = fields.object(raw, at)?;
    let get = |name: &str| members.get(name).copied();
    let name = fields.required(get("name"), &format!("{at}/name"), CapabilityName::parse);
    let version = match get("version") {
        Some(raw) => fields.parsed(raw, &format!("{at}/version"), version),
        None => Some(Version::new(0, 0, 0)),
    };
    let tags = get("tags").map(|raw| fields.tags(raw, &format!("{at}/tags"))).unwrap_or_default();
    let description = get("description").and_then(|raw| {
        fields.parsed(raw, &format!("{at}/description"), |text| limited(text, DESCRIPTION_BYTES))
    });
    Some(Capability { name: name?, version: version?, tags, description })
}

fn dependencies(fields: &mut Fields, raw: &RawValue) -> Vec<Dependency> {
    let items = fields.items(raw, "/dependencies", DEPENDENCIES);
    let numbered = items.into_iter().enumerate();
    numbered
        .filter_map(|(position, raw)| dependency(fields, raw, &format!("/dependencies/{position}")))
        .collect()
}

fn dependency(fields: &mut Fields, raw: &RawValue, at: &str) -> Option<Dependency> {
    let members = fields.object(raw, at)?;
    let get = |name: &str| members.get(name).copied();
    let capability = fields.required(get("capability"), &format!("{at}/capability"), CapabilityName::parse);
    let version = match get("version") {
        Some(raw) => fields.parsed(raw, &format!("{at}/version"), requirement),
        None => Some(Requirement::any()),
    };
    let tags = get("tags").map(|raw| fields.tags(raw, &format!("{at}/tags"))).unwrap_or_default();
    Some(Dependency { capability: capability?, version: version?, tags })
}

fn labels(fields: &mut Fields, raw: &RawValue) -> BTreeMap<LabelKey, String> {
    let Some(members) = fields.object(raw, "/labels") else { return BTreeMap::new() };
    if members.len() > LABELS {
        fields.fault("/labels", &format!("has {} labels, at most {LABELS} are allowed", members.len()));
    }
    let mut labels = BTreeMap::new();
    for (key, raw) in members.into_iter().take(LABELS) {
        let at = format!("/labels/{}", key.replace('~', "~0").replace('/', "~1"));
        let value = fields.parsed(raw, &at, |text| limited(text, LABEL_VALUE_BYTES));
        match (LabelKey::parse(&key), value) {
            (Ok(key), Some(value)) => {
                labels.insert(key, value);
            }
            (Err(reason), _) => fields.fault(&at, &format!("its key {reason}")),
            (Ok(_), None) => {}
        }
    }
    labels
}

fn metadata(fields: &mut Fields, raw: &RawValue) -> Option<Metadata> {
    let size_bytes = raw.get().len();
    if !raw.get().starts_with('{') {
        fields.fault("/metadata", &format!("must be an object, found {}", fields::kind(raw)));
    } else if size_bytes > METADATA_BYTES {
        fields.fault("/metadata", &format!("has {size_bytes} bytes, at most {METADATA_BYTES} are allowed"));
    } else if let Err(error) = serde_json::from_str::<serde_json::Value>(raw.get()) {
        // Raw text may hide lone surrogates and numbers beyond every range, which readers would stumble over.
        fields.fault("/metadata", &format!("cannot be read back: {error}"));
    } else {
        return Some(Metadata::new(raw.to_owned()));
    }
    None
}

fn version(text: &str) -> Result<Version, String> {
    limited(text, VERSION_BYTES)?;
    Version::parse(text).map_err(|error| format!("is {text:?}, not a SemVer 2.0 version: {error}"))
}

fn requirement(text: &str) -> Result<Requirement, String> {
    limited(text, VERSION_BYTES)?;
    Requirement::parse(text).map_err(|error| format!("is {text:?}, not a SemVer requirement: {error}"))
}

fn limited(text: &str, longest_bytes: usize) -> Result<String, String> {
    if text.len() > longest_bytes {
        return Err(format!("has {} bytes, at most {longest_bytes} are allowed", text.len()));
    }
    Ok(text.to_owned())
}
