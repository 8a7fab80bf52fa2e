//! Which providers a dependency gets, and when its number changes.

use std::cmp::Reverse;

use proptest::prelude::*;
use registry_core::listing::{AgentFilter, PageRequest, View};
use serde_json::{Value, json};

use crate::support::{MS, World, full, with};

fn provider(agent_id: &str, version: &str) -> Value {
    json!({ "agent_id": agent_id, "endpoint": format!("http://{agent_id}/"),
        "capabilities": [{ "name": "c", "version": version, "tags": ["eu", "gpu"] }] })
}

fn asker(dependency: &Value) -> Value {
    json!({ "agent_id": "asker", "capabilities": [], "dependencies": [dependency] })
}

impl World {
    /// What the asker is told: `total: id version, ...`.
    fn wired(&mut self, body: &Value) -> String {
        let wiring = self.beat(body).unwrap().wiring.expect("not asked with the current number");
        let told: Vec<_> =
            wiring[0].providers.iter().map(|one| format!("{} {}", one.agent_id, one.version)).collect();
        format!("{}: {}", wiring[0].total, told.join(", "))
    }

    fn number(&mut self, body: &Value) -> u64 {
        self.beat(body).unwrap().wiring_revision.0
    }
}

#[test]
fn healthy_come_first_then_the_higher_version_then_the_id() {
    let mut world = World::new();
    for (agent_id, version) in [("d", "1.0.0"), ("b", "2.0.0"), ("a", "1.0.0"), ("c", "10.0.0")] {
        world.beat(&provider(agent_id, version)).unwrap();
    }
    world.beat(&with(provider("c", "10.0.0"), json!({ "status": "degraded" }))).unwrap();
    assert_eq!(world.wired(&asker(&json!({ "capability": "c" }))), "4: b 2.0.0, a 1.0.0, d 1.0.0, c 10.0.0");
}

#[test]
fn requirement_and_all_tags_must_match() {
    let mut world = World::new();
    world.beat(&provider("a", "1.4.0")).unwrap();
    world.beat(&provider("b", "2.0.0-rc.1")).unwrap();
    for (dependency, told) in [
        (json!({ "capability": "c" }), "1: a 1.4.0"),
        (json!({ "capability": "c", "version": ">=1.2, <2" }), "1: a 1.4.0"),
        (json!({ "capability": "c", "version": "^2" }), "0: "),
        (json!({ "capability": "c", "version": ">=2.0.0-rc.0" }), "1: b 2.0.0-rc.1"),
        (json!({ "capability": "c", "tags": ["gpu"] }), "1: a 1.4.0"),
        (json!({ "capability": "c", "tags": ["gpu", "us"] }), "0: "),
        (json!({ "capability": "other" }), "0: "),
    ] {
        assert_eq!(world.wired(&asker(&dependency)), told, "{dependency}");
    }
}

#[test]
fn an_agent_with_two_versions_is_one_provider_with_the_higher_one_that_matches() {
    let mut world = World::new();
    let versions = json!({ "capabilities": [
        { "name": "c", "version": "1.0.0" }, { "name": "c", "version": "1.5.0" }, { "name": "c", "version": "2.0.0" } ] });
    world.beat(&with(full("a"), versions)).unwrap();
    assert_eq!(world.wired(&asker(&json!({ "capability": "c", "version": "^1" }))), "1: a 1.5.0");
}

#[test]
fn sixteen_are_told_and_the_total_counts_all_but_the_asker() {
    let mut world = World::new();
    let itself = with(provider("a00", "1.0.0"), json!({ "dependencies": [{ "capability": "c" }] }));
    for number in 0..20 {
        world.beat(&provider(&format!("a{number:02}"), "1.0.0")).unwrap();
    }
    let told = world.wired(&itself);
    assert!(told.starts_with("19: a01 1.0.0, a02"), "{told}");
    assert_eq!(told.matches("1.0.0").count(), 16);
    assert!(told.ends_with("a16 1.0.0"), "{told}");
}

#[test]
fn the_expired_provide_nothing() {
    let mut world = World::new();
    world.beat(&provider("a", "1.0.0")).unwrap();
    world.wait_us(150 * MS);
    let body = asker(&json!({ "capability": "c" }));
    assert_eq!(world.wired(&body), "1: a 1.0.0", "degraded ones still do");
    world.wait_us(50 * MS);
    assert_eq!(world.wired(&body), "0: ");
}

#[test]
fn the_number_changes_with_the_wiring_and_stays_with_it() {
    let mut world = World::new();
    let body = asker(&json!({ "capability": "c" }));
    let mut last = world.number(&body);
    let unrelated = json!({ "agent_id": "u", "capabilities": [{ "name": "other" }] });
    let steps: [(Value, bool); 8] = [
        (unrelated, false),
        (provider("a", "1.0.0"), true),
        (provider("a", "1.0.0"), false),
        (with(provider("a", "1.0.0"), json!({ "labels": { "k": "v" } })), false),
        (with(provider("a", "1.0.0"), json!({ "endpoint": "http://elsewhere/" })), true),
        (with(provider("a", "1.0.0"), json!({ "status": "degraded" })), true),
        (provider("a", "1.1.0"), true),
        (full("a"), true),
    ];
    for (step, changes) in steps {
        world.beat(&step).unwrap();
        let number = world.number(&body);
        assert_eq!(number != last, changes, "after {step}");
        last = number;
    }
    // And it is left out for those who have it.
    assert_eq!(world.beat(&with(body, json!({ "wiring_revision": last }))).unwrap().wiring, None);
}

#[test]
fn a_provider_that_leaves_changes_the_number_although_nobody_provides_any_more() {
    let mut world = World::new();
    let body = asker(&json!({ "capability": "c" }));
    world.beat(&provider("a", "1.0.0")).unwrap();
    let before = world.number(&body);
    world.leave("a");
    assert!(world.number(&body) > before);
    assert_eq!(world.wired(&body), "0: ");
}

#[test]
fn without_dependencies_the_number_is_stable() {
    let mut world = World::new();
    let before = world.number(&full("asker"));
    world.beat(&provider("a", "1.0.0")).unwrap();
    assert_eq!(world.number(&with(full("asker"), json!({ "labels": { "k": "v" } }))), before);
    assert!(
        world.number(&asker(&json!({ "capability": "zzz" }))) > before,
        "other dependencies, other wiring"
    );
}

/// What the index finds by sorts, found again by looking at every agent.
fn expected(world: &mut World, version: &str, tags: &[&str]) -> (usize, Vec<(String, String)>) {
    let page = PageRequest { limit: 10_000, cursor: None };
    let view = View::Agents(AgentFilter::default());
    let listed = world.core.list(world.moment(), &view, &page).unwrap();
    let wanted = semver::VersionReq::parse(version).unwrap();
    let mut meeting: Vec<_> = listed
        .entries()
        .iter()
        .filter_map(|entry| {
            let entry: Value = serde_json::from_str(entry).unwrap();
            let offered = entry["capabilities"].as_array().unwrap().iter().filter(|one| {
                one["name"] == "c"
                    && tags.iter().all(|tag| one["tags"].as_array().unwrap().contains(&json!(tag)))
            });
            let versions =
                offered.map(|one| one["version"].as_str().unwrap().parse::<semver::Version>().unwrap());
            let version = versions.filter(|version| wanted.matches(version)).max()?;
            let agent_id = entry["agent_id"].as_str().unwrap().to_owned();
            (agent_id != "asker").then(|| (entry["status"] == "degraded", Reverse(version), agent_id))
        })
        .collect();
    meeting.sort();
    let first = meeting.iter().take(16).map(|(_, version, id)| (id.clone(), version.0.to_string()));
    (meeting.len(), first.collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_providers_told_are_those_that_a_look_at_every_agent_finds(
        steps in prop::collection::vec((0..40_u8, prop::collection::btree_map(1..4_u8, 0..3_u8, 0..3), 0..6_u8), 1..80),
    ) {
        let mut world = World::new();
        let needs = [("*", vec![]), ("<3", vec!["t1"]), ("^2", vec![]), ("*", vec!["t2"])];
        let dependencies: Vec<_> = needs
            .iter()
            .map(|(version, tags)| json!({ "capability": "c", "version": version, "tags": tags }))
            .collect();
        let asker = json!({ "agent_id": "asker", "capabilities": [{ "name": "c" }], "dependencies": dependencies });
        for (agent, offers, what) in steps {
            let agent_id = format!("a{agent:02}");
            let offers: Vec<_> = offers
                .iter()
                .map(|(version, tag)| json!({ "name": "c", "version": format!("{version}.0.0"), "tags": [format!("t{tag}")] }))
                .collect();
            let status = if what == 1 { "degraded" } else { "healthy" };
            match what {
                0 => drop(world.leave(&agent_id)),
                5 => world.wait_us(30 * MS),
                _ => drop(world.beat(&json!({ "agent_id": agent_id, "capabilities": offers, "status": status })).unwrap()),
            }
            let wiring = world.beat(&asker).unwrap().wiring.unwrap();
            for ((version, tags), wired) in needs.iter().zip(wiring) {
                let told = wired.providers.iter().map(|one| (one.agent_id.to_string(), one.version.clone()));
                let (total, first) = expected(&mut world, version, tags);
                prop_assert_eq!((wired.total, told.collect::<Vec<_>>()), (total, first), "{} {:?}", version, tags);
            }
        }
    }
}
