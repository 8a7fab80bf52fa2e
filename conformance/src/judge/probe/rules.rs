//! What section 4.1 of the contract says is wrong with a heartbeat, read from its table and from nothing else.

use serde_json::{Map, Value};

/// The most bytes of a body.
pub(super) const BODY_BYTES: u64 = 256 * 1024;

const NAME_CHARACTERS: usize = 128;
const TYPE_CHARACTERS: usize = 64;
const ENDPOINT_BYTES: usize = 2_048;
const ITEMS: usize = 256;
const TAGS: usize = 32;
const DESCRIPTION_BYTES: usize = 1_024;
const LABELS: usize = 64;
const LABEL_BYTES: usize = 256;
const METADATA_BYTES: usize = 8 * 1024;

/// Fields that a lean heartbeat must not have.
const DOCUMENT_FIELDS: [&str; 5] = ["agent_type", "endpoint", "dependencies", "labels", "metadata"];

/// One fault: any of these pointers names it.
pub(super) type Fault = Vec<String>;

/// Everything that is wrong with a heartbeat.
pub(super) fn faults(heartbeat: &Value) -> Vec<Fault> {
    let Some(members) = heartbeat.as_object() else { return vec![vec![String::new()]] };
    let mut faults = Faults(Vec::new());
    if !members.get("agent_id").is_some_and(|id| is_name(id, NAME_CHARACTERS, false)) {
        faults.at("/agent_id");
    }
    if members.get("status").is_some_and(|status| status != "healthy" && status != "degraded") {
        faults.at("/status");
    }
    for number in ["incarnation", "sequence", "wiring_revision"] {
        if members.get(number).is_some_and(|value| !value.is_u64()) {
            faults.at(&format!("/{number}"));
        }
    }
    if members.contains_key("capabilities") {
        document(members, &mut faults);
    } else {
        for field in DOCUMENT_FIELDS.iter().filter(|field| members.contains_key(**field)) {
            faults.at(&format!("/{field}"));
        }
    }
    faults.0
}

struct Faults(Vec<Fault>);

impl Faults {
    fn at(&mut self, pointer: &str) {
        self.0.push(vec![pointer.to_owned()]);
    }
}

fn document(members: &Map<String, Value>, faults: &mut Faults) {
    if members.get("agent_type").is_some_and(|name| !is_name(name, TYPE_CHARACTERS, false)) {
        faults.at("/agent_type");
    }
    if members.get("endpoint").is_some_and(|endpoint| !endpoint.as_str().is_some_and(is_endpoint)) {
        faults.at("/endpoint");
    }
    let capabilities = items(members, "capabilities", faults);
    for (number, item) in capabilities.iter().enumerate() {
        let at = format!("/capabilities/{number}");
        named(item, &at, "name", |text| semver::Version::parse(text).is_ok(), faults);
        let described = item.get("description");
        if described.is_some_and(|text| !is_text(text, DESCRIPTION_BYTES)) {
            faults.at(&format!("{at}/description"));
        }
    }
    twins(capabilities, faults);
    for (number, item) in items(members, "dependencies", faults).iter().enumerate() {
        let at = format!("/dependencies/{number}");
        named(item, &at, "capability", |text| semver::VersionReq::parse(text).is_ok(), faults);
    }
    if let Some(labels) = members.get("labels") {
        of_labels(labels, faults);
    }
    let metadata = members.get("metadata");
    if metadata.is_some_and(|value| !value.is_object() || value.to_string().len() > METADATA_BYTES) {
        faults.at("/metadata");
    }
}

fn items<'a>(members: &'a Map<String, Value>, name: &str, faults: &mut Faults) -> &'a [Value] {
    match members.get(name) {
        None => &[],
        Some(Value::Array(items)) if items.len() <= ITEMS => items,
        Some(_) => {
            faults.at(&format!("/{name}"));
            &[]
        }
    }
}

/// What capabilities and dependencies have in common: a name, a version, tags.
fn named(item: &Value, at: &str, name: &str, is_version: fn(&str) -> bool, faults: &mut Faults) {
    let Some(members) = item.as_object() else { return faults.at(at) };
    if !members.get(name).is_some_and(|value| is_name(value, NAME_CHARACTERS, true)) {
        faults.at(&format!("{at}/{name}"));
    }
    if members.get("version").is_some_and(|version| !version.as_str().is_some_and(is_version)) {
        faults.at(&format!("{at}/version"));
    }
    match members.get("tags") {
        None => {}
        Some(Value::Array(tags)) if tags.len() <= TAGS => {
            for (number, _) in tags.iter().enumerate().filter(|(_, tag)| !tag.is_string()) {
                faults.at(&format!("{at}/tags/{number}"));
            }
        }
        Some(_) => faults.at(&format!("{at}/tags")),
    }
}

/// No two capabilities have the same name and version; either of two may be named.
fn twins(capabilities: &[Value], faults: &mut Faults) {
    let key = |item: &Value| {
        let name = item.get("name")?.as_str()?.to_owned();
        Some((name, item.get("version").map_or(Some("0.0.0"), Value::as_str)?.to_owned()))
    };
    for (number, item) in capabilities.iter().enumerate() {
        let twin =
            capabilities[..number].iter().position(|other| key(other).is_some() && key(other) == key(item));
        if let Some(twin) = twin {
            faults.0.push(vec![format!("/capabilities/{number}"), format!("/capabilities/{twin}")]);
        }
    }
}

fn of_labels(labels: &Value, faults: &mut Faults) {
    let Some(labels) = labels.as_object().filter(|labels| labels.len() <= LABELS) else {
        return faults.at("/labels");
    };
    for (key, value) in labels {
        let right =
            is_name(&Value::String(key.clone()), NAME_CHARACTERS, false) && is_text(value, LABEL_BYTES);
        if !right {
            faults.at(&format!("/labels/{}", key.replace('~', "~0").replace('/', "~1")));
        }
    }
}

fn is_text(value: &Value, most_bytes: usize) -> bool {
    value.as_str().is_some_and(|text| text.len() <= most_bytes)
}

fn is_name(value: &Value, most: usize, slashes: bool) -> bool {
    let Some(text) = value.as_str() else { return false };
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || "._:-".contains(character) || (slashes && character == '/')
    };
    (1..=most).contains(&text.len())
        && text.starts_with(|first: char| first.is_ascii_alphanumeric())
        && text.chars().all(allowed)
}

/// An absolute URI by RFC 3986, as far as its characters, its scheme and the host of an `http` one go.
fn is_endpoint(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once(':') else { return false };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.chars().all(|one| one.is_ascii_alphanumeric() || "+-.".contains(one));
    let of_uri = |one: char| one.is_ascii_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(one);
    let has_host = rest
        .strip_prefix("//")
        .is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['/', ':', '?', '#']));
    let needs_host = ["http", "https", "ws", "wss"].contains(&scheme.to_ascii_lowercase().as_str());
    text.len() <= ENDPOINT_BYTES && is_scheme && rest.chars().all(of_uri) && (has_host || !needs_host)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_fault_of_a_body_is_named() {
        let body = json!({
            "agent_id": "-a", "status": "ok", "endpoint": "http://", "incarnation": -1,
            "capabilities": [{ "name": "n", "version": "1" }, { "name": "n" }, { "name": "n", "version": "0.0.0" }],
            "dependencies": [{ "version": "*" }], "labels": { "a/b": "x" }, "metadata": [],
        });
        let pointers: Vec<_> = faults(&body).into_iter().map(|mut fault| fault.swap_remove(0)).collect();
        assert_eq!(
            pointers,
            [
                "/agent_id",
                "/status",
                "/incarnation",
                "/endpoint",
                "/capabilities/0/version",
                "/capabilities/2",
                "/dependencies/0/capability",
                "/labels/a~1b",
                "/metadata"
            ]
        );
    }

    #[test]
    fn a_document_in_a_lean_heartbeat_is_a_fault_and_its_limits_are_none() {
        assert_eq!(faults(&json!({ "agent_id": "a", "labels": {} })), [["/labels"]]);
        assert_eq!(faults(&json!([])), [[""]]);
        let full = json!({
            "agent_id": "a".repeat(128), "capabilities": [{ "name": "a/b", "description": "ä".repeat(512) }],
            "endpoint": format!("http://h/{}", "a".repeat(2_039)), "labels": { "k": "v".repeat(256) },
        });
        assert!(faults(&full).is_empty(), "{:?}", faults(&full));
    }
}
