//! What a plan offers is what its schedule holds, counted here a second time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::load::{OfferedPhase, offered};
use agent_sim::plan::Plan;
use agent_sim::plan::schedule::{Action, Schedule};
use scenarios::model::{Fleet, PhaseKind, Scenario};

use crate::plan::{fleet, phase, scenario};

fn storm() -> Scenario {
    let web = Fleet { poll: Some(Duration::from_millis(700)), jitter: 0.3, ..fleet("web", 40) };
    let api = Fleet { heartbeat: Duration::from_millis(333), dependencies_per_agent: 2, ..fleet("api", 25) };
    let crash = PhaseKind::Crash { share: 0.4, over: Duration::from_secs(1) };
    let phases = vec![
        phase("ramp", PhaseKind::Ramp, Duration::from_secs(2)),
        phase("hold", PhaseKind::Hold, Duration::from_millis(3_050)),
        phase("crash", crash, Duration::from_secs(2)),
        phase("recover", PhaseKind::Recover { over: Duration::ZERO }, Duration::from_secs(2)),
    ];
    scenario(vec![web, api], phases)
}

fn offer(scenario: &Scenario, dialect: &str) -> (Arc<Plan>, Vec<OfferedPhase>) {
    let plan = Arc::new(Plan::new(scenario, 1));
    let dialect = agent_sim::dialect::by_name(dialect).unwrap();
    let phases = offered(&plan, dialect.as_ref());
    (plan, phases)
}

/// Calls of one phase: registrations and heartbeats together, polls, the harness's own.
fn sums(phase: &OfferedPhase) -> [u64; 3] {
    let sum = |names: &[&str]| names.iter().filter_map(|name| phase.calls.get(name)).sum();
    let sums = [sum(&["register", "renew", "probe"]), sum(&["list"]), sum(&["observe"])];
    assert_eq!(sums.iter().sum::<u64>(), phase.total(), "{phase:?}");
    sums
}

#[test]
fn every_planned_call_is_counted_in_its_phase_in_every_dialect() {
    for dialect in agent_sim::dialect::NAMES {
        let (plan, phases) = offer(&storm(), dialect);
        let mut counted = vec![[0; 3]; phases.len()];
        let mut stretches = vec![BTreeMap::<u64, u64>::new(); phases.len()];
        for planned in Schedule::new(Arc::clone(&plan)) {
            let class = match planned.action {
                Action::Register { .. } | Action::Beat { .. } => 0,
                Action::Poll { .. } => 1,
                Action::Observe => 2,
                Action::Crash | Action::Leave => continue,
            };
            let phase = plan.phase_at(planned.instant_us);
            counted[phase][class] += 1;
            let within = planned.instant_us - plan.phases()[phase].start_us;
            *stretches[phase].entry(within / 100_000).or_default() += 1;
        }
        for ((phase, counted), stretches) in phases.iter().zip(counted).zip(stretches) {
            assert_eq!(sums(phase), counted, "{dialect}: {phase:?}");
            assert_eq!(
                phase.busiest_100ms,
                stretches.values().copied().max().unwrap(),
                "{dialect}: {phase:?}"
            );
            assert!(phase.peak_over_mean().unwrap() > 0.99, "{dialect}: {phase:?}");
        }
    }
}

#[test]
fn agents_that_live_are_counted_through_crash_and_recovery() {
    let (_, phases) = offer(&storm(), "wallflower");
    let agents: Vec<u64> = phases.iter().map(|phase| phase.agents).collect();
    assert_eq!(agents, [65, 65, 65, 65]);
    let registered: Vec<u64> =
        phases.iter().map(|phase| phase.calls.get("register").copied().unwrap_or_default()).collect();
    assert_eq!(registered, [65, 0, 0, 26], "40 % of 65 crash and come back");
}

#[test]
fn all_agents_back_at_once_are_a_herd() {
    let (_, phases) = offer(&storm(), "wallflower");
    let peak = |index: usize| phases[index].peak_over_mean().unwrap();
    assert!(peak(3) > 1.5 * peak(1), "{phases:?}");
}

#[test]
fn a_phase_in_which_nothing_is_due_offers_nothing() {
    let silent = Fleet { heartbeat: Duration::from_secs(3_600), ..fleet("web", 1) };
    let phases = vec![
        phase("ramp", PhaseKind::Ramp, Duration::from_millis(10)),
        phase("blink", PhaseKind::Hold, Duration::from_micros(1)),
        phase("hold", PhaseKind::Hold, Duration::from_secs(1)),
    ];
    let (_, phases) = offer(&scenario(vec![silent], phases), "wallflower");
    // The harness itself reads the list at the end of each phase that is long enough.
    assert_eq!((phases[1].calls.get("renew"), phases[2].calls.get("renew")), (None, None), "{phases:?}");
    let nothing = OfferedPhase { length_us: 1_000_000, ..OfferedPhase::default() };
    assert_eq!((nothing.total(), nothing.peak_over_mean()), (0, None));
}
