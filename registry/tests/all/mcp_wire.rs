//! What revision 2026-07-28 demands of a server's HTTP and JSON-RPC.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::mcp_client::{MODERN, assert_passive, error_of, headers, request, tool_call, with_header};
use crate::support::{Answer, Registry, full};

impl Registry {
    async fn mcp_with(&self, headers: &[(String, String)], message: &Value) -> Answer {
        let answer = self.mcp_raw("POST", headers, message.to_string().as_bytes()).await;
        assert_passive(&answer);
        answer
    }
}

#[tokio::test]
async fn discovery_and_lists_say_what_is_spoken_and_how_long_it_holds() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for method in ["server/discover", "tools/list"] {
        let result = registry.mcp(&request(method, json!({}))).await.json()["result"].clone();
        assert!(result["ttlMs"].as_u64() > Some(0), "{result}");
        assert_eq!(result["cacheScope"], "public", "{result}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "wallflower", "{result}");
    }
    let discovered = registry.mcp(&request("server/discover", json!({}))).await.json();
    assert_eq!(discovered["result"]["supportedVersions"], json!(["2025-11-25", "2026-07-28"]));
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn each_request_tells_who_asks_by_which_revision() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for missing in ["io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities"] {
        let mut message = request("tools/list", json!({}));
        message["params"]["_meta"].as_object_mut().unwrap().remove(missing);
        let answer = registry.mcp_with(&headers(&message), &message).await;
        assert_eq!(error_of(&answer), (400, -32_602), "{missing}: {answer:?}");
    }
    let mut unnamed = request("tools/list", json!({}));
    unnamed["params"]["_meta"].as_object_mut().unwrap().remove("io.modelcontextprotocol/clientInfo");
    assert_eq!(registry.mcp(&unnamed).await.status, 200);

    let mut future = request("tools/list", json!({}));
    future["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2099-01-01");
    let answer =
        registry.mcp_with(&with_header(&future, "mcp-protocol-version", "2099-01-01"), &future).await;
    assert_eq!(error_of(&answer), (400, -32_022), "{answer:?}");
    let data = answer.json()["error"]["data"].clone();
    assert_eq!(data["requested"], "2099-01-01");
    assert_eq!(data["supported"], json!(["2025-11-25", "2026-07-28"]));
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn headers_must_say_what_the_body_says() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let message = tool_call("agent_heartbeat", full("a"));
    for (name, value) in [
        ("mcp-method", "tools/list"),
        ("mcp-method", ""),
        ("mcp-name", "get_registry_metrics"),
        ("mcp-name", ""),
        ("mcp-protocol-version", "2025-11-25"),
    ] {
        let answer = registry.mcp_with(&with_header(&message, name, value), &message).await;
        assert_eq!(error_of(&answer), (400, -32_020), "{name}: {value:?}: {answer:?}");
    }
    assert_eq!(registry.get("/agents/a").await.status, 404, "what is refused changes nothing");
    assert_eq!(
        registry.mcp_with(&with_header(&message, "accept", "application/json"), &message).await.status,
        406
    );
    assert_eq!(
        registry.mcp_with(&with_header(&message, "content-type", "text/plain"), &message).await.status,
        415
    );
    assert_eq!(registry.mcp(&message).await.status, 200);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_foreign_origin_and_a_foreign_host_are_refused_each_by_itself() {
    let folder = tempdir().unwrap();
    let registry = Registry::start_with(folder.path(), |overrides| {
        overrides.allowed_hosts = Some("registry.example, other.example:8443".into());
    })
    .await;
    let message = tool_call("agent_heartbeat", full("a"));
    let port = registry.address.port();
    for origin in
        ["http://evil.example", "https://evil.example:443", "null", "http://localhost.evil.example", "x"]
    {
        let answer = registry.mcp_with(&with_header(&message, "origin", origin), &message).await;
        assert_eq!(answer.status, 403, "{origin}");
    }
    for host in ["evil.example", "127.0.0.1.evil.example", "10.0.0.1:8000", "other.example:1"] {
        let answer = registry.mcp_with(&with_header(&message, "host", host), &message).await;
        assert_eq!(answer.status, 403, "{host}");
    }
    assert_eq!(registry.get("/agents/a").await.status, 404, "what is refused changes nothing");
    for origin in [&format!("http://127.0.0.1:{port}"), "http://localhost:3000", "https://registry.example"] {
        assert_eq!(
            registry.mcp_with(&with_header(&message, "origin", origin), &message).await.status,
            200,
            "{origin}"
        );
    }
    for host in [
        &format!("localhost:{port}"),
        "registry.example",
        "registry.example:8000",
        "other.example:8443",
        "[::1]:1",
    ] {
        assert_eq!(
            registry.mcp_with(&with_header(&message, "host", host), &message).await.status,
            200,
            "{host}"
        );
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn what_is_no_request_is_told_so_in_the_words_of_json_rpc() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let list = request("tools/list", json!({}));
    let refused = |text: String| {
        let registry = &registry;
        let headers = headers(&list);
        async move {
            let answer = registry.mcp_raw("POST", &headers, text.as_bytes()).await;
            assert_passive(&answer);
            assert!(answer.json().get("id").is_none_or(Value::is_string), "{answer:?}");
            error_of(&answer)
        }
    };
    for text in ["", "{", "not json", "{\"jsonrpc\":\"2.0\",}", "\u{0}"] {
        assert_eq!(refused(text.to_owned()).await, (400, -32_700), "{text:?}");
    }
    for value in [
        json!([list]),
        json!("text"),
        json!(null),
        json!({}),
        json!({ "jsonrpc": "1.0", "id": "x", "method": "ping" }),
    ] {
        assert_eq!(refused(value.to_string()).await, (400, -32_600), "{value}");
    }
    for id in [json!(null), json!(1.5), json!({})] {
        let mut message = list.clone();
        message["id"] = id;
        assert_eq!(refused(message.to_string()).await, (400, -32_600), "{message}");
    }
    assert_eq!(refused("x".repeat(300 * 1024)).await, (413, -32_600));

    // Answers to questions that nobody asked.
    for answer in [
        json!({ "jsonrpc": "2.0", "id": 1, "result": {} }),
        json!({ "jsonrpc": "2.0", "id": 1, "error": { "code": 1, "message": "" } }),
    ] {
        let status = registry.mcp_with(&headers(&answer), &answer).await.status;
        assert!((400..500).contains(&status), "{status}");
    }
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(registry.mcp_with(&headers(&note), &note).await.status, 202);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn ids_come_back_and_wrong_parameters_are_not_taken_for_an_unknown_method() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for id in [json!(0), json!("text"), json!(9_007_199_254_740_991_i64)] {
        for method in ["tools/list", "no/such/method"] {
            let mut message = request(method, json!({}));
            message["id"] = id.clone();
            assert_eq!(registry.mcp(&message).await.json()["id"], id);
        }
    }
    let wrong = [
        tool_call("no_such_tool", json!({})),
        request("tools/call", json!({ "name": "agent_heartbeat", "arguments": [] })),
        request("tools/list", json!({ "cursor": "x" })),
    ];
    for message in wrong {
        assert_eq!(registry.mcp_error(&message).await, (200, -32_602), "{message}");
    }
    assert_eq!(request("x", json!({}))["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"], MODERN);
    registry.stop().await.unwrap();
}
