//! Every way of discovery and both protocols against the real registry, side by side, and every answer judged.

use std::path::PathBuf;
use std::time::Duration;

use agent_sim::load::{LoadOptions, Progress, run};
use conformance::judge::{Ask, judge_file};
use reports::history::{CallRecord, Line, Operation, Outcome, Seen};
use reports::result::RequirementVerdict;
use scenarios::model::{Discovery, Fleet, Protocol, Scenario, TargetKind};
use tokio::sync::watch;

use crate::machine::alone;
use crate::not_judged::not_judged;
use crate::program::Served;
use crate::serve::ask;

/// Agents that live, die and come back, so that something changes.
const SCENARIO: &str = r#"
name = "discovery"
description = "Every way of discovery."
seed = 5

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "1500ms"
expires_after = "2500ms"
evict_after = "30s"

[[fleets]]
name = "fleet"
agents = 5
heartbeat = "500ms"
poll = "300ms"
jitter = 0.1
capability_pool = 2
capabilities_per_agent = 1
dependencies_per_agent = 2

[[phases]]
name = "start"
kind = "ramp"
duration = "500ms"

[[phases]]
name = "steady"
kind = "hold"
duration = "3s"

[[phases]]
name = "die"
kind = "crash"
share = 0.5
over = "200ms"
duration = "4s"

[[phases]]
name = "return"
kind = "recover"
over = "500ms"
duration = "1s"
"#;

const LONG: Discovery = Discovery::LongPoll { wait: Duration::from_millis(1_500) };

/// Of each kind one fleet, named by it.
fn scenario(url: &str) -> Scenario {
    let mut scenario = scenarios::parse("discovery.toml", SCENARIO, &[]).unwrap();
    let like = scenario.fleets.remove(0);
    let fleet = |name: &str, discovery, protocol| Fleet {
        name: name.to_owned(),
        discovery,
        protocol,
        ..like.clone()
    };
    scenario.fleets = vec![
        fleet("list", Discovery::List, Protocol::Http),
        fleet("conditional", Discovery::Conditional, Protocol::Http),
        fleet("delta", Discovery::Delta, Protocol::Http),
        fleet("long", LONG, Protocol::Http),
        fleet("tools", Discovery::List, Protocol::Mcp),
    ];
    scenario.target.kind = TargetKind::Url(url.to_owned());
    scenario
}

/// The calls of a run against a registry that is there already, and what the judge finds false; or why the run says
/// nothing.
async fn calls_of(scenario: &Scenario) -> Result<(Vec<CallRecord>, Vec<String>), String> {
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let (_interrupt, interrupt) = watch::channel(false);
    let options = LoadOptions {
        traceparent: false,
        part: None,
        seed: 5,
        reference_program: PathBuf::from("/nowhere"),
        history: history.clone(),
        interrupt,
        progress: watch::Sender::new(Progress::default()),
    };
    let outcome = run(scenario, options).await.unwrap();
    if !outcome.invalid.is_empty() {
        return Err(outcome.invalid.join("; "));
    }
    let text = std::fs::read_to_string(&history).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let calls =
        lines.filter_map(|line| if let Line::Call(call) = line { Some(call) } else { None }).collect();
    let judgement = judge_file(&history, &Ask::default()).unwrap();
    let failed = judgement.requirements.iter().filter(|row| row.verdict == RequirementVerdict::Fail);
    Ok((calls, failed.map(|row| format!("{row:#?}")).collect()))
}

/// The polls of a fleet.
fn polls<'a>(calls: &'a [CallRecord], fleet: &str) -> Vec<&'a CallRecord> {
    let prefix = format!("{fleet}.");
    let asks = |call: &&CallRecord| {
        let filter = call.sent.as_ref().and_then(|sent| sent.filter.as_ref());
        filter.and_then(|filter| filter.capability.as_ref()).is_some_and(|name| name.starts_with(&prefix))
    };
    calls.iter().filter(asks).collect()
}

/// Since when each answered delta of a fleet told, and what.
fn deltas<'a>(calls: &'a [CallRecord], fleet: &str) -> Vec<(u64, &'a Seen)> {
    let shown = polls(calls, fleet).into_iter().filter(|call| call.outcome == Outcome::Shown);
    shown.filter_map(|call| Some((call.sent.as_ref()?.since?, call.seen.as_ref()?))).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_of_discovery_shows_what_the_judge_can_bear_out() {
    alone();
    let mut found = Err(String::new());
    for _ in 0..3 {
        // A registry that knows nobody yet.
        let folder = tempfile::tempdir().unwrap();
        let served = Served::start(folder.path(), &["--policy", "default=1s,1500ms,2500ms,30s"]);
        found = calls_of(&scenario(&served.url)).await.map(|found| (folder, served, found));
        if found.is_ok() {
            break;
        }
    }
    let (_folder, served, (calls, failed)) = match found {
        Ok(found) => found,
        Err(reasons) => return not_judged("every way of discovery", &reasons),
    };
    assert!(failed.is_empty(), "{}", failed.join("\n"));

    let sent_tag = |call: &&CallRecord| call.sent.as_ref().is_some_and(|sent| sent.if_none_match.is_some());
    assert!(!polls(&calls, "list").is_empty());
    assert!(!polls(&calls, "list").iter().any(sent_tag));
    assert!(polls(&calls, "conditional").iter().any(|call| call.outcome == Outcome::Unchanged));
    for fleet in ["delta", "long"] {
        let deltas = deltas(&calls, fleet);
        // Each of 5 agents, and of those that come back, begins each of its 2 questions with the whole.
        assert!(deltas.len() > 20 || fleet == "long", "{fleet}: {}", deltas.len());
        assert!(deltas.iter().all(|(since, seen)| seen.revision >= Some(*since)), "{fleet}: {deltas:?}");
        let names = |seen: &Seen| seen.agents.as_ref().is_some_and(|agents| !agents.is_empty());
        assert!(deltas.iter().any(|(_, seen)| names(seen)), "{fleet}: {deltas:?}");
        assert!(deltas.iter().any(|(_, seen)| !seen.removed.is_empty()), "{fleet}: {deltas:?}");
    }
    let watches = polls(&calls, "long");
    let held = watches.iter().filter(|call| call.op == Operation::Watch && call.e_us - call.s_us > 500_000);
    assert!(held.count() > 0, "{watches:?}");
    assert!(watches.iter().all(|call| !call.outcome.is_error()), "{watches:?}");

    let by_tools = |outcome| {
        let of_fleet = |call: &&CallRecord| call.agent.as_ref().is_some_and(|id| id.starts_with("tools-"));
        calls.iter().filter(of_fleet).any(|call| call.outcome == outcome)
    };
    assert!(by_tools(Outcome::Registered) && by_tools(Outcome::Renewed));
    let shows = |call: &&CallRecord| call.seen.as_ref().is_some_and(|seen| seen.agents.is_some());
    assert!(polls(&calls, "tools").iter().any(shows));
    let (_, metrics) = ask(&served.url, "GET /metrics", "");
    let of_mcp = |line: &&str| line.starts_with("registry_requests_total{") && line.contains("\"/mcp\"");
    let of_mcp: Vec<&str> = metrics.lines().filter(of_mcp).collect();
    assert!(matches!(of_mcp[..], [line] if line.contains("code=\"200\"")), "{of_mcp:?}");
}
