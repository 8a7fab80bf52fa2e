//! What a run leaves, beside what the other tests read of it: the log of latencies, `wallflower report`, and GitHub.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use agent_sim::latency_log;
use agent_sim::measure::Durations;
use serde_json::Value;

use crate::program::{code, report, run, text, wallflower};

const RENDERED: [&str; 4] = ["intervals.csv", "junit.xml", "report.html", "summary.md"];

const TINY: &str = r#"
name = "tiny"
seed = 3

[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "10s"
expires_after = "20s"
evict_after = "30s"

[[fleets]]
name = "workers"
agents = 20
heartbeat = "50ms"
poll = "200ms"
dependencies_per_agent = 1
capabilities_per_agent = 1
capability_pool = 3

[[phases]]
name = "start"
kind = "ramp"
duration = "500ms"

[[phases]]
name = "steady"
kind = "hold"
duration = "2s"

[[thresholds]]
phase = "steady"
metric = "heartbeat.response.p99"
limit = "1us"
"#;

/// A run whose threshold nobody can keep; on a starved machine it is INVALID, and leaves the same files.
fn tiny_run(folder: &Path, github: &[(&str, &Path)]) -> (std::path::PathBuf, std::process::Output) {
    let scenario = folder.join("tiny.toml");
    fs::write(&scenario, TINY).unwrap();
    let out = folder.join("out");
    let mut command = wallflower();
    command.args(["loadtest", scenario.to_str().unwrap(), "--quiet", "--out", out.to_str().unwrap()]);
    let output = command.envs(github.iter().copied()).output().unwrap();
    assert!([1, 3].contains(&code(&output)), "{}", text(&output));
    (out, output)
}

#[test]
fn the_log_of_latencies_agrees_with_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = tiny_run(folder.path(), &[]);
    let mut logged: BTreeMap<(String, String, String), Durations> = BTreeMap::new();
    let mut seconds = 0;
    latency_log::read(&out.join(latency_log::FILE), |line| {
        let key = (line.phase.to_owned(), line.operation.to_owned(), line.what.to_owned());
        logged.entry(key).or_default().merge(&line.durations);
        seconds = seconds.max(line.second + line.seconds);
    })
    .unwrap();
    assert!((2..600).contains(&seconds), "{seconds}");
    let report = report(&out);
    let mut compared = 0;
    for phase in report["phases"].as_array().unwrap() {
        for (operation, stats) in phase["calls"].as_object().unwrap() {
            for what in ["response", "service", "lag"] {
                let key = (phase["name"].as_str().unwrap().to_owned(), operation.clone(), what.to_owned());
                let durations = logged.remove(&key).unwrap_or_default();
                let count = stats["count"].as_u64().unwrap();
                let cut_off = if what == "lag" { stats["cut_off"].as_u64().unwrap() } else { 0 };
                assert_eq!(durations.count(), count + cut_off, "{key:?}");
                let told = &stats[format!("{what}_us")];
                let max = told["max"].as_u64().unwrap();
                for (name, share) in [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)] {
                    assert_eq!(
                        durations.quantile_us(share).min(max),
                        told[name].as_u64().unwrap(),
                        "{key:?} {name}"
                    );
                }
                compared += 1;
            }
        }
    }
    assert!(compared >= 12 && logged.is_empty(), "{compared} compared, left: {:?}", logged.keys());
}

#[test]
fn rendered_files_are_made_again_from_the_data_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (out, _) = tiny_run(folder.path(), &[]);
    let before = RENDERED.map(|name| fs::read(out.join(name)).unwrap());
    RENDERED.iter().for_each(|name| fs::remove_file(out.join(name)).unwrap());
    fs::remove_file(out.join("history.jsonl")).unwrap();
    let output = run(&["report", out.to_str().unwrap()]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    for (name, before) in RENDERED.iter().zip(before) {
        assert!(text(&output).contains(name), "{}", text(&output));
        assert!(fs::read(out.join(name)).unwrap() == before, "{name} differs");
    }
}

#[test]
fn what_is_no_run_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    let refused = |remedy: &str| {
        let output = run(&["report", path]);
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(
            text(&output).contains("report.json: ") && text(&output).contains(remedy),
            "{}",
            text(&output)
        );
    };
    refused("name the folder that a run has left");
    fs::write(folder.path().join("report.json"), "{\"schema\": 1}").unwrap();
    refused("missing field");
    fs::write(folder.path().join("report.json"), "no JSON").unwrap();
    refused("make the run again with this version");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}

#[test]
fn github_is_told_what_broke_and_given_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    let summary = folder.path().join("step-summary.md");
    fs::write(&summary, "before\n").unwrap();
    let told = [("GITHUB_ACTIONS", Path::new("true")), ("GITHUB_STEP_SUMMARY", summary.as_path())];
    let (out, output) = tiny_run(folder.path(), &told);
    let report: Value = report(&out);
    let printed = String::from_utf8(output.stdout).unwrap();
    let annotations: Vec<_> = printed.lines().filter(|line| line.starts_with("::")).collect();
    assert!(
        annotations.iter().any(|line| line.starts_with("::error title=heartbeat.response.p99 in steady::")),
        "{printed}"
    );
    assert_eq!(report["verdict"] == "invalid", printed.contains("::warning title=tiny::"), "{printed}");
    let appended = fs::read_to_string(&summary).unwrap();
    assert_eq!(appended, format!("before\n{}\n", fs::read_to_string(out.join("summary.md")).unwrap()));
}

#[test]
fn a_summary_that_github_cannot_take_is_a_warning_and_changes_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("no/such/folder");
    let (_, output) = tiny_run(folder.path(), &[("GITHUB_STEP_SUMMARY", &nowhere)]);
    assert!(text(&output).contains("warning: the summary cannot be added to"), "{}", text(&output));
    assert!(!text(&output).contains("::error"), "{}", text(&output));
}
