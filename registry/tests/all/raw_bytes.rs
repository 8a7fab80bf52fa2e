//! Raw bytes on a real socket: what is no HTTP, or two things at once, ends in a 4xx or a closed connection, and the next
//! connection is served.

use proptest::prelude::*;
use tempfile::tempdir;

use crate::support::{Registry, full};

/// Every status in the answers of one connection.
fn statuses(answers: &[u8]) -> Vec<u16> {
    let text = String::from_utf8_lossy(answers);
    let lines =
        text.match_indices("HTTP/1.1 ").filter_map(|(at, begin)| text.get(at + begin.len()..)?.get(..3));
    lines.filter_map(|digits| digits.parse().ok()).collect()
}

const HEARTBEAT: &str = "{\"agent_id\":\"smuggled\",\"capabilities\":[]}";

/// Requests of which two readers could disagree where they end.
fn smuggling() -> Vec<(&'static str, String)> {
    let post = |headers: &str, body: &str| {
        format!(
            "POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\n{headers}\r\n\r\n{body}"
        )
    };
    let hidden = format!(
        "POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{HEARTBEAT}",
        HEARTBEAT.len()
    );
    vec![
        ("two lengths", post("content-length: 2\r\ncontent-length: 200", &format!("{{}}{hidden}"))),
        ("a list of lengths", post("content-length: 2, 200", &format!("{{}}{hidden}"))),
        ("a signed length", post("content-length: +2", &format!("{{}}{hidden}"))),
        ("a length in hex", post("content-length: 0x2", &format!("{{}}{hidden}"))),
        ("a length beyond 64 bits", post("content-length: 99999999999999999999999", &hidden)),
        ("an unknown coding", post("transfer-encoding: xchunked", &format!("0\r\n\r\n{hidden}"))),
        (
            "chunked before another",
            post("transfer-encoding: chunked, identity", &format!("0\r\n\r\n{hidden}")),
        ),
        ("a chunk size of letters", post("transfer-encoding: chunked", &format!("zz\r\n{hidden}"))),
        (
            "a chunk size beyond 64 bits",
            post("transfer-encoding: chunked", &format!("fffffffffffffffff\r\n{hidden}")),
        ),
        ("a folded header", post("x: y\r\n content-length: 2", &hidden)),
        ("a blank before the colon", post("content-length : 2", &format!("{{}}{hidden}"))),
        ("a bare carriage return", post("x: y\rcontent-length: 2", &hidden)),
        ("a NUL in a header", post("x: \0", &hidden)),
    ]
}

#[tokio::test]
async fn no_request_is_smuggled_past_its_end() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for (what, bytes) in smuggling() {
        let answers = statuses(&registry.send(bytes.as_bytes()).await);
        assert!(answers.iter().all(|status| (400..500).contains(status)), "{what}: {answers:?}");
        assert!(answers.len() <= 1, "{what}: the hidden request was answered, too: {answers:?}");
        assert_eq!(registry.get("/agents/smuggled").await.status, 404, "{what}");
    }
    assert_eq!(registry.beat(full("a")).await.status, 200);
    registry.stop().await.unwrap();
}

/// RFC 9112, section 6.1: with both, the coding decides, and the connection does not go on.
#[tokio::test]
async fn a_length_beside_chunks_hides_nothing() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let hidden = "GET /agents/hidden HTTP/1.1\r\nhost: r\r\n\r\n";
    for headers in
        ["content-length: 4\r\ntransfer-encoding: chunked", "transfer-encoding: chunked\r\ncontent-length: 4"]
    {
        let bytes = format!(
            "POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\nconnection: close\r\n{headers}\r\n\
             \r\n0\r\n\r\n{hidden}"
        );
        let answers = statuses(&registry.send(bytes.as_bytes()).await);
        assert!(
            answers.len() <= 1 && answers.iter().all(|status| (400..500).contains(status)),
            "{answers:?}"
        );
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn headers_beyond_the_bounds_get_431() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let limits = registry.get("/policies").await.json()["limits"].clone();
    let most = limits["headers"].as_u64().unwrap() as usize;
    let with = |headers: usize| {
        let others = "x: y\r\n".repeat(headers - 2);
        format!("GET /livez HTTP/1.1\r\nhost: r\r\nconnection: close\r\n{others}\r\n")
    };
    assert_eq!(statuses(&registry.send(with(most).as_bytes()).await), [200]);
    assert_eq!(statuses(&registry.send(with(most + 1).as_bytes()).await), [431]);
    let bytes = limits["header_bytes"].as_u64().unwrap() as usize;
    let of = |length: usize| {
        format!("GET /livez HTTP/1.1\r\nhost: r\r\nconnection: close\r\nx: {}\r\n\r\n", "y".repeat(length))
    };
    assert_eq!(statuses(&registry.send(of(bytes / 2).as_bytes()).await), [200]);
    // Whether the 431 of a flood is read before the connection is reset is the client's luck.
    let flooded = statuses(&registry.send(of(1_000_000).as_bytes()).await);
    assert!(flooded.is_empty() || flooded == [431], "{flooded:?}");
    assert_eq!(registry.get("/livez").await.status, 200);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn calls_that_are_sent_at_once_are_answered_in_order() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let one = |path: &str, more: &str| format!("GET {path} HTTP/1.1\r\nhost: r\r\n{more}\r\n");
    let calls = [
        one("/livez", ""),
        one("/nothing", ""),
        one("/agents?x=1", ""),
        format!(
            "POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{HEARTBEAT}",
            HEARTBEAT.len()
        ),
        one("/agents/smuggled", "connection: close\r\n"),
    ];
    let answers = registry.send(calls.concat().as_bytes()).await;
    assert_eq!(statuses(&answers), [200, 404, 400, 200, 200]);
    registry.stop().await.unwrap();
}

fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "GET /agents HTTP/1.1\r\n",
            "POST /heartbeat HTTP/1.1\r\n",
            "HEAD /heartbeat/a HTTP/1.1\r\n",
            "host: r\r\n",
            "content-length: 5\r\n",
            "transfer-encoding: chunked\r\n",
            "content-type: application/json\r\n",
            "expect: 100-continue\r\n",
            "connection: upgrade\r\nupgrade: h2c\r\n",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            "\r\n",
            "5\r\n{\"a\":\r\n",
            "0\r\n\r\n",
            "{}",
            " ",
            "\0",
            "\r",
            "\n",
            ":",
            "GET http://[::1 HTTP/1.1\r\n",
            "OPTIONS * HTTP/1.1\r\n",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..30),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

#[test]
fn any_bytes_on_a_socket_end_below_500_and_the_next_connection_is_served() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let folder = tempdir().unwrap();
    let registry = runtime.block_on(Registry::start(folder.path(), &[]));
    let is_set = std::env::var_os("PROPTEST_CASES").is_some();
    let config = if is_set { ProptestConfig::default() } else { ProptestConfig::with_cases(300) };
    let mut runner =
        prop::test_runner::TestRunner::new(ProptestConfig { failure_persistence: None, ..config });
    let outcome = runner.run(&pieces(), |bytes| {
        let answers = runtime.block_on(registry.send_all(&bytes));
        let answers = statuses(&answers);
        prop_assert!(answers.iter().all(|status| *status < 500), "{answers:?}");
        prop_assert_eq!(runtime.block_on(registry.get("/livez")).status, 200);
        Ok(())
    });
    outcome.unwrap_or_else(|failure| panic!("{failure}"));
    runtime.block_on(registry.stop()).unwrap();
}
