//! Random calls at random times, against a model that knows nothing but the last heartbeat of each agent.

use std::collections::BTreeMap;

use proptest::prelude::*;
use registry_core::heartbeat::Outcome;
use registry_core::listing::AgentFilter;
use serde_json::{Value, json};

use crate::support::{MS, POLICY, World, full, id, lean, with};

#[derive(Debug, Clone)]
enum Step {
    Full { agent: usize, label: u8, degraded: bool },
    Lean { agent: usize },
    Probe { agent: usize },
    Leave { agent: usize },
    Wait { us: i64 },
}

#[derive(Debug, Clone, Default)]
struct Model {
    last_seen_us: i64,
    epoch: u64,
    left: bool,
    reported: &'static str,
    label: u8,
}

impl Model {
    fn status(&self, now_us: i64) -> String {
        let silence_us = now_us - self.last_seen_us;
        let [_, d, x, q] = POLICY.map(|ms| ms.cast_signed() * MS);
        match silence_us {
            _ if self.left => "gone".into(),
            silence_us if silence_us < d => self.reported.into(),
            silence_us if silence_us < x => "degraded, missed".into(),
            silence_us if silence_us < q => "expired, missed".into(),
            _ => "gone".into(),
        }
    }

    fn is_live(&self, now_us: i64) -> bool {
        !self.left && now_us - self.last_seen_us < POLICY[2].cast_signed() * MS
    }
}

fn step() -> impl Strategy<Value = Step> {
    let agent = 0..4_usize;
    // Around the deadlines, where the mistakes are.
    let near = prop::sample::select(vec![49, 50, 99, 100, 101, 199, 200, 201, 400, 599, 600, 601]);
    let wait = (near, -2..=2_i64).prop_map(|(ms, us)| ms * MS + us);
    prop_oneof![
        3 => (agent.clone(), 0..3_u8, any::<bool>())
            .prop_map(|(agent, label, degraded)| Step::Full { agent, label, degraded }),
        3 => agent.clone().prop_map(|agent| Step::Lean { agent }),
        2 => agent.clone().prop_map(|agent| Step::Probe { agent }),
        1 => agent.prop_map(|agent| Step::Leave { agent }),
        4 => wait.prop_map(|us| Step::Wait { us }),
        2 => (0..20 * MS).prop_map(|us| Step::Wait { us }),
    ]
}

fn name(agent: usize) -> String {
    format!("a{agent}")
}

fn body(agent: usize, label: u8, degraded: bool) -> Value {
    let status = if degraded { "degraded" } else { "healthy" };
    with(full(&name(agent)), json!({ "labels": { "n": label.to_string() }, "status": status }))
}

fn run(steps: Vec<Step>) {
    let mut world = World::new();
    let mut models: BTreeMap<usize, Model> = BTreeMap::new();
    let mut last_revision = world.revision();
    for step in steps {
        let now_us = world.now_us;
        let revision_before = world.revision();
        match step {
            Step::Wait { us } => world.wait_us(us),
            Step::Full { agent, label, degraded } => {
                let reported = if degraded { "degraded" } else { "healthy" };
                let model = models.entry(agent).or_insert(Model { left: true, ..Model::default() });
                let was_missed = model.status(now_us) == "degraded, missed";
                let expected = if !model.is_live(now_us) {
                    Outcome::Registered
                } else if model.reported == reported && model.label == label {
                    Outcome::Renewed
                } else {
                    Outcome::Updated
                };
                model.epoch += u64::from(expected == Outcome::Registered);
                *model = Model { last_seen_us: now_us, left: false, reported, label, ..*model };
                let answer = world.beat(&body(agent, label, degraded)).unwrap();
                assert_eq!((answer.result, answer.epoch), (expected, model.epoch));
                let changed = expected != Outcome::Renewed || was_missed;
                assert_eq!(world.revision().0, revision_before.0 + u64::from(changed));
            }
            Step::Lean { agent } | Step::Probe { agent } => {
                let live = models.get(&agent).is_some_and(|model| model.is_live(now_us));
                let was_missed =
                    models.get(&agent).is_some_and(|model| model.status(now_us) == "degraded, missed");
                let accepted = match step {
                    Step::Probe { .. } => {
                        world.core.probe(world.moment(), &id(&name(agent)), None).outcome.is_ok()
                    }
                    _ => {
                        world.beat(&lean(&name(agent))).is_ok_and(|answer| answer.result == Outcome::Renewed)
                    }
                };
                assert_eq!(accepted, live);
                if let Some(model) = models.get_mut(&agent).filter(|_| live) {
                    model.last_seen_us = now_us;
                }
                assert_eq!(world.revision().0, revision_before.0 + u64::from(live && was_missed));
            }
            Step::Leave { agent } => {
                let there = models.get(&agent).is_some_and(|model| model.status(now_us) != "gone");
                assert_eq!(world.leave(&name(agent)), there);
                if let Some(model) = models.get_mut(&agent) {
                    model.left = true;
                }
            }
        }
        check(&mut world, &models);
        assert!(world.revision() >= last_revision);
        last_revision = world.revision();
    }
}

fn check(world: &mut World, models: &BTreeMap<usize, Model>) {
    let mut listed = Vec::new();
    let mut counts = BTreeMap::new();
    for (agent, model) in models {
        let status = world.status(&name(*agent));
        assert_eq!(status, model.status(world.now_us), "{agent} {model:?} at {}", world.now_us);
        *counts.entry(status.split(',').next().unwrap().to_owned()).or_insert(0) += 1;
        if model.is_live(world.now_us) {
            listed.push(name(*agent));
        }
    }
    assert_eq!(world.ids(AgentFilter::default()), listed);
    let held = world.core.counts(world.moment());
    let counted = |status: &str| counts.get(status).copied().unwrap_or(0);
    assert_eq!(
        (held.healthy, held.degraded, held.expired),
        (counted("healthy"), counted("degraded"), counted("expired"))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn the_registry_does_what_the_model_does(steps in prop::collection::vec(step(), 1..60)) {
        run(steps);
    }
}
