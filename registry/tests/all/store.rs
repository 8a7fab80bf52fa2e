//! What survives, what fails, and what is refused.

use std::path::Path;
use std::time::Duration;

use registry::config::{Overrides, Settings};
use registry::server::{self, OpenError, ServeError};
use serde_json::json;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tempfile::tempdir;

use crate::support::{Registry, database, eventually, full, ids, lean};

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).busy_timeout(Duration::from_secs(5)).connect().await.unwrap()
}

pub(crate) async fn event_kinds(path: &Path) -> Vec<String> {
    let mut connection = connect(path).await;
    let kinds = sqlx::query_scalar("SELECT event ->> 'kind' FROM events ORDER BY number");
    let kinds = kinds.fetch_all(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    kinds
}

#[tokio::test]
async fn a_restart_keeps_everything() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,30ms,60s"]).await;
    let body = json!({
        "agent_id": "a", "agent_type": "t", "status": "degraded", "endpoint": "http://h/", "incarnation": u64::MAX,
        "sequence": 7, "labels": { "k": "a\u{0}b" }, "metadata": { "n": 1.50, "text": "a\u{0}b" },
        "capabilities": [
            { "name": "z", "version": "1.0.0+build", "tags": ["b", "a"], "description": "a\u{0}b \u{1f600}" },
            { "name": "c" }],
        "dependencies": [{ "capability": "z", "version": ">=1.0.0, <2", "tags": ["a"] }, { "capability": "c" }],
    });
    registry.beat(body).await;
    registry.beat(full("gone")).await;
    registry.beat(json!({ "agent_id": "left", "capabilities": [], "incarnation": 3 })).await;
    registry.call("DELETE", "/agents/left", &[], b"").await;
    registry.beat(json!({ "agent_id": "brief", "agent_type": "brief", "capabilities": [] })).await;
    eventually("brief expires", async || registry.get("/agents/brief").await.json()["status"] == "expired")
        .await;
    let before = registry.get("/agents?status=healthy&status=degraded&status=expired").await;
    registry.stop().await.unwrap();

    let registry = Registry::start(folder.path(), &["brief=10ms,20ms,30ms,60s"]).await;
    let after = registry.get("/agents?status=healthy&status=degraded&status=expired").await;
    assert_eq!(after.body, before.body, "the same to the byte, the revision and the store's id included");
    assert_eq!(after.header("etag"), before.header("etag"));
    let left = json!({ "agent_id": "left", "capabilities": [], "incarnation": 3 });
    registry.beat(left).await.problem(410, "/unknown-agent");
    let stale = json!({ "agent_id": "a", "incarnation": u64::MAX, "sequence": 7 });
    assert_eq!(registry.beat(stale).await.json()["result"], "stale");
    registry.beat(lean("brief")).await.problem(410, "/unknown-agent");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_store_that_fails_gets_503_and_nothing_is_lost() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("old")).await;
    registry.beat(full("leaves")).await;
    let mut other = connect(&database(folder.path())).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();

    let refused = registry.beat(full("new")).await;
    refused.problem(503, "/store-unavailable");
    assert_eq!(refused.header("retry-after"), "1");
    registry.call("DELETE", "/agents/leaves", &[], b"").await.problem(503, "/store-unavailable");
    // Neither is repeating them answered as if all were well, nor is anybody told to register again.
    registry.beat(full("new")).await.problem(503, "/store-unavailable");
    registry.beat(lean("new")).await.problem(503, "/store-unavailable");
    registry.call("DELETE", "/agents/leaves", &[], b"").await.problem(503, "/store-unavailable");
    registry.beat(lean("leaves")).await.problem(503, "/store-unavailable");
    // Renewals go on.
    assert_eq!(registry.beat(lean("old")).await.json()["result"], "renewed");
    assert_eq!(registry.beat(full("old")).await.json()["result"], "renewed");
    assert_eq!(registry.call("HEAD", "/heartbeat/old", &[], b"").await.status, 200);
    assert_eq!(registry.get("/health").await.json()["status"], "store_unavailable");

    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    eventually("the store recovers", async || registry.beat(lean("new")).await.status == 200).await;
    assert_eq!(registry.get("/health").await.json()["status"], "ok");
    registry.call("DELETE", "/agents/leaves", &[], b"").await.problem(404, "/not-found");
    registry.stop().await.unwrap();

    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(ids(&registry.get("/agents").await.json()), ["new", "old"]);
    assert_eq!(
        event_kinds(&database(folder.path())).await,
        ["registered", "registered", "registered", "deregistered"]
    );
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn a_table_that_breaks_and_heals_loses_nothing() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    // An answer proves that the file is there.
    assert_eq!(registry.get("/readyz").await.status, 200);
    let mut other = connect(&database(folder.path())).await;
    other.execute("ALTER TABLE documents RENAME TO hidden").await.unwrap();
    let needs = json!({ "agent_id": "a", "capabilities": [{ "name": "x" }], "dependencies": [{ "capability": "c" }] });
    registry.beat(needs).await.problem(503, "/store-unavailable");
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM agents").fetch_one(&mut other).await.unwrap();
    assert_eq!(rows, 0, "whole or not at all");
    other.execute("ALTER TABLE hidden RENAME TO documents").await.unwrap();
    eventually("the store recovers", async || registry.beat(lean("a")).await.status == 200).await;
    registry.stop().await.unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(registry.get("/agents/a").await.json()["dependencies"][0]["capability"], "c");
    registry.stop().await.unwrap();
}

#[tokio::test]
async fn after_an_unclean_end_no_revision_is_used_twice() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    let shown = registry.get("/agents").await.json();
    // What a kill leaves behind: the files as they are while it runs.
    let copy = tempdir().unwrap();
    for name in ["registry.db", "registry.db-wal"] {
        std::fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
    }
    let revived = Registry::start(copy.path(), &[]).await;
    let after = revived.get("/agents").await.json();
    assert!(after["revision"].as_u64() > shown["revision"].as_u64());
    assert_eq!(after["store_id"], shown["store_id"]);
    assert_eq!(after["agents"], shown["agents"]);
    revived.stop().await.unwrap();
    registry.stop().await.unwrap();
}

pub(crate) async fn start_error(path: &Path) -> OpenError {
    let overrides = Overrides {
        listen: Some("127.0.0.1:0".into()),
        database: Some(path.display().to_string()),
        seal: Some("off".into()),
        ..Overrides::default()
    };
    let settings = Settings::load(None, &overrides).unwrap();
    match server::run(settings, |_| panic!("it started"), std::future::pending()).await {
        Err(ServeError::Open(error)) => {
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            error
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn foreign_torn_and_newer_files_are_refused_and_left_untouched() {
    let folder = tempdir().unwrap();
    let text = folder.path().join("text.db");
    std::fs::write(&text, "not a database at all, but long enough to be one").unwrap();
    assert!(matches!(start_error(&text).await, OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(&text).unwrap(), b"not a database at all, but long enough to be one");

    let foreign = folder.path().join("foreign.db");
    let options = SqliteConnectOptions::new().filename(&foreign).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    connection.execute("CREATE TABLE agents (x)").await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert!(matches!(start_error(&foreign).await, OpenError::Foreign { .. }));
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let registry = Registry::start(folder.path(), &[]).await;
    for number in 0..100 {
        registry.beat(full(&format!("a{number}"))).await;
    }
    registry.stop().await.unwrap();
    let good = std::fs::read(database(folder.path())).unwrap();
    assert!(good.len() > 8 * 4096, "there is something to tear");

    let torn = folder.path().join("torn.db");
    std::fs::write(&torn, &good[..good.len() / 2]).unwrap();
    assert!(matches!(start_error(&torn).await, OpenError::Damaged { .. }));
    assert_eq!(std::fs::read(&torn).unwrap(), good[..good.len() / 2]);

    let newer = folder.path().join("newer.db");
    std::fs::write(&newer, &good).unwrap();
    let mut connection = connect(&newer).await;
    connection.execute("PRAGMA user_version = 3").await.unwrap();
    connection.close().await.unwrap();
    let before = std::fs::read(&newer).unwrap();
    assert!(matches!(start_error(&newer).await, OpenError::Newer { found: 3, known: 2, .. }));
    assert_eq!(std::fs::read(&newer).unwrap(), before);
}

#[tokio::test]
async fn two_registries_do_not_share_a_file() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    registry.beat(full("a")).await;
    assert!(matches!(start_error(&database(folder.path())).await, OpenError::InUse { .. }));
    registry.stop().await.unwrap();
}
