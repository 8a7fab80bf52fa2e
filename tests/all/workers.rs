//! A load test spread over several processes, from outside.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::machine::measured;
use crate::program::{children, code, judged, report, run, signal, text, wait_for, wallflower};

/// A hundred agents with connections of their own.
const OWN: &str = r#"
name = "spread"
seed = 3

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "10s"
expires_after = "20s"
evict_after = "60s"

[[fleets]]
name = "workers"
agents = 100
heartbeat = "500ms"
poll = "1s"
jitter = 0.1
connections = "own"

[[phases]]
name = "ramp"
kind = "ramp"
duration = "1s"

[[phases]]
name = "hold"
kind = "hold"
duration = "3s"
"#;

fn scenario(folder: &Path) -> String {
    let path = folder.join("spread.toml");
    std::fs::write(&path, OWN).unwrap();
    path.display().to_string()
}

/// What `wallflower scenario plan` says of the calls of each phase, in all.
fn planned_calls(scenario: &str) -> u64 {
    let output = run(&["scenario", "plan", "--no-cpu", "--json", scenario]);
    let plan: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let phases = plan["phases"].as_array().unwrap().iter();
    let calls = phases.flat_map(|phase| phase["calls"].as_object().unwrap());
    calls.filter(|(name, _)| *name != "observe").map(|(_, count)| count.as_u64().unwrap()).sum()
}

/// Of the agents' calls in all phases.
fn sum(report: &serde_json::Value, what: &str) -> u64 {
    let phases = report["phases"].as_array().unwrap().iter();
    let calls = phases.flat_map(|phase| phase["calls"].as_object().unwrap());
    calls.filter(|(name, _)| *name != "observe").map(|(_, call)| call[what].as_u64().unwrap()).sum()
}

#[test]
fn agents_spread_over_two_processes_make_the_calls_that_one_would_make() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(folder.path());
    let out = folder.path().join("two");
    let output = judged("agents over two processes", &["loadtest", &scenario, "--set", "workers=2"], &out);
    let two = report(&out);
    assert_eq!((&two["generator"]["workers"], &two["agents"]["planned"]), (&2.into(), &100.into()));
    let mut files: Vec<_> = std::fs::read_dir(&out)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(
        files,
        [
            "history.jsonl",
            "intervals.csv",
            "junit.xml",
            "latencies.hlog",
            "report.html",
            "report.json",
            "summary.md"
        ]
    );
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let lines: Vec<serde_json::Value> =
        history.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let kind = |line: &serde_json::Value| line["line"].as_str().unwrap().to_owned();
    assert_eq!((kind(&lines[0]), kind(&lines[lines.len() - 1])), ("run".to_owned(), "end".to_owned()));
    let calls = lines.iter().filter(|line| line["line"] == "call").count() as u64;
    let phases = two["phases"].as_array().unwrap().iter();
    let observed: u64 = phases.filter_map(|phase| phase["calls"]["observe"]["count"].as_u64()).sum();
    assert_eq!(calls, sum(&two, "count") + observed);
    let registered: std::collections::BTreeSet<&str> = lines
        .iter()
        .filter(|line| line["op"] == "register" && line["outcome"] == "registered")
        .filter_map(|line| line["agent"].as_str())
        .collect();
    assert_eq!(registered.len(), 100, "{}", lines[1]);
    let one = folder.path().join("one");
    run(&["loadtest", &scenario, "--quiet", "--out", one.to_str().unwrap(), "--set", "workers=1"]);
    let one = report(&one);
    assert_eq!((&one["generator"]["workers"], &one["plan_hash"]), (&1.into(), &two["plan_hash"]));
    let Some(output) = output else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!((&two["agents"]["peak"], &two["generator"]["connections_held"]), (&100.into(), &100.into()));
    assert_eq!(sum(&two, "planned"), planned_calls(&scenario));
    let intervals = two["intervals"].as_array().unwrap();
    let sent: u64 = intervals.iter().map(|second| second["sent"].as_u64().unwrap()).sum();
    assert_eq!(sent, sum(&two, "planned") - sum(&two, "misses"));
}

/// Starts a long run of two workers, and waits until they make calls.
fn spread(scenario: &str, out: &Path) -> (Child, Vec<u32>) {
    let set = ["--set", "workers=2", "--set", "phases.hold.duration=60s"];
    let mut command = wallflower();
    command.args(["loadtest", scenario, "--quiet", "--out", out.to_str().unwrap()]).args(set);
    let harness = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let part = out.join("history.jsonl.part-2");
    wait_for(|| part.metadata().ok().filter(|file| file.len() > 2_000));
    let is_worker = |pid: &u32| {
        std::fs::read(format!("/proc/{pid}/cmdline"))
            .is_ok_and(|line| String::from_utf8_lossy(&line).contains("loadtest-worker"))
    };
    let workers: Vec<u32> = children(harness.id()).into_iter().filter(is_worker).collect();
    assert_eq!(workers.len(), 2);
    (harness, workers)
}

#[test]
fn a_worker_that_is_killed_makes_the_run_invalid_at_once_and_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (harness, workers) = spread(&scenario(folder.path()), &out);
    signal(workers[1], "KILL");
    let output = harness.wait_with_output().unwrap();
    assert_eq!(code(&output), 3, "{}", text(&output));
    let report = report(&out);
    assert!(report["duration_ms"].as_u64().unwrap() < 60_000, "{report}");
    let reasons = report["reasons"].to_string();
    let named = format!("of 2 (process {}) ended before its time (signal: 9", workers[1]);
    assert!(reasons.contains(&named) && reasons.contains("; it said nothing"), "{reasons}");
}

#[test]
fn an_interrupted_run_of_several_processes_is_reported_with_all_that_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (harness, workers) = spread(&scenario(folder.path()), &out);
    signal(harness.id(), "INT");
    let output = harness.wait_with_output().unwrap();
    assert_eq!(code(&output), 130, "{}", text(&output));
    let report = report(&out);
    assert_eq!((&report["interrupted"], &report["generator"]["workers"]), (&true.into(), &2.into()));
    assert!(!report["reasons"].to_string().contains("ended before its time"), "{}", report["reasons"]);
    assert!(sum(&report, "count") > 0 && !out.join("history.jsonl.part-1").exists());
    assert!(workers.iter().all(|pid| !Path::new(&format!("/proc/{pid}")).exists()));
}
