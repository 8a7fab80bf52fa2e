//! etcd (3.4) by its JSON gateway: an agent is a key that hangs on a lease. Bytes go in base64, 64-bit numbers as texts.
//!
//! A registration is `/v3/lease/grant` and `/v3/kv/put`; where the lease lives already, a keepalive stands between the
//! two. A renewal is `/v3/lease/keepalive`, which answers 200 without a `TTL` when the lease is dead; leaving is
//! `/v3/lease/revoke`; lists are `/v3/kv/range` over the prefix, whole, and filtered here. The lease's id comes from the
//! agent's, so that nothing has to be remembered.
//!
//! What it lacks: a degraded state, a trace of what expired (a dead lease takes its key along, so that it never shows
//! and never evicts an expired agent), filters, entity tags, revisions of a list, epochs. Leases are whole seconds; what is below two would
//! silently become two, so such policies are refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use reports::history::{Abilities, AgentSeen, Filter, Outcome, Policy, Seen, Status};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Call, Dialect, Document, Reading, WireAnswer, WireRequest, hook, parsed, shortened};

/// The name on the command line.
pub const NAME: &str = "etcd";

/// What every agent's key begins with, and the first text behind all of those.
const PREFIX: &str = "wallflower/agents/";
const PREFIX_END: &str = "wallflower/agents0";

/// Most agents on a page.
const PAGE_LIMIT: usize = 10_000;

/// etcd makes less than this of no lease (with its default election timeout).
const SHORTEST_LEASE_SECONDS: u64 = 2;

/// The lease while nobody has told the policies.
const UNTOLD_LEASE_SECONDS: u64 = 60;

/// Statuses of the gateway: the lease is not there, and it is there already.
const NOT_FOUND: u16 = 404;
const ALREADY_EXISTS: u16 = 412;

/// Speaks to etcd.
#[derive(Debug, Clone, Default)]
pub struct Etcd {
    /// X in seconds, by agent type.
    lease_seconds: BTreeMap<String, u64>,
}

impl Dialect for Etcd {
    fn name(&self) -> &str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Abilities {
            degraded: false,
            evicts: false,
            policies_by_type: true,
            single_read: true,
            conditional_lists: false,
            // Its revision counts every write to the store: it is not that of the list.
            revisions: false,
            epochs: false,
            durable: true,
            lease_after_restart: true,
            contract: false,
        }
    }

    fn with_policies(&self, policies: &BTreeMap<String, Policy>) -> Result<Option<Arc<dyn Dialect>>, String> {
        let mut lease_seconds = BTreeMap::new();
        for (agent_type, policy) in policies {
            let ms = policy.expires_after_ms;
            if !ms.is_multiple_of(1_000) || ms < SHORTEST_LEASE_SECONDS * 1_000 {
                return Err(format!(
                    "etcd's leases are whole seconds from {SHORTEST_LEASE_SECONDS} on, but `expires_after` of the \
                     type `{agent_type}` is {ms} ms; write it as \"{}s\"",
                    ms.div_ceil(1_000).max(SHORTEST_LEASE_SECONDS)
                ));
            }
            lease_seconds.insert(agent_type.clone(), ms / 1_000);
        }
        Ok(Some(Arc::new(Self { lease_seconds })))
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        Some(match call {
            Call::Register(document) => self.grant(document),
            Call::Renew { agent_id, .. } => keepalive(agent_id),
            // The keepalive is the leanest already.
            Call::Probe { .. } | Call::Changes { .. } | Call::Events { .. } => return None,
            Call::Leave { agent_id } => {
                WireRequest::json("/v3/lease/revoke", &json!({ "ID": lease_id(agent_id) }))
            }
            // Nobody knows labels here, and nobody remembers who has expired.
            Call::List { filter, .. } if filter.label.is_some() || asks_for_the_dead(filter) => return None,
            Call::List { .. } => page(&encoded(PREFIX), None),
            Call::Read { agent_id } => WireRequest::json("/v3/kv/range", &json!({ "key": key(agent_id) })),
            Call::Provoke { request, .. } => request.clone(),
        })
    }

    /// A registration: the lease, which may be there or die just now, then the key.
    fn follow_up(&self, call: &Call, answers: &[WireAnswer]) -> Option<WireRequest> {
        let Call::Register(document) = call else { return None };
        let last = answers.last()?;
        // Odd ones answer a grant or a keepalive by turns until one of them holds the lease; then comes the put.
        let to_grant = answers.len() % 2 == 1;
        match last.status {
            200 if is_put(last) => None,
            200 if to_grant || keeps_alive(last) => Some(put(document)),
            200 => Some(self.grant(document)),
            ALREADY_EXISTS if to_grant => Some(keepalive(&document.agent_id)),
            _ => None,
        }
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        match (call, answer.status) {
            (Call::Provoke { .. }, _) => Reading::of(Outcome::Shown),
            (_, 500..) => Reading::of(Outcome::Unavailable).noting(error_words(answer)),
            (Call::Leave { .. }, NOT_FOUND) => Reading::of(Outcome::Unknown),
            (_, 300..) => Reading::of(Outcome::Refused).noting(error_words(answer)),
            (Call::Register(document), 200) => registration(document, answer),
            (Call::Renew { .. }, 200) => renewal(answer),
            (Call::Leave { .. }, 200) => Reading::of(Outcome::Left),
            (Call::List { filter, .. }, 200) => list(filter, answer),
            (Call::Read { .. }, 200) => single(answer),
            _ => Reading::of(Outcome::Failed).noting(format!("unexpected status {}", answer.status)),
        }
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        let hook = hook(agent);
        Some(match answers.len() {
            0 => self.grant(&hook),
            1 => put(&hook),
            2 => keepalive(&hook.agent_id),
            3 => WireRequest::json("/v3/kv/range", &json!({ "key": key(&hook.agent_id) })),
            4 => WireRequest::bare("GET", "/metrics"),
            5 => WireRequest::json("/v3/cluster/member/list", &json!({})),
            6 => WireRequest::json("/v3/lease/revoke", &json!({ "ID": lease_id(&hook.agent_id) })),
            _ => return None,
        })
    }

    fn policies_path(&self) -> Option<&'static str> {
        None
    }
}

impl Etcd {
    fn grant(&self, document: &Document) -> WireRequest {
        let told = self.lease_seconds.get(&document.agent_type).or_else(|| self.lease_seconds.get("default"));
        let seconds = told.copied().unwrap_or(UNTOLD_LEASE_SECONDS);
        let body = json!({ "ID": lease_id(&document.agent_id), "TTL": seconds.to_string() });
        WireRequest::json("/v3/lease/grant", &body)
    }
}

/// 63 bits of the id's hash, never 0, by which etcd would choose one itself. Among a million agents two share one with a
/// chance of one in ten million.
fn lease_id(agent_id: &str) -> String {
    let hash = Sha256::digest(agent_id.as_bytes());
    let number = hash.iter().take(8).fold(0_u64, |number, byte| (number << 8) | u64::from(*byte));
    (number >> 1).max(1).to_string()
}

fn encoded(text: &str) -> String {
    BASE64.encode(text)
}

fn key(agent_id: &str) -> String {
    encoded(&format!("{PREFIX}{agent_id}"))
}

fn keepalive(agent_id: &str) -> WireRequest {
    WireRequest::json("/v3/lease/keepalive", &json!({ "ID": lease_id(agent_id) }))
}

/// The answer shows what stood there before, which tells a registration from a renewal.
fn put(document: &Document) -> WireRequest {
    let id = &document.agent_id;
    let body = json!({ "key": key(id), "value": value(document), "lease": lease_id(id), "prev_kv": true });
    WireRequest::json("/v3/kv/put", &body)
}

/// A page of the list, from this key on; later pages show the revision of the first.
fn page(from: &str, revision: Option<u64>) -> WireRequest {
    let mut body = json!({ "key": from, "range_end": encoded(PREFIX_END), "limit": PAGE_LIMIT.to_string() });
    if let Some(revision) = revision {
        body["revision"] = json!(revision.to_string());
    }
    WireRequest::json("/v3/kv/range", &body)
}

/// What stands under an agent's key.
#[derive(Serialize, Deserialize)]
struct Value {
    #[serde(rename = "type")]
    agent_type: String,
    endpoint: String,
    capabilities: Vec<String>,
    document: u64,
}

fn value(document: &Document) -> String {
    let value = Value {
        agent_type: document.agent_type.clone(),
        endpoint: format!("http://{}/mcp", document.endpoint),
        capabilities: document.capabilities.iter().map(|(name, _)| name.clone()).collect(),
        document: document.document,
    };
    encoded(&json!(value).to_string())
}

#[derive(Deserialize)]
struct Header {
    revision: String,
}

#[derive(Deserialize)]
struct Entry {
    key: String,
    value: String,
}

/// Of all answers only that to a put has nothing but a header, and perhaps what was there before.
fn is_put(answer: &WireAnswer) -> bool {
    let body = serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap_or_default();
    body.get("header").is_some() && body.get("ID").is_none()
}

#[derive(Deserialize)]
struct KeptAlive {
    result: Kept,
}

#[derive(Deserialize)]
struct Kept {
    #[serde(rename = "TTL")]
    ttl: Option<String>,
}

fn keeps_alive(answer: &WireAnswer) -> bool {
    serde_json::from_slice::<KeptAlive>(&answer.body).is_ok_and(|kept| kept.result.ttl.is_some())
}

fn renewal(answer: &WireAnswer) -> Reading {
    parsed(answer, |kept: KeptAlive| {
        Reading::of(if kept.result.ttl.is_some() { Outcome::Renewed } else { Outcome::Unknown })
    })
}

fn registration(document: &Document, answer: &WireAnswer) -> Reading {
    #[derive(Deserialize)]
    struct Body {
        prev_kv: Option<Entry>,
    }
    if !is_put(answer) {
        return Reading::of(Outcome::Failed).noting("the lease died again and again before its key was put");
    }
    parsed(answer, |body: Body| {
        let outcome = match body.prev_kv {
            None => Outcome::Registered,
            Some(before) if before.value == value(document) => Outcome::Renewed,
            Some(_) => Outcome::Updated,
        };
        Reading::of(outcome)
    })
}

#[derive(Deserialize)]
struct Range {
    header: Header,
    #[serde(default)]
    kvs: Vec<Entry>,
    #[serde(default)]
    more: bool,
}

/// The agent under a key, with what was declared; else what is wrong.
fn agent(entry: &Entry) -> Result<(AgentSeen, Value), String> {
    let text = |encoded: &str| BASE64.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let key = text(&entry.key).ok_or_else(|| format!("the key {:?} is no text in base64", entry.key))?;
    let id = key.strip_prefix(PREFIX).ok_or_else(|| format!("the key {key:?} was not asked for"))?;
    let value: Value = text(&entry.value)
        .and_then(|text| serde_json::from_str(&text).ok())
        .ok_or_else(|| format!("what stands under {key:?} was not put there by this harness"))?;
    let seen =
        AgentSeen { id: id.to_owned(), status: Status::Healthy, epoch: None, document: Some(value.document) };
    Ok((seen, value))
}

/// All that is there lives: a dead lease takes its key along.
fn list(filter: &Filter, answer: &WireAnswer) -> Reading {
    parsed(answer, |range: Range| {
        let mut agents = Vec::new();
        for entry in &range.kvs {
            match agent(entry) {
                Ok((seen, value)) if is_wanted(filter, &value) => agents.push(seen),
                Ok(_) => {}
                Err(words) => return Reading::of(Outcome::Failed).noting(shortened(&words)),
            }
        }
        let revision = range.header.revision.parse().ok();
        // The next page begins behind the last key: at the same with a zero byte.
        let next = range.kvs.last().filter(|_| range.more).and_then(|last| {
            let mut key = BASE64.decode(&last.key).ok()?;
            key.push(0);
            Some(page(&BASE64.encode(key), revision))
        });
        let seen = Seen { agents: Some(agents), revision, ..Seen::default() };
        Reading { next_page: next, ..Reading::of(Outcome::Shown).seeing(seen) }
    })
}

fn asks_for_the_dead(filter: &Filter) -> bool {
    filter.status.contains(&Status::Expired)
}

fn is_wanted(filter: &Filter, value: &Value) -> bool {
    let of_status = filter.status.is_empty() || filter.status.contains(&Status::Healthy);
    let of_type = filter.agent_type.as_ref().is_none_or(|wanted| *wanted == value.agent_type);
    of_status
        && of_type
        && filter.capability.as_ref().is_none_or(|wanted| value.capabilities.contains(wanted))
}

fn single(answer: &WireAnswer) -> Reading {
    parsed(answer, |range: Range| match range.kvs.first().map(agent) {
        None => Reading::of(Outcome::Unknown),
        Some(Ok((seen, _))) => Reading::of(Outcome::Shown).seeing(Seen {
            agents: Some(vec![seen]),
            revision: range.header.revision.parse().ok(),
            ..Seen::default()
        }),
        Some(Err(words)) => Reading::of(Outcome::Failed).noting(shortened(&words)),
    })
}

fn error_words(answer: &WireAnswer) -> String {
    #[derive(Deserialize)]
    struct Body {
        error: String,
    }
    let words = serde_json::from_slice::<Body>(&answer.body)
        .map_or_else(|_| String::from_utf8_lossy(&answer.body).into_owned(), |body| body.error);
    shortened(&format!("{}: {words}", answer.status))
}
