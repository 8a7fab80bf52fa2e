//! What agents make of answers, without a socket.

use std::collections::BTreeMap;
use std::time::Duration;

use reports::history::{CallRecord, Seen};
use scenarios::model::{Fleet, Phase, PhaseKind, Scenario, Target, TargetKind};

use super::*;

/// Agents with two dependencies each, or none.
fn agents(dialect: &str, dependencies_per_agent: u32) -> Agents {
    agents_of(dialect, fleet(dependencies_per_agent))
}

pub(super) fn fleet(dependencies_per_agent: u32) -> Fleet {
    Fleet {
        name: "web".to_owned(),
        agents: 20,
        agent_type: "default".to_owned(),
        heartbeat: Duration::from_secs(1),
        poll: Some(Duration::from_secs(1)),
        jitter: 0.0,
        capability_pool: 4,
        capabilities_per_agent: 1,
        dependencies_per_agent,
        popularity: scenarios::model::Popularity::default(),
        connections: scenarios::model::Connections::default(),
        protocol: scenarios::model::Protocol::default(),
        discovery: scenarios::model::Discovery::default(),
    }
}

pub(super) fn agents_of(dialect: &str, fleet: Fleet) -> Agents {
    let target = Target {
        kind: TargetKind::Reference,
        dialect: dialect.to_owned(),
        policies: BTreeMap::new(),
        transition_bound: Duration::ZERO,
    };
    let hold = Phase { name: "hold".to_owned(), kind: PhaseKind::Hold, duration: Duration::from_secs(9) };
    let scenario = Scenario {
        name: "test".to_owned(),
        description: String::new(),
        seed: 1,
        target,
        fleets: vec![fleet],
        phases: vec![hold],
        thresholds: Vec::new(),
        requirements: Vec::new(),
        call_timeout: Duration::from_secs(1),
        max_in_flight: 1,
        source_addresses: 0,
        workers: 0,
        profile: None,
        faults: Vec::new(),
        text: String::new(),
    };
    let dialect = crate::dialect::by_name(dialect).expect("a dialect");
    Agents::new(Arc::new(Plan::new(&scenario, 1)), Share::WHOLE, 1, dialect.as_ref())
}

pub(super) fn due(agents: &mut Agents, instant_us: u64, agent: u32, action: Action) -> Due {
    agents.due(Planned { instant_us, agent: Some(agent), action })
}

/// Makes the call that a due action must come to.
pub(super) fn task(agents: &mut Agents, instant_us: u64, agent: u32, action: Action) -> Task {
    match due(agents, instant_us, agent, action) {
        Due::Call(task) => task,
        other => panic!("{action:?} came to {other:?}"),
    }
}

pub(super) fn answer(task: Task, e_us: u64, outcome: Outcome) -> Answered {
    Answered {
        record: CallRecord {
            agent: None,
            op: task.operation,
            planned_us: Some(task.planned_us),
            s_us: task.planned_us,
            e_us,
            outcome,
            http: None,
            sent: None,
            seen: None,
            note: None,
        },
        wiring_revision: None,
        wiring_changed: false,
        store_id: None,
    }
}

pub(super) const FIRST: Action = Action::Register { incarnation: 1 };
pub(super) const BEAT: Action = Action::Beat { number: 0 };

/// Starts and registers one agent.
pub(super) fn registered(agents: &mut Agents, agent: u32) {
    let registration = task(agents, 0, agent, FIRST);
    agents.answered(registration, &answer(registration, 10, Outcome::Registered));
}

fn a_prober(agents: &Agents) -> u32 {
    (0..20).find(|agent| agents.plan.probes(*agent)).expect("one of twenty probes")
}

#[test]
fn a_heartbeat_that_finds_the_last_one_unanswered_is_a_miss_and_a_poll_is_not_in_its_way() {
    let mut agents = agents("wallflower", 2);
    let registration = task(&mut agents, 0, 3, FIRST);
    assert_eq!(due(&mut agents, 1, 3, BEAT), Due::Miss(Operation::Register));
    assert_eq!(due(&mut agents, 2, 3, BEAT), Due::Miss(Operation::Register));
    let poll = task(&mut agents, 3, 3, Action::Poll { number: 0 });
    assert_eq!(due(&mut agents, 4, 3, Action::Poll { number: 1 }), Due::Miss(Operation::List));
    let consequence = agents.answered(registration, &answer(registration, 9, Outcome::Registered));
    assert_eq!(consequence, Consequence { misses: 2, reaction: None });
    assert_eq!(agents.answered(poll, &answer(poll, 9, Outcome::Shown)).misses, 1);
    assert_eq!(task(&mut agents, 10, 3, BEAT).operation, Operation::Renew);
}

#[test]
fn an_agent_that_was_never_told_that_it_is_registered_goes_on_registering() {
    let mut agents = agents("wallflower", 0);
    let registration = task(&mut agents, 0, 3, FIRST);
    agents.answered(registration, &answer(registration, 10, Outcome::TimedOut));
    assert_eq!(task(&mut agents, 20, 3, BEAT).operation, Operation::Register);
    assert_eq!(agents.registered(), 0);
}

#[test]
fn a_forgotten_agent_registers_at_once_and_only_once() {
    let mut agents = agents("wallflower", 2);
    registered(&mut agents, 3);
    let renewal = task(&mut agents, 20, 3, BEAT);
    let reaction =
        agents.answered(renewal, &answer(renewal, 27, Outcome::Unknown)).reaction.expect("a reaction");
    assert_eq!((reaction.operation, reaction.planned_us), (Operation::Register, 27));
    assert_eq!((agents.registered(), agents.peak()), (0, 1));
    assert_eq!(due(&mut agents, 28, 3, BEAT), Due::Miss(Operation::Register));
    // A registration that is refused as unknown leads to no other: the next heartbeat tries again.
    assert_eq!(agents.answered(reaction, &answer(reaction, 30, Outcome::Unknown)).reaction, None);
    assert_eq!(task(&mut agents, 40, 3, BEAT).operation, Operation::Register);
}

#[test]
fn changed_wiring_is_fetched_at_once() {
    // (dialect, what tells of the change, what fetches it)
    let table = [
        ("wallflower", Operation::Probe, Operation::Renew),
        ("mcp-mesh", Operation::Renew, Operation::Register),
    ];
    for (dialect, tells, fetches) in table {
        let mut agents = agents(dialect, 0);
        let prober = a_prober(&agents);
        let agent = if tells == Operation::Probe {
            prober
        } else {
            (0..20).find(|one| !agents.plan.probes(*one)).unwrap()
        };
        registered(&mut agents, agent);
        let renewal = task(&mut agents, 20, agent, BEAT);
        assert_eq!(renewal.operation, tells);
        let changed = Answered { wiring_changed: true, ..answer(renewal, 27, Outcome::Renewed) };
        let reaction = agents.answered(renewal, &changed).reaction.expect("a reaction");
        assert_eq!((reaction.operation, reaction.planned_us), (fetches, 27));
    }
}

#[test]
fn a_crashed_agent_reacts_to_nothing_and_its_next_process_starts_afresh() {
    let mut agents = agents("wallflower", 2);
    registered(&mut agents, 3);
    let renewal = task(&mut agents, 20, 3, BEAT);
    assert_eq!(due(&mut agents, 25, 3, Action::Crash), Due::Nothing);
    assert_eq!((agents.registered(), agents.wants(renewal)), (0, false));
    assert_eq!(agents.answered(renewal, &answer(renewal, 27, Outcome::Unknown)), Consequence::default());
    let second = task(&mut agents, 50, 3, Action::Register { incarnation: 2 });
    // An answer to the dead process says nothing to the new one.
    agents.answered(renewal, &answer(renewal, 51, Outcome::Renewed));
    assert_eq!((agents.registered(), agents.wants(renewal), agents.wants(second)), (0, false, true));
    match agents.call(second) {
        Some(Call::Register(document)) => {
            assert_eq!((document.incarnation, document.sequence), (Some(2), Some(1)));
            assert_eq!(document.document, (3 << 16) | 2);
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn renewals_carry_a_rising_sequence_and_the_last_wiring_revision() {
    let mut agents = agents("wallflower", 2);
    let registration = task(&mut agents, 0, 3, FIRST);
    assert!(matches!(agents.call(registration), Some(Call::Register(_))));
    let wired = Answered { wiring_revision: Some(12), ..answer(registration, 10, Outcome::Registered) };
    agents.answered(registration, &wired);
    for sequence in 2..4 {
        let renewal = task(&mut agents, 20, 3, BEAT);
        let expected = Call::Renew {
            agent_id: "web-000004".to_owned(),
            status: None,
            order: Some((1, sequence)),
            wiring_revision: Some(12),
        };
        assert_eq!(agents.call(renewal), Some(expected));
        agents.answered(renewal, &answer(renewal, 30, Outcome::Renewed));
    }
}

#[test]
fn each_question_has_an_entity_tag_of_its_own() {
    let mut agents = agents("wallflower", 2);
    registered(&mut agents, 3);
    let mut asked = Vec::new();
    for number in 0..4 {
        let poll = task(&mut agents, 20, 3, Action::Poll { number });
        let Some(Call::List { filter, if_none_match }) = agents.call(poll) else { panic!("no list") };
        asked.push((filter.capability.expect("a capability"), if_none_match));
        let mut shown = answer(poll, 30, Outcome::Shown);
        shown.record.seen = Some(Seen { etag: Some(format!("tag-{number}")), ..Seen::default() });
        agents.answered(poll, &shown);
    }
    let tags: Vec<_> = asked.iter().map(|(_, tag)| tag.as_deref()).collect();
    assert_eq!(tags, [None, None, Some("tag-0"), Some("tag-1")]);
    assert!(asked[0].0 == asked[2].0 && asked[1].0 == asked[3].0 && asked[0].0 != asked[1].0);
}

#[test]
fn the_harness_itself_asks_for_everything_without_a_tag() {
    let mut agents = agents("wallflower", 2);
    let Due::Call(own) = agents.due(Planned { instant_us: 5, agent: None, action: Action::Observe }) else {
        panic!("nothing is due");
    };
    let expected = Call::List { filter: Filter::default(), if_none_match: None };
    assert_eq!((agents.call(own), agents.wants(own)), (Some(expected), true));
}

#[test]
fn an_agent_that_leaves_says_so_once_and_the_answer_changes_nothing() {
    let mut agents = agents("wallflower", 0);
    let start = task(&mut agents, 0, 3, Action::Register { incarnation: 1 });
    agents.answered(start, &answer(start, 1, Outcome::Renewed));
    let beat = task(&mut agents, 10, 3, Action::Beat { number: 0 });
    let leave = task(&mut agents, 20, 3, Action::Leave);
    assert_eq!((leave.operation, agents.registered()), (Operation::Leave, 0));
    assert!(agents.wants(leave) && !agents.wants(beat));
    assert_eq!(agents.call(leave), Some(Call::Leave { agent_id: "web-000004".to_owned() }));
    assert_eq!(agents.answered(beat, &answer(beat, 25, Outcome::Renewed)), Consequence::default());
    assert_eq!(agents.answered(leave, &answer(leave, 30, Outcome::TimedOut)), Consequence::default());
    // The next process is none of its business, even if it is there already.
    let next = task(&mut agents, 40, 3, Action::Register { incarnation: 2 });
    assert_eq!(agents.dropped(leave), 0);
    agents.answered(next, &answer(next, 41, Outcome::Renewed));
    assert_eq!(agents.registered(), 1);
}
