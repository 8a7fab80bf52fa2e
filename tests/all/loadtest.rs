//! `wallflower loadtest` from outside.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::machine::measured;
use crate::program::{code, judged, registry_of, report, run, signal, text, wallflower};

/// Few agents, a few seconds; the debug build on a busy machine can keep this plan.
const SMALL: &str = r#"
name = "small"
description = "A run for the program's own tests."
seed = 3
requirements = ["PASSIVE-1", "TIME-2"]

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "1500ms"
expires_after = "2500ms"
evict_after = "30s"

[[fleets]]
name = "workers"
agents = 40
heartbeat = "500ms"
poll = "1s"
jitter = 0.1
capability_pool = 5
capabilities_per_agent = 1
dependencies_per_agent = 1

[[phases]]
name = "start"
kind = "ramp"
duration = "1s"

[[phases]]
name = "steady"
kind = "hold"
duration = "3s"

[[phases]]
name = "die"
kind = "crash"
share = 0.5
over = "200ms"
duration = "4s"

[[phases]]
name = "return"
kind = "recover"
over = "500ms"
duration = "2s"

[[thresholds]]
phase = "steady"
metric = "heartbeat.errors"
limit = "0%"
"#;

pub(crate) fn small(folder: &Path) -> String {
    let path = folder.join("small.toml");
    std::fs::write(&path, SMALL).unwrap();
    path.display().to_string()
}

#[test]
fn a_small_run_passes_and_leaves_every_file() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let scenario = small(folder.path());
    let output = judged("a small run passes", &["loadtest", &scenario], &out);
    for file in ["report.json", "junit.xml", "summary.md", "report.html", "history.jsonl"] {
        assert!(out.join(file).metadata().unwrap().len() > 100, "{file}");
    }
    let report = report(&out);
    assert_eq!(report["agents"]["planned"], 40);
    assert!(report["target"]["cpu_seconds"].as_f64().unwrap() > 0.0);
    assert!(report["target"]["pss_bytes"].as_u64().unwrap() > 1_000_000);
    let Some(output) = output else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert_eq!(report["verdict"], "pass");
    assert_eq!(report["agents"]["peak"], 40);
    assert!(report["calls"]["renew"]["count"].as_u64().unwrap() > 200);
    assert!(report["calls"]["list"]["count"].as_u64().unwrap() > 100);
    let judged = run(&["judge", out.join("history.jsonl").to_str().unwrap()]);
    assert_eq!(code(&judged), 0, "what was claimed is judged alike: {}", text(&judged));
    assert!(text(&judged).contains("RACE-2"), "what is undecided is told: {}", text(&judged));
}

#[test]
fn the_same_seed_gives_the_same_plan_and_another_seed_another() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = small(folder.path());
    let short = [
        "--set",
        "phases.die.duration=300ms",
        "--set",
        "phases.steady.duration=300ms",
        "--set",
        "phases.return.duration=600ms",
    ];
    let hash = |seed: &str, name: &str| {
        let out = folder.path().join(name);
        let mut arguments =
            vec!["loadtest", &scenario, "--seed", seed, "--quiet", "--out", out.to_str().unwrap()];
        arguments.extend(short);
        run(&arguments);
        report(&out)["plan_hash"].as_str().unwrap().to_owned()
    };
    let first = hash("7", "a");
    assert_eq!(first.len(), 64);
    assert_eq!(first, hash("7", "b"));
    assert_ne!(first, hash("8", "c"));
}

#[test]
fn a_threshold_that_nobody_can_keep_exits_1_and_says_which() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let scenario = small(folder.path());
    let impossible = ["thresholds.0.metric=heartbeat.response.p99", "thresholds.0.limit=1us"];
    let arguments = ["loadtest", &scenario, "--set", impossible[0], "--set", impossible[1]];
    let Some(output) = judged("a threshold that nobody can keep", &arguments, &out) else { return };
    assert_eq!(code(&output), 1, "{}", text(&output));
    let report = report(&out);
    assert_eq!(report["verdict"], "fail");
    assert_eq!(report["thresholds"][0]["ok"], false);
    assert!(
        report["reasons"][0].as_str().unwrap().contains("heartbeat.response.p99"),
        "{}",
        report["reasons"]
    );
}

#[test]
fn a_registry_that_is_killed_meanwhile_fails_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (mut harness, registry) = under_way(folder.path(), &out);
    signal(registry, "KILL");
    let status = harness.wait().unwrap();
    let report = report(&out);
    assert!(!status.success());
    assert_eq!(report["verdict"], "fail", "{}", report["reasons"]);
    assert!(report["reasons"].to_string().contains("registry process ended"), "{}", report["reasons"]);
}

#[test]
fn an_interrupted_run_still_writes_its_report_and_leaves_no_process() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let (mut harness, registry) = under_way(folder.path(), &out);
    signal(harness.id(), "INT");
    assert_eq!(harness.wait().unwrap().code(), Some(130));
    assert_eq!(report(&out)["interrupted"], true);
    assert!(!Path::new(&format!("/proc/{registry}")).exists(), "the registry {registry} still runs");
}

/// A load test whose agents call already, and the process id of its registry.
fn under_way(folder: &Path, out: &Path) -> (Child, u32) {
    let scenario = small(folder);
    let harness = wallflower()
        .args(["loadtest", &scenario, "--quiet", "--out", out.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let registry = registry_of(&harness, out);
    (harness, registry)
}
