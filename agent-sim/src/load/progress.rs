//! What a run tells once a second while it goes on.

use std::sync::Arc;

use reports::result::{FaultReport, Percentiles};

use super::driver::Driver;
use super::ledger::Standing;
use super::metrics::Figures;
use crate::plan::Plan;

/// Most kinds of errors that are told one by one.
const MAX_ERROR_KINDS: usize = 20;

/// Most seconds that are told of.
const MAX_SECONDS: usize = 120;

/// How a run goes. Durations in microseconds, instants in milliseconds since the plan began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// What does not change while the run goes on.
    pub outline: Arc<Outline>,
    /// The phase's name.
    pub phase: String,
    /// Its index, from 0.
    pub phase_index: usize,
    /// How many phases there are.
    pub phases: usize,
    /// Time since the plan began, milliseconds.
    pub elapsed_ms: u64,
    /// The length of the plan, milliseconds.
    pub total_ms: u64,
    /// Agents registered, as far as their own answers told.
    pub agents: u64,
    /// Agents that should live by the plan.
    pub agents_planned: u64,
    /// Calls due in the last second.
    pub offered_per_second: u64,
    /// Calls sent in the last second.
    pub achieved_per_second: u64,
    /// Median response of the last 10 s, microseconds.
    pub p50_us: u64,
    /// 99 % response of the last 10 s, microseconds.
    pub p99_us: u64,
    /// Response of all calls but long-polls in the last 10 s.
    pub response_us: Percentiles,
    /// Response of heartbeats in the last 10 s; `None` without any.
    pub heartbeat_us: Option<Percentiles>,
    /// Response of questions for other agents in the last 10 s, long-polls left out; `None` without any.
    pub discovery_us: Option<Percentiles>,
    /// 99 % lag of the last second, microseconds.
    pub lag_p99_us: u64,
    /// Due calls so far that found the last one unanswered.
    pub misses: u64,
    /// The harness's CPU, in cores.
    pub generator_cores: f64,
    /// The registry's CPU, in cores.
    pub target_cores: f64,
    /// The registry's proportional set size, bytes; 0 where its process is not the harness's own.
    pub target_pss_bytes: u64,
    /// Calls that failed so far.
    pub errors: u64,
    /// The most frequent kinds of them, at most 20, the most frequent first.
    pub error_kinds: Vec<ErrorKind>,
    /// How many more kinds there are.
    pub more_error_kinds: usize,
    /// What goes wrong on purpose, in the order of its beginning; how it was got over, as far as that is known.
    pub faults: Vec<FaultReport>,
    /// Thresholds that are broken whatever may come. Others may break yet, and be it at the end.
    pub broken: Vec<BrokenThreshold>,
    /// The last seconds that are over, at most 120, oldest first.
    pub seconds: Vec<Second>,
    /// What has been counted since the run began.
    pub figures: Figures,
}

/// What of a plan is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The scenario's name.
    pub name: String,
    /// All phases in their order.
    pub phases: Vec<OutlinedPhase>,
    /// All agents that there ever are.
    pub agents: u64,
}

/// A phase in its place.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OutlinedPhase {
    /// Its name.
    pub name: String,
    /// Its first instant.
    pub start_ms: u64,
    /// The first instant after it.
    pub end_ms: u64,
}

/// Errors of one kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorKind {
    /// The operation's name; `observe` is the harness's own reading.
    pub operation: &'static str,
    /// The HTTP status, or how the call came to nothing.
    pub kind: String,
    /// How many so far.
    pub count: u64,
}

/// A threshold that is broken whatever may come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenThreshold {
    /// The phase.
    pub phase: String,
    /// What was measured.
    pub metric: String,
    /// As the scenario has it.
    pub limit: String,
    /// When it first broke.
    pub at_ms: u64,
}

/// A second of the run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Second {
    /// Calls sent.
    pub sent: u64,
    /// 99 % response, microseconds.
    pub p99_us: u64,
}

impl Outline {
    pub(super) fn of(name: &str, plan: &Plan) -> Self {
        let phases = plan.phases().iter().map(|phase| OutlinedPhase {
            name: phase.name.clone(),
            start_ms: phase.start_us / 1_000,
            end_ms: phase.end_us / 1_000,
        });
        Self { name: name.to_owned(), phases: phases.collect(), agents: u64::from(plan.counted()) }
    }
}

impl Driver {
    pub(super) fn show_progress(&self) {
        let Some(books) = self.ledger.books() else { return };
        let now_us = self.now_us();
        let phase_index = self.plan.phase_at(now_us);
        let collector = &books.collector;
        let second = collector.last_interval();
        let (lately, totals) = (collector.lately(), collector.totals());
        let response_us = lately.all();
        let mut error_kinds = collector.errors_by_kind();
        let more_error_kinds = error_kinds.len().saturating_sub(MAX_ERROR_KINDS);
        error_kinds.truncate(MAX_ERROR_KINDS);
        let seconds = collector.last_intervals(MAX_SECONDS).iter();
        self.progress.send_replace(Progress {
            outline: Arc::clone(&self.outline),
            phase: self.plan.phases().get(phase_index).map_or_else(String::new, |phase| phase.name.clone()),
            phase_index,
            phases: self.plan.phases().len(),
            elapsed_ms: now_us / 1_000,
            total_ms: self.plan.end_us() / 1_000,
            agents: second.agents,
            agents_planned: self.plan.should_live(now_us),
            offered_per_second: second.planned,
            achieved_per_second: second.sent,
            p50_us: response_us.p50,
            p99_us: response_us.p99,
            response_us,
            heartbeat_us: lately.heartbeat(),
            discovery_us: lately.discovery(),
            lag_p99_us: second.lag_p99_us,
            misses: totals.misses,
            generator_cores: second.generator_cores,
            target_cores: second.target_cores,
            target_pss_bytes: second.target_pss_bytes,
            errors: totals.errors,
            error_kinds,
            more_error_kinds,
            faults: books.recovery.reports(),
            broken: collector.surely_broken(),
            seconds: seconds.map(|one| Second { sent: one.sent, p99_us: one.response_us.p99 }).collect(),
            figures: Figures { target_cpu_seconds: self.costs.target.cpu_seconds, ..self.figures() },
        });
    }

    fn figures(&self) -> Figures {
        let others = self.ledger.merge().map_or_else(Standing::default, |merge| merge.standing());
        let Standing { in_flight, lost_lines, .. } = self.standing().and(others);
        Figures {
            in_flight: u64::try_from(in_flight).unwrap_or(u64::MAX),
            lost_lines,
            ..self.ledger.books().map(|books| books.collector.figures()).unwrap_or_default()
        }
    }
}
