//! The Go registry of mcp-mesh (3.7): `POST` and `HEAD /heartbeat`, `DELETE /agents/{id}`, `GET /agents`.
//!
//! What it lacks: a degraded state, a lean POST, single reads, filters that hold, entity tags, revisions, epochs. It
//! keeps what expired or left as `unhealthy`. The number of a document travels in the agent's description.

use reports::history::{Abilities, AgentSeen, Filter, Outcome, Seen, Status};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Call, Dialect, Document, HOOK_CAPABILITY, Reading, WireAnswer, WireRequest, escaped, hook, parsed,
    shortened,
};

/// The name on the command line.
pub const NAME: &str = "mcp-mesh";

/// What stands before the document's number in the description.
const DOCUMENT_PREFIX: &str = "wallflower document ";

/// Speaks to the registry of mcp-mesh.
#[derive(Debug, Clone, Copy)]
pub struct McpMesh;

impl Dialect for McpMesh {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            degraded: false,
            evicts: false,
            policies_by_type: false,
            single_read: false,
            conditional_lists: false,
            revisions: false,
            epochs: false,
            durable: true,
            lease_after_restart: false,
            contract: false,
        }
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        match call {
            Call::Register(document) => Some(WireRequest::json("/heartbeat", &heartbeat(document))),
            Call::Renew { agent_id, .. } | Call::Probe { agent_id, .. } => {
                Some(WireRequest::bare("HEAD", format!("/heartbeat/{}", escaped(agent_id))))
            }
            Call::Leave { agent_id } => {
                Some(WireRequest::bare("DELETE", format!("/agents/{}", escaped(agent_id))))
            }
            // It knows neither the harness's agent types nor labels, so it cannot be asked for them.
            Call::List { filter, .. } if filter.agent_type.is_some() || filter.label.is_some() => None,
            Call::List { .. } => Some(WireRequest::bare("GET", "/agents")),
            Call::Changes { .. } | Call::Read { .. } | Call::Events { .. } => None,
            Call::Provoke { request, .. } => Some(request.clone()),
        }
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        match (call, answer.status) {
            (Call::Provoke { .. }, _) => Reading::of(Outcome::Shown),
            (_, 500..) => Reading::of(Outcome::Unavailable).noting(error_words(answer)),
            (Call::Renew { .. } | Call::Probe { .. }, 410) => Reading::of(Outcome::Unknown),
            (_, 300..) => Reading::of(Outcome::Refused).noting(error_words(answer)),
            (Call::Register(_), 200) => registration(answer),
            (Call::Renew { .. } | Call::Probe { .. }, 200 | 202) => {
                Reading { wiring_changed: answer.status == 202, ..Reading::of(Outcome::Renewed) }
            }
            (Call::Leave { .. }, 204) => Reading::of(Outcome::Left),
            (Call::List { filter, .. }, 200) => list(filter, answer),
            _ => Reading::of(Outcome::Failed).noting(format!("unexpected status {}", answer.status)),
        }
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        let hook = hook(agent);
        let address = hook.endpoint;
        match answers.len() {
            // It forwards only to addresses that some agent has registered.
            0 => Some(WireRequest::json("/heartbeat", &heartbeat(&hook))),
            1 => Some(WireRequest::bare("GET", format!("/proxy/{address}/mcp"))),
            2 => Some(WireRequest::json(
                format!("/proxy/{address}/mcp"),
                &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
            )),
            3 => Some(WireRequest::json("/jobs", &job(&hook))),
            4 => {
                // Without a job there is nothing to cancel, but the requests after it still count.
                let id = answers.last().and_then(job_id).unwrap_or_else(|| "none".to_owned());
                let path = format!("/jobs/{}/cancel", escaped(&id));
                Some(WireRequest::json(path, &json!({ "reason": "provoked" })))
            }
            5 => Some(WireRequest::bare("DELETE", format!("/agents/{}", escaped(&hook.agent_id)))),
            _ => None,
        }
    }

    fn policies_path(&self) -> Option<&'static str> {
        None
    }
}

/// The first tool carries the dependencies, as a real agent's function does; an agent without capabilities gets a tool
/// of its own name for them.
fn heartbeat(document: &Document) -> Value {
    let dependencies: Vec<Value> = document
        .dependencies
        .iter()
        .map(|capability| json!({ "capability": capability, "tags": [] }))
        .collect();
    let consumer = (format!("{}.consumer", document.agent_id), "1.0.0".to_owned());
    let offered = if document.capabilities.is_empty() && !document.dependencies.is_empty() {
        std::slice::from_ref(&consumer)
    } else {
        document.capabilities.as_slice()
    };
    let tools: Vec<Value> = offered
        .iter()
        .enumerate()
        .map(|(index, (name, version))| {
            let needs: &[Value] = if index == 0 { &dependencies } else { &[] };
            json!({
                "function_name": format!("function_{index}"),
                "capability": name,
                "version": version,
                "tags": [],
                "dependencies": needs,
            })
        })
        .collect();
    json!({
        "agent_id": document.agent_id,
        "name": document.agent_id,
        "agent_type": "mcp_agent",
        "version": "1.0.0",
        "description": format!("{DOCUMENT_PREFIX}{}", document.document),
        "http_host": document.endpoint.ip().to_string(),
        "http_port": document.endpoint.port(),
        "namespace": "default",
        "status": "healthy",
        "tools": tools,
    })
}

/// A refusal comes as 200 with `"status":"error"`. A first registration is told by its words; a return after an
/// expiry says the same as a renewal, so that it counts as one.
fn registration(answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        status: String,
        #[serde(default)]
        message: String,
    }
    parsed(answer, |body: Body| match body.status.as_str() {
        "success" if body.message.starts_with("Agent registered") => Reading::of(Outcome::Registered),
        "success" => Reading::of(Outcome::Renewed),
        "error" => Reading::of(Outcome::Refused).noting(shortened(&body.message)),
        other => Reading::of(Outcome::Failed).noting(shortened(&format!("unknown status {other:?}"))),
    })
}

/// An entry of the list: what the harness looks at.
#[derive(Deserialize)]
struct Entry {
    id: String,
    status: String,
    #[serde(default)]
    description: String,
    capabilities: Option<Vec<Capability>>,
}

#[derive(Deserialize)]
struct Capability {
    name: String,
}

/// The whole list comes, with expired agents; the filter is applied here.
fn list(filter: &Filter, answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        agents: Option<Vec<Entry>>,
    }
    parsed(answer, |body: Body| {
        let mut agents = Vec::new();
        for entry in body.agents.unwrap_or_default() {
            let status = match entry.status.as_str() {
                "healthy" => Status::Healthy,
                "unhealthy" => Status::Expired,
                other => {
                    let note = format!("agent {} has the unknown status {other:?}", entry.id);
                    return Reading::of(Outcome::Failed).noting(shortened(&note));
                }
            };
            if is_wanted(filter, &entry, status) {
                let number = entry.description.strip_prefix(DOCUMENT_PREFIX);
                let document = number.and_then(|number| number.parse().ok());
                agents.push(AgentSeen { id: entry.id, status, epoch: None, document });
            }
        }
        Reading::of(Outcome::Shown).seeing(Seen { agents: Some(agents), ..Seen::default() })
    })
}

/// Whether a list with this filter is to show the entry; one that names no status leaves expired agents out.
fn is_wanted(filter: &Filter, entry: &Entry, status: Status) -> bool {
    let of_status = match filter.status.as_slice() {
        [] => status != Status::Expired,
        statuses => statuses.contains(&status),
    };
    let offers = |name: &String| entry.capabilities.iter().flatten().any(|offered| offered.name == *name);
    of_status && filter.capability.as_ref().is_none_or(offers)
}

/// A job that the agent owns, so that its cancelling is forwarded to it.
fn job(agent: &Document) -> Value {
    json!({
        "capability": HOOK_CAPABILITY,
        "owner_instance_id": agent.agent_id,
        "submitted_by": agent.agent_id,
        "submitted_payload": {},
    })
}

fn job_id(answer: &WireAnswer) -> Option<String> {
    #[derive(Deserialize)]
    struct Job {
        id: String,
    }
    serde_json::from_slice::<Job>(&answer.body).ok().map(|job| job.id)
}

fn error_words(answer: &WireAnswer) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: Option<String>,
        message: Option<String>,
    }
    let words = serde_json::from_slice::<Body>(&answer.body)
        .ok()
        .and_then(|body| body.error.or(body.message))
        .unwrap_or_else(|| String::from_utf8_lossy(&answer.body).into_owned());
    shortened(&format!("{}: {words}", answer.status))
}
