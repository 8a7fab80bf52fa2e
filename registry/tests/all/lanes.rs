//! What lists may not take from heartbeats. Those who do not read hold what they have as long as the tests like.

use registry::config::Settings;
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::mcp_client::tool_call;
use crate::slow::{fill, gauge, many_lists};
use crate::support::{Answer, Registry, eventually, full, lean};

async fn assert_heartbeats_get_in(registry: &Registry) {
    assert_eq!(registry.beat(lean("a0")).await.json()["result"], "renewed");
    assert_eq!(registry.beat(full("another")).await.status, 200);
    let probe = "HEAD /heartbeat/a0 HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n";
    assert_eq!(Answer::parse(&registry.send(probe.as_bytes()).await).status, 200);
    assert_eq!(registry.call("DELETE", "/agents/another", &[], b"").await.status, 204);
}

fn assert_shed(answer: &Answer) {
    answer.problem(429, "/overloaded");
    assert_eq!(answer.header("retry-after"), "1");
}

#[tokio::test]
async fn lists_that_nobody_reads_fill_their_memory_and_others_get_429_while_heartbeats_go_on() {
    let folder = tempdir().unwrap();
    let set = |settings: &mut Settings| settings.limits.answer_bytes = 3 * 1024 * 1024;
    let registry = Registry::start_limited(folder.path(), set).await;
    fill(&registry, 2).await;
    let tag = registry.get("/agents").await.header("etag").to_owned();
    let revision = registry.get("/agents?limit=1").await.json()["revision"].as_u64().unwrap();
    let store_id = registry.get("/health").await.json()["store_id"].as_str().unwrap().to_owned();
    let mut deaf = TcpStream::connect(registry.address).await.unwrap();
    deaf.write_all(&many_lists()).await.unwrap();
    eventually("the memory for lists is taken", async || registry.get("/agents").await.status == 429).await;

    assert_shed(&registry.get("/agents").await);
    assert!(gauge(&registry, "registry_shed_total{route=\"/agents\"} ").await >= 2);
    let unchanged = registry.call("GET", "/agents", &[("if-none-match", &tag)], b"").await;
    assert_eq!(unchanged.status, 304, "who has the list is told so");
    let delta = registry.get(&format!("/agents?since={revision}&store_id={store_id}")).await;
    assert_eq!(delta.json()["changed"], json!([]), "and so is who asks for what changed");
    assert_eq!(registry.get("/agents?limit=1").await.status, 200, "a small answer takes no room");
    assert_heartbeats_get_in(&registry).await;

    drop(deaf);
    eventually("lists are made again", async || registry.get("/agents").await.status == 200).await;
    registry.stop().await.unwrap();
}

/// No turn ever comes: every list is refused, and nothing else is.
#[tokio::test]
async fn without_a_turn_every_list_gets_429_and_heartbeats_need_none() {
    let folder = tempdir().unwrap();
    let set = |settings: &mut Settings| {
        settings.limits.reads_at_once = 0;
        settings.limits.reads_queued = 1;
        settings.limits.queue = std::time::Duration::from_millis(10);
    };
    let registry = Registry::start_limited(folder.path(), set).await;
    registry.beat(full("a0")).await;
    for path in ["/agents", "/capabilities", "/events", "/agents?q=a"] {
        assert_shed(&registry.get(path).await);
    }
    let told = registry.mcp(&tool_call("list_available_agents", json!({}))).await.json()["result"].clone();
    assert_eq!(told["isError"], true, "{told}");
    assert!(told["content"][0]["text"].as_str().unwrap().contains("/problems/overloaded"), "{told}");
    assert_heartbeats_get_in(&registry).await;
    for path in ["/agents/a0", "/agents/a0/health", "/health", "/livez", "/readyz", "/policies", "/metrics"] {
        assert_eq!(registry.get(path).await.status, 200, "{path}");
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_quarter_of_the_connections_is_not_for_those_who_ask_for_lists() {
    let folder = tempdir().unwrap();
    let registry = Registry::start_limited(folder.path(), |settings| settings.max_connections = 8).await;
    registry.beat(full("a0")).await;
    let mut readers = Vec::new();
    for _ in 0..6 {
        let mut reader = TcpStream::connect(registry.address).await.unwrap();
        reader.write_all(b"GET /agents HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        let mut begin = [0; 12];
        reader.read_exact(&mut begin).await.unwrap();
        assert_eq!(&begin, b"HTTP/1.1 200");
        readers.push(reader);
    }
    let refused = registry.send(b"GET /agents HTTP/1.1\r\nhost: r\r\n\r\n").await;
    // `send` reads until the registry closes, and did not ask it to.
    let refused = Answer::parse(&refused);
    assert_shed(&refused);
    assert_eq!(refused.header("connection"), "close");
    assert_heartbeats_get_in(&registry).await;
    for path in ["/livez", "/readyz", "/health", "/metrics"] {
        assert_eq!(registry.get(path).await.status, 200, "{path}");
    }
    readers.pop();
    eventually("there is room again", async || registry.get("/agents").await.status == 200).await;
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn one_address_has_its_share_of_the_connections() {
    let folder = tempdir().unwrap();
    let set = |settings: &mut Settings| {
        settings.max_connections = 8;
        settings.limits.spares_loopback = false;
    };
    let registry = Registry::start_limited(folder.path(), set).await;
    let mut first = Vec::new();
    for _ in 0..2 {
        let mut stream = TcpStream::connect(registry.address).await.unwrap();
        stream.write_all(b"GET /livez HTTP/1.1\r\nhost: r\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 12]).await.unwrap();
        first.push(stream);
    }
    assert_eq!(registry.send(b"GET /livez HTTP/1.1\r\nhost: r\r\n\r\n").await, b"");
    drop(first);
    let answer = b"GET /metrics HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n";
    eventually("a place is free again", async || !registry.send(answer).await.is_empty()).await;
    registry.stop().await.unwrap();
}
