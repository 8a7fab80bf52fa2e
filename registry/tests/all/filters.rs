//! The filters of section 4.4 and 4.6 that look into capabilities, and the search.

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::{Registry, eventually, ids};

async fn some_agents(registry: &Registry) {
    let geo = json!({ "agent_id": "geo-1", "capabilities": [
        { "name": "geo.lookup", "version": "1.4.0", "tags": ["eu", "fast"], "description": "Finds places by name" },
        { "name": "geo.route", "version": "2.0.0", "tags": ["eu"] }] });
    let old = json!({ "agent_id": "geo-0", "capabilities": [
        { "name": "geo.lookup", "version": "0.9.0", "tags": ["us"] }] });
    let words = json!({ "agent_id": "linguist", "agent_type": "translator", "status": "degraded", "capabilities": [
        { "name": "text.translate", "version": "2.0.0-rc.1", "tags": ["fast"] }] });
    for body in [geo, old, words] {
        assert_eq!(registry.beat(body).await.status, 200);
    }
}

fn names(list: &Value) -> Vec<String> {
    let names = list["capabilities"].as_array().unwrap().iter();
    names.map(|capability| capability["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn agents_are_found_by_version_tag_and_words() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    some_agents(&registry).await;
    let rows: [(&str, &[&str]); 16] = [
        ("capability=geo.lookup&version=%5E1", &["geo-1"]),
        ("capability=geo.lookup&version=%3C1.0", &["geo-0"]),
        ("capability=geo.lookup&version=*", &["geo-0", "geo-1"]),
        ("capability=text.translate&version=*", &[]),
        ("capability=text.translate&version=%3E%3D2.0.0-rc.0", &["linguist"]),
        ("capability=geo.lookup&version=2", &[]),
        ("tag=fast", &["geo-1", "linguist"]),
        ("tag=fast&tag=eu", &["geo-1"]),
        ("capability=geo.route&tag=fast", &[]),
        ("capability=geo.lookup&tag=fast&tag=eu&version=1.4.0", &["geo-1"]),
        ("q=geo", &["geo-0", "geo-1"]),
        ("q=lookpu", &["geo-0", "geo-1"]),
        ("q=Places+geo", &["geo-1"]),
        ("q=tranzlator", &["linguist"]),
        ("q=route&status=degraded", &[]),
        ("q=nothing-like-it", &[]),
    ];
    for (query, expected) in rows {
        let list = registry.get(&format!("/agents?{query}")).await;
        assert_eq!(list.status, 200, "{list:?}");
        assert_eq!(ids(&list.json()), expected, "{query}");
    }
    // The best comes first: the whole of a name, then a beginning, then a word of a description.
    for (agent_id, description) in [("z-places", "none"), ("a", "places"), ("m", "placeholder")] {
        let offer = json!({ "name": "x", "description": description });
        let answer = registry.beat(json!({ "agent_id": agent_id, "capabilities": [offer] })).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let list = registry.get("/agents?q=PLACES").await.json();
    assert_eq!(ids(&list), ["z-places", "a", "geo-1"]);
    let list = registry.get("/agents?q=place").await.json();
    assert_eq!(ids(&list), ["z-places", "a", "geo-1", "m"]);
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn capabilities_are_found_by_their_providers() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,30ms,60s"]).await;
    some_agents(&registry).await;
    let brief =
        json!({ "agent_id": "brief", "agent_type": "brief", "capabilities": [{ "name": "geo.old" }] });
    registry.beat(brief).await;
    eventually("brief expires", async || registry.get("/agents/brief").await.json()["status"] == "expired")
        .await;
    let rows: [(&str, &[&str]); 13] = [
        ("", &["geo.lookup", "geo.route", "text.translate"]),
        ("name=geo.lookup", &["geo.lookup"]),
        ("prefix=geo.", &["geo.lookup", "geo.route"]),
        ("prefix=geo.&tag=fast", &["geo.lookup"]),
        ("tag=fast", &["geo.lookup", "text.translate"]),
        ("version=2", &["geo.route"]),
        ("status=degraded", &["text.translate"]),
        ("status=expired", &["geo.old"]),
        ("status=expired&status=healthy&prefix=geo", &["geo.lookup", "geo.old", "geo.route"]),
        ("q=transalte", &["text.translate"]),
        ("q=rouet", &["geo.route"]),
        ("q=eu+fast", &["geo.lookup"]),
        ("name=none", &[]),
    ];
    for (query, expected) in rows {
        let list = registry.get(&format!("/capabilities?{query}")).await;
        assert_eq!(list.status, 200, "{list:?}");
        assert_eq!(names(&list.json()), expected, "{query}");
    }
    // What is filtered away shows nowhere: neither among the versions nor among the providers.
    let list = registry.get("/capabilities?name=geo.lookup&tag=eu").await.json();
    assert_eq!(list["capabilities"][0]["versions"], json!(["1.4.0"]));
    assert_eq!(list["capabilities"][0]["providers"].as_array().unwrap().len(), 1);
    registry.stop().await.unwrap();
}
