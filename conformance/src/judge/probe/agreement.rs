//! VIEW-1: at one revision every view tells the same of every agent.

use std::collections::BTreeMap;

use reports::history::Exchange;
use semver::Version;
use serde_json::{Value, json};

use super::filters::version;
use super::model::{agents, body, difference, id, revision, step, steps};
use super::{Findings, Known, Talk};

/// Each view between two lists of one revision against those lists.
pub(super) fn view_1(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let (Some(before), Some(after)) = (step(talk, "before"), step(talk, "after")) else { return };
    if before.status() != Some(200) || revision(before).is_none() || revision(before) != revision(after) {
        return findings.sample();
    }
    let entries = agents(&body(before));
    let live: Vec<Value> = entries.iter().filter(|entry| entry["status"] != "expired").cloned().collect();
    for read in steps(talk, "read") {
        look(read, findings, |told| {
            let listed = entries.iter().find(|entry| read.target.ends_with(id(entry)));
            // Who is gone from both is gone.
            if listed.is_none() && read.status() == Some(404) {
                return None;
            }
            (listed != Some(told)).then(|| format!("a single read shows {told}, the list {listed:?}"))
        });
    }
    if let Some(view) = step(talk, "capabilities") {
        look(view, findings, |told| capabilities(told, &live));
    }
    if let Some(delta) = step(talk, "delta") {
        look(delta, findings, |told| {
            let mut changed = told["changed"].as_array().cloned().unwrap_or_default();
            changed.sort_by(|left, right| id(left).cmp(id(right)));
            difference(&changed, &live).map(|words| format!("in the delta {words}"))
        });
    }
    if let Some(tool) = step(talk, "tool") {
        look(tool, findings, |told| {
            let told = agents(&told["result"]["structuredContent"]);
            difference(&told, &live).map(|words| format!("in the answer of list_available_agents {words}"))
        });
    }
    if let (Some(health), Some(everybody)) = (step(talk, "health"), step(talk, "everybody")) {
        let list = body(everybody);
        // Beyond one page the counts are not all there.
        if list["next_cursor"].is_null() && everybody.status() == Some(200) {
            look(health, findings, |told| gauges(told, &agents(&list)));
        }
    }
}

fn look(exchange: &Exchange, findings: &mut Findings, compare: impl FnOnce(&Value) -> Option<String>) {
    match exchange.status() {
        None | Some(500..) => findings.sample(),
        Some(_) => {
            let words = compare(&body(exchange));
            let result =
                words.map_or(Ok(()), |words| Err(format!("Two views differ at one revision: {words}.")));
            findings.decide(exchange, result);
        }
    }
}

/// The capabilities of the listed agents, by name, with their providers by id.
fn capabilities(told: &Value, live: &[Value]) -> Option<String> {
    let mut by_name: BTreeMap<String, Vec<(String, Version, Value)>> = BTreeMap::new();
    for entry in live {
        for offer in entry["capabilities"].as_array().into_iter().flatten() {
            let provider = json!({
                "agent_id": entry["agent_id"], "endpoint": entry["endpoint"], "version": offer["version"],
                "tags": offer["tags"], "status": entry["status"],
            });
            let name = offer["name"].as_str().unwrap_or_default().to_owned();
            by_name.entry(name).or_default().push((id(entry).to_owned(), version(offer)?, provider));
        }
    }
    let shown = told["capabilities"].as_array().cloned().unwrap_or_default();
    let names: Vec<&str> = shown.iter().filter_map(|entry| entry["name"].as_str()).collect();
    if names != by_name.keys().collect::<Vec<_>>() {
        return Some(format!(
            "the capabilities are {names:?}, those of the listed agents {:?}",
            by_name.keys()
        ));
    }
    for (entry, providers) in shown.iter().zip(by_name.values_mut()) {
        providers.sort_by(|left, right| (&left.0, &left.1).cmp(&(&right.0, &right.1)));
        let mut found = entry["providers"].as_array().cloned().unwrap_or_default();
        found.sort_by_key(|provider| (id(provider).to_owned(), version(provider)));
        let expected: Vec<&Value> = providers.iter().map(|(_, _, provider)| provider).collect();
        if found.iter().collect::<Vec<_>>() != expected {
            return Some(format!("{} has the providers {found:?}, by the list {expected:?}", entry["name"]));
        }
        let versions: std::collections::BTreeSet<_> =
            providers.iter().map(|(_, version, _)| version).collect();
        let texts: Vec<_> = versions.iter().map(ToString::to_string).collect();
        if entry["versions"] != json!(texts) {
            return Some(format!(
                "{} has the versions {}, by the list {texts:?}",
                entry["name"], entry["versions"]
            ));
        }
    }
    None
}

fn gauges(health: &Value, everybody: &[Value]) -> Option<String> {
    ["healthy", "degraded", "expired"].into_iter().find_map(|status| {
        let listed = everybody.iter().filter(|entry| entry["status"] == status).count();
        let counted = &health["agents"][status];
        (*counted != json!(listed))
            .then(|| format!("/health counts {counted} {status}, the list has {listed}"))
    })
}
