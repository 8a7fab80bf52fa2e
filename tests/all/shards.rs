//! A load test made in parts, and put together, from outside. That a busy machine makes a run INVALID changes nothing of what
//! is held here: counts and durations are those of the calls that were made.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use agent_sim::measure::{Durations, Latencies, Timed};
use reports::history::Line;
use serde_json::Value;

use crate::program::{Served, code, report, run, text, wallflower};

/// Nobody polls, so that every list in a history is the harness's own.
const SCENARIO: &str = r#"
name = "parts"
seed = 5
workers = 2

[target]
kind = "url"
url = "http://127.0.0.1:1"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "10s"
expires_after = "20s"
evict_after = "60s"

[[fleets]]
name = "workers"
agents = 21
heartbeat = "200ms"
jitter = 0.1

[[phases]]
name = "ramp"
kind = "ramp"
duration = "1s"

[[phases]]
name = "hold"
kind = "hold"
duration = "3s"

[[phases]]
name = "fall"
kind = "crash"
share = 0.3
over = "100ms"
duration = "1s"

[[phases]]
name = "back"
kind = "recover"
over = "300ms"
duration = "2s"

[[thresholds]]
phase = "hold"
metric = "heartbeat.response.p99"
limit = "60s"
window = "2s"

[[thresholds]]
phase = "back"
metric = "recovery.live"
limit = "60s"
"#;

fn scenario(folder: &Path) -> String {
    let path = folder.join("parts.toml");
    std::fs::write(&path, SCENARIO).unwrap();
    path.display().to_string()
}

fn shards(scenario: &str, url: &str, folder: &Path, of: u32) -> Vec<PathBuf> {
    let start = |number: u32| {
        let out = folder.join(format!("shard-{number}-of-{of}"));
        let mut command = wallflower();
        command.args(["loadtest", scenario, "--target", url, "--quiet", "--out", out.to_str().unwrap()]);
        command.args(["--shard", &format!("{number}/{of}")]);
        (out, command.stdout(std::process::Stdio::null()).spawn().unwrap())
    };
    let running: Vec<_> = (1..=of).map(start).collect();
    let finished = running.into_iter().map(|(out, mut child)| {
        child.wait().unwrap();
        assert!(out.join("report.json").exists(), "{}", out.display());
        out
    });
    finished.collect()
}

fn merge(shards: &[PathBuf], out: &Path) -> Output {
    let mut arguments = vec!["report", "merge", "--out", out.to_str().unwrap()];
    arguments.extend(shards.iter().map(|shard| shard.to_str().unwrap()));
    run(&arguments)
}

/// What a history tells of the calls of each phase, by operation. A call belongs to the phase that it was planned in.
fn calls_of(shard: &Path, told: &Value, durations: &mut BTreeMap<(usize, String), Latencies>) -> u64 {
    let begin_us = told["shard"]["history_begin_us"].as_u64().unwrap();
    let ends_ms: Vec<u64> =
        told["phases"].as_array().unwrap().iter().map(|phase| phase["end_ms"].as_u64().unwrap()).collect();
    let history = std::fs::read_to_string(shard.join("history.jsonl")).unwrap();
    let mut count = 0;
    for line in history.lines() {
        let Line::Call(call) = serde_json::from_str(line).unwrap() else { continue };
        let name = if call.op.name() == "list" { "observe" } else { call.op.name() };
        let timed = Timed::from(&call);
        let at_ms = (timed.planned_us - begin_us) / 1_000;
        let phase = ends_ms.partition_point(|end_ms| *end_ms <= at_ms).min(ends_ms.len() - 1);
        durations.entry((phase, name.to_owned())).or_default().record(&timed);
        count += 1;
    }
    count
}

fn percentiles(durations: &Durations) -> Value {
    serde_json::to_value(durations.percentiles()).unwrap()
}

#[test]
fn two_shards_put_together_are_one_run_to_the_last_call() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--policy", "default=1s,10s,20s,60s"]);
    let parts = shards(&scenario(folder.path()), &served.url, folder.path(), 2);
    let whole_folder = folder.path().join("whole");
    // In whatever order they are named.
    let output = merge(&[parts[1].clone(), parts[0].clone()], &whole_folder);
    let (whole, parts_told) = (report(&whole_folder), parts.iter().map(|it| report(it)).collect::<Vec<_>>());
    assert_eq!((&whole["agents"]["planned"], &whole["generator"]["workers"]), (&21.into(), &4.into()));
    for part in &parts_told {
        assert_eq!(part["plan_hash"], whole["plan_hash"]);
    }
    let mut durations = BTreeMap::new();
    let histories = parts.iter().zip(&parts_told);
    let ended: u64 = histories.map(|(part, told)| calls_of(part, told, &mut durations)).sum();
    let mut counted = 0;
    for (phase, told) in whole["phases"].as_array().unwrap().iter().enumerate() {
        for (operation, stats) in told["calls"].as_object().unwrap() {
            counted += stats["count"].as_u64().unwrap() + stats["cut_off"].as_u64().unwrap();
            let of_parts = |figure: &str| -> u64 {
                let phases = parts_told.iter().map(|part| &part["phases"][phase]);
                phases.filter_map(|it| it["calls"][operation][figure].as_u64()).sum()
            };
            for figure in ["planned", "count", "errors", "misses", "cut_off"] {
                assert_eq!(stats[figure], of_parts(figure), "{phase} {operation} {figure}");
            }
            // A call that was missed, or never came to be, has no line.
            let anew = durations.remove(&(phase, operation.clone())).unwrap_or_default();
            assert_eq!(stats["response_us"], percentiles(&anew.response), "{phase} {operation}");
            assert_eq!(stats["service_us"], percentiles(&anew.service), "{phase} {operation}");
            assert_eq!(stats["lag_us"], percentiles(&anew.lag), "{phase} {operation}");
        }
    }
    assert_eq!((counted, durations.len()), (ended, 0));
    let seconds = |report: &Value, figure: &str| -> u64 {
        report["intervals"].as_array().unwrap().iter().map(|it| it[figure].as_u64().unwrap()).sum()
    };
    for figure in ["planned", "sent", "errors", "misses"] {
        let of_parts: u64 = parts_told.iter().map(|part| seconds(part, figure)).sum();
        assert_eq!(seconds(&whole, figure), of_parts, "{figure}");
    }
    told_of_its_shards(&output, &whole, &whole_folder);
}

fn told_of_its_shards(output: &Output, whole: &Value, folder: &Path) {
    assert!(text(output).contains("merged from 2 shards that began "), "{}", text(output));
    let numbers: Vec<&Value> =
        whole["merged"]["shards"].as_array().unwrap().iter().map(|shard| &shard["number"]).collect();
    assert_eq!(numbers, [&Value::from(1), &Value::from(2)]);
    for file in ["report.html", "junit.xml", "summary.md", "intervals.csv", "latencies.hlog"] {
        assert!(folder.join(file).exists(), "{file}");
    }
    let logged = std::fs::read_to_string(folder.join("latencies.hlog")).unwrap();
    assert!(logged.contains("Tag=back/renew/response"), "{logged}");
    // What broke a plan is said with the shard that it broke in.
    let invalid = whole["verdict"] == "invalid";
    let reasons = whole["reasons"].to_string();
    assert_eq!(invalid, reasons.contains("shard"), "{reasons}");
    assert_eq!(code(output), if invalid { 3 } else { 0 }, "{}", text(output));
}

/// Begins a single shard at a given instant, further ahead where the machine took too long to be ready.
fn begun_at_a_given_instant(scenario: &str, url: &str, out: &Path) -> String {
    for ahead in [5, 20, 60] {
        let start = agent_sim::clock::wall_clock() + std::time::Duration::from_secs(ahead);
        let start = humantime::format_rfc3339_seconds(start).to_string();
        let out = out.to_str().unwrap();
        let output = run(&[
            "loadtest",
            scenario,
            "--target",
            url,
            "--shard",
            "1/1",
            "--start-at",
            &start,
            "--out",
            out,
        ]);
        if code(&output) != 4 {
            assert!(text(&output).contains("shard 1 of 1 begins in"), "{}", text(&output));
            return start;
        }
        assert!(text(&output).contains("later --start-at"), "{}", text(&output));
    }
    panic!("this machine was not ready within a minute");
}

#[test]
fn a_single_shard_put_together_has_the_figures_of_its_own_report() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &["--policy", "default=1s,10s,20s,60s"]);
    let scenario = scenario(folder.path());
    let (one, whole) = (folder.path().join("one"), folder.path().join("whole"));
    let start = begun_at_a_given_instant(&scenario, &served.url, &one);
    let output = merge(std::slice::from_ref(&one), &whole);
    let figures = |folder: &Path| {
        let mut report = report(folder);
        let told = report.as_object_mut().unwrap();
        for differs in ["command", "shard", "merged", "reasons"] {
            told.remove(differs);
        }
        serde_json::to_string_pretty(&report).unwrap()
    };
    assert_eq!(figures(&whole), figures(&one), "{}", text(&output));
    let one = report(&one);
    assert_eq!(one["started_at"], start.replace('Z', ".000Z"));
    assert_eq!(one["shard"]["start_was_given"], true);
    assert_eq!(report(&whole)["merged"]["starts_apart_us"], 0);
    what_is_cut_off_is_refused(folder.path());
}

fn what_is_cut_off_is_refused(folder: &Path) {
    let one = folder.join("one");
    let refused = |what: &str| {
        let output = merge(std::slice::from_ref(&one), &folder.join("nothing"));
        assert_eq!(code(&output), 4, "{what}: {}", text(&output));
        assert!(text(&output).contains(what), "{}", text(&output));
    };
    let output = run(&["report", "merge", one.to_str().unwrap(), "--out", one.to_str().unwrap()]);
    assert!(code(&output) == 4 && text(&output).contains("is one of the shards"), "{}", text(&output));
    // A run whose generator failed may have lost words; that is known of it already.
    if report(&one)["shard"]["invalid"].as_array().unwrap().is_empty() {
        let events = one.join("shard.events-2");
        let whole = std::fs::read(&events).unwrap();
        std::fs::write(&events, &whole[..whole.len() / 2]).unwrap();
        refused("shard.events-2: it is cut off");
        std::fs::write(&events, &whole).unwrap();
    }
    std::fs::remove_file(one.join("shard.events-1")).unwrap();
    refused("shard.events-1: No such file");
    let told = std::fs::read_to_string(one.join("report.json")).unwrap();
    std::fs::write(one.join("report.json"), told.replacen("\"of\": 1", "\"of\": 2", 1)).unwrap();
    refused("shard 2 of 2 is missing");
}

#[test]
fn what_cannot_be_a_shard_is_refused_before_anything_is_called() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = scenario(folder.path());
    let refused = |arguments: &[&str], words: &str| {
        let output = run(&[&["loadtest"], arguments].concat());
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains(words), "{arguments:?}: {}", text(&output));
    };
    let quickstart = "scenarios/quickstart.toml";
    refused(&[quickstart, "--shard", "1/2"], "starts a registry of its own");
    refused(&[&scenario, "--shard", "3/2"], "write which shard, from 1, and how many there are");
    refused(&[&scenario, "--shard", "1/22"], "22 shards are too many for 21 agents");
    refused(&[&scenario, "--start-at", "2026-01-01T00:00:00Z"], "--shard");
    refused(&[&scenario, "--shard", "1/2", "--start-at", "noon"], "write an instant in UTC");
    refused(
        &[&scenario, "--shard", "1/2", "--start-at", "2020-01-01T00:00:00Z"],
        "s ago by this machine's clock",
    );
    refused(&[&scenario, "--shard", "1/2", "--start-at", "2999-01-01T00:00:00Z"], "at most 60 are allowed");
    refused(&[&scenario, "--shard", "1/2", "--repeat", "2"], "cannot be used with");
    let restart = "scenarios/registry-restart.toml";
    let url = "http://127.0.0.1:1";
    refused(&[restart, "--target", url, "--shard", "1/2"], "strikes the registry's process");
    let nowhere = folder.path().join("nowhere");
    let output = merge(std::slice::from_ref(&nowhere), &folder.path().join("whole"));
    assert!(
        code(&output) == 4 && text(&output).contains("name the folder that a run has left"),
        "{}",
        text(&output)
    );
    let output = run(&["report", "merge"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
}
