//! What a plan asks of a registry, counted before anything starts: the plan's own actions through the agents' own
//! rules, against a registry that answers everything at once. What answers make agents do besides (fetch changed
//! wiring, register again) is known to no plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use reports::history::{CallRecord, Outcome};

use super::agents::{Agents, Due, Task};
use crate::client::Answered;
use crate::dialect::Dialect;
use crate::plan::Plan;
use crate::plan::schedule::{Action, Schedule};
use crate::plan::share::Share;

/// The stretch whose rate is held against the mean: short enough that a herd shows.
const STRETCH_US: u64 = 100_000;

/// What a phase offers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OfferedPhase {
    /// Its name in the scenario.
    pub name: String,
    /// The word for what happens in it.
    pub kind: &'static str,
    /// Its length, microseconds.
    pub length_us: u64,
    /// The most agents that live at one time.
    pub agents: u64,
    /// Calls by operation; the harness's own reading of the list is `observe`.
    pub calls: BTreeMap<&'static str, u64>,
    /// The most calls that are due in one stretch of 100 ms.
    pub busiest_100ms: u64,
}

impl OfferedPhase {
    /// All calls.
    pub fn total(&self) -> u64 {
        self.calls.values().sum()
    }

    /// A number of calls of this phase as a rate.
    #[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
    pub fn per_second(&self, calls: u64) -> f64 {
        if self.length_us == 0 { 0.0 } else { calls as f64 * 1e6 / self.length_us as f64 }
    }

    /// The rate of the busiest 100 ms over the mean; `None` without calls.
    #[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
    pub fn peak_over_mean(&self) -> Option<f64> {
        // A phase shorter than a stretch is one stretch.
        let stretch_us = STRETCH_US.min(self.length_us);
        let mean = self.per_second(self.total()) * stretch_us as f64 / 1e6;
        (mean > 0.0).then(|| self.busiest_100ms as f64 / mean)
    }
}

/// What each phase of a plan offers to a registry that is spoken to in this dialect.
pub fn offered(plan: &Arc<Plan>, dialect: &dyn Dialect) -> Vec<OfferedPhase> {
    let mut phases: Vec<OfferedPhase> = plan
        .phases()
        .iter()
        .map(|phase| OfferedPhase {
            name: phase.name.clone(),
            kind: phase.kind.name(),
            length_us: phase.end_us - phase.start_us,
            ..OfferedPhase::default()
        })
        .collect();
    // Nobody is called: port 0 leads nowhere.
    let mut agents = Agents::new(Arc::clone(plan), Share::WHOLE, 0, dialect);
    let mut alive = 0_u64;
    let mut stretch = (0, 0, 0_u64);
    let mut last_phase = None;
    for planned in Schedule::new(Arc::clone(plan)) {
        let index = plan.phase_at(planned.instant_us);
        let Some(phase) = phases.get_mut(index) else { continue };
        if last_phase != Some(index) {
            last_phase = Some(index);
            phase.agents = alive;
        }
        match planned.action {
            Action::Register { .. } => alive += 1,
            Action::Crash | Action::Leave => alive = alive.saturating_sub(1),
            _ => {}
        }
        phase.agents = phase.agents.max(alive);
        let Due::Call(task) = agents.due(planned) else { continue };
        agents.answered(task, &at_once(task));
        let name = if task.agent.is_none() { "observe" } else { task.operation.name() };
        // Impatient agents repeat a heartbeat at once after its answer.
        let repeated = task.agent.filter(|_| task.operation.is_heartbeat());
        let calls = 1 + repeated.map_or(0, |agent| u64::from(plan.retries(agent, planned.instant_us)));
        *phase.calls.entry(name).or_default() += calls;
        let start_us = plan.phases().get(index).map_or(0, |phase| phase.start_us);
        let number = (planned.instant_us - start_us) / STRETCH_US;
        if (stretch.0, stretch.1) != (index, number) {
            stretch = (index, number, 0);
        }
        stretch.2 += calls;
        phase.busiest_100ms = phase.busiest_100ms.max(stretch.2);
    }
    phases
}

/// The answer of a registry that keeps everything and is never late.
fn at_once(task: Task) -> Answered {
    let outcome = if task.operation.is_heartbeat() { Outcome::Renewed } else { Outcome::Shown };
    Answered {
        record: CallRecord {
            agent: None,
            op: task.operation,
            planned_us: Some(task.planned_us),
            s_us: task.planned_us,
            e_us: task.planned_us,
            outcome,
            http: None,
            sent: None,
            seen: None,
            note: None,
        },
        wiring_revision: None,
        wiring_changed: false,
        store_id: None,
    }
}
