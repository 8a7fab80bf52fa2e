//! A run held against a baseline.

use crate::result::{RunReport, ThresholdReport};
use crate::words::{one_line, percent};

use super::{Row, Runs, figures, rows, table};

/// The metrics that a baseline judges.
const JUDGED: [&str; 6] = [
    "register.response.p99",
    "renew.response.p99",
    "probe.response.p99",
    "list.response.p99",
    "registry.calls_per_cpu_second",
    "registry.memory",
];

/// The kind of the phases that are warm-up.
const WARM_UP: &str = "ramp";

/// What a baseline makes of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Gate {
    /// Each judged figure as a threshold, its metric with `baseline:` before it.
    pub thresholds: Vec<ThresholdReport>,
    /// What is worse by more than is allowed but cannot be told from noise, in sentences.
    pub undecided: Vec<String>,
}

/// Holds a run against the baseline's: the response p99 of heartbeats and lists, the calls per second of the registry's
/// CPU and its memory, in every phase but ramps. A figure breaks when it is worse by more than `most` (0.1: 10 %) and its
/// whole interval lies on the worse side. Pure.
pub fn hold_against(baseline: Runs<'_>, run: &RunReport, most: f64) -> Gate {
    let mut gate = Gate::default();
    let is_judged = |phase: &str, metric: &str| {
        let warms_up = run.phases.iter().any(|entry| entry.name == phase && entry.kind == WARM_UP);
        !warms_up && JUDGED.contains(&metric)
    };
    let rows = rows(baseline.reports, std::slice::from_ref(run));
    for row in rows.iter().filter(|row| is_judged(&row.phase, &row.metric)) {
        judge(row, most, &mut gate);
    }
    // What the baseline measured and the run did not is no pass. A registry that only is reached shows no cost.
    let shows_cost = run.target.cpu_seconds > 0.0;
    for figure in baseline.reports.first().map(figures::of).unwrap_or_default() {
        let is_measured = figures::value(run, &figure.phase, &figure.metric).is_some();
        let is_visible = shows_cost || !figure.metric.starts_with("registry.");
        if is_judged(&figure.phase, &figure.metric) && !is_measured && is_visible {
            gate.thresholds.push(ThresholdReport {
                metric: format!("baseline:{}", figure.metric),
                limit: format!("the baseline's {}", table::figure(figure.unit, figure.value)),
                phase: figure.phase,
                value: String::new(),
                ratio: None,
                ok: false,
                first_breach_ms: None,
                window_ms: None,
                grace_ms: 0,
            });
        }
    }
    if gate == Gate::default() {
        gate.undecided.push(format!(
            "the baseline {} has nothing to hold this run against: no phase but ramps in which an operation was called \
             100 times",
            one_line(baseline.name)
        ));
    }
    gate
}

fn judge(row: &Row, most: f64, gate: &mut Gate) {
    let sign = if row.higher_is_worse { 1.0 } else { -1.0 };
    let limit = row.base * (1.0 + sign * most);
    let exceeds = sign * (row.other - limit) > 0.0;
    // The end of the interval that is nearest to no difference.
    let least = row.interval.map(|range| if row.higher_is_worse { range.low } else { -range.high });
    let value = table::figure(row.unit, row.other);
    let told = format!(
        "{}{} (baseline {} {} {})",
        if row.higher_is_worse { "" } else { "at least " },
        table::figure(row.unit, limit),
        table::figure(row.unit, row.base),
        if row.higher_is_worse { "+" } else { "-" },
        percent(most)
    );
    let metric = format!("baseline:{}", row.metric);
    let (ok, value) = match (exceeds, least) {
        (false, _) => (true, value),
        (true, Some(least)) if least > 0.0 => (false, value),
        (true, Some(_)) => (true, format!("{value}, within the noise")),
        (true, None) => {
            gate.undecided.push(format!(
                "{metric} in {} was {value}, worse than {told}, and so few seconds of one run cannot tell that from \
                 noise: give the baseline several runs (--repeat 5)",
                row.phase
            ));
            return;
        }
    };
    let ratio = if row.higher_is_worse { row.other / limit } else { limit / row.other };
    gate.thresholds.push(ThresholdReport {
        phase: row.phase.clone(),
        metric,
        limit: told,
        value,
        ratio: ratio.is_finite().then_some(ratio),
        ok,
        first_breach_ms: None,
        window_ms: None,
        grace_ms: 0,
    });
}
