//! What goes wrong on purpose, at instants of the run.

use scenarios::model::{FaultKind, Scenario};

use super::chance::{Draws, Question, rank};
use super::lives::rounded_share;
use super::{PhaseSpan, Plan, micros};

/// A fault with its instants, microseconds since the run began.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedFault {
    /// Its name in the scenario.
    pub name: String,
    /// What goes wrong.
    pub kind: FaultKind,
    /// The index of the phase that it strikes in.
    pub phase: usize,
    /// When it begins.
    pub start_us: u64,
    /// When nothing of it is left but its aftermath.
    pub end_us: u64,
    /// Each stroke of it, from when until when, in order: of a kill each death and each start, of a pause each stop and
    /// each going on. Others have a single one.
    pub instants: Vec<(u64, u64)>,
}

/// The faults of a scenario in the order of their instants. One of a phase that does not exist is left out.
pub(super) fn planned(scenario: &Scenario, phases: &[PhaseSpan]) -> Vec<PlannedFault> {
    let mut faults: Vec<PlannedFault> = scenario
        .faults
        .iter()
        .filter_map(|fault| {
            let phase = phases.iter().position(|phase| phase.name == fault.phase)?;
            let start_us = phases.get(phase)?.start_us.saturating_add(micros(fault.at));
            let instants = strokes(fault.kind, start_us);
            let end_us = start_us.saturating_add(micros(fault.kind.length()));
            Some(PlannedFault {
                name: fault.name.clone(),
                kind: fault.kind,
                phase,
                start_us,
                end_us,
                instants,
            })
        })
        .collect();
    faults.sort_by_key(|fault| fault.start_us);
    faults
}

fn strokes(kind: FaultKind, start_us: u64) -> Vec<(u64, u64)> {
    let (times, every, each) = match kind {
        FaultKind::Kill { down, times, every } => (times, every, down),
        FaultKind::Pause { lasting, times, every } => (times, every, lasting),
        _ => (1, kind.length(), kind.length()),
    };
    (0..times)
        .map(|number| {
            let from_us = start_us.saturating_add(micros(every).saturating_mul(u64::from(number)));
            (from_us, from_us.saturating_add(micros(each)))
        })
        .collect()
}

/// The last of those that a fault of a share of all agents strikes, by their lots; `None`: it strikes nobody, or is none
/// of a share of all.
pub(super) type LastLot = Option<(u64, u32)>;

impl Plan {
    /// What goes wrong on purpose, in the order of its instants.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// The index among [`Plan::faults`] of the first partition that an agent is in; `None`: it is in none. All
    /// partitions draw the same lots, so that those of a smaller share are in a larger one too.
    pub fn partitioned(&self, agent: u32) -> Option<usize> {
        let is_partition = |index: &usize| {
            let kind = self.faults.get(*index).map(|fault| fault.kind);
            matches!(kind, Some(FaultKind::Partition { .. }))
        };
        (0..self.faults.len()).filter(is_partition).find(|index| self.strikes(*index, agent))
    }

    /// How often an agent repeats a heartbeat of this instant at once after its answer.
    pub fn retries(&self, agent: u32, instant_us: u64) -> u32 {
        let storm = self.faults.iter().enumerate().find_map(|(index, fault)| match fault.kind {
            FaultKind::RetryStorm { retries, .. } if (fault.start_us..fault.end_us).contains(&instant_us) => {
                Some((index, retries))
            }
            _ => None,
        });
        storm.filter(|(index, _)| self.strikes(*index, agent)).map_or(0, |(_, retries)| retries)
    }

    /// Whether the partition or retry storm of this index among [`Plan::faults`] strikes an agent.
    pub fn strikes(&self, fault: usize, agent: u32) -> bool {
        let last = self.last_lots.get(fault).copied().flatten();
        last.is_some_and(|last| self.lot(agent).is_some_and(|lot| (lot, agent) <= last))
    }

    fn lot(&self, agent: u32) -> Option<u64> {
        let (fleet, _, number) = self.fleet_of(agent)?;
        let draws = Draws { seed: self.seed, fleet, agent: number };
        Some(rank(&mut draws.generator(Question::Lot, 0, 0)))
    }

    /// Draws the lots of all agents once, if a fault asks for them.
    pub(super) fn last_lots(&self) -> Vec<LastLot> {
        let share = |kind| match kind {
            FaultKind::Partition { share, .. } | FaultKind::RetryStorm { share, .. } => Some(share),
            _ => None,
        };
        let shares: Vec<Option<f64>> = self.faults.iter().map(|fault| share(fault.kind)).collect();
        if shares.iter().all(Option::is_none) {
            return Vec::new();
        }
        let mut lots: Vec<(u64, u32)> =
            (0..self.agents).filter_map(|agent| Some((self.lot(agent)?, agent))).collect();
        lots.sort_unstable();
        let last = |share| rounded_share(lots.len(), share).checked_sub(1).and_then(|index| lots.get(index));
        shares.into_iter().map(|share| last(share?).copied()).collect()
    }
}
