//! What an operator does: seal, look, reload.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::program::{Served, code, run, text};
use crate::serve::ask;

/// Judges nothing about speed: only what never comes fails.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    for _ in 0..3_000 {
        if holds() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("it never came that {what}");
}

fn get(url: &str, path: &str) -> Value {
    let (status, body) = ask(url, &format!("GET {path}"), "");
    assert!(status.contains("200"), "{path}: {status} {body}");
    serde_json::from_str(&body).unwrap()
}

fn beat(url: &str, body: &str) -> Value {
    let (status, body) = ask(url, "POST /heartbeat", body);
    assert!(status.contains("200"), "{status} {body}");
    serde_json::from_str(&body).unwrap()
}

/// What the kernel says of every thread of a process.
fn threads_without_filter(pid: u32) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let statuses: Vec<_> =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok()).collect();
    assert!(!statuses.is_empty());
    let is_sealed = |status: &String| status.contains("Seccomp:\t2") && status.contains("NoNewPrivs:\t1");
    statuses.into_iter().filter(|status| !is_sealed(status)).collect()
}

#[test]
fn sealed_by_the_kernel_it_serves_and_stores_stops_cleanly_and_comes_back_from_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Served::start(folder.path(), &["--seal", "require"]);
    beat(&first.url, r#"{"agent_id":"a","capabilities":[]}"#);
    let passivity = get(&first.url, "/health")["passivity"].as_str().unwrap().to_owned();
    assert!(passivity.starts_with("enforced by the kernel ("), "{passivity}");
    let (_, metrics) = ask(&first.url, "GET /metrics", "");
    assert!(metrics.lines().any(|line| line == "registry_sealed 1"), "{metrics}");
    assert_eq!(threads_without_filter(first.child.id()), Vec::<String>::new());
    first.signal("KILL");
    first.child.wait().unwrap();

    let mut second = Served::start(folder.path(), &["--seal", "require"]);
    assert_eq!(get(&second.url, "/agents/a")["epoch"], 1);
    second.signal("TERM");
    assert_eq!(second.child.wait().unwrap().code(), Some(0));
    let log = std::fs::read_to_string(folder.path().join("serve.log")).unwrap();
    assert!(log.contains("enforced by the kernel"), "{log}");
}

#[test]
fn it_is_sealed_unless_told_otherwise_and_says_so_when_it_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let passivity = |more: &[&str]| {
        let served = Served::start(folder.path(), more);
        get(&served.url, "/health")["passivity"].as_str().unwrap().to_owned()
    };
    assert!(passivity(&[]).starts_with("enforced by the kernel"));
    assert_eq!(passivity(&["--seal", "off"]), "by construction only: sealing is off");
    let output = run(&["serve", "--seal", "tight"]);
    assert_eq!(code(&output), 4);
    assert!(text(&output).contains("off, try or require"), "{}", text(&output));
}

#[test]
fn every_request_leaves_a_line_when_asked_and_none_of_what_it_carries() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--access-log"]);
    beat(&served.url, r#"{"agent_id":"a","capabilities":[],"metadata":{"word":"inside"}}"#);
    ask(&served.url, "GET /agents?label=hidden", "");
    let log = || std::fs::read_to_string(folder.path().join("serve.log")).unwrap();
    eventually("both requests are logged", || {
        log().lines().filter(|line| line.contains("access:")).count() >= 2
    });
    let log = log();
    for word in ["path=\"/heartbeat\"", "method=POST", "status=200", "peer=127.0.0.1:", "path=\"/agents\""] {
        assert!(log.contains(word), "no {word} in {log}");
    }
    assert!(!log.contains("hidden") && !log.contains("inside"), "{log}");
}

#[test]
fn a_call_of_a_tool_leaves_no_line_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--allowed-hosts", "registry"]);
    let meta = r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}"#;
    let body = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"agent_heartbeat","arguments":{{"agent_id":"a","capabilities":[]}},"_meta":{{{meta}}}}}}}"#
    );
    let head = "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
        MCP-Method: tools/call\r\nMCP-Name: agent_heartbeat";
    let (status, answer) =
        ask(&served.url, &format!("POST /mcp HTTP/1.1\r\n{head}\r\nUser-Agent: test"), &body);
    assert!(status.contains("200") && answer.contains("registered"), "{status} {answer}");
    drop(served);
    let log = std::fs::read_to_string(folder.path().join("serve.log")).unwrap();
    assert!(log.contains("enforced by the kernel"), "{log}");
    assert!(!log.contains("rmcp"), "{log}");
}

fn policies(path: &Path, expires_after: &str) {
    let text = format!(
        "[policies.default]\nheartbeat_interval = \"5s\"\ndegraded_after = \"10s\"\nexpires_after = \"{expires_after}\"\nevict_after = \"10m\"\n"
    );
    std::fs::write(path, text).unwrap();
}

#[test]
fn sighup_brings_other_policies_for_each_agent_with_its_next_heartbeat_and_a_bad_file_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wallflower.toml");
    policies(&file, "60s");
    let served = Served::start(folder.path(), &["--config", file.to_str().unwrap()]);
    beat(&served.url, r#"{"agent_id":"a","capabilities":[]}"#);
    policies(&file, "30s");
    served.signal("HUP");
    let current = || get(&served.url, "/policies")["policies"]["default"]["expires_after_ms"].clone();
    eventually("the new policies hold", || current() == 30_000);
    let held = || get(&served.url, "/agents/a/health")["policy"]["expires_after_ms"].clone();
    assert_eq!(held(), 60_000, "its last heartbeat was accepted under the old ones");
    assert_eq!(beat(&served.url, r#"{"agent_id":"a"}"#)["expires_after_ms"], 30_000);
    assert_eq!(held(), 30_000);

    policies(&file, "1s");
    served.signal("HUP");
    let log = || std::fs::read_to_string(folder.path().join("serve.log")).unwrap();
    eventually("the bad file is told of", || log().contains("the policies stay as they were"));
    assert!(log().contains("wallflower.toml:4:"), "file, line and column: {}", log());
    assert_eq!(current(), 30_000);
}

#[test]
fn config_check_says_what_a_file_sets_or_all_that_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("wallflower.toml");
    let check = || run(&["config", "check", file.to_str().unwrap()]);
    policies(&file, "60s");
    let output = check();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("default: heartbeat 5s, degraded 10s, expires 1m, evict 10m"));
    std::fs::write(&file, "listne = \"x\"\nseal = \"tight\"\n").unwrap();
    let output = check();
    assert_eq!(code(&output), 4, "{}", text(&output));
    for word in ["wallflower.toml:1:1", "did you mean listen?", "wallflower.toml:2:8", "off, try or require"]
    {
        assert!(text(&output).contains(word), "no {word} in {}", text(&output));
    }
}

#[test]
fn agents_are_listed_for_people_and_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &[]);
    for body in [
        r#"{"agent_id":"geo-3","capabilities":[{"name":"geo.lookup","version":"1.4.0"}],"labels":{"zone":"a/b&c"}}"#,
        r#"{"agent_id":"planner-1","capabilities":[],"status":"degraded"}"#,
    ] {
        beat(&served.url, body);
    }
    let list = |more: &[&str]| run(&[&["agents", "--url", &served.url], more].concat());
    let output = list(&[]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let table = text(&output);
    let rows: Vec<_> = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(rows[0], ["AGENT", "TYPE", "STATUS", "ENDPOINT", "CAPABILITIES"]);
    assert_eq!(rows[1], ["geo-3", "default", "healthy", "-", "geo.lookup", "1.4.0"]);
    assert_eq!(rows[2], ["planner-1", "default", "degraded", "-"]);

    let output = list(&["--json", "--label", "zone=a/b&c", "--capability", "geo.lookup"]);
    let entries: Vec<Value> = text(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(entries.len(), 1, "{}", text(&output));
    assert_eq!(entries[0], get(&served.url, "/agents/geo-3"));

    let output = list(&["--status", "asleep"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("/status") && text(&output).contains("asleep"), "{}", text(&output));
    let url = served.url.clone();
    drop(served);
    let output = run(&["agents", "--url", &url]);
    assert_eq!(code(&output), 1, "{}", text(&output));
}

#[test]
fn the_operators_page_has_every_setting_and_its_example_is_valid() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/operating.md")).unwrap();
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("example.toml");
    std::fs::write(&file, example).unwrap();
    let output = run(&["config", "check", file.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("gpu-worker: heartbeat 5s, degraded 10s, expires 45s, evict 1m"));

    // The error for an unknown key names all that are known.
    std::fs::write(&file, "zzz = 1\n").unwrap();
    let told = text(&run(&["config", "check", file.to_str().unwrap()]));
    let (_, keys) = told.trim().split_once("allowed: ").unwrap();
    let keys: Vec<&str> = keys.split(", ").collect();
    assert!(keys.len() >= 9, "{told}");
    for key in keys {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{key}` |")));
        assert!(
            row.is_some_and(|row| row.contains("`--") && row.contains("`WALLFLOWER_")),
            "no row for {key}"
        );
    }
}
