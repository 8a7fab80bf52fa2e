//! Store trouble, with the real thing: a small disk that fills up, a folder that cannot be written, a file that is torn.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use crate::program::{PATIENT, Served, code, text, wallflower};
use crate::serve::ask;

/// `wallflower serve` in a mount namespace of its own, where a small disk lies on `folder`. No rights are needed for it
/// but that the machine allows user namespaces.
fn on_a_disk_of(size: &str, options: &str, folder: &Path) -> Command {
    let disk = folder.display();
    let mount = format!("mount -t tmpfs -o size={size},{options} tmpfs {disk}");
    in_a_namespace(&mount, folder)
}

fn in_a_namespace(mount: &str, folder: &Path) -> Command {
    let can_mount = Command::new("unshare").args(["-rm", "sh", "-c", mount]).output();
    let can_mount = can_mount.unwrap_or_else(|error| panic!("NOT RUN: unshare is missing: {error}"));
    assert!(
        can_mount.status.success(),
        "NOT RUN: this machine allows no mount in a user namespace, so nothing was shown: {}",
        text(&can_mount)
    );
    let database = folder.join("registry.db");
    let mut command = Command::new("unshare");
    command
        .args(["-rm", "sh", "-c", &format!("{mount} && exec \"$0\" \"$@\""), crate::program::path()])
        .args(["serve", "--listen", "127.0.0.1:0", "--database", database.to_str().unwrap()])
        .args(PATIENT);
    command.env_remove("WALLFLOWER_CONFIG").stdin(std::process::Stdio::null());
    command
}

fn register(url: &str, agent_id: &str, bytes: usize) -> (u16, String, String) {
    let body = format!(
        r#"{{"agent_id":"{agent_id}","capabilities":[],"metadata":{{"filler":"{}"}}}}"#,
        "x".repeat(bytes)
    );
    let (head, body) = crate::serve::ask_whole(url, "POST /heartbeat", &body);
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body)
}

#[test]
fn a_full_disk_gets_503_for_changes_and_200_for_renewals_and_afterwards_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let served = Served::of(on_a_disk_of("2m", "mode=755", &disk), folder.path());
    // The disk as the registry sees it. What lies there takes the room that is given back later.
    let ballast = Path::new("/proc")
        .join(served.child.id().to_string())
        .join("root")
        .join(disk.join("ballast").strip_prefix("/").unwrap());
    std::fs::write(&ballast, vec![0; 512 * 1024]).unwrap();

    let mut acknowledged = Vec::new();
    let refused = loop {
        let agent_id = format!("a{}", acknowledged.len());
        let (status, head, body) = register(&served.url, &agent_id, 8_000);
        if status != 200 {
            assert_eq!(status, 503, "{head} {body}");
            assert!(head.contains("\r\nretry-after: "), "{head}");
            assert!(body.contains("/store-unavailable"), "{body}");
            break agent_id;
        }
        acknowledged.push(agent_id);
        assert!(acknowledged.len() < 2_000, "the disk never fills up");
    };
    assert!(!acknowledged.is_empty());
    for agent_id in &acknowledged {
        let lean = format!(r#"{{"agent_id":"{agent_id}"}}"#);
        let (status, body) = ask(&served.url, "POST /heartbeat", &lean);
        assert!(status.contains("200") && body.contains(r#""result":"renewed""#), "{status} {body}");
    }
    let (status, _) = ask(&served.url, &format!("HEAD /heartbeat/{}", acknowledged[0]), "");
    assert!(status.contains("200"), "{status}");
    let (status, _) = ask(&served.url, "DELETE /agents/a0", "");
    assert!(status.contains("503"), "{status}");
    let (_, health) = ask(&served.url, "GET /health", "");
    assert!(health.contains(r#""status":"store_unavailable""#), "{health}");
    let (_, metrics) = ask(&served.url, "GET /metrics", "");
    assert!(metrics.contains("\nregistry_store_failing 1\n"), "{metrics}");

    std::fs::remove_file(&ballast).unwrap();
    let mut waited = 0;
    while !ask(&served.url, "POST /heartbeat", &format!(r#"{{"agent_id":"{refused}"}}"#)).0.contains("200") {
        waited += 1;
        assert!(waited < 60, "the store never recovers");
        std::thread::sleep(Duration::from_millis(100));
    }
    // What was refused took effect all the same once the store could: the deregistration and the registration.
    let mut expected: Vec<String> = acknowledged.split_off(1);
    expected.push(refused);
    expected.sort();
    let (_, list) = ask(&served.url, "GET /agents?limit=10000", "");
    let list: Value = serde_json::from_str(&list).unwrap();
    let entries = list["agents"].as_array().unwrap();
    let ids: Vec<_> = entries.iter().map(|entry| entry["agent_id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids, expected);
    assert!(entries.iter().all(|entry| entry["epoch"] == 1), "nobody had to register again");

    // And it is on the disk, not only in memory.
    let files = tempfile::tempdir().unwrap();
    for name in ["registry.db", "registry.db-wal"] {
        std::fs::copy(ballast.with_file_name(name), files.path().join(name)).unwrap();
    }
    drop(served);
    let again = Served::start(files.path(), &PATIENT);
    let (_, after) = ask(&again.url, "GET /agents?limit=10000", "");
    let after: Value = serde_json::from_str(&after).unwrap();
    assert_eq!(after["agents"], list["agents"]);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_at_the_start_with_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let sealed_off = folder.path().join("read-only");
    std::fs::create_dir(&sealed_off).unwrap();
    let path = sealed_off.display();
    let mount = format!("mount --bind {path} {path} && mount -o remount,bind,ro {path}");
    let output = in_a_namespace(&mount, &sealed_off).output().unwrap();
    assert_eq!(code(&output), 1, "{}", text(&output));
    let expected =
        format!("{} cannot be opened: Read-only file system", sealed_off.join("registry.db").display());
    assert!(text(&output).contains(&expected), "{}", text(&output));
    assert_eq!(std::fs::read_dir(&sealed_off).unwrap().count(), 0);
}

#[test]
fn a_database_that_is_foreign_or_torn_in_its_middle_is_refused_and_not_touched() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("registry.db");
    let refused = |word: &str| {
        let before = std::fs::read(&database).unwrap();
        let output = wallflower()
            .args(["serve", "--listen", "127.0.0.1:0", "--database", database.to_str().unwrap()])
            .output()
            .unwrap();
        assert_eq!(code(&output), 1, "{}", text(&output));
        assert!(
            text(&output).contains(word) && text(&output).contains("left untouched"),
            "{}",
            text(&output)
        );
        assert!(std::fs::read(&database).unwrap() == before, "not one byte is another");
    };
    std::fs::write(&database, "a diary, and no database").unwrap();
    refused("is not a registry's database (no SQLite file)");
    std::fs::remove_file(&database).unwrap();

    let mut served = Served::start(folder.path(), &[]);
    for number in 0..20 {
        assert_eq!(register(&served.url, &format!("a{number}"), 8_000).0, 200);
    }
    served.signal("TERM");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let mut torn = std::fs::read(&database).unwrap();
    let (from, through) = (torn.len() / 3, torn.len() / 2);
    torn[from..through].fill(0xa5);
    std::fs::write(&database, &torn).unwrap();
    refused("is damaged");
}
