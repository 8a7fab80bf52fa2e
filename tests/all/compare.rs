//! `wallflower compare`, `loadtest --baseline`, `--repeat` and `--find-capacity` from outside, and docs/comparing.md.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::machine::measured;
use crate::not_judged::not_judged;
use crate::program::{code, judged, report, run, text};

const PAGE: &str = include_str!("../../docs/comparing.md");

/// As little load as there can be, for long enough that a registry is measured.
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
metric = "heartbeat.errors"
limit = "0%"
"#;

fn tiny(folder: &Path) -> String {
    let path = folder.join("tiny.toml");
    fs::write(&path, TINY).unwrap();
    path.display().to_string()
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The report of a real run, as a whole and valid one whatever this machine made of it, for what only reads reports.
fn report_of_a_real_run(folder: &Path) -> Value {
    let out = folder.join("real");
    let output = run(&["loadtest", &tiny(folder), "--quiet", "--out", path(&out)]);
    assert!([0, 1, 3].contains(&code(&output)), "{}", text(&output));
    let mut report = report(&out);
    report["verdict"] = "pass".into();
    report["reasons"] = Value::Array(Vec::new());
    // A starved machine may have left fewer calls than a percentile needs, and no CPU time at all.
    let renew = &mut report["phases"][1]["calls"]["renew"];
    assert!(renew.is_object(), "{}", text(&output));
    renew["count"] = 500.into();
    renew["response_us"]["p99"] = 10_000.into();
    report
}

/// A side of three runs whose renewals take so many times as long.
fn side(folder: &Path, name: &str, report: &Value, times: f64) -> PathBuf {
    let side = folder.join(name);
    for (number, scatter) in [(1, 0.99), (2, 1.0), (3, 1.01)] {
        let mut report = report.clone();
        let p99 = &mut report["phases"][1]["calls"]["renew"]["response_us"]["p99"];
        *p99 = ((p99.as_f64().unwrap() * times * scatter) as u64).into();
        write(&side.join(format!("run-{number}")), &report);
    }
    side
}

fn write(folder: &Path, report: &Value) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("report.json"), report.to_string()).unwrap();
}

#[test]
fn runs_are_compared_with_what_got_worse_first_and_refused_on_other_terms() {
    let folder = tempfile::tempdir().unwrap();
    let real = report_of_a_real_run(folder.path());
    let a = side(folder.path(), "a", &real, 1.0);
    let b = side(folder.path(), "b", &real, 1.5);

    let output = run(&["compare", path(&a), path(&b)]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    let shown = text(&output);
    let rows: Vec<_> = shown.lines().skip_while(|line| !line.contains("95 % interval")).skip(1).collect();
    assert!(rows[0].starts_with("WORSE") && rows[0].contains("renew.response.p99"), "{shown}");
    assert!(rows[0].contains("+50.0 %"), "{shown}");
    assert_eq!(rows.iter().filter(|row| row.starts_with("WORSE")).count(), 1, "{shown}");

    let file = folder.path().join("comparison.json");
    let again = run(&["compare", path(&a), path(&a), path(&b), "--json", "--out", path(&file)]);
    assert_eq!(code(&again), 0, "{}", text(&again));
    let document: Value = serde_json::from_slice(&again.stdout).unwrap();
    assert_eq!(document, serde_json::from_str::<Value>(&fs::read_to_string(file).unwrap()).unwrap());
    let of_itself = &document["comparisons"][0]["rows"];
    assert!(of_itself.as_array().unwrap().iter().all(|row| row["word"] == "same"), "{of_itself}");
    assert_eq!(document["comparisons"][1]["rows"][0]["word"], "worse");

    type Change = fn(&mut Value);
    let changes: [(Change, &str); 5] = [
        (|report| report["verdict"] = "invalid".into(), "INVALID and says nothing"),
        (|report| report["interrupted"] = true.into(), "interrupted"),
        (|report| report["environment"]["cores"] = 77.into(), "and 77 processors"),
        (|report| report["seed"] = 4.into(), "the seeds are 3 and 4"),
        (
            |report| {
                let text = report["scenario_text"].as_str().unwrap().replace("agents = 20", "agents = 21");
                report["scenario_text"] = text.into();
            },
            "`fleets.workers.agents`: 20 and 21",
        ),
    ];
    for (change, words) in changes {
        let mut other = real.clone();
        change(&mut other);
        let other_folder = folder.path().join("other");
        write(&other_folder, &other);
        let output = run(&["compare", path(&a), path(&other_folder)]);
        assert_eq!(code(&output), 4, "{}", text(&output));
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
    }
    let mut elsewhere = real.clone();
    elsewhere["target"]["kind"] = "url".into();
    elsewhere["scenario"] = "another name".into();
    write(&folder.path().join("elsewhere"), &elsewhere);
    let output = run(&["compare", path(&a), path(&folder.path().join("elsewhere"))]);
    assert_eq!(code(&output), 0, "name and target may differ: {}", text(&output));
    let output = run(&["compare", path(&a), path(&folder.path().join("nowhere"))]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("nowhere"), "{}", text(&output));
}

#[test]
fn a_baseline_that_nobody_can_keep_fails_the_run_and_one_on_other_terms_is_refused_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let real = report_of_a_real_run(folder.path());
    measured();
    let scenario = tiny(folder.path());
    // A thousandth of what a real run took, and hardly any scatter.
    let impossible = side(folder.path(), "impossible", &real, 0.001);
    let out = folder.path().join("out");
    let arguments = ["loadtest", &scenario, "--quiet", "--baseline", path(&impossible)];
    if let Some(output) = judged("a baseline that nobody can keep", &arguments, &out) {
        assert_eq!(code(&output), 1, "{}", text(&output));
        let report = report(&out);
        let reasons = report["reasons"].to_string();
        assert!(reasons.contains("baseline:renew.response.p99 in steady was"), "{reasons}");
        assert!(reasons.contains("(baseline 10 us + 10.0 %)"), "{reasons}");
        let junit = fs::read_to_string(out.join("junit.xml")).unwrap();
        assert!(junit.contains("baseline:renew.response.p99"), "{junit}");
    }
    let easy = side(folder.path(), "easy", &real, 1_000.0);
    let mut arguments = vec!["loadtest", &scenario, "--quiet", "--baseline", path(&easy)];
    arguments.extend(["--max-regression", "1000%"]);
    let out = folder.path().join("easy-out");
    if let Some(output) = judged("a baseline that anybody can keep", &arguments, &out) {
        assert_eq!(code(&output), 0, "{}", text(&output));
    }

    let refused = folder.path().join("refused");
    let output =
        run(&["loadtest", &scenario, "--baseline", path(&easy), "--seed", "9", "--out", path(&refused)]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("the seeds are 9 and 3"), "{}", text(&output));
    assert!(!refused.exists(), "nothing ran");
    let output = run(&["loadtest", &scenario, "--max-regression", "5%"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
}

#[test]
fn repeated_runs_lie_side_by_side_and_are_a_side_of_a_comparison() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let scenario = tiny(folder.path());
    let out = folder.path().join("runs");
    let output = run(&["loadtest", &scenario, "--quiet", "--repeat", "2", "--out", path(&out)]);
    let verdicts = [1, 2].map(|number| report(&out.join(format!("run-{number}")))["verdict"].clone());
    assert!(!out.join("run-3").exists() && !out.join("report.json").exists());
    let worst = match &verdicts {
        both if both.contains(&"fail".into()) => 1,
        both if both.contains(&"invalid".into()) => 3,
        _ => 0,
    };
    assert_eq!(code(&output), worst, "{}", text(&output));
    let compared = run(&["compare", path(&out), path(&out)]);
    if worst == 3 {
        assert_eq!(code(&compared), 4, "{}", text(&compared));
        not_judged("repeated runs", "the machine let a run be invalid");
    } else {
        assert_eq!(code(&compared), 0, "{}", text(&compared));
        assert!(text(&compared).contains("0 worse"), "{}", text(&compared));
    }
}

#[test]
fn a_search_for_capacity_goes_as_far_as_it_may_and_leaves_each_step() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let scenario = tiny(folder.path());
    let out = folder.path().join("capacity");
    let output = run(&[
        "loadtest",
        &scenario,
        "--quiet",
        "--find-capacity",
        "agents",
        "--max-steps",
        "2",
        "--out",
        path(&out),
    ]);
    let capacity: Value =
        serde_json::from_str(&fs::read_to_string(out.join("capacity.json")).unwrap()).unwrap();
    let steps = capacity["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 2, "{capacity}");
    assert_eq!((&steps[0]["agents"], &capacity["quantity"]), (&20.into(), &"agents".into()));
    for step in steps {
        let report = report(&out.join(step["folder"].as_str().unwrap()));
        assert_eq!(report["agents"]["planned"], step["agents"]);
        assert!(report["command"].as_str().unwrap().contains("fleets.0.agents="), "{}", report["command"]);
    }
    match steps[0]["outcome"].as_str().unwrap() {
        "held" => assert_eq!(steps[1]["agents"], 40, "{capacity}"),
        "broke" => assert_eq!(steps[1]["agents"], 10, "{capacity}"),
        "invalid" => {
            assert_eq!(steps[1]["agents"], 20, "tried once more: {capacity}");
            not_judged("the search for capacity", "the machine let the first step be invalid");
        }
        other => panic!("{other}"),
    }
    let known = capacity["end"]["level"].as_u64();
    match capacity["end"]["end"].as_str().unwrap() {
        "generators_limit" | "out_of_steps" => {
            assert_eq!(code(&output), if known.is_some() { 0 } else { 3 }, "{}", text(&output));
        }
        other => panic!("two steps cannot end in {other}: {capacity}"),
    }
}

#[test]
fn the_page_names_every_flag_that_there_is_and_its_commands_are_read() {
    for (command, flags) in [
        (
            "loadtest",
            &["--baseline", "--max-regression", "--repeat", "--find-capacity", "--resolution", "--max-steps"]
                [..],
        ),
        ("compare", &["--json", "--out"][..]),
    ] {
        let help = text(&run(&[command, "--help"]));
        for flag in flags {
            assert!(help.contains(flag), "{command} has no {flag}");
            assert!(PAGE.contains(flag), "the page does not tell of {flag}");
        }
    }
    let examples = crate::examples::examples(PAGE);
    assert!(examples.len() >= 6, "{}", examples.len());
    for example in examples {
        let command = example.command.split(" #").next().unwrap().replace("\\\n", " ");
        let words: Vec<_> = command.split_whitespace().collect();
        assert_eq!(words[0], "wallflower", "{command}");
        // What follows is refused by its folder or file that is not there, never for a flag that nobody knows.
        let nowhere = tempfile::tempdir().unwrap();
        let output =
            crate::program::wallflower().args(&words[1..]).current_dir(nowhere.path()).output().unwrap();
        assert_eq!(code(&output), 4, "{command}: {}", text(&output));
        assert!(!text(&output).contains("Usage:"), "{command}: {}", text(&output));
    }
}
