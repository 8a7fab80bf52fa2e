//! A file that an earlier version left.

use std::path::Path;

use serde_json::json;
use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqliteConnection};
use tempfile::tempdir;

use crate::store::event_kinds;
use crate::support::{Registry, database, ids};

/// What the first schema's registry wrote of two agents that lived and one that had left.
const ROWS: &str = r#"
    UPDATE meta SET value = '7' WHERE name = 'revision_ceiling';
    INSERT INTO agents VALUES
        (1, 'a', 't', 'live', 'degraded', 2, -1, 7, NULL, 1790000000000, 5, 4, 'http://h/', '{"k":"a\u0000b"}',
         '{ "n": 1.50, "text": "a\u0000b" }'),
        (2, 'b', 'default', 'expired', 'healthy', 1, 0, NULL, NULL, 1790000000001, 6, 6, NULL, '{}', NULL),
        (3, 'left', 'default', 'gone', 'healthy', 1, 3, NULL, 3, 1790000000002, 7, 3, NULL, '{}', NULL);
    INSERT INTO capabilities VALUES
        (1, 0, 'z', '1.0.0+build', '{"description":"a\u0000b \"quoted\"","tags":["b","a"]}'),
        (1, 1, 'c', '0.0.0', '{"description":null,"tags":[]}');
    INSERT INTO wiring VALUES (1, 0, 'z', '>=1.0.0, <2', '["a"]'), (1, 1, 'c', '*', '[]');
    INSERT INTO events VALUES
        (41, 6, 1790000000001, 'b', 1, 'expired', 'degraded', 'expired', 'missed_heartbeat'),
        (42, 7, 1790000000002, 'left', 1, 'deregistered', 'healthy', NULL, NULL)"#;

/// Makes a file of the first schema, by the migration that made it.
async fn written_by_the_first(path: &Path) {
    let migrations = tempdir().unwrap();
    let first = concat!(env!("CARGO_MANIFEST_DIR"), "/migrations/0001_first.sql");
    std::fs::copy(first, migrations.path().join("0001_first.sql")).unwrap();
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection: SqliteConnection = options.connect().await.unwrap();
    connection.execute("PRAGMA application_id = 0x57464c52").await.unwrap();
    let migrator = Migrator::new(migrations.path()).await.unwrap();
    migrator.run_direct(None, &mut connection, false).await.unwrap();
    connection.execute(ROWS).await.unwrap();
    connection.close().await.unwrap();
}

#[tokio::test]
async fn a_file_of_the_first_schema_is_brought_up_to_date_and_loses_nothing() {
    let folder = tempdir().unwrap();
    written_by_the_first(&database(folder.path())).await;
    for start in ["the first", "the second"] {
        let registry = Registry::start(folder.path(), &["default=1s,1m,2m,10h"]).await;
        let all = registry.get("/agents?status=healthy&status=degraded&status=expired").await.json();
        assert_eq!(ids(&all), ["a", "b"], "{start} start");
        let a = registry.get("/agents/a").await;
        assert!(a.body.contains(r#"{ "n": 1.50, "text": "a\u0000b" }"#), "metadata as it came: {}", a.body);
        let a = a.json();
        assert_eq!(
            a["capabilities"],
            json!([
            { "name": "z", "version": "1.0.0+build", "tags": ["b", "a"], "description": "a\u{0}b \"quoted\"" },
            { "name": "c", "version": "0.0.0", "tags": [], "description": null }])
        );
        assert_eq!(
            a["dependencies"][0],
            json!({ "capability": "z", "version": ">=1.0.0, <2", "tags": ["a"] })
        );
        assert_eq!((&a["labels"], &a["endpoint"]), (&json!({ "k": "a\u{0}b" }), &json!("http://h/")));
        assert_eq!(
            (&a["epoch"], &a["agent_type"], &a["status"]),
            (&json!(2), &json!("t"), &json!("degraded"))
        );
        let stale = json!({ "agent_id": "a", "incarnation": u64::MAX, "sequence": 7 });
        assert_eq!(registry.beat(stale).await.json()["result"], "stale");
        assert_eq!(registry.get("/agents/b").await.json()["status"], "expired");
        let left = json!({ "agent_id": "left", "capabilities": [], "incarnation": 3 });
        registry.beat(left).await.problem(410, "/unknown-agent");
        registry.stop().await.unwrap();
    }
    assert_eq!(event_kinds(&database(folder.path())).await, ["expired", "deregistered"]);
}

#[tokio::test]
async fn a_row_that_says_nothing_sensible_is_named() {
    for (spoil, named) in [
        ("UPDATE agents SET record = json_set(record, '$.phase', 'asleep')", "agent with key 1: \"asleep\""),
        ("UPDATE agents SET record = '{\"agent_id\":\"a\"}'", "an agent: missing field"),
        (
            "UPDATE documents SET document = json_set(document, '$.labels', 7)",
            "agent with key 1: invalid type",
        ),
        ("DELETE FROM documents WHERE key = 1", "1 have no document"),
        (
            "UPDATE events SET event = json_set(event, '$.kind', 'x') WHERE number = 42",
            "event with key 42: \"x\"",
        ),
    ] {
        let folder = tempdir().unwrap();
        let path = database(folder.path());
        written_by_the_first(&path).await;
        Registry::start(folder.path(), &[]).await.stop().await.unwrap();
        let mut connection = SqliteConnectOptions::new().filename(&path).connect().await.unwrap();
        connection.execute(spoil).await.unwrap();
        connection.close().await.unwrap();
        let error = crate::store::start_error(&path).await.to_string();
        assert!(error.contains("is damaged") && error.contains(named), "{spoil}: {error}");
    }
}
