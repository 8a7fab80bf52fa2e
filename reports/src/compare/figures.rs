//! What is compared of a run.

use serde::Serialize;

use super::statistics::Second;
use crate::result::{CallStats, Interval, PhaseReport, RunReport};

/// The harness's own reading of the whole list, which is no agent's load.
const OBSERVE: &str = "observe";

/// A percentile of fewer calls is an accident.
const FEWEST_CALLS: u64 = 100;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Microseconds.
    Microseconds,
    /// Bytes.
    Bytes,
    /// A rate: calls per second, or per second of CPU.
    PerSecond,
    /// From 0 to 1.
    Share,
}

/// One figure of a run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Figure {
    pub(super) phase: String,
    pub(super) metric: String,
    pub(super) unit: Unit,
    pub(super) higher_is_worse: bool,
    pub(super) value: f64,
}

/// What of an operation is compared.
type OfCalls = (&'static str, Unit, fn(&CallStats) -> Option<f64>);

const OF_CALLS: [OfCalls; 4] = [
    ("response.p50", Unit::Microseconds, |stats| duration(stats, stats.response_us.p50)),
    ("response.p99", Unit::Microseconds, |stats| duration(stats, stats.response_us.p99)),
    ("service.p99", Unit::Microseconds, |stats| duration(stats, stats.service_us.p99)),
    ("errors", Unit::Share, |stats| (stats.count > 0).then(|| number(stats.errors) / number(stats.count))),
];

/// Every figure of a run, phase by phase.
pub(super) fn of(report: &RunReport) -> Vec<Figure> {
    report.phases.iter().flat_map(of_phase).collect()
}

/// The value of one figure.
pub(super) fn value(report: &RunReport, phase: &str, metric: &str) -> Option<f64> {
    let phase = report.phases.iter().find(|entry| entry.name == phase)?;
    of_phase(phase).into_iter().find(|figure| figure.metric == metric).map(|figure| figure.value)
}

fn of_phase(phase: &PhaseReport) -> Vec<Figure> {
    let figure = |metric: String, unit: Unit, higher_is_worse: bool, value: f64| Figure {
        phase: phase.name.clone(),
        metric,
        unit,
        higher_is_worse,
        value,
    };
    let mut figures = Vec::new();
    for (operation, stats) in phase.calls.iter().filter(|(name, _)| *name != OBSERVE) {
        figures.extend(OF_CALLS.iter().filter_map(|(name, unit, of)| {
            Some(figure(format!("{operation}.{name}"), *unit, true, of(stats)?))
        }));
    }
    let answered: u64 = phase.calls.values().map(answered).sum();
    if phase.target.cpu_seconds > 0.0 && answered > 0 {
        let per_second = number(answered) / phase.target.cpu_seconds;
        figures.push(figure("registry.calls_per_cpu_second".into(), Unit::PerSecond, false, per_second));
    }
    if phase.target.pss_bytes > 0 {
        figures.push(figure("registry.memory".into(), Unit::Bytes, true, number(phase.target.pss_bytes)));
    }
    if phase.sent_per_second > 0.0 {
        figures.push(figure("all.sent_per_second".into(), Unit::PerSecond, false, phase.sent_per_second));
    }
    figures
}

/// The seconds of a phase, as far as they tell of a figure: all operations together.
pub(super) fn seconds(report: &RunReport, phase: &str, metric: &str) -> Vec<Second> {
    let Some(phase) = report.phases.iter().find(|entry| entry.name == phase) else { return Vec::new() };
    let is_inside = |interval: &&Interval| {
        let start_ms = interval.second.saturating_mul(1_000);
        start_ms >= phase.start_ms && start_ms.saturating_add(1_000) <= phase.end_ms
    };
    let seconds = report.intervals.iter().filter(is_inside).filter_map(|interval| second(interval, metric));
    seconds.collect()
}

fn second(interval: &Interval, metric: &str) -> Option<Second> {
    let plain = |sum: u64| (sum > 0).then(|| Second { sum: number(sum), weight: 1.0 });
    match metric {
        "registry.calls_per_cpu_second" => {
            Some(Second { sum: number(interval.sent), weight: interval.target_cores })
        }
        "registry.memory" => plain(interval.target_pss_bytes),
        "all.sent_per_second" => Some(Second { sum: number(interval.sent), weight: 1.0 }),
        _ if metric.ends_with(".errors") => {
            Some(Second { sum: number(interval.errors), weight: number(interval.sent) })
        }
        _ if metric.ends_with(".p50") => plain(interval.response_us.p50),
        _ => plain(interval.response_us.p99),
    }
}

/// The calls that the registry answered, with whatever status.
fn answered(stats: &CallStats) -> u64 {
    let statuses = stats.by_result.iter().filter(|(result, _)| result.parse::<u16>().is_ok());
    statuses.map(|(_, count)| count).sum()
}

fn duration(stats: &CallStats, microseconds: u64) -> Option<f64> {
    (stats.count >= FEWEST_CALLS && microseconds > 0).then(|| number(microseconds))
}

#[allow(clippy::cast_precision_loss, reason = "a comparison needs no 53 bits")]
fn number(count: u64) -> f64 {
    count as f64
}
