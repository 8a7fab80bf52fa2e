//! Agents that declare what looks as if it wanted to be called.

use std::net::SocketAddr;

use agent_sim::dialect::{Document, WireRequest};
use serde_json::{Value, json};

/// One of them.
pub(super) struct Bait {
    pub(super) document: Document,
    pub(super) number: u32,
    /// A host name that only this agent declares.
    pub(super) name: String,
}

impl Bait {
    pub(super) fn new(id: String, agent_type: &str, endpoint: SocketAddr, number: u32, seed: u64) -> Self {
        let document = Document {
            agent_id: id,
            agent_type: agent_type.to_owned(),
            status: None,
            endpoint,
            capabilities: vec![("suite.bait".to_owned(), "1.0.0".to_owned())],
            dependencies: vec!["suite.bait".to_owned()],
            labels: Vec::new(),
            document: u64::from(number),
            incarnation: None,
            sequence: None,
        };
        Self { document, number, name: format!("bait-{number}-{seed:x}.wallflower.test") }
    }

    pub(super) fn id(&self) -> &str {
        &self.document.agent_id
    }
}

/// The forms in which an agent registers.
pub(super) struct Forms;

impl Forms {
    /// The registration in the dialect's words, then with endpoints that look like something else, and with fields in
    /// which somebody might look for an address. What the registry refuses of it has provoked it all the same.
    pub(super) fn of(bait: &Bait, request: &WireRequest) -> Vec<WireRequest> {
        let address = bait.document.endpoint.to_string();
        let host = bait.document.endpoint.ip().to_string();
        let mut forms = vec![request.clone()];
        let Ok(body) = serde_json::from_slice::<Value>(&request.body) else { return forms };
        let disguise = match bait.number % 4 {
            0 => format!("{address}/callback"),
            1 => format!("{address}/webhook?event=expired"),
            2 => format!("{address}/health"),
            _ => format!("{address}/.well-known/agent-card.json"),
        };
        let looks = [(address.as_str(), disguise.as_str()), (host.as_str(), bait.name.as_str())];
        for (from, to) in looks {
            let text = body.to_string().replace(from, to);
            forms.push(WireRequest { body: text.into_bytes(), ..request.clone() });
        }
        // The form that is left in force declares names as well as addresses.
        let mut dressed = body;
        dressed["metadata"] = json!({
            "callback_url": format!("http://{address}/callback"),
            "webhook": format!("http://{address}/webhook"),
            "health_check": { "http": format!("http://{address}/health"), "interval": "100ms" },
            "notify": [format!("udp://{address}"), format!("http://{}/notify", bait.name)],
            "host": bait.name,
        });
        if let Some(labels) = dressed["labels"].as_object_mut() {
            labels.insert("health-url".to_owned(), json!(format!("http://{}/health", bait.name)));
            labels.insert("webhook".to_owned(), json!(format!("http://{address}/webhook")));
        }
        forms.push(WireRequest { body: dressed.to_string().into_bytes(), ..request.clone() });
        forms
    }
}
