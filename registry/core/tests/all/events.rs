//! `/events`: in order, each transition once, bounded.

use registry_core::events::{EventFilter, KEPT, KEPT_MS, Kind};
use registry_core::saving::Saved;
use registry_core::time::{Moment, WallTime};
use registry_core::{Registry, intake};

use crate::support::{MS, World, full, setup};

fn numbers(world: &mut World, filter: &EventFilter, limit: usize) -> Vec<u64> {
    let page = world.core.events(world.moment(), filter, limit);
    page.events.iter().map(|event| event.number).collect()
}

#[test]
fn each_transition_is_told_once_and_in_order_saved_or_not() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.beat(&full("b")).unwrap();
    world.wait_us(700 * MS);
    let all = EventFilter::default();
    let page = world.core.events(world.moment(), &all, 100);
    let told: Vec<_> =
        page.events.iter().map(|event| (event.kind.as_str(), event.agent_id.as_str())).collect();
    assert_eq!(
        told,
        [
            ("registered", "a"),
            ("registered", "b"),
            ("degraded", "a"),
            ("degraded", "b"),
            ("expired", "a"),
            ("expired", "b"),
            ("evicted", "a"),
            ("evicted", "b")
        ]
    );
    assert_eq!(page.oldest, Some(1));
    assert!(page.events.windows(2).all(|pair| pair[0].number < pair[1].number));
    assert!(page.events.windows(2).all(|pair| pair[0].revision <= pair[1].revision));

    let batch = world.core.take_batch(1);
    world.core.batch_committed(&batch);
    assert_eq!(world.core.events(world.moment(), &all, 100), page, "the store's progress changes nothing");
    assert_eq!(world.core.take_batch(100).events.first().map(|event| event.number), Some(2));

    assert_eq!(numbers(&mut world, &EventFilter { after: 6, ..all.clone() }, 100), [7, 8]);
    assert_eq!(numbers(&mut world, &EventFilter { after: 6, ..all.clone() }, 1), [7]);
    let of_b = EventFilter { agent_id: Some("b".into()), after: 2, ..all.clone() };
    assert_eq!(numbers(&mut world, &of_b, 100), [4, 6, 8]);
    let expired = EventFilter { kind: Some(Kind::Expired), ..all };
    assert_eq!(numbers(&mut world, &expired, 100), [5, 6]);
}

#[test]
fn they_are_bounded_by_count_and_by_age() {
    let mut world = World::new();
    for _ in 0..=KEPT / 2 {
        world.beat(&full("a")).unwrap();
        world.leave("a");
    }
    let page = world.core.events(world.moment(), &EventFilter::default(), KEPT + 10);
    assert_eq!((page.events.len(), page.oldest), (KEPT, Some(3)));

    let wall = WallTime(world.moment().wall.0 + KEPT_MS + 1);
    let later = Moment { wall, ..world.moment() };
    let beat = intake::heartbeat(full("b").to_string().as_bytes()).unwrap();
    world.core.heartbeat(later, beat).outcome.unwrap();
    let page = world.core.events(later, &EventFilter::default(), 10);
    assert_eq!(page.events.len(), 1, "those of a week ago are gone");
}

#[test]
fn after_a_restart_they_go_on_where_they_were() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.leave("a");
    let before = world.core.take_batch(100);
    world.core.batch_committed(&before);
    let saved = Saved {
        revision: world.core.revision(),
        next_event: 3,
        events: before.events.clone(),
        agents: before.saves.clone(),
    };
    let now_us = world.now_us;
    let mut world = World { core: Registry::restore(setup(10), saved, world.moment()), now_us };
    assert!(!world.core.has_unsaved(), "what the store has is not written again");
    world.beat(&full("a")).unwrap();
    assert_eq!(numbers(&mut world, &EventFilter::default(), 10), [1, 2, 3]);
    let batch = world.core.take_batch(100);
    assert_eq!(batch.events.iter().map(|event| event.number).collect::<Vec<_>>(), [3]);
}
