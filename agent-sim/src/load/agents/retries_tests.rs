//! Impatient agents.

use super::tests::{BEAT, FIRST, agents_of, answer, due, fleet, task};
use super::*;

/// Agent 3 repeats each heartbeat of the plan's instants 100 to 200 twice; the plan began at 1,000.
fn impatient() -> Agents {
    let storm =
        |_: &Plan, agent, instant_us| if agent == 3 && (100..200).contains(&instant_us) { 2 } else { 0 };
    let mut agents = agents_of("wallflower", fleet(1)).retrying(storm);
    agents.begin_at(1_000);
    agents
}

fn sequence(agents: &mut Agents, task: Task) -> u64 {
    match agents.call(task) {
        Some(Call::Renew { order: Some((_, sequence)), .. }) => sequence,
        Some(Call::Register(document)) => document.sequence.unwrap(),
        other => panic!("{other:?}"),
    }
}

/// How many calls a due heartbeat comes to, with their instants and sequence numbers.
fn calls(
    agents: &mut Agents,
    instant_us: u64,
    agent: u32,
    action: Action,
    outcome: Outcome,
) -> Vec<(u64, u64)> {
    let mut calls = Vec::new();
    let mut next = Some(task(agents, instant_us, agent, action));
    while let Some(task) = next {
        calls.push((task.planned_us, sequence(agents, task)));
        next = agents.answered(task, &answer(task, task.planned_us + 5, outcome)).reaction;
    }
    calls
}

#[test]
fn a_heartbeat_in_a_storm_is_repeated_at_once_with_rising_sequence_numbers() {
    let mut agents = impatient();
    assert_eq!(calls(&mut agents, 1_000, 3, FIRST, Outcome::Registered), [(1_000, 1)]);
    assert_eq!(calls(&mut agents, 1_050, 3, BEAT, Outcome::Renewed), [(1_050, 2)]);
    assert_eq!(calls(&mut agents, 1_150, 3, BEAT, Outcome::Renewed), [(1_150, 3), (1_155, 4), (1_160, 5)]);
    // However the heartbeat ended.
    assert_eq!(calls(&mut agents, 1_180, 3, BEAT, Outcome::TimedOut), [(1_180, 6), (1_185, 7), (1_190, 8)]);
    assert_eq!(calls(&mut agents, 1_200, 3, BEAT, Outcome::Renewed), [(1_200, 9)]);
    assert_eq!(calls(&mut agents, 1_150, 4, FIRST, Outcome::Registered), [(1_150, 1)]);
}

#[test]
fn what_an_answer_demands_comes_before_the_repetitions() {
    let mut agents = impatient();
    calls(&mut agents, 1_000, 3, FIRST, Outcome::Registered);
    let beat = task(&mut agents, 1_150, 3, BEAT);
    let demanded = agents.answered(beat, &answer(beat, 1_155, Outcome::Unknown)).reaction.unwrap();
    assert_eq!(demanded.operation, Operation::Register);
    assert_eq!(due(&mut agents, 1_156, 3, BEAT), Due::Miss(Operation::Register));
    let first = agents.answered(demanded, &answer(demanded, 1_160, Outcome::Registered)).reaction.unwrap();
    assert_eq!((first.operation, first.planned_us), (Operation::Renew, 1_160));
    let second = agents.answered(first, &answer(first, 1_165, Outcome::Renewed)).reaction.unwrap();
    assert_eq!(agents.answered(second, &answer(second, 1_170, Outcome::Renewed)).reaction, None);
}
