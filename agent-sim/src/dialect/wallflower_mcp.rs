//! The contract's words as calls of its MCP tools (section 5): one POST to `/mcp` a call, by the revision that knows no
//! session. What the tools cannot do (HEAD, deregistration, events, what changed since) has no request here.

use reports::history::{Abilities, Filter, Outcome};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::wallflower::{
    PAGE_LIMIT, Wallflower, full_heartbeat, lean_heartbeat, listed, problem, status_word,
};
use super::{Call, Dialect, Document, Reading, WireAnswer, WireRequest, shortened};

/// What reports call it. Fleets choose it by `protocol = "mcp"`; it is no dialect of a target.
pub const NAME: &str = "wallflower-mcp";

/// The revision of MCP that is spoken.
const REVISION: &str = "2026-07-28";

/// Speaks to the MCP tools of any registry that keeps the contract.
#[derive(Debug, Clone, Copy)]
pub struct WallflowerMcp;

impl Dialect for WallflowerMcp {
    fn name(&self) -> &'static str {
        NAME
    }

    fn abilities(&self) -> Abilities {
        Wallflower.abilities()
    }

    fn request(&self, call: &Call) -> Option<WireRequest> {
        match call {
            Call::Register(document) => Some(tool_call("agent_heartbeat", &full_heartbeat(document))),
            Call::Renew { agent_id, status, order, wiring_revision } => {
                let arguments = lean_heartbeat(agent_id, *status, *order, *wiring_revision);
                Some(tool_call("agent_heartbeat", &json!(arguments)))
            }
            Call::List { filter, .. } => Some(list_call(filter, None)),
            Call::Read { agent_id } => {
                Some(tool_call("get_agent_health_status", &json!({ "agent_id": agent_id })))
            }
            Call::Provoke { request, .. } => Some(request.clone()),
            Call::Probe { .. } | Call::Leave { .. } | Call::Changes { .. } | Call::Events { .. } => None,
        }
    }

    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading {
        match (call, answer.status) {
            (Call::Provoke { .. }, _) | (_, 500..) => Wallflower.read(call, answer),
            (_, 200) => match result(answer) {
                Ok(plain) => read_plain(call, &plain),
                Err(what) => Reading::of(Outcome::Failed).noting(shortened(&what)),
            },
            // No tool was called: whatever it is, it does not tell of an agent.
            _ => Reading::of(Outcome::Refused).noting(refusal(answer)),
        }
    }

    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest> {
        Wallflower.provoke(agent, answers)
    }

    fn policies_path(&self) -> Option<&'static str> {
        Wallflower.policies_path()
    }
}

fn tool_call(name: &'static str, arguments: &Value) -> WireRequest {
    let message = json!({
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": name,
            "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": REVISION,
                "io.modelcontextprotocol/clientCapabilities": {},
                "io.modelcontextprotocol/clientInfo": {
                    "name": "wallflower-agent", "version": env!("CARGO_PKG_VERSION"),
                },
            },
        },
    });
    let mut request = WireRequest::json("/mcp", &message);
    request.headers.extend([
        ("accept", "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version", REVISION.to_owned()),
        ("mcp-method", "tools/call".to_owned()),
        ("mcp-name", name.to_owned()),
    ]);
    request
}

/// Who asks for a capability alone asks who provides it.
fn list_call(filter: &Filter, cursor: Option<&str>) -> WireRequest {
    let mut arguments = Map::new();
    let mut add = |name: &str, value: Value| {
        arguments.insert(name.to_owned(), value);
    };
    add("limit", json!(PAGE_LIMIT));
    if let Some(capability) = &filter.capability {
        add("capability", json!(capability));
    }
    if let Some(agent_type) = &filter.agent_type {
        add("type", json!(agent_type));
    }
    if !filter.status.is_empty() {
        add("status", filter.status.iter().map(|status| status_word(*status)).collect());
    }
    if let Some((key, value)) = &filter.label {
        add("label", json!([format!("{key}={value}")]));
    }
    if let Some(cursor) = cursor {
        add("cursor", json!(cursor));
    }
    let asks_who_provides = filter.capability.is_some()
        && filter.agent_type.is_none()
        && filter.status.is_empty()
        && filter.label.is_none();
    let name = if asks_who_provides { "get_capability_providers" } else { "list_available_agents" };
    tool_call(name, &Value::Object(arguments))
}

/// The answer that HTTP would have given: a tool's structured result, or its problem document with the status in it.
fn result(answer: &WireAnswer) -> Result<WireAnswer, String> {
    #[derive(Deserialize)]
    struct Envelope {
        result: ToolResult,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ToolResult {
        #[serde(default)]
        is_error: bool,
        structured_content: Option<Value>,
        #[serde(default)]
        content: Vec<Text>,
    }
    #[derive(Deserialize)]
    struct Text {
        #[serde(default)]
        text: String,
    }
    #[derive(Deserialize)]
    struct Problem {
        status: u16,
    }
    let envelope: Envelope =
        serde_json::from_slice(&answer.body).map_err(|error| format!("no result of a tool: {error}"))?;
    let plain = |status, body: &str| WireAnswer {
        status,
        etag: None,
        retry_after: None,
        body: body.as_bytes().to_vec(),
    };
    if !envelope.result.is_error {
        let structured = envelope.result.structured_content;
        let structured = structured.ok_or_else(|| "a result without structuredContent".to_owned())?;
        return Ok(plain(200, &structured.to_string()));
    }
    let text = envelope.result.content.first().map_or("", |block| block.text.as_str());
    let problem: Problem = serde_json::from_str(text)
        .map_err(|error| format!("an error without a problem document ({error}): {text}"))?;
    Ok(plain(problem.status, text))
}

fn read_plain(call: &Call, plain: &WireAnswer) -> Reading {
    match (call, plain.status) {
        (Call::List { filter, .. }, 200) => listed(plain, |cursor| list_call(filter, Some(cursor))),
        _ => Wallflower.read(call, plain),
    }
}

/// The message of a JSON-RPC error, else as HTTP has it.
fn refusal(answer: &WireAnswer) -> String {
    #[derive(Deserialize)]
    struct Refusal {
        error: Message,
    }
    #[derive(Deserialize)]
    struct Message {
        code: i64,
        message: String,
    }
    match serde_json::from_slice::<Refusal>(&answer.body) {
        Ok(Refusal { error }) => shortened(&format!("{}: {} {}", answer.status, error.code, error.message)),
        Err(_) => problem(answer),
    }
}
