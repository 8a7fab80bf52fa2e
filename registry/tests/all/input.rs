//! What callers send that they should not.

use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, Registry, full};

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn all_faults_of_a_heartbeat_are_named_and_nothing_changes() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let bad = json!({
        "agent_id": "a", "capabilities": [{ "name": "c", "version": "x" }], "labels": { "k": 1 }, "status": "dead",
    });
    let answer = registry.beat(bad).await;
    answer.problem(400, "/invalid-heartbeat");
    assert_eq!(answer.pointers(), ["/status", "/capabilities/0/version", "/labels/k"]);
    assert_eq!(registry.get("/agents").await.json()["revision"], 0);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_must_be_json_and_at_most_256_kib() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let body = full("a").to_string();
    registry.call("POST", "/heartbeat", &[], body.as_bytes()).await.problem(415, "/not-json");
    let text = [("content-type", "text/plain")];
    registry.call("POST", "/heartbeat", &text, body.as_bytes()).await.problem(415, "/not-json");
    let with_charset = [("content-type", "Application/JSON; charset=utf-8")];
    assert_eq!(registry.call("POST", "/heartbeat", &with_charset, body.as_bytes()).await.status, 200);

    let padded = |size: usize| format!("{body}{}", " ".repeat(size - body.len()));
    let largest = padded(256 * 1024);
    assert_eq!(registry.call("POST", "/heartbeat", JSON, largest.as_bytes()).await.status, 200);
    for size in [256 * 1024 + 1, 3 * 1024 * 1024] {
        let answer = registry.call("POST", "/heartbeat", JSON, padded(size).as_bytes()).await;
        answer.problem(413, "/too-large");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn unknown_routes_methods_and_parameters_are_problems() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.get("/nothing").await.problem(404, "/not-found");
    let wrong_method = registry.call("PUT", "/agents", &[], b"").await;
    wrong_method.problem(405, "/method-not-allowed");
    assert_eq!(wrong_method.header("allow"), "GET,HEAD");
    let wrong_method = registry.get("/heartbeat/a").await;
    wrong_method.problem(405, "/method-not-allowed");
    assert_eq!(wrong_method.header("allow"), "HEAD");
    for (path, pointers) in [
        ("/agents?statuz=expired", vec!["/statuz"]),
        ("/agents?status=gone&limit=0&label=&type=a&type=b", vec!["/limit", "/type", "/status", "/label"]),
        ("/agents?limit=10001", vec!["/limit"]),
        ("/agents?cursor=x", vec!["/cursor"]),
        ("/agents?since=x&wait_ms=60001", vec!["/since", "/wait_ms"]),
        ("/agents/a?x=1", vec!["/x"]),
        ("/agents/a/health?x=1", vec!["/x"]),
        ("/capabilities?type=a", vec!["/type"]),
        ("/policies?x", vec!["/x"]),
        ("/health?x", vec!["/x"]),
        ("/metrics?x", vec!["/x"]),
    ] {
        let answer = registry.get(path).await;
        answer.problem(400, "/invalid-query");
        assert_eq!(answer.pointers(), pointers, "{path}");
    }
    assert_eq!(registry.call("POST", "/heartbeat?x=1", JSON, b"{}").await.pointers(), ["/x"]);
    for path in ["/agents/%ff", "/agents/a%20b", "/agents/none/health"] {
        registry.get(path).await.problem(404, "/not-found");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn bytes_that_are_no_http_end_in_a_4xx_or_a_closed_connection() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let header_flood = format!("GET /agents HTTP/1.1\r\nx: {}\r\n\r\n", "y".repeat(1_000_000));
    let many_headers = format!("GET /agents HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(10_000));
    let inputs: [&[u8]; 6] = [
        b"\0\0\0\0\r\n\r\n",
        b"GET /agents HTTP/9.9\r\n\r\n",
        b"POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-length: -5\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
        header_flood.as_bytes(),
        many_headers.as_bytes(),
    ];
    for bytes in inputs {
        let answer = registry.send(bytes).await;
        if !answer.is_empty() {
            let status = Answer::parse(&answer).status;
            assert!((400..500).contains(&status), "{status} for {:?}", &bytes[..20.min(bytes.len())]);
        }
    }
    assert_eq!(registry.beat(full("a")).await.status, 200);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_carries_many_calls() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let mut stream = TcpStream::connect(registry.address).await.unwrap();
    for _ in 0..3 {
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"{\"status\":\"ok\"}") {
            let mut piece = [0; 1024];
            let length = stream.read(&mut piece).await.unwrap();
            assert_ne!(length, 0, "the registry closed the connection");
            answer.extend_from_slice(&piece[..length]);
        }
    }
    registry.stop().await.unwrap();
}
