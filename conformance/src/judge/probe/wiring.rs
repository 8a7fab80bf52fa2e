//! VIEW-10: each dependency gets exactly the live providers that match, in the contract's order.

use std::cmp::Reverse;

use reports::history::Exchange;
use serde_json::{Value, json};

use super::filters::{satisfies, tagged, version};
use super::model::{agents, body, id, revision, step};
use super::{Findings, Known, Talk};

/// The most providers that a dependency is told.
const TOLD: usize = 16;

/// The wiring against the list of the same revision.
pub(super) fn view_10(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let (Some(all), Some(ask), Some(again)) = (step(talk, "all"), step(talk, "ask"), step(talk, "again"))
    else {
        return;
    };
    if ask.status() != Some(200) || revision(all).is_none() || revision(all) != revision(again) {
        return findings.sample();
    }
    let (entries, answer) = (agents(&body(all)), body(ask));
    let asked = sent(ask);
    let needs = asked["dependencies"].as_array().cloned().unwrap_or_default();
    let told = answer["wiring"].as_array().cloned().unwrap_or_default();
    if told.len() != needs.len() {
        let words =
            format!("{} dependencies were declared, the wiring has {} entries.", needs.len(), told.len());
        return findings.decide(ask, Err(words));
    }
    for (need, told) in needs.iter().zip(&told) {
        let found = providers(&entries, need, id(&asked));
        let expected = json!(found.iter().take(TOLD).collect::<Vec<_>>());
        let result = if told["capability"] != need["capability"] {
            Err(format!(
                "The wiring is not in the document's order: {} stands where {} belongs.",
                told["capability"], need["capability"]
            ))
        } else if told["total"] != json!(found.len()) || told["providers"] != expected {
            Err(format!(
                "The dependency {need} is told {} providers {}, but the list of the same revision has {} that match: {expected}.",
                told["total"],
                told["providers"],
                found.len()
            ))
        } else {
            Ok(())
        };
        findings.decide(ask, result);
    }
}

fn sent(exchange: &Exchange) -> Value {
    let body = exchange.request_body.as_ref();
    body.and_then(|body| serde_json::from_str(&body.text).ok()).unwrap_or_default()
}

/// Who meets a dependency: healthy before degraded, then the higher version, then by id.
fn providers(entries: &[Value], need: &Value, asker: &str) -> Vec<Value> {
    let wanted = need["version"].as_str().unwrap_or("*");
    let tags: Vec<&str> = need["tags"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| id(entry) != asker && entry["status"] != "expired") {
        let offers = entry["capabilities"].as_array().into_iter().flatten().filter(|offer| {
            offer["name"] == need["capability"]
                && satisfies(offer, wanted)
                && tags.iter().all(|tag| tagged(offer, tag))
        });
        let Some(best) = offers.max_by_key(|offer| version(offer)) else { continue };
        let rank = (entry["status"] != "healthy", Reverse(version(best)), id(entry).to_owned());
        let told = json!({
            "agent_id": entry["agent_id"], "endpoint": entry["endpoint"],
            "version": best["version"], "status": entry["status"],
        });
        found.push((rank, told));
    }
    found.sort_by(|left, right| left.0.cmp(&right.0));
    found.into_iter().map(|(_, told)| told).collect()
}
