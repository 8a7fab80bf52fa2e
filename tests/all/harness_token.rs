//! The harness against a registry that has tokens: it sends the one that it was given, and writes it down nowhere.

use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::machine::measured;
use crate::not_judged::not_judged;
use crate::program::{Served, code, report, run, text, wallflower};

const POLICY: &str = "default=1s,1500ms,2500ms,30s";

const SCENARIO: &str = r#"
name = "token"
description = "A few calls with a token."
seed = 3
requirements = ["PASSIVE-1"]

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "1500ms"
expires_after = "2500ms"
evict_after = "30s"

[[fleets]]
name = "workers"
agents = 5
heartbeat = "200ms"
poll = "300ms"
jitter = 0.1
capability_pool = 5
capabilities_per_agent = 1
dependencies_per_agent = 1

[[phases]]
name = "start"
kind = "ramp"
duration = "500ms"

[[phases]]
name = "steady"
kind = "hold"
duration = "2s"
"#;

/// A token of these scopes for ids of this prefix; its entry is added to the file of tokens.
fn token(folder: &Path, name: &str, scope: &str, prefix: &str) -> String {
    let mut arguments = vec!["token", "new", "--name", name, "--scope", scope];
    if !prefix.is_empty() {
        arguments.extend(["--prefix", prefix]);
    }
    let output = run(&arguments);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let file = folder.join("tokens.toml");
    let mut entries = std::fs::read(&file).unwrap_or_default();
    entries.extend(&output.stderr);
    std::fs::write(&file, entries).unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// No file of a run and nothing printed holds any of the secrets, not even without its mark.
fn assert_told_nowhere(secrets: &[String], output: &Output, out: &Path) {
    let mut told = vec![("what was printed".to_owned(), text(output))];
    for entry in std::fs::read_dir(out).unwrap() {
        let path = entry.unwrap().path();
        let content = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        told.push((path.display().to_string(), content));
    }
    assert!(told.len() >= 3, "history and report are among {:?}", told.iter().map(|(name, _)| name));
    for (name, content) in &told {
        assert!(!content.contains("wf_"), "{name} tells of a token");
        for secret in secrets {
            assert!(!content.contains(&secret[3..]), "{name} tells a token");
        }
    }
}

/// The calls and exchanges in the history.
fn lines(out: &Path, kind: &str) -> Vec<Value> {
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let lines = history.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.filter(|line| line["line"] == kind).collect()
}

#[test]
fn a_load_test_sends_its_token_and_writes_it_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let secret = token(folder.path(), "ops", "admin", "");
    let tokens = folder.path().join("tokens.toml").display().to_string();
    let served = Served::start(folder.path(), &["--tokens", &tokens, "--policy", POLICY]);
    let scenario = folder.path().join("token.toml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let out = folder.path().join("out");
    let output = wallflower()
        .args(["loadtest", scenario.to_str().unwrap(), "--target", &served.url, "--out"])
        .arg(&out)
        .env("WALLFLOWER_TOKEN", &secret)
        .output()
        .unwrap();
    // INVALID is what a machine says that could not keep the plan; the token went along all the same.
    assert!(matches!(code(&output), 0 | 3), "{}", text(&output));
    let calls = lines(&out, "call");
    assert!(calls.iter().any(|call| call["http"] == 200), "{}", text(&output));
    assert!(calls.iter().all(|call| call["http"] != 401), "{}", text(&output));
    assert_told_nowhere(&[secret], &output, &out);
}

#[test]
fn a_conformance_run_sends_its_tokens_and_writes_them_nowhere() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let secrets = [
        token(folder.path(), "ops", "admin", ""),
        token(folder.path(), "own", "agent", "team-a-"),
        token(folder.path(), "other", "agent", "team-b-"),
        token(folder.path(), "reader", "read", ""),
    ];
    let tokens = folder.path().join("tokens.toml").display().to_string();
    let served = Served::start(folder.path(), &["--tokens", &tokens, "--policy", "default=5s,60s,90s,120s"]);
    let asked = |given: bool, name: &str| {
        let out = folder.path().join(name);
        let mut command = wallflower();
        command.args(["conformance", "--target", &served.url, "--out"]).arg(&out);
        for id in ["VIEW-7", "VIEW-9", "GUARD-2"] {
            command.args(["--only", id]);
        }
        command.env("WALLFLOWER_TOKEN", &secrets[0]);
        if given {
            command.env("WALLFLOWER_TOKEN_AGENT", &secrets[1]);
            command.env("WALLFLOWER_TOKEN_AGENT_PREFIX", "team-a-");
            command.env("WALLFLOWER_TOKEN_OTHER_AGENT", &secrets[2]);
            command.env("WALLFLOWER_TOKEN_READ", &secrets[3]);
        }
        let output = command.output().unwrap();
        assert_told_nowhere(&secrets, &output, &out);
        let views = lines(&out, "exchange");
        let views = views.iter().filter(|exchange| exchange["requirement"] != "GUARD-2");
        let statuses: Vec<&Value> =
            views.map(|exchange| &exchange["outcome"]["answered"]["status"]).collect();
        assert!(statuses.iter().any(|status| **status == 200), "{}", text(&output));
        assert!(statuses.iter().all(|status| **status != 401), "{}", text(&output));
        let report = report(&out);
        let row = report["requirements"].as_array().unwrap().iter().find(|row| row["id"] == "GUARD-2");
        (output, row.unwrap().clone())
    };
    let (output, row) = asked(true, "given");
    match code(&output) {
        0 => assert_eq!(row["verdict"], "pass", "{row}"),
        3 => not_judged("GUARD-2 of a registry that is only reached", &row["detail"].to_string()),
        _ => panic!("{}", text(&output)),
    }
    let (_, row) = asked(false, "not-given");
    assert_eq!(row["verdict"], "not_applicable", "{row}");
    assert!(row["detail"].as_str().unwrap().contains("WALLFLOWER_TOKEN_OTHER_AGENT"), "{row}");
}

/// A failure shows its call as it went over the wire, but for the token.
#[test]
fn a_failure_shows_its_call_without_the_token() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let secrets = [token(folder.path(), "ops", "admin", "")];
    let tokens = folder.path().join("tokens.toml").display().to_string();
    let policy = "default=300ms,900ms,1800ms,2600ms";
    let served = Served::start(folder.path(), &["--tokens", &tokens, "--policy", policy]);
    // It is said to be quicker than it is.
    let target = folder.path().join("target.toml");
    let said = format!(
        "url = \"{}\"\ntransition_bound = \"50ms\"\n[policies.default]\nheartbeat_interval = \"300ms\"\n\
         degraded_after = \"600ms\"\nexpires_after = \"1s\"\nevict_after = \"1600ms\"\n",
        served.url
    );
    std::fs::write(&target, said).unwrap();
    let out = folder.path().join("out");
    let mut command = wallflower();
    command
        .args(["conformance", "--only", "TIME-4", "--target", target.to_str().unwrap(), "--out"])
        .arg(&out);
    let output = command.env("WALLFLOWER_TOKEN", &secrets[0]).output().unwrap();
    assert_told_nowhere(&secrets, &output, &out);
    if code(&output) == 3 {
        return not_judged("a failure behind a token", &text(&output));
    }
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("authorization: (not kept)"), "{}", text(&output));
    assert!(text(&output).contains("\"authorization: Bearer $WALLFLOWER_TOKEN\""), "{}", text(&output));
    let kept = std::fs::read_to_string(out.join("history.exchanges.jsonl")).unwrap();
    assert!(kept.contains("(not kept)") && kept.ends_with("}\n"), "it is whole");
}
