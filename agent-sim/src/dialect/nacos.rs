//! Nacos' open API of version 1, as r-nacos (0.8) speaks it: `POST`, `PUT .../beat` and `DELETE
//! /nacos/v1/ns/instance`, `GET /nacos/v1/ns/instance/list`.
//!
//! All agents are ephemeral instances of one service. A beat names an instance by host and port, and a lean heartbeat
//! knows no more of an agent than its id: so the id stands for the host, and the agent's true address in the metadata.
//! An unhealthy instance is expired here and a deleted one gone, since only healthy ones are handed to consumers.
//!
//! What it lacks: a degraded state, filters that hold, a single read that tells "not there" from trouble, entity tags,
//! revisions, epochs, timeouts of an instance's own, and whatever was registered before a restart. A beat of an unknown
//! instance creates it, so that no renewal is ever answered "unknown".
//!
//! An instance that comes back under its name is shown with the metadata that it had before, whatever it registers with;
//! only a second registration counts (seen in r-nacos 0.8.8). One registration is what any agent sends, so one is sent here.

use reports::history::{Abilities, AgentSeen, Filter, Outcome, Seen, Status};
use serde::Deserialize;
use serde_json::json;

use super::{Call, Dialect, Document, Reading, WireAnswer, WireRequest, escaped, hook, parsed, shortened};

/// The name on the command line.
pub const NAME: &str = "nacos";

const INSTANCE: &str = "/nacos/v1/ns/instance";

/// The service whose instances the agents are, with its group.
const SERVICE: &str = "DEFAULT_GROUP@@wallflower";

/// Every instance's port: the host alone tells them apart.
const PORT: u16 = 1;

/// What a beat's answer says when all is well, and when a light beat's instance is not there (not by r-nacos).
const BEAT_OK: u64 = 10_200;
const BEAT_UNKNOWN: u64 = 20_404;

/// Speaks to Nacos.
#[derive(Debug, Clone, Copy)]
pub struct Nacos;

impl Dialect for Nacos {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            degraded: false,
            evicts: true,
            policies_by_type: false,
            single_read: false,
            conditional_lists: false,
            revisions: false,
            epochs: false,
            durable: false,
            lease_after_restart: false,
            contract: false,
        }
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        Some(match call {
            Call::Register(document) => registering(document),
            Call::Renew { agent_id, .. } => {
                WireRequest::bare("PUT", format!("{INSTANCE}/beat?{}", named(agent_id)))
            }
            Call::Leave { agent_id } => {
                WireRequest::bare("DELETE", format!("{INSTANCE}?{}&ephemeral=true", named(agent_id)))
            }
            Call::List { filter, .. } if filter.label.is_some() => return None,
            Call::List { .. } => listing(),
            // The beat is the leanest already.
            Call::Probe { .. } | Call::Changes { .. } | Call::Read { .. } | Call::Events { .. } => {
                return None;
            }
            Call::Provoke { request, .. } => request.clone(),
        })
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        match (call, answer.status) {
            (Call::Provoke { .. }, _) => Reading::of(Outcome::Shown),
            (_, 500..) => Reading::of(Outcome::Unavailable).noting(words(answer)),
            (_, 300..) => Reading::of(Outcome::Refused).noting(words(answer)),
            // Whether the instance was there before is not said; a new one is the rule.
            (Call::Register(_), 200) if answer.body == b"ok" => Reading::of(Outcome::Registered),
            (Call::Leave { .. }, 200) if answer.body == b"ok" => Reading::of(Outcome::Left),
            (Call::Renew { .. }, 200) => beat(answer),
            (Call::List { filter, .. }, 200) => list(filter, answer),
            _ => Reading::of(Outcome::Failed).noting(format!("unexpected answer {}", words(answer))),
        }
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        let hook = hook(agent);
        let address = hook.endpoint;
        Some(match answers.len() {
            0 => registering(&hook),
            // As a subscriber that could be told of changes by UDP.
            1 => WireRequest::bare(
                "GET",
                format!(
                    "{INSTANCE}/list?serviceName={}&clientIP={}&udpPort={}",
                    escaped(SERVICE),
                    address.ip(),
                    address.port()
                ),
            ),
            2 => WireRequest::bare("PUT", format!("{INSTANCE}/beat?{}", named(&hook.agent_id))),
            3 => WireRequest::bare(
                "GET",
                format!("/nacos/v1/ns/service/list?pageNo=1&pageSize=10&clientIP={}", address.ip()),
            ),
            4 => WireRequest::bare("DELETE", format!("{INSTANCE}?{}&ephemeral=true", named(&hook.agent_id))),
            _ => return None,
        })
    }

    fn policies_path(&self) -> Option<&'static str> {
        None
    }
}

/// The instance of an agent, as every query names it.
fn named(agent_id: &str) -> String {
    format!("serviceName={}&ip={}&port={PORT}", escaped(SERVICE), escaped(agent_id))
}

fn listing() -> WireRequest {
    WireRequest::bare("GET", format!("{INSTANCE}/list?serviceName={}&healthyOnly=false", escaped(SERVICE)))
}

/// Metadata are texts.
fn registering(document: &Document) -> WireRequest {
    let capabilities: Vec<&str> = document.capabilities.iter().map(|(name, _)| name.as_str()).collect();
    let metadata = json!({
        "type": document.agent_type,
        "endpoint": format!("http://{}/mcp", document.endpoint),
        "capabilities": capabilities.join(","),
        "document": document.document.to_string(),
    });
    let path = format!(
        "{INSTANCE}?{}&ephemeral=true&metadata={}",
        named(&document.agent_id),
        escaped(&metadata.to_string())
    );
    WireRequest::bare("POST", path)
}

fn beat(answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        code: u64,
    }
    parsed(answer, |body: Body| match body.code {
        BEAT_OK => Reading::of(Outcome::Renewed),
        BEAT_UNKNOWN => Reading::of(Outcome::Unknown),
        other => Reading::of(Outcome::Failed).noting(format!("unknown code {other}")),
    })
}

#[derive(Deserialize)]
struct Host {
    ip: String,
    healthy: bool,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default, rename = "type")]
    agent_type: String,
    #[serde(default)]
    capabilities: String,
    document: Option<String>,
}

/// The whole list comes, with unhealthy instances; the filter is applied here.
fn list(filter: &Filter, answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        hosts: Vec<Host>,
    }
    parsed(answer, |body: Body| {
        let agents = body.hosts.into_iter().filter(|host| is_wanted(filter, host)).map(|host| AgentSeen {
            status: status(&host),
            document: host.metadata.document.and_then(|number| number.parse().ok()),
            id: host.ip,
            epoch: None,
        });
        Reading::of(Outcome::Shown).seeing(Seen { agents: Some(agents.collect()), ..Seen::default() })
    })
}

fn status(host: &Host) -> Status {
    if host.healthy { Status::Healthy } else { Status::Expired }
}

/// Whether a list with this filter is to show the instance; one that names no status leaves expired agents out.
fn is_wanted(filter: &Filter, host: &Host) -> bool {
    let status = status(host);
    let of_status = match filter.status.as_slice() {
        [] => status != Status::Expired,
        statuses => statuses.contains(&status),
    };
    let offers = |name: &String| host.metadata.capabilities.split(',').any(|offered| offered == name);
    of_status
        && filter.agent_type.as_ref().is_none_or(|wanted| *wanted == host.metadata.agent_type)
        && filter.capability.as_ref().is_none_or(offers)
}

fn words(answer: &WireAnswer) -> String {
    shortened(&format!("{}: {}", answer.status, String::from_utf8_lossy(&answer.body)))
}
