//! Long-polls. What must not wake anybody is proven by the answer that something else woke: had it come before, it
//! would tell less.
#![allow(clippy::disallowed_methods, reason = "the test has a watch of its own")]

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::tempdir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::not_judged::not_judged;
use crate::support::{Answer, PATIENCE, Registry, eventually, full, ids, lean};

/// Longer than the tests' patience: only a change ends it in time.
const LONG: &str = "wait_ms=60000";

async fn start(folder: &Path, policies: &[&str]) -> (Arc<Registry>, String) {
    let registry = Registry::start(folder, policies).await;
    let store_id = registry.get("/health").await.json()["store_id"].as_str().unwrap().to_owned();
    (Arc::new(registry), store_id)
}

async fn stop(registry: Arc<Registry>) {
    Arc::into_inner(registry).unwrap().stop().await.unwrap();
}

fn ask(registry: &Arc<Registry>, path: String, tag: Option<String>) -> JoinHandle<Answer> {
    assert!(PATIENCE < Duration::from_secs(60));
    let registry = Arc::clone(registry);
    tokio::spawn(async move {
        let headers: Vec<(&str, &str)> = tag.iter().map(|tag| ("if-none-match", tag.as_str())).collect();
        registry.call("GET", &path, &headers, b"").await
    })
}

async fn waiters(registry: &Registry) -> String {
    let metrics = registry.get("/metrics").await.body;
    metrics.lines().find_map(|line| line.strip_prefix("registry_waiters ")).unwrap().to_owned()
}

async fn until_waiting(registry: &Registry, count: &str) {
    eventually("so many wait", async || waiters(registry).await == count).await;
}

#[tokio::test]
async fn a_delta_is_held_until_a_visible_change_and_renewals_wake_nobody() {
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    for path in ["/agents", "/capabilities"] {
        let revision = registry.get(path).await.json()["revision"].as_u64().unwrap();
        let held = ask(&registry, format!("{path}?since={revision}&store_id={store_id}&{LONG}"), None);
        until_waiting(&registry, "1").await;
        for _ in 0..5 {
            assert_eq!(registry.beat(lean("a")).await.json()["result"], "renewed");
        }
        let offers = json!([{ "name": format!("c{revision}") }]);
        registry.beat(json!({ "agent_id": "b", "capabilities": offers })).await;
        let delta = held.await.unwrap().json();
        assert_eq!(delta["revision"], revision + 1);
        assert_eq!(delta["changed"].as_array().unwrap().len(), 1, "{path}: {delta}");
        until_waiting(&registry, "0").await;
    }
    stop(registry).await;
}

#[tokio::test]
async fn what_a_filter_hides_does_not_end_the_wait_for_a_delta() {
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    let path = format!("/agents?type=t&since=1&store_id={store_id}&{LONG}");
    let held = ask(&registry, path, None);
    until_waiting(&registry, "1").await;
    for label in 0..20 {
        registry
            .beat(json!({ "agent_id": "a", "capabilities": [], "labels": { "n": label.to_string() } }))
            .await;
    }
    registry.beat(json!({ "agent_id": "b", "agent_type": "t", "capabilities": [] })).await;
    let delta = held.await.unwrap().json();
    assert_eq!(delta["changed"][0]["agent_id"], "b");
    assert_eq!((&delta["removed"], &delta["revision"]), (&json!([]), &json!(22)));
    stop(registry).await;
}

#[tokio::test]
async fn a_known_list_is_held_until_it_is_another() {
    let folder = tempdir().unwrap();
    let (registry, _) = start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    for path in ["/agents?limit=5", "/capabilities?limit=5"] {
        let known = registry.get(path).await;
        let tag = known.header("etag").to_owned();
        let held = ask(&registry, format!("{path}&{LONG}"), Some(tag.clone()));
        until_waiting(&registry, "1").await;
        registry.beat(lean("a")).await;
        let offers = json!([{ "name": path.len().to_string() }]);
        registry.beat(json!({ "agent_id": "b", "capabilities": offers })).await;
        let answer = held.await.unwrap();
        assert_eq!(answer.status, 200);
        assert_ne!(answer.header("etag"), tag);
        assert_eq!(answer.body, registry.get(path).await.body);
        assert_eq!(
            registry.get(&format!("{path}&{LONG}")).await.status,
            200,
            "who knows nothing is told at once"
        );
    }
    stop(registry).await;
}

#[tokio::test]
async fn no_change_between_two_calls_is_missed() {
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &[]).await;
    let changing = {
        let registry = Arc::clone(&registry);
        tokio::spawn(async move {
            for number in 0..60_u64 {
                registry.beat(full(&format!("a{number}"))).await;
                // Changes come sometimes close together, sometimes apart.
                tokio::time::sleep(Duration::from_millis(number % 4 * 6)).await;
            }
        })
    };
    let (mut revision, mut seen) = (0, Vec::new());
    while seen.len() < 60 {
        let path = format!("/agents?since={revision}&store_id={store_id}&{LONG}");
        let delta = registry.get(&path).await.json();
        assert!(delta["revision"].as_u64().unwrap() > revision, "{delta}");
        revision = delta["revision"].as_u64().unwrap();
        seen.extend(ids(&json!({ "agents": delta["changed"] })));
    }
    seen.sort_by_key(|id| id[1..].parse::<u64>().unwrap());
    assert_eq!(seen, (0..60).map(|number| format!("a{number}")).collect::<Vec<_>>());
    changing.await.unwrap();
    stop(registry).await;
}

#[tokio::test]
async fn without_a_change_the_wait_ends_when_it_was_asked_to() {
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &[]).await;
    let began = Instant::now();
    let path = format!("/agents?since=0&store_id={store_id}&wait_ms=100");
    let delta = registry.get(&path).await.json();
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(
        delta,
        json!({ "store_id": store_id, "since": 0, "revision": 0, "changed": [], "removed": [] })
    );
    let tag = registry.get("/agents").await.header("etag").to_owned();
    let began = Instant::now();
    let known = registry.call("GET", "/agents?wait_ms=100", &[("if-none-match", &tag)], b"").await;
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!((known.status, known.header("etag")), (304, tag.as_str()));
    stop(registry).await;
}

/// The bound holds on a machine that keeps up: a bare sleep beside each attempt tells whether this one does, and one
/// attempt in such company shows whether the registry can.
#[tokio::test]
async fn a_timers_transition_wakes_within_its_bound() {
    const DEGRADED_AFTER: Duration = Duration::from_millis(300);
    const BOUND: Duration = Duration::from_millis(50);
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &["brief=100ms,300ms,60s,120s"]).await;
    let mut lateness = Vec::new();
    for number in 0..20 {
        let sleeper = Sleeper::start();
        let agent_id = format!("a{number}");
        let body = json!({ "agent_id": agent_id, "agent_type": "brief", "capabilities": [] });
        let revision = registry.beat(body).await.json()["revision"].as_u64().unwrap();
        let registered = Instant::now();
        let path = format!("/agents?status=degraded&since={revision}&store_id={store_id}&{LONG}");
        let delta: Value = registry.get(&path).await.json();
        assert_eq!(delta["changed"][0]["agent_id"], json!(agent_id));
        assert_eq!(delta["changed"][0]["reason"], "missed_heartbeat");
        let late = registered.elapsed().saturating_sub(DEGRADED_AFTER);
        if late <= BOUND {
            return stop(registry).await;
        }
        if sleeper.worst().await <= BOUND / 5 {
            lateness.push(late);
        }
    }
    if lateness.len() < 5 {
        not_judged("a timer wakes within its bound", "bare sleeps of 1 ms came over 10 ms late all the time");
    } else {
        panic!("later than {BOUND:?}, each in good company: {lateness:?}");
    }
    stop(registry).await;
}

/// Sleeps a millisecond at a time, to know how late this machine wakes those who sleep.
struct Sleeper {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

impl Sleeper {
    fn start() -> Self {
        const NAP: Duration = Duration::from_millis(1);
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut worst = Duration::ZERO;
            while stopped.try_recv().is_err() {
                let began = Instant::now();
                tokio::time::sleep(NAP).await;
                worst = worst.max(began.elapsed().saturating_sub(NAP));
            }
            worst
        });
        Self { stop, task }
    }

    async fn worst(self) -> Duration {
        self.stop.send(()).unwrap();
        self.task.await.unwrap()
    }
}

#[tokio::test]
async fn waiters_are_bounded_and_heartbeats_go_on() {
    let folder = tempdir().unwrap();
    let registry =
        Registry::start_with(folder.path(), |overrides| overrides.max_connections = Some("6".into())).await;
    let registry = Arc::new(registry);
    registry.beat(full("a")).await;
    let tag = registry.get("/agents").await.header("etag").to_owned();
    let path = format!("/agents?{LONG}");
    let held: Vec<_> = (0..3).map(|_| ask(&registry, path.clone(), Some(tag.clone()))).collect();
    until_waiting(&registry, "3").await;
    let refused = registry.call("GET", &path, &[("if-none-match", &tag)], b"").await;
    refused.problem(429, "/too-many-waiters");
    assert_eq!(refused.header("retry-after"), "1");
    assert_eq!(registry.get("/agents").await.status, 200, "who does not wait takes no place");
    assert_eq!(registry.beat(lean("a")).await.json()["result"], "renewed");
    registry.beat(full("b")).await;
    for answer in held {
        assert_eq!(ids(&answer.await.unwrap().json()), ["a", "b"]);
    }
    until_waiting(&registry, "0").await;
    stop(registry).await;
}

#[tokio::test]
async fn a_waiter_who_goes_away_gives_its_place_back_and_stopping_answers_the_others() {
    let folder = tempdir().unwrap();
    let (registry, store_id) = start(folder.path(), &[]).await;
    let path = format!("/agents?since=0&store_id={store_id}&{LONG}");
    let leaves = ask(&registry, path.clone(), None);
    until_waiting(&registry, "1").await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    until_waiting(&registry, "0").await;

    let address = registry.address;
    let held = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: r\r\n\r\n").as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        Answer::parse(&answer)
    });
    until_waiting(&registry, "1").await;
    stop(registry).await;
    let answer = held.await.unwrap();
    assert_eq!((answer.status, &answer.json()["changed"]), (200, &json!([])));
}
