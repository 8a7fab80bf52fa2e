//! Every fenced block of the README runs here. What takes longer than a test may is run smaller, or is a step of
//! `.ci/run`, and the test holds the step.

use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::examples::{Example, examples, shell};
use crate::program::{Served, code, report, run, text, wallflower};
use crate::serve::ask;

const README: &str = include_str!("../../README.md");
const GATE: &str = include_str!("../../.ci/run");
const PEERS: &str = include_str!("real_peers.rs");
const ADDRESS: &str = "127.0.0.1:8000";

#[test]
fn every_command_does_what_the_readme_says() {
    let folder = tempdir().unwrap();
    let examples = examples(README);
    assert_eq!(examples.len(), README.matches("\n$ ").count());
    assert!(examples.len() >= 8, "{}", examples.len());
    let mut served = None;
    for Example { command, expected } in examples {
        let command = command.split(" #").next().unwrap().trim();
        match command {
            "cargo run --release -- loadtest scenarios/quickstart.toml" => quickstart(folder.path()),
            "cargo test --workspace" => is_a_step("cargo test --workspace --locked"),
            "wallflower conformance" => is_a_step("judged \"$wallflower\" conformance --out"),
            "wallflower conformance --list" => lists_requirements(),
            _ if command.starts_with("wallflower serve ") => {
                served = Some(serve(command, &expected, folder.path()));
            }
            _ if command.starts_with("wallflower conformance --target ") => {
                judge_a_peer(command, folder.path());
            }
            _ if command.starts_with("curl ") => {
                let served: &Served =
                    served.as_ref().expect("the README starts a registry before it calls one");
                call(command, served, folder.path());
            }
            _ => panic!("the README has a command that this test does not know: {command}"),
        }
    }
}

fn is_a_step(line: &str) {
    assert!(GATE.contains(line), ".ci/run does not run `{line}` any more, the README still tells it");
}

/// The same scenario, with few agents and for a few seconds. How fast the machine is decides between PASS, FAIL of a
/// latency and INVALID, so this asks only that the run is a judged one.
fn quickstart(folder: &Path) {
    let out = folder.join("quickstart");
    let mut arguments = vec!["loadtest", "scenarios/quickstart.toml", "--out", out.to_str().unwrap()];
    for smaller in [
        "fleets.workers.agents=14",
        "fleets.gateways.agents=6",
        "phases.ramp.duration=1s",
        "phases.hold.duration=2s",
        "phases.crash.duration=3s",
        "phases.recover.duration=2s",
        "phases.recover.over=1s",
    ] {
        arguments.extend(["--set", smaller]);
    }
    let output = run(&arguments);
    assert!([0, 1, 3].contains(&code(&output)), "{}", text(&output));
    let report = report(&out);
    assert_eq!(
        (&report["scenario"], &report["generator"]["lost_history_lines"]),
        (&"quickstart".into(), &0.into())
    );
    for file in [
        "report.html",
        "report.json",
        "intervals.csv",
        "latencies.hlog",
        "junit.xml",
        "summary.md",
        "history.jsonl",
    ] {
        assert!(README.contains(&format!("`{file}`")) && out.join(file).exists(), "{file}");
    }
}

fn lists_requirements() {
    let output = run(&["conformance", "--list"]);
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("PASSIVE-1"), "{}", text(&output));
}

/// Starts what the README starts, on a free port, and compares what it says first.
fn serve(command: &str, expected: &str, folder: &Path) -> Served {
    assert!(command.contains(ADDRESS), "{command}");
    let words = command.replace(ADDRESS, "127.0.0.1:0");
    let mut program = wallflower();
    program.args(words.split(' ').skip(1)).current_dir(folder);
    let served = Served::of(program, folder);
    let address = served.url.strip_prefix("http://").unwrap();
    assert_eq!(format!("listening on {}", served.url), expected.trim().replace(ADDRESS, address));
    assert!(folder.join("registry.db").exists(), "the database is where the README says");
    served
}

fn call(command: &str, served: &Served, folder: &Path) {
    let address = served.url.strip_prefix("http://").unwrap();
    assert!(command.contains(ADDRESS), "{command}");
    let printed = shell(&command.replace(ADDRESS, address), folder);
    let answer: Value = serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{command}\n{printed}"));
    if command.contains("/heartbeat") {
        assert_eq!(
            (&answer["agent_id"], &answer["result"]),
            (&"geo-3".into(), &"registered".into()),
            "{printed}"
        );
    } else {
        assert_eq!(answer["agents"][0]["agent_id"], "geo-3", "{command}\n{printed}");
    }
}

/// The gate judges a real mcp-mesh with the same arguments; here nobody listens, and it must be this that is missed.
fn judge_a_peer(command: &str, folder: &Path) {
    is_a_step("--test all -- --ignored");
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let example = README.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    // The file's own documentation tells of the bound, see `wallflower conformance --help`.
    fs::write(folder.join("policies.toml"), format!("transition_bound = \"1s\"\n{example}")).unwrap();
    let words = command.replace(ADDRESS, &free.to_string());
    let words: Vec<_> = words.split(' ').skip(1).collect();
    for word in words.iter().filter(|word| word.starts_with("--") || **word == "mcp-mesh") {
        assert!(
            PEERS.contains(&format!("\"{word}\"")),
            "tests/all/real_peers.rs judges a peer without {word}"
        );
    }
    let output = wallflower().args(&words).current_dir(folder).output().unwrap();
    assert_eq!(code(&output), 4, "{}", text(&output));
    let said = text(&output).replace(['\n', ' ', '│'], "");
    assert!(said.contains(&format!("noregistryanswersathttp://{free}")), "{}", text(&output));
}

#[test]
fn the_configuration_of_the_readme_is_what_the_registry_then_says() {
    let folder = tempdir().unwrap();
    let blocks: Vec<_> =
        README.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
    assert_eq!(blocks.len(), 1, "one block of TOML");
    let file = folder.path().join("wallflower.toml");
    fs::write(&file, blocks[0]).unwrap();
    let served = Served::start(folder.path(), &["--config", file.to_str().unwrap()]);
    let (_, body) = ask(&served.url, "GET /policies", "");
    let answer: Value = serde_json::from_str(&body).unwrap();
    for (name, timeouts) in [("default", [5, 10, 20, 60]), ("gpu-worker", [15, 30, 60, 300])] {
        let members = ["heartbeat_interval", "degraded_after", "expires_after", "evict_after"];
        for (member, seconds) in members.into_iter().zip(timeouts) {
            let found = &answer["policies"][name][format!("{member}_ms")];
            assert_eq!(*found, seconds * 1_000, "{name} {member}: {body}");
        }
    }
}
