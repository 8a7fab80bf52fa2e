//! What faults do to a plan: exact, by the seed, and countable at every instant.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::plan::schedule::{Action, Schedule};
use agent_sim::plan::share::Share;
use agent_sim::plan::{Plan, plan_hash};
use proptest::prelude::*;
use scenarios::model::{BadNetwork, FaultKind, InjectedFault, PhaseKind, Popularity, Scenario};
use scenarios::model::{Connections, Discovery, Fleet, Protocol};

use crate::plan::{fleet, phase, scenario};

const SECOND_US: u64 = 1_000_000;

fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

/// A ramp of 2 s and 8 minutes of steady life, in which the faults strike at the given seconds.
fn struck(agents: u32, faults: &[(u64, FaultKind)]) -> Scenario {
    let phases =
        vec![phase("ramp", PhaseKind::Ramp, seconds(2)), phase("hold", PhaseKind::Hold, seconds(480))];
    let injected = |(number, (at, kind)): (usize, &(u64, FaultKind))| InjectedFault {
        name: format!("fault-{number}"),
        phase: "hold".to_owned(),
        at: seconds(*at),
        kind: *kind,
    };
    let fleet = Fleet { heartbeat: seconds(60), ..fleet("web", agents) };
    Scenario { faults: faults.iter().enumerate().map(injected).collect(), ..scenario(vec![fleet], phases) }
}

fn ended(plan: &Plan) -> Vec<(u32, u64, bool)> {
    let mut ended: Vec<_> = (0..plan.agents())
        .flat_map(|agent| plan.lives(agent).into_iter().map(move |life| (agent, life)))
        .filter_map(|(agent, life)| Some((agent, life.crash_us?, life.leaves)))
        .collect();
    ended.sort_by_key(|(agent, end_us, _)| (*end_us, *agent));
    ended
}

const CRASH: FaultKind =
    FaultKind::Crash { share: 0.3, over: Duration::from_secs(4), back_after: Some(Duration::from_secs(6)) };
const LEAVE: FaultKind = FaultKind::Leave { share: 0.5, over: Duration::ZERO, back_after: None };
const CHURN: FaultKind = FaultKind::Churn {
    per_minute: 0.5,
    lasting: Duration::from_secs(240),
    down: Duration::from_secs(3),
    graceful: true,
};
const DEPLOY: FaultKind = FaultKind::Deploy {
    batches: 4,
    every: Duration::from_secs(5),
    down: Duration::from_secs(2),
    graceful: false,
};
const HERD: FaultKind = FaultKind::Herd { down: Duration::from_secs(2) };

#[test]
fn a_crash_takes_exactly_its_share_and_brings_each_back_after_its_own_end() {
    let plan = Plan::new(&struck(1_000, &[(10, CRASH)]), 3);
    let ended = ended(&plan);
    assert_eq!(ended.len(), 300);
    for (agent, end_us, leaves) in ended {
        assert!((12 * SECOND_US..16 * SECOND_US).contains(&end_us) && !leaves);
        assert_eq!(plan.lives(agent)[1].start_us, end_us + 6 * SECOND_US);
    }
}

#[test]
fn those_that_leave_say_so_and_stay_away_until_a_recovery() {
    let mut scenario = struck(100, &[(10, LEAVE)]);
    scenario.phases.push(phase("back", PhaseKind::Recover { over: Duration::ZERO }, seconds(10)));
    let plan = Arc::new(Plan::new(&scenario, 3));
    let planned: Vec<_> = Schedule::new(Arc::clone(&plan)).collect();
    let count = |wanted: Action| planned.iter().filter(|one| one.action == wanted).count();
    assert_eq!((count(Action::Leave), count(Action::Crash)), (50, 0));
    assert_eq!(count(Action::Register { incarnation: 2 }), 50);
    assert_eq!((plan.should_live(100 * SECOND_US), plan.should_live(482 * SECOND_US)), (50, 100));
    // Whoever has left does nothing until it is back.
    for agent in 0..100 {
        let own: Vec<_> = planned.iter().filter(|one| one.agent == Some(agent)).collect();
        for pair in own.windows(2) {
            if pair[0].action == Action::Leave {
                assert_eq!(pair[1].action, Action::Register { incarnation: 2 });
            }
        }
    }
}

#[test]
fn a_churn_replaces_exactly_so_many_evenly_and_all_in_turn() {
    let plan = Plan::new(&struck(200, &[(10, CHURN)]), 3);
    let ended = ended(&plan);
    // 200 agents, half of them a minute, for four minutes.
    assert_eq!(ended.len(), 400);
    assert!(ended.iter().all(|(_, _, leaves)| *leaves));
    for pair in ended.windows(2) {
        assert!((pair[1].1 - pair[0].1).abs_diff(600_000) <= 1, "{pair:?}");
    }
    let firsts: BTreeSet<u32> = ended[..200].iter().map(|(agent, ..)| *agent).collect();
    assert_eq!(firsts.len(), 200, "nobody twice before all had their turn");
    assert!(!ended[..200].is_sorted(), "by lot");
    for agent in 0..200 {
        let lives = plan.lives(agent);
        assert_eq!(lives.len(), 3);
        for pair in lives.windows(2) {
            assert_eq!(pair[1].start_us - pair[0].crash_us.unwrap(), 3 * SECOND_US);
        }
    }
}

#[test]
fn a_deploy_restarts_all_a_batch_after_the_other_by_their_numbers() {
    let plan = Plan::new(&struck(10, &[(10, DEPLOY)]), 3);
    let at: Vec<u64> = ended(&plan).iter().map(|(_, end_us, _)| *end_us / SECOND_US).collect();
    assert_eq!(at, [12, 12, 12, 17, 17, 22, 22, 22, 27, 27]);
    let order: Vec<u32> = ended(&plan).iter().map(|(agent, ..)| *agent).collect();
    assert!(order.is_sorted(), "{order:?}");
    assert_eq!(plan.lives(9)[1].start_us, 29 * SECOND_US);
}

#[test]
fn a_herd_ends_at_once_and_comes_back_in_one_instant() {
    let plan = Plan::new(&struck(50, &[(10, HERD)]), 3);
    let back: BTreeSet<u64> = (0..50).map(|agent| plan.lives(agent)[1].start_us).collect();
    assert_eq!(back.len(), 1, "{back:?}");
    assert_eq!((plan.should_live(13 * SECOND_US), plan.should_live(15 * SECOND_US)), (0, 50));
}

#[test]
fn partitions_and_retry_storms_strike_exact_shares_of_all_and_the_same_first() {
    let cut = |share| FaultKind::Partition { share, lasting: seconds(10), network: BadNetwork::Cut };
    let storm = FaultKind::RetryStorm { share: 0.25, lasting: seconds(10), retries: 3 };
    let plan = Plan::new(&struck(400, &[(10, cut(0.1)), (30, cut(0.5)), (50, storm)]), 3);
    let struck = |fault| (0..400).filter(|agent| plan.strikes(fault, *agent)).collect::<BTreeSet<u32>>();
    assert_eq!((struck(0).len(), struck(1).len(), struck(2).len()), (40, 200, 100));
    assert!(struck(0).is_subset(&struck(1)));
    for agent in 0..400 {
        let first = [0, 1].into_iter().find(|fault| struck(*fault).contains(&agent));
        assert_eq!(plan.partitioned(agent), first);
        let expected = if struck(2).contains(&agent) { 3 } else { 0 };
        assert_eq!(plan.retries(agent, 52 * SECOND_US), expected);
        assert_eq!((plan.retries(agent, 52 * SECOND_US - 1), plan.retries(agent, 62 * SECOND_US)), (0, 0));
    }
}

#[test]
fn kills_and_pauses_have_an_instant_for_each_time() {
    let kill = FaultKind::Kill { down: seconds(1), times: 3, every: seconds(5) };
    let pause = FaultKind::Pause { lasting: seconds(2), times: 1, every: Duration::ZERO };
    let plan = Plan::new(&struck(1, &[(40, pause), (10, kill)]), 3);
    let instants: Vec<_> = plan.faults().iter().map(|fault| fault.instants.clone()).collect();
    let at = |second: u64, length: u64| (second * SECOND_US, (second + length) * SECOND_US);
    assert_eq!(instants, [vec![at(12, 1), at(17, 1), at(22, 1)], vec![at(42, 2)]]);
    assert_eq!((plan.faults()[0].start_us, plan.faults()[0].end_us), (12 * SECOND_US, 23 * SECOND_US));
}

#[test]
fn whatever_a_fault_says_changes_the_hash_and_the_same_seed_gives_it_twice() {
    let faults = [
        CRASH,
        LEAVE,
        CHURN,
        DEPLOY,
        HERD,
        FaultKind::Kill { down: seconds(1), times: 1, every: Duration::ZERO },
        FaultKind::Kill { down: seconds(2), times: 1, every: Duration::ZERO },
        FaultKind::Pause { lasting: seconds(2), times: 1, every: Duration::ZERO },
        FaultKind::Partition { share: 0.3, lasting: seconds(2), network: BadNetwork::Cut },
        FaultKind::Partition { share: 0.4, lasting: seconds(2), network: BadNetwork::Cut },
        FaultKind::Partition {
            share: 0.3,
            lasting: seconds(2),
            network: BadNetwork::Delay { by: seconds(1) },
        },
        FaultKind::SlowReaders { connections: 1, bytes_per_second: 1, lasting: seconds(1) },
        FaultKind::RetryStorm { share: 0.3, lasting: seconds(2), retries: 1 },
    ];
    let hash = |scenario: &Scenario| plan_hash(scenario, 7);
    let mut hashes: BTreeSet<String> = faults.iter().map(|kind| hash(&struck(20, &[(5, *kind)]))).collect();
    assert_eq!(hash(&struck(20, &[(5, CHURN)])), hash(&struck(20, &[(5, CHURN)])));
    hashes.insert(hash(&struck(20, &[])));
    hashes.insert(hash(&struck(20, &[(6, CHURN)])));
    let ways: [fn(&mut Fleet); 4] = [
        |fleet| fleet.popularity = Popularity::Zipf { exponent: 1.1 },
        |fleet| fleet.connections = Connections::Own,
        |fleet| fleet.protocol = Protocol::Mcp,
        |fleet| fleet.discovery = Discovery::Delta,
    ];
    for way in ways {
        let mut scenario = struck(20, &[]);
        way(&mut scenario.fleets[0]);
        hashes.insert(hash(&scenario));
    }
    assert_eq!(hashes.len(), faults.len() + 6, "each differs");
}

#[test]
fn popular_capabilities_are_offered_and_wanted_more_often() {
    let web = Fleet {
        popularity: Popularity::Zipf { exponent: 1.1 },
        capability_pool: 100,
        dependencies_per_agent: 1,
        ..fleet("web", 2_000)
    };
    let plan = Plan::new(&scenario(vec![web], vec![phase("ramp", PhaseKind::Ramp, seconds(2))]), 5);
    let having = |name: &str| {
        (0..2_000)
            .filter(|agent| plan.identity(*agent).unwrap().capabilities.iter().any(|one| one == name))
            .count()
    };
    // The first of 100 has 23 % of one choice, and two are made.
    assert!(having("web.cap-1") > 500 && having("web.cap-90") < 50);
    for agent in 0..50 {
        let wanted = plan.identity(agent).unwrap().dependencies;
        assert_eq!(plan.question(agent, 4).1.as_deref(), Some(wanted[0].as_str()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    /// The count by formula is the count by looking at every agent, of the whole and of a part.
    #[test]
    fn who_should_live_can_be_counted_at_every_instant(
        seed in any::<u64>(),
        agents in 1_u32..30,
        per_minute in 0.0_f64..2.0,
        down_ms in 0_u64..20_000,
        graceful in any::<bool>(),
        instants in prop::collection::vec(0_u64..490 * SECOND_US, 20),
        parts in 1_u32..5,
    ) {
        let down = Duration::from_millis(down_ms);
        let churn = FaultKind::Churn { per_minute, lasting: seconds(200), down, graceful };
        let scenario = struck(agents, &[(0, CRASH), (11, churn), (240, DEPLOY), (270, HERD), (280, LEAVE)]);
        let share = Share::of(seed as u32 % parts + 1, parts).unwrap();
        let (plan, part) = (Plan::new(&scenario, seed), Plan::new(&scenario, seed).counting(share));
        prop_assert_eq!(part.counted() as usize, (0..agents).filter(|agent| share.has(*agent)).count());
        for agent in 0..agents {
            let lives = plan.lives(agent);
            for pair in lives.windows(2) {
                prop_assert!(pair[0].start_us < pair[0].crash_us.unwrap());
                prop_assert!(pair[0].crash_us.unwrap() < pair[1].start_us, "{:?}", pair);
            }
        }
        let cuts: Vec<u64> = ended(&plan).iter().map(|(_, end_us, _)| *end_us).collect();
        for instant_us in instants.into_iter().chain(cuts.iter().copied()).chain(cuts.iter().map(|cut| cut + 1)) {
            let alive: Vec<u32> = (0..agents).filter(|agent| {
                plan.lives(*agent).iter().any(|life| {
                    life.start_us <= instant_us && life.crash_us.is_none_or(|end_us| instant_us < end_us)
                })
            }).collect();
            prop_assert_eq!(plan.should_live(instant_us), alive.len() as u64, "at {}", instant_us);
            let own = alive.iter().filter(|agent| share.has(**agent)).count();
            prop_assert_eq!(part.should_live(instant_us), own as u64, "part, at {}", instant_us);
        }
    }
}
