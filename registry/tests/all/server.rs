//! Starting, being watched, stopping.

use registry::config::{Overrides, Settings};
use registry::server::{self, ServeError};
use serde_json::json;
use tempfile::tempdir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::store::event_kinds;
use crate::support::{Answer, Registry, database, eventually, full};

#[tokio::test]
async fn policies_health_and_metrics_tell_what_is() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["gpu-worker=1s,2s,3s,4s"]).await;
    registry.beat(full("a")).await;
    let policies = registry.get("/policies").await.json();
    assert_eq!(policies["transition_bound_ms"], 50);
    assert_eq!(policies["policies"]["default"]["evict_after_ms"], 60_000);
    assert_eq!(policies["policies"]["gpu-worker"]["degraded_after_ms"], 2_000);
    assert_eq!(policies["limits"]["body_bytes"], 262_144);

    let health = registry.get("/health").await.json();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["revision"], 1);
    assert_eq!(health["agents"], json!({ "healthy": 1, "degraded": 0, "expired": 0 }));
    assert_eq!(health["store_id"], registry.get("/agents").await.json()["store_id"]);
    assert_eq!(health["passivity"], "by construction only: sealing is off");
    for path in ["/livez", "/readyz"] {
        assert_eq!(registry.get(path).await.status, 200);
    }

    let metrics = registry.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for line in [
        "registry_agents{status=\"healthy\",type=\"default\"} 1",
        "registry_revision 1",
        "registry_events_total{kind=\"registered\"} 1",
        "registry_heartbeats_total{result=\"registered\"} 1",
        "registry_requests_total{code=\"200\",route=\"/heartbeat\"} 1",
    ] {
        assert!(metrics.body.lines().any(|other| other == line), "{line} in {}", metrics.body);
    }
    registry.stop().await.unwrap();
}

/// What the background does shows in the store's events, which no read makes.
#[tokio::test]
async fn timers_take_effect_while_nobody_asks() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["default=20ms,40ms,80ms,160ms"]).await;
    registry.beat(full("a")).await;
    let path = database(folder.path());
    eventually("four events are in the store", async || event_kinds(&path).await.len() >= 4).await;
    let kinds = event_kinds(&path).await;
    assert_eq!(kinds, ["registered", "degraded", "expired", "evicted"]);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn run_tells_the_address_when_it_answers() {
    let folder = tempdir().unwrap();
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".into()),
        database: Some(database(folder.path()).display().to_string()),
        seal: Some("off".into()),
        ..Overrides::default()
    };
    let settings = Settings::load(None, &overrides).unwrap();
    let (tell, told) = oneshot::channel();
    let (stop, stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(server::run(settings, |address| tell.send(address).unwrap(), async {
        let _ = stopped.await;
    }));
    let address = told.await.unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /livez HTTP/1.1\r\nhost: r\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).status, 200);

    let taken = Overrides { listen: Some(address.to_string()), ..overrides };
    let settings = Settings::load(None, &taken).unwrap();
    let error = server::run(settings, |_| panic!("not ready"), std::future::pending()).await.unwrap_err();
    assert!(matches!(error, ServeError::Listen { .. }), "{error}");
    assert!(error.to_string().contains(&address.to_string()));
    stop.send(()).unwrap();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn stopping_finishes_the_request_that_is_under_way_and_closes_idle_connections() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let _idle = TcpStream::connect(registry.address).await.unwrap();
    let mut slow = TcpStream::connect(registry.address).await.unwrap();
    let body = full("slow").to_string();
    let head = format!(
        "POST /heartbeat HTTP/1.1\r\nhost: r\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
         content-length: {}\r\n\r\n",
        body.len()
    );
    slow.write_all(head.as_bytes()).await.unwrap();
    // `100 Continue` proves that the handler waits for the body.
    let mut proof = [0; 25];
    slow.read_exact(&mut proof).await.unwrap();
    assert!(proof.starts_with(b"HTTP/1.1 100"), "{:?}", String::from_utf8_lossy(&proof));
    let stopping = tokio::spawn(registry.stop());
    slow.write_all(body.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    slow.read_to_end(&mut answer).await.unwrap();
    assert_eq!(Answer::parse(&answer).status, 200);
    stopping.await.unwrap().unwrap();

    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(registry.get("/agents/slow").await.status, 200);
    registry.stop().await.unwrap();
}
