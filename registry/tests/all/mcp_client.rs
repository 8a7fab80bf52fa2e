//! A raw MCP client that baits: it declares everything that a client can be asked for.

use serde_json::{Value, json};

use crate::openapi;
use crate::support::{Answer, Registry};

pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const LEGACY: &str = "2025-11-25";

/// What each request of the newer revision carries, with all the bait that there is.
pub(crate) fn meta() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": MODERN,
        "io.modelcontextprotocol/clientCapabilities": capabilities(),
        "io.modelcontextprotocol/clientInfo": { "name": "bait", "version": "1" },
        "io.modelcontextprotocol/logLevel": "debug",
        "progressToken": "bait",
    })
}

pub(crate) fn capabilities() -> Value {
    json!({
        "sampling": { "tools": {}, "context": {} },
        "elicitation": { "form": {}, "url": {} },
        "roots": { "listChanged": true },
        "extensions": { "io.modelcontextprotocol/tasks": {} },
    })
}

/// A request of the newer revision.
pub(crate) fn request(method: &str, params: Value) -> Value {
    let mut params = params;
    params["_meta"] = meta();
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params })
}

pub(crate) fn tool_call(name: &str, arguments: Value) -> Value {
    let mut params = json!({ "name": name });
    params["arguments"] = arguments;
    request("tools/call", params)
}

/// The headers that the newer revision wants with a message.
pub(crate) fn headers(message: &Value) -> Vec<(String, String)> {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("accept".to_owned(), "application/json, text/event-stream".to_owned()),
        ("mcp-protocol-version".to_owned(), MODERN.to_owned()),
    ];
    if let Some(method) = message["method"].as_str() {
        headers.push(("mcp-method".to_owned(), method.to_owned()));
    }
    let named = ["name", "uri", "taskId"].into_iter().find_map(|member| message["params"][member].as_str());
    if let Some(name) = named {
        headers.push(("mcp-name".to_owned(), name.to_owned()));
    }
    headers
}

/// The same headers with one other, or without it when it is to be empty.
pub(crate) fn with_header(message: &Value, name: &str, value: &str) -> Vec<(String, String)> {
    let mut headers = headers(message);
    headers.retain(|(other, _)| other != name);
    if !value.is_empty() {
        headers.push((name.to_owned(), value.to_owned()));
    }
    headers
}

impl Registry {
    /// Sends bytes to `/mcp` with exactly these headers; a `host` is added if none is among them.
    pub(crate) async fn mcp_raw(&self, method: &str, headers: &[(String, String)], body: &[u8]) -> Answer {
        let mut head = format!("{method} /mcp HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| name == "host") {
            head.push_str(&format!("host: {}\r\n", self.address));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {}\r\n\r\n", body.len()));
        let answer = Answer::parse(&self.send(&[head.as_bytes(), body].concat()).await);
        openapi::check(method, "/mcp", &answer);
        answer
    }

    /// Sends a message of the newer revision and holds the answer to the profile `pull-only/1`.
    pub(crate) async fn mcp(&self, message: &Value) -> Answer {
        let answer = self.mcp_raw("POST", &headers(message), message.to_string().as_bytes()).await;
        assert_passive(&answer);
        if answer.status == 200 && answer.json().get("result").is_some() {
            assert_eq!(answer.json()["result"]["resultType"], "complete", "{answer:?}");
        }
        answer
    }

    /// Sends a message as a client of the older revision does, after or without `initialize`.
    pub(crate) async fn mcp_legacy(&self, method: &str, params: Value) -> Value {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let headers = [
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
            ("mcp-protocol-version", LEGACY),
            ("mcp-session-id", "one-that-nobody-gave-out"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let answer = self.mcp_raw("POST", &headers, message.to_string().as_bytes()).await;
        assert_passive(&answer);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// What a tool answers, structured; the text must say the same.
    pub(crate) async fn tool(&self, name: &str, arguments: Value) -> Value {
        let answer = self.mcp(&tool_call(name, arguments)).await.json();
        let result = &answer["result"];
        assert_ne!(result["isError"], true, "{answer}");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "wallflower", "{answer}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "{answer}");
        text
    }

    /// The problem document of a call that must fail.
    pub(crate) async fn tool_problem(&self, name: &str, arguments: Value) -> Value {
        let answer = self.mcp(&tool_call(name, arguments)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let result = &answer.json()["result"];
        assert_eq!(result["isError"], true, "{result}");
        assert!(
            result.get("structuredContent").is_none(),
            "it would have to be of the output schema: {result}"
        );
        serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap()
    }

    /// The code of a JSON-RPC error, after its HTTP status.
    pub(crate) async fn mcp_error(&self, message: &Value) -> (u16, i64) {
        error_of(&self.mcp(message).await)
    }
}

pub(crate) fn error_of(answer: &Answer) -> (u16, i64) {
    (answer.status, answer.json()["error"]["code"].as_i64().unwrap_or_else(|| panic!("no error: {answer:?}")))
}

/// One JSON object that is an answer, or nothing; no event stream, no session, nothing that asks or tells.
pub(crate) fn assert_passive(answer: &Answer) {
    assert_eq!(answer.header("mcp-session-id"), "", "{answer:?}");
    if answer.status == 202 {
        assert_eq!(answer.body, "");
        return;
    }
    assert_eq!(answer.header("content-type"), "application/json", "{answer:?}");
    let message = answer.json();
    assert!(message.is_object() && message.get("method").is_none(), "{answer:?}");
    assert!(message.get("result").is_some() != message.get("error").is_some(), "{answer:?}");
}
