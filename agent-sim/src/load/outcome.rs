//! The outcome of a run as plain data.

use std::collections::BTreeMap;

use reports::result::{
    AgentCounts, CallStats, FaultReport, GeneratorReport, Interval, PhaseReport, ProcessCost, Shard,
    TargetReport, ThresholdReport,
};
use scenarios::model::{Scenario, TargetKind};

use super::collector::Collector;
use super::driver::{Ending, Trouble};
use super::faults::FaultEnd;
use super::sampler::{Costs, micros_as_seconds};
use super::worker::Floor;
use crate::history_writer::Written;
use crate::plan::{PhaseSpan, Plan};
use crate::target::Target;
use crate::validity::{Evidence, causes};

/// All that a run found, but for what the judge makes of its history.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadOutcome {
    /// SHA-256 of the plan, in hex.
    pub plan_hash: String,
    /// Whether the user ended it early.
    pub interrupted: bool,
    /// Why the run says nothing about the registry, in sentences; empty when it does.
    pub invalid: Vec<String>,
    /// What went wrong beside broken thresholds, in sentences: the registry ended by itself.
    pub failed: Vec<String>,
    /// How many agents.
    pub agents: AgentCounts,
    /// All phases but ramps, which are warm-up, by operation. `observe` is the harness's own reading of the whole
    /// list, which no threshold counts.
    pub calls: BTreeMap<String, CallStats>,
    /// Phase by phase.
    pub phases: Vec<PhaseReport>,
    /// Each threshold with its value, in the order of the scenario; those on freshness get theirs from the judge.
    pub thresholds: Vec<ThresholdReport>,
    /// What went wrong on purpose and how it was got over; wrong expiries come from the judge.
    pub faults: Vec<FaultReport>,
    /// Instant 0 of the plan on the clock of the history, microseconds.
    pub begin_us: u64,
    /// What the registry cost.
    pub target: TargetReport,
    /// What the harness cost, and how well it kept its plan.
    pub generator: GeneratorReport,
    /// One entry a second.
    pub intervals: Vec<Interval>,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// How long the plan was followed, milliseconds.
    pub duration_ms: u64,
    /// Which part of a run it is, where it is one; what the judge knows of it is left to be filled in.
    pub shard: Option<Shard>,
}

/// A run that is over.
pub(super) struct Finished<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Plan,
    pub(super) target: &'a Target,
    pub(super) ending: Ending,
    /// When the plan was followed no longer, microseconds since it began.
    pub(super) ended_us: u64,
    /// The end of what the registry printed.
    pub(super) last_output: String,
    /// Most agents registered at one time.
    pub(super) agents_peak: u64,
    /// Processes that made the agents' calls.
    pub(super) workers: u64,
    /// Of the worst process.
    pub(super) run_queue_wait_share: f64,
    pub(super) collector: Collector,
    pub(super) faults: Vec<FaultReport>,
    pub(super) fault_end: FaultEnd,
    pub(super) begin_us: u64,
    pub(super) costs: Costs,
    pub(super) trouble: Trouble,
    pub(super) floor: Option<Floor>,
    pub(super) written: Written,
    pub(super) tripwire: bool,
    pub(super) shortest_period_us: u64,
    pub(super) connections_wanted: u64,
    pub(super) connections_held: u64,
    pub(super) in_flight_limit: u32,
    pub(super) shard: Option<Shard>,
}

impl Finished<'_> {
    pub(super) fn outcome(self, plan_hash: &str, started_at: &str) -> LoadOutcome {
        let floors_us = self.floor.as_ref().map(Floor::p999_by_phase_us).unwrap_or_default();
        let thresholds = self.collector.thresholds(&self.faults, &floors_us);
        let calls = self.collector.judged_stats();
        let invalid = [causes(&self.evidence()), self.fault_end.invalid.clone()].concat();
        let failed = self.failures();
        let (told, also) = (invalid.clone(), failed.clone());
        let shard = self.shard.clone().map(|shard| Shard { invalid: told, failed: also, ..shard });
        LoadOutcome {
            plan_hash: plan_hash.to_owned(),
            interrupted: matches!(self.ending, Ending::Interrupted),
            invalid,
            failed,
            agents: AgentCounts { planned: u64::from(self.plan.counted()), peak: self.agents_peak },
            calls,
            phases: phase_reports(self.plan, &self.collector, self.ended_us, &self.costs.phases),
            thresholds,
            begin_us: self.begin_us,
            target: self.target_report(),
            generator: self.generator_report(),
            intervals: self.collector.into_intervals(),
            faults: self.faults,
            started_at: started_at.to_owned(),
            duration_ms: self.ended_us / 1_000,
            shard,
        }
    }

    fn failures(&self) -> Vec<String> {
        let death = match &self.ending {
            Ending::TargetDied => vec![self.death()],
            Ending::Interrupted | Ending::Planned | Ending::TargetLost => Vec::new(),
        };
        [death, self.fault_end.failed.clone()].concat()
    }

    fn death(&self) -> String {
        let phase = self.plan.phases().get(self.plan.phase_at(self.ended_us));
        let phase = phase.map_or("", |phase| phase.name.as_str());
        let last_line = self.last_output.lines().rfind(|line| !line.trim().is_empty());
        let said = last_line.map_or_else(String::new, |line| format!("; its last output: {}", line.trim()));
        format!(
            "the registry process ended by itself (noticed {:.1} s into the run, in phase `{phase}`{said})",
            micros_as_seconds(self.ended_us)
        )
    }

    fn target_report(&self) -> TargetReport {
        let kind = match self.scenario.target.kind {
            TargetKind::Reference => "reference",
            TargetKind::Command(_) => "command",
            TargetKind::Url(_) => "url",
        };
        let cost = self.costs.target;
        TargetReport {
            kind: kind.to_owned(),
            dialect: self.target.dialect.name().to_owned(),
            url: self.target.url.clone(),
            cpu_seconds: cost.cpu_seconds,
            pss_bytes: cost.pss_bytes,
            fds: cost.fds,
            calls_per_cpu_second: per(self.collector.totals().answered(), cost.cpu_seconds),
        }
    }

    fn generator_report(&self) -> GeneratorReport {
        let cost = self.costs.own;
        GeneratorReport {
            cpu_seconds: cost.cpu_seconds,
            pss_bytes: cost.pss_bytes,
            fds: cost.fds,
            run_queue_wait_share: self.run_queue_wait_share,
            lag_us: self.collector.lag(),
            timer_floor_us: self.floor.as_ref().map(|floor| floor.lateness.percentiles()).unwrap_or_default(),
            peak_in_flight: count(self.trouble.peak_in_flight),
            in_flight_limit: u64::from(self.in_flight_limit),
            lost_history_lines: self.written.lost_lines,
            workers: self.workers,
            connections_wanted: self.connections_wanted,
            connections_held: self.connections_held,
        }
    }

    fn evidence(&self) -> Evidence {
        let (due_outside_faults, sent_outside_faults) = self.collector.kept_outside_faults();
        let mut breakdowns = Vec::new();
        breakdowns.extend(self.trouble.breakdown.clone());
        if self.floor.is_none() {
            breakdowns.push("the thread that measures the timer floor broke down".to_owned());
        }
        Evidence {
            shortest_period_us: self.shortest_period_us,
            lag_us: self.collector.lag(),
            due_outside_faults,
            sent_outside_faults,
            planned: self.collector.totals().planned,
            own_misses: self.collector.own_misses(),
            run_queue_wait_share: self.run_queue_wait_share,
            held_back: self.trouble.held_back,
            in_flight_limit: u64::from(self.in_flight_limit),
            descriptor_failures: self.trouble.descriptor_failures,
            port_failures: self.trouble.port_failures,
            connections_wanted: self.connections_wanted,
            connections_held: self.connections_held,
            lost_lines: self.written.lost_lines,
            history_failure: self.written.failure.clone(),
            tripwire: self.tripwire,
            breakdowns,
        }
    }
}

/// The phases of a run whose plan was followed until `ended_us`, with what the registry used in each.
pub(super) fn phase_reports(
    plan: &Plan,
    collector: &Collector,
    ended_us: u64,
    costs: &[ProcessCost],
) -> Vec<PhaseReport> {
    let report = |(index, phase): (usize, &PhaseSpan)| {
        // A phase that was cut short is told by the rate while it lasted.
        let seconds = micros_as_seconds(phase.end_us.min(ended_us).saturating_sub(phase.start_us));
        let (planned, sent) = collector.counts(index);
        PhaseReport {
            name: phase.name.clone(),
            kind: phase.kind.name().to_owned(),
            start_ms: phase.start_us / 1_000,
            end_ms: phase.end_us / 1_000,
            planned_per_second: per(planned, seconds).unwrap_or_default(),
            sent_per_second: per(sent, seconds).unwrap_or_default(),
            calls: collector.phase_stats(index),
            target: costs.get(index).copied().unwrap_or_default(),
        }
    };
    plan.phases().iter().enumerate().map(report).collect()
}

#[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
fn per(count: u64, seconds: f64) -> Option<f64> {
    (seconds > 0.0).then(|| count as f64 / seconds)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
