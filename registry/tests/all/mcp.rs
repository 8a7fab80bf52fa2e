//! Section 5: the six tools, and that they tell the same as HTTP.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::mcp_client::request;
use crate::support::{Registry, full, lean};

async fn tools(registry: &Registry) -> Vec<Value> {
    let answer = registry.mcp(&request("tools/list", json!({}))).await.json();
    answer["result"]["tools"].as_array().unwrap().clone()
}

fn agent(agent_id: &str, version: &str) -> Value {
    json!({
        "agent_id": agent_id,
        "endpoint": "http://127.0.0.1:9/mcp",
        "capabilities": [{ "name": "geo/lookup", "version": version, "tags": ["fast"], "description": "finds" }],
        "dependencies": [{ "capability": "geo/lookup", "version": ">=1.2, <2" }],
        "labels": { "zone": agent_id },
        "metadata": { "a": [1, { "b": null }] },
    })
}

#[tokio::test]
async fn six_tools_say_truly_what_they_are() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let tools = tools(&registry).await;
    let names: Vec<_> = tools.iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    assert_eq!(
        names,
        [
            "agent_heartbeat",
            "list_available_agents",
            "get_capability_providers",
            "get_agent_health_status",
            "get_registry_metrics",
            "export_prometheus_metrics"
        ]
    );
    for tool in &tools {
        let is_read_only = tool["name"] != "agent_heartbeat";
        assert_eq!(
            tool["annotations"],
            json!({
                "readOnlyHint": is_read_only,
                "destructiveHint": !is_read_only,
                "idempotentHint": true,
                "openWorldHint": false,
            })
        );
        for schema in ["inputSchema", "outputSchema"] {
            assert_eq!(tool[schema]["type"], "object");
            jsonschema::meta::validate(&tool[schema]).unwrap();
            // Validators of JavaScript complain about formats that they do not know.
            assert!(!tool[schema].to_string().contains("\"format\""), "{tool}");
        }
    }

    // What is read-only changes nothing; what is idempotent changes nothing the second time.
    registry.beat(agent("a", "1.4.0")).await;
    let before = registry.get("/agents").await.body;
    let calls = [
        ("list_available_agents", json!({})),
        ("get_capability_providers", json!({ "capability": "geo/lookup" })),
        ("get_agent_health_status", json!({ "agent_id": "a" })),
        ("get_registry_metrics", json!({})),
        ("export_prometheus_metrics", json!({})),
        ("agent_heartbeat", agent("a", "1.4.0")),
    ];
    for (name, arguments) in calls {
        registry.tool(name, arguments).await;
        assert_eq!(registry.get("/agents").await.body, before, "{name}");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn results_are_of_their_output_schemas_and_arguments_of_their_input_schemas() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(agent("b", "1.2.0")).await;
    registry.beat(full("bare")).await;
    let calls = [
        ("agent_heartbeat", agent("a", "1.4.0")),
        ("agent_heartbeat", lean("a")),
        (
            "agent_heartbeat",
            json!({ "agent_id": "a", "status": "degraded", "incarnation": 0, "sequence": 1 }),
        ),
        ("agent_heartbeat", json!({ "agent_id": "a", "sequence": 1, "wiring_revision": 0 })),
        ("list_available_agents", json!({})),
        ("list_available_agents", json!({ "status": ["healthy"], "label": ["zone=b", "!x"], "limit": 1 })),
        ("get_capability_providers", json!({ "capability": "geo/lookup" })),
        ("get_agent_health_status", json!({ "agent_id": "bare" })),
        ("get_registry_metrics", json!({})),
        ("export_prometheus_metrics", json!({})),
    ];
    let tools = tools(&registry).await;
    for (name, arguments) in calls {
        let tool = tools.iter().find(|tool| tool["name"] == name).unwrap();
        jsonschema::validate(&tool["inputSchema"], &arguments).unwrap();
        let result = registry.tool(name, arguments).await;
        let fault = jsonschema::validate(&tool["outputSchema"], &result).err().map(|fault| fault.to_string());
        assert_eq!(fault, None, "{name}: {result}");
        // The schema names every member that there is.
        for member in result.as_object().unwrap().keys() {
            assert!(tool["outputSchema"]["properties"].get(member).is_some(), "{name}: {member}");
        }
    }
    let heartbeat = &tools[0]["inputSchema"];
    for wrong in [json!({}), json!({ "agent_id": "a b" }), json!({ "agent_id": "a", "capabilities": [{}] })] {
        assert!(jsonschema::validate(heartbeat, &wrong).is_err(), "{wrong}");
        registry.tool_problem("agent_heartbeat", wrong).await;
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn tools_and_http_tell_the_same_at_one_revision() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for (agent_id, version) in [("a", "1.2.0"), ("b", "1.4.0"), ("c", "2.0.0")] {
        let result = registry.tool("agent_heartbeat", agent(agent_id, version)).await;
        assert_eq!(result["result"], "registered");
    }
    registry.beat(json!({ "agent_id": "c", "status": "degraded" })).await;

    // A JSON object has no order of its own: unknown parameters are told in the order of the alphabet.
    let lists = [
        ("", json!({})),
        ("?limit=2", json!({ "limit": 2 })),
        (
            "?type=default&status=degraded&status=healthy",
            json!({ "type": "default", "status": ["degraded", "healthy"] }),
        ),
        ("?label=zone!%3Da&label=zone", json!({ "label": ["zone!=a", "zone"] })),
        (
            "?capability=geo%2Flookup&version=%3E%3D1.3",
            json!({ "capability": "geo/lookup", "version": ">=1.3" }),
        ),
        ("?q=geo&tag=fast", json!({ "tag": ["fast"], "q": "geo" })),
        ("?limit=0&status=dead", json!({ "limit": 0, "status": ["dead"] })),
        ("?cursor=1-0000000000000001-3", json!({ "cursor": "1-0000000000000001-3" })),
    ];
    for (query, arguments) in lists {
        let http = registry.get(&format!("/agents{query}")).await;
        let tool = match http.status {
            200 => registry.tool("list_available_agents", arguments).await,
            _ => registry.tool_problem("list_available_agents", arguments).await,
        };
        assert_eq!(tool, http.json(), "{query}");
    }
    let http = registry.get("/agents?capability=geo%2Flookup&tag=fast&version=%5E1").await;
    let arguments = json!({ "capability": "geo/lookup", "tags": ["fast"], "version": "^1" });
    if http.status == 200 {
        assert_eq!(registry.tool("get_capability_providers", arguments).await, http.json());
    } else {
        assert_eq!(registry.tool_problem("get_capability_providers", arguments).await["status"], http.status);
    }

    let mut over_http = registry.get("/agents/c/health").await.json();
    let mut by_tool = registry.tool("get_agent_health_status", json!({ "agent_id": "c" })).await;
    for moving in ["silence_ms", "degraded_in_ms", "expires_in_ms", "evicted_in_ms"] {
        assert!(by_tool[moving].is_u64());
        (over_http[moving], by_tool[moving]) = (Value::Null, Value::Null);
    }
    assert_eq!(by_tool, over_http);

    let by_tool = registry.tool("agent_heartbeat", lean("a")).await;
    assert_eq!(by_tool, registry.beat(lean("a")).await.json());
    let figures = registry.tool("get_registry_metrics", json!({})).await;
    let health = registry.get("/health").await.json();
    for member in ["store_id", "revision", "agents"] {
        assert_eq!(figures[member], health[member], "{member}");
    }
    assert_eq!(figures["counts"]["heartbeats"]["registered"], 3);
    assert_eq!(figures["counts"]["events"]["registered"], 3);
    let mcp = &figures["latencies"]["/mcp"];
    assert!(mcp["count"].as_u64() >= Some(10) && mcp["mean_ms"].as_f64() > Some(0.0), "{figures}");
    assert!(figures["mean_rates"]["heartbeats_per_second"].as_f64() > Some(0.0), "{figures}");
    let text = registry.tool("export_prometheus_metrics", json!({})).await;
    let gauges = |text: &str| -> Vec<String> {
        text.lines().filter(|line| line.starts_with("registry_agents")).map(ToOwned::to_owned).collect()
    };
    let over_http = registry.get("/metrics").await;
    assert_eq!(gauges(text["text"].as_str().unwrap()), gauges(&over_http.body));
    assert!(gauges(&over_http.body).len() >= 3);
    assert_eq!(text["content_type"], over_http.header("content-type"));
    registry.stop().await.unwrap();

    // What a tool said was registered is there after a restart.
    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(registry.get("/agents/b").await.json()["metadata"], json!({ "a": [1, { "b": null }] }));
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn what_the_caller_can_mend_is_the_problem_document_of_http() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(json!({ "agent_id": "a", "capabilities": [], "incarnation": 5 })).await;
    let beats = [
        json!({}),
        json!({ "agent_id": "-", "status": 5, "capabilities": [{ "version": "x" }], "labels": [] }),
        lean("nobody"),
        json!({ "agent_id": "a", "capabilities": [], "incarnation": 4 }),
        json!({ "agent_id": "a", "endpoint": "http://x/" }),
    ];
    for beat in beats {
        let http = registry.beat(beat.clone()).await;
        assert!(http.status >= 400);
        assert_eq!(registry.tool_problem("agent_heartbeat", beat).await, http.json());
    }
    assert_eq!(
        registry.tool_problem("get_agent_health_status", json!({ "agent_id": "nobody" })).await,
        registry.get("/agents/nobody/health").await.json()
    );

    let pointers = async |name: &str, arguments: Value| -> Vec<String> {
        let problem = registry.tool_problem(name, arguments).await;
        assert_eq!(problem["status"], 400, "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with("/invalid-query"), "{problem}");
        let mut pointers: Vec<_> = problem["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|error| error["pointer"].as_str().unwrap().to_owned())
            .collect();
        pointers.sort();
        pointers
    };
    // All that is wrong, what a query cannot even express included. What makes a list something else is no argument.
    let wrong =
        json!({ "nonsense": 1, "since": 1, "wait_ms": 1, "status": [{}, "dead"], "type": null, "limit": 0 });
    assert_eq!(
        pointers("list_available_agents", wrong).await,
        ["/limit", "/nonsense", "/since", "/status", "/status/0", "/type", "/wait_ms"]
    );
    assert_eq!(
        pointers("get_capability_providers", json!({ "limit": "x" })).await,
        ["/capability", "/limit"]
    );
    let long = json!({ "type": "x".repeat(40_000) });
    assert_eq!(pointers("list_available_agents", long).await, [""]);
    assert_eq!(pointers("get_agent_health_status", json!({ "id": "a" })).await, ["/agent_id", "/id"]);
    assert_eq!(pointers("get_agent_health_status", json!({ "agent_id": 5 })).await, ["/agent_id"]);
    assert_eq!(pointers("get_registry_metrics", json!({ "x": 1 })).await, ["/x"]);
    assert_eq!(pointers("export_prometheus_metrics", json!({ "a/b": 1 })).await, ["/a~1b"]);
    registry.stop().await.unwrap();
}

#[test]
fn the_page_for_agent_authors_shows_the_script_that_the_gate_runs() {
    let page = include_str!("../../../docs/mcp.md");
    let script = include_str!("../mcp_clients/example_agent.py");
    assert!(page.contains(&format!("```python\n{script}```\n")), "docs/mcp.md and example_agent.py differ");
}
