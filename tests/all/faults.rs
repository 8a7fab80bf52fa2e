//! Faults done for real to the reference registry: the run gets over each of them, and no lease is cut by it.

use crate::machine::alone;
use crate::program::{code, judged, report, text};

const FAULTY: &str = r#"
name = "faulty"
description = "A kill, a pause, a partition and a herd, one after the other."
seed = 3
requirements = ["PASSIVE-1", "TIME-2"]
call_timeout = "1s"

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "2500ms"
expires_after = "4s"
evict_after = "60s"

[[fleets]]
name = "workers"
agents = 40
heartbeat = "500ms"
jitter = 0.1

[[phases]]
name = "start"
kind = "ramp"
duration = "1s"

[[phases]]
name = "steady"
kind = "hold"
duration = "17s"

[[faults]]
name = "restart"
phase = "steady"
kind = "kill"
at = "1s"
down = "500ms"

[[faults]]
name = "still"
phase = "steady"
kind = "pause"
at = "5s"
lasting = "500ms"

[[faults]]
name = "split"
phase = "steady"
kind = "partition"
at = "8s"
lasting = "3s"
share = 0.3

[[faults]]
name = "herd"
phase = "steady"
kind = "herd"
at = "14s"
down = "500ms"

[[thresholds]]
phase = "steady"
metric = "recovery.live"
limit = "1h"

[[thresholds]]
phase = "steady"
metric = "heartbeat.response.p50"
limit = "1h"
window = "2s"
grace = "1s"
"#;

#[test]
fn a_reference_registry_gets_over_every_fault_and_cuts_no_lease() {
    alone();
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("faulty.toml");
    std::fs::write(&scenario, FAULTY).unwrap();
    let out = folder.path().join("out");
    let arguments = ["loadtest", scenario.to_str().unwrap(), "--quiet"];
    let Some(output) = judged("every fault is got over", &arguments, &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report = report(&out);
    let faults = report["faults"].as_array().unwrap();
    let names: Vec<_> = faults
        .iter()
        .map(|fault| (fault["name"].as_str().unwrap(), fault["kind"].as_str().unwrap()))
        .collect();
    assert_eq!(names, [("restart", "kill"), ("still", "pause"), ("split", "partition"), ("herd", "herd")]);
    for fault in faults {
        assert!(fault["first_success_ms"].is_u64() && fault["live_ms"].is_u64(), "{fault}");
        assert_eq!(fault["wrong_expiries"], 0, "{fault}");
    }
    assert!(faults[3]["peak_registrations_per_second"].as_u64() > Some(0), "{}", faults[3]);
    let windowed = &report["thresholds"][1];
    assert_eq!((&windowed["window_ms"], &windowed["grace_ms"]), (&2_000.into(), &1_000.into()));
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let events: Vec<&str> = ["started", "killed", "paused", "continued"]
        .into_iter()
        .filter(|event| history.contains(&format!("\"event\":\"{event}\"")))
        .collect();
    assert_eq!(events, ["started", "killed", "paused", "continued"]);
}
