//! The profile `pull-only/1`: PULL-001 to PULL-015, of which PASSIVE-5 is a part.

use reports::history::Exchange;
use serde_json::Value;

use super::super::model::{body, step, steps};
use super::super::{Findings, Known, Talk};
use super::rules::{Rules, answered, error, is_legacy, messages, posts, result, sent};

const ALL: &[&str] = &[
    "PULL-001", "PULL-002", "PULL-003", "PULL-004", "PULL-005", "PULL-006", "PULL-007", "PULL-008",
    "PULL-009", "PULL-010", "PULL-011", "PULL-012", "PULL-013", "PULL-014", "PULL-015",
];

/// What is sent though no request asked for it, and what would announce it.
const UNASKED: &[&str] =
    &["PULL-001", "PULL-002", "PULL-005", "PULL-006", "PULL-007", "PULL-010", "PULL-013"];

/// What a field is called whose value somebody might call back.
const CALLED_BACK: &[&str] = &["callback", "webhook", "hook", "notify", "url", "uri", "endpoint"];

const LIST_STEPS: &[&str] = &[
    "list on the idle connection",
    "list",
    "list after calls",
    "list again on the idle connection",
    "list on a fresh connection",
];

pub(in crate::judge::probe) fn mcp_3(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    judge(talk, known, Rules::new(findings, ALL), "probe MCP-3");
}

pub(in crate::judge::probe) fn passive_5(talk: &Talk<'_>, known: &Known<'_>, findings: &mut Findings) {
    judge(talk, known, Rules::new(findings, UNASKED), "probe PASSIVE-5");
}

fn judge(talk: &Talk<'_>, known: &Known<'_>, mut rules: Rules<'_>, own: &str) {
    for exchange in talk.iter().filter(|exchange| exchange.target == "/mcp") {
        on_every_answer(&mut rules, exchange);
    }
    for exchange in posts(talk).filter(|exchange| sent(exchange)["id"].is_number()) {
        on_every_request(&mut rules, exchange);
    }
    streams(&mut rules, talk);
    capabilities(&mut rules, talk);
    push_methods(&mut rules, talk);
    silence(&mut rules, talk);
    statelessness(&mut rules, talk);
    inert_fields(&mut rules, talk);
    let touch = known.touches.iter().find(|touch| touch.agent.as_deref() == Some(own));
    if let Some(registered) = step(talk, "call agent_heartbeat").filter(|_| known.tripwire) {
        rules.hold("PULL-014", registered, touch.is_none(), || {
            let from = touch.map_or("nobody", |touch| touch.from.as_str());
            format!("an endpoint that was declared by a tool was called from {from}")
        });
    }
    rules.finish();
}

fn on_every_answer(rules: &mut Rules<'_>, exchange: &Exchange) {
    for message in messages(exchange) {
        let method = message["method"].as_str();
        rules.hold("PULL-001", exchange, method.is_none() || message.get("id").is_none(), || {
            format!("the server asked `{}` of the client in what answered `{}`", shown(method), exchange.step)
        });
        rules.hold("PULL-010", exchange, method.is_none() || message.get("id").is_some(), || {
            format!("the server sent `{}` in what answered `{}`", shown(method), exchange.step)
        });
    }
    let session = exchange.header("mcp-session-id");
    rules.hold("PULL-004", exchange, session.is_none(), || {
        format!("the answer to `{}` gives out the session id {}", exchange.step, shown(session))
    });
}

fn on_every_request(rules: &mut Rules<'_>, exchange: &Exchange) {
    let content_type = exchange.header("content-type").unwrap_or_default();
    let json = content_type.starts_with("application/json") && body(exchange).is_object();
    rules.hold("PULL-005", exchange, json, || {
        format!("`{}` was answered by `{content_type}` instead of one JSON object", exchange.step)
    });
    let result = result(exchange);
    if result.is_object() {
        let kind = result["resultType"].as_str();
        let complete = kind == Some("complete") || is_legacy(exchange) && kind.is_none();
        rules.hold("PULL-009", exchange, complete, || {
            format!(
                "the result of `{}` is of the type `{}` instead of `complete`",
                exchange.step,
                shown(kind)
            )
        });
    }
}

fn streams(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for (name, rule) in [("get", "PULL-002"), ("delete", "PULL-003")] {
        for exchange in steps(talk, name) {
            let allowed = exchange.header("allow").unwrap_or_default();
            let stream = exchange.header("content-type").is_some_and(|value| value.contains("event-stream"));
            rules.hold(
                rule,
                exchange,
                exchange.status() == Some(405) && allowed == "POST" && !stream,
                || {
                    let stream = if stream { " with an event stream" } else { "" };
                    format!(
                        "{} was answered {}{stream}, `Allow: {allowed}`, instead of 405 with `Allow: POST`",
                        exchange.method,
                        exchange.status().unwrap_or_default()
                    )
                },
            );
        }
    }
}

fn capabilities(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for name in ["discover", "legacy initialize"] {
        for exchange in steps(talk, name) {
            let declared = result(exchange)["capabilities"].take();
            let pushes = pushes(&declared);
            let told = || format!("`{name}` declares {}: {declared}", pushes.as_deref().unwrap_or("nothing"));
            rules.hold("PULL-006", exchange, declared.is_object() && pushes.is_none(), told);
        }
    }
}

/// What of the capabilities announces that the server will speak first, or is not of the profile.
fn pushes(declared: &Value) -> Option<String> {
    let members = declared.as_object()?;
    for (name, value) in members {
        if ["logging", "tasks"].contains(&name.as_str()) {
            return Some(format!("`{name}`"));
        }
        if name == "extensions" && value.as_object().is_some_and(|extensions| !extensions.is_empty()) {
            return Some("extensions".to_owned());
        }
        for flag in ["listChanged", "subscribe"] {
            if value[flag] == true {
                return Some(format!("`{name}.{flag}`"));
            }
        }
    }
    None
}

fn push_methods(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    for exchange in steps(talk, "push method") {
        rules.hold("PULL-008", exchange, error(exchange) == (404, -32_601), || {
            format!("{}: `{}` is no method of the profile", answered(exchange), sent(exchange)["method"])
        });
    }
    for exchange in steps(talk, "legacy push method") {
        rules.hold("PULL-008", exchange, error(exchange).1 != 0, || {
            format!("{}: `{}` is no method of the profile", answered(exchange), sent(exchange)["method"])
        });
    }
    for exchange in steps(talk, "listen") {
        let acknowledged = messages(exchange).iter().all(|message| {
            let ours = message["method"] == "notifications/subscriptions/acknowledged";
            let filter = &message["params"]["notifications"];
            ours && filter.as_object().is_none_or(serde_json::Map::is_empty)
        });
        let holds = error(exchange) == (404, -32_601)
            || exchange.status() == Some(200) && acknowledged && !messages(exchange).is_empty();
        rules.hold("PULL-007", exchange, holds, || {
            format!("{} and told {}", answered(exchange), Value::Array(messages(exchange)))
        });
    }
}

/// Only a silence in which an agent came and expired proves something.
fn silence(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    let expired = step(talk, "the agent has expired")
        .is_some_and(|exchange| exchange.status() == Some(404) || body(exchange)["status"] == "expired");
    for exchange in steps(talk, "overhear").into_iter().filter(|_| expired) {
        let note = exchange.note.as_deref().unwrap_or_default();
        if note == "there was no open connection" {
            continue;
        }
        let unasked = !note.starts_with("0 bytes") && note != "the registry closed the connection";
        rules.hold("PULL-013", exchange, !unasked, || {
            format!("over an idle connection came what nobody had asked for: {note}")
        });
    }
}

fn statelessness(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    let lists: Vec<&Exchange> = LIST_STEPS.iter().flat_map(|name| steps(talk, name)).collect();
    let Some((first, others)) = lists.split_first() else { return };
    for other in others.iter().filter(|other| other.answer().is_some()) {
        rules.hold("PULL-011", other, other.status() == first.status(), || {
            format!("{}, but {}: a call must not depend on its connection", answered(first), answered(other))
        });
        rules.hold("PULL-012", other, result(other)["tools"] == result(first)["tools"], || {
            format!("`{}` tells other tools, or in another order, than `{}`", other.step, first.step)
        });
    }
    let legacy = [step(talk, "legacy list before initialize"), step(talk, "legacy list")];
    if let [Some(before), Some(after)] = legacy {
        rules.hold("PULL-011", before, result(before)["tools"] == result(after)["tools"], || {
            format!("{}, but {}: nothing may depend on a greeting", answered(before), answered(after))
        });
    }
}

/// Fields that look as if somebody would call back say that nobody does.
fn inert_fields(rules: &mut Rules<'_>, talk: &Talk<'_>) {
    let Some(list) = step(talk, "list") else { return };
    for tool in result(list)["tools"].as_array().into_iter().flatten() {
        for (name, schema) in tool["inputSchema"]["properties"].as_object().into_iter().flatten() {
            let lower = name.to_lowercase();
            let suspicious = CALLED_BACK.iter().any(|word| lower.contains(word));
            let described = schema["description"].as_str().unwrap_or_default().to_lowercase();
            let inert = ["never", "not ", "inert"].iter().any(|word| described.contains(word));
            rules.should("PULL-015", list, !suspicious || inert, || {
                format!("the argument `{name}` of {} does not say that nobody calls it", tool["name"])
            });
        }
    }
}

fn shown(text: Option<&str>) -> &str {
    text.unwrap_or("nothing")
}
