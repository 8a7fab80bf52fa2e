//! `wallflower doctor`: what it says of this machine, whatever this machine is.

use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::program::{code, text};

/// Runs it with so many descriptors.
fn with_descriptors(limit: u32, more: &str) -> Output {
    let script = format!("ulimit -n {limit}; exec \"$0\" doctor {more}");
    Command::new("sh").args(["-c", &script, crate::program::path()]).stdin(Stdio::null()).output().unwrap()
}

#[test]
fn every_line_has_a_verdict_a_rule_and_a_remedy_where_one_is_needed() {
    let output = with_descriptors(500, "--json");
    assert_eq!(code(&output), 0, "{}", text(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = found["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 9, "{findings:?}");
    for finding in findings {
        assert!(!finding["rule"].as_str().unwrap().is_empty(), "{finding}");
        assert!(!finding["found"].as_str().unwrap().is_empty(), "{finding}");
        match finding["verdict"].as_str() {
            Some("tight" | "too little") => assert!(finding["remedy"].is_string(), "{finding}"),
            Some("ok") | None => assert!(finding["remedy"].is_null(), "{finding}"),
            Some(other) => panic!("{other} is no verdict: {finding}"),
        }
    }
    // What was asked of the machine is what is told.
    let descriptors = &findings[0];
    assert_eq!(
        (&descriptors["subject"], &descriptors["verdict"]),
        (&"descriptors".into(), &"too little".into())
    );
    assert_eq!(found["host"]["descriptors"]["soft"], 500);
    let floor = &found["timer_floor_us"];
    let percentiles: Vec<u64> =
        ["p50", "p90", "p99", "p999", "max"].iter().map(|name| floor[*name].as_u64().unwrap()).collect();
    assert!(percentiles.is_sorted() && percentiles[4] > 0, "{floor}");
    assert!(found["ceiling"]["calls"].as_u64().unwrap() > 0, "{}", found["ceiling"]);
    assert!(found["ceiling"]["calls_per_cpu_second"].as_f64().unwrap() > 0.0, "{}", found["ceiling"]);
}

#[test]
fn people_get_the_verdict_first() {
    let output = with_descriptors(500, "");
    assert_eq!(code(&output), 0, "{}", text(&output));
    let text = text(&output);
    assert!(text.starts_with("too little  descriptors      500"), "{text}");
    assert!(text.contains("rule: ") && text.contains("do: "), "{text}");
}

#[test]
fn a_machine_on_which_nothing_can_be_measured_is_an_error_with_its_reason() {
    let output = with_descriptors(4, "");
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("cannot measure the harness's own ceiling"), "{}", text(&output));
}
