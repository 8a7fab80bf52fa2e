//! What changed since, over the wire. That deltas are right is tested in the core.

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Registry, full};

#[tokio::test]
async fn a_delta_has_the_contracts_shape() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    registry.beat(json!({ "agent_id": "b", "capabilities": [{ "name": "c/d" }] })).await;
    let list = registry.get("/agents").await.json();
    let store_id = list["store_id"].as_str().unwrap().to_owned();
    let since = |path: &str, revision: u64| format!("{path}since={revision}&store_id={store_id}");

    let none = registry.get(&since("/agents?", 2)).await.json();
    assert_eq!(
        none,
        json!({ "store_id": store_id, "since": 2, "revision": 2, "changed": [], "removed": [] })
    );
    registry.beat(json!({ "agent_id": "a", "capabilities": [], "labels": { "k": "v" } })).await;
    registry.call("DELETE", "/agents/b", &[], b"").await;
    let delta = registry.get(&since("/agents?", 2)).await.json();
    assert_eq!((&delta["since"], &delta["revision"]), (&json!(2), &json!(4)));
    assert_eq!(delta["changed"], json!([registry.get("/agents/a").await.json()]));
    assert_eq!(delta["removed"], json!(["b"]));
    let labelled = registry.get(&since("/agents?label=!k&", 2)).await.json();
    assert_eq!((&labelled["changed"], &labelled["removed"]), (&json!([]), &json!(["a", "b"])));
    let capabilities = registry.get(&since("/capabilities?", 2)).await.json();
    assert_eq!(
        capabilities,
        json!({ "store_id": store_id, "since": 2, "revision": 4, "changed": [], "removed": ["c/d"] })
    );
    let capabilities = registry.get(&since("/capabilities?", 1)).await.json();
    assert_eq!((&capabilities["changed"], &capabilities["removed"]), (&json!([]), &json!([])));
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_told_is_410_and_what_makes_no_sense_is_400() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    let store_id = registry.get("/agents").await.json()["store_id"].as_str().unwrap().to_owned();
    for path in ["/agents", "/capabilities"] {
        for query in [format!("since=2&store_id={store_id}"), "since=0&store_id=other".to_owned()] {
            registry.get(&format!("{path}?{query}")).await.problem(410, "/resync");
        }
        let rows = [
            ("since=0", "/store_id"),
            ("store_id=x", "/store_id"),
            ("since=-1&store_id=x", "/since"),
            ("since=0&store_id=x&limit=1", "/limit"),
            ("since=0&store_id=x&cursor=1-1-1", "/cursor"),
            ("wait_ms=60001", "/wait_ms"),
            ("wait_ms=-1", "/wait_ms"),
            ("wait_ms=1&cursor=1-1-1", "/wait_ms"),
            ("version=one", "/version"),
            ("q=%20", "/q"),
            ("status=dead", "/status"),
            ("tags=x", "/tags"),
        ];
        for (query, pointer) in rows {
            let answer = registry.get(&format!("{path}?{query}")).await;
            answer.problem(400, "/invalid-query");
            assert!(answer.pointers().contains(&pointer.to_owned()), "{query}: {answer:?}");
        }
    }
    assert_eq!(registry.get("/agents?version=1").await.pointers(), ["/version"], "whose version?");
    registry.stop().await.unwrap();

    // After a clean stop the deltas of agents go on; what the capabilities had been is not known any more.
    let registry = Registry::start(folder.path(), &[]).await;
    let delta = registry.get(&format!("/agents?since=0&store_id={store_id}")).await.json();
    assert_eq!((&delta["revision"], &delta["changed"][0]["agent_id"]), (&json!(1), &json!("a")));
    registry.get(&format!("/capabilities?since=0&store_id={store_id}")).await.problem(410, "/resync");
    assert_eq!(registry.get(&format!("/capabilities?since=1&store_id={store_id}")).await.status, 200);

    // After a kill everybody reads the list again.
    let copy = tempdir().unwrap();
    for name in ["registry.db", "registry.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let revived = Registry::start(copy.path(), &[]).await;
    revived.get(&format!("/agents?since=1&store_id={store_id}")).await.problem(410, "/resync");
    revived.stop().await.unwrap();
    registry.stop().await.unwrap();
}
