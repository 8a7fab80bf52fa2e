//! Texts and JSON with `{placeholders}`, filled in with what an agent declares.

use std::borrow::Cow;

use reports::history::Reported;
use scenarios::description::placeholders;
use serde_json::{Map, Value};

use super::Document;

/// What the placeholders stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Values<'a> {
    agent_id: &'a str,
    order: Option<(u64, u64)>,
    document: Option<&'a Document>,
    /// The capability that an entry of a list is made for, with its version.
    capability: Option<(&'a str, &'a str)>,
    /// The same of a dependency.
    dependency: Option<&'a str>,
}

impl<'a> Values<'a> {
    pub(super) fn of(document: &'a Document) -> Self {
        let order = document.incarnation.zip(document.sequence);
        Self { agent_id: &document.agent_id, order, document: Some(document), ..Self::default() }
    }

    pub(super) fn of_beat(agent_id: &'a str, order: Option<(u64, u64)>) -> Self {
        Self { agent_id, order, ..Self::default() }
    }

    /// What a placeholder stands for; nothing for what is not known here, which descriptions are held to.
    fn get(&self, name: &str) -> Cow<'a, str> {
        let text = |text: String| Cow::Owned(text);
        let name = name.strip_suffix(" as number").unwrap_or(name);
        match (name, self.document) {
            ("agent_id", _) => Cow::Borrowed(self.agent_id),
            ("incarnation", _) => text(self.order.map_or(0, |(incarnation, _)| incarnation).to_string()),
            ("sequence", _) => text(self.order.map_or(0, |(_, sequence)| sequence).to_string()),
            ("capability", _) => Cow::Borrowed(self.capability.map_or("", |(name, _)| name)),
            ("capability_version", _) => Cow::Borrowed(self.capability.map_or("", |(_, version)| version)),
            ("dependency", _) => Cow::Borrowed(self.dependency.unwrap_or_default()),
            ("type", Some(document)) => Cow::Borrowed(&document.agent_type),
            ("status", Some(document)) => Cow::Borrowed(match document.status {
                Some(Reported::Degraded) => "degraded",
                Some(Reported::Healthy) | None => "healthy",
            }),
            ("endpoint", Some(document)) => text(format!("http://{}/mcp", document.endpoint)),
            ("endpoint_host", Some(document)) => text(document.endpoint.ip().to_string()),
            ("endpoint_port", Some(document)) => text(document.endpoint.port().to_string()),
            ("document", Some(document)) => text(document.document.to_string()),
            ("capabilities", Some(document)) => {
                let names: Vec<&str> = document.capabilities.iter().map(|(name, _)| name.as_str()).collect();
                text(names.join(","))
            }
            _ => Cow::Borrowed(""),
        }
    }
}

/// The text with everything filled in, each value as `written`.
pub(super) fn filled(text: &str, values: &Values<'_>, written: impl Fn(&str) -> String) -> String {
    let mut whole = String::with_capacity(text.len() + 32);
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('{') {
        let Some((name, next)) = behind.split_once('}') else { break };
        whole.push_str(before);
        whole.push_str(&written(&values.get(name)));
        rest = next;
    }
    whole.push_str(rest);
    whole
}

/// The JSON with everything filled in. A text that is one placeholder `as number` becomes that number; an entry of a
/// list that names a capability, or a dependency, is repeated for each.
pub(super) fn filled_body(body: &Value, values: &Values<'_>) -> Value {
    match body {
        Value::String(text) => match number(text, values) {
            Some(number) => Value::from(number),
            None => Value::from(filled(text, values, str::to_owned)),
        },
        Value::Array(entries) => {
            Value::Array(entries.iter().flat_map(|entry| repeated(entry, values)).collect())
        }
        Value::Object(members) => {
            let filled = |(key, member): (&String, &Value)| (key.clone(), filled_body(member, values));
            Value::Object(members.iter().map(filled).collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// The number that `"{document as number}"` stands for.
fn number(text: &str, values: &Values<'_>) -> Option<u64> {
    let name = text.strip_prefix('{')?.strip_suffix(" as number}")?;
    values.get(name).parse().ok()
}

fn repeated(entry: &Value, values: &Values<'_>) -> Vec<Value> {
    let Some(document) = values.document else { return vec![filled_body(entry, values)] };
    if values.capability.is_none() && names(entry, "capability") {
        let each = document.capabilities.iter().map(|(name, version)| (name.as_str(), version.as_str()));
        return each
            .map(|capability| filled_body(entry, &Values { capability: Some(capability), ..values.clone() }))
            .collect();
    }
    if values.dependency.is_none() && names(entry, "dependency") {
        let each = document.dependencies.iter().map(String::as_str);
        return each
            .map(|dependency| filled_body(entry, &Values { dependency: Some(dependency), ..values.clone() }))
            .collect();
    }
    vec![filled_body(entry, values)]
}

/// Whether a text in the entry has this placeholder.
fn names(entry: &Value, wanted: &str) -> bool {
    match entry {
        Value::String(text) => placeholders(text).contains(&wanted),
        Value::Array(entries) => entries.iter().any(|entry| names(entry, wanted)),
        Value::Object(members) => members.values().any(|member| names(member, wanted)),
        _ => false,
    }
}
