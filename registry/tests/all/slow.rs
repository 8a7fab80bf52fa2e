//! Peers that take their time. The limits are short here; nothing is judged by how soon they are enforced.

use std::time::Duration;

use registry::config::Settings;
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Answer, PATIENCE, Registry, eventually, full};

const SHORT: Duration = Duration::from_millis(300);

pub(crate) async fn gauge(registry: &Registry, name: &str) -> u64 {
    let metrics = registry.get("/metrics").await.body;
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_else(|| panic!("{name}"));
    line.trim().parse().unwrap()
}

/// The connection that asks is one itself.
async fn until_only_the_asker_is_connected(registry: &Registry) {
    eventually("the others are gone", async || gauge(registry, "registry_connections ").await == 1).await;
}

/// Reads until the registry closes; what fails meanwhile is a connection that is gone, too.
async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    let _ = tokio::time::timeout(PATIENCE, reading).await.expect("the registry closes");
    answer
}

async fn connect(registry: &Registry, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(registry.address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    stream
}

#[tokio::test]
async fn headers_that_do_not_end_end_the_connection_and_idle_ones_live_on() {
    let folder = tempdir().unwrap();
    let registry = Registry::start_limited(folder.path(), |settings| settings.limits.headers = SHORT).await;
    let mut idle = connect(&registry, b"GET /livez HTTP/1.1\r\nhost: r\r\n\r\n").await;
    let mut stuck = connect(&registry, b"GET /agents HTTP/1.1\r\nhost: r\r\nx-").await;
    let mut dripping = connect(&registry, b"POST /heartbeat HTTP/1.1\r\n").await;
    let (mut answers, mut drops) = dripping.split();
    let drip = async {
        while drops.write_all(b"x: y\r\n").await.is_ok() {
            tokio::time::sleep(SHORT / 3).await;
        }
    };
    let mut nothing = Vec::new();
    tokio::select! {
        () = drip => {}
        _ = answers.read_to_end(&mut nothing) => {}
    }
    assert_eq!(rest(&mut stuck).await, b"");
    // All the time the idle one has been quiet for longer than headers may take.
    idle.write_all(b"GET /readyz HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n").await.unwrap();
    let answers = String::from_utf8(rest(&mut idle).await).unwrap();
    assert_eq!(answers.matches("HTTP/1.1 200").count(), 2, "{answers}");
    until_only_the_asker_is_connected(&registry).await;
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let folder = tempdir().unwrap();
    let registry =
        Registry::start_limited(folder.path(), |settings| settings.limits.first_byte = SHORT).await;
    let mut silent = connect(&registry, b"").await;
    assert_eq!(rest(&mut silent).await, b"");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_body_that_does_not_come_gets_408_on_both_routes_that_read_one() {
    let folder = tempdir().unwrap();
    let registry = Registry::start_limited(folder.path(), |settings| settings.limits.body = SHORT).await;
    for path in ["/heartbeat", "/mcp"] {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99\r\n\r\n{{"
        );
        let mut slow = connect(&registry, head.as_bytes()).await;
        assert_eq!(Answer::parse(&rest(&mut slow).await).status, 408, "{path}");
    }
    assert_eq!(registry.beat(full("a")).await.status, 200);
    until_only_the_asker_is_connected(&registry).await;
    registry.stop().await.unwrap();
}

/// Fills the registry until its whole list has about so many bytes.
pub(crate) async fn fill(registry: &Registry, megabytes: usize) {
    let filler = "x".repeat(8_000);
    for number in 0..megabytes * 16 {
        let labels: serde_json::Map<_, _> =
            (0..64).map(|label| (format!("k{label}"), json!(&filler[..250]))).collect();
        let capabilities: Vec<_> = (0..40)
            .map(|offer| json!({ "name": format!("c{offer}"), "description": &filler[..1_000] }))
            .collect();
        let body = json!({
            "agent_id": format!("a{number}"), "metadata": { "filler": filler }, "labels": labels,
            "capabilities": capabilities,
        });
        assert_eq!(registry.beat(body).await.status, 200);
    }
}

/// More lists than the sockets' buffers hold, asked for at once.
pub(crate) fn many_lists() -> Vec<u8> {
    b"GET /agents HTTP/1.1\r\nhost: r\r\n\r\n".repeat(20)
}

#[tokio::test]
async fn a_peer_that_does_not_read_loses_its_connection_and_gives_everything_back() {
    let folder = tempdir().unwrap();
    let set = |settings: &mut Settings| {
        settings.limits.stall = SHORT;
        // Enough for four lists of more than 2 MB, not for five.
        settings.limits.answer_bytes = 9 * 1024 * 1024;
    };
    let registry = Registry::start_limited(folder.path(), set).await;
    fill(&registry, 2).await;
    let mut deaf = Vec::new();
    for _ in 0..4 {
        deaf.push(connect(&registry, &many_lists()).await);
    }
    // They are given up although they stay.
    until_only_the_asker_is_connected(&registry).await;
    // Again and again, since on a busy machine whoever reads may also be found too slow.
    eventually("a list is read to its end", async || {
        let list = registry.get("/agents").await;
        list.status == 200 && list.header("content-length") == list.body.len().to_string()
    })
    .await;
    drop(deaf);
    registry.stop().await.unwrap();
}
