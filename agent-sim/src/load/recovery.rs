//! How a run got over what went wrong on purpose: pure, from the agents' ended calls and the plan.
//!
//! An agent is *well* from a heartbeat that was answered well until one that failed, that was refused or that was due
//! while the last one was still unanswered, or until its process ends. So a registry that is down makes those unwell
//! who noticed, whatever they believed before.

use std::sync::Arc;

use reports::history::{Operation, Outcome};
use reports::result::{FaultReport, Interval};
use scenarios::model::{FaultKind, PhaseKind};

use crate::measure::Timed;
use crate::plan::{Plan, micros};

/// Agents that a fault brings back come a moment after its end, and are missed from its end on.
const AT_ITS_END_US: u64 = 1_000;

/// All faults of a run while it goes on. A byte an agent, and nothing without faults.
#[derive(Debug)]
pub(super) struct Recovery {
    plan: Arc<Plan>,
    faults: Vec<Aftermath>,
    /// Faults whose figures may still change.
    open: usize,
    well: Vec<bool>,
    count: u64,
}

/// A fault and what followed it. Instants are microseconds since the run began.
#[derive(Debug)]
struct Aftermath {
    report: FaultReport,
    affected: Affected,
    start_us: u64,
    end_us: u64,
    /// The next fault's beginning.
    until_us: u64,
    first_success_us: Option<u64>,
    /// Whether it was looked at since its end.
    looked: bool,
    live_us: Option<u64>,
    registrations: PerSecond,
}

/// Whose first success after a fault counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Affected {
    /// Anybody's: all speak to the same registry.
    All,
    /// That of an agent that ended in the fault and came back.
    Replaced,
    /// That of an agent that came back in it.
    Returned,
    /// That of an agent behind the bad network.
    Partitioned(usize),
}

/// Counts by second and keeps the highest. What comes a little late is counted in its own second all the same.
#[derive(Debug, Default)]
struct PerSecond {
    second: u64,
    count: u64,
    count_before: u64,
    peak: u64,
}

impl PerSecond {
    fn add(&mut self, at_us: u64) {
        let second = at_us / 1_000_000;
        if second > self.second {
            self.count_before = if second == self.second + 1 { self.count } else { 0 };
            (self.second, self.count) = (second, 0);
        }
        let count = if second == self.second { &mut self.count } else { &mut self.count_before };
        *count += 1;
        self.peak = self.peak.max(*count);
    }
}

impl Recovery {
    /// Before the run. Phases of the kinds `crash` and `recover` are faults of their phase's name.
    pub(super) fn new(plan: &Arc<Plan>) -> Self {
        let mut faults = of_phases(plan);
        faults.extend(injected(plan));
        faults.sort_by_key(|fault| fault.start_us);
        let starts: Vec<u64> = faults.iter().map(|fault| fault.start_us).collect();
        for fault in &mut faults {
            let next_us = starts.iter().copied().find(|us| *us > fault.start_us);
            fault.until_us = next_us.unwrap_or(u64::MAX);
            // Where nobody comes back, the first success is that of whoever still lives.
            let mut counted = (0..plan.agents()).filter(|agent| plan.counts(*agent));
            if !counted.any(|agent| fault.affects(plan, agent)) {
                fault.affected = Affected::All;
            }
        }
        let agents = if faults.is_empty() { 0 } else { usize::try_from(plan.agents()).unwrap_or_default() };
        let open = faults.len();
        Self { plan: Arc::clone(plan), faults, open, well: vec![false; agents], count: 0 }
    }

    /// An agent's call ended at `now_us` since the run began.
    pub(super) fn ended(&mut self, agent: u32, call: &Timed, now_us: u64) {
        let is_heartbeat = matches!(call.op, Operation::Register | Operation::Renew | Operation::Probe);
        if self.faults.is_empty() || !is_heartbeat || call.outcome == Outcome::CutOff {
            return;
        }
        self.advance(now_us);
        let is_well = call.outcome.renews();
        self.set(agent, is_well);
        if !is_well {
            return;
        }
        for fault in &mut self.faults {
            fault.succeeded(&self.plan, agent, call.op == Operation::Register, now_us);
        }
        self.look(now_us);
    }

    /// A heartbeat of an agent was due while its last one was unanswered.
    pub(super) fn missed(&mut self, agent: u32) {
        self.set(agent, false);
    }

    /// An agent's process has ended.
    pub(super) fn gone(&mut self, agent: u32) {
        self.set(agent, false);
    }

    /// Takes note of the time. What held when a fault ended was true at its end.
    pub(super) fn advance(&mut self, now_us: u64) {
        if self.open > 0 {
            self.look(now_us);
        }
    }

    /// The figures so far, in the order of the faults. Wrong expiries are the judge's to tell.
    pub(super) fn reports(&self) -> Vec<FaultReport> {
        self.faults.iter().map(Aftermath::report).collect()
    }

    fn set(&mut self, agent: u32, is_well: bool) {
        let well = usize::try_from(agent).ok().and_then(|index| self.well.get_mut(index));
        if let Some(well) = well.filter(|well| **well != is_well) {
            *well = is_well;
            self.count = if is_well { self.count + 1 } else { self.count.saturating_sub(1) };
        }
    }

    /// Sees whether enough agents are well again, for each fault that is over.
    fn look(&mut self, now_us: u64) {
        for fault in self.faults.iter_mut().filter(|fault| fault.live_us.is_none() && now_us >= fault.end_us)
        {
            // Nothing that counts has changed between its end and the first look.
            let at_us = if fault.looked { now_us } else { fault.end_us };
            fault.looked = true;
            if self.count * 100 >= self.plan.should_live(at_us + AT_ITS_END_US) * 99 {
                fault.live_us = Some(at_us);
                self.open = self.open.saturating_sub(1);
            }
        }
    }
}

impl Aftermath {
    fn new(plan: &Plan, kind: &str, name: &str, phase: usize, affected: Affected, span: (u64, u64)) -> Self {
        let (start_us, end_us) = span;
        let report = FaultReport {
            name: name.to_owned(),
            kind: kind.to_owned(),
            phase: plan.phases().get(phase).map_or_else(String::new, |phase| phase.name.clone()),
            start_ms: start_us / 1_000,
            end_ms: end_us / 1_000,
            ..FaultReport::default()
        };
        Self {
            report,
            affected,
            start_us,
            end_us,
            until_us: u64::MAX,
            first_success_us: None,
            looked: false,
            live_us: None,
            registrations: PerSecond::default(),
        }
    }

    fn affects(&self, plan: &Plan, agent: u32) -> bool {
        let during = |us: u64| (self.start_us..=self.end_us).contains(&us);
        let lives = plan.lives(agent);
        match self.affected {
            Affected::All => true,
            Affected::Partitioned(index) => plan.strikes(index, agent),
            Affected::Returned => lives.iter().skip(1).any(|life| during(life.start_us)),
            Affected::Replaced => lives.windows(2).any(|pair| match pair {
                [ended, next] => ended.crash_us.is_some_and(during) && next.start_us < self.until_us,
                _ => false,
            }),
        }
    }

    /// A heartbeat of an agent was answered well.
    fn succeeded(&mut self, plan: &Plan, agent: u32, registered: bool, now_us: u64) {
        if registered && (self.start_us..self.until_us).contains(&now_us) {
            self.registrations.add(now_us);
        }
        if self.first_success_us.is_none() && now_us >= self.end_us && self.affects(plan, agent) {
            self.first_success_us = Some(now_us);
        }
    }

    fn report(&self) -> FaultReport {
        let since_end_ms = |us: Option<u64>| us.map(|us| us.saturating_sub(self.end_us) / 1_000);
        FaultReport {
            first_success_ms: since_end_ms(self.first_success_us),
            live_ms: since_end_ms(self.live_us),
            peak_registrations_per_second: self.registrations.peak,
            ..self.report.clone()
        }
    }
}

fn of_phases(plan: &Plan) -> Vec<Aftermath> {
    let fault = |(index, phase): (usize, &crate::plan::PhaseSpan)| {
        let (affected, over) = match phase.kind {
            PhaseKind::Ramp | PhaseKind::Hold => return None,
            PhaseKind::Crash { over, .. } => (Affected::Replaced, over),
            PhaseKind::Recover { over } => (Affected::Returned, over),
        };
        let span = (phase.start_us, phase.start_us.saturating_add(micros(over)));
        Some(Aftermath::new(plan, phase.kind.name(), &phase.name, index, affected, span))
    };
    plan.phases().iter().enumerate().filter_map(fault).collect()
}

fn injected(plan: &Plan) -> Vec<Aftermath> {
    let fault = |(index, fault): (usize, &crate::plan::faults::PlannedFault)| {
        let affected = match fault.kind {
            FaultKind::Crash { .. }
            | FaultKind::Leave { .. }
            | FaultKind::Churn { .. }
            | FaultKind::Deploy { .. }
            | FaultKind::Herd { .. } => Affected::Replaced,
            FaultKind::Partition { .. } => Affected::Partitioned(index),
            FaultKind::Kill { .. }
            | FaultKind::Pause { .. }
            | FaultKind::SlowReaders { .. }
            | FaultKind::RetryStorm { .. } => Affected::All,
        };
        let span = (fault.start_us, fault.end_us);
        Aftermath::new(plan, fault.kind.name(), &fault.name, fault.phase, affected, span)
    };
    plan.faults().iter().enumerate().map(fault).collect()
}

/// Counts each wrong expiry to the fault in whose window it fell: from its beginning until the next fault. `instants_us`
/// are on the clock of the history, on which the run began at `begin_us`.
pub fn fill_wrong_expiries(faults: &mut [FaultReport], begin_us: u64, instants_us: &[u64]) {
    let starts: Vec<u64> = faults.iter().map(|fault| fault.start_ms).collect();
    for fault in faults {
        let until_ms = starts.iter().copied().filter(|start_ms| *start_ms > fault.start_ms).min();
        let window = fault.start_ms..until_ms.unwrap_or(u64::MAX);
        let since_begin_ms = |us: &u64| us.checked_sub(begin_us).map(|us| us / 1_000);
        let wrong = instants_us.iter().filter_map(since_begin_ms).filter(|ms| window.contains(ms)).count();
        fault.wrong_expiries = u64::try_from(wrong).unwrap_or(u64::MAX);
    }
}

/// Fills in how late views were at the worst in each second. The judge tells it by instants of the history's clock, on
/// which the plan began at `begin_us`.
pub fn fill_worst_freshness(intervals: &mut [Interval], begin_us: u64, worst_us: &[(u64, u64)]) {
    for &(seen_us, us) in worst_us {
        let second = seen_us.saturating_sub(begin_us) / 1_000_000;
        if let Some(interval) = usize::try_from(second).ok().and_then(|index| intervals.get_mut(index)) {
            interval.freshness_max_us = interval.freshness_max_us.max(us);
        }
    }
}

#[cfg(test)]
#[path = "recovery_tests.rs"]
mod tests;
