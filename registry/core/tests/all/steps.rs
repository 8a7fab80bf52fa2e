//! Ten thousand deadlines in one instant, worked off in steps: what is asked in between is exact, and what is told
//! afterwards is each transition once, in order, without a gap.

use std::collections::BTreeMap;

use registry_core::agent::Status;
use registry_core::events::{EventFilter, Kind};
use registry_core::heartbeat::Outcome;
use registry_core::listing::AgentFilter;
use serde_json::json;

use crate::support::{MS, World, full, id, lean, with};

const AGENTS: usize = 10_000;
const AT_ONCE: usize = 1_000;

fn name(agent: usize) -> String {
    format!("a{agent:04}")
}

fn crowd() -> World {
    let mut world = World::holding(2 * AGENTS);
    for agent in 0..AGENTS {
        let body = match agent {
            // The last of all: its timer is looked at after all others.
            9_998 => with(full(&name(agent)), json!({ "capabilities": [{ "name": "c" }] })),
            9_000 => with(full(&name(agent)), json!({ "dependencies": [{ "capability": "c" }] })),
            _ => full(&name(agent)),
        };
        world.beat(&body).unwrap();
    }
    world.wait_us(100 * MS);
    world
}

/// What happened after the registrations, having asserted that each took the next revision and the next number.
fn told(world: &mut World) -> Vec<(String, Kind)> {
    let after = EventFilter { after: AGENTS as u64, ..EventFilter::default() };
    let events = world.core.events(world.moment(), &after, usize::MAX).events;
    for (position, event) in events.iter().enumerate() {
        let number = (AGENTS + position + 1) as u64;
        assert_eq!((event.number, event.revision.0), (number, number), "{event:?}");
    }
    assert_eq!(world.core.revision().0 as usize, AGENTS + events.len(), "no revision without an event");
    events.into_iter().map(|event| (event.agent_id.to_string(), event.kind)).collect()
}

#[test]
fn in_the_middle_of_the_steps_heartbeats_and_reads_are_exact_and_make_their_own_agents_transitions_only() {
    let mut world = crowd();
    let moment = world.moment();
    let mut expected: Vec<(String, Kind)> = Vec::new();
    let step = |world: &mut World, expected: &mut Vec<(String, Kind)>, first: usize| {
        assert!(world.core.advance_some(moment, AT_ONCE));
        expected.extend((first..first + AT_ONCE).map(|agent| (name(agent), Kind::Degraded)));
        assert_eq!(world.core.revision().0 as usize, AGENTS + expected.len());
    };

    step(&mut world, &mut expected, 0);
    let answer = world.beat(&lean("a9999")).unwrap();
    assert_eq!((answer.result, answer.status), (Outcome::Renewed, Status::Healthy));
    expected.extend([("a9999".into(), Kind::Degraded), ("a9999".into(), Kind::Recovered)]);
    assert_eq!(
        answer.revision.0 as usize,
        AGENTS + expected.len(),
        "nobody else's transition was made for it"
    );

    step(&mut world, &mut expected, AT_ONCE);
    assert_eq!(world.status("a5000"), "degraded, missed");
    assert_eq!(world.core.health(moment, &id("a5001")).unwrap().status, Status::Degraded);
    assert!(world.core.probe(moment, &id("a5002"), None).outcome.is_ok());
    assert!(world.leave("a5003"));
    let own = [("a5000", Kind::Degraded), ("a5001", Kind::Degraded), ("a5002", Kind::Degraded)];
    let rest = [("a5002", Kind::Recovered), ("a5003", Kind::Degraded), ("a5003", Kind::Deregistered)];
    expected.extend(own.into_iter().chain(rest).map(|(agent, kind)| (agent.to_owned(), kind)));
    assert_eq!(world.core.revision().0 as usize, AGENTS + expected.len());

    step(&mut world, &mut expected, 2 * AT_ONCE);
    // This one is told of another, whose turn would come last.
    let wiring = world.beat(&lean("a9000")).unwrap().wiring.unwrap();
    assert_eq!(wiring[0].providers[0].status, Status::Degraded);
    let made_before = ["a5000", "a5001", "a5002", "a5003", "a9999"];
    let others = (3 * AT_ONCE..AGENTS).map(name).filter(|agent| !made_before.contains(&agent.as_str()));
    expected.extend(others.map(|agent| (agent, Kind::Degraded)));
    expected.push(("a9000".into(), Kind::Recovered));
    assert!(!world.core.advance_some(moment, AT_ONCE), "it needed all of them");

    let degraded = AgentFilter { statuses: [Status::Degraded].into(), ..AgentFilter::default() };
    assert_eq!(world.ids(degraded).len(), AGENTS - 4);
    assert!(told(&mut world) == expected, "each transition once and in order");
}

#[test]
fn each_transition_is_told_once_whatever_the_size_of_the_steps() {
    let mut stories = Vec::new();
    for at_once in [1, 7, AT_ONCE, usize::MAX] {
        let mut world = crowd();
        for at_ms in [100, 200, 600] {
            world.now_us = at_ms * MS;
            let moment = world.moment();
            let mut steps = 1;
            while world.core.advance_some(moment, at_once) {
                steps += 1;
            }
            assert_eq!(steps, AGENTS.div_ceil(at_once), "at {at_ms} ms in steps of {at_once}");
        }
        let told = told(&mut world);
        let mut kinds: BTreeMap<String, Vec<Kind>> = BTreeMap::new();
        for (agent, kind) in &told {
            kinds.entry(agent.clone()).or_default().push(*kind);
        }
        assert_eq!(kinds.len(), AGENTS);
        assert!(kinds.values().all(|kinds| *kinds == [Kind::Degraded, Kind::Expired, Kind::Evicted]));
        stories.push(told);
    }
    assert!(stories.windows(2).all(|pair| pair[0] == pair[1]), "the steps cannot be told from the story");
}

#[test]
fn whoever_registers_in_the_middle_of_the_steps_finds_the_room_that_is_due() {
    let mut world = World::holding(2);
    world.beat(&full("a")).unwrap();
    world.beat(&full("b")).unwrap();
    world.wait_us(600 * MS);
    assert_eq!(world.result(&full("c")), "registered", "a and b are due to be evicted");
    // A full heartbeat of one that turns out to be expired registers, and needs room as well.
    world.beat(&full("d")).unwrap();
    world.wait_us(200 * MS);
    assert_eq!(world.result(&full("d")), "registered");
}
