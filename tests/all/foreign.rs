//! `wallflower conformance --target FILE`: a registry that somebody else describes, and the failures that are known of it.

use std::path::{Path, PathBuf};

use conformance::catalogue::REQUIREMENTS;
use reports::history::Abilities;
use scenarios::registry_file::{self, Known};
use serde_json::Value;

use crate::machine::measured;
use crate::program::{code, judged, run, text};

/// The page for implementers, whose examples are held to be true.
const PAGE: &str = include_str!("../../docs/conformance.md");

/// What is told to be shorter than it is: this registry expires its agents too late for the file.
fn late_registry(folder: &Path) -> PathBuf {
    let file = folder.join("my-registry.toml");
    let program = crate::program::path();
    let text = format!(
        r#"
name = "my registry | [1]"
command = ["{program}", "serve", "--listen", "127.0.0.1:{{port}}", "--database", "sqlite://{{dir}}/registry.db",
           "--policy", "default=300ms,900ms,1800ms,2600ms", "--stop-with-stdin"]
version_command = ["{program}", "--version"]
ready_path = "/readyz"
ready_timeout = "120s"
provoke = ["GET /agents/{{agent_id}}", "POST /notify/{{agent_id}}"]

[lacks]
degraded = "its own words know up and down only"

[policies.default]
heartbeat_interval = "300ms"
degraded_after = "600ms"
expires_after = "1s"
evict_after = "1600ms"
"#
    );
    std::fs::write(&file, text).unwrap();
    file
}

fn json(folder: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
}

fn row<'r>(report: &'r Value, id: &str) -> &'r Value {
    report["requirements"].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()
}

/// `conformance.json`, after it was held to its published schema.
fn shown(folder: &Path) -> Value {
    let schema = serde_json::from_str(include_str!("../../docs/conformance.schema.json")).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let report = json(folder, "conformance.json");
    let faults: Vec<String> =
        schema.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:?}");
    report
}

/// The failure's call stands in the report as it went over the wire, in every file; the history alone does not have it.
fn assert_shows_what_went_over_the_wire(proof: &Value, out: &Path) {
    let text = |name: &str| proof[name].as_str().unwrap();
    assert!(
        text("request").contains(" HTTP/1.1\n") && text("request").contains("\nhost: 127.0.0.1:"),
        "{proof}"
    );
    assert!(text("answer").starts_with("HTTP/1.1 200\n"), "{proof}");
    assert!(text("answer").contains("\ncontent-type: application/json"), "{proof}");
    assert!(text("answer").contains("\n\n{"), "{proof}");
    assert!(text("curl").contains("http://127.0.0.1:"), "{proof}");
    assert_eq!(text("rebuilt"), "", "{proof}");
    for name in ["report.html", "junit.xml", "summary.md"] {
        let file = std::fs::read_to_string(out.join(name)).unwrap();
        assert!(file.contains("content-type: application/json"), "{name} does not show the answer");
    }
    // A failed run keeps what went over the wire, and its history judged again shows it again.
    let (history, kept) = (out.join("shrunk.jsonl"), out.join("shrunk.exchanges.jsonl"));
    let (history, kept) = match kept.exists() {
        true => (history, kept),
        false => (out.join("history.jsonl"), out.join("history.exchanges.jsonl")),
    };
    let judge = ["judge", history.to_str().unwrap()];
    let again = run(&judge);
    assert!(crate::program::text(&again).contains("got: HTTP/1.1 200"), "{}", crate::program::text(&again));
    std::fs::remove_file(kept).unwrap();
    let again = crate::program::text(&run(&judge));
    let words = "rebuilt: what was asked and got is rebuilt, since nothing was kept beside this history";
    assert!(again.contains("got: 200, shown") && again.contains(words), "{again}");
}

const ASKED: [&str; 7] = ["conformance", "--only", "TIME-2", "--only", "TIME-3", "--only", "TIME-4"];

#[test]
fn a_failure_tells_what_proved_it_in_every_file_and_passes_when_it_was_expected() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let file = late_registry(folder.path());
    let target = [&ASKED[..], &["--target", file.to_str().unwrap()]].concat();

    let Some(output) = judged("a foreign registry", &target, &out) else { return };
    assert_eq!(code(&output), 2, "{}", text(&output));
    for words in [
        "FAIL",
        "TIME-4",
        "by at least",
        "asked: GET",
        "got: HTTP/1.1 200",
        "read as: 200, shown",
        "curl: curl -i",
        "again: wallflower",
    ] {
        assert!(text(&output).contains(words), "no {words}: {}", text(&output));
    }
    let report = shown(&out);
    assert_eq!(report["registry"]["name"], "my registry | [1]");
    assert!(report["registry"]["version"].as_str().unwrap().starts_with("wallflower "), "{report}");
    assert_eq!(row(&report, "TIME-2")["verdict"], "pass");
    let late = row(&report, "TIME-4");
    assert_eq!((&late["verdict"], &late["expected"]), (&"fail".into(), &Value::Null));
    assert!(late["rerun"].as_str().unwrap().contains("--only TIME-4 --seed 1"), "{late}");
    assert_shows_what_went_over_the_wire(&late["proof"], &out);
    let lacking = row(&report, "TIME-3");
    assert_eq!(lacking["verdict"], "not_applicable");
    assert!(
        lacking["detail"].as_str().unwrap().ends_with("(its own words know up and down only)"),
        "{lacking}"
    );
    let badge = json(&out, "badge.json");
    assert_eq!((&badge["schemaVersion"], &badge["color"]), (&1.into(), &"red".into()));
    assert_eq!(badge["message"], "1 of 2");
    let table = std::fs::read_to_string(out.join("conformance.md")).unwrap();
    assert!(
        table.contains(r"**my registry \| \[1\]**") && table.contains("| TIME-4 | core | **FAIL** |"),
        "{table}"
    );
    let junit = std::fs::read_to_string(out.join("junit.xml")).unwrap();
    for id in ["TIME-2", "TIME-3", "TIME-4"] {
        assert_eq!(junit.matches(&format!("name=\"{id}\"")).count(), 1, "one case each: {junit}");
    }

    let expected = folder.path().join("expected.toml");
    let known =
        "[[expected]]\nrequirement = \"TIME-4\"\nwhy = \"slow sweep\"\nissue = \"https://example.org/7\"\n";
    std::fs::write(&expected, known).unwrap();
    let with_expected = [&target[..], &["--expected", expected.to_str().unwrap()]].concat();
    let Some(output) = judged("an expected failure", &with_expected, &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("xfail"), "{}", text(&output));
    let report = shown(&out);
    assert_eq!(row(&report, "TIME-4")["verdict"], "expected_fail");
    assert_eq!(row(&report, "TIME-4")["expected"]["issue"], "https://example.org/7");
    assert_eq!(json(&out, "badge.json")["color"], "yellow");
}

/// The reference, started as anybody's command, is killed, locked and spoilt like it.
#[test]
fn a_foreign_registry_that_keeps_its_data_is_held_to_profile_durable_and_watched_in_a_namespace() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("foreign.toml");
    let program = crate::program::path();
    let target = format!(
        r#"
command = ["{program}", "serve", "--listen", "127.0.0.1:{{port}}", "--database", "sqlite://{{dir}}/data.db",
           "--policy", "default=300ms,900ms,1800ms,2600ms"]
ready_path = "/readyz"
ready_timeout = "120s"
keeps_data = true
store = "{{dir}}/data.db"
"#
    );
    std::fs::write(&file, target).unwrap();
    let out = folder.path().join("durable");
    let arguments = ["conformance", "--profile", "durable", "--target", file.to_str().unwrap()];
    let Some(output) = judged("a foreign registry's store", &arguments, &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(!out.join("history.exchanges.jsonl").exists(), "nobody needs it behind a run in which all held");
    let history = std::fs::read_to_string(out.join("history.jsonl")).unwrap();
    let torn = history.lines().find(|line| line.contains("\"event\":\"torn_pages\"")).unwrap();
    assert!(!torn.contains("\"pages\":0,"), "{torn}");
    let report = shown(&out);
    for id in (1..=6).map(|number| format!("DURABLE-{number}")) {
        assert_eq!(row(&report, &id)["verdict"], "pass", "{report}");
    }

    let out = folder.path().join("passive");
    let ids = ["PASSIVE-2", "PASSIVE-3", "PASSIVE-4"].map(|id| ["--only", id]).concat();
    let arguments = [&["conformance", "--target", file.to_str().unwrap()], &ids[..]].concat();
    let Some(output) = judged("a foreign registry in a namespace", &arguments, &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    let detail = row(&shown(&out), "PASSIVE-2")["detail"].as_str().unwrap().to_owned();
    if detail.contains("because") {
        return crate::not_judged::not_judged("a foreign registry in a namespace", &detail);
    }
    assert!(detail.contains("opened 0 connections: the kernel counted"), "{detail}");
    assert!(detail.contains("the harness's relay"), "{detail}");
}

#[test]
fn an_expected_failure_that_is_none_any_more_fails_the_run() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let expected = folder.path().join("expected.toml");
    std::fs::write(&expected, "[[expected]]\nrequirement = \"INPUT-3\"\nwhy = \"strict\"\n").unwrap();
    let arguments = ["conformance", "--only", "INPUT-3", "--expected", expected.to_str().unwrap()];
    let Some(output) = judged("a stale expectation", &arguments, &out) else { return };
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("INPUT-3 holds, but was expected to fail (strict)"), "{}", text(&output));
    let report = shown(&out);
    assert_eq!((&report["verdict"], &report["stale"][0]["requirement"]), (&"fail".into(), &"INPUT-3".into()));
    assert_eq!(row(&report, "INPUT-3")["verdict"], "pass");
}

#[test]
fn what_is_wrong_with_a_file_is_told_with_its_place_and_a_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("f.toml");
    let name = file.to_str().unwrap();
    for (flag, content, words) in [
        ("--target", "name = \"x\"", &["has no `url`", "command = ["][..]),
        (
            "--target",
            "url = \"http://127.0.0.1:1\"\ncommand = [\"x\"]",
            &["f.toml:1:7", "both a `url` and a `command`"],
        ),
        ("--target", "url = \"http://127.0.0.1:1\"\nkeeps_data = true", &["f.toml:2:1", "only reached"]),
        ("--target", "url = \"http://127.0.0.1:1\"\ndialect = \"etdc\"", &["did you mean `etcd`"]),
        (
            "--target",
            "url = \"http://127.0.0.1:1\"\ndialect = \"etcd\"",
            &["transition_bound", "policies.default"],
        ),
        ("--target", "url = \"http://127.0.0.1:1\"\nlacks = [\"degraded\"]", &["does not say why"]),
        (
            "--target",
            "url = \"http://127.0.0.1:1\"\n[lacks]\ndegrade = \"no\"",
            &["f.toml:3:1", "did you mean `degraded`"],
        ),
        ("--target", "command = [\"x\"]\nprovoke = [\"FETCH /\"]", &["\"FETCH /\" is no route", "POST"]),
        ("--target", "command = [\"x\"]\nstore = \"{dir}/x\"", &["keeps_data = true"]),
        ("--target", "command = [\"x\"]\nexpected = \"nowhere.toml\"", &["nowhere.toml"]),
        ("--target", "url = \"http://127.0.0.1:1\"\n[lacks]\nTIME-2 = \"x\"", &["nothing is left to ask"]),
        (
            "--expected",
            "[[expected]]\nrequirement = \"TIM-2\"\nwhy = \"x\"",
            &["f.toml:2:15", "did you mean `TIME-2`"],
        ),
        ("--expected", "[[expected]]\nrequirement = \"TIME-2\"", &["has no `why`"]),
        ("--expected", "expect = 1", &["has no key `expect`"]),
    ] {
        std::fs::write(&file, content).unwrap();
        let output = run(&["conformance", "--only", "TIME-2", flag, name]);
        assert_eq!(code(&output), 4, "{content}: {}", text(&output));
        // Long words are broken over lines.
        let told = text(&output).split_whitespace().filter(|word| *word != "│").collect::<Vec<_>>().join(" ");
        for word in words {
            assert!(told.contains(word), "{content}: no {word} in {told}");
        }
    }
    std::fs::write(&file, "url = \"http://127.0.0.1:1\"").unwrap();
    let output = run(&["conformance", "--target", name, "--dialect", "etcd"]);
    assert_eq!(code(&output), 4);
    assert!(text(&output).contains("write `dialect` into the file"), "{}", text(&output));
}

#[test]
fn the_list_is_a_table_and_says_what_a_url_does_not_decide() {
    let output = run(&["conformance", "--list"]);
    let told = text(&output);
    let mut lines = told.lines();
    let column = lines.next().unwrap().find("PROFILE").unwrap();
    for requirement in REQUIREMENTS {
        let line = lines.next().unwrap();
        assert!(line.starts_with(requirement.id) && line.ends_with(requirement.text), "{line}");
        assert!(line[column..].starts_with(requirement.profile.name()), "{line}");
    }
    assert!(told.contains("TIME-9: a process can be stopped only where the harness started it"), "{told}");
    let output = run(&["conformance", "--list", "--profile", "mcp"]);
    assert!(!text(&output).contains("TIME-1 ") && text(&output).contains("MCP-1"), "{}", text(&output));
}

fn load(path: &Path) {
    let ids: Vec<&str> = REQUIREMENTS.iter().map(|row| row.id).collect();
    let known = Known { abilities: &Abilities::NAMES, requirements: &ids };
    registry_file::load(path, known)
        .unwrap_or_else(|error| panic!("{}: {:?}", path.display(), error.messages()));
}

#[test]
fn every_target_file_that_is_shipped_or_shown_can_be_read() {
    let shipped =
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/targets")).unwrap();
    let shipped: Vec<PathBuf> = shipped.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(shipped.len(), 3);
    shipped.iter().for_each(|path| load(path));

    let folder = tempfile::tempdir().unwrap();
    let blocks: Vec<&str> =
        PAGE.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert!(blocks.len() >= 3, "the page has {} examples", blocks.len());
    for (number, block) in blocks.iter().enumerate() {
        let path = folder.path().join(format!("{number}.toml"));
        std::fs::write(&path, block).unwrap();
        if block.contains("[[expected]]") {
            let ids: Vec<&str> = REQUIREMENTS.iter().map(|row| row.id).collect();
            assert!(!scenarios::expected::load(&path, &ids).unwrap().is_empty());
        } else {
            load(&path);
        }
    }
}
