//! MCP-1 and MCP-2: what the tools answer, and what HTTP answers to the same question.

use agent_sim::dialect::escaped;
use reports::history::Exchange;
use serde_json::{Value, json};

use super::client::Client;
use crate::probe::{Prober, accepted, revision};

/// A call of each tool, in an order in which each has something to show.
pub(super) fn calls(prober: &Prober, case: &str) -> Vec<(&'static str, Value)> {
    let capability = capability(prober, case);
    vec![
        ("agent_heartbeat", agent(prober, case, "one")),
        ("list_available_agents", json!({ "label": [format!("suite.case={}", prober.own(case))] })),
        ("get_capability_providers", json!({ "capability": capability })),
        ("get_agent_health_status", json!({ "agent_id": prober.id(case, "one") })),
        ("get_registry_metrics", json!({})),
        ("export_prometheus_metrics", json!({})),
    ]
}

/// Steps `list`, then `call NAME` for calls that must succeed.
pub(in crate::probe) async fn mcp_1(prober: Prober) {
    let case = "tools";
    let mut client = Client::new(&prober, case, false);
    let list = client.request("tools/list", json!({}));
    client.post("list", &list).await;
    prober.beat(case, "another agent", &agent(&prober, case, "two")).await;
    prober.beat(case, "a bare agent", &prober.document(case, "bare")).await;
    let own = format!("suite.case={}", prober.own(case));
    let mut all = calls(&prober, case);
    all.extend([
        ("agent_heartbeat", json!({ "agent_id": prober.id(case, "one"), "status": "degraded" })),
        ("agent_heartbeat", json!({ "agent_id": prober.id(case, "one"), "wiring_revision": 0 })),
        ("list_available_agents", json!({ "label": [own.clone()], "status": ["healthy"], "limit": 1 })),
        ("list_available_agents", json!({ "label": [own], "q": "geo" })),
        ("get_capability_providers", json!({ "capability": "suite.nobody-offers-this" })),
        ("get_agent_health_status", json!({ "agent_id": prober.id(case, "bare") })),
    ]);
    for (name, arguments) in all {
        let call = client.tool_call(name, arguments);
        client.post(&format!("call {name}"), &call).await;
    }
    for name in ["one", "two", "bare"] {
        prober.leave(case, "tidy up", &prober.id(case, name)).await;
    }
}

/// In each case `before` and `after`, which look at the revision, around `http` and `tool`, which ask the same.
pub(in crate::probe) async fn mcp_2(prober: Prober) {
    let group = "same";
    for name in ["one", "two", "three"] {
        prober.beat(group, "register", &agent(&prober, group, name)).await;
    }
    for (name, http, tool, arguments) in questions(&prober, group) {
        for case in prober.tries(name) {
            let mut client = Client::new(&prober, &case, false);
            let before = prober.get(&case, "before", "/health").await;
            let first = match &http {
                Http::Get(path) => prober.get(&case, "http", path).await,
                Http::Beat(heartbeat) => prober.beat(&case, "http", heartbeat).await,
            };
            let call = client.tool_call(tool, arguments.clone());
            let second = client.post("tool", &call).await;
            let after = prober.get(&case, "after", "/health").await;
            if same(&before, &after) || !accepted(&first) || !accepted(&second) {
                break;
            }
        }
    }
    for name in ["one", "two", "three"] {
        prober.leave(group, "tidy up", &prober.id(group, name)).await;
    }
}

/// How HTTP is asked.
enum Http {
    Get(String),
    Beat(Value),
}

/// A name, the question to HTTP, and the tool that is asked the same.
fn questions(prober: &Prober, group: &str) -> Vec<(&'static str, Http, &'static str, Value)> {
    let (own, label) = (prober.own_filter(group), format!("suite.case={}", prober.own(group)));
    let capability = capability(prober, group);
    let name = escaped(&capability);
    let id = prober.id(group, "one");
    let lean = json!({ "agent_id": id });
    vec![
        (
            "list",
            Http::Get(format!("/agents?{own}")),
            "list_available_agents",
            json!({ "label": [label.clone()] }),
        ),
        (
            "filtered",
            Http::Get(format!("/agents?{own}&capability={name}&version={}&limit=2", escaped(">=1.2"))),
            "list_available_agents",
            json!({ "label": [label], "capability": capability.clone(), "version": ">=1.2", "limit": 2 }),
        ),
        (
            "providers",
            Http::Get(format!("/agents?capability={name}")),
            "get_capability_providers",
            json!({ "capability": capability }),
        ),
        (
            "health",
            Http::Get(format!("/agents/{}/health", escaped(&id))),
            "get_agent_health_status",
            lean.clone(),
        ),
        ("heartbeat", Http::Beat(lean.clone()), "agent_heartbeat", lean),
        ("figures", Http::Get("/health".to_owned()), "get_registry_metrics", json!({})),
        ("exposition", Http::Get("/metrics".to_owned()), "export_prometheus_metrics", json!({})),
    ]
}

fn same(before: &Exchange, after: &Exchange) -> bool {
    revision(before).is_some() && revision(before) == revision(after)
}

fn capability(prober: &Prober, case: &str) -> String {
    format!("{}.geo", prober.own(case))
}

/// An agent that offers the case's capability and depends on it.
fn agent(prober: &Prober, case: &str, name: &str) -> Value {
    let capability = capability(prober, case);
    let mut document = prober.document(case, name);
    document["capabilities"] = json!([
        { "name": capability, "version": "1.4.0", "tags": ["fast"], "description": "finds places" },
    ]);
    document["dependencies"] = json!([{ "capability": capability, "version": ">=1.2, <2" }]);
    document["metadata"] = json!({ "nested": [1, { "none": null }] });
    document
}
