//! Section 4.1 to 4.3 over the wire. Every row of the table has its own test in the core.

use serde_json::json;
use tempfile::tempdir;

use crate::support::{Registry, full, lean};

#[tokio::test]
async fn the_contracts_example_is_answered_as_written() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let geo = json!({
        "agent_id": "geo-3", "endpoint": "http://10.0.0.3:9000/mcp",
        "capabilities": [{ "name": "geo.lookup", "version": "1.4.0", "tags": ["eu"], "description": "where" }],
    });
    assert_eq!(registry.beat(geo).await.status, 200);
    let planner = json!({
        "agent_id": "planner-1", "capabilities": [],
        "dependencies": [{ "capability": "geo.lookup", "version": ">=1.2, <2" }],
    });
    let answer = registry.beat(planner).await;
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = answer.json();
    let wiring_revision = answer["wiring_revision"].as_u64().unwrap();
    assert_eq!(
        answer,
        json!({
            "agent_id": "planner-1", "result": "registered", "status": "healthy", "epoch": 1, "revision": 2,
            "heartbeat_interval_ms": 5000, "degraded_after_ms": 10000, "expires_after_ms": 20000,
            "wiring_revision": wiring_revision,
            "wiring": [{ "capability": "geo.lookup", "version": ">=1.2, <2", "tags": [], "total": 1,
                "providers": [{ "agent_id": "geo-3", "endpoint": "http://10.0.0.3:9000/mcp", "version": "1.4.0",
                    "status": "healthy" }] }],
        })
    );
    let renewed =
        registry.beat(json!({ "agent_id": "planner-1", "wiring_revision": wiring_revision })).await.json();
    assert_eq!(renewed["result"], "renewed");
    assert!(renewed.get("wiring").is_none());

    let entry = registry.get("/agents/geo-3").await;
    assert!(!entry.header("etag").is_empty());
    let mut entry = entry.json();
    let registered_at = entry["registered_at"].take();
    assert!(registered_at.as_str().unwrap().ends_with('Z'));
    assert_eq!(
        entry,
        json!({
            "agent_id": "geo-3", "agent_type": "default", "status": "healthy", "reason": "reported", "epoch": 1,
            "revision": 1, "endpoint": "http://10.0.0.3:9000/mcp",
            "capabilities": [{ "name": "geo.lookup", "version": "1.4.0", "tags": ["eu"], "description": "where" }],
            "dependencies": [], "labels": {}, "metadata": {}, "registered_at": null,
        })
    );
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn the_leanest_renewal_says_when_the_wiring_changed() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.call("HEAD", "/heartbeat/a", &[], b"").await;
    assert_eq!(registry.call("HEAD", "/heartbeat/a?wiring_revision=1", &[], b"").await.status, 410);
    let needs = json!({ "agent_id": "a", "capabilities": [], "dependencies": [{ "capability": "x" }] });
    let known = registry.beat(needs).await.json()["wiring_revision"].as_u64().unwrap();
    let probe = format!("/heartbeat/a?wiring_revision={known}");
    assert_eq!(registry.call("HEAD", &probe, &[], b"").await.status, 200);
    registry.beat(json!({ "agent_id": "b", "capabilities": [{ "name": "x" }] })).await;
    assert_eq!(registry.call("HEAD", &probe, &[], b"").await.status, 202);
    assert_eq!(registry.call("HEAD", "/heartbeat/a?wiring=1", &[], b"").await.status, 400);
    assert_eq!(registry.call("HEAD", "/heartbeat/a?wiring_revision=-1", &[], b"").await.status, 400);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn deregistration_is_at_once_and_final_for_the_incarnation() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let beat = |incarnation: u64| json!({ "agent_id": "a", "capabilities": [], "incarnation": incarnation });
    assert_eq!(registry.beat(beat(3)).await.json()["epoch"], 1);
    assert_eq!(registry.call("DELETE", "/agents/a", &[], b"").await.status, 204);
    registry.call("DELETE", "/agents/a", &[], b"").await.problem(404, "/not-found");
    registry.get("/agents/a").await.problem(404, "/not-found");
    registry.beat(beat(3)).await.problem(410, "/unknown-agent");
    registry.beat(lean("a")).await.problem(410, "/unknown-agent");
    assert_eq!(registry.beat(beat(4)).await.json()["epoch"], 2);
    registry.beat(beat(3)).await.problem(409, "/lower-incarnation");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_full_registry_refuses_registrations_and_goes_on_renewing() {
    let folder = tempdir().unwrap();
    let registry =
        Registry::start_with(folder.path(), |overrides| overrides.max_agents = Some("2".into())).await;
    assert_eq!(registry.beat(full("a")).await.status, 200);
    assert_eq!(registry.beat(full("b")).await.status, 200);
    registry.beat(full("c")).await.problem(507, "/registry-full");
    assert_eq!(registry.beat(full("a")).await.json()["result"], "renewed");
    assert_eq!(registry.call("DELETE", "/agents/a", &[], b"").await.status, 204);
    assert_eq!(registry.beat(full("c")).await.json()["result"], "registered");
    registry.stop().await.unwrap();
}
