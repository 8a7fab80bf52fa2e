//! Judges thresholds: a phase, or every stretch of it, against limits, and when a limit first broke.

use std::time::Duration;

use reports::history::Operation;
use reports::result::{FaultReport, FreshnessReport, Interval, Percentiles, ThresholdReport};
use scenarios::model::{Figure, Limit, Percentile, RecoveryFigure, Threshold, Which};

use super::collector::{OBSERVE, Series};
use super::progress::BrokenThreshold;
use super::units::{Unit, duration_text, short};
use super::windows::{Arrivals, Samples, Windows, slope_per_minute};
use crate::measure::{Durations, Timed};
use crate::plan::{PhaseSpan, micros};
use crate::validity::share;

/// A window of fewer samples is not judged.
const LEAST_SAMPLES: u64 = 20;

/// Through fewer samples of memory no line is laid.
const LEAST_MEMORY_SAMPLES: usize = 5;

/// A threshold while its phase runs. What it keeps is bounded by the length of its window.
#[derive(Debug)]
pub(super) struct Watch {
    threshold: Threshold,
    /// What it judges; `None` for a phase that does not exist, which never has a value.
    span: Option<Span>,
    /// Which operations of the agents it judges, by their place in [`Operation::ALL`].
    judged: [bool; Operation::ALL.len()],
    /// What was counted in the present second.
    second: Samples,
    windows: Windows,
    arrivals: Arrivals,
}

/// The judged part of a phase, microseconds since the run began.
#[derive(Debug, Clone, Copy)]
struct Span {
    phase: usize,
    from_us: u64,
    end_us: u64,
}

/// What thresholds judge that is no call.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Beside<'a> {
    /// How faults were got over.
    pub(super) faults: &'a [FaultReport],
    /// The seconds of the run.
    pub(super) intervals: &'a [Interval],
    /// The 99.9 % lateness of bare sleeps in each phase, microseconds.
    pub(super) floors_us: &'a [u64],
}

impl Watch {
    pub(super) fn new(threshold: &Threshold, phases: &[PhaseSpan]) -> Self {
        let span = phases.iter().enumerate().find(|(_, phase)| phase.name == threshold.phase).map(
            |(index, phase)| {
                let from_us = phase.start_us.saturating_add(micros(threshold.grace)).min(phase.end_us);
                Span { phase: index, from_us, end_us: phase.end_us }
            },
        );
        // Without a window, each second tells by itself whether it was the first that broke the limit.
        let (seconds, least) = match threshold.window {
            Some(window) => {
                (micros(window).div_ceil(1_000_000).max(1), least_samples(threshold.metric.figure))
            }
            None => (1, 1),
        };
        Self {
            threshold: threshold.clone(),
            span,
            judged: Operation::ALL.map(|operation| judges(threshold, operation.name())),
            second: Samples::default(),
            windows: Windows::new(usize::try_from(seconds).unwrap_or(usize::MAX), least),
            arrivals: Arrivals::default(),
        }
    }

    fn concerns(&self, series: Series) -> bool {
        self.span.is_some_and(|span| span.phase == series.phase && span.from_us <= series.at_us)
            && (self.threshold.metric.figure == Figure::PeakOverMean
                || self.judged.get(series.operation as usize).copied().unwrap_or_default())
    }

    /// A call became due.
    pub(super) fn due(&mut self, series: Series) {
        if !self.concerns(series) {
            return;
        }
        match self.threshold.metric.figure {
            Figure::Misses => self.second.of += 1,
            Figure::PeakOverMean => self.arrivals.add(series.at_us),
            _ => {}
        }
    }

    /// A call that was due is missed.
    pub(super) fn missed(&mut self, series: Series) {
        if self.threshold.metric.figure == Figure::Misses && self.concerns(series) {
            self.second.bad += 1;
        }
    }

    /// A call ended.
    pub(super) fn ended(&mut self, series: Series, call: &Timed) {
        if !self.concerns(series) {
            return;
        }
        let is_over = call.outcome != reports::history::Outcome::CutOff;
        let durations = &mut self.second.durations;
        match self.threshold.metric.figure {
            Figure::Duration { which: Which::Lag, .. } => durations.record(call.lag_us()),
            Figure::Duration { which: Which::Response, .. } if is_over => {
                durations.record(call.response_us())
            }
            Figure::Duration { which: Which::Service, .. } if is_over => durations.record(call.service_us()),
            Figure::Errors if is_over => {
                self.second.of += 1;
                self.second.bad += u64::from(call.outcome.is_error());
            }
            _ => {}
        }
    }

    /// Judges what ends with the second that began at `second`. The last of the phase stays open to the end of the
    /// run: what came late in it is part of it.
    pub(super) fn close_second(&mut self, second: u64) {
        let Some(span) = self.span else { return };
        let seconds = span.from_us / 1_000_000..span.end_us.saturating_sub(1) / 1_000_000;
        if seconds.contains(&second) {
            let fresh = self.windows.take_spare();
            let over = std::mem::replace(&mut self.second, fresh);
            let threshold = &self.threshold;
            self.windows
                .push(over, second, |samples| measure(threshold, samples).map(|value| value.on(threshold)));
        }
    }

    /// When the limit first broke, where nothing that may still come mends that: a stretch of its window was too bad, or
    /// a worst value was, or something happened that must never. A limit that may yet be widened by the host's timers is
    /// not sure.
    pub(super) fn surely_broken(&self) -> Option<BrokenThreshold> {
        let Threshold { phase, metric, limit, window, floor_times, .. } = &self.threshold;
        let stays = window.is_some()
            || matches!(metric.figure, Figure::Duration { percentile: Percentile::Max, .. })
            || matches!(limit, Limit::Share(share) if *share <= 0.0);
        let second = self.windows.first_breach().filter(|_| stays && floor_times.is_none())?;
        Some(BrokenThreshold {
            phase: phase.clone(),
            metric: metric.to_string(),
            limit: limit.to_string(),
            at_ms: (second + u64::from(window.is_some())) * 1_000,
        })
    }

    /// The verdict, with what is no call taken from `beside`.
    pub(super) fn report(&self, beside: Beside<'_>) -> ThresholdReport {
        let (value, broken_ms) = self.value(beside);
        let floor_us = self.span.and_then(|span| beside.floors_us.get(span.phase)).copied();
        let mut report = finished(&self.threshold, value, broken_ms);
        if let Some((limit, words)) = floor_us.and_then(|floor_us| by_floor(&self.threshold, floor_us)) {
            report = finished(&Threshold { limit, ..self.threshold.clone() }, value, broken_ms);
            report.limit = words;
        }
        report
    }

    /// The value, and when the limit first broke.
    fn value(&self, beside: Beside<'_>) -> (Option<Value>, Option<u64>) {
        let Some(span) = self.span else { return (None, None) };
        match self.threshold.metric.figure {
            Figure::Duration { .. } | Figure::Errors | Figure::Misses => self.value_of_calls(span),
            // The judge tells later how fresh views were.
            Figure::Freshness { .. } => (None, None),
            Figure::Recovery(figure) => (recovery(figure, &self.threshold.phase, beside.faults), None),
            Figure::MemorySlope => (memory_slope(span, beside.intervals).map(Value::BytesPerMinute), None),
            Figure::PeakOverMean => {
                let peak = self.arrivals.peak_over_mean(span.end_us - span.from_us, LEAST_SAMPLES);
                (peak.map(Value::Number), None)
            }
        }
    }

    fn value_of_calls(&self, span: Span) -> (Option<Value>, Option<u64>) {
        let threshold = &self.threshold;
        let mut windows = self.windows.clone();
        let last = span.end_us.saturating_sub(1) / 1_000_000;
        let judge = |samples: &Samples| measure(threshold, samples).map(|value| value.on(threshold));
        windows.push(self.second.clone(), last, judge);
        windows.finish(last, judge);
        if threshold.window.is_some() {
            let broken_ms = windows.first_breach().map(|second| (second + 1) * 1_000);
            return (windows.worst(), broken_ms);
        }
        (measure(threshold, windows.whole()), windows.first_breach().map(|second| second * 1_000))
    }
}

/// Whether a threshold judges the agents' calls of the operation of this name. The harness's own reading is none.
pub(super) fn judges(threshold: &Threshold, name: &str) -> bool {
    match threshold.metric.operation {
        // How long a long-poll takes is up to the changes, not to the registry.
        "all" if matches!(threshold.metric.figure, Figure::Duration { .. }) => {
            name != OBSERVE && name != Operation::Watch.name()
        }
        "all" => name != OBSERVE,
        "heartbeat" => {
            [Operation::Register, Operation::Renew, Operation::Probe].iter().any(|beat| beat.name() == name)
        }
        operation => operation == name,
    }
}

/// The limit that the host's own timers leave, with its words; `None` where the limit stands.
fn by_floor(threshold: &Threshold, floor_us: u64) -> Option<(Limit, String)> {
    let Limit::Duration(limit) = threshold.limit else { return None };
    let times = threshold.floor_times?;
    // In whole milliseconds, as limits are written.
    let floored_us = floor_us.saturating_mul(u64::from(times)).div_ceil(1_000) * 1_000;
    let widened = Limit::Duration(Duration::from_micros(floored_us));
    let unit = Unit::of(threshold.limit);
    let (floored, floor) = (duration_text(floored_us, unit), duration_text(floor_us, unit));
    let words =
        format!("{floored}, {times} times the host's timer floor of {floor}; else {}", threshold.limit);
    (floored_us > micros(limit)).then_some((widened, words))
}

/// So many samples a window needs for its figure not to be a single one of them.
fn least_samples(figure: Figure) -> u64 {
    match figure {
        Figure::Duration { percentile: Percentile::P99, .. } => 100,
        Figure::Duration { percentile: Percentile::P999, .. } => 1_000,
        _ => LEAST_SAMPLES,
    }
}

fn finished(threshold: &Threshold, value: Option<Value>, broken_ms: Option<u64>) -> ThresholdReport {
    let Threshold { phase, metric, limit, grace, window, .. } = threshold;
    let ok = value.is_some_and(|value| !value.breaks(*limit));
    ThresholdReport {
        phase: phase.clone(),
        metric: metric.to_string(),
        limit: limit.to_string(),
        value: value.map_or_else(String::new, |value| value.text(*limit)),
        ratio: value.and_then(|value| value.ratio(*limit)),
        ok,
        first_breach_ms: if ok { None } else { broken_ms },
        window_ms: window.map(|window| micros(window) / 1_000),
        grace_ms: micros(*grace) / 1_000,
    }
}

/// Judges the thresholds on freshness, once the judge has told how fresh views were. `reports` are those of
/// `thresholds`, in their order.
pub fn fill_freshness(
    thresholds: &[Threshold],
    reports: &mut [ThresholdReport],
    freshness: &[FreshnessReport],
) {
    for (threshold, report) in thresholds.iter().zip(reports) {
        if let Figure::Freshness { what, percentile } = threshold.metric.figure {
            let seen = freshness.iter().find(|row| row.name == what && row.count > 0);
            let value = seen.map(|row| Value::Micros(of_percentiles(&row.lateness_us, percentile)));
            *report = finished(threshold, value, None);
        }
    }
}

/// What was measured of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Value {
    Micros(u64),
    Share(f64),
    Number(f64),
    BytesPerMinute(f64),
    /// It did not come to pass before the run was over.
    Never,
}

impl Value {
    /// With whether it breaks the limit of its threshold.
    fn on(self, threshold: &Threshold) -> (Self, bool) {
        (self, self.breaks(threshold.limit))
    }

    /// Whether it is worse than another one of the same threshold.
    pub(super) fn is_worse_than(self, other: Self) -> bool {
        match (self, other) {
            (Self::Micros(ours), Self::Micros(theirs)) => ours > theirs,
            (Self::Share(ours), Self::Share(theirs))
            | (Self::Number(ours), Self::Number(theirs))
            | (Self::BytesPerMinute(ours), Self::BytesPerMinute(theirs)) => ours > theirs,
            (Self::Never, theirs) => theirs != Self::Never,
            _ => false,
        }
    }

    fn breaks(self, limit: Limit) -> bool {
        match (self, limit) {
            (Self::Micros(us), Limit::Duration(limit)) => us > micros(limit),
            (Self::Share(ours), Limit::Share(limit))
            | (Self::Number(ours), Limit::Number(limit))
            | (Self::BytesPerMinute(ours), Limit::BytesPerMinute(limit)) => ours > limit,
            // A limit of the wrong kind cannot be kept; the reader of scenarios lets none through.
            _ => true,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a margin bar needs no 53 bits")]
    fn ratio(self, limit: Limit) -> Option<f64> {
        let ratio = match (self, limit) {
            (Self::Micros(us), Limit::Duration(limit)) => us as f64 / micros(limit) as f64,
            (Self::Share(ours), Limit::Share(limit))
            | (Self::Number(ours), Limit::Number(limit))
            | (Self::BytesPerMinute(ours), Limit::BytesPerMinute(limit)) => ours.max(0.0) / limit,
            _ => return None,
        };
        ratio.is_finite().then_some(ratio)
    }

    fn text(self, limit: Limit) -> String {
        match self {
            Self::Micros(us) => duration_text(us, Unit::of(limit)),
            Self::Share(share) => format!("{}%", short(share * 100.0)),
            Self::Number(number) => short(number),
            Self::BytesPerMinute(bytes) => format!("{}MiB/min", short(bytes / 1_048_576.0)),
            Self::Never => "never".to_owned(),
        }
    }
}

/// The value of a threshold on calls; `None` when there was no sample.
fn measure(threshold: &Threshold, samples: &Samples) -> Option<Value> {
    match threshold.metric.figure {
        Figure::Duration { percentile, .. } => {
            let durations = &samples.durations;
            (durations.count() > 0).then(|| Value::Micros(percentile_us(durations, percentile)))
        }
        Figure::Errors | Figure::Misses => {
            (samples.of > 0).then(|| Value::Share(share(samples.bad, samples.of)))
        }
        Figure::Freshness { .. } | Figure::Recovery(_) | Figure::MemorySlope | Figure::PeakOverMean => None,
    }
}

/// The worst of the phase's faults; `None` when there was none.
#[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 registrations")]
fn recovery(figure: RecoveryFigure, phase: &str, faults: &[FaultReport]) -> Option<Value> {
    let after = |ms: Option<u64>| ms.map_or(Value::Never, |ms| Value::Micros(ms.saturating_mul(1_000)));
    let values = faults.iter().filter(|fault| fault.phase == phase).map(|fault| match figure {
        RecoveryFigure::FirstSuccess => after(fault.first_success_ms),
        RecoveryFigure::Live => after(fault.live_ms),
        RecoveryFigure::PeakRegistrations => Value::Number(fault.peak_registrations_per_second as f64),
    });
    values.reduce(|worst, value| if value.is_worse_than(worst) { value } else { worst })
}

/// How fast the registry's memory grew over the whole seconds of a stretch; a second in which it was away has none.
fn memory_slope(span: Span, intervals: &[Interval]) -> Option<f64> {
    let seconds = span.from_us.div_ceil(1_000_000)..span.end_us / 1_000_000;
    let seen = |row: &&Interval| seconds.contains(&row.second) && row.target_pss_bytes > 0;
    let samples: Vec<(u64, u64)> =
        intervals.iter().filter(seen).map(|row| (row.second, row.target_pss_bytes)).collect();
    if samples.len() < LEAST_MEMORY_SAMPLES { None } else { slope_per_minute(&samples) }
}

fn of_percentiles(percentiles: &Percentiles, percentile: Percentile) -> u64 {
    match percentile {
        Percentile::P50 => percentiles.p50,
        Percentile::P90 => percentiles.p90,
        Percentile::P99 => percentiles.p99,
        Percentile::P999 => percentiles.p999,
        Percentile::Max => percentiles.max,
    }
}

fn percentile_us(durations: &Durations, percentile: Percentile) -> u64 {
    match percentile {
        Percentile::P50 => durations.quantile_us(0.5),
        Percentile::P90 => durations.quantile_us(0.9),
        Percentile::P99 => durations.quantile_us(0.99),
        Percentile::P999 => durations.quantile_us(0.999),
        Percentile::Max => durations.max_us(),
    }
}

#[cfg(test)]
#[path = "thresholds_tests.rs"]
mod tests;
