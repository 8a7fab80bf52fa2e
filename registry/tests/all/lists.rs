//! Sections 4.4 to 4.6 over the wire. What the filters mean is tested in the core.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Answer, Registry, full, ids, lean};

impl Registry {
    async fn get_if_none_match(&self, path: &str, tag: &str) -> Answer {
        self.call("GET", path, &[("if-none-match", tag)], b"").await
    }
}

#[tokio::test]
async fn a_list_is_known_by_its_tag_until_something_visible_changes() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    for path in ["/agents", "/agents?limit=1", "/capabilities", "/agents/a"] {
        let first = registry.get(path).await;
        assert_eq!(first.status, 200);
        let tag = first.header("etag").to_owned();
        assert!(tag.starts_with('"'), "strong: {tag}");
        registry.beat(lean("a")).await;
        for known in [tag.clone(), "*".into(), format!("\"x\", W/{tag}")] {
            let again = registry.get_if_none_match(path, &known).await;
            assert_eq!(
                (again.status, again.body.as_str(), again.header("etag")),
                (304, "", tag.as_str()),
                "{path}"
            );
        }
        assert_eq!(registry.get_if_none_match(path, "\"x\"").await.body, first.body);
        registry.beat(json!({ "agent_id": "a", "capabilities": [], "labels": { "path": path } })).await;
        let changed = registry.get_if_none_match(path, &tag).await;
        assert_eq!(changed.status, 200, "{path}");
        assert_ne!(changed.header("etag"), tag);
    }
    assert_eq!(registry.get_if_none_match("/agents?nonsense=1", "*").await.status, 400);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn pages_follow_each_other_under_churn() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for number in 0..7 {
        registry.beat(full(&format!("a{number}"))).await;
    }
    let mut page = registry.get("/agents?limit=3").await.json();
    let (revision, mut seen) = (page["revision"].clone(), ids(&page));
    while let Some(cursor) = page["next_cursor"].as_str().map(ToOwned::to_owned) {
        registry.call("DELETE", &format!("/agents/{}", seen[0]), &[], b"").await;
        registry.beat(full(&format!("a3x{}", seen.len()))).await;
        page = registry.get(&format!("/agents?limit=3&cursor={cursor}")).await.json();
        assert_eq!(page["revision"], revision);
        seen.extend(ids(&page));
    }
    assert_eq!(seen, ["a0", "a1", "a2", "a3", "a4", "a5", "a6"]);
    // A cursor of a revision whose list nobody keeps.
    registry.get("/agents?cursor=1-0000000000000001-3").await.problem(410, "/cursor-expired");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn lists_have_the_contracts_shape() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    let empty = registry.get("/agents").await.json();
    let store_id = empty["store_id"].as_str().unwrap().to_owned();
    assert_eq!(empty, json!({ "store_id": store_id, "revision": 0, "next_cursor": null, "agents": [] }));
    let body = json!({
        "agent_id": "a", "agent_type": "t", "endpoint": "http://h/", "labels": { "zone": "e\u{e4}u" },
        "metadata": { "n": [1, null] }, "status": "degraded",
        "capabilities": [{ "name": "c/d", "version": "1.0.0-rc.1" }], "dependencies": [{ "capability": "x" }],
    });
    registry.beat(body).await;
    let list = registry
        .get("/agents?capability=c/d&type=t&status=degraded&label=zone%3De%C3%A4u&label=!k")
        .await
        .json();
    let mut agent = list["agents"][0].clone();
    agent["registered_at"] = Value::Null;
    assert_eq!(
        agent,
        json!({
            "agent_id": "a", "agent_type": "t", "status": "degraded", "reason": "reported", "epoch": 1, "revision": 1,
            "endpoint": "http://h/", "labels": { "zone": "e\u{e4}u" }, "metadata": { "n": [1, null] },
            "capabilities": [{ "name": "c/d", "version": "1.0.0-rc.1", "tags": [], "description": null }],
            "dependencies": [{ "capability": "x", "version": "*", "tags": [] }], "registered_at": null,
        })
    );
    assert_eq!(
        registry.get("/capabilities?name=c/d").await.json(),
        json!({
            "store_id": store_id, "revision": 1, "next_cursor": null,
            "capabilities": [{ "name": "c/d", "versions": ["1.0.0-rc.1"], "providers": [
                { "agent_id": "a", "endpoint": "http://h/", "version": "1.0.0-rc.1", "tags": [], "status": "degraded" }] }],
        })
    );
    let health = registry.get("/agents/a/health").await;
    assert_eq!(health.header("etag"), "", "it moves with every heartbeat");
    let health = health.json();
    assert_eq!(
        (&health["status"], &health["reason"], &health["epoch"]),
        (&json!("degraded"), &json!("reported"), &json!(1))
    );
    assert_eq!(
        health["policy"],
        json!({ "heartbeat_interval_ms": 5000, "degraded_after_ms": 10000, "expires_after_ms": 20000,
            "evict_after_ms": 60000 })
    );
    let [silence, evicted] = ["silence_ms", "evicted_in_ms"].map(|name| health[name].as_u64().unwrap());
    assert!((60_000..=60_001).contains(&(silence + evicted)), "{health}");
    registry.stop().await.unwrap();
}
