//! Faults of the MCP interface.

use agent_sim::client::WholeAnswer;
use agent_sim::dialect::WireRequest;
use serde_json::{Value, json};

/// Spoils the request.
pub(super) fn before(fault: &str, request: &mut WireRequest) {
    let forgotten = match fault {
        "mcp-any-origin" => "origin",
        "mcp-any-host" => "host",
        _ => return,
    };
    request.headers.retain(|(name, _)| *name != forgotten);
}

/// Spoils the answer.
pub(super) fn after(fault: &str, request: &WireRequest, answer: &mut WholeAnswer) {
    if request.path != "/mcp" {
        return;
    }
    let sent: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let (method, tool) = (sent["method"].as_str().unwrap_or_default(), sent["params"]["name"].as_str());
    let baited = sent["params"]["_meta"]["progressToken"].is_string();
    match fault {
        // Where progress is asked for, an event stream tells of it.
        "mcp-event-stream" if baited => {
            let progress = json!({ "jsonrpc": "2.0", "method": "notifications/progress", "params": {} });
            let body = String::from_utf8_lossy(&answer.body);
            answer.body = format!("data: {progress}\n\ndata: {body}\n\n").into_bytes();
            header(answer, "content-type", "text/event-stream");
        }
        "mcp-get-stream" if request.method == "GET" => {
            answer.status = 200;
            answer.body = b": hello\n\n".to_vec();
            header(answer, "content-type", "text/event-stream");
        }
        "mcp-session-id" => header(answer, "mcp-session-id", "1"),
        "mcp-declares-list-changed" if ["server/discover", "initialize"].contains(&method) => {
            edit(answer, |result| result["capabilities"]["tools"] = json!({ "listChanged": true }));
        }
        "mcp-asks-for-input" if baited && tool.is_some() => {
            edit(answer, |result| result["resultType"] = json!("input_required"));
        }
        "mcp-without-ttl" if method == "tools/list" => edit(answer, |result| {
            result.as_object_mut().map(|members| members.remove("ttlMs"));
        }),
        "mcp-loses-a-tool" if method == "tools/list" => edit(answer, |result| {
            result["tools"].as_array_mut().map(Vec::pop);
        }),
        "mcp-wrong-structure" if tool == Some("get_agent_health_status") && !baited => {
            edit(answer, |result| {
                result["structuredContent"]["silence_ms"] = json!("a while");
                result["content"][0]["text"] = json!(result["structuredContent"].to_string());
            })
        }
        "mcp-text-says-something-else" if tool.is_some() => {
            edit(answer, |result| result["content"][0]["text"] = json!("done"));
        }
        // As its schema says, and yet not what HTTP says.
        "mcp-tool-differs-from-http" if tool == Some("list_available_agents") => edit(answer, |result| {
            if let Some(agents) = result["structuredContent"]["agents"].as_array_mut() {
                agents.reverse();
            }
            result["content"][0]["text"] = json!(result["structuredContent"].to_string());
        }),
        _ => {}
    }
}

/// Changes the result of an answer of JSON-RPC.
fn edit(answer: &mut WholeAnswer, change: impl FnOnce(&mut Value)) {
    let Ok(mut body) = serde_json::from_slice::<Value>(&answer.body) else { return };
    if body["result"].is_object() {
        change(&mut body["result"]);
        answer.body = body.to_string().into_bytes();
    }
}

fn header(answer: &mut WholeAnswer, name: &str, value: &str) {
    answer.headers.retain(|(known, _)| known != name);
    answer.headers.push((name.to_owned(), value.to_owned()));
}
