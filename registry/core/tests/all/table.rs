//! Each row of the table of section 4.1, and what section 4.9 settles.

use registry_core::heartbeat::Outcome;
use serde_json::json;

use crate::support::{MS, World, full, lean, with};

#[test]
fn never_seen_lean_is_unknown_and_full_registers() {
    let mut world = World::new();
    assert_eq!(world.result(&lean("a")), "410");
    let answer = world.beat(&full("a")).unwrap();
    assert_eq!((answer.result, answer.epoch), (Outcome::Registered, 1));
    assert_eq!(world.revision().0, 1);
}

#[test]
fn expired_lean_is_unknown_and_full_begins_the_next_epoch() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(200 * MS);
    assert_eq!(world.result(&lean("a")), "410");
    assert_eq!(world.status("a"), "expired, missed");
    let answer = world.beat(&full("a")).unwrap();
    assert_eq!((answer.result, answer.epoch), (Outcome::Registered, 2));
}

#[test]
fn evicted_lean_is_unknown_and_full_begins_the_next_epoch() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(600 * MS);
    assert_eq!(world.status("a"), "gone");
    assert_eq!(world.result(&lean("a")), "410");
    // Long after it was evicted the epoch is still counted on.
    world.wait_us(100_000 * MS);
    assert_eq!(world.beat(&full("a")).unwrap().epoch, 2);
}

#[test]
fn live_with_the_same_document_and_status_is_renewed_and_nothing_changes() {
    let mut world = World::new();
    let body = with(full("a"), json!({ "labels": { "k": "v" }, "metadata": { "x": 1, "y": 2 } }));
    world.beat(&body).unwrap();
    let revision = world.revision();
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.result(&body), "renewed");
    let written_otherwise = with(body, json!({ "metadata": { "y": 2, "x": 1 }, "agent_type": "default" }));
    assert_eq!(world.result(&written_otherwise), "renewed");
    assert_eq!(world.revision(), revision);
}

#[test]
fn live_with_something_visible_different_is_updated() {
    let different = [
        json!({ "endpoint": "http://h/2" }),
        json!({ "labels": { "k": "w" } }),
        json!({ "metadata": { "x": 2 } }),
        json!({ "dependencies": [{ "capability": "c" }] }),
        json!({ "capabilities": [{ "name": "c" }] }),
        json!({ "agent_type": "slow" }),
        json!({ "status": "degraded" }),
    ];
    for members in different {
        let mut world = World::new();
        let body = with(full("a"), json!({ "endpoint": "http://h/1", "metadata": { "x": 1 } }));
        world.beat(&body).unwrap();
        let answer = world.beat(&with(body, members.clone())).unwrap();
        assert_eq!((answer.result, answer.epoch, answer.revision.0), (Outcome::Updated, 1, 2), "{members}");
    }
}

#[test]
fn a_lean_heartbeat_can_change_the_status_only() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    assert_eq!(world.result(&with(lean("a"), json!({ "status": "degraded" }))), "updated");
    assert_eq!(world.status("a"), "degraded");
    assert_eq!(world.events().last().unwrap(), "degraded reported healthy>degraded");
}

#[test]
fn a_sequence_that_is_not_above_the_last_is_stale_and_moves_no_lease() {
    let mut world = World::new();
    let beat = |sequence: u64| with(full("a"), json!({ "incarnation": 1, "sequence": sequence }));
    world.beat(&beat(5)).unwrap();
    world.wait_us(50 * MS);
    let other = json!({ "status": "degraded", "labels": { "k": "v" } });
    assert_eq!(world.result(&with(beat(5), other.clone())), "stale");
    assert_eq!(world.result(&with(beat(4), other)), "stale");
    assert_eq!(world.result(&with(lean("a"), json!({ "sequence": 5 }))), "stale");
    assert_eq!(world.revision().0, 1);
    world.wait_us(50 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    assert_eq!(world.result(&beat(6)), "renewed");
    // One without a sequence is accepted, and forgets none.
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.result(&beat(6)), "stale");
}

#[test]
fn a_lower_incarnation_is_refused_and_changes_nothing() {
    let mut world = World::new();
    world.beat(&with(full("a"), json!({ "incarnation": 2 }))).unwrap();
    world.wait_us(60 * MS);
    assert_eq!(world.result(&with(full("a"), json!({ "incarnation": 1, "status": "degraded" }))), "409");
    assert_eq!(world.result(&with(lean("a"), json!({ "incarnation": 1 }))), "409");
    world.wait_us(40 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
}

#[test]
fn a_higher_incarnation_must_be_full_and_begins_the_next_epoch() {
    let mut world = World::new();
    world.beat(&with(full("a"), json!({ "incarnation": 1, "sequence": 9 }))).unwrap();
    assert_eq!(world.result(&with(lean("a"), json!({ "incarnation": 2 }))), "410");
    let answer = world.beat(&with(full("a"), json!({ "incarnation": 2, "sequence": 1 }))).unwrap();
    assert_eq!((answer.result, answer.epoch), (Outcome::Registered, 2));
    assert_eq!(world.events(), ["registered - ->healthy", "registered - healthy>healthy"]);
}

#[test]
fn a_heartbeat_without_incarnation_comes_from_the_same_process() {
    let mut world = World::new();
    world.beat(&with(full("a"), json!({ "incarnation": 7 }))).unwrap();
    assert_eq!(world.result(&full("a")), "renewed");
    assert_eq!(world.result(&lean("a")), "renewed");
    // One that registered without counts as 0.
    world.beat(&full("b")).unwrap();
    assert_eq!(world.result(&with(full("b"), json!({ "incarnation": 0 }))), "renewed");
    assert_eq!(world.result(&with(full("b"), json!({ "incarnation": 1 }))), "registered");
}

#[test]
fn a_deregistered_incarnation_never_comes_back() {
    let mut world = World::new();
    let beat = |incarnation: u64| with(full("a"), json!({ "incarnation": incarnation }));
    world.beat(&beat(5)).unwrap();
    assert!(world.leave("a"));
    assert_eq!(world.status("a"), "gone");
    assert!(!world.leave("a"));
    for body in [beat(5), beat(4), lean("a"), with(lean("a"), json!({ "incarnation": 6 }))] {
        assert_eq!(world.result(&body), "410", "{body}");
    }
    // A full one without incarnation registers, and counts as 0; the process that left stays out all the same.
    assert_eq!(world.beat(&full("a")).unwrap().epoch, 2);
    assert_eq!(world.result(&beat(5)), "410");
    assert_eq!(world.result(&lean("a")), "renewed");
    assert!(world.leave("a"));
    assert_eq!(world.result(&beat(5)), "410", "a later deregistration forgets no earlier one");
    assert_eq!(world.beat(&beat(6)).unwrap().epoch, 3);
}

#[test]
fn an_expired_agent_can_deregister() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(300 * MS);
    assert!(world.leave("a"));
    assert_eq!(world.events().last().unwrap(), "deregistered - expired>-");
}

#[test]
fn a_full_registry_refuses_new_agents_only() {
    let mut world = World::holding(2);
    world.beat(&full("a")).unwrap();
    world.beat(&full("b")).unwrap();
    assert_eq!(world.result(&full("c")), "507");
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.result(&with(full("a"), json!({ "incarnation": 1 }))), "registered");
    world.leave("b");
    assert_eq!(world.result(&full("c")), "registered");
    assert_eq!(world.result(&full("b")), "507");
}

#[test]
fn a_lean_heartbeat_and_a_probe_keep_the_reported_status_and_a_full_one_does_not() {
    let mut world = World::new();
    let degraded = with(full("a"), json!({ "status": "degraded" }));
    world.beat(&degraded).unwrap();
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.core.probe(world.moment(), &crate::support::id("a"), None).outcome, Ok(false));
    assert_eq!(world.status("a"), "degraded");
    assert_eq!(world.result(&full("a")), "updated");
    assert_eq!(world.status("a"), "healthy");
}

#[test]
fn coming_back_from_a_missed_heartbeat_is_renewed_with_a_revision_and_an_event() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.wait_us(150 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    let before = world.revision();
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.revision(), before.next());
    assert_eq!(world.events().last().unwrap(), "recovered heartbeat degraded>healthy");
}

#[test]
fn missing_a_heartbeat_gives_the_reason_also_to_one_that_reported_degraded() {
    let mut world = World::new();
    world.beat(&with(full("a"), json!({ "status": "degraded" }))).unwrap();
    let before = world.revision();
    world.wait_us(100 * MS);
    assert_eq!(world.status("a"), "degraded, missed");
    assert_eq!(world.revision(), before.next());
    assert_eq!(world.result(&lean("a")), "renewed");
    assert_eq!(world.status("a"), "degraded");
}
