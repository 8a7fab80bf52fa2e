//! Another process holds the file. It is this program once more: the test below that is ignored.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor};
use tempfile::tempdir;

use crate::support::{Registry, database, eventually, full, ids, lean};

const FILE: &str = "WALLFLOWER_TEST_FILE_TO_LOCK";
const LOCKED: &str = "the file is locked";

#[tokio::test]
#[ignore = "the other process of the test below, which runs it"]
async fn hold_the_file_until_standard_input_ends() {
    let file = std::env::var(FILE).unwrap();
    let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(20));
    let mut connection = options.connect().await.unwrap();
    connection.execute("BEGIN EXCLUSIVE").await.unwrap();
    println!("\n{LOCKED}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    connection.close().await.unwrap();
}

fn lock_in_another_process(file: &std::path::Path) -> Child {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "locked::hold_the_file_until_standard_input_ends"])
        .env(FILE, file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map(Result::unwrap).any(|line| line == LOCKED), "the other process got no lock");
    child
}

#[tokio::test]
async fn while_another_process_holds_the_file_changes_get_503_renewals_go_on_and_nothing_is_lost() {
    let folder = tempdir().unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    for agent_id in ["old", "leaves"] {
        assert_eq!(registry.beat(full(agent_id)).await.status, 200);
    }
    let file = database(folder.path());
    let mut other = tokio::task::spawn_blocking(move || lock_in_another_process(&file)).await.unwrap();

    let refused = registry.beat(full("new")).await;
    refused.problem(503, "/store-unavailable");
    assert!(refused.header("retry-after").parse::<u32>().unwrap() > 0);
    registry.call("DELETE", "/agents/leaves", &[], b"").await.problem(503, "/store-unavailable");
    for agent_id in ["new", "leaves"] {
        registry.beat(lean(agent_id)).await.problem(503, "/store-unavailable");
    }
    assert_eq!(registry.beat(lean("old")).await.json()["result"], "renewed");
    assert_eq!(registry.call("HEAD", "/heartbeat/old", &[], b"").await.status, 200);
    let metrics = registry.get("/metrics").await.body;
    assert!(metrics.contains("\nregistry_store_failing 1\n"), "{metrics}");

    // However it ends, the system takes the lock away with it.
    other.kill().unwrap();
    tokio::task::spawn_blocking(move || other.wait()).await.unwrap().unwrap();
    eventually("the store recovers", async || registry.beat(lean("new")).await.status == 200).await;
    let list = registry.get("/agents").await.json();
    assert_eq!(ids(&list), ["new", "old"]);
    assert!(list["agents"].as_array().unwrap().iter().all(|agent| agent["epoch"] == 1));
    registry.stop().await.unwrap();
    let registry = Registry::start(folder.path(), &[]).await;
    assert_eq!(ids(&registry.get("/agents").await.json()), ["new", "old"]);
    registry.stop().await.unwrap();
}
