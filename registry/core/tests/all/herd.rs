//! After a restart all agents come in the same instant. What they are told must part them.

use std::collections::{BTreeMap, BTreeSet};

use registry_core::Setup;
use registry_core::document::AgentType;
use registry_core::policy::{Policies, Policy};
use registry_core::saving::Saved;
use registry_core::time::Revision;

use crate::support::{MS, World, full, setup};

const AGENTS: usize = 10_000;
/// H, and the other timeouts in its proportion.
const INTERVAL_MS: u64 = 5_000;
/// The herd comes within this time.
const BURST_MS: i64 = 100;
/// The slices of H in which heartbeats are counted, each 5 %.
const SLICES: usize = 20;

fn herd(expires_after_ms: u64) -> Setup {
    let [degraded, evicted] = [INTERVAL_MS + 1, expires_after_ms * 3];
    let policy = Policy::new(INTERVAL_MS, degraded, expires_after_ms, evicted).unwrap();
    Setup { policies: Policies::new(BTreeMap::from([(AgentType::default(), policy)])), ..setup(AGENTS) }
}

/// The share of the fullest slice, as a multiple of what an even spread would have: 10,000 agents beat within 100 ms of
/// the start and then follow the interval that they are told. Counted is one whole H, after everything has settled.
fn fullest_slice(setup: Setup, is_restart: bool) -> f64 {
    let saved = Saved { revision: Revision(u64::from(is_restart)), ..Saved::default() };
    let mut world = World::from_saved(setup, saved, 0);
    let settled = 6 * INTERVAL_MS as i64 * MS;
    let mut next: BTreeSet<(i64, usize)> =
        (0..AGENTS).map(|agent| (agent as i64 * BURST_MS * MS / AGENTS as i64, agent)).collect();
    let mut slices = [0_usize; SLICES];
    while let Some((at_us, agent)) = next.pop_first() {
        let since_settled = at_us - settled;
        if since_settled >= INTERVAL_MS as i64 * MS {
            break;
        }
        if since_settled >= 0 {
            slices[since_settled as usize * SLICES / (INTERVAL_MS as usize * 1_000)] += 1;
        }
        world.now_us = at_us;
        let told_ms = world.beat(&full(&format!("a{agent}"))).unwrap().heartbeat_interval_ms;
        assert!((INTERVAL_MS / 2..=INTERVAL_MS).contains(&told_ms), "{told_ms}");
        if since_settled >= 0 {
            assert_eq!(told_ms, INTERVAL_MS, "the spreading has an end");
        }
        next.insert((at_us + told_ms as i64 * MS, agent));
    }
    assert_eq!(slices.iter().sum::<usize>(), AGENTS, "each beats once in H: {slices:?}");
    let fullest = slices.into_iter().max().unwrap();
    fullest as f64 * SLICES as f64 / AGENTS as f64
}

#[test]
fn a_herd_is_spread_over_the_interval_after_a_restart_whatever_the_lease() {
    for expires_after_ms in [INTERVAL_MS + 1_000, 2 * INTERVAL_MS, 100 * INTERVAL_MS] {
        let fullest = fullest_slice(herd(expires_after_ms), true);
        assert!(fullest < 2.0, "with X = {expires_after_ms} a twentieth of H has {fullest} times its share");
    }
}

/// What the test above would find if nothing were spread.
#[test]
fn a_herd_that_is_told_one_interval_stays_together() {
    assert!(fullest_slice(herd(4 * INTERVAL_MS), false) > 19.0);
}

#[test]
fn an_agent_is_told_one_interval_as_long_as_it_is_spread_and_another_after_the_next_restart() {
    let told = |at_wall_ms: u64| {
        let saved = Saved { revision: Revision(1), ..Saved::default() };
        let moment =
            registry_core::Moment { wall: registry_core::WallTime(at_wall_ms), ..crate::support::moment(0) };
        let core = registry_core::Registry::restore(herd(4 * INTERVAL_MS), saved, moment);
        let mut world = World { core, now_us: 0 };
        let first = world.beat(&full("a")).unwrap().heartbeat_interval_ms;
        world.wait_us(MS);
        assert_eq!(world.beat(&full("a")).unwrap().heartbeat_interval_ms, first);
        world.wait_us(4 * INTERVAL_MS as i64 * MS);
        assert_eq!(world.beat(&full("a")).unwrap().heartbeat_interval_ms, INTERVAL_MS);
        first
    };
    assert_eq!(told(1), told(1));
    let all: BTreeSet<u64> = (0..20).map(told).collect();
    assert!(all.len() > 10, "{all:?}");
}
