//! What changed since: the list at one revision with the delta applied is the list at the other, under every filter.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use registry_core::agent::Status;
use registry_core::changes::Resync;
use registry_core::document::Requirement;
use registry_core::events::EventFilter;
use registry_core::listing::{AgentFilter, CapabilityFilter, LabelTest, PageRequest, View};
use registry_core::saving::Saved;
use registry_core::search::Query;
use registry_core::time::Revision;
use serde_json::{Value, json};

use crate::support::{MS, World, full, lean, setup, with};

/// A list by id or name.
type List = BTreeMap<String, Value>;

impl World {
    fn whole(&mut self, view: &View) -> List {
        let page = PageRequest { limit: 10_000, cursor: None };
        let candidates = self.core.candidates(self.moment(), view, &page);
        let listed = self.core.list(self.moment(), view, &page).unwrap();
        if let Some(mut candidates) = candidates {
            while !self.core.gather_candidates(self.moment(), &mut candidates, 1) {}
            let tag = self.core.tag(self.moment(), view, &page).unwrap();
            let (tag_found, found) = self.core.list_found(candidates.search(), &page);
            assert_eq!((tag_found, found.entries()), (tag, listed.entries()), "in steps or at one go");
        }
        keyed(self.core.list(self.moment(), view, &page).unwrap().entries())
    }

    fn since(&mut self, view: &View, since: Revision) -> Result<(List, Vec<String>), Resync> {
        let delta = self.core.delta(self.moment(), view, "s", since)?;
        assert_eq!(delta.revision, self.core.revision());
        assert_eq!(delta.is_empty(), delta.changed.is_empty() && delta.removed.is_empty());
        Ok((keyed(&delta.changed), delta.removed.iter().map(ToString::to_string).collect()))
    }
}

fn keyed(entries: &[std::sync::Arc<str>]) -> List {
    let entries = entries.iter().map(|entry| {
        let entry: Value = serde_json::from_str(entry).unwrap();
        let key = entry.get("agent_id").or(entry.get("name")).unwrap().as_str().unwrap().to_owned();
        (key, entry)
    });
    entries.collect()
}

/// One filter of each kind, alone and together.
fn views() -> Vec<View> {
    let none = AgentFilter::default;
    let all: BTreeSet<_> = Status::ALL.into();
    let tags = BTreeSet::from(["t1".to_owned()]);
    let version = Requirement::parse(">=2").ok();
    let agents = [
        none(),
        AgentFilter { agent_type: Some("slow".into()), ..none() },
        AgentFilter { statuses: all.clone(), ..none() },
        AgentFilter { statuses: BTreeSet::from([Status::Degraded]), ..none() },
        AgentFilter { statuses: BTreeSet::from([Status::Expired]), capability: Some("c1".into()), ..none() },
        AgentFilter { capability: Some("c1".into()), ..none() },
        AgentFilter { capability: Some("c1".into()), version: version.clone(), ..none() },
        AgentFilter { tags: tags.clone(), ..none() },
        AgentFilter { capability: Some("c2".into()), tags: tags.clone(), ..none() },
        AgentFilter { labels: BTreeSet::from([LabelTest::Is("k".into(), "1".into())]), ..none() },
        AgentFilter { labels: BTreeSet::from([LabelTest::Lacks("k".into())]), ..none() },
        AgentFilter { query: Query::parse("slwo"), ..none() },
        AgentFilter { query: Query::parse("c1"), statuses: all.clone(), ..none() },
    ];
    let none = CapabilityFilter::default;
    let capabilities = [
        none(),
        CapabilityFilter { name: Some("c1".into()), ..none() },
        CapabilityFilter { prefix: Some("c".into()), ..none() },
        CapabilityFilter { tags, ..none() },
        CapabilityFilter { version, ..none() },
        CapabilityFilter { statuses: BTreeSet::from([Status::Healthy]), ..none() },
        CapabilityFilter { statuses: all, ..none() },
        CapabilityFilter { query: Query::parse("t1"), ..none() },
    ];
    agents.map(View::Agents).into_iter().chain(capabilities.map(View::Capabilities)).collect()
}

#[derive(Debug, Clone)]
enum Step {
    Full { agent: usize, offers: Vec<(u8, u8, u8)>, label: u8, slow: bool, degraded: bool },
    Lean { agent: usize, degraded: bool },
    Leave { agent: usize },
    Wait { ms: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0..3_usize;
    let offers = prop::collection::vec((0..3_u8, 1..4_u8, 0..2_u8), 0..3);
    prop_oneof![
        4 => (agent.clone(), offers, 0..3_u8, any::<bool>(), any::<bool>()).prop_map(
            |(agent, offers, label, slow, degraded)| Step::Full { agent, offers, label, slow, degraded }
        ),
        2 => (agent.clone(), any::<bool>()).prop_map(|(agent, degraded)| Step::Lean { agent, degraded }),
        1 => agent.prop_map(|agent| Step::Leave { agent }),
        3 => prop::sample::select(vec![1, 60, 100, 150, 450, 1_200]).prop_map(|ms| Step::Wait { ms }),
    ]
}

fn take(world: &mut World, step: Step) {
    let status = |degraded| if degraded { "degraded" } else { "healthy" };
    match step {
        Step::Full { agent, offers, label, slow, degraded } => {
            let offers: BTreeMap<_, _> =
                offers.into_iter().map(|(name, version, tag)| ((name, version), tag)).collect();
            let offers = offers.into_iter().map(|((name, version), tag)| {
                json!({ "name": format!("c{name}"), "version": format!("{version}.0.0"), "tags": [format!("t{tag}")] })
            });
            let labels = if label == 0 { json!({}) } else { json!({ "k": label.to_string() }) };
            let body = json!({
                "agent_id": format!("a{agent}"), "capabilities": offers.collect::<Vec<_>>(), "labels": labels,
                "agent_type": if slow { "slow" } else { "default" }, "status": status(degraded),
            });
            world.beat(&body).unwrap();
        }
        Step::Lean { agent, degraded } => {
            // Whoever is gone is told so, and nothing changes.
            let body = with(lean(&format!("a{agent}")), json!({ "status": status(degraded) }));
            drop(world.beat(&body));
        }
        Step::Leave { agent } => {
            world.leave(&format!("a{agent}"));
        }
        Step::Wait { ms } => world.wait_us(ms * MS),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_with_the_delta_applied_is_the_later_list(steps in prop::collection::vec(step(), 1..14)) {
        let mut world = World::new();
        let views = views();
        let mut past: Vec<(Revision, Vec<List>)> = Vec::new();
        for step in steps {
            take(&mut world, step);
            let revision = world.revision();
            let lists: Vec<_> = views.iter().map(|view| world.whole(view)).collect();
            for (since, then) in &past {
                for ((view, then), now) in views.iter().zip(then).zip(&lists) {
                    let (changed, removed) = world.since(view, *since).unwrap();
                    if !changed.is_empty() || !removed.is_empty() {
                        prop_assert!(world.core.concerns(view, *since), "{view:?} since {since:?}");
                    }
                    // Nothing is told that the asker knows already.
                    prop_assert!(changed.iter().all(|(key, entry)| then.get(key) != Some(entry)), "{changed:?}");
                    prop_assert!(removed.iter().all(|key| then.contains_key(key)), "{removed:?} of {then:?}");
                    let mut applied = then.clone();
                    applied.retain(|key, _| !removed.contains(key));
                    applied.extend(changed);
                    prop_assert_eq!(&applied, now, "{:?} since {:?}", view, since);
                }
            }
            past.push((revision, lists));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// One change at a time, with others made in between, the last of them after everything had been looked at once.
    #[test]
    fn deltas_and_lists_that_are_gathered_while_agents_change_are_those_of_their_end(
        before in prop::collection::vec(step(), 1..8), between in prop::collection::vec(step(), 0..8),
    ) {
        for view in views() {
            let mut world = World::new();
            let (first, rest) = before.split_at(before.len() / 2);
            first.iter().cloned().for_each(|step| take(&mut world, step));
            let (since, then) = (world.revision(), world.whole(&view));
            rest.iter().cloned().for_each(|step| take(&mut world, step));
            let mut gathering = world.core.begin_delta(world.moment(), &view, "s", since).unwrap();
            let page = PageRequest { limit: 10_000, cursor: None };
            let mut candidates = world.core.candidates(world.moment(), &view, &page);
            for step in between.iter().cloned() {
                if let Some(candidates) = &mut candidates {
                    world.core.gather_candidates(world.moment(), candidates, 1);
                }
                world.core.gather(world.moment(), &mut gathering, 1).unwrap();
                take(&mut world, step);
            }
            while !world.core.gather(world.moment(), &mut gathering, 1).unwrap() {}
            if let Some(candidates) = &mut candidates {
                while !world.core.gather_candidates(world.moment(), candidates, 1) {}
            }
            let (revision, now) = (world.revision(), world.whole(&view));
            if let Some(candidates) = candidates {
                let (_, found) = world.core.list_found(candidates.search(), &page);
                prop_assert_eq!(found.revision, revision);
                prop_assert_eq!(keyed(found.entries()), now.clone(), "{:?}", view);
            }
            let delta = gathering.compare();
            prop_assert_eq!(delta.revision, revision);
            let at_one_go = world.core.delta(world.moment(), &view, "s", since).unwrap();
            prop_assert_eq!(&delta, &at_one_go, "{:?}", view);
            let mut applied = then;
            applied.retain(|key, _| !delta.removed.iter().any(|removed| **removed == **key));
            applied.extend(keyed(&delta.changed));
            prop_assert_eq!(&applied, &now, "{:?}", view);
        }
    }
}

/// The registry after a clean restart.
fn restarted(world: &mut World) -> World {
    let batch = world.core.take_batch(usize::MAX);
    world.core.batch_committed(&batch);
    let events = world.core.events(world.moment(), &EventFilter::default(), usize::MAX).events;
    let saved = Saved {
        revision: world.core.revision(),
        next_event: events.last().map_or(1, |last| last.number + 1),
        events,
        agents: batch.saves,
    };
    World::from_saved(setup(1_000), saved, world.now_us)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deltas_of_agents_go_on_across_a_clean_restart(
        before in prop::collection::vec(step(), 1..10), after in prop::collection::vec(step(), 0..5),
    ) {
        let mut world = World::new();
        let views: Vec<_> = views().into_iter().filter(|view| matches!(view, View::Agents(_))).collect();
        let mut past: Vec<(Revision, Vec<List>)> = vec![(Revision(0), vec![List::new(); views.len()])];
        for step in before {
            take(&mut world, step);
            let revision = world.revision();
            past.push((revision, views.iter().map(|view| world.whole(view)).collect()));
        }
        let mut world = restarted(&mut world);
        for step in after {
            take(&mut world, step);
        }
        for (since, then) in past {
            for (view, mut applied) in views.iter().zip(then) {
                let (changed, removed) = world.since(view, since).unwrap();
                applied.retain(|key, _| !removed.contains(key));
                applied.extend(changed);
                prop_assert_eq!(&applied, &world.whole(view), "{:?} since {:?}", view, since);
            }
        }
    }
}

fn everything() -> View {
    View::Agents(AgentFilter::default())
}

#[test]
fn other_stores_the_future_and_the_forgotten_past_are_told_apart() {
    let mut world = World::new();
    world.beat(&full("a")).unwrap();
    let view = everything();
    let moment = world.moment();
    assert_eq!(world.core.delta(moment, &view, "other", Revision(0)), Err(Resync::OtherStore));
    assert_eq!(world.since(&view, Revision(2)), Err(Resync::FromTheFuture));
    assert!(world.since(&view, Revision(1)).unwrap().0.is_empty());
    assert_eq!(world.since(&view, Revision(0)).unwrap().0.len(), 1);

    let mut after_a_stop = restarted(&mut world);
    assert_eq!(after_a_stop.since(&view, Revision(0)).unwrap().0.len(), 1);
    let capabilities = View::Capabilities(CapabilityFilter::default());
    assert_eq!(after_a_stop.since(&capabilities, Revision(0)), Err(Resync::TooOld));
    assert!(after_a_stop.since(&capabilities, Revision(1)).is_ok());

    // After a kill the revisions go on far above what the last event made: what lies between is not known.
    let events = world.core.events(world.moment(), &EventFilter::default(), 10).events;
    let saved = Saved { revision: Revision(7), events, ..Saved::default() };
    let mut restarted = World::from_saved(setup(10), saved, 0);
    assert_eq!(restarted.since(&view, Revision(6)), Err(Resync::TooOld));
    assert!(restarted.since(&view, Revision(7)).is_ok());
}

#[test]
fn ten_thousand_changes_and_ten_minutes_can_be_asked_for() {
    let mut world = World::new();
    let view = everything();
    let change = |world: &mut World| {
        let label = world.core.revision().0.to_string();
        let body =
            json!({ "agent_id": "a", "agent_type": "patient", "capabilities": [], "labels": { "n": label } });
        world.beat(&body).unwrap();
    };
    for _ in 0..20_000 {
        change(&mut world);
    }
    assert_eq!(world.core.revision(), Revision(20_000));
    assert!(world.since(&view, Revision(0)).is_ok(), "they are all of the last ten minutes");
    for _ in 0..200 {
        world.wait_us(30 * MS);
        world.beat(&lean("a")).unwrap();
    }
    // Nobody beats for longer: a's timers are changes, too.
    world.wait_us(10 * 60 * 1_000 * MS);
    change(&mut world);
    let revision = world.core.revision();
    let oldest = Revision(revision.0 - 10_000);
    assert!(world.since(&view, oldest).is_ok());
    assert_eq!(world.since(&view, Revision(oldest.0 - 1)), Err(Resync::TooOld));
    assert!(world.core.concerns(&view, Revision(0)), "what is not known may concern everybody");
}

#[test]
fn what_is_gathered_outlives_that_the_log_forgets() {
    let mut world = World::new();
    for agent_id in ["a", "b", "c"] {
        world.beat(&with(full(agent_id), json!({ "agent_type": "patient" }))).unwrap();
    }
    let (view, page) = (everything(), PageRequest { limit: 10, cursor: None });
    let mut candidates = world.core.candidates(world.moment(), &view, &page).unwrap();
    let mut gathering = world.core.begin_delta(world.moment(), &view, "s", Revision(0)).unwrap();
    assert!(!world.core.gather_candidates(world.moment(), &mut candidates, 1));
    assert_eq!(world.core.gather(world.moment(), &mut gathering, 1), Ok(false));

    world.leave("a");
    world.wait_us(11 * 60 * 1_000 * MS);
    for number in 0..=10_000 {
        world.beat(&with(full("d"), json!({ "labels": { "n": number.to_string() } }))).unwrap();
    }
    assert_eq!(world.core.gather(world.moment(), &mut gathering, 1), Err(Resync::TooOld));
    while !world.core.gather_candidates(world.moment(), &mut candidates, 1) {}
    let (_, found) = world.core.list_found(candidates.search(), &page);
    assert_eq!(keyed(found.entries()).keys().collect::<Vec<_>>(), ["d"], "the others are silent since");
}

/// So many that the index does not lead to them at one go.
#[test]
fn a_capability_of_many_providers_is_gathered_in_steps_while_they_change() {
    let mut world = World::new();
    let offer = |agent: usize, version: &str| {
        json!({ "agent_id": format!("a{agent:03}"), "agent_type": "slow",
            "capabilities": [{ "name": "c", "version": version }, { "name": format!("own{agent}") }] })
    };
    for agent in 0..600 {
        world.beat(&offer(agent, "1.0.0")).unwrap();
    }
    let (view, page) =
        (View::Capabilities(CapabilityFilter::default()), PageRequest { limit: 10_000, cursor: None });
    let (since, mut applied) = (world.revision(), world.whole(&view));
    world.beat(&offer(0, "2.0.0")).unwrap();
    let named =
        View::Capabilities(CapabilityFilter { name: Some("c".into()), ..CapabilityFilter::default() });
    let mut candidates = world.core.candidates(world.moment(), &named, &page).unwrap();
    let mut gathering = world.core.begin_delta(world.moment(), &view, "s", since).unwrap();
    for change in [3, 599, 4] {
        world.core.gather(world.moment(), &mut gathering, 100).unwrap();
        world.core.gather_candidates(world.moment(), &mut candidates, 100);
        world.beat(&offer(change, "3.0.0")).unwrap();
        world.leave(&format!("a{:03}", change + 10));
    }
    while !world.core.gather(world.moment(), &mut gathering, 100).unwrap() {}
    while !world.core.gather_candidates(world.moment(), &mut candidates, 100) {}
    let delta = gathering.compare();
    applied.retain(|key, _| !delta.removed.iter().any(|removed| **removed == **key));
    applied.extend(keyed(&delta.changed));
    assert_eq!(applied, world.whole(&view));
    let named = world.core.list(world.moment(), &named, &page).unwrap();
    let (_, found) = world.core.list_found(candidates.search(), &page);
    assert_eq!(found.entries(), named.entries());
}
