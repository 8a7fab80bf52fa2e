//! Other policies while agents live, and what is counted of them.

use std::collections::BTreeMap;

use proptest::prelude::*;
use registry_core::agent::Status;
use registry_core::document::AgentType;
use registry_core::figures::End;
use registry_core::policy::{Policies, Policy};
use serde_json::json;

use crate::support::{MS, POLICY, World, full, id, lean, with};

/// H, D, X, Q in milliseconds: the one that worlds begin with, a shorter, a longer, and one that overlaps.
const CHOICES: [[u64; 4]; 4] = [POLICY, [10, 20, 40, 80], [500, 1_000, 2_000, 6_000], [50, 150, 160, 300]];

fn policies(choice: usize) -> Policies {
    let [h, d, x, q] = CHOICES[choice];
    Policies::new(BTreeMap::from([(AgentType::default(), Policy::new(h, d, x, q).unwrap())]))
}

fn reload(world: &mut World, choice: usize) -> usize {
    world.core.set_policies(world.moment(), policies(choice))
}

fn expires_after_ms(world: &mut World, agent_id: &str) -> u64 {
    world.core.health(world.moment(), &id(agent_id)).unwrap().policy.expires_after_ms()
}

#[test]
fn new_timeouts_hold_from_the_next_heartbeat_whose_answer_tells_them() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    assert_eq!(reload(&mut world, 1), 1);
    assert_eq!(expires_after_ms(&mut world, "a"), 200);
    world.wait_us(99 * MS);
    assert_eq!(world.status("a"), "healthy", "the old D is 100 ms");
    let answer = world.beat(&lean("a")).unwrap();
    assert_eq!((answer.heartbeat_interval_ms, answer.expires_after_ms), (10, 40));
    world.wait_us(20 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    world.wait_us(20 * MS);
    assert_eq!(world.status("a"), "expired, missed");
    assert_eq!(reload(&mut world, 1), 0, "the same again changes nothing");
}

#[test]
fn a_heartbeat_that_does_not_count_changes_nothing_over() {
    let mut world = World::new();
    let beat = with(full("a"), json!({ "incarnation": 1, "sequence": 5 }));
    world.beat(&beat).unwrap();
    reload(&mut world, 1);
    world.wait_us(50 * MS);
    assert_eq!(world.result(&beat), "stale");
    assert_eq!(world.beat(&beat).unwrap().expires_after_ms, 200);
    world.wait_us(49 * MS);
    assert_eq!(world.status("a"), "healthy");
}

#[test]
fn agents_are_counted_by_type_and_types_without_a_policy_together() {
    let mut world = World::new();
    for (agent_id, agent_type) in [("a", "slow"), ("b", "whim-1"), ("c", "whim-2"), ("d", "default")] {
        world.beat(&with(full(agent_id), json!({ "agent_type": agent_type }))).unwrap();
    }
    let counts = world.core.agents_by_type(world.moment());
    let healthy: Vec<_> =
        counts.iter().map(|(name, counts)| (name.as_str(), counts[Status::Healthy as usize])).collect();
    assert_eq!(healthy, [("default", 1), ("other", 2), ("slow", 1)]);
    world.wait_us(200 * MS);
    let counts = world.core.agents_by_type(world.moment());
    assert_eq!(counts["other"], [0, 0, 2]);
    assert_eq!(counts["slow"], [1, 0, 0]);
    world.leave("a");
    world.leave("b");
    let figures = world.core.figures();
    let ended: Vec<_> = figures.ended().filter(|(.., count)| *count > 0).collect();
    assert_eq!(
        ended,
        [("default", End::Expired, 1), ("other", End::Expired, 2), ("slow", End::Deregistered, 1)],
        "an expired lease does not end again"
    );
    world.beat(&with(full("e"), json!({ "incarnation": 1 }))).unwrap();
    world.beat(&with(full("e"), json!({ "incarnation": 2 }))).unwrap();
    assert!(world.core.figures().ended().any(|end| end == ("default", End::Replaced, 1)));
}

#[test]
fn the_age_of_a_heartbeat_is_the_silence_that_it_ends_and_lag_is_lateness() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    assert_eq!(world.core.figures().heartbeat_age.count, 0, "a registration ends no silence");
    world.wait_us(30 * MS);
    world.beat(&lean("a")).unwrap();
    world.wait_us(107 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    let figures = world.core.figures();
    assert_eq!((figures.heartbeat_age.count, figures.heartbeat_age.sum_us), (1, 30_000));
    assert_eq!((figures.transition_lag.count, figures.transition_lag.sum_us), (1, 7_000));
}

#[derive(Debug, Clone)]
enum Step {
    Beat { lean: bool },
    Reload { choice: usize },
    Wait { us: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let near = prop::sample::select(CHOICES.concat());
    prop_oneof![
        3 => any::<bool>().prop_map(|lean| Step::Beat { lean }),
        2 => (0..CHOICES.len()).prop_map(|choice| Step::Reload { choice }),
        4 => (near, -1..=1_i64).prop_map(|(ms, us)| Step::Wait { us: ms.cast_signed() * MS + us }),
    ]
}

/// An agent lives by the policy under which its last heartbeat was accepted: the model is nothing but that.
fn run(steps: Vec<Step>) {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    let (mut seen_us, mut lease, mut current) = (world.now_us, 0, 0);
    // Those that were in force at any time since the last heartbeat, that of the lease included.
    let mut in_force = vec![0];
    for step in steps {
        match step {
            Step::Wait { us } => world.wait_us(us),
            Step::Reload { choice } => {
                reload(&mut world, choice);
                current = choice;
                in_force.push(choice);
            }
            Step::Beat { lean: is_lean } => {
                let body = if is_lean { lean("a") } else { full("a") };
                if world.beat(&body).is_ok() {
                    (seen_us, lease, in_force) = (world.now_us, current, vec![current]);
                }
            }
        }
        let silence_us = world.now_us - seen_us;
        let [_, d, x, q] = CHOICES[lease].map(|ms| ms.cast_signed() * MS);
        let expected = match silence_us {
            us if us < d => "healthy",
            us if us < x => "degraded, missed",
            us if us < q => "expired, missed",
            _ => "gone",
        };
        assert_eq!(world.status("a"), expected, "{silence_us} us under {lease}");
        if matches!(expected, "expired, missed" | "gone") {
            let smallest =
                in_force.iter().map(|choice| CHOICES[*choice][2].cast_signed() * MS).min().unwrap();
            assert!(silence_us >= smallest, "expired sooner than the smaller of the deadlines");
        }
        let health = world.core.health(world.moment(), &id("a"));
        assert_eq!(health.is_none(), expected == "gone");
        // A sleeping timer must never oversleep what is due next.
        if let (Some(health), Some(next)) = (health, world.core.next_deadline()) {
            let due = match health.status {
                Status::Healthy => d,
                Status::Degraded => x,
                Status::Expired => q,
            };
            assert!(next.us() <= seen_us + due, "the timer stands at {} for {}", next.us(), seen_us + due);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn whatever_is_reloaded_a_lease_keeps_the_policy_of_its_last_heartbeat(
        steps in prop::collection::vec(step(), 1..60),
    ) {
        run(steps);
    }
}
