//! What the store is handed, what waits for it, and how a registry comes back.

use registry_core::saving::{Batch, Saved, SavedAgent};
use serde_json::{Value, json};

use crate::support::{MS, World, full, lean, setup, with};

impl World {
    fn save(&mut self) -> Batch {
        let batch = self.core.take_batch(usize::MAX);
        self.core.batch_committed(&batch);
        batch
    }

    /// What a store holds that has taken every batch.
    fn restart(mut self, mut store: Vec<SavedAgent>, down_us: i64) -> (Self, Vec<SavedAgent>) {
        self.core.advance(self.moment());
        let batch = self.save();
        for save in batch.saves {
            store.retain(|agent| agent.key != save.key);
            store.push(save);
        }
        let saved =
            Saved { revision: batch.revision, next_event: 100, events: Vec::new(), agents: store.clone() };
        (World::from_saved(setup(1_000), saved, self.now_us + down_us), store)
    }

    fn waits(&mut self, body: &Value) -> bool {
        self.decide(body).ticket.is_some()
    }
}

#[test]
fn registrations_and_updates_wait_for_the_store_and_renewals_do_not() {
    let mut world = World::new();
    assert!(world.waits(&full("a")));
    assert!(world.waits(&lean("a")), "renewed rests upon a registration that is not saved");
    world.save();
    assert!(!world.waits(&lean("a")));
    assert!(world.waits(&with(lean("a"), json!({ "status": "degraded" }))));
    world.save();
    world.wait_us(150 * MS);
    assert!(!world.waits(&lean("a")), "a recovery is visible, but nobody is promised that it lasts");
    assert!(world.core.deregister(world.moment(), &crate::support::id("a")).ticket.is_some());
    assert!(world.waits(&lean("a")), "410 rests upon a deregistration that is not saved");
}

#[test]
fn what_an_answer_tells_of_others_or_of_a_timer_is_named_until_the_store_has_it() {
    let mut world = World::new();
    let needs = with(full("asker"), json!({ "dependencies": [{ "capability": "c" }] }));
    world.beat(&needs).unwrap();
    world.save();
    let offers = world.beat(&with(full("b"), json!({ "capabilities": [{ "name": "c" }] }))).unwrap();
    let wired = world.decide(&lean("asker"));
    assert_eq!((wired.ticket, wired.shows), (None, Some(offers.revision)), "it is told of b");
    let knows = with(lean("asker"), json!({ "wiring_revision": offers.revision }));
    let unwired = world.decide(&knows);
    assert_eq!((unwired.ticket, unwired.shows), (None, None), "only a number of what is not saved");
    world.save();
    assert_eq!(world.decide(&lean("asker")).shows, None);

    world.wait_us(200 * MS);
    let refused = world.decide(&lean("b"));
    assert!(refused.outcome.is_err() && refused.ticket.is_none());
    assert_eq!(refused.shows, world.core.changed(&crate::support::id("b")), "410 tells that it expired");
    let probed = world.core.probe(world.moment(), &crate::support::id("b"), None);
    assert_eq!(probed.shows, refused.shows);
    world.save();
    assert_eq!(world.decide(&lean("b")).shows, None);
}

#[test]
fn a_change_counts_as_saved_with_its_events_only_and_goes_into_the_store_together_with_them() {
    let mut world = World::new();
    let labelled = |number: u64| with(full("a"), json!({ "labels": { "n": number.to_string() } }));
    world.beat(&labelled(0)).unwrap();
    let first = world.core.take_batch(10);
    let last = (1..=20).map(|number| world.beat(&labelled(number)).unwrap().revision).last().unwrap();
    assert!(world.core.batch_committed(&first) < last);
    let second = world.core.take_batch(1);
    assert_eq!((second.saves.len(), second.events.len()), (1, 20), "one agent, all that happened to it");
    assert_eq!(world.core.batch_committed(&second), last);
    assert_eq!(world.core.saved_through(), last);
    assert!(!world.core.has_unsaved());
}

#[test]
fn renewals_write_nothing() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    world.save();
    for _ in 0..10 {
        world.wait_us(50 * MS);
        world.beat(&lean("a")).unwrap();
        world.beat(&full("a")).unwrap();
    }
    assert!(!world.core.has_unsaved());
}

#[test]
fn many_changes_of_one_agent_are_saved_as_the_last() {
    let mut world = World::new();
    for number in 0..10 {
        world.beat(&with(full("a"), json!({ "labels": { "n": number.to_string() } }))).unwrap();
    }
    let batch = world.save();
    assert_eq!(batch.saves.len(), 1);
    assert_eq!(batch.saves[0].document.labels.values().next().unwrap(), "9");
    assert_eq!(batch.events.len(), 10);
}

#[test]
fn a_document_is_written_again_only_when_it_changed() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    let failed = world.core.take_batch(usize::MAX);
    assert!(failed.saves[0].document_changed);
    world.core.batch_failed(&failed);
    assert!(world.save().saves[0].document_changed);
    world.wait_us(150 * MS);
    world.core.advance(world.moment());
    assert!(!world.save().saves[0].document_changed);
}

#[test]
fn a_failed_batch_is_saved_later_and_the_ticket_waits_for_it() {
    let mut world = World::new();
    let ticket_of = |world: &mut World, body: &Value| world.decide(body).ticket.unwrap();
    let first = ticket_of(&mut world, &full("a"));
    let failed = world.core.take_batch(usize::MAX);
    let second = ticket_of(&mut world, &full("b"));
    let third = ticket_of(&mut world, &with(full("a"), json!({ "labels": { "k": "v" } })));
    world.core.batch_failed(&failed);
    let partly = world.core.take_batch(1);
    assert_eq!(partly.saves[0].agent_id.as_str(), "a");
    assert!(partly.saves[0].document_changed);
    assert_eq!(partly.events.len(), 1);
    let saved = world.core.batch_committed(&partly);
    assert!(saved >= first && saved < second);
    let rest = world.core.take_batch(usize::MAX);
    assert_eq!(rest.saves.len(), 1);
    assert_eq!(rest.events.len(), 2);
    assert!(world.core.batch_committed(&rest) >= third);
    assert!(!world.core.has_unsaved());
}

#[test]
fn after_a_restart_the_living_have_a_full_lease_and_the_expired_stay_expired() {
    let mut world = World::new();
    world.beat(&with(full("old"), json!({ "metadata": { "deep": [1] } }))).unwrap();
    world.wait_us(150 * MS);
    world.beat(&full("young")).unwrap();
    world.beat(&full("missed")).unwrap();
    world.wait_us(90 * MS);
    world.beat(&lean("young")).unwrap();
    world.wait_us(20 * MS);
    assert_eq!(world.status("old"), "expired, missed");
    assert_eq!(world.status("missed"), "degraded, missed");
    let revision = world.revision();

    let (mut world, _) = world.restart(Vec::new(), 1_000_000 * MS);
    assert_eq!(world.status("young"), "healthy");
    assert_eq!(world.status("missed"), "healthy");
    assert_eq!(world.status("old"), "expired, missed");
    assert!(world.revision() > revision, "missed recovered, which is visible");
    assert_eq!(world.events(), ["recovered restart degraded>healthy"]);
    world.wait_us(200 * MS - 1);
    assert_eq!(world.status("young"), "degraded, missed");
    world.wait_us(1);
    assert_eq!(world.status("young"), "expired, missed");
    world.wait_us(200 * MS);
    assert_eq!(world.status("old"), "gone", "Q minus X after the restart");
    assert_eq!(world.beat(&full("old")).unwrap().epoch, 2);
}

#[test]
fn a_deregistered_incarnation_is_remembered_across_restarts_and_beyond_q() {
    let mut world = World::new();
    let beat = |incarnation: u64| with(full("a"), json!({ "incarnation": incarnation }));
    world.beat(&beat(u64::MAX - 1)).unwrap();
    let (mut world, store) = world.restart(Vec::new(), 0);
    world.leave("a");
    let (mut world, _) = world.restart(store, 10_000 * MS);
    world.wait_us(600 * MS);
    assert_eq!(world.result(&beat(u64::MAX - 1)), "410");
    assert_eq!(world.beat(&beat(u64::MAX)).unwrap().epoch, 2);
}

#[test]
fn without_a_change_the_revision_and_the_wiring_number_outlive_a_restart() {
    let mut world = World::new();
    let number = world.beat(&full("a")).unwrap().wiring_revision;
    let revision = world.revision();
    let (mut world, _) = world.restart(Vec::new(), 0);
    assert_eq!(world.revision(), revision);
    assert_eq!(world.beat(&lean("a")).unwrap().wiring_revision, number);
}

#[test]
fn the_gone_are_forgotten_beyond_a_number_and_their_rows_with_them() {
    let most = registry_core::timers::REMEMBERED;
    let mut world = World::holding(most * 2);
    for number in 0..most + 3 {
        world.beat(&full(&format!("a{number:06}"))).unwrap();
        world.leave(&format!("a{number:06}"));
        world.wait_us(1);
    }
    world.save();
    world.wait_us(600 * MS);
    world.core.advance(world.moment());
    let batch = world.save();
    assert_eq!(batch.forgets.len(), 3);
    assert_eq!(world.beat(&full("a000000")).unwrap().epoch, 1, "the oldest are forgotten first");
    assert_eq!(world.beat(&full("a000003")).unwrap().epoch, 2);
}

#[test]
fn registering_and_leaving_ever_new_ids_fills_no_memory() {
    let mut world = World::holding(5);
    let mut refused = 0;
    for number in 0..100 {
        match world.result(&full(&format!("a{number}"))).as_str() {
            "507" => refused += 1,
            _ => assert!(world.leave(&format!("a{number}"))),
        }
    }
    assert_eq!(refused, 90);
}
