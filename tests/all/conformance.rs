//! `wallflower conformance` on the reference registry: every requirement that is checked holds.

use std::process::{Command, Stdio};

use crate::machine::measured;
use crate::not_judged::not_judged;
use crate::program::{code, judged, registry_of, report, run, signal, text, wallflower};

/// Some of each kind; `.ci/run` has the release build hold all of them.
const SOME: [&str; 13] = [
    "PASSIVE-1",
    "TIME-2",
    "TIME-5",
    "RACE-2",
    "RACE-6",
    "VIEW-2",
    "VIEW-6",
    "INPUT-3",
    "GUARD-2",
    "DURABLE-1",
    "DURABLE-5",
    "DURABLE-6",
    "MCP-2",
];

#[test]
fn the_reference_registry_passes_some_requirements_of_each_kind() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments: Vec<&str> =
        ["conformance"].into_iter().chain(SOME.iter().flat_map(|id| ["--only", id])).collect();
    let Some(output) = judged("the reference registry's conformance", &arguments, &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    let report = report(&out);
    let rows = report["requirements"].as_array().unwrap();
    let verdicts: Vec<_> = rows.iter().map(|row| (&row["id"], &row["verdict"])).collect();
    assert_eq!(verdicts.len(), SOME.len(), "{verdicts:?}");
    assert!(rows.iter().all(|row| row["verdict"] == "pass"), "{verdicts:?}");
    let trouble = rows.iter().find(|row| row["id"] == "DURABLE-5").unwrap()["detail"].as_str().unwrap();
    if trouble.contains("a full disk was not tried") {
        not_judged("a full disk", trouble);
    } else {
        let felt = trouble
            .split("; ")
            .any(|part| part.starts_with("a full disk:") && part.ends_with("changes were refused"));
        assert!(felt, "{trouble}");
    }
    let again = run(&["judge", out.join("history.jsonl").to_str().unwrap()]);
    assert_eq!(code(&again), 0, "the saved history is judged alike: {}", text(&again));
}

#[test]
fn a_registry_that_dies_meanwhile_fails_the_run_with_the_reason() {
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

/// In a user namespace even its root has no right to the clock, so nothing can be stepped here.
#[test]
fn without_the_right_to_set_the_clock_a_run_that_is_to_step_it_ends_before_it_begins() {
    let can = Command::new("unshare").args(["-r", "true"]).status();
    let can = can.unwrap_or_else(|error| panic!("NOT RUN: unshare is missing: {error}"));
    assert!(can.success(), "NOT RUN: this machine allows no user namespace, so nothing was shown");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let output = Command::new("unshare")
        .args(["-r", crate::program::path(), "conformance", "--only", "TIME-8", "--step-system-clock"])
        .args(["--out", out.to_str().unwrap()])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    for words in
        ["CAP_SYS_TIME", "permission denied", "as root on a machine of your own", "--step-system-clock out"]
    {
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
    }
    assert!(!out.exists(), "a run that did not begin leaves nothing");
}

#[test]
fn the_clock_is_stepped_only_for_a_registry_that_the_harness_starts() {
    let output = run(&["conformance", "--target", "http://127.0.0.1:1", "--step-system-clock"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("--step-system-clock has no meaning"), "{}", text(&output));
}
