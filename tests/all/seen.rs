//! SIGKILL at the instant after a view has shown a change: what was seen once is so after the restart, and no number
//! is given to anything else.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::kills::call;
use crate::program::Served;
use crate::serve::{ask, ask_whole};

/// Each view in turn, many times.
const ROUNDS: usize = 60;
/// They expire about together, so that the store has something to do when the first is seen.
const AGENTS: usize = 8;
const BRIEF: &str = "brief=10ms,20ms,40ms,10m";
/// The registry after the kill: who was not saved as expired is alive here for as long as anybody looks.
const LASTING: &str = "brief=1h,2h,3h,4h";
/// No more looks than this until a change is seen. A look takes a good part of a millisecond at least.
const LOOKS: usize = 100_000;

/// What somebody saw.
#[derive(Debug)]
struct Seen {
    view: &'static str,
    agent_id: String,
    status: &'static str,
    /// Of the agent, where the view tells it.
    revision: Option<u64>,
    /// The highest revision of the whole that was told.
    told: u64,
    event: Option<Value>,
}

/// Entity tags and what they stood for.
type Tagged = BTreeMap<String, Value>;

fn get(url: &str, path: &str) -> Value {
    let (status, body) = ask(url, &format!("GET {path}"), "");
    serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {error}: {status} {body}"))
}

/// A tag that was seen before must stand for the same.
fn list(url: &str, query: &str, tagged: &mut Tagged) -> Value {
    let (head, body) = ask_whole(url, &format!("GET /agents?limit=10000{query}"), "");
    let list: Value = serde_json::from_str(&body).unwrap();
    let tag =
        head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("etag: ").map(str::to_owned));
    let earlier = tagged.insert(tag.unwrap(), list.clone());
    assert!(earlier.is_none_or(|earlier| earlier == list), "one tag for two lists: {head}\n{list}");
    list
}

fn entry_of(entries: &Value, agent_id: &str) -> Option<Value> {
    entries.as_array().unwrap().iter().find(|entry| entry["agent_id"] == agent_id).cloned()
}

/// Looks once; gives what it saw of the agent if that is what is waited for.
fn look(url: &str, round: usize, agent_id: &str, since: &Value, tagged: &mut Tagged) -> Option<Seen> {
    let seen = |view, entry: &Value, whole: &Value| Seen {
        view,
        agent_id: agent_id.to_owned(),
        status: "expired",
        revision: entry["revision"].as_u64(),
        told: whole["revision"].as_u64().or(entry["revision"].as_u64()).unwrap_or_default(),
        event: None,
    };
    match round % 5 {
        0 => {
            let entry = get(url, &format!("/agents/{agent_id}"));
            (entry["status"] == "expired").then(|| seen("read", &entry, &Value::Null))
        }
        1 => {
            let whole = list(url, "&status=expired", tagged);
            entry_of(&whole["agents"], agent_id).map(|entry| seen("list", &entry, &whole))
        }
        2 => {
            let page = get(url, &format!("/events?agent_id={agent_id}&kind=expired"));
            let event = page["events"].get(0)?.clone();
            Some(Seen { event: Some(event.clone()), ..seen("events", &event, &Value::Null) })
        }
        3 => {
            let (revision, store_id) = (&since["revision"], since["store_id"].as_str().unwrap());
            let path = format!("/agents?since={revision}&store_id={store_id}&status=expired&wait_ms=1000");
            let delta = get(url, &path);
            entry_of(&delta["changed"], agent_id).map(|entry| seen("delta", &entry, &delta))
        }
        _ => {
            let health = get(url, &format!("/agents/{agent_id}/health"));
            (health["status"] == "expired").then(|| seen("health", &Value::Null, &Value::Null))
        }
    }
}

fn check(url: &str, seen: &Seen, last_event: u64, tagged: &mut Tagged) -> u64 {
    let entry = get(url, &format!("/agents/{}", seen.agent_id));
    assert_eq!(entry["status"], seen.status, "what the {} showed is undone: {seen:?}, {entry}", seen.view);
    assert!(seen.revision.is_none_or(|revision| entry["revision"] == revision), "{seen:?} is {entry}");
    let whole = list(url, "&status=expired", tagged);
    assert!(whole["revision"].as_u64().unwrap() > seen.told, "{seen:?}, and then {}", whole["revision"]);
    let page = get(url, &format!("/events?after={last_event}&limit=10000"));
    let events = page["events"].as_array().unwrap();
    assert!(seen.event.as_ref().is_none_or(|event| events.contains(event)), "{seen:?} is not in {events:?}");
    let of_agent = |kind: &str| {
        events.iter().filter(|event| event["agent_id"] == *seen.agent_id && event["kind"] == kind).count()
    };
    assert_eq!(of_agent("registered"), 1, "{seen:?}: {events:?}");
    assert_eq!(of_agent("expired"), usize::from(seen.status == "expired"), "{seen:?}: {events:?}");
    assert!(events.windows(2).all(|pair| pair[0]["number"].as_u64() < pair[1]["number"].as_u64()));
    events.last().unwrap()["number"].as_u64().unwrap()
}

#[test]
fn an_expiry_that_a_view_has_shown_survives_the_kill_that_follows_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut last_event, mut tagged) = (0, Tagged::new());
    for round in 0..ROUNDS {
        let mut served = Served::start(folder.path(), &["--policy", BRIEF]);
        let since = list(&served.url, "", &mut tagged);
        let agent_id = format!("r{round}-0");
        for agent in 0..AGENTS {
            let body =
                json!({ "agent_id": format!("r{round}-{agent}"), "agent_type": "brief", "capabilities": [] });
            let (status, answer) = ask(&served.url, "POST /heartbeat", &body.to_string());
            assert!(status.contains("200"), "{status} {answer}");
        }
        let mut looks = (0..LOOKS).map(|_| look(&served.url, round, &agent_id, &since, &mut tagged));
        let seen = looks.find_map(|seen| seen).expect("the agent expires");
        served.child.kill().unwrap();
        served.child.wait().unwrap();
        let again = Served::start(folder.path(), &["--policy", LASTING]);
        last_event = check(&again.url, &seen, last_event, &mut tagged);
    }
}

#[test]
fn a_registration_that_a_view_has_shown_survives_the_kill_that_follows_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let (mut last_event, mut tagged) = (0, Tagged::new());
    for round in 0..ROUNDS / 2 {
        let mut served = Served::start(folder.path(), &["--policy", LASTING]);
        let agent_id = format!("r{round}");
        let body = json!({ "agent_id": agent_id, "agent_type": "brief", "capabilities": [] }).to_string();
        let seen = std::thread::scope(|scope| {
            // Whether this call is answered before the kill or cut off by it, is nothing to the one who looks.
            let registers = scope.spawn(|| call(&served.url, "POST /heartbeat", &body));
            let mut looks = (0..LOOKS).map(|_| {
                let whole = list(&served.url, "", &mut tagged);
                Some((entry_of(&whole["agents"], &agent_id)?, whole["revision"].as_u64().unwrap()))
            });
            let (entry, told) = looks.find_map(|seen| seen).expect("the agent registers");
            crate::program::signal(served.child.id(), "KILL");
            drop(registers.join());
            let (agent_id, revision) = (agent_id.clone(), entry["revision"].as_u64());
            Seen { view: "list", agent_id, status: "healthy", revision, told, event: None }
        });
        served.child.wait().unwrap();
        let again = Served::start(folder.path(), &["--policy", LASTING]);
        last_event = check(&again.url, &seen, last_event, &mut tagged);
    }
}
