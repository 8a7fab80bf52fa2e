//! VIEW-1: the same agents through every view at one revision.

use agent_sim::dialect::{WireRequest, escaped};
use serde_json::{Value, json};

use super::population::population;
use crate::probe::{Prober, json as body, revision};

/// Agents of the conversation.
const AGENTS: usize = 9;

/// The revision of MCP that is spoken.
const MCP: &str = "2025-11-25";

/// Steps `read`, `capabilities`, `delta`, `tool`, `health` and `everybody` between `before` and `after`, until both are
/// of one revision. One of the agents has expired.
pub(in crate::probe) async fn view_1(prober: Prober) {
    let group = "0";
    let own = prober.own_filter(group);
    let start = body(&prober.get(group, "start", &format!("/agents?{own}")).await);
    let mut documents = population(&prober, group, AGENTS);
    if let Some(first) = documents.first_mut() {
        first["agent_type"] = json!(prober.brisk().0);
    }
    let mut done_us = 0;
    for document in &documents {
        done_us = prober.beat(group, "register", document).await.done_us;
    }
    let wait_ms = prober.brisk().1.expires_after_ms + prober.bound_ms;
    prober.recorder.sleep_until(done_us + wait_ms * 1000).await;
    let (since, store) = (&start["revision"], start["store_id"].as_str().unwrap_or_default());
    for case in prober.tries(group) {
        let all = format!("/agents?{own}&status=healthy&status=degraded&status=expired");
        let before = prober.get(&case, "before", &all).await;
        for document in &documents {
            let id = document["agent_id"].as_str().unwrap_or_default();
            prober.get(&case, "read", &format!("/agents/{}", escaped(id))).await;
        }
        let prefix = prober.own(group);
        prober.get(&case, "capabilities", &format!("/capabilities?prefix={prefix}.")).await;
        prober.get(&case, "delta", &format!("/agents?{own}&since={since}&store_id={store}")).await;
        prober.exchange(&case, "tool", tool(&prober, group)).await;
        prober.get(&case, "health", "/health").await;
        prober
            .get(&case, "everybody", "/agents?status=healthy&status=degraded&status=expired&limit=10000")
            .await;
        if revision(&prober.get(&case, "after", &all).await) == revision(&before) {
            break;
        }
    }
    for document in &documents {
        prober.leave(group, "tidy up", document["agent_id"].as_str().unwrap_or_default()).await;
    }
}

/// The list of the same agents through MCP.
fn tool(prober: &Prober, group: &str) -> WireRequest {
    let label = format!("suite.case={}", prober.own(group));
    let message: Value = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "list_available_agents", "arguments": { "label": [label] } },
    });
    let mut request = WireRequest::json("/mcp", &message);
    request.headers.push(("accept", "application/json, text/event-stream".to_owned()));
    request.headers.push(("mcp-protocol-version", MCP.to_owned()));
    request
}
