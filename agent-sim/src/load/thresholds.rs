//! Judges thresholds: a phase's merged histograms against limits, and the second in which a limit first broke.

use reports::history::{CallRecord, Operation};
use reports::result::ThresholdReport;
use scenarios::model::{Figure, Limit, Percentile, Threshold, Which};

use super::collector::OBSERVE;
use crate::measure::{Durations, Tally};
use crate::plan::micros;
use crate::validity::share;

/// A threshold while its phase runs: what was counted of it in the present second.
#[derive(Debug)]
pub(super) struct Watch {
    threshold: Threshold,
    /// The index of its phase; `None` for a phase that does not exist, which never has a value.
    phase: Option<usize>,
    second: Tally,
    first_breach_ms: Option<u64>,
}

impl Watch {
    pub(super) fn new(threshold: &Threshold, phase: Option<usize>) -> Self {
        Self { threshold: threshold.clone(), phase, second: Tally::default(), first_breach_ms: None }
    }

    /// The phase that it judges.
    pub(super) fn phase(&self) -> Option<usize> {
        self.phase
    }

    /// Whether it judges the agents' calls of the operation of this name. The harness's own reading is none.
    pub(super) fn judges(&self, name: &str) -> bool {
        match self.threshold.metric.operation {
            // How long a long-poll takes is up to the changes, not to the registry.
            "all" if matches!(self.threshold.metric.figure, Figure::Duration { .. }) => {
                name != OBSERVE && name != Operation::Watch.name()
            }
            "all" => name != OBSERVE,
            "heartbeat" => [Operation::Register, Operation::Renew, Operation::Probe]
                .iter()
                .any(|beat| beat.name() == name),
            operation => operation == name,
        }
    }

    fn concerns(&self, phase: usize, operation: Operation) -> bool {
        self.first_breach_ms.is_none() && self.phase == Some(phase) && self.judges(operation.name())
    }

    pub(super) fn due(&mut self, phase: usize, operation: Operation) {
        if self.concerns(phase, operation) {
            self.second.planned += 1;
        }
    }

    pub(super) fn missed(&mut self, phase: usize, operation: Operation) {
        if self.concerns(phase, operation) {
            self.second.misses += 1;
        }
    }

    pub(super) fn ended(&mut self, phase: usize, call: &CallRecord) {
        if self.concerns(phase, call.op) {
            self.second.record(call);
        }
    }

    /// Judges the second that ends, which began at `second`, and begins the next.
    pub(super) fn close_second(&mut self, second: u64) {
        let measured = measure(&self.threshold, &self.second);
        if measured.is_some_and(|value| value.breaks(self.threshold.limit)) {
            self.first_breach_ms = Some(second * 1_000);
        }
        self.second.reset();
    }

    /// The verdict over the whole phase, from the merged counts of all that it judges.
    pub(super) fn report(&self, whole: &Tally) -> ThresholdReport {
        let Threshold { phase, metric, limit, grace, window } = &self.threshold;
        let measured = measure(&self.threshold, whole);
        let ok = measured.is_some_and(|value| !value.breaks(*limit));
        ThresholdReport {
            phase: phase.clone(),
            metric: metric.to_string(),
            limit: limit.to_string(),
            value: measured.map_or_else(String::new, |value| value.text(*limit)),
            ratio: measured.and_then(|value| value.ratio(*limit)),
            ok,
            first_breach_ms: if ok { None } else { self.first_breach_ms },
            window_ms: window.map(|window| micros(window) / 1_000),
            grace_ms: micros(*grace) / 1_000,
        }
    }
}

/// What was measured of a threshold.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Micros(u64),
    Share(f64),
}

impl Value {
    fn breaks(self, limit: Limit) -> bool {
        match (self, limit) {
            (Self::Micros(us), Limit::Duration(limit)) => us > micros(limit),
            (Self::Share(share), Limit::Share(limit)) => share > limit,
            // A limit of the wrong kind cannot be kept; the reader of scenarios lets none through.
            _ => true,
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "a margin bar needs no 53 bits")]
    fn ratio(self, limit: Limit) -> Option<f64> {
        let ratio = match (self, limit) {
            (Self::Micros(us), Limit::Duration(limit)) => us as f64 / micros(limit) as f64,
            (Self::Share(share), Limit::Share(limit)) => share / limit,
            _ => return None,
        };
        ratio.is_finite().then_some(ratio)
    }

    fn text(self, limit: Limit) -> String {
        match (self, limit) {
            (Self::Micros(us), _) => duration_text(us, Unit::of(limit)),
            (Self::Share(share), _) => format!("{}%", short(share * 100.0)),
        }
    }
}

/// The value of a threshold's metric; `None` when there was no sample of it.
fn measure(threshold: &Threshold, tally: &Tally) -> Option<Value> {
    match threshold.metric.figure {
        Figure::Duration { which, percentile } => {
            let durations = match which {
                Which::Response => &tally.latencies.response,
                Which::Service => &tally.latencies.service,
                Which::Lag => &tally.latencies.lag,
            };
            (durations.count() > 0).then(|| Value::Micros(percentile_us(durations, percentile)))
        }
        Figure::Errors => (tally.count > 0).then(|| Value::Share(share(tally.errors, tally.count))),
        Figure::Misses => (tally.planned > 0).then(|| Value::Share(share(tally.misses, tally.planned))),
        // These are measured elsewhere than in a tally of calls.
        Figure::Freshness { .. } | Figure::Recovery(_) | Figure::MemorySlope | Figure::PeakOverMean => None,
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

/// The unit that a limit is written in; its value is shown in it too.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Microseconds,
    Milliseconds,
    Seconds,
}

impl Unit {
    fn of(limit: Limit) -> Self {
        let text = limit.to_string();
        match text {
            text if text.ends_with("us") => Self::Microseconds,
            text if text.ends_with("ms") => Self::Milliseconds,
            _ => Self::Seconds,
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "an hour is far shorter than 2^53 us")]
fn duration_text(us: u64, unit: Unit) -> String {
    match unit {
        Unit::Microseconds => format!("{us}us"),
        Unit::Milliseconds => format!("{}ms", short(us as f64 / 1_000.0)),
        Unit::Seconds => format!("{}s", short(us as f64 / 1_000_000.0)),
    }
}

/// At most three decimals, none that says nothing.
fn short(number: f64) -> String {
    let text = format!("{number:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::history::Outcome;
    use scenarios::model::Metric;
    use std::time::Duration;

    fn renewal(service_us: u64, outcome: Outcome) -> CallRecord {
        CallRecord {
            agent: None,
            op: Operation::Renew,
            planned_us: Some(0),
            s_us: 10,
            e_us: 10 + service_us,
            outcome,
            http: None,
            sent: None,
            seen: None,
            note: None,
        }
    }

    fn threshold(operation: &'static str, figure: Figure, limit: Limit) -> Threshold {
        Threshold {
            phase: "hold".to_owned(),
            metric: Metric { operation, figure },
            limit,
            window: None,
            grace: Duration::ZERO,
        }
    }

    const P99: Figure = Figure::Duration { which: Which::Service, percentile: Percentile::P99 };

    fn tally(calls: &[CallRecord]) -> Tally {
        let mut tally = Tally { planned: 10, misses: 1, ..Tally::default() };
        calls.iter().for_each(|call| tally.record(call));
        tally
    }

    #[test]
    fn values_are_shown_beside_the_limit_in_its_unit() {
        let two = tally(&[renewal(1_500, Outcome::Renewed), renewal(1_500, Outcome::TimedOut)]);
        let table = [
            (P99, Limit::Duration(Duration::from_micros(900)), ("900us", "1500us", false)),
            (P99, Limit::Duration(Duration::from_micros(1_500)), ("1500us", "1500us", true)),
            (P99, Limit::Duration(Duration::from_millis(20)), ("20ms", "1.5ms", true)),
            (P99, Limit::Duration(Duration::from_secs(2)), ("2s", "0.002s", true)),
            (Figure::Errors, Limit::Share(0.001), ("0.1%", "50%", false)),
            (Figure::Misses, Limit::Share(0.1), ("10%", "10%", true)),
        ];
        for (figure, limit, (limit_text, value, ok)) in table {
            let report = Watch::new(&threshold("renew", figure, limit), Some(0)).report(&two);
            assert_eq!((report.limit.as_str(), report.value.as_str(), report.ok), (limit_text, value, ok));
        }
    }

    #[test]
    fn a_metric_without_samples_does_not_hold_and_has_no_value() {
        let limit = Limit::Duration(Duration::from_secs(1));
        let report = Watch::new(&threshold("list", P99, limit), Some(0)).report(&Tally::default());
        assert_eq!((report.ok, report.value.as_str(), report.ratio), (false, "", None));
    }

    #[test]
    fn the_first_breach_is_the_first_second_whose_own_value_broke_the_limit() {
        let limit = Limit::Duration(Duration::from_millis(1));
        let mut watch = Watch::new(&threshold("heartbeat", P99, limit), Some(1));
        let seconds = [
            (1, 500),
            // Slow, but of another phase.
            (0, 5_000),
            (1, 2_000),
            (1, 9_000),
        ];
        let mut whole = Tally::default();
        for (second, (phase, service_us)) in (4..).zip(seconds) {
            let call = renewal(service_us, Outcome::Renewed);
            watch.ended(phase, &call);
            whole.record(&call);
            watch.close_second(second);
        }
        let report = watch.report(&whole);
        assert_eq!((report.ok, report.first_breach_ms), (false, Some(6_000)));
    }

    #[test]
    fn a_threshold_that_held_over_the_phase_has_no_breach_though_one_second_was_bad() {
        let limit = Limit::Share(0.5);
        let mut watch = Watch::new(&threshold("all", Figure::Errors, limit), Some(0));
        let bad = renewal(10, Outcome::Failed);
        watch.ended(0, &bad);
        watch.close_second(0);
        let report = watch.report(&tally(&[bad, renewal(10, Outcome::Renewed)]));
        assert_eq!((report.ok, report.first_breach_ms), (true, None));
    }

    #[test]
    fn heartbeat_means_register_renew_and_probe_and_all_means_every_operation() {
        let limit = Limit::Share(0.0);
        let judged = |name, operation: Operation| {
            Watch::new(&threshold(name, P99, limit), None).judges(operation.name())
        };
        for operation in [Operation::Register, Operation::Renew, Operation::Probe] {
            assert!(judged("heartbeat", operation) && judged("all", operation));
        }
        assert!(!judged("heartbeat", Operation::List) && judged("all", Operation::List));
        assert!(judged("list", Operation::List) && !judged("list", Operation::Renew));
        assert!(!Watch::new(&threshold("all", P99, limit), None).judges(OBSERVE));
    }
}
