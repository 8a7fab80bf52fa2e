//! What agents ask next, by how their fleet discovers.

use std::time::Duration;

use reports::history::Seen;
use scenarios::model::Fleet;

use super::tests::{FIRST, agents_of, answer, due, fleet, registered, task};
use super::*;

const LONG: Discovery = Discovery::LongPoll { wait: Duration::from_secs(20) };

/// Registered agents of which each asks one question.
fn discovering(dialect: &str, discovery: Discovery, protocol: Protocol) -> Agents {
    let mut agents = agents_of(dialect, Fleet { discovery, protocol, ..fleet(1) });
    registered(&mut agents, 3);
    agents
}

fn over_http(discovery: Discovery) -> Agents {
    discovering("wallflower", discovery, Protocol::Http)
}

fn poll(number: u32) -> Action {
    Action::Poll { number }
}

/// An answer that shows this revision of a store.
fn shown(task: Task, e_us: u64, revision: u64) -> Answered {
    let mut shown = answer(task, e_us, Outcome::Shown);
    let etag = Some(format!("tag-{revision}"));
    shown.record.seen = Some(Seen { revision: Some(revision), etag, ..Seen::default() });
    shown.store_id = Some("store-1".to_owned());
    shown
}

/// What a poll sends: tag, revision, store and wait.
type Asked = (Option<String>, Option<(u64, String)>, Option<Duration>);

fn asked(agents: &mut Agents, task: Task) -> Asked {
    match agents.call(task) {
        Some(Call::List { if_none_match, .. }) => (if_none_match, None, None),
        Some(Call::Changes { since, store_id, wait, .. }) => (None, Some((since, store_id)), wait),
        other => panic!("{task:?} came to {other:?}"),
    }
}

#[test]
fn each_way_of_discovery_begins_from_nothing_and_goes_on_from_the_last_answer() {
    let since = |revision: u64| Some((revision, "store-1".to_owned()));
    let Discovery::LongPoll { wait } = LONG else { panic!() };
    let table: [(Discovery, Asked, Operation); 4] = [
        (Discovery::List, (None, None, None), Operation::List),
        (Discovery::Conditional, (Some("tag-7".to_owned()), None, None), Operation::List),
        (Discovery::Delta, (None, since(7), None), Operation::List),
        (LONG, (None, since(7), Some(wait)), Operation::Watch),
    ];
    for (discovery, expected, operation) in table {
        let mut agents = over_http(discovery);
        let first = task(&mut agents, 20, 3, poll(0));
        assert_eq!((asked(&mut agents, first), first.operation), ((None, None, None), Operation::List));
        agents.answered(first, &shown(first, 30, 7));
        // A failure in between changes nothing of what the agent holds.
        for number in 1..3 {
            let next = task(&mut agents, 40, 3, poll(number));
            assert_eq!((asked(&mut agents, next), next.operation), (expected.clone(), operation));
            assert_eq!(agents.answered(next, &answer(next, 50, Outcome::TimedOut)), Consequence::default());
        }
        // A new process knows nothing.
        let start = task(&mut agents, 60, 3, FIRST);
        agents.answered(start, &answer(start, 70, Outcome::Registered));
        let anew = task(&mut agents, 80, 3, poll(0));
        assert_eq!(asked(&mut agents, anew), (None, None, None), "{discovery:?}");
    }
}

#[test]
fn each_question_has_a_revision_of_its_own_with_its_store() {
    let mut agents = agents_of("wallflower", Fleet { discovery: Discovery::Delta, ..fleet(2) });
    registered(&mut agents, 3);
    for (number, store) in [(0, "store-1"), (1, "store-2")] {
        let first = task(&mut agents, 20, 3, poll(number));
        let told = Answered { store_id: Some(store.to_owned()), ..shown(first, 30, 7 + u64::from(number)) };
        agents.answered(first, &told);
    }
    for (number, since) in [(2, (7, "store-1")), (3, (8, "store-2"))] {
        let next = task(&mut agents, 40, 3, poll(number));
        assert_eq!(asked(&mut agents, next).1, Some((since.0, since.1.to_owned())));
        agents.answered(next, &answer(next, 50, Outcome::TimedOut));
    }
}

#[test]
fn who_is_told_that_the_changes_are_forgotten_asks_for_everything_at_once() {
    for discovery in [Discovery::Delta, LONG] {
        let mut agents = over_http(discovery);
        let first = task(&mut agents, 20, 3, poll(0));
        agents.answered(first, &shown(first, 30, 7));
        let next = task(&mut agents, 40, 3, poll(1));
        let reaction = agents.answered(next, &answer(next, 50, Outcome::Unknown)).reaction.unwrap();
        assert_eq!((reaction.operation, reaction.planned_us), (Operation::List, 50));
        assert_eq!(asked(&mut agents, reaction), (None, None, None));
        // It is a poll like any other: what is due meanwhile is missed.
        assert_eq!(due(&mut agents, 60, 3, poll(2)), Due::Miss(Operation::List));
        assert_eq!(
            agents.answered(reaction, &shown(reaction, 70, 9)),
            Consequence { misses: 1, reaction: None }
        );
        let after = task(&mut agents, 80, 3, poll(3));
        assert_eq!(asked(&mut agents, after).1, Some((9, "store-1".to_owned())));
    }
}

#[test]
fn a_long_poll_misses_nothing_and_the_next_follows_its_answer_at_once() {
    let mut agents = over_http(LONG);
    let first = task(&mut agents, 20, 3, poll(0));
    assert_eq!(due(&mut agents, 25, 3, poll(1)), Due::Miss(Operation::List), "a whole list is not held back");
    agents.answered(first, &shown(first, 30, 7));
    let held = task(&mut agents, 40, 3, poll(2));
    assert_eq!(due(&mut agents, 50, 3, poll(3)), Due::Nothing);
    assert_eq!(due(&mut agents, 60, 3, poll(4)), Due::Nothing);
    let consequence = agents.answered(held, &shown(held, 65, 8));
    let next = consequence.reaction.expect("the instant that was kept");
    assert_eq!((consequence.misses, next.operation, next.planned_us), (0, Operation::Watch, 65));
    assert_eq!(asked(&mut agents, next).1, Some((8, "store-1".to_owned())));
    // Answered before another instant of the plan: the next poll begins there.
    assert_eq!(agents.answered(next, &shown(next, 66, 9)), Consequence::default());
    assert_eq!(task(&mut agents, 70, 3, poll(5)).operation, Operation::Watch);
}

#[test]
fn an_agent_that_ends_takes_its_long_poll_with_it() {
    let mut agents = over_http(LONG);
    let first = task(&mut agents, 20, 3, poll(0));
    agents.answered(first, &shown(first, 30, 7));
    let held = task(&mut agents, 40, 3, poll(1));
    assert_eq!(due(&mut agents, 50, 3, poll(2)), Due::Nothing);
    due(&mut agents, 60, 3, Action::Crash);
    assert_eq!(agents.answered(held, &shown(held, 70, 8)), Consequence::default());
    let start = task(&mut agents, 80, 3, Action::Register { incarnation: 2 });
    agents.answered(start, &answer(start, 90, Outcome::Registered));
    assert_eq!(task(&mut agents, 100, 3, poll(0)).operation, Operation::List);
}

#[test]
fn what_a_registry_or_its_tools_cannot_do_is_asked_the_next_best_way() {
    for (dialect, protocol) in [("mcp-mesh", Protocol::Http), ("wallflower", Protocol::Mcp)] {
        let mut agents = discovering(dialect, LONG, protocol);
        for number in 0..2 {
            let next = task(&mut agents, 20, 3, poll(number));
            assert_eq!((next.operation, next.protocol), (Operation::List, protocol));
            let mut told = shown(next, 30, 7);
            if let Some(seen) = &mut told.record.seen {
                seen.etag = None;
            }
            assert_eq!(asked(&mut agents, next), (None, None, None));
            agents.answered(next, &told);
        }
    }
    // No tool is as lean as a HEAD.
    let mut agents = agents_of("wallflower", Fleet { protocol: Protocol::Mcp, ..fleet(0) });
    for agent in 0..20 {
        registered(&mut agents, agent);
        assert_eq!(task(&mut agents, 20, agent, super::tests::BEAT).operation, Operation::Renew);
    }
}

#[test]
fn stores_are_bounded() {
    let mut agents = over_http(Discovery::Delta);
    for number in 0..1_100 {
        let next = task(&mut agents, 20, 3, poll(number));
        let told = Answered { store_id: Some(format!("store-{number}")), ..shown(next, 30, 7) };
        agents.answered(next, &told);
    }
    let next = task(&mut agents, 40, 3, poll(1_100));
    assert_eq!(asked(&mut agents, next), (None, None, None));
}
