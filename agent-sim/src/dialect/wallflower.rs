//! The words of the contract itself (sections 4.1 to 4.8).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use reports::history::{Abilities, AgentSeen, Filter, Outcome, Policy, Reported, Seen, Status, Text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{
    Call, Dialect, Document, Reading, WireAnswer, WireRequest, escaped, parsed, shortened, wallflower_mcp,
};

mod provocations;

/// The name on the command line.
pub const NAME: &str = "wallflower";

/// The label that carries [`Document::document`].
const DOCUMENT_LABEL: &str = "wallflower.document";

/// Most agents on a page, the most that the contract allows.
pub(super) const PAGE_LIMIT: u32 = 10_000;

/// Speaks to any registry that keeps the contract.
#[derive(Debug, Clone, Copy)]
pub struct Wallflower;

impl Dialect for Wallflower {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Abilities::ALL
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        Some(match call {
            Call::Register(document) => WireRequest::json("/heartbeat", &full_heartbeat(document)),
            Call::Renew { agent_id, status, order, wiring_revision } => {
                WireRequest::json("/heartbeat", &lean_heartbeat(agent_id, *status, *order, *wiring_revision))
            }
            Call::Probe { agent_id, wiring_revision } => {
                let mut path = ["/heartbeat/", &escaped(agent_id)].concat();
                if let Some(revision) = wiring_revision {
                    path.push_str("?wiring_revision=");
                    path.push_str(itoa::Buffer::new().format(*revision));
                }
                WireRequest::bare("HEAD", path)
            }
            Call::Leave { agent_id } => WireRequest::bare("DELETE", format!("/agents/{}", escaped(agent_id))),
            Call::List { filter, if_none_match } => {
                let mut request = WireRequest::bare("GET", list_path(filter, None));
                request.headers.extend(if_none_match.clone().map(|etag| ("if-none-match", etag)));
                request
            }
            Call::Changes { filter, since, store_id, wait } => {
                WireRequest::bare("GET", changes_path(filter, *since, store_id, *wait))
            }
            Call::Read { agent_id } => WireRequest::bare("GET", format!("/agents/{}", escaped(agent_id))),
            Call::Events { agent_id } => {
                WireRequest::bare("GET", format!("/events?agent_id={}", escaped(agent_id)))
            }
            Call::Provoke { request, .. } => request.clone(),
        })
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        match (call, answer.status) {
            (Call::Provoke { .. }, _) => Reading::of(Outcome::Shown),
            (_, 500..) => {
                let seen = Seen { retry_after: answer.retry_after.clone(), ..Seen::default() };
                Reading::of(Outcome::Unavailable).noting(problem(answer)).seeing(seen)
            }
            (_, 400..) => refusal(call, answer),
            (Call::List { .. }, 304) => {
                Reading::of(Outcome::Unchanged).seeing(Seen { etag: answer.etag.clone(), ..Seen::default() })
            }
            (Call::Register(_) | Call::Renew { .. }, 200) => heartbeat(answer),
            // A HEAD that says "wiring changed" tells of other agents' changes: this one only renewed.
            (Call::Probe { .. }, 200 | 202) => {
                Reading { wiring_changed: answer.status == 202, ..Reading::of(Outcome::Renewed) }
            }
            (Call::Leave { .. }, 204) => Reading::of(Outcome::Left),
            (Call::List { filter, .. }, 200) => list(filter, answer),
            (Call::Changes { filter, .. }, 200) => changes(filter, answer),
            (Call::Read { .. }, 200) => single(answer),
            (Call::Events { .. }, 200) => events(answer),
            (_, 200..=299) => {
                Reading::of(Outcome::Failed).noting(format!("unexpected status {}", answer.status))
            }
            _ => Reading::of(Outcome::Refused).noting(format!("unexpected status {}", answer.status)),
        }
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        provocations::provocations(agent).into_iter().nth(answers.len())
    }

    fn policies_path(&self) -> Option<&'static str> {
        Some("/policies")
    }

    fn over_mcp(&self) -> Option<Arc<dyn Dialect>> {
        Some(Arc::new(wallflower_mcp::WallflowerMcp))
    }
}

/// Reads the answer of `GET /policies`: the timeouts by agent type, and W in milliseconds.
///
/// # Errors
/// In words, when it is no such answer or the type `default` is missing.
pub fn read_policies(body: &[u8]) -> Result<(BTreeMap<String, Policy>, u64), String> {
    #[derive(Deserialize)]
    struct Published {
        policies: BTreeMap<String, Policy>,
        transition_bound_ms: u64,
    }
    let published: Published = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    if !published.policies.contains_key("default") {
        return Err("it names no policy `default`".to_owned());
    }
    Ok((published.policies, published.transition_bound_ms))
}

pub(super) fn full_heartbeat(document: &Document) -> Value {
    let capabilities: Vec<Value> = document
        .capabilities
        .iter()
        .map(|(name, version)| json!({ "name": name, "version": version }))
        .collect();
    let dependencies: Vec<Value> =
        document.dependencies.iter().map(|capability| json!({ "capability": capability })).collect();
    let mut labels: Map<String, Value> =
        document.labels.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
    labels.insert(DOCUMENT_LABEL.to_owned(), json!(document.document.to_string()));
    let mut body = json!({
        "agent_id": document.agent_id,
        "agent_type": document.agent_type,
        "endpoint": format!("http://{}/mcp", document.endpoint),
        "capabilities": capabilities,
        "dependencies": dependencies,
        "labels": labels,
    });
    add(&mut body, "status", document.status);
    add(&mut body, "incarnation", document.incarnation);
    add(&mut body, "sequence", document.sequence);
    body
}

/// A heartbeat without a document. It is what is sent most of all, so it is no [`Value`].
#[derive(Serialize)]
pub(super) struct LeanHeartbeat<'a> {
    agent_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    incarnation: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sequence: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Reported>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wiring_revision: Option<u64>,
}

pub(super) fn lean_heartbeat(
    agent_id: &str,
    status: Option<Reported>,
    order: Option<(u64, u64)>,
    wiring_revision: Option<u64>,
) -> LeanHeartbeat<'_> {
    let (incarnation, sequence) = order.unzip();
    LeanHeartbeat { agent_id, incarnation, sequence, status, wiring_revision }
}

/// Adds a member that is only sent when there is a value.
fn add<T: serde::Serialize>(body: &mut Value, name: &str, value: Option<T>) {
    if let Some(value) = value {
        body[name] = json!(value);
    }
}

fn list_path(filter: &Filter, cursor: Option<&str>) -> String {
    let mut path = format!("/agents?limit={PAGE_LIMIT}");
    push_filter(&mut path, filter);
    if let Some(cursor) = cursor {
        push(&mut path, "cursor", cursor);
    }
    path
}

/// A delta has no pages.
fn changes_path(filter: &Filter, since: u64, store_id: &str, wait: Option<Duration>) -> String {
    let mut path = format!("/agents?since={since}");
    push(&mut path, "store_id", store_id);
    push_filter(&mut path, filter);
    if let Some(wait) = wait {
        push(&mut path, "wait_ms", &wait.as_millis().to_string());
    }
    path
}

fn push(path: &mut String, name: &str, value: &str) {
    path.push('&');
    path.push_str(name);
    path.push('=');
    path.push_str(&escaped(value));
}

fn push_filter(path: &mut String, filter: &Filter) {
    let mut push = |name: &str, value: &str| push(path, name, value);
    if let Some(capability) = &filter.capability {
        push("capability", capability);
    }
    if let Some(agent_type) = &filter.agent_type {
        push("type", agent_type);
    }
    for status in &filter.status {
        push("status", status_word(*status));
    }
    if let Some((key, value)) = &filter.label {
        push("label", &format!("{key}={value}"));
    }
}

pub(super) fn status_word(status: Status) -> &'static str {
    match status {
        Status::Healthy => "healthy",
        Status::Degraded => "degraded",
        Status::Expired => "expired",
    }
}

fn refusal(call: &Call, answer: &WireAnswer) -> Reading {
    // To those who ask for changes, 410 says that these cannot be told any more.
    let may_be_gone = !matches!(call, Call::List { .. });
    let outcome = match answer.status {
        404 | 410 if may_be_gone => Outcome::Unknown,
        409 => Outcome::Conflict,
        _ => return Reading::of(Outcome::Refused).noting(problem(answer)),
    };
    Reading::of(outcome)
}

pub(super) fn heartbeat(answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body<'a> {
        #[serde(borrow)]
        result: Option<Text<'a>>,
        epoch: Option<u64>,
        revision: Option<u64>,
        wiring_revision: Option<u64>,
    }
    parsed(answer, |body: Body<'_>| {
        let outcome = match body.result.as_ref().map(|Text(word)| word.as_ref()) {
            Some("registered") => Outcome::Registered,
            Some("renewed") => Outcome::Renewed,
            Some("updated") => Outcome::Updated,
            Some("stale") => Outcome::Stale,
            other => {
                return Reading::of(Outcome::Failed).noting(shortened(&format!("unknown result {other:?}")));
            }
        };
        let seen = Seen { revision: body.revision, epoch: body.epoch, ..Seen::default() };
        Reading { wiring_revision: body.wiring_revision, ..Reading::of(outcome).seeing(seen) }
    })
}

/// An entry of a list, or the single read: what the harness looks at.
#[derive(Deserialize)]
pub(super) struct Entry {
    agent_id: String,
    status: Status,
    epoch: Option<u64>,
    #[serde(default)]
    labels: DocumentLabel,
}

/// The one label that the harness looks at.
#[derive(Default, Deserialize)]
struct DocumentLabel {
    #[serde(rename = "wallflower.document")]
    document: Option<String>,
}

impl From<Entry> for AgentSeen {
    fn from(entry: Entry) -> Self {
        Self {
            id: entry.agent_id,
            status: entry.status,
            epoch: entry.epoch,
            document: entry.labels.document.and_then(|number| number.parse().ok()),
        }
    }
}

fn list(filter: &Filter, answer: &WireAnswer) -> Reading {
    listed(answer, |cursor| WireRequest::bare("GET", list_path(filter, Some(cursor))))
}

/// A page of a list, with the request for the next one.
pub(super) fn listed(answer: &WireAnswer, next: impl Fn(&str) -> WireRequest) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        store_id: Option<String>,
        revision: Option<u64>,
        next_cursor: Option<String>,
        agents: Vec<Entry>,
    }
    parsed(answer, |body: Body| {
        let seen = Seen {
            revision: body.revision,
            etag: answer.etag.clone(),
            agents: Some(body.agents.into_iter().map(AgentSeen::from).collect()),
            ..Seen::default()
        };
        Reading {
            store_id: body.store_id,
            next_page: body.next_cursor.as_deref().map(next),
            ..Reading::of(Outcome::Shown).seeing(seen)
        }
    })
}

/// What changed, or the whole list all the same.
fn changes(filter: &Filter, answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        store_id: Option<String>,
        revision: Option<u64>,
        changed: Option<Vec<Entry>>,
        #[serde(default)]
        removed: Vec<String>,
    }
    parsed(answer, |body: Body| {
        let Some(changed) = body.changed else {
            let whole = list(filter, answer);
            return Reading { seen: whole.seen.map(|seen| Seen { full: true, ..seen }), ..whole };
        };
        let seen = Seen {
            revision: body.revision,
            agents: Some(changed.into_iter().map(AgentSeen::from).collect()),
            removed: body.removed,
            ..Seen::default()
        };
        Reading { store_id: body.store_id, ..Reading::of(Outcome::Shown).seeing(seen) }
    })
}

fn single(answer: &WireAnswer) -> Reading {
    // The entry's own `revision` is that of its last change, not the registry's: it is left out.
    parsed(answer, |entry: Entry| {
        Reading::of(Outcome::Shown).seeing(Seen {
            etag: answer.etag.clone(),
            agents: Some(vec![AgentSeen::from(entry)]),
            ..Seen::default()
        })
    })
}

fn events(answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Event {
        number: u64,
    }
    #[derive(Deserialize)]
    struct Body {
        events: Vec<Event>,
    }
    parsed(answer, |body: Body| {
        let numbers = body.events.into_iter().map(|event| event.number).collect();
        Reading::of(Outcome::Shown).seeing(Seen { events: Some(numbers), ..Seen::default() })
    })
}

/// The detail of a problem document (RFC 9457), else the beginning of the body.
pub(super) fn problem(answer: &WireAnswer) -> String {
    #[derive(Deserialize)]
    struct Problem {
        title: Option<String>,
        detail: Option<String>,
    }
    let words = serde_json::from_slice::<Problem>(&answer.body)
        .ok()
        .and_then(|problem| problem.detail.or(problem.title))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    shortened(&format!("{}: {words}", answer.status))
}
