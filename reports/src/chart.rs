//! The numbers that the page's charts draw: columns, few enough for a page of bounded size.

use serde::Serialize;

use crate::result::{CallStats, Interval, RunReport};
use crate::words::{cut, one_line};

/// Most points of the time chart. Longer runs show the worst of each stretch of seconds.
const MAX_POINTS: usize = 600;
/// Most points of one line of the percentile plot.
const MAX_CURVE_POINTS: usize = 200;
/// Most phases drawn as bands.
const MAX_BANDS: usize = 100;

/// What the page's script reads.
#[derive(Debug, Serialize)]
pub(crate) struct Charts {
    time: Time,
    phases: Vec<Band>,
    curves: Vec<Curve>,
}

/// Columns over time; rates per second, durations in milliseconds.
#[derive(Debug, Default, Serialize)]
struct Time {
    /// How many seconds each point stands for.
    step: usize,
    second: Vec<u64>,
    agents: Vec<u64>,
    planned: Vec<f64>,
    sent: Vec<f64>,
    errors: Vec<f64>,
    p50: Vec<Option<f64>>,
    p99: Vec<Option<f64>>,
    max: Vec<Option<f64>>,
}

/// A phase as a band behind the time chart, in seconds.
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
    nines: Vec<f64>,
    millis: Vec<f64>,
}

impl Charts {
    pub(crate) fn of(report: &RunReport) -> Self {
        let seconds = |millis: u64| millis as f64 / 1e3;
        Self {
            time: Time::of(&report.intervals),
            phases: report
                .phases
                .iter()
                .take(MAX_BANDS)
                .map(|phase| Band {
                    name: label(&phase.name),
                    from: seconds(phase.start_ms),
                    to: seconds(phase.end_ms),
                })
                .collect(),
            curves: report
                .calls
                .iter()
                .map(|(operation, stats)| Curve::of(operation, stats))
                .filter(|curve| curve.nines.len() > 1)
                .collect(),
        }
    }

    pub(crate) fn has_time(&self) -> bool {
        self.time.second.len() > 1
    }

    pub(crate) fn has_curves(&self) -> bool {
        !self.curves.is_empty()
    }

    /// Seconds per point of the time chart, if more than one.
    pub(crate) fn step(&self) -> Option<usize> {
        (self.time.step > 1).then_some(self.time.step)
    }

    /// JSON that can stand inside a script element: no `<`, `>` or `&`, so no tag or comment can begin in it.
    pub(crate) fn to_json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        Ok(json.replace('<', "\\u003c").replace('>', "\\u003e").replace('&', "\\u0026"))
    }
}

impl Time {
    fn of(intervals: &[Interval]) -> Self {
        let step = intervals.len().div_ceil(MAX_POINTS).max(1);
        let mut time = Self { step, ..Self::default() };
        for stretch in intervals.chunks(step) {
            let (Some(first), Some(last)) = (stretch.first(), stretch.last()) else { continue };
            let rate = |of: fn(&Interval) -> u64| {
                round(stretch.iter().map(of).sum::<u64>() as f64 / stretch.len() as f64)
            };
            // A percentile of percentiles means nothing; the worst second of a stretch does.
            let worst = |of: fn(&Interval) -> u64| {
                stretch.iter().map(of).max().filter(|&micros| micros > 0).map(millis)
            };
            time.second.push(first.second);
            time.agents.push(last.agents);
            time.planned.push(rate(|interval| interval.planned));
            time.sent.push(rate(|interval| interval.sent));
            time.errors.push(rate(|interval| interval.errors));
            time.p50.push(worst(|interval| interval.response_us.p50));
            time.p99.push(worst(|interval| interval.response_us.p99));
            time.max.push(worst(|interval| interval.response_us.max));
        }
        time
    }
}

impl Curve {
    fn of(operation: &str, stats: &CallStats) -> Self {
        let mut curve = Self { operation: label(operation), nines: Vec::new(), millis: Vec::new() };
        let points = &stats.response_curve;
        let step = points.len().div_ceil(MAX_CURVE_POINTS).max(1);
        for (index, &(share, value)) in points.iter().enumerate() {
            let last = index + 1 == points.len();
            if index % step != 0 && !last {
                continue;
            }
            // The worst of n calls stands where half a call in n would be above it, since the axis never ends.
            let above = (1.0 - share).max(0.5 / stats.count.max(1) as f64);
            let nines = -above.log10();
            if nines.is_finite() && nines >= 0.0 && value > 0 {
                curve.nines.push((nines * 1e4).round() / 1e4);
                curve.millis.push(millis(value));
            }
        }
        curve
    }
}

/// A name that fits beside a line.
fn label(name: &str) -> String {
    cut(&one_line(name), 40)
}

fn millis(micros: u64) -> f64 {
    micros as f64 / 1e3
}

fn round(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}
