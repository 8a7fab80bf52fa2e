//! `wallflower scenario check` and `scenario plan`, as a user runs them.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program::{code, report, run, text};

/// A second's life of a few agents.
const TINY: &str = r#"name = "tiny"

[target.policies.default]
heartbeat_interval = "100ms"
degraded_after = "2s"
expires_after = "4s"
evict_after = "8s"

[[fleets]]
name = "workers"
agents = 5
poll = "200ms"
jitter = 0.2

[[phases]]
name = "ramp"
kind = "ramp"
duration = "500ms"

[[phases]]
name = "hold"
kind = "hold"
duration = "500ms"
"#;

fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in [("tiny.toml", TINY)].iter().chain(files) {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn path(folder: &tempfile::TempDir, name: &str) -> String {
    folder.path().join(name).to_str().unwrap().to_owned()
}

fn plan(arguments: &[&str]) -> Value {
    let output = run(&[&["scenario", "plan", "--json"], arguments].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn check_looks_at_every_file_and_shows_each_fault_in_its_place() {
    let folder = folder(&[
        ("child.toml", "extends = \"tiny.toml\"\n[[fleets]]\nname = \"workers\"\nagnets = 7\n"),
        ("two.toml", &TINY.replace("\"500ms\"", "500")),
    ]);
    let [tiny, child, two] = ["tiny.toml", "child.toml", "two.toml"].map(|name| path(&folder, name));
    let output = run(&["scenario", "check", &child, &tiny, &two, "no-such.toml"]);
    assert_eq!(code(&output), 4);
    let text = text(&output);
    for words in [
        "tiny.toml is good",
        "child.toml:4:1",
        "did you mean `agents`",
        "two.toml:18:12",
        "two.toml:23:12",
        "no file `no-such.toml`",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
    assert_eq!(code(&run(&["scenario", "check", &tiny])), 0);
    assert_eq!(code(&run(&["scenario", "check"])), 4, "no file at all");
}

#[test]
fn check_tells_programs_of_each_file_in_a_line() {
    let folder = folder(&[("bad.toml", &TINY.replace("agents = 5", "agents = 0"))]);
    let output =
        run(&["scenario", "check", "--json", &path(&folder, "tiny.toml"), &path(&folder, "bad.toml")]);
    assert_eq!(code(&output), 4);
    let lines: Vec<Value> = String::from_utf8(output.stdout.clone())
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!((&lines[0]["good"], &lines[1]["good"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(lines[1]["faults"][0], "the fleet is empty");
}

#[test]
fn what_nothing_decides_is_shown_where_it_is_claimed() {
    let claims = TINY.replace("name = \"tiny\"", "name = \"tiny\"\nrequirements = [\"TIME-2\", \"TIME-99\"]");
    let folder = folder(&[("claims.toml", &claims)]);
    let file = path(&folder, "claims.toml");
    for arguments in [&["scenario", "check", &file][..], &["scenario", "plan", &file], &["loadtest", &file]] {
        let output = run(arguments);
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains("claims.toml:2:27"), "{}", text(&output));
        assert!(text(&output).contains("conformance --list"), "{}", text(&output));
    }
}

#[test]
fn every_shipped_scenario_is_good() {
    let output = run(&[&["scenario", "check"][..], &scenarios::SHIPPED].concat());
    assert_eq!(code(&output), 0, "{}", text(&output));
}

#[test]
fn a_plan_counts_what_each_phase_offers() {
    let folder = folder(&[]);
    let file = path(&folder, "tiny.toml");
    let plan = plan(&[&file, "--no-cpu", "--set", "phases.hold.duration=1s"]);
    assert_eq!((&plan["agents"], &plan["duration_ms"]), (&5.into(), &1_500.into()));
    let hold = &plan["phases"][1];
    // Five agents, a heartbeat each 100 ms and a poll each 200 ms; jitter moves some over the edges of the phase.
    // Agents without dependencies probe most of the time.
    let rate = |name: &str| hold["calls_per_second"][name].as_f64().unwrap();
    assert!((45.0..=55.0).contains(&(rate("renew") + rate("probe"))), "{hold}");
    assert!((20.0..=30.0).contains(&rate("list")), "{hold}");
    assert!(hold["peak_over_mean"].as_f64().unwrap() >= 1.0, "{hold}");
    assert_eq!((&hold["agents"], &plan["phases"][0]["calls"]["register"]), (&5.into(), &5.into()));
    assert_eq!(plan["descriptors"]["connections"], 11, "two calls an agent at most, and the harness's own");
    assert_eq!(plan["local_ports"]["needed"], 11);
    assert_eq!(plan["cpu"]["left_out"], "not asked for");
}

#[test]
fn a_plan_has_the_hash_that_the_run_reports_and_another_for_another_seed() {
    let folder = folder(&[]);
    let file = path(&folder, "tiny.toml");
    let planned = plan(&[&file, "--no-cpu"]);
    let out = folder.path().join("out");
    // Whatever the verdict of so short a run on this machine: the plan is the same.
    run(&["loadtest", &file, "--quiet", "--out", out.to_str().unwrap()]);
    assert_eq!(report(&out)["plan_hash"], planned["plan_hash"]);
    assert_eq!(plan(&[&file, "--no-cpu", "--seed", "1"])["plan_hash"], planned["plan_hash"]);
    assert_ne!(plan(&[&file, "--no-cpu", "--seed", "2"])["plan_hash"], planned["plan_hash"]);
}

#[test]
fn a_plan_for_people_says_on_what_its_estimate_rests() {
    let folder = folder(&[]);
    let output = run(&["scenario", "plan", &path(&folder, "tiny.toml")]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let text = text(&output);
    for words in [
        "tiny: 5 agents, 1.0 s, seed 1",
        "peak/mean",
        "descriptors  11 connections",
        "us a call",
        "measured now by",
    ] {
        assert!(text.contains(words), "no {words:?} in\n{text}");
    }
}

#[test]
fn a_plan_that_needs_more_descriptors_than_there_are_says_so() {
    let script = "ulimit -n 300; exec \"$0\" scenario plan scenarios/quickstart.toml --no-cpu";
    let output = Command::new("sh")
        .args(["-c", script, crate::program::path()])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("of 300, too little"), "{}", text(&output));
}

#[test]
fn a_plan_names_sockets_and_the_instants_of_faults() {
    let faults = "\n[[faults]]\nname = \"twice\"\nphase = \"hold\"\nat = \"100ms\"\nkind = \"kill\"\ndown = \"50ms\"\n\
                  times = 2\nevery = \"200ms\"\n";
    let own = TINY.replace("agents = 5", "agents = 5\nconnections = \"own\"");
    let folder = folder(&[("faults.toml", &format!("{own}{faults}"))]);
    let file = path(&folder, "faults.toml");
    let planned = plan(&[&file, "--no-cpu", "--set", "workers=2"]);
    let sockets = &planned["sockets"];
    assert_eq!((&sockets["own"], &sockets["shared"]), (&5.into(), &1.into()), "the harness has one");
    assert_eq!((&sockets["source_addresses"], &sockets["workers"]), (&1.into(), &2.into()));
    let instants = planned["faults"][0]["instants"].as_array().unwrap();
    assert_eq!(instants.iter().map(|one| one["from_ms"].as_u64().unwrap()).collect::<Vec<_>>(), [600, 800]);
    let output = run(&["scenario", "plan", "--no-cpu", &file]);
    assert!(text(&output).contains("twice, kill: 0.6 s to "), "{}", text(&output));
}

#[test]
fn a_registry_at_a_url_cannot_be_killed_by_a_scenario_aimed_at_it() {
    let faults = "\n[[faults]]\nname = \"end\"\nphase = \"hold\"\nkind = \"kill\"\ndown = \"50ms\"\n";
    let folder = folder(&[("kill.toml", &format!("{TINY}{faults}"))]);
    let output = run(&["loadtest", &path(&folder, "kill.toml"), "--target", "http://127.0.0.1:1"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(
        text(&output).contains("the fault `end`") && text(&output).contains("--target"),
        "{}",
        text(&output)
    );
}

#[test]
fn what_is_claimed_is_of_the_profile() {
    let claims =
        TINY.replace("name = \"tiny\"", "name = \"tiny\"\nprofile = \"mcp\"\nrequirements = [\"TIME-2\"]");
    let folder = folder(&[("claims.toml", &claims)]);
    let output = run(&["scenario", "check", &path(&folder, "claims.toml")]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("not of the `profile` mcp"), "{}", text(&output));
}
