//! `/events` over the wire and across restarts.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Registry, eventually, full};

fn told(page: &Value) -> Vec<(u64, &str)> {
    let events = page["events"].as_array().unwrap().iter();
    events.map(|event| (event["number"].as_u64().unwrap(), event["kind"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn events_have_the_contracts_shape_and_filters() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,40ms,80ms"]).await;
    assert_eq!(registry.get("/events").await.json(), json!({ "events": [], "oldest": null }));
    registry.beat(full("a")).await;
    let mut first = registry.get("/events").await.json();
    let at = first["events"][0]["at"].take();
    assert!(at.as_str().is_some_and(|at| at.ends_with('Z') && at.contains('.')), "{at}");
    assert_eq!(
        first,
        json!({ "oldest": 1, "events": [{ "number": 1, "revision": 1, "at": null, "agent_id": "a", "epoch": 1,
            "kind": "registered", "from": null, "to": "healthy", "reason": null }] })
    );
    registry.beat(json!({ "agent_id": "a", "status": "degraded" })).await;
    registry.beat(json!({ "agent_id": "brief", "agent_type": "brief", "capabilities": [] })).await;
    eventually("brief is evicted", async || registry.get("/agents/brief").await.status == 404).await;
    let page = registry.get("/events").await.json();
    assert_eq!(
        told(&page),
        [
            (1, "registered"),
            (2, "degraded"),
            (3, "registered"),
            (4, "degraded"),
            (5, "expired"),
            (6, "evicted")
        ]
    );
    assert_eq!(page["events"][1]["reason"], "reported");
    assert_eq!(page["events"][3]["reason"], "missed_heartbeat");
    assert_eq!((&page["events"][5]["from"], &page["events"][5]["to"]), (&json!("expired"), &Value::Null));

    let rows: [(&str, &[u64]); 7] = [
        ("after=4", &[5, 6]),
        ("after=2&limit=2", &[3, 4]),
        ("agent_id=a", &[1, 2]),
        ("kind=degraded", &[2, 4]),
        ("kind=degraded&agent_id=brief&after=1&limit=9", &[4]),
        ("agent_id=nobody", &[]),
        ("after=6", &[]),
    ];
    for (query, expected) in rows {
        let page = registry.get(&format!("/events?{query}")).await.json();
        assert_eq!(told(&page).iter().map(|(number, _)| *number).collect::<Vec<_>>(), expected, "{query}");
        assert_eq!(page["oldest"], 1);
    }
    for (query, pointer) in
        [("kind=born", "/kind"), ("limit=0", "/limit"), ("after=x", "/after"), ("x=1", "/x")]
    {
        let answer = registry.get(&format!("/events?{query}")).await;
        answer.problem(400, "/invalid-query");
        assert_eq!(answer.pointers(), [pointer]);
    }
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn no_number_is_used_twice_across_restarts_clean_or_not() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    registry.beat(full("b")).await;
    let before = registry.get("/events").await;
    registry.stop().await.unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(registry.get("/events").await.body, before.body, "the same to the byte");
    registry.beat(full("c")).await;
    let page = registry.get("/events").await.json();
    assert_eq!(told(&page).last(), Some(&(3, "registered")));

    // What a kill leaves behind: the files as they are while it runs.
    let copy = tempdir().unwrap();
    for name in ["registry.db", "registry.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let revived = Registry::start(copy.path(), &[]).await;
    revived.beat(full("d")).await;
    let after = revived.get("/events").await.json();
    let numbers: Vec<u64> = told(&after).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers[..3], [1, 2, 3]);
    assert_eq!(numbers.len(), 4);
    // The killed one may have shown more than it saved, two events for each revision at most.
    let revision = after["events"][3]["revision"].as_u64().unwrap();
    assert!(numbers[3] > 3 + 2 * (revision - 4), "{numbers:?}");
    revived.stop().await.unwrap();
    registry.stop().await.unwrap();
}
