//! Texts with `{placeholders}`.

use serde_json::Value;

use crate::error::Fault;
use crate::section::Value as TomlValue;
use crate::values::suggestion;

/// What stands for what an agent declares. All but the first are known to `register` alone, and to `renew` the
/// incarnation and the sequence.
pub const PLACEHOLDERS: [&str; 13] = [
    "agent_id",
    "incarnation",
    "sequence",
    "type",
    "status",
    "endpoint",
    "endpoint_host",
    "endpoint_port",
    "document",
    "capabilities",
    "capability",
    "capability_version",
    "dependency",
];

/// Those of [`PLACEHOLDERS`] that a call knows.
pub(crate) fn known_to(call: &str) -> &'static [&'static str] {
    match call {
        "register" => &PLACEHOLDERS,
        "renew" => PLACEHOLDERS.get(..3).unwrap_or_default(),
        "list" => &[],
        _ => PLACEHOLDERS.get(..1).unwrap_or_default(),
    }
}

/// The names between braces in a text, in its order, without ` as number`.
pub fn placeholders(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some((_, behind)) = rest.split_once('{') {
        let Some((name, next)) = behind.split_once('}') else { break };
        found.push(name.strip_suffix(" as number").unwrap_or(name));
        rest = next;
    }
    found
}

/// Holds a text of a call to the placeholders that the call knows.
pub(crate) fn check(call: &str, key: &str, text: &str, value: &TomlValue<'_>) -> Result<(), Fault> {
    let known = known_to(call);
    for name in placeholders(text) {
        if !known.contains(&name) {
            let remedy = match known {
                [] => "a list is asked for in the same words by everybody".to_owned(),
                known => suggestion(name, known, "known here"),
            };
            return Err(Fault::at(
                value.span(),
                format!("`{{{name}}}` in `{key}` stands for nothing"),
                "not a known placeholder",
            )
            .help(remedy));
        }
    }
    Ok(())
}

/// The same for all texts of a body.
pub(crate) fn check_body(call: &str, body: &Value, value: &TomlValue<'_>) -> Result<(), Fault> {
    match body {
        Value::String(text) => check(call, "body", text, value),
        Value::Array(entries) => entries.iter().try_for_each(|entry| check_body(call, entry, value)),
        Value::Object(members) => members.values().try_for_each(|member| check_body(call, member, value)),
        _ => Ok(()),
    }
}
