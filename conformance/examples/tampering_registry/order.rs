//! The faults of order and input, and what they have to remember of each agent.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use agent_sim::client::{WholeAnswer, Wire};
use agent_sim::dialect::WireRequest;
use serde_json::{Value, json};

use crate::tamper::edit;

/// All parameters that some route knows.
const PARAMETERS: [&str; 18] = [
    "capability",
    "version",
    "tag",
    "type",
    "status",
    "label",
    "q",
    "limit",
    "cursor",
    "since",
    "store_id",
    "wait_ms",
    "name",
    "prefix",
    "after",
    "agent_id",
    "kind",
    "wiring_revision",
];

#[derive(Default)]
struct Memory {
    /// The greatest incarnation and sequence of an agent that came by.
    greatest: Option<(u64, u64)>,
    /// The last whole heartbeat that was taken.
    document: Option<Value>,
    /// The metadata of the process before the last one.
    replaced: Option<Value>,
}

/// What is remembered, by agent.
#[derive(Default)]
pub(super) struct Order {
    agents: Mutex<BTreeMap<String, Memory>>,
}

impl Order {
    fn agents(&self) -> MutexGuard<'_, BTreeMap<String, Memory>> {
        self.agents.lock().expect("nobody panics meanwhile")
    }

    /// Spoils the request.
    pub(super) fn before(&self, fault: &str, request: &mut WireRequest) {
        if fault == "unknown-parameters-are-dropped" {
            return drop_unknown(request);
        }
        let Some(mut heartbeat) = heartbeat(request) else { return };
        let order = (heartbeat["incarnation"].as_u64(), heartbeat["sequence"].as_u64());
        let (Some(incarnation), Some(sequence)) = order else { return };
        let mut agents = self.agents();
        let memory = agents.entry(id(&heartbeat)).or_default();
        let spoiled = match (fault, memory.greatest) {
            ("repeats-count", Some(known)) => known == (incarnation, sequence),
            ("latecomers-count", Some((known, greatest))) => known == incarnation && sequence < greatest,
            _ => false,
        };
        memory.greatest = memory.greatest.max(Some((incarnation, sequence)));
        if spoiled {
            heartbeat.as_object_mut().map(|members| members.remove("sequence"));
            request.body = heartbeat.to_string().into_bytes();
        }
    }

    /// Spoils the answer.
    pub(super) async fn after(
        &self,
        fault: &str,
        request: &WireRequest,
        answer: &mut WholeAnswer,
        wire: &Wire,
    ) {
        match fault {
            "twins-are-mixed" => self.mix(request, answer),
            "a-lean-heartbeat-revives" => self.revive(request, answer, wire).await,
            // What was refused comes again as a newer process.
            "the-deregistered-come-back" if answer.status == 410 => {
                if let Some(mut heartbeat) = heartbeat(request)
                    && let Some(incarnation) = heartbeat["incarnation"].as_u64()
                {
                    heartbeat["incarnation"] = json!(incarnation + 1);
                    again(request, &heartbeat, answer, wire).await;
                }
            }
            "a-nul-is-a-500" if request.body.starts_with(&[0; 64]) => answer.status = 500,
            "one-fault-is-named" if answer.status == 400 && request.method == "POST" => {
                edit(answer, |problem| {
                    if let Some(errors) = problem["errors"].as_array_mut() {
                        errors.truncate(1);
                    }
                });
            }
            _ => {}
        }
    }

    /// A single read shows the metadata of the process before.
    fn mix(&self, request: &WireRequest, answer: &mut WholeAnswer) {
        if request.method == "DELETE" {
            drop(self.agents().remove(last_word(request)));
        } else if let Some(heartbeat) = heartbeat(request).filter(|_| answer.status == 200) {
            let mut agents = self.agents();
            let memory = agents.entry(id(&heartbeat)).or_default();
            let before = memory.document.replace(heartbeat.clone());
            if let Some(before) = before.filter(|before| before["incarnation"] != heartbeat["incarnation"]) {
                memory.replaced = Some(before["metadata"].clone());
            }
        } else if request.path.starts_with("/agents/") && answer.status == 200 {
            let replaced = self.agents().get(last_word(request)).and_then(|memory| memory.replaced.clone());
            if let Some(replaced) = replaced {
                edit(answer, |entry| entry["metadata"] = replaced);
            }
        }
    }

    /// A lean heartbeat of an agent that has expired brings its document back.
    async fn revive(&self, request: &WireRequest, answer: &mut WholeAnswer, wire: &Wire) {
        if request.method == "DELETE" {
            drop(self.agents().remove(last_word(request)));
        }
        let Some(heartbeat) = heartbeat(request) else { return };
        let id = id(&heartbeat);
        if answer.status == 200 && heartbeat["capabilities"].is_array() {
            self.agents().entry(id).or_default().document = Some(heartbeat);
        } else if answer.status == 410 {
            let document = self.agents().get(&id).and_then(|memory| memory.document.clone());
            if let Some(document) = document.filter(|document| document["incarnation"].is_null()) {
                again(request, &document, answer, wire).await;
            }
        }
    }
}

/// Sends another heartbeat instead; its answer is the answer.
async fn again(request: &WireRequest, heartbeat: &Value, answer: &mut WholeAnswer, wire: &Wire) {
    let request = WireRequest { body: heartbeat.to_string().into_bytes(), ..request.clone() };
    if let Ok(other) = wire.send_whole(&request).await {
        *answer = other;
    }
}

fn heartbeat(request: &WireRequest) -> Option<Value> {
    (request.method == "POST" && request.path == "/heartbeat")
        .then(|| serde_json::from_slice::<Value>(&request.body).ok())
        .flatten()
        .filter(Value::is_object)
}

fn id(heartbeat: &Value) -> String {
    heartbeat["agent_id"].as_str().unwrap_or_default().to_owned()
}

fn last_word(request: &WireRequest) -> &str {
    request.path.rsplit('/').next().unwrap_or_default()
}

fn drop_unknown(request: &mut WireRequest) {
    let Some((path, query)) = request.path.split_once('?') else { return };
    let known = |pair: &&str| PARAMETERS.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = query.split('&').filter(known).collect();
    request.path = format!("{path}?{}", kept.join("&"));
}
