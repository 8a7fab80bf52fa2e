//! Every file that comes with the program is read, and does what it says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use scenarios::SHIPPED;
use scenarios::model::{FaultKind, PhaseKind, Scenario};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn shipped(name: &str) -> Scenario {
    scenarios::load(&root().join(name), &[]).unwrap_or_else(|error| panic!("{}", crate::rendered(&error)))
}

fn total(scenario: &Scenario) -> Duration {
    scenario.phases.iter().map(|phase| phase.duration).sum()
}

#[test]
fn every_file_in_the_folder_is_shipped_and_good() {
    let mut found = BTreeSet::new();
    for folder in ["scenarios", "scenarios/peers"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            if name.ends_with(".toml") && name != "Cargo.toml" {
                found.insert(format!("{folder}/{name}"));
            }
        }
    }
    assert_eq!(found, SHIPPED.iter().map(|&name| name.to_owned()).collect());
    for name in SHIPPED {
        assert!(!shipped(name).description.is_empty(), "{name}");
    }
}

#[test]
fn a_crash_lasts_until_its_last_agent_is_gone_by_every_policy() {
    for name in SHIPPED {
        let scenario = shipped(name);
        let longest =
            scenario.target.policies.values().map(|p| p.evict_after.unwrap_or(p.expires_after)).max();
        for phase in &scenario.phases {
            if let PhaseKind::Crash { over, .. } = phase.kind {
                let silence = longest.unwrap() + over + scenario.target.transition_bound;
                assert!(phase.duration > silence, "{name}: {:?} is not above {silence:?}", phase.duration);
            }
        }
    }
}

#[test]
fn agents_that_live_never_come_near_the_first_deadline() {
    for name in SHIPPED {
        let scenario = shipped(name);
        for fleet in &scenario.fleets {
            let policy = scenario.target.policies[&fleet.agent_type];
            let first = policy.degraded_after.unwrap_or(policy.expires_after);
            let longest_gap = fleet.heartbeat.mul_f64(1.0 + 2.0 * fleet.jitter);
            assert!(
                longest_gap.mul_f64(1.7) < first,
                "{name}, {}: {longest_gap:?} and {first:?}",
                fleet.name
            );
        }
    }
}

#[test]
fn the_quickstart_has_a_thousand_agents_of_two_types_and_ends_within_a_minute() {
    let scenario = shipped("scenarios/quickstart.toml");
    assert_eq!(scenario.fleets.iter().map(|fleet| fleet.agents).sum::<u32>(), 1000);
    assert_eq!(scenario.fleets.iter().map(|fleet| &fleet.agent_type).collect::<BTreeSet<_>>().len(), 2);
    assert!((35..=45).contains(&total(&scenario).as_secs()), "{:?}", total(&scenario));
    let kinds: Vec<&str> = scenario.phases.iter().map(|phase| phase.kind.name()).collect();
    assert_eq!(kinds, ["ramp", "hold", "crash", "recover"]);
}

#[test]
fn the_short_one_is_short() {
    assert!(total(&shipped("scenarios/ci.toml")) <= Duration::from_secs(12));
}

#[test]
fn each_has_a_line_in_the_page_with_its_own_words() {
    let page = include_str!("../../../docs/scenarios.md").replace('`', "");
    for name in SHIPPED {
        let words = shipped(name).description;
        let words = words.split(':').next().unwrap();
        assert!(page.contains(&format!("(../{name}) | {words}")), "{name}: no row with {words:?}");
    }
}

#[test]
fn each_fault_kind_is_shipped_but_those_that_only_add_load() {
    let kinds: BTreeSet<&str> =
        SHIPPED.iter().flat_map(|name| shipped(name).faults).map(|fault| fault.kind.name()).collect();
    for kind in ["crash", "churn", "deploy", "herd", "partition", "kill", "pause"] {
        assert!(kinds.contains(kind), "{kind} is not in {kinds:?}");
    }
}

#[test]
fn a_pause_of_the_registry_ends_no_lease_by_itself() {
    for name in SHIPPED {
        let scenario = shipped(name);
        for fault in &scenario.faults {
            let away = match fault.kind {
                FaultKind::Pause { lasting, .. } => lasting,
                FaultKind::Kill { down, .. } => down,
                _ => continue,
            };
            for fleet in &scenario.fleets {
                let policy = scenario.target.policies[&fleet.agent_type];
                let silence = away + fleet.heartbeat.mul_f64(1.0 + 2.0 * fleet.jitter);
                assert!(silence < policy.expires_after, "{name}, {}: {silence:?}", fault.name);
            }
        }
    }
}

#[test]
fn the_soak_takes_its_length_from_outside() {
    let set = ["phases.hold.duration=8h", "faults.turnover.lasting=7h59m"].map(str::to_owned);
    let scenario = scenarios::load(&root().join("scenarios/soak.toml"), &set).unwrap();
    assert!(total(&scenario) > Duration::from_secs(8 * 3600));
}
