//! INPUT-1 and INPUT-3: what a registry must refuse, and what it must not mind.

use reports::history::Exchange;
use serde_json::Value;

use super::model::{body, step, steps};
use super::races::{expect, expect_status, sent, shows, silent, steady};
use super::rules::{BODY_BYTES, Fault, faults};
use super::{Findings, Known, Talk};

type Held = Result<(), String>;

/// What the contract wants of a request.
enum Wanted {
    Taken,
    /// Refused with this status, every fault named.
    Refused(u16, Vec<Fault>),
}

fn wanted(exchange: &Exchange) -> Wanted {
    let length = exchange.request_body.as_ref().map_or(0, |body| body.length);
    let content_type = exchange.sent_header("content-type").unwrap_or_default();
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    if length > BODY_BYTES {
        return Wanted::Refused(413, Vec::new());
    }
    if !essence.eq_ignore_ascii_case("application/json") {
        return Wanted::Refused(415, Vec::new());
    }
    let text = exchange.request_body.as_ref().map_or("", |body| body.text.as_str());
    let Ok(heartbeat) = serde_json::from_str::<Value>(text) else { return Wanted::Refused(400, Vec::new()) };
    match faults(&heartbeat) {
        faults if faults.is_empty() => Wanted::Taken,
        faults => Wanted::Refused(400, faults),
    }
}

/// Steps `beat`, each followed by `look`, the list of the case's agents.
pub(super) fn input_1(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    let mut before: Option<&Exchange> = None;
    let mut last_taken: Option<&Exchange> = None;
    let mut last: Option<(&Exchange, bool)> = None;
    for exchange in talk.iter().copied() {
        match exchange.step.as_str() {
            "beat" if silent(exchange) && exchange.status().is_none_or(|status| status == 503) => {
                findings.sample();
                // Nobody knows what it did: the next look is the new beginning.
                (last, before) = (None, None);
            }
            "beat" => {
                let taken = match wanted(exchange) {
                    Wanted::Taken => {
                        findings.decide(exchange, expect_status(exchange, 200));
                        last_taken = Some(exchange);
                        true
                    }
                    Wanted::Refused(status, faults) => {
                        findings.decide(exchange, refused(exchange, status, &faults));
                        false
                    }
                };
                last = Some((exchange, taken));
            }
            "look" if exchange.status() == Some(200) => {
                match (last.take(), before, last_taken) {
                    (Some((beat, true)), ..) => shown(exchange, beat, findings),
                    (Some((_, false)), Some(was), Some(taken)) if steady(known, taken, exchange) => {
                        let (was, is) = (body(was)["agents"].take(), body(exchange)["agents"].take());
                        let words = format!("{was}, as before what was refused");
                        findings.decide(exchange, expect(exchange, &is, &words, was == is));
                    }
                    _ => findings.sample(),
                }
                before = Some(exchange);
            }
            _ => {}
        }
    }
}

/// A whole document that was taken is shown as it was sent.
fn shown(look: &Exchange, beat: &Exchange, findings: &mut Findings) {
    let document = sent(beat);
    if document["capabilities"].is_null() {
        return findings.sample();
    }
    let seen = body(look);
    let entries = seen["agents"].as_array().cloned().unwrap_or_default();
    let entry = entries.into_iter().find(|entry| entry["agent_id"] == document["agent_id"]);
    let entry = without_nulls(entry.unwrap_or_default());
    let found = shortened(&entry);
    findings.decide(look, expect(look, &found, &shortened(&document), shows(&entry, &filled(&document))));
}

/// The document with what the contract puts in for fields that were left out, and without what it does not know.
fn filled(document: &Value) -> Value {
    let mut filled = document.clone();
    let defaults = [
        ("agent_type", Value::from("default")),
        ("dependencies", Value::Array(Vec::new())),
        ("labels", Value::Object(serde_json::Map::new())),
    ];
    for (field, default) in defaults {
        if filled[field].is_null() {
            filled[field] = default;
        }
    }
    let known = [
        ("capabilities", ["name", "version", "tags", "description"], "0.0.0"),
        ("dependencies", ["capability", "version", "tags", ""], "*"),
    ];
    for (list, fields, version) in known {
        for item in filled[list].as_array_mut().into_iter().flatten() {
            if item["version"].is_null() {
                item["version"] = Value::from(version);
            }
            if item["tags"].is_null() {
                item["tags"] = Value::Array(Vec::new());
            }
            if let Some(members) = item.as_object_mut() {
                members.retain(|name, value| fields.contains(&name.as_str()) && !value.is_null());
            }
        }
    }
    filled
}

/// A member that is `null` says the same as one that is left out.
fn without_nulls(mut entry: Value) -> Value {
    for list in ["capabilities", "dependencies"] {
        for item in entry[list].as_array_mut().into_iter().flatten() {
            if let Some(members) = item.as_object_mut() {
                members.retain(|_, value| !value.is_null());
            }
        }
    }
    entry
}

fn refused(exchange: &Exchange, status: u16, faults: &[Fault]) -> Held {
    expect_status(exchange, status)?;
    let kind = exchange.header("content-type").unwrap_or_default();
    if !kind.starts_with("application/problem+json") {
        return Err(format!("A refusal is `{kind}` instead of application/problem+json."));
    }
    let problem = body(exchange);
    if problem["status"] != status
        || ["type", "title", "detail"].iter().any(|name| !problem[name].is_string())
    {
        return Err(format!("A refusal lacks `type`, `title`, `status` or `detail`: {problem}."));
    }
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    let named: Vec<&str> = errors.iter().filter_map(|error| error["pointer"].as_str()).collect();
    let names = |pointer: &str, fault: &Fault| {
        fault.iter().any(|at| {
            pointer.strip_prefix(at.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    if let Some(missing) = faults.iter().find(|fault| !named.iter().any(|pointer| names(pointer, fault))) {
        return Err(format!("{missing:?} is wrong too, but only {named:?} are named."));
    }
    let surplus = named.iter().find(|pointer| !faults.iter().any(|fault| names(pointer, fault)));
    match surplus.filter(|_| !faults.is_empty()) {
        Some(surplus) => Err(format!("{surplus} is named as wrong, though it is right.")),
        None => Ok(()),
    }
}

/// Steps `plain` and `query` for each route, a case each, with `look` at the agent behind; `beat` and `look` for
/// unknown fields.
pub(super) fn input_3(talk: &Talk<'_>, _known: &Known<'_>, findings: &mut Findings) {
    let plain = step(talk, "plain");
    // A route that is not there cannot be judged.
    let there = plain.is_none_or(|plain| plain.status().is_some_and(|status| status < 400));
    for query in
        steps(talk, "query").into_iter().filter(|query| query.status().is_some_and(|status| status != 503))
    {
        if there {
            findings.decide(query, expect_status(query, 400));
        } else {
            findings.sample();
        }
    }
    for beat in
        steps(talk, "beat").into_iter().filter(|beat| beat.status().is_some_and(|status| status != 503))
    {
        findings.decide(beat, expect_status(beat, 200));
    }
    let register =
        talk.iter().rfind(|one| ["register", "beat"].contains(&one.step.as_str()) && is_whole(one));
    let (Some(register), Some(look)) = (register, step(talk, "look")) else { return };
    if register.status() != Some(200) || silent(look) {
        return findings.sample();
    }
    let (entry, document) = (without_nulls(body(look)), filled(&sent(register)));
    let extra = sent(register).as_object().and_then(|members| {
        let surplus = |name: &&String| name.starts_with("x_") && entry.get(name.as_str()).is_some();
        members.keys().find(surplus).cloned()
    });
    let held = match extra {
        Some(name) => Err(format!("The unknown field `{name}` is shown.")),
        None => expect(look, &shortened(&entry), &shortened(&document), shows(&entry, &document)),
    };
    findings.decide(look, held);
}

fn is_whole(exchange: &Exchange) -> bool {
    sent(exchange)["capabilities"].is_array()
}

fn shortened(value: &Value) -> String {
    value.to_string().chars().take(400).collect()
}
