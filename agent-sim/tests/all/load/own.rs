//! Agents with connections of their own, and calls that belong to a trace.

use std::collections::BTreeSet;

use agent_sim::load::{LoadOptions, Progress};
use reports::history::{Line, Operation};
use scenarios::model::{Connections, Fleet, TargetKind};
use tokio::sync::watch;

use super::server::{Server, Trouble};
use super::{hold, ms, run_against};
use crate::plan::fleet;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_agent_holds_a_connection_of_its_own_over_the_source_addresses_asked_for() {
    let server = Server::start(Trouble::default()).await;
    let own = Fleet { connections: Connections::Own, heartbeat: ms(100), ..fleet("web", 12) };
    let mut scenario = hold(own, ms(1_500));
    scenario.source_addresses = 3;
    // Shared connections would not do.
    scenario.max_in_flight = 1;
    let run = run_against(&server, scenario).await;
    run.adds_up();
    let generator = &run.outcome.generator;
    assert_eq!((generator.connections_wanted, generator.connections_held), (12, 12));
    assert!(!run.says_invalid("connections of their own"), "{:?}", run.outcome.invalid);
    let peers = server.peers();
    let agents: BTreeSet<_> = peers.iter().filter(|(agent, _)| agent.is_some()).collect();
    assert_eq!(agents.len(), 12, "a connection each, however many calls: {agents:?}");
    let addresses: BTreeSet<_> = agents.iter().map(|(_, peer)| peer.ip().to_string()).collect();
    assert_eq!(addresses.into_iter().collect::<Vec<_>>(), ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fewer_connections_than_agents_wanted_make_the_run_invalid() {
    // It closes each connection behind its answer: none is held until the next heartbeat.
    let server = Server::start(Trouble { hangs_up: true, ..Trouble::default() }).await;
    let own = Fleet { connections: Connections::Own, ..fleet("web", 12) };
    let run = run_against(&server, hold(own, ms(1_500))).await;
    run.adds_up();
    assert!(run.outcome.calls.values().all(|stats| stats.errors == 0), "{:?}", run.outcome.calls);
    assert!(run.says_invalid("of 12 connections of their own"), "{:?}", run.outcome.invalid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_call_carries_a_trace_of_its_own_where_it_is_asked_for() {
    let server = Server::start(Trouble::default()).await;
    let mut scenario = hold(Fleet { heartbeat: ms(100), ..fleet("web", 4) }, ms(500));
    scenario.target.kind = TargetKind::Url(server.url.clone());
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let options = LoadOptions {
        seed: 11,
        reference_program: "/nowhere/wallflower".into(),
        traceparent: true,
        part: None,
        history: history.clone(),
        interrupt: watch::Sender::new(false).subscribe(),
        progress: watch::Sender::<Progress>::default(),
    };
    agent_sim::load::run(&scenario, options).await.unwrap();
    let calls = std::fs::read_to_string(history).unwrap();
    let heartbeats = calls.lines().filter(|line| match serde_json::from_str(line).unwrap() {
        Line::Call(call) => call.op != Operation::List,
        _ => false,
    });
    let traces: Vec<_> = server.received().into_iter().filter_map(|request| request.traceparent).collect();
    let different: BTreeSet<_> = traces.iter().collect();
    let count = heartbeats.count();
    assert!(count > 0 && traces.len() >= count && different.len() == traces.len(), "{traces:?}");
    assert!(
        traces.iter().all(|trace| trace.len() == 55 && trace.starts_with("00-") && trace.ends_with("-01"))
    );
}
