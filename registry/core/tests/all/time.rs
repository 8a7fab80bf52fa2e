//! Section 3: what silence does, to the microsecond.

use serde_json::json;

use crate::support::{MS, World, full, lean, with};

#[test]
fn a_status_lasts_to_the_microsecond() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    for (at_us, status) in [
        (0, "healthy"),
        (100 * MS - 1, "healthy"),
        (100 * MS, "degraded, missed"),
        (200 * MS - 1, "degraded, missed"),
        (200 * MS, "expired, missed"),
        (600 * MS - 1, "expired, missed"),
        (600 * MS, "gone"),
    ] {
        world.now_us = at_us;
        assert_eq!(world.status("a"), status, "at {at_us} us");
    }
    assert_eq!(
        world.events(),
        [
            "registered - ->healthy",
            "degraded missed_heartbeat healthy>degraded",
            "expired missed_heartbeat degraded>expired",
            "evicted missed_heartbeat expired>-",
        ]
    );
    assert_eq!(world.revision().0, 4, "each transition takes a revision of its own");
}

#[test]
fn a_heartbeat_at_the_last_microsecond_saves_the_lease_and_at_the_deadline_does_not() {
    let mut world = World::new();
    world.beat(&full("early")).unwrap();
    world.beat(&full("late")).unwrap();
    world.now_us = 200 * MS - 1;
    assert_eq!(world.result(&lean("early")), "renewed");
    world.now_us = 200 * MS;
    assert_eq!(world.result(&lean("late")), "410");
    assert_eq!(world.status("early"), "healthy");
}

#[test]
fn silence_is_counted_from_the_last_accepted_heartbeat() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    for _ in 0..50 {
        world.wait_us(100 * MS - 1);
        assert_eq!(world.status("a"), "healthy");
        assert_eq!(world.result(&lean("a")), "renewed");
    }
    assert_eq!(world.revision().0, 1, "renewals are no visible change");
    world.wait_us(200 * MS);
    assert_eq!(world.status("a"), "expired, missed");
}

#[test]
fn a_clock_that_goes_backwards_shortens_no_lease() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.now_us = 50 * MS;
    world.beat(&lean("a")).unwrap();
    world.now_us = 10 * MS;
    world.beat(&lean("a")).unwrap();
    world.now_us = 150 * MS - 1;
    assert_eq!(world.status("a"), "healthy");
}

#[test]
fn each_type_has_its_own_policy_and_a_change_of_type_takes_effect_at_once() {
    let mut world = World::new();
    world.beat(&full("quick")).unwrap();
    world.beat(&with(full("slow"), json!({ "agent_type": "slow" }))).unwrap();
    let answer = world.beat(&with(full("slow"), json!({ "agent_type": "slow" }))).unwrap();
    assert_eq!((answer.heartbeat_interval_ms, answer.expires_after_ms), (500, 2_000));
    world.wait_us(999 * MS);
    assert_eq!(world.status("quick"), "gone");
    assert_eq!(world.status("slow"), "healthy");
    assert_eq!(world.result(&full("slow")), "updated");
    world.wait_us(100 * MS);
    assert_eq!(world.status("slow"), "degraded, missed");
}

#[test]
fn the_next_deadline_is_never_too_late() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    let mut transitions = 0;
    for _ in 0..10 {
        let Some(deadline) = world.core.next_deadline() else { break };
        world.now_us = deadline.us() - 1;
        let before = world.revision();
        world.now_us += 1;
        transitions += world.revision().0 - before.0;
    }
    assert_eq!(transitions, 3, "degraded, expired, evicted");
    assert_eq!(world.core.next_deadline(), None, "then it is only remembered");
}

#[test]
fn bounded_work_leaves_the_rest_for_later() {
    let mut world = World::new();
    for number in 0..10 {
        world.beat(&full(&format!("a{number}"))).unwrap();
    }
    world.wait_us(100 * MS);
    assert!(world.core.advance_some(world.moment(), 4));
    assert_eq!(world.core.revision().0, 14);
    assert!(!world.core.advance_some(world.moment(), 100));
    assert_eq!(world.core.revision().0, 20);
}

#[test]
fn the_health_view_counts_down_to_zero() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(150 * MS + 1);
    let health = world.core.health(world.moment(), &crate::support::id("a")).unwrap();
    assert_eq!(
        (health.silence_ms, health.degraded_in_ms, health.expires_in_ms, health.evicted_in_ms),
        (150, 0, 50, 450)
    );
}
