//! The small client for people: agents by every filter, events as they come.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::program::{PATIENT, Served, code, run, signal, text, wallflower};
use crate::serve::ask;

fn register(url: &str, body: &Value) {
    let (status, answer) = ask(url, "POST /heartbeat", &body.to_string());
    assert!(status.contains("200"), "{status} {answer}");
}

fn documents(printed: &str) -> Vec<Value> {
    printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn agents_are_filtered_as_over_http_and_no_more_are_listed_than_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &PATIENT);
    for (agent_id, version) in [("geo-1", "1.1.0"), ("geo-2", "1.4.0"), ("geo-3", "2.0.0")] {
        let capability = json!({ "name": "geo.lookup", "version": version, "tags": [format!("t{version}")] });
        register(&served.url, &json!({ "agent_id": agent_id, "capabilities": [capability] }));
    }
    let listed = |more: &[&str]| {
        let output = run(&[&["agents", "--json", "--url", &served.url], more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output));
        let ids = documents(&text(&output));
        ids.iter().map(|entry| entry["agent_id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(listed(&["--capability", "geo.lookup", "--version", ">=1.2, <2"]), ["geo-2"]);
    assert_eq!(listed(&["--tag", "t2.0.0"]), ["geo-3"]);
    assert_eq!(listed(&["--q", "geo-1", "--limit", "1"]), ["geo-1"]);
    assert_eq!(listed(&["--limit", "2"]), ["geo-1", "geo-2"]);
    assert_eq!(listed(&["--limit", "5"]).len(), 3);
    let output = run(&["agents", "--url", &served.url, "--version", "1"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains("/version"), "{}", text(&output));
}

#[test]
fn events_are_told_in_order_chosen_and_from_where_one_was() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &PATIENT);
    for agent_id in ["a", "b"] {
        register(&served.url, &json!({ "agent_id": agent_id, "capabilities": [] }));
    }
    ask(&served.url, "DELETE /agents/a", "");
    let told = |more: &[&str]| {
        let output = run(&[&["events", "--url", &served.url], more].concat());
        assert_eq!(code(&output), 0, "{}", text(&output));
        text(&output)
    };
    let kinds = |more: &[&str]| {
        let events = documents(&told(&[&["--json"], more].concat()));
        let word = |event: &Value, member: &str| event[member].as_str().unwrap().to_owned();
        events.iter().map(|event| word(event, "kind") + " " + &word(event, "agent_id")).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&[]), ["registered a", "registered b", "deregistered a"]);
    assert_eq!(kinds(&["--after", "1", "--agent", "a"]), ["deregistered a"]);
    assert_eq!(kinds(&["--kind", "registered", "--kind", "expired"]), ["registered a", "registered b"]);
    let table = told(&["--kind", "deregistered"]);
    let words: Vec<_> = table.split_whitespace().collect();
    assert_eq!(words[0], "3");
    assert_eq!(words[2..], ["deregistered", "healthy", "->", "-", "-", "a"]);

    let output = run(&["events", "--url", &served.url, "--kind", "vanished"]);
    assert_eq!(code(&output), 4, "{}", text(&output));
    let url = served.url.clone();
    drop(served);
    let output = run(&["events", "--url", &url]);
    assert_eq!(code(&output), 1, "{}", text(&output));
    assert!(text(&output).contains("could not connect"), "{}", text(&output));
}

#[test]
fn a_follower_reads_on_until_it_is_interrupted() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start(folder.path(), &PATIENT);
    let mut follower = wallflower()
        .args(["events", "--follow", "--json", "--url", &served.url])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    for agent_id in ["a", "b"] {
        register(&served.url, &json!({ "agent_id": agent_id, "capabilities": [] }));
        let event: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        assert_eq!(
            (event["kind"].as_str(), event["agent_id"].as_str()),
            (Some("registered"), Some(agent_id))
        );
    }
    signal(follower.id(), "INT");
    assert_eq!(follower.wait().unwrap().code(), Some(0));
}
