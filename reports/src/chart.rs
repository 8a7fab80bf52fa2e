//! The numbers that the page's charts draw: columns, few enough for a page of bounded size.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::result::{Interval, RunReport};
use crate::words::{cut, one_line};

/// Most stretches of the time charts. In a longer run each stretch has two points: its smallest and its largest second.
const MAX_STRETCHES: usize = 300;
/// Most points of one line of the percentile plot.
const MAX_CURVE_POINTS: usize = 200;
/// Most lines of the percentile plot.
const MAX_CURVES: usize = 12;
/// Most operations and most kinds of errors that have lines of their own over time.
const MAX_OPERATIONS: usize = 6;
const MAX_KINDS: usize = 6;
/// Most phases drawn as bands, and most faults and first breaches drawn as lines.
const MAX_BANDS: usize = 100;

/// What the page's script reads.
#[derive(Debug, Serialize)]
pub(crate) struct Charts {
    #[serde(skip)]
    step: usize,
    second: Vec<u64>,
    columns: Vec<Column>,
    phases: Vec<Band>,
    faults: Vec<Band>,
    breaches: Vec<Band>,
    curves: Vec<Curve>,
}

/// One figure over time: rates per second, durations in milliseconds, memory in megabytes, CPU in cores.
#[derive(Debug, Serialize)]
struct Column {
    name: String,
    values: Vec<Option<f64>>,
}

/// A phase, a fault or a first breach, in seconds.
#[derive(Debug, Serialize)]
struct Band {
    name: String,
    from: f64,
    to: f64,
}

/// One operation's response times over log10(1 / (1 - share)), in milliseconds.
#[derive(Debug, Serialize)]
struct Curve {
    operation: String,
    /// For one of the run that this one was held against: the index of this run's own.
    baseline_of: Option<usize>,
    nines: Vec<f64>,
    millis: Vec<f64>,
}

type Figure = fn(&Interval) -> Option<f64>;

/// The columns, by the names under which the page's script asks for them.
const FIGURES: [(&str, Figure); 20] = [
    ("agents", |second| Some(second.agents as f64)),
    ("planned", |second| Some(second.planned as f64)),
    ("sent", |second| Some(second.sent as f64)),
    ("errors", |second| Some(second.errors as f64)),
    ("misses", |second| Some(second.misses as f64)),
    ("p50", |second| millis_of(second.response_us.p50)),
    ("p90", |second| millis_of(second.response_us.p90)),
    ("p99", |second| millis_of(second.response_us.p99)),
    ("max", |second| millis_of(second.response_us.max)),
    ("lag", |second| millis_of(second.lag_p99_us)),
    ("in_flight", |second| Some(second.in_flight as f64)),
    ("peak_100ms", |second| Some(second.peak_100ms as f64)),
    ("registry_cores", |second| Some(round(second.target_cores, 1e3))),
    ("harness_cores", |second| Some(round(second.generator_cores, 1e3))),
    ("registry_megabytes", |second| {
        (second.target_pss_bytes > 0).then(|| round(second.target_pss_bytes as f64 / 1e6, 10.0))
    }),
    ("unchanged", |second| {
        let share = second.polls_unchanged as f64 / second.polls.max(1) as f64;
        (second.polls > 0).then(|| round(100.0 * share, 10.0))
    }),
    ("freshness", |second| millis_of(second.freshness_max_us)),
    ("harness_wait", |second| Some(round(100.0 * second.generator_wait, 100.0))),
    ("registry_descriptors", |second| (second.target_fds > 0).then_some(second.target_fds as f64)),
    ("harness_descriptors", |second| (second.generator_fds > 0).then_some(second.generator_fds as f64)),
];

impl Charts {
    /// `breaches` are instants at which something was first broken, with its name.
    pub(crate) fn of(report: &RunReport, breaches: &[(u64, String)]) -> Self {
        let seconds = |millis: u64| millis as f64 / 1e3;
        let band = |name: &str, from, to| Band { name: label(name), from: seconds(from), to: seconds(to) };
        let intervals = to_be_drawn(report);
        let step = intervals.len().div_ceil(MAX_STRETCHES).max(1);
        // A short run needs no stretches: every second is a point.
        let step = if intervals.len() <= 2 * MAX_STRETCHES { 1 } else { step };
        Self {
            step,
            second: seconds_of(intervals, step),
            columns: FIGURES
                .iter()
                .map(|&(name, figure)| Column {
                    name: name.to_owned(),
                    values: extremes(intervals, step, figure),
                })
                // A figure that is nowhere other than 0 was not measured, but for errors and misses: there 0 is news.
                .filter(|column| {
                    matches!(column.name.as_str(), "errors" | "misses")
                        || column.values.iter().flatten().any(|value| *value != 0.0)
                })
                .chain(by_operation(intervals, step))
                .chain(by_kind(intervals, step))
                .collect(),
            phases: report
                .phases
                .iter()
                .take(MAX_BANDS)
                .map(|phase| band(&phase.name, phase.start_ms, phase.end_ms))
                .collect(),
            faults: report
                .faults
                .iter()
                .take(MAX_BANDS)
                .map(|fault| band(&fault.name, fault.start_ms, fault.end_ms))
                .collect(),
            breaches: breaches.iter().take(MAX_BANDS).map(|(at, name)| band(name, *at, *at)).collect(),
            curves: curves(report),
        }
    }

    pub(crate) fn has_time(&self) -> bool {
        self.second.len() > 1
    }

    pub(crate) fn has_curves(&self) -> bool {
        !self.curves.is_empty()
    }

    /// Seconds per pair of points of the time charts, if more than one.
    pub(crate) fn step(&self) -> Option<usize> {
        (self.step > 1).then_some(self.step)
    }

    /// JSON that can stand inside a script element: no `<`, `>` or `&`, so no tag or comment can begin in it.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
    }
}

/// All seconds but one that began when all was over: its zeros would look like a fall.
fn to_be_drawn(report: &RunReport) -> &[Interval] {
    // The plan was followed for a moment longer than it lasts.
    let plan_ms = report.phases.iter().map(|phase| phase.end_ms).max().unwrap_or(u64::MAX);
    match report.intervals.split_last() {
        Some((last, before))
            if last.second.saturating_mul(1_000) >= report.duration_ms.min(plan_ms)
                && last.planned + last.sent + last.errors == 0 =>
        {
            before
        }
        _ => &report.intervals,
    }
}

/// Where the points stand: at each second, or at the beginning and in the middle of each stretch.
fn seconds_of(intervals: &[Interval], step: usize) -> Vec<u64> {
    let firsts = intervals.chunks(step).filter_map(|stretch| stretch.first()).map(|first| first.second);
    if step == 1 {
        return firsts.collect();
    }
    firsts.flat_map(|second| [second, second.saturating_add(step as u64 / 2)]).collect()
}

/// Each second's value, or of each stretch the smallest and the largest, in the order in which they came. Nothing is
/// averaged: a percentile of percentiles means nothing, and one bad second in eight hours stays to be seen.
fn extremes(
    intervals: &[Interval],
    step: usize,
    figure: impl Fn(&Interval) -> Option<f64>,
) -> Vec<Option<f64>> {
    if step == 1 {
        return intervals.iter().map(figure).collect();
    }
    let of_stretch = |stretch: &[Interval]| {
        let values: Vec<f64> = stretch.iter().filter_map(&figure).collect();
        let place = |best: fn(&f64, &f64) -> std::cmp::Ordering| {
            values.iter().enumerate().min_by(|left, right| best(left.1, right.1))
        };
        match (place(|left, right| left.total_cmp(right)), place(|left, right| right.total_cmp(left))) {
            (Some((low_at, low)), Some((high_at, high))) if low_at <= high_at => [Some(*low), Some(*high)],
            (Some((_, low)), Some((_, high))) => [Some(*high), Some(*low)],
            _ => [None, None],
        }
    };
    intervals.chunks(step).flat_map(of_stretch).collect()
}

/// 99 % response of the operations that were seen in most seconds.
fn by_operation(intervals: &[Interval], step: usize) -> Vec<Column> {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    intervals
        .iter()
        .flat_map(|it| it.response_p99_us.keys())
        .for_each(|name| *seen.entry(name).or_default() += 1);
    let column = |name: &str| Column {
        name: format!("p99 {}", label(name)),
        values: extremes(intervals, step, |it| it.response_p99_us.get(name).copied().and_then(millis_of)),
    };
    most(seen, MAX_OPERATIONS).0.into_iter().map(column).collect()
}

/// Errors of the most frequent kinds, and of all others together.
fn by_kind(intervals: &[Interval], step: usize) -> Vec<Column> {
    let mut seen: BTreeMap<&str, u64> = BTreeMap::new();
    for (kind, count) in intervals.iter().flat_map(|it| &it.errors_by_kind) {
        *seen.entry(kind).or_default() += count;
    }
    let (shown, others) = most(seen, MAX_KINDS);
    let column = |name: String, of: &dyn Fn(&Interval) -> u64| Column {
        name: format!("error {name}"),
        values: extremes(intervals, step, |it| Some(of(it) as f64)),
    };
    let count = |it: &Interval, kind: &str| it.errors_by_kind.get(kind).copied().unwrap_or_default();
    let mut columns: Vec<Column> =
        shown.iter().map(|kind| column(label(kind), &|it| count(it, kind))).collect();
    if others > 0 {
        let known = |it: &Interval| shown.iter().map(|kind| count(it, kind)).sum::<u64>();
        let rest = |it: &Interval| it.errors_by_kind.values().sum::<u64>() - known(it);
        columns.push(column(format!("({others} other kinds)"), &rest));
    }
    columns
}

/// The names with the highest counts, the highest first, and how many are left out.
fn most(counts: BTreeMap<&str, u64>, at_most: usize) -> (Vec<&str>, usize) {
    let mut names: Vec<_> = counts.into_iter().collect();
    names.sort_by_key(|(name, count)| (std::cmp::Reverse(*count), *name));
    let others = names.len().saturating_sub(at_most);
    (names.into_iter().take(at_most).map(|(name, _)| name).collect(), others)
}

/// This run's own, and behind them those of the run that it was held against.
fn curves(report: &RunReport) -> Vec<Curve> {
    let own = report.calls.iter().map(|(operation, stats)| {
        (operation.as_str(), Curve::of(operation, &stats.response_curve, stats.count))
    });
    let own: Vec<_> = own.filter(|(_, curve)| curve.nines.len() > 1).take(MAX_CURVES).collect();
    let of_baseline = |(index, (operation, _)): (usize, &(&str, Curve))| {
        let points = report.baseline.as_ref()?.response_curves.get(*operation)?;
        // As far to the right as this run's own, since how many calls the other one made is not kept.
        let count = report.calls.get(*operation).map_or(1, |stats| stats.count);
        let curve = Curve::of(operation, points, count);
        Some(Curve { operation: format!("{}, baseline", curve.operation), baseline_of: Some(index), ..curve })
    };
    let baseline: Vec<Curve> =
        own.iter().enumerate().filter_map(of_baseline).filter(|curve| curve.nines.len() > 1).collect();
    own.into_iter().map(|(_, curve)| curve).chain(baseline).collect()
}

impl Curve {
    fn of(operation: &str, points: &[(f64, u64)], count: u64) -> Self {
        let mut curve =
            Self { operation: label(operation), baseline_of: None, nines: Vec::new(), millis: Vec::new() };
        let step = points.len().div_ceil(MAX_CURVE_POINTS).max(1);
        for (index, &(share, value)) in points.iter().enumerate() {
            let last = index + 1 == points.len();
            if index % step != 0 && !last {
                continue;
            }
            // The worst of n calls stands where half a call in n would be above it, since the axis never ends.
            let above = (1.0 - share).max(0.5 / count.max(1) as f64);
            let nines = -above.log10();
            if nines.is_finite() && nines >= 0.0 && value > 0 {
                curve.nines.push(round(nines, 1e4));
                curve.millis.push(value as f64 / 1e3);
            }
        }
        curve
    }
}

/// A name that fits beside a line.
fn label(name: &str) -> String {
    cut(&one_line(name), 40)
}

/// A second without a call has no response time.
fn millis_of(micros: u64) -> Option<f64> {
    (micros > 0).then_some(micros as f64 / 1e3)
}

fn round(value: f64, parts: f64) -> f64 {
    (value * parts).round() / parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_bad_second_in_eight_hours_stays_to_be_seen() {
        let mut intervals: Vec<Interval> =
            (0..28_800).map(|second| Interval { second, agents: 100, ..Interval::default() }).collect();
        intervals[20_001].agents = 3;
        let step = intervals.len().div_ceil(MAX_STRETCHES);
        let agents = extremes(&intervals, step, |second| Some(second.agents as f64));
        assert_eq!(agents.len(), seconds_of(&intervals, step).len());
        assert!(agents.len() <= 2 * MAX_STRETCHES);
        assert_eq!(agents.iter().flatten().filter(|value| **value < 4.0).count(), 1);
        // The order of the extremes is kept: the dip is neither first nor last of its stretch, but the smallest is told
        // after the largest, which came first.
        let dip = agents.iter().position(|value| *value == Some(3.0)).unwrap();
        assert_eq!((dip / 2, dip % 2), (20_001 / step, 1));
    }
}
