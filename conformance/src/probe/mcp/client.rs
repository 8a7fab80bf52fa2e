//! Messages of both revisions, and their exchanges.

use std::time::Duration;

use agent_sim::dialect::WireRequest;
use reports::history::{Answer, Exchange, ExchangeOutcome};
use serde_json::{Value, json};

use super::socket::{Heard, Silence, Socket};
use crate::probe::{Prober, body};

pub(super) const MODERN: &str = "2026-07-28";
pub(super) const LEGACY: &str = "2025-11-25";

/// How long an event stream is listened to where nothing else is said.
const LISTEN: Duration = Duration::from_secs(1);

/// Names of what each request carries.
const PREFIX: &str = "io.modelcontextprotocol";

/// One case's client: the socket that it holds open, and how much it baits.
pub(super) struct Client {
    pub(super) prober: Prober,
    pub(super) case: String,
    pub(super) baits: bool,
    socket: Option<Socket>,
}

impl Client {
    pub(super) fn new(prober: &Prober, case: &str, baits: bool) -> Self {
        Self { prober: prober.clone(), case: case.to_owned(), baits, socket: None }
    }

    /// Leaves the connection; the next request opens another.
    pub(super) fn hang_up(&mut self) {
        self.socket = None;
    }

    /// A request of the newer revision.
    pub(super) fn request(&self, method: &str, mut params: Value) -> Value {
        params["_meta"] = self.meta();
        json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
    }

    pub(super) fn tool_call(&self, name: &str, arguments: Value) -> Value {
        let mut params = json!({ "name": name });
        params["arguments"] = arguments;
        self.request("tools/call", params)
    }

    /// What a request must carry, and with baits all that could move a server to speak first.
    fn meta(&self) -> Value {
        let capabilities = if self.baits { capabilities() } else { json!({}) };
        let mut meta = json!({
            format!("{PREFIX}/protocolVersion"): MODERN,
            format!("{PREFIX}/clientCapabilities"): capabilities,
            format!("{PREFIX}/clientInfo"): { "name": "wallflower", "version": "1" },
        });
        if self.baits {
            meta[format!("{PREFIX}/logLevel")] = json!("debug");
            meta["progressToken"] = json!("bait");
        }
        meta
    }

    /// Sends a message of the newer revision with the headers that belong to it.
    pub(super) async fn post(&mut self, step: &str, message: &Value) -> Exchange {
        self.send(step, "POST", headers(message), message.to_string()).await
    }

    /// The same with one header another, or left out when it is empty.
    pub(super) async fn post_with(
        &mut self,
        step: &str,
        message: &Value,
        (name, value): (&'static str, &str),
    ) -> Exchange {
        let mut headers = headers(message);
        headers.retain(|(known, _)| *known != name);
        if !value.is_empty() {
            headers.push((name, value.to_owned()));
        }
        self.send(step, "POST", headers, message.to_string()).await
    }

    /// Sends a message as a client of the older revision does.
    pub(super) async fn post_legacy(&mut self, step: &str, method: &str, mut params: Value) -> Exchange {
        if self.baits {
            params["_meta"] = json!({ "progressToken": "bait" });
        }
        let mut message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        if !method.starts_with("notifications/") {
            message["id"] = json!(7);
        }
        let headers = vec![
            ("content-type", "application/json".to_owned()),
            ("accept", "application/json, text/event-stream".to_owned()),
            ("mcp-protocol-version", LEGACY.to_owned()),
            ("mcp-session-id", "one-that-nobody-gave-out".to_owned()),
        ];
        self.send(step, "POST", headers, message.to_string()).await
    }

    pub(super) async fn send(
        &mut self,
        step: &str,
        method: &'static str,
        headers: Vec<(&'static str, String)>,
        body: String,
    ) -> Exchange {
        self.send_listening(step, (method, headers, body), LISTEN).await
    }

    /// An event stream that comes for an answer is listened to for so long.
    pub(super) async fn send_listening(
        &mut self,
        step: &str,
        (method, headers, body): (&'static str, Vec<(&'static str, String)>, String),
        listen: Duration,
    ) -> Exchange {
        let request = WireRequest { method, path: "/mcp".to_owned(), headers, body: body.into_bytes() };
        let sent_us = self.prober.recorder.clock.now_us();
        let heard = self.ask(&request, listen).await;
        let (outcome, note) = outcome(heard);
        let case = self.case.clone();
        self.prober.keep(&case, step, (request, sent_us), outcome, note)
    }

    /// On the connection at hand; a kept one that the server closed meanwhile is replaced once.
    async fn ask(&mut self, request: &WireRequest, listen: Duration) -> Result<Heard, Silence> {
        let kept = self.socket.take();
        let was_kept = kept.is_some();
        let mut socket = match kept {
            Some(socket) => socket,
            None => Socket::open(&self.prober.url).await?,
        };
        let mut heard = socket.ask(request, listen).await;
        if was_kept && heard.is_err() {
            socket = Socket::open(&self.prober.url).await?;
            heard = socket.ask(request, listen).await;
        }
        let heard = heard?;
        let ends = heard.headers.iter().any(|(name, value)| name == "connection" && value == "close");
        if !heard.open && !ends {
            self.socket = Some(socket);
        }
        Ok(heard)
    }

    /// What has come over the open connection that nobody asked for, in words of the note of `step`.
    pub(super) fn overhear(&mut self, step: &str, since_us: u64) -> Exchange {
        let unasked = self.socket.as_mut().map(Socket::unasked);
        let note = match unasked {
            Some(Some(bytes)) => format!("{} bytes: {}", bytes.len(), String::from_utf8_lossy(&bytes)),
            Some(None) => "the registry closed the connection".to_owned(),
            None => "there was no open connection".to_owned(),
        };
        let outcome = ExchangeOutcome::Answered(Answer {
            status: 0,
            headers: Vec::new(),
            body: reports::history::Body::default(),
        });
        let case = self.case.clone();
        let nothing = WireRequest::bare("-", "/mcp");
        self.prober.keep(&case, step, (nothing, since_us), outcome, Some(note))
    }
}

/// Everything that a client can offer to be asked for.
pub(super) fn capabilities() -> Value {
    json!({
        "sampling": { "tools": {}, "context": {} },
        "elicitation": { "form": {}, "url": {} },
        "roots": { "listChanged": true },
        "extensions": { "io.modelcontextprotocol/tasks": {} },
    })
}

/// The headers that the newer revision wants with a message.
pub(super) fn headers(message: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", MODERN.to_owned()),
    ];
    if let Some(method) = message["method"].as_str() {
        headers.push(("mcp-method", method.to_owned()));
    }
    let named = ["name", "uri", "taskId"].into_iter().find_map(|member| message["params"][member].as_str());
    if let Some(name) = named {
        headers.push(("mcp-name", name.to_owned()));
    }
    headers
}

fn outcome(heard: Result<Heard, Silence>) -> (ExchangeOutcome, Option<String>) {
    match heard {
        Ok(heard) => {
            let answer = Answer { status: heard.status, headers: heard.headers, body: body(&heard.body) };
            let note =
                heard.open.then(|| "the answer had not ended when it was listened to no longer".to_owned());
            (ExchangeOutcome::Answered(answer), note)
        }
        Err(silence) => (ExchangeOutcome::Failed { outcome: silence.outcome, cause: silence.cause }, None),
    }
}
