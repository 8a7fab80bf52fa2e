//! What might make a registry of the contract's kind call somebody.

use serde_json::{Value, json};

use super::super::{Document, HOOK_CAPABILITY, WireRequest, escaped, hook};

/// Every route of the contract, and some that a registry might have beside them, each naming the agent's address
/// wherever there is room for it.
pub(super) fn provocations(agent: &Document) -> Vec<WireRequest> {
    let agent = hook(agent);
    let (id, address) = (agent.agent_id.as_str(), agent.endpoint);
    let callback = format!("http://{address}/callback");
    let mut requests = vec![
        WireRequest::json("/heartbeat", &provoking_heartbeat(&agent)),
        WireRequest::json("/heartbeat", &json!({ "agent_id": id })),
        WireRequest::bare("HEAD", format!("/heartbeat/{id}")),
    ];
    let reads = [
        "/agents?q=webhook&status=healthy&status=degraded&status=expired".to_owned(),
        format!("/agents?capability={HOOK_CAPABILITY}&version=%3E%3D1"),
        "/agents?since=0&wait_ms=50".to_owned(),
        format!("/agents/{id}"),
        format!("/agents/{id}/health"),
        format!("/agents/{id}/health?refresh=true"),
        "/capabilities".to_owned(),
        format!("/capabilities?name={HOOK_CAPABILITY}"),
        "/events?limit=10".to_owned(),
        "/policies".to_owned(),
        "/health".to_owned(),
        "/livez".to_owned(),
        "/readyz".to_owned(),
        "/metrics".to_owned(),
        "/openapi.json".to_owned(),
        "/".to_owned(),
        format!("/proxy/{address}/mcp"),
        format!("/proxy/{id}/mcp"),
        format!("/agents/{id}/proxy?url={}", escaped(&callback)),
    ];
    requests.extend(reads.map(|path| WireRequest::bare("GET", path)));
    let job = json!({ "capability": HOOK_CAPABILITY, "owner_instance_id": id, "callback": callback });
    requests.extend([
        WireRequest::json("/mcp", &mcp_call(id, &callback)),
        WireRequest::json("/subscriptions", &json!({ "callback": callback, "agent_id": id })),
        WireRequest::json("/jobs", &job),
        WireRequest::json("/jobs/1/cancel", &json!({ "reason": "provoked" })),
        WireRequest::json(format!("/agents/{id}/ping"), &json!({ "url": callback })),
        WireRequest::bare("DELETE", format!("/agents/{id}")),
    ]);
    requests
}

/// A document in which everything that could be taken for an address to call is one.
fn provoking_heartbeat(agent: &Document) -> Value {
    let at = |path: &str| format!("http://{}/{path}", agent.endpoint);
    let capability = json!({
        "name": HOOK_CAPABILITY, "version": "1.0.0", "tags": ["webhook"], "description": at("describe"),
    });
    json!({
        "agent_id": agent.agent_id,
        "agent_type": agent.agent_type,
        "endpoint": at("webhook?event=registered"),
        "capabilities": [capability],
        "dependencies": [{ "capability": HOOK_CAPABILITY }],
        "labels": { "health_url": at("health"), "callback": at("callback"), "webhook": at("hook") },
        "metadata": {
            "health_check": { "http": at("health"), "interval_ms": 10 },
            "callback_url": at("callback"),
            "webhooks": [at("hook")],
            "proxy": agent.endpoint.to_string(),
        },
    })
}

/// A tool call by the revision of MCP that needs no session, with everything that asks a server to speak up.
fn mcp_call(agent_id: &str, callback: &str) -> Value {
    json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {
            "name": "get_agent_health_status",
            "arguments": { "agent_id": agent_id },
            "_meta": { "progressToken": 1, "callback": callback },
        },
    })
}
