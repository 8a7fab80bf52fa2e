//! The plan: a pure function of scenario and seed.

mod declared;
mod parts;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::plan::schedule::{Action, Planned, Schedule};
use agent_sim::plan::{Plan, plan_hash};
use proptest::prelude::*;
use scenarios::model::{
    Connections, Discovery, Fleet, Phase, PhaseKind, Popularity, Protocol, Scenario, Target, TargetKind,
};

const SECOND_US: u64 = 1_000_000;

pub(crate) fn fleet(name: &str, agents: u32) -> Fleet {
    Fleet {
        name: name.to_owned(),
        agents,
        agent_type: "default".to_owned(),
        heartbeat: Duration::from_secs(1),
        poll: None,
        jitter: 0.0,
        capability_pool: 4,
        capabilities_per_agent: 2,
        dependencies_per_agent: 0,
        popularity: Popularity::default(),
        connections: Connections::default(),
        protocol: Protocol::default(),
        discovery: Discovery::default(),
    }
}

pub(crate) fn phase(name: &str, kind: PhaseKind, duration: Duration) -> Phase {
    Phase { name: name.to_owned(), kind, duration }
}

pub(crate) fn scenario(fleets: Vec<Fleet>, phases: Vec<Phase>) -> Scenario {
    Scenario {
        name: "test".to_owned(),
        description: String::new(),
        seed: 1,
        target: Target {
            kind: TargetKind::Reference,
            dialect: "wallflower".to_owned(),
            policies: BTreeMap::new(),
            transition_bound: Duration::from_millis(50),
        },
        fleets,
        phases,
        thresholds: Vec::new(),
        requirements: Vec::new(),
        call_timeout: Duration::from_secs(5),
        max_in_flight: 256,
        source_addresses: 0,
        workers: 0,
        profile: None,
        faults: Vec::new(),
        text: String::new(),
    }
}

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// Ramp 2 s, hold 3 s, crash of a part 2 s, recovery 3 s.
fn storm(fleets: Vec<Fleet>, share: f64) -> Scenario {
    let crash = PhaseKind::Crash { share, over: seconds(1) };
    let recover = PhaseKind::Recover { over: Duration::ZERO };
    scenario(
        fleets,
        vec![
            phase("ramp", PhaseKind::Ramp, seconds(2)),
            phase("hold", PhaseKind::Hold, seconds(3)),
            phase("crash", crash, seconds(2)),
            phase("recover", recover, seconds(3)),
        ],
    )
}

fn schedule(scenario: &Scenario, seed: u64) -> Vec<Planned> {
    Schedule::new(Arc::new(Plan::new(scenario, seed))).collect()
}

fn of_agent(planned: &[Planned], agent: u32) -> Vec<(u64, Action)> {
    let own = planned.iter().filter(|one| one.agent == Some(agent));
    own.map(|one| (one.instant_us, one.action)).collect()
}

fn count(planned: &[Planned], is: impl Fn(&Action) -> bool) -> usize {
    planned.iter().filter(|one| is(&one.action)).count()
}

#[test]
fn the_same_seed_gives_the_same_plan_to_the_byte_and_another_seed_another() {
    let scenario = storm(vec![Fleet { poll: Some(seconds(2)), jitter: 0.2, ..fleet("web", 50) }], 0.5);
    assert_eq!(schedule(&scenario, 7), schedule(&scenario, 7));
    assert_eq!(plan_hash(&scenario, 7), plan_hash(&scenario, 7));
    assert_ne!(schedule(&scenario, 7), schedule(&scenario, 8));
    assert_ne!(plan_hash(&scenario, 7), plan_hash(&scenario, 8));
    assert_eq!(plan_hash(&scenario, 7).len(), 64);
}

#[test]
fn the_hash_of_a_plan_is_the_same_on_every_machine() {
    // A change of this value means that saved seeds no longer repeat their runs: say so in the changelog.
    let scenario = storm(vec![Fleet { poll: Some(seconds(2)), jitter: 0.2, ..fleet("web", 50) }], 0.5);
    assert_eq!(plan_hash(&scenario, 7), "ea4ba1453d7d6319eb5fa0a7563cec28ab603547ca81302c84f80f1ceb34ea92");
}

#[test]
fn whatever_an_agent_does_or_declares_changes_the_hash() {
    let base = || Fleet { poll: Some(seconds(2)), jitter: 0.1, ..fleet("web", 20) };
    let hash = |fleet: Fleet| plan_hash(&storm(vec![fleet], 0.5), 1);
    let changed = [
        Fleet { name: "api".to_owned(), ..base() },
        Fleet { agents: 21, ..base() },
        Fleet { agent_type: "gpu".to_owned(), ..base() },
        Fleet { heartbeat: Duration::from_millis(999), ..base() },
        Fleet { poll: None, ..base() },
        Fleet { jitter: 0.11, ..base() },
        Fleet { capability_pool: 5, ..base() },
        Fleet { capabilities_per_agent: 1, ..base() },
        Fleet { dependencies_per_agent: 1, ..base() },
    ];
    for fleet in changed {
        let what = format!("{fleet:?}");
        assert_ne!(hash(fleet), hash(base()), "{what}");
    }
    assert_ne!(plan_hash(&storm(vec![base()], 0.25), 1), hash(base()), "the share that crashes");
}

#[test]
fn an_agent_keeps_its_instants_whatever_other_fleets_there_are() {
    let alone = schedule(&storm(vec![fleet("web", 10)], 0.0), 3);
    let beside = schedule(&storm(vec![fleet("web", 10), fleet("api", 90)], 0.0), 3);
    for agent in 0..10 {
        assert_eq!(of_agent(&alone, agent), of_agent(&beside, agent));
    }
}

#[test]
fn instants_never_fall() {
    let scenario = storm(vec![Fleet { poll: Some(seconds(1)), jitter: 0.5, ..fleet("web", 40) }], 0.5);
    let planned = schedule(&scenario, 5);
    assert!(planned.is_sorted_by_key(|one| one.instant_us));
    assert!(planned.last().is_some_and(|one| one.instant_us < 10 * SECOND_US));
}

#[test]
fn starts_are_spread_evenly_over_the_ramp() {
    for agents in [1_u32, 7, 100] {
        let scenario = storm(vec![fleet("web", agents)], 0.0);
        let plan = Plan::new(&scenario, 9);
        for agent in 0..agents {
            let start_us = plan.lives(agent)[0].start_us;
            let slot_us = 2 * SECOND_US / u64::from(agents);
            let slot_start_us = 2 * SECOND_US * u64::from(agent) / u64::from(agents);
            assert!(
                (slot_start_us..=slot_start_us + slot_us).contains(&start_us),
                "{agent} of {agents}: {start_us}"
            );
        }
    }
}

#[test]
fn a_crash_takes_exactly_its_share_and_recovery_brings_back_just_those() {
    for (share, crashed) in [(0.0, 0), (0.25, 25), (0.333, 33), (1.0, 100)] {
        let scenario = storm(vec![fleet("web", 60), fleet("api", 40)], share);
        let plan = Plan::new(&scenario, 4);
        let gone: Vec<u32> = (0..100).filter(|agent| plan.lives(*agent)[0].crash_us.is_some()).collect();
        assert_eq!(gone.len(), crashed, "share {share}");
        for agent in 0..100 {
            let lives = plan.lives(agent);
            assert_eq!(lives.len(), if gone.contains(&agent) { 2 } else { 1 });
            if let [first, second] = lives.as_slice() {
                let crash_us = first.crash_us.unwrap();
                assert!((5 * SECOND_US..6 * SECOND_US).contains(&crash_us), "{crash_us}");
                // All at once, as `over` is 0.
                assert_eq!((second.start_us, second.crash_us), (7 * SECOND_US, None));
            }
        }
        let planned = schedule(&scenario, 4);
        assert_eq!(count(&planned, |action| *action == Action::Crash), crashed);
        assert_eq!(count(&planned, |action| *action == Action::Register { incarnation: 1 }), 100);
        assert_eq!(count(&planned, |action| *action == Action::Register { incarnation: 2 }), crashed);
    }
}

#[test]
fn who_crashes_is_the_seeds_choice() {
    let scenario = storm(vec![fleet("web", 100)], 0.5);
    let crashed = |seed| -> Vec<u32> {
        let plan = Plan::new(&scenario, seed);
        (0..100).filter(|agent| plan.lives(*agent)[0].crash_us.is_some()).collect()
    };
    assert_eq!(crashed(1), crashed(1));
    assert_ne!(crashed(1), crashed(2));
    // Neither the first half nor the second.
    assert!(crashed(1).iter().any(|agent| *agent < 50) && crashed(1).iter().any(|agent| *agent >= 50));
}

#[test]
fn without_jitter_heartbeats_are_exactly_a_period_apart() {
    let planned = schedule(&storm(vec![fleet("web", 5)], 0.0), 2);
    for agent in 0..5 {
        let beats: Vec<u64> = of_agent(&planned, agent)
            .into_iter()
            .filter(|(_, action)| matches!(action, Action::Beat { .. }))
            .map(|(instant_us, _)| instant_us)
            .collect();
        // The run ends 10 s after its begin, agents start within the first 2 s.
        assert!((7..=10).contains(&beats.len()), "{beats:?}");
        for pair in beats.windows(2) {
            assert!((pair[1] - pair[0]).abs_diff(SECOND_US) <= 1, "{beats:?}");
        }
    }
}

#[test]
fn the_harness_reads_the_list_every_second_and_at_each_end_of_a_phase() {
    let half = Duration::from_millis(1_500);
    let scenario = scenario(
        vec![fleet("web", 3)],
        vec![phase("ramp", PhaseKind::Ramp, half), phase("hold", PhaseKind::Hold, seconds(2))],
    );
    let observed = |scenario: &Scenario| -> Vec<u64> {
        let planned = schedule(scenario, 1);
        let own = planned.iter().filter(|one| one.action == Action::Observe);
        own.inspect(|one| assert_eq!(one.agent, None)).map(|one| one.instant_us).collect()
    };
    assert_eq!(observed(&scenario), [1_000_000, 1_499_999, 2_000_000, 3_000_000, 3_499_999]);
}

#[test]
fn more_agents_are_listed_more_seldom_and_very_many_at_ends_of_phases_only() {
    let table = [(2_000, 11), (4_000, 6), (20_001, 2)];
    for (agents, times) in table {
        let phases =
            vec![phase("ramp", PhaseKind::Ramp, seconds(2)), phase("hold", PhaseKind::Hold, seconds(8))];
        let fleet = Fleet { heartbeat: seconds(60), ..fleet("web", agents) };
        let planned = schedule(&scenario(vec![fleet], phases), 1);
        assert_eq!(count(&planned, |action| *action == Action::Observe), times, "{agents} agents");
    }
}

#[test]
fn an_instant_belongs_to_the_phase_that_begins_with_it() {
    let plan = Plan::new(&storm(vec![fleet("web", 1)], 0.0), 1);
    let table = [
        (0, 0),
        (1_999_999, 0),
        (2_000_000, 1),
        (4_999_999, 1),
        (7_000_000, 3),
        (9_999_999, 3),
        (u64::MAX, 3),
    ];
    for (instant_us, phase) in table {
        assert_eq!(plan.phase_at(instant_us), phase, "{instant_us}");
    }
}

#[test]
fn an_empty_scenario_plans_nothing() {
    let nothing = scenario(Vec::new(), Vec::new());
    assert_eq!(schedule(&nothing, 1), []);
    assert_eq!(Plan::new(&nothing, 1).phase_at(5), 0);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_agent_keeps_its_rhythm_within_its_lives(
        seed in any::<u64>(),
        agents in 1_u32..40,
        heartbeat_ms in 50_u64..3_000,
        poll_ms in proptest::option::of(50_u64..3_000),
        jitter in 0.0_f64..=0.5,
        share in 0.0_f64..=1.0,
    ) {
        let heartbeat = Duration::from_millis(heartbeat_ms);
        let poll = poll_ms.map(Duration::from_millis);
        let scenario = storm(vec![Fleet { heartbeat, poll, jitter, ..fleet("web", agents) }], share);
        let plan = Plan::new(&scenario, seed);
        let planned = schedule(&scenario, seed);
        for agent in 0..agents {
            let own = of_agent(&planned, agent);
            let mut from = 0;
            for (index, life) in plan.lives(agent).iter().enumerate() {
                let until = own[from..]
                    .iter()
                    .skip(1)
                    .position(|(_, action)| matches!(action, Action::Register { .. }))
                    .map_or(own.len(), |position| from + position + 1);
                let whole = &own[from..until];
                let incarnation = u32::try_from(index).unwrap() + 1;
                prop_assert_eq!(whole[0], (life.start_us, Action::Register { incarnation }));
                let ends = matches!(whole.last(), Some((_, Action::Crash)));
                prop_assert_eq!(ends, life.crash_us.is_some());
                let end_us = life.crash_us.unwrap_or(10 * SECOND_US);
                for (instant_us, action) in &whole[1..] {
                    prop_assert!(*instant_us > life.start_us, "{:?} before its start", action);
                    prop_assert!(*instant_us < end_us || *action == Action::Crash, "{:?} after the end", action);
                }
                rhythm(whole, end_us, heartbeat, jitter, |action| match action {
                    Action::Beat { number } => Some(number),
                    _ => None,
                })?;
                if let Some(poll) = poll {
                    rhythm(whole, end_us, poll, jitter, |action| match action {
                        Action::Poll { number } => Some(number),
                        _ => None,
                    })?;
                }
                from = until;
            }
            prop_assert_eq!(from, own.len());
        }
    }
}

/// Numbers without a gap, instants on a grid of the period within the jitter, none left out before the end.
fn rhythm(
    life: &[(u64, Action)],
    end_us: u64,
    period: Duration,
    jitter: f64,
    number: impl Fn(Action) -> Option<u32>,
) -> Result<(), TestCaseError> {
    let period_us = period.as_micros() as f64;
    let start_us = life[0].0 as f64;
    let beats: Vec<(u64, u32)> =
        life.iter().filter_map(|(instant_us, action)| Some((*instant_us, number(*action)?))).collect();
    for (index, (_, number)) in beats.iter().enumerate() {
        prop_assert_eq!(u32::try_from(index).unwrap(), *number);
    }
    let reach_us = jitter * period_us + 1.0;
    for pair in beats.windows(2) {
        let gap_us = (pair[1].0 - pair[0].0) as f64;
        prop_assert!(
            (gap_us - period_us).abs() <= 2.0 * reach_us,
            "gap of {} us, period {}",
            gap_us,
            period_us
        );
    }
    if let Some((first_us, _)) = beats.first() {
        let first_us = *first_us as f64 - start_us;
        prop_assert!(first_us >= 0.1 * period_us - 1.0, "the first comes after {} us", first_us);
        prop_assert!(first_us <= period_us + reach_us, "the first comes after {} us", first_us);
    }
    // Silence until the end is no longer than a period may be.
    let last_us = beats.last().map_or(start_us, |(instant_us, _)| *instant_us as f64);
    prop_assert!(end_us as f64 - last_us <= period_us + 2.0 * reach_us);
    Ok(())
}
