//! Who may do what: each route with each kind of token, over HTTP and as MCP tools.

use std::path::{Path, PathBuf};

use registry::auth::{Scope, mint};
use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Answer, Registry, full, lean};

const WRONG: &str = "wf_0000000000000000000000000000000000000000000000000000000000000000";

/// The secrets of a file of tokens.
struct Secrets {
    file: PathBuf,
    agent: String,
    reader: String,
    admin: String,
}

fn secrets(folder: &Path) -> Secrets {
    let file = folder.join("tokens.toml");
    let agent = mint("agent", &[Scope::Agent], "team-a-").unwrap();
    let reader = mint("reader", &[Scope::Read], "").unwrap();
    let admin = mint("admin", &[Scope::Admin], "").unwrap();
    std::fs::write(&file, [agent.entry, reader.entry, admin.entry].join("\n")).unwrap();
    Secrets { file, agent: agent.secret, reader: reader.secret, admin: admin.secret }
}

async fn protected(folder: &Path, secrets: &Secrets) -> Registry {
    Registry::start_with(folder, |overrides| {
        overrides.tokens = Some(secrets.file.display().to_string());
        // So patient that nobody changes by itself, however slow the machine.
        overrides.policies = vec!["default=1h,2h,3h,4h".into()];
    })
    .await
}

async fn call(registry: &Registry, token: Option<&str>, request: &str, body: &Value) -> Answer {
    let (method, path) = request.split_once(' ').unwrap();
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers =
        vec![("content-type", "application/json"), ("accept", "application/json, text/event-stream")];
    headers.extend(bearer.iter().map(|bearer| ("authorization", bearer.as_str())));
    let body = if body.is_null() { String::new() } else { body.to_string() };
    registry.call(method, path, &headers, body.as_bytes()).await
}

/// What must be the same after a call that was denied.
async fn state(registry: &Registry, secrets: &Secrets) -> Vec<Value> {
    let mut seen = Vec::new();
    for path in
        ["GET /agents?status=healthy&status=degraded&status=expired", "GET /events", "GET /capabilities"]
    {
        let answer = call(registry, Some(&secrets.admin), path, &Value::Null).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.push(answer.json());
    }
    seen
}

#[tokio::test]
async fn each_route_answers_to_the_tokens_that_it_is_for_and_a_denied_call_changes_nothing() {
    let folder = tempdir().unwrap();
    let secrets = secrets(folder.path());
    let registry = protected(folder.path(), &secrets).await;
    for id in ["team-a-1", "team-b-1"] {
        let answer = call(&registry, Some(&secrets.admin), "POST /heartbeat", &full(id)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // Request, body, and the status for: no token, a wrong one, agent, reader, admin. What succeeds changes nothing
    // visible either, so that every row can be held against the same state.
    let rows: [(&str, Value, [u16; 5]); 25] = [
        ("GET /livez", Value::Null, [200, 200, 200, 200, 200]),
        ("GET /readyz", Value::Null, [200, 200, 200, 200, 200]),
        ("GET /health", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /metrics", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /policies", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /agents", Value::Null, [401, 401, 403, 200, 200]),
        ("HEAD /agents", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /agents?nonsense=1", Value::Null, [401, 401, 403, 400, 400]),
        ("GET /agents/team-a-1", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /agents/team-a-1/health", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /capabilities", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /events", Value::Null, [401, 401, 403, 200, 200]),
        ("GET /nowhere", Value::Null, [401, 401, 404, 404, 404]),
        ("PUT /agents", Value::Null, [401, 401, 403, 403, 405]),
        ("POST /heartbeat", lean("team-a-1"), [401, 401, 200, 403, 200]),
        ("POST /heartbeat", full("team-a-1"), [401, 401, 200, 403, 200]),
        ("POST /heartbeat", lean("team-b-1"), [401, 401, 403, 403, 200]),
        ("POST /heartbeat", json!({ "agent_id": "" }), [401, 401, 400, 403, 400]),
        ("POST /heartbeat", json!({ "agent_id": "team-b-1", "status": "odd" }), [401, 401, 400, 403, 400]),
        ("HEAD /heartbeat/team-a-1", Value::Null, [401, 401, 200, 403, 200]),
        ("HEAD /heartbeat/team-b-1", Value::Null, [401, 401, 403, 403, 200]),
        ("HEAD /heartbeat/team-b-none", Value::Null, [401, 401, 403, 403, 410]),
        ("DELETE /agents/team-b-none", Value::Null, [401, 401, 403, 403, 404]),
        ("DELETE /agents/team-a-none", Value::Null, [401, 401, 404, 403, 404]),
        ("GET /mcp", Value::Null, [401, 401, 405, 405, 405]),
    ];
    let before = state(&registry, &secrets).await;
    for (request, body, expected) in &rows {
        let tokens =
            [None, Some(WRONG), Some(&*secrets.agent), Some(&*secrets.reader), Some(&*secrets.admin)];
        for (token, status) in tokens.into_iter().zip(expected) {
            let answer = call(&registry, token, request, body).await;
            assert_eq!(answer.status, *status, "{request} {body} with {token:?}: {answer:?}");
            let has_body = !request.starts_with("HEAD");
            match status {
                401 => {
                    let challenge = if token.is_none() { "Bearer" } else { "Bearer error=\"invalid_token\"" };
                    assert_eq!(answer.header("www-authenticate"), challenge);
                    assert!(!has_body || answer.problem(401, "/unauthorized")["detail"].is_string());
                }
                403 if has_body => drop(answer.problem(403, "/forbidden")),
                _ => {}
            }
            assert!(!answer.body.contains("wf_"), "{answer:?}");
        }
    }
    // These would have changed something.
    for (token, request, body, status) in [
        (None, "POST /heartbeat", full("team-a-9"), 401),
        (Some(&*secrets.reader), "POST /heartbeat", full("team-a-9"), 403),
        (Some(&*secrets.agent), "POST /heartbeat", full("team-b-9"), 403),
        (
            Some(&*secrets.agent),
            "POST /heartbeat",
            json!({ "agent_id": "team-b-1", "status": "degraded" }),
            403,
        ),
        (Some(WRONG), "DELETE /agents/team-a-1", Value::Null, 401),
        (Some(&*secrets.reader), "DELETE /agents/team-a-1", Value::Null, 403),
        (Some(&*secrets.agent), "DELETE /agents/team-b-1", Value::Null, 403),
    ] {
        assert_eq!(call(&registry, token, request, &body).await.status, status, "{request} {body}");
    }
    assert_eq!(state(&registry, &secrets).await, before);
    let gone = call(&registry, Some(&secrets.agent), "DELETE /agents/team-a-1", &Value::Null).await;
    assert_eq!(gone.status, 204, "{gone:?}");
    registry.stop().await.unwrap();
}

fn tool(name: &str, arguments: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": name, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {} } } })
}

async fn call_tool(registry: &Registry, token: &str, name: &str, arguments: &Value) -> Value {
    let bearer = format!("Bearer {token}");
    let headers = [
        ("host", "localhost"),
        ("content-type", "application/json"),
        ("accept", "application/json, text/event-stream"),
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", name),
        ("authorization", &bearer),
    ];
    let body = tool(name, arguments).to_string();
    // The helper sends a host of its own, of which `/mcp` takes one only.
    let mut request = String::from("POST /mcp HTTP/1.1\r\nconnection: close\r\n");
    for (name, value) in headers {
        request.push_str(&format!("{name}: {value}\r\n"));
    }
    request.push_str(&format!("content-length: {}\r\n\r\n{body}", body.len()));
    let answer = Answer::parse(&registry.send(request.as_bytes()).await);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["result"].clone()
}

#[tokio::test]
async fn a_tool_asks_for_the_scope_of_its_route_and_says_the_same_problem() {
    let folder = tempdir().unwrap();
    let secrets = secrets(folder.path());
    let registry = protected(folder.path(), &secrets).await;
    let declared = |id: &str| json!({ "agent_id": id, "capabilities": [] });
    let answer = call_tool(&registry, &secrets.agent, "agent_heartbeat", &declared("team-a-1")).await;
    assert_eq!(answer["structuredContent"]["result"], "registered", "{answer}");
    let before = state(&registry, &secrets).await;

    for token in [None, Some(WRONG)] {
        let answer =
            call(&registry, token, "POST /mcp", &tool("agent_heartbeat", &declared("team-a-2"))).await;
        answer.problem(401, "/unauthorized");
    }

    let none = json!({});
    let one = json!({ "agent_id": "team-a-1" });
    let reads = [
        ("list_available_agents", &none),
        ("get_capability_providers", &none),
        ("get_agent_health_status", &one),
        ("get_registry_metrics", &none),
        ("export_prometheus_metrics", &none),
    ];
    let foreign = declared("team-b-1");
    let own = declared("team-a-2");
    let mut denied = reads.map(|(name, arguments)| (&secrets.agent, name, arguments)).to_vec();
    denied.push((&secrets.agent, "agent_heartbeat", &foreign));
    denied.push((&secrets.reader, "agent_heartbeat", &own));
    for (token, name, arguments) in denied {
        let answer = call_tool(&registry, token, name, arguments).await;
        assert_eq!(answer["isError"], true, "{name}: {answer}");
        let problem: Value = serde_json::from_str(answer["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!((&problem["status"], &problem["type"]), (&json!(403), &json!("/problems/forbidden")));
        assert!(answer.get("structuredContent").is_none(), "{answer}");
    }
    let over_http = call(&registry, Some(&secrets.agent), "POST /heartbeat", &foreign).await.json();
    let by_tool = call_tool(&registry, &secrets.agent, "agent_heartbeat", &foreign).await;
    assert_eq!(by_tool["content"][0]["text"].as_str().unwrap(), over_http.to_string());
    assert_eq!(state(&registry, &secrets).await, before);

    for (name, arguments) in reads.into_iter().filter(|(name, _)| *name != "get_capability_providers") {
        let answer = call_tool(&registry, &secrets.reader, name, arguments).await;
        assert_ne!(answer["isError"], true, "{name}: {answer}");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_bearer_token_is_none_and_denials_are_counted_by_reason() {
    let folder = tempdir().unwrap();
    let secrets = secrets(folder.path());
    let registry = protected(folder.path(), &secrets).await;
    let with = async |values: &[String]| {
        let headers: Vec<_> = values.iter().map(|value| ("authorization", value.as_str())).collect();
        registry.call("GET", "/agents", &headers, b"").await.status
    };
    let good = format!("Bearer {}", secrets.reader);
    assert_eq!(with(&[format!("bEARER {}", secrets.reader)]).await, 200, "schemes have no case");
    for bad in ["", "Bearer", "Basic d2Y6d2Y=", &secrets.reader] {
        assert_eq!(with(&[bad.to_owned()]).await, 401, "{bad:?}");
    }
    for bad in ["Bearer ", "Bearer wf_", &format!("{good},"), &format!("{good} {good}")] {
        assert_eq!(with(&[bad.to_owned()]).await, 401, "{bad:?}");
    }
    assert_eq!(with(&[good.clone(), good.clone()]).await, 401, "which of the two is meant?");
    call(&registry, Some(&secrets.agent), "GET /agents", &Value::Null).await;
    call(&registry, Some(&secrets.agent), "POST /heartbeat", &full("team-b-1")).await;
    let text = call(&registry, Some(&secrets.reader), "GET /metrics", &Value::Null).await.body;
    // The word "Bearer" alone loses its blank on the way and is no token; with nothing else it is the same.
    for line in [
        "registry_denied_total{reason=\"no_token\"} 5",
        "registry_denied_total{reason=\"wrong_token\"} 4",
        "registry_denied_total{reason=\"scope\"} 1",
        "registry_denied_total{reason=\"foreign_agent\"} 1",
    ] {
        assert!(text.lines().any(|other| other == line), "{line} in {text}");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn without_a_file_of_tokens_the_registry_is_open_whatever_is_sent() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for token in [None, Some(WRONG)] {
        assert_eq!(call(&registry, token, "POST /heartbeat", &full("a")).await.status, 200);
        assert_eq!(call(&registry, token, "GET /agents", &Value::Null).await.status, 200);
    }
    registry.stop().await.unwrap();
}
