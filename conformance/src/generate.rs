//! Schedules from a seed: policies, and what each agent does when. The same seed gives the same schedules.
//!
//! - `deadlines`: heartbeats around a deadline.
//! - `schedule`: one agent's part written out act by act, and what is smaller than it.
//! - `policies`: timeouts small enough that a run takes seconds.
//! - `stories`: what one agent does, as gaps and acts.

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

mod deadlines;
mod policies;
mod schedule;
mod stories;

pub use deadlines::{AtDeadline, Kind, at_deadlines};
pub use policies::{WAVE_TYPE, policies};
pub(crate) use schedule::RACER_PERCENT;
pub use schedule::{Schedule, ScheduleError};
pub use stories::{Act, Gap, Role, Step, Story, Unit, stories};

/// What a stream of random choices is for, so that one does not move another.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Policies = 1,
    Stories = 2,
    Kills = 3,
    Probes = 4,
    Deadlines = 5,
}

/// Draws one value from a strategy.
pub(crate) fn draw<S: Strategy>(seed: u64, purpose: Purpose, strategy: &S) -> Option<S::Value> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = purpose as u8;
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    // A strategy without filters rejects nothing.
    strategy.new_tree(&mut runner).ok().map(|tree| tree.current())
}

/// Instants in microseconds at which a kill falls, within `span_us`.
pub(crate) fn kill_instants(seed: u64, count: usize, span_us: u64) -> Vec<u64> {
    let instant = (span_us / 3..=span_us.max(1)).prop_map(|instant| instant);
    draw(seed, Purpose::Kills, &proptest::collection::vec(instant, count)).unwrap_or_default()
}
