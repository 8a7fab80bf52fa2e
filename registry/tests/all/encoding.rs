//! gzip and zstd.

use std::io::Read;

use serde_json::json;
use tempfile::tempdir;

use crate::openapi;
use crate::support::{Answer, Registry, full};

impl Registry {
    /// The head of an answer, and its body as it was sent.
    async fn get_encoded(&self, path: &str, headers: &[(&str, &str)]) -> (Answer, Vec<u8>) {
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: registry\r\nconnection: close\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let bytes = self.send(format!("{request}\r\n").as_bytes()).await;
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        let head = Answer::parse(&bytes[..end]);
        openapi::check("HEAD", path, &head);
        (head, bytes[end..].to_vec())
    }

    async fn compressions(&self) -> u64 {
        let metrics = self.get("/metrics").await.body;
        let lines = metrics.lines().filter(|line| line.starts_with("registry_encodings_total{"));
        lines.map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
    }
}

fn decoded(coding: &str, body: &[u8]) -> String {
    let mut text = String::new();
    let read = match coding {
        "gzip" => flate2::read::GzDecoder::new(body).read_to_string(&mut text),
        "zstd" => ruzstd::decoding::StreamingDecoder::new(body).unwrap().read_to_string(&mut text),
        _ => panic!("{coding}"),
    };
    read.unwrap();
    text
}

async fn start(folder: &std::path::Path) -> Registry {
    let registry = Registry::start(folder, &[]).await;
    for number in 0..40 {
        let offers = json!([{ "name": format!("c{number}"), "description": "the same of everybody" }]);
        registry.beat(json!({ "agent_id": format!("a{number}"), "capabilities": offers })).await;
    }
    registry
}

#[tokio::test]
async fn lists_and_deltas_come_in_the_coding_that_is_asked_for() {
    let folder = tempdir().unwrap();
    let registry = start(folder.path()).await;
    let store_id = registry.get("/agents").await.json()["store_id"].as_str().unwrap().to_owned();
    let delta = format!("/agents?since=0&store_id={store_id}");
    for path in ["/agents", "/capabilities", "/agents?limit=20", &delta] {
        let plain = registry.get(path).await;
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), ("", "accept-encoding"));
        for coding in ["gzip", "zstd"] {
            let (head, body) = registry.get_encoded(path, &[("accept-encoding", coding)]).await;
            assert_eq!((head.status, head.header("content-encoding")), (200, coding));
            assert_eq!(
                (head.header("content-type"), head.header("vary")),
                ("application/json", "accept-encoding")
            );
            assert_eq!(decoded(coding, &body), plain.body, "{path}");
            assert!(body.len() * 4 < plain.body.len(), "{coding}: {} of {}", body.len(), plain.body.len());
            if path != delta {
                let expected = plain.header("etag").replace("\"", "");
                assert_eq!(
                    head.header("etag"),
                    format!("\"{expected}-{coding}\""),
                    "other bytes, another tag"
                );
            }
        }
    }
    let (small, body) = registry.get_encoded("/agents?limit=1", &[("accept-encoding", "gzip")]).await;
    assert_eq!(small.header("content-encoding"), "", "it would fit a packet anyway");
    assert!(body.starts_with(b"{"));
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_tag_is_known_in_every_coding_that_its_asker_accepts() {
    let folder = tempdir().unwrap();
    let registry = start(folder.path()).await;
    let plain = registry.get("/agents").await.header("etag").to_owned();
    let (head, _) = registry.get_encoded("/agents", &[("accept-encoding", "gzip")]).await;
    let gzip = head.header("etag").to_owned();
    let rows = [
        ("gzip", gzip.as_str(), 304),
        ("gzip, zstd", gzip.as_str(), 304),
        ("gzip", plain.as_str(), 304),
        ("zstd", gzip.as_str(), 200),
        ("identity", gzip.as_str(), 200),
        ("identity", plain.as_str(), 304),
    ];
    for (accepted, tag, status) in rows {
        let headers = [("accept-encoding", accepted), ("if-none-match", tag)];
        let (head, body) = registry.get_encoded("/agents", &headers).await;
        assert_eq!(head.status, status, "{accepted} {tag}");
        assert_eq!(head.header("vary"), "accept-encoding");
        if status == 304 {
            assert_eq!((head.header("etag"), body.len()), (tag, 0));
        }
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn an_unchanged_list_is_compressed_once() {
    let folder = tempdir().unwrap();
    let registry = start(folder.path()).await;
    let headers = [("accept-encoding", "gzip")];
    let ask = || registry.get_encoded("/agents", &headers);
    let (one, other, third) = tokio::join!(ask(), ask(), ask());
    assert!(one.1 == other.1 && other.1 == third.1);
    for _ in 0..5 {
        assert_eq!(ask().await.1, one.1);
    }
    assert_eq!(registry.compressions().await, 1);
    registry.beat(full("b")).await;
    assert_ne!(ask().await.1, one.1);
    assert_eq!(registry.compressions().await, 2);
    registry.get_encoded("/agents?limit=30", &headers).await;
    registry.get_encoded("/agents", &[("accept-encoding", "zstd")]).await;
    assert_eq!(registry.compressions().await, 4);
    registry.stop().await.unwrap();
}
