//! Bad input gets an error that names what, where and what to do, and exit code 4.

use crate::program::{code, run, text};

/// A good scenario; each test spoils one thing.
const GOOD: &str = r#"name = "good"
description = "A good one."

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "2s"
expires_after = "4s"
evict_after = "8s"

[[fleets]]
name = "workers"
agents = 10

[[phases]]
name = "ramp"
kind = "ramp"
duration = "1s"
"#;

fn complaint(good: &str, bad: &str) -> String {
    assert!(GOOD.contains(good));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.toml");
    std::fs::write(&path, GOOD.replacen(good, bad, 1)).unwrap();
    let out = folder.path().join("out");
    let output = run(&["loadtest", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(!out.exists(), "a bad scenario leaves no folder");
    text(&output)
}

fn assert_has(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "no {word:?} in:\n{text}");
    }
}

#[test]
fn a_mistyped_key_gets_its_line_a_caret_and_the_right_key() {
    let text = complaint("agents = 10", "agnets = 10");
    assert_has(&text, &["bad.toml:14", "agnets", "agents", "help"]);
}

#[test]
fn a_wrong_unit_gets_its_line_and_the_units_that_are_known() {
    let text = complaint("duration = \"1s\"", "duration = \"1 parsec\"");
    assert_has(&text, &["bad.toml:19", "1 parsec", "ms", "help"]);
}

#[test]
fn an_impossible_policy_names_both_values_and_the_rule() {
    let text = complaint("expires_after = \"4s\"", "expires_after = \"2s\"");
    assert_has(&text, &["bad.toml:", "degraded_after", "expires_after", "2s", "help"]);
}

#[test]
fn a_missing_file_and_an_unknown_override_are_named() {
    let output = run(&["loadtest", "scenarios/quikstart.toml"]);
    assert_eq!(code(&output), 4);
    assert_has(&text(&output), &["scenarios/quikstart.toml"]);
    let output = run(&["loadtest", "scenarios/quickstart.toml", "--set", "fleets.nobody.agents=5"]);
    assert_eq!(code(&output), 4);
    assert_has(&text(&output), &["nobody"]);
}

#[test]
fn unknown_flags_dialects_requirements_and_profiles_without_checks_are_usage_errors() {
    for (arguments, word) in [
        (&["loadtest"][..], "SCENARIO"),
        (&["conformance", "--only", "TIME-99"], "TIME-99"),
        (&["conformance", "--profile", "mcp", "--only", "TIME-1"], "mcp"),
        (&["conformance", "--dialect", "klingon"], "klingon"),
        (&["loadtest", "scenarios/quickstart.toml", "--dialect", "klingon"], "klingon"),
        (&["loadtest", "scenarios/quickstart.toml", "--target", "http://127.0.0.1:1"], "127.0.0.1:1"),
        (
            &[
                "loadtest",
                "scenarios/quickstart.toml",
                "--target",
                "http://127.0.0.1:1",
                "--dialect",
                "mcp-mesh",
            ],
            "127.0.0.1:1",
        ),
        (&["conformance", "--target", "http://127.0.0.1:1"], "127.0.0.1:1"),
        (&["judge", "no-such-history.jsonl"], "no-such-history.jsonl"),
        (&["frobnicate"], "frobnicate"),
    ] {
        let output = run(arguments);
        assert_eq!(code(&output), 4, "{arguments:?}: {}", text(&output));
        assert_has(&text(&output), &[word]);
    }
}

#[test]
fn help_and_version_are_no_errors_and_name_the_exit_codes() {
    let output = run(&["loadtest", "--help"]);
    assert_eq!(code(&output), 0);
    assert_has(&text(&output), &["--set", "--out", "130 interrupted"]);
    assert_eq!(code(&run(&["--version"])), 0);
}

#[test]
fn the_catalogue_lists_each_requirement_with_its_text_and_all_are_checked() {
    let output = run(&["conformance", "--list"]);
    assert_eq!(code(&output), 0);
    let text = text(&output);
    let line =
        |id: &str| text.lines().find(|line| line.split_whitespace().next() == Some(id)).unwrap().to_owned();
    assert!(line("TIME-2").contains("Not expired early"), "{text}");
    assert!(!text.contains("not checked yet"), "{text}");
}
