//! The profile `pull-only/1`: whatever a client declares, sends or asks, nothing comes that no request asked for.

use std::io::ErrorKind;

use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mcp_client::{LEGACY, assert_passive, capabilities, headers, request, tool_call};
use crate::store::event_kinds;
use crate::support::{Answer, Registry, database, eventually, full};

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[tokio::test]
async fn whatever_is_no_post_is_refused_with_what_is_allowed() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let baits = [
        pairs(&[]),
        pairs(&[("accept", "text/event-stream")]),
        pairs(&[("accept", "text/event-stream"), ("mcp-session-id", "x"), ("last-event-id", "0")]),
        pairs(&[("accept", "text/event-stream"), ("mcp-protocol-version", LEGACY), ("mcp-session-id", "x")]),
    ];
    for method in ["GET", "DELETE", "PUT", "PATCH"] {
        for bait in &baits {
            let answer = registry.mcp_raw(method, bait, b"").await;
            assert_eq!((answer.status, answer.header("allow")), (405, "POST"), "{method}: {answer:?}");
            assert_eq!(answer.header("mcp-session-id"), "");
            assert!(!answer.header("content-type").contains("event-stream"));
        }
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_but_tools_is_declared_and_nothing_but_tools_is_answered() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let tools_only = json!({ "tools": {} });
    let discovered = registry.mcp(&request("server/discover", json!({}))).await.json();
    assert_eq!(discovered["result"]["capabilities"], tools_only);
    let hello = json!({
        "protocolVersion": LEGACY, "capabilities": capabilities(), "clientInfo": { "name": "bait", "version": "1" },
    });
    let greeted = registry.mcp_legacy("initialize", hello.clone()).await;
    assert_eq!(greeted["result"]["capabilities"], tools_only);
    assert_eq!(greeted["result"]["protocolVersion"], LEGACY);

    let refused = [
        (
            "subscriptions/listen",
            json!({ "notifications": { "toolsListChanged": true, "resourceSubscriptions": ["x:y"] } }),
        ),
        ("resources/subscribe", json!({ "uri": "x:y" })),
        ("resources/unsubscribe", json!({ "uri": "x:y" })),
        ("resources/list", json!({})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({ "uri": "x:y" })),
        ("prompts/list", json!({})),
        ("prompts/get", json!({ "name": "x" })),
        (
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "x" }, "argument": { "name": "a", "value": "b" } }),
        ),
        ("logging/setLevel", json!({ "level": "debug" })),
        ("tasks/get", json!({ "taskId": "x" })),
        ("tasks/cancel", json!({ "taskId": "x" })),
        ("skills/list", json!({})),
        ("sampling/createMessage", json!({})),
        ("no/such/method", json!({})),
    ];
    for (method, params) in refused {
        assert_eq!(registry.mcp_error(&request(method, params.clone())).await, (404, -32_601), "{method}");
        let code = registry.mcp_legacy(method, params).await["error"]["code"].clone();
        assert_eq!(code, -32_601, "{method} by the older revision");
    }
    registry.stop().await.unwrap();
}

/// The same call on any connection, in any order, with or without a greeting, gives the same.
#[tokio::test]
async fn no_connection_and_no_call_leaves_a_state_behind() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let list = request("tools/list", json!({}));
    let first = registry.mcp(&list).await.body;
    let legacy = registry.mcp_legacy("tools/list", json!({})).await;
    registry.tool("agent_heartbeat", full("a")).await;
    registry.mcp_error(&request("subscriptions/listen", json!({ "notifications": {} }))).await;
    assert_eq!(registry.mcp(&list).await.body, first);
    assert_eq!(registry.mcp_legacy("tools/list", json!({})).await, legacy);
    let names = |tools: &Value| -> Vec<Value> {
        tools.as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect()
    };
    let modern: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(names(&modern["result"]["tools"]), names(&legacy["result"]["tools"]));
    let called = registry.mcp_legacy("tools/call", json!({ "name": "get_registry_metrics" })).await;
    assert_eq!(called["result"]["structuredContent"]["agents"]["healthy"], 1, "without a greeting: {called}");
    assert!(called["result"].get("resultType").is_none(), "the older revision has no such member");
    registry.stop().await.unwrap();
}

/// Reads one answer of a connection that stays open.
async fn next_answer(stream: &mut TcpStream) -> Answer {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap_or("0");
            if body.len() >= length.parse().unwrap() {
                return Answer::parse(&bytes);
            }
        }
        assert!(stream.read_buf(&mut bytes).await.unwrap() > 0, "closed");
    }
}

#[tokio::test]
async fn an_open_connection_hears_nothing_while_agents_come_and_go_and_no_endpoint_is_called() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["default=20ms,40ms,80ms,160ms"]).await;
    let canary = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    canary.set_nonblocking(true).unwrap();
    let endpoint = format!("http://{}/mcp", canary.local_addr().unwrap());
    let message = tool_call(
        "agent_heartbeat",
        json!({ "agent_id": "a", "capabilities": [], "endpoint": endpoint, "metadata": { "webhook": endpoint } }),
    );
    let mut head = format!("POST /mcp HTTP/1.1\r\nhost: {}\r\n", registry.address);
    for (name, value) in headers(&message) {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    let body = message.to_string();
    let bytes = format!("{head}content-length: {}\r\n\r\n{body}", body.len());

    let mut stream = TcpStream::connect(registry.address).await.unwrap();
    for round in 1..=2 {
        stream.write_all(bytes.as_bytes()).await.unwrap();
        let answer = next_answer(&mut stream).await;
        assert_passive(&answer);
        assert_eq!(answer.json()["result"]["structuredContent"]["epoch"], round, "{answer:?}");
        let path = database(folder.path());
        eventually("the agent's whole life is in the store", async || {
            event_kinds(&path).await.len() >= 4 * round
        })
        .await;
        // What had been sent on the way is here by now: the store was written after it would have been.
        let silence = stream.try_read(&mut [0; 64]).map_err(|error| error.kind());
        assert_eq!(silence, Err(ErrorKind::WouldBlock), "bytes that no request asked for, or the end");
    }
    assert_eq!(canary.accept().map(|_| ()).map_err(|error| error.kind()), Err(ErrorKind::WouldBlock));
    registry.stop().await.unwrap();
}
