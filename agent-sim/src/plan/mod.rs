//! Who does what at which instant, from the scenario and the seed alone: pure, so that thread timing cannot move it.
//!
//! - [`chance`]: draws keyed by what they are for, so that their order does not matter.
//! - [`identity`]: what each agent declares.
//! - [`lives`]: when each agent starts, ends and comes back; [`churn`]: the part of it that would not fit into memory.
//! - [`faults`]: what goes wrong on purpose, and whom it strikes.
//! - [`schedule`]: every agent's instants, merged lazily in their order; [`calendar`] keeps that order.
//! - [`share`]: which agents are whose, where several processes or machines follow one plan.

mod calendar;
mod chance;
mod churn;
pub mod faults;
pub mod identity;
pub mod lives;
pub mod schedule;
pub mod share;

use std::sync::Arc;
use std::time::Duration;

use scenarios::model::{Connections, Discovery, Fleet, PhaseKind, Popularity, Protocol, Scenario};
use sha2::{Digest, Sha256};

use self::faults::{LastLot, PlannedFault};
use self::lives::{Life, Lives};
use self::schedule::{Action, Schedule};
use self::share::Share;

/// Above this number of agents the harness reads the whole list at the ends of phases only.
pub const MOST_AGENTS_OBSERVED_STEADILY: u32 = 20_000;

/// So many agents are listed by the harness per second, so that its own reading stays a small part of the load.
const AGENTS_OBSERVED_PER_SECOND: u32 = 2_000;

/// The whole plan of a run. About 40 bytes an agent and fault that ends it, whatever the length of the run.
#[derive(Debug)]
pub struct Plan {
    seed: u64,
    fleets: Vec<Members>,
    phases: Vec<PhaseSpan>,
    faults: Vec<PlannedFault>,
    /// For each of the faults.
    last_lots: Vec<LastLot>,
    lives: Lives,
    agents: u32,
    /// Whose lives are counted.
    share: Share,
}

/// A fleet and where its agents begin among those of all fleets.
#[derive(Debug)]
struct Members {
    first: u32,
    fleet: Fleet,
    /// Sums of weights of its capabilities; empty where each is as popular as any other.
    popularity: Vec<u64>,
}

/// A phase on the run's clock: from `start_us`, before `end_us`.
#[derive(Debug, Clone, PartialEq)]
pub struct PhaseSpan {
    /// Its name in the scenario.
    pub name: String,
    /// What happens in it.
    pub kind: PhaseKind,
    /// Its first instant, microseconds since the run began.
    pub start_us: u64,
    /// The first instant after it.
    pub end_us: u64,
}

impl Plan {
    /// The plan of `scenario` for `seed`.
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let mut agents = 0_u32;
        let mut fleets = Vec::with_capacity(scenario.fleets.len());
        for fleet in &scenario.fleets {
            let popularity = match fleet.popularity {
                Popularity::Uniform => Vec::new(),
                Popularity::Zipf { exponent } => chance::zipf(fleet.capability_pool, exponent),
            };
            fleets.push(Members { first: agents, fleet: fleet.clone(), popularity });
            agents = agents.saturating_add(fleet.agents);
        }
        let mut start_us = 0;
        let mut phases = Vec::with_capacity(scenario.phases.len());
        for phase in &scenario.phases {
            let end_us = micros(phase.duration).saturating_add(start_us);
            phases.push(PhaseSpan { name: phase.name.clone(), kind: phase.kind, start_us, end_us });
            start_us = end_us;
        }
        let faults = faults::planned(scenario, &phases);
        let lives = Lives::new(seed, &scenario.fleets, &phases, &faults);
        let mut plan =
            Self { seed, fleets, phases, faults, last_lots: Vec::new(), lives, agents, share: Share::WHOLE };
        plan.last_lots = plan.last_lots();
        plan
    }

    /// The same plan, of which only this share of the agents is counted: who should live, who has a connection of its
    /// own. What each agent does, and when, stays as it is.
    pub fn counting(mut self, share: Share) -> Self {
        self.lives.count_only(share);
        Self { share, ..self }
    }

    /// Whether an agent is counted.
    pub fn counts(&self, agent: u32) -> bool {
        self.share.has(agent)
    }

    /// How many agents are counted.
    pub fn counted(&self) -> u32 {
        self.share.count(self.agents)
    }

    /// How many agents there are; their numbers are the ones below this.
    pub fn agents(&self) -> u32 {
        self.agents
    }

    /// The phases, one after the other.
    pub fn phases(&self) -> &[PhaseSpan] {
        &self.phases
    }

    /// When the last phase ends.
    pub fn end_us(&self) -> u64 {
        self.phases.last().map_or(0, |phase| phase.end_us)
    }

    /// The index of the phase that an instant belongs to; an instant after the end belongs to the last.
    pub fn phase_at(&self, instant_us: u64) -> usize {
        self.phases
            .partition_point(|phase| phase.end_us <= instant_us)
            .min(self.phases.len().saturating_sub(1))
    }

    /// The shortest period of any heartbeat or poll, in microseconds; `None` without fleets.
    pub fn shortest_period_us(&self) -> Option<u64> {
        let fleets = self.fleets.iter().map(|members| &members.fleet);
        fleets.flat_map(|fleet| [Some(fleet.heartbeat), fleet.poll]).flatten().map(micros).min()
    }

    /// The stretches in which an agent lives, in order.
    pub fn lives(&self, agent: u32) -> Vec<Life> {
        let after = |life: &Life| self.next_life(agent, life.crash_us?.saturating_add(1));
        std::iter::successors(self.next_life(agent, 0), after).collect()
    }

    /// The first life of an agent that starts at `from_us` or later.
    pub fn next_life(&self, agent: u32, from_us: u64) -> Option<Life> {
        self.lives.next(agent, from_us)
    }

    /// How many of the agents that are counted should live at an instant.
    pub fn should_live(&self, instant_us: u64) -> u64 {
        self.lives.alive_at(instant_us)
    }

    /// Whether an agent's calls go over a connection of its own.
    pub fn has_own_connection(&self, agent: u32) -> bool {
        self.fleet_of(agent).is_some_and(|(_, fleet, _)| fleet.connections == Connections::Own)
    }

    /// Most of the agents that are counted with connections of their own that live at one time before `until_us`.
    pub fn own_connections(&self, until_us: u64) -> u64 {
        let mut changes = Vec::new();
        let counted = (0..self.agents).filter(|agent| self.counts(*agent));
        for agent in counted.filter(|agent| self.has_own_connection(*agent)) {
            for life in self.lives(agent).iter().filter(|life| life.start_us < until_us) {
                changes.push((life.start_us, 1_i64));
                changes.extend(life.crash_us.map(|crash_us| (crash_us, -1)));
            }
        }
        // Those of one instant end before others begin.
        changes.sort_unstable();
        let alive = changes.iter().scan(0, |alive, (_, change)| {
            *alive += change;
            Some(*alive)
        });
        u64::try_from(alive.max().unwrap_or(0)).unwrap_or(0)
    }

    /// The fleet of an agent: its index, itself, and the agent's number in it.
    pub(crate) fn fleet_of(&self, agent: u32) -> Option<(u32, &Fleet, u32)> {
        let after = self.fleets.partition_point(|members| members.first <= agent);
        let index = after.checked_sub(1)?;
        let members = self.fleets.get(index)?;
        let number = agent.checked_sub(members.first).filter(|number| *number < members.fleet.agents)?;
        Some((u32::try_from(index).ok()?, &members.fleet, number))
    }

    /// When the harness itself reads the whole list: about once a second for up to 2,000 agents, more seldom for
    /// more, and at the end of every phase.
    fn observation_after(&self, instant_us: u64) -> Option<u64> {
        let phase_end_us =
            self.phases.iter().map(|phase| phase.end_us.saturating_sub(1)).find(|end| *end > instant_us)?;
        if self.agents > MOST_AGENTS_OBSERVED_STEADILY {
            return Some(phase_end_us);
        }
        let period_us = u64::from(self.agents.div_ceil(AGENTS_OBSERVED_PER_SECOND).max(1)) * 1_000_000;
        Some(phase_end_us.min((instant_us / period_us + 1) * period_us))
    }
}

/// SHA-256, in hex, over all that `scenario` makes its agents do for `seed`: what each declares, and every instant
/// with its action. Two runs of one hash planned the same to the microsecond.
pub fn plan_hash(scenario: &Scenario, seed: u64) -> String {
    hash_of(&Arc::new(Plan::new(scenario, seed)))
}

/// [`plan_hash`] of a plan that is there already.
pub(crate) fn hash_of(plan: &Arc<Plan>) -> String {
    let mut hash = Sha256::new();
    for agent in 0..plan.agents() {
        let Some(identity) = plan.identity(agent) else { continue };
        hash.update(identity.agent_id.as_bytes());
        hash.update(identity.agent_type.as_bytes());
        for name in identity.capabilities.iter().chain(&identity.dependencies) {
            hash.update([0]);
            hash.update(name.as_bytes());
        }
        hash.update([u8::from(identity.probes)]);
    }
    // Ways that are not the plain ones, and faults; without them hashes stay what they were.
    for Members { fleet, .. } in &plan.fleets {
        let ways = (fleet.popularity, fleet.connections, fleet.protocol, fleet.discovery);
        let plain = (Popularity::Uniform, Connections::Shared, Protocol::Http, Discovery::Conditional);
        if ways != plain {
            hash.update(format!("{} {ways:?}\n", fleet.name));
        }
    }
    for fault in plan.faults() {
        hash.update(format!("{fault:?}\n"));
    }
    let struck = (0..plan.last_lots.len()).flat_map(|fault| {
        (0..plan.agents()).filter(move |agent| plan.strikes(fault, *agent)).map(move |agent| (fault, agent))
    });
    for (fault, agent) in struck {
        hash.update(format!("{fault} strikes {agent}\n"));
    }
    for planned in Schedule::new(Arc::clone(plan)) {
        let (tag, number) = match planned.action {
            Action::Register { incarnation } => (0_u8, incarnation),
            Action::Beat { number } => (1, number),
            Action::Poll { number } => (2, number),
            Action::Crash => (3, 0),
            Action::Observe => (4, 0),
            Action::Leave => (5, 0),
        };
        hash.update(planned.instant_us.to_le_bytes());
        hash.update(planned.agent.unwrap_or(u32::MAX).to_le_bytes());
        hash.update([tag]);
        hash.update(number.to_le_bytes());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A duration in whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
