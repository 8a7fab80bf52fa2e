//! MCP-4: what revision 2026-07-28 demands, broken in turn.

use serde_json::{Value, json};

use super::client::{Client, LEGACY};
use super::tools::calls;
use crate::probe::{Prober, revision};

const CASE: &str = "demands";

/// All in one conversation: steps as `judge/probe/mcp/demands.rs` names them.
pub(in crate::probe) async fn mcp_4(prober: Prober) {
    let mut client = Client::new(&prober, CASE, false);
    let list = client.request("tools/list", json!({}));
    let discover = client.request("server/discover", json!({}));
    client.post("discover", &discover).await;
    client.post("list", &list).await;

    for (step, member) in [
        ("without protocolVersion", "io.modelcontextprotocol/protocolVersion"),
        ("without clientCapabilities", "io.modelcontextprotocol/clientCapabilities"),
        ("without clientInfo", "io.modelcontextprotocol/clientInfo"),
    ] {
        let mut message = list.clone();
        if let Some(meta) = message["params"]["_meta"].as_object_mut() {
            meta.remove(member);
        }
        client.post(step, &message).await;
    }
    let mut future = list.clone();
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    client.post_with("future version", &future, ("mcp-protocol-version", "2099-01-01")).await;

    let health = client.tool_call("get_registry_metrics", json!({}));
    for header in [
        ("mcp-method", "tools/list"),
        ("mcp-method", ""),
        ("mcp-name", "export_prometheus_metrics"),
        ("mcp-name", ""),
        ("mcp-protocol-version", LEGACY),
    ] {
        client.post_with("header against body", &health, header).await;
    }
    let mut unknown = client.request("no/such/method", json!({}));
    unknown["id"] = json!("an id of text");
    client.post("unknown method", &unknown).await;
    for origin in ["http://evil.example", "null", "http://localhost.evil.example"] {
        client.post_with("foreign origin", &list, ("origin", origin)).await;
    }
    for host in ["evil.example", "127.0.0.1.evil.example"] {
        client.post_with("foreign host", &list, ("host", host)).await;
    }
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    client.post("notification", &note).await;
    client.post("answer of a client", &json!({ "jsonrpc": "2.0", "id": 1, "result": {} })).await;

    for (name, arguments) in calls(&prober, CASE) {
        let call = client.tool_call(name, arguments);
        client.post(&format!("call {name}"), &call).await;
    }
    let no_tool = client.tool_call("no_such_tool", json!({}));
    client.post("unknown tool", &no_tool).await;
    for (name, arguments) in [
        ("agent_heartbeat", json!({ "agent_id": "not an id" })),
        ("list_available_agents", json!({ "limit": 0 })),
        ("get_agent_health_status", json!({ "agent_id": prober.id(CASE, "nobody") })),
    ] {
        let call = client.tool_call(name, arguments);
        client.post("bad arguments", &call).await;
    }
    for (method, params) in [
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "x" })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "x:y" })),
        ("completion/complete", completion()),
    ] {
        let message = client.request(method, params);
        client.post("undeclared", &message).await;
    }
    read_only(&prober, &mut client).await;
    let hello = json!({
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": { "name": "wallflower", "version": "1" },
    });
    client.post_legacy("legacy initialize", "initialize", hello).await;
    client.post_legacy("legacy list", "tools/list", json!({})).await;
    prober.leave(CASE, "tidy up", &prober.id(CASE, "one")).await;
}

fn completion() -> Value {
    json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": "a", "value": "b" } })
}

/// Looks at the revision around calls of the tools that say that they only read.
async fn read_only(prober: &Prober, client: &mut Client) {
    for _ in prober.tries(CASE) {
        let before = prober.get(CASE, "revision before", "/health").await;
        for (name, arguments) in calls(prober, CASE).into_iter().skip(1) {
            let call = client.tool_call(name, arguments);
            client.post("only reads", &call).await;
        }
        let after = prober.get(CASE, "revision after", "/health").await;
        if revision(&before) == revision(&after) {
            break;
        }
    }
}
