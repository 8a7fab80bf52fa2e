//! `wallflower conformance` on the reference registry: every requirement that is checked holds.

use std::process::Stdio;

use crate::program::{alone, code, judged, registry_of, report, run, signal, text, wallflower};

#[test]
fn the_reference_registry_passes_what_is_checked() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let Some(output) = judged("the reference registry's conformance", &["conformance"], &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report = report(&out);
    let verdicts: Vec<_> = report["requirements"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["id"].as_str().unwrap(), row["verdict"].as_str().unwrap()))
        .collect();
    for id in [
        "PASSIVE-1",
        "PASSIVE-4",
        "PASSIVE-5",
        "TIME-1",
        "TIME-2",
        "TIME-3",
        "TIME-4",
        "TIME-5",
        "TIME-6",
        "TIME-7",
        "RACE-1",
        "RACE-2",
        "VIEW-1",
        "VIEW-2",
        "VIEW-3",
        "VIEW-4",
        "VIEW-5",
        "VIEW-6",
        "VIEW-7",
        "VIEW-8",
        "VIEW-9",
        "VIEW-10",
        "VIEW-11",
        "RACE-3",
        "RACE-4",
        "RACE-5",
        "RACE-6",
        "RACE-7",
        "INPUT-1",
        "INPUT-2",
        "INPUT-3",
        "DURABLE-1",
        "DURABLE-2",
        "DURABLE-3",
        "DURABLE-4",
        "DURABLE-5",
        "DURABLE-6",
        "TIME-8",
        "TIME-9",
        "MCP-1",
        "MCP-2",
        "MCP-3",
        "MCP-4",
        "GUARD-1",
        "GUARD-2",
        "GUARD-3",
    ] {
        assert!(verdicts.contains(&(id, "pass")), "{id} in {verdicts:?}");
    }
    // Where strace is missing the kernel cannot be asked.
    for id in ["PASSIVE-2", "PASSIVE-3"] {
        let known = ["pass", "not_applicable"].iter().any(|verdict| verdicts.contains(&(id, *verdict)));
        assert!(known, "{id} in {verdicts:?}");
    }
    let again = run(&["judge", out.join("history.jsonl").to_str().unwrap()]);
    assert_eq!(code(&again), 0, "the saved history is judged alike: {}", text(&again));
}

#[test]
fn a_registry_that_dies_meanwhile_fails_the_run_with_the_reason() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let mut harness = wallflower()
        .args(["conformance", "--only", "TIME-2", "--quiet", "--out", out.to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    signal(registry_of(&harness, &out), "KILL");
    assert_eq!(harness.wait().unwrap().code(), Some(1));
    let report = report(&out);
    assert_eq!(report["verdict"], "fail");
    assert!(report["reasons"][0].as_str().unwrap().contains("ended by itself"), "{}", report["reasons"]);
}
