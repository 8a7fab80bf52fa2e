//! Answers read by the contract's text.

use reports::history::Exchange;
use serde_json::Value;

use super::Talk;

/// The answer's body as JSON; `Null` when it is none.
pub(super) fn body(exchange: &Exchange) -> Value {
    exchange.text().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
}

pub(super) fn revision(exchange: &Exchange) -> Option<u64> {
    body(exchange)["revision"].as_u64()
}

/// The entries of a list.
pub(super) fn agents(body: &Value) -> Vec<Value> {
    body["agents"].as_array().cloned().unwrap_or_default()
}

pub(super) fn id(entry: &Value) -> &str {
    entry["agent_id"].as_str().unwrap_or_default()
}

/// The first exchange of this step.
pub(super) fn step<'a>(talk: &Talk<'a>, name: &str) -> Option<&'a Exchange> {
    talk.iter().find(|exchange| exchange.step == name).copied()
}

/// All exchanges of this step.
pub(super) fn steps<'a>(talk: &Talk<'a>, name: &str) -> Vec<&'a Exchange> {
    talk.iter().filter(|exchange| exchange.step == name).copied().collect()
}

/// Where two lists of entries differ first, in words.
pub(super) fn difference(found: &[Value], expected: &[Value]) -> Option<String> {
    let ids = |entries: &[Value]| entries.iter().map(|entry| id(entry).to_owned()).collect::<Vec<_>>();
    let (have, want) = (ids(found), ids(expected));
    if let Some(missing) = want.iter().find(|id| !have.contains(id)) {
        return Some(format!("{missing} is missing"));
    }
    if let Some(extra) = have.iter().find(|id| !want.contains(id)) {
        return Some(format!("{extra} should not be there"));
    }
    if have != want {
        return Some(format!("the order or number is {have:?} instead of {want:?}"));
    }
    let pair = found.iter().zip(expected).find(|(found, expected)| found != expected)?;
    Some(format!("{} is shown as {} instead of {}", id(pair.0), pair.0, pair.1))
}
