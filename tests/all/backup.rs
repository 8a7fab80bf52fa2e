//! `wallflower backup`, while the registry works.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;

use crate::program::{PATIENT, Served, code, run, text};
use crate::serve::ask;

fn backup(folder: &Path, file: &Path) -> std::process::Output {
    let database = format!("sqlite://{}", folder.join("registry.db").display());
    run(&["backup", file.to_str().unwrap(), "--database", &database])
}

fn list(url: &str) -> Value {
    let (status, body) = ask(url, "GET /agents?limit=10000", "");
    assert!(status.contains("200"), "{status} {body}");
    serde_json::from_str(&body).unwrap()
}

fn start_from(copy: &Path, folder: &Path) -> Served {
    std::fs::copy(copy, folder.join("registry.db")).unwrap();
    Served::start(folder, &PATIENT)
}

#[test]
fn a_backup_under_load_has_all_that_was_acknowledged_before_it_and_begins_a_history_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &PATIENT);
    let acknowledged = Mutex::new(Vec::new());
    let done = AtomicBool::new(false);
    let copies: Vec<_> = (0..3).map(|number| folder.path().join(format!("copy-{number}.db"))).collect();
    let mut before = Vec::new();
    std::thread::scope(|scope| {
        for writer in 0..3 {
            let (served, acknowledged, done) = (&served, &acknowledged, &done);
            scope.spawn(move || {
                for number in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let agent_id = format!("w{writer}-{number}");
                    let body = format!(r#"{{"agent_id":"{agent_id}","capabilities":[{{"name":"c"}}]}}"#);
                    let (status, body) = ask(&served.url, "POST /heartbeat", &body);
                    assert!(status.contains("200"), "{status} {body}");
                    acknowledged.lock().unwrap().push(agent_id);
                }
            });
        }
        for copy in &copies {
            while acknowledged.lock().unwrap().len() < 30 * (before.len() + 1) {
                std::thread::yield_now();
            }
            let shown = list(&served.url);
            before.push((acknowledged.lock().unwrap().clone(), shown));
            let output = backup(folder.path(), copy);
            assert_eq!(code(&output), 0, "{}", text(&output));
        }
        done.store(true, Ordering::Relaxed);
    });

    let mut store_ids = vec![list(&served.url)["store_id"].clone()];
    for (copy, (acknowledged, shown)) in copies.iter().zip(&before) {
        // The same copy twice: each restoring is a history of its own.
        for _ in 0..2 {
            let restored = tempfile::tempdir().unwrap();
            let mut from_copy = start_from(copy, restored.path());
            let there = list(&from_copy.url);
            let entries = there["agents"].as_array().unwrap();
            let ids: std::collections::BTreeSet<_> =
                entries.iter().map(|entry| entry["agent_id"].as_str().unwrap()).collect();
            for agent_id in acknowledged {
                assert!(
                    ids.contains(agent_id.as_str()),
                    "{agent_id} was acknowledged before the backup began"
                );
            }
            for entry in shown["agents"].as_array().unwrap() {
                assert!(entries.contains(entry), "as it was: {entry}");
            }
            assert!(there["revision"].as_u64() >= shown["revision"].as_u64());
            assert!(!store_ids.contains(&there["store_id"]), "a store_id was used twice");
            store_ids.push(there["store_id"].clone());
            from_copy.signal("TERM");
            assert_eq!(from_copy.child.wait().unwrap().code(), Some(0));
            let again = Served::start(restored.path(), &PATIENT);
            assert_eq!(list(&again.url)["store_id"], there["store_id"], "only the first start changes it");
        }
    }
    assert_eq!(list(&served.url)["store_id"], store_ids[0], "the original goes on as it was");
}

#[test]
fn a_backup_overwrites_nothing_and_copies_only_what_is_a_registrys() {
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("copy.db");
    let output = backup(folder.path(), &copy);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(!folder.path().join("registry.db").exists(), "asking for a backup makes no database");

    let mut served = Served::start(folder.path(), &[]);
    served.signal("TERM");
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    assert_eq!(code(&backup(folder.path(), &copy)), 0, "a registry that does not run is copied all the same");
    let bytes = std::fs::read(&copy).unwrap();
    let output = backup(folder.path(), &copy);
    assert_eq!(code(&output), 1);
    assert!(text(&output).contains("is there already"), "{}", text(&output));
    assert_eq!(std::fs::read(&copy).unwrap(), bytes);

    std::fs::write(folder.path().join("registry.db"), "a diary, and no database").unwrap();
    let second = folder.path().join("second.db");
    let output = backup(folder.path(), &second);
    assert_eq!(code(&output), 1);
    assert!(text(&output).contains("is not a registry's database"), "{}", text(&output));
    let output = backup(folder.path(), Path::new("/nonexistent/copy.db"));
    assert_eq!(code(&output), 1);
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.contains("second") || name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "nothing is left of a backup that failed: {left:?}");
}
