//! What goes wrong on purpose, at instants of the run.

use scenarios::model::{FaultKind, Scenario};

use super::chance::{Draws, Question};
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

impl Plan {
    /// What goes wrong on purpose, in the order of its instants.
    pub fn faults(&self) -> &[PlannedFault] {
        &self.faults
    }

    /// The index among [`Plan::faults`] of the first partition that an agent is in; `None`: it is in none.
    pub fn partitioned(&self, agent: u32) -> Option<usize> {
        let (fleet, _, number) = self.fleet_of(agent)?;
        let draws = Draws { seed: self.seed, fleet, agent: number };
        self.faults.iter().enumerate().position(|(index, fault)| match fault.kind {
            FaultKind::Partition { share, .. } => {
                let part = u32::MAX - u32::try_from(index).unwrap_or_default();
                draws.share(Question::Crash, part, 0) < share
            }
            _ => false,
        })
    }

    /// How many agents should live at an instant. Looks at every agent.
    pub fn should_live(&self, instant_us: u64) -> u32 {
        let lives = |agent: &u32| {
            self.lives(*agent).iter().any(|life| {
                life.start_us <= instant_us && life.crash_us.is_none_or(|crash_us| instant_us < crash_us)
            })
        };
        u32::try_from((0..self.agents()).filter(lives).count()).unwrap_or(u32::MAX)
    }
}
