//! PASSIVE-5 and MCP-3: a client that gives a server every reason to speak first.

use std::time::Duration;

use serde_json::json;

use super::client::{Client, LEGACY, capabilities, headers};
use super::tools::calls;
use crate::probe::Prober;

/// Silence is listened to for twice the lease of the briefest type, at most so long.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

const CASE: &str = "bait";

/// All in one conversation: steps as `judge/probe/mcp/pull.rs` names them. A connection stays idle and a listener
/// listens while an agent comes, changes, goes silent and expires.
pub(in crate::probe) async fn bait(prober: Prober) {
    let (brisk, policy) = prober.brisk();
    let window = Duration::from_millis(2 * policy.expires_after_ms).min(LONGEST_SILENCE);
    let mut silent = prober.document(CASE, "silent");
    silent["agent_type"] = json!(brisk);

    let mut idle = Client::new(&prober, CASE, true);
    let list = idle.request("tools/list", json!({}));
    idle.post("list on the idle connection", &list).await;
    let since_us = prober.recorder.clock.now_us();
    let until_us = since_us + u64::try_from(window.as_micros()).unwrap_or_default();

    let mut listener = Client::new(&prober, CASE, true);
    let subscription =
        json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["agents:all"] } });
    let listen = listener.request("subscriptions/listen", subscription);
    let listening = listener.send_listening("listen", ("POST", headers(&listen), listen.to_string()), window);
    let acting = async {
        prober.beat(CASE, "an agent comes", &silent).await;
        baits(&prober).await;
        silent["metadata"] = json!({ "changed": true });
        prober.beat(CASE, "the agent changes", &silent).await;
        // Its lease runs out behind the change.
        prober
            .recorder
            .sleep_until(until_us.max(prober.recorder.clock.now_us() + policy.expires_after_ms * 1000))
            .await;
    };
    tokio::join!(listening, acting);

    prober.get(CASE, "the agent has expired", &format!("/agents/{}", prober.id(CASE, "silent"))).await;
    idle.overhear("overhear", since_us);
    idle.post("list again on the idle connection", &list).await;
    let mut fresh = Client::new(&prober, CASE, true);
    fresh.post("list on a fresh connection", &list).await;
    for name in ["silent", "one"] {
        prober.leave(CASE, "tidy up", &prober.id(CASE, name)).await;
    }
}

async fn baits(prober: &Prober) {
    let mut client = Client::new(prober, CASE, true);
    let (discover, list) =
        (client.request("server/discover", json!({})), client.request("tools/list", json!({})));
    client.post_legacy("legacy list before initialize", "tools/list", json!({})).await;
    client.post("discover", &discover).await;
    client.post("list", &list).await;
    for (name, mut arguments) in calls(prober, CASE) {
        if name == "agent_heartbeat" {
            let callback = format!("http://{}/callback", prober.endpoint);
            arguments["metadata"] =
                json!({ "callback": callback, "webhook_url": callback, "health_url": callback });
        }
        let call = client.tool_call(name, arguments);
        client.post(&format!("call {name}"), &call).await;
    }
    client.post("list after calls", &list).await;
    client.hang_up();

    let hello = json!({
        "protocolVersion": LEGACY,
        "capabilities": capabilities(),
        "clientInfo": { "name": "wallflower", "version": "1" },
    });
    client.post_legacy("legacy initialize", "initialize", hello).await;
    client.post_legacy("legacy initialized", "notifications/initialized", json!({})).await;
    client.post_legacy("legacy list", "tools/list", json!({})).await;
    let metrics = json!({ "name": "get_registry_metrics", "arguments": {} });
    client.post_legacy("legacy call", "tools/call", metrics).await;

    for (method, params) in [
        ("resources/subscribe", json!({ "uri": "agents:all" })),
        ("logging/setLevel", json!({ "level": "debug" })),
    ] {
        let message = client.request(method, params.clone());
        client.post("push method", &message).await;
        client.post_legacy("legacy push method", method, params).await;
    }
    for method in ["GET", "DELETE"] {
        for bait in streams() {
            client.send(if method == "GET" { "get" } else { "delete" }, method, bait, String::new()).await;
            client.hang_up();
        }
    }
}

/// Headers that ask for an event stream: bare, as one resumed, as a client of the older revision.
fn streams() -> Vec<Vec<(&'static str, String)>> {
    let accept = ("accept", "text/event-stream".to_owned());
    let session = ("mcp-session-id", "one-that-nobody-gave-out".to_owned());
    vec![
        vec![accept.clone()],
        vec![accept.clone(), session.clone(), ("last-event-id", "0".to_owned())],
        vec![accept, session, ("mcp-protocol-version", LEGACY.to_owned())],
    ]
}
