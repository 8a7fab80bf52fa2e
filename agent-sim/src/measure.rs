//! Durations and counts of calls: recorded once, merged exactly, bounded in memory.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer as _, V2DeflateSerializer};
use reports::history::{CallRecord, Operation, Outcome};
use reports::result::{CallStats, PackedDurations, Percentiles};
use serde::{Deserialize, Serialize};

/// The longest duration that is told from longer ones: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// How many points a percentile curve has.
const CURVE_POINTS: u32 = 60;

/// Durations in microseconds: an HDR histogram of 3 digits that grows with what it sees (64 KiB for 100 ms, at most
/// 200 KiB), and the exact worst. Without a sample it takes no memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Durations {
    histogram: Option<Histogram<u64>>,
    max_us: u64,
}

impl Durations {
    /// Counts one duration.
    pub fn record(&mut self, us: u64) {
        let us = us.min(LONGEST_US);
        if self.histogram.is_none() {
            self.histogram = Histogram::new(3).ok();
        }
        if let Some(histogram) = &mut self.histogram {
            // It grows to hold any value up to the longest, so this never fails.
            let _ = histogram.record(us);
        }
        self.max_us = self.max_us.max(us);
    }

    /// Adds all that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        let Some(theirs) = &other.histogram else { return };
        self.max_us = self.max_us.max(other.max_us);
        match &mut self.histogram {
            // Adding fails only where the sum cannot grow; histograms made here can.
            Some(ours) => {
                let _ = ours.add(theirs);
            }
            None => self.histogram = Some(theirs.clone()),
        }
    }

    /// Takes away what another one, merged into this one before, has seen; `max_us` is the worst of what is left.
    pub fn take_away(&mut self, other: &Self, max_us: u64) {
        if let (Some(ours), Some(theirs)) = (&mut self.histogram, &other.histogram) {
            // It fails only for counts that were never added.
            let _ = ours.subtract(theirs);
        }
        self.max_us = max_us;
    }

    /// Forgets all samples and keeps the memory.
    pub fn reset(&mut self) {
        self.max_us = 0;
        if let Some(histogram) = &mut self.histogram {
            histogram.reset();
        }
    }

    /// What a histogram holds; the worst is known to three digits only.
    pub(crate) fn of(mut histogram: Histogram<u64>) -> Self {
        histogram.auto(true);
        Self { max_us: histogram.max(), histogram: Some(histogram) }
    }

    /// All that was recorded; `None` where nothing ever was.
    pub(crate) fn histogram(&self) -> Option<&Histogram<u64>> {
        self.histogram.as_ref()
    }

    /// All that was recorded, to be kept as text.
    pub fn packed(&self) -> PackedDurations {
        let mut bytes = Vec::new();
        let packed =
            self.histogram.as_ref().filter(|histogram| !histogram.is_empty()).and_then(|histogram| {
                // Writing to memory does not fail.
                V2DeflateSerializer::new().serialize(histogram, &mut bytes).ok()
            });
        let histogram = packed.map_or_else(String::new, |_| STANDARD.encode(&bytes));
        PackedDurations { histogram, max_us: self.max_us }
    }

    /// What [`Self::packed`] kept.
    ///
    /// # Errors
    /// Why the text is none of it.
    pub fn unpacked(packed: &PackedDurations) -> Result<Self, String> {
        if packed.histogram.is_empty() {
            return Ok(Self::default());
        }
        let bytes = STANDARD.decode(&packed.histogram).map_err(|error| error.to_string())?;
        let histogram = Deserializer::new().deserialize(&mut bytes.as_slice());
        let histogram = histogram.map_err(|error| format!("no histogram: {error}"))?;
        Ok(Self { max_us: packed.max_us, ..Self::of(histogram) })
    }

    /// How many durations were counted.
    pub fn count(&self) -> u64 {
        self.histogram.as_ref().map_or(0, Histogram::len)
    }

    /// The duration that this share (0 to 1) of the samples does not exceed; 0 without samples.
    pub fn quantile_us(&self, share: f64) -> u64 {
        self.histogram.as_ref().map_or(0, |histogram| histogram.value_at_quantile(share)).min(self.max_us)
    }

    /// The worst of all, exact.
    pub fn max_us(&self) -> u64 {
        self.max_us
    }

    /// Hands over each recorded value, microseconds to three digits, with how often it was recorded, in ascending order.
    pub fn each(&self, mut take: impl FnMut(u64, u64)) {
        for step in self.histogram.iter().flat_map(Histogram::iter_recorded) {
            take(step.value_iterated_to().min(self.max_us), step.count_at_value());
        }
    }

    /// The usual percentiles.
    pub fn percentiles(&self) -> Percentiles {
        Percentiles {
            p50: self.quantile_us(0.5),
            p90: self.quantile_us(0.9),
            p99: self.quantile_us(0.99),
            p999: self.quantile_us(0.999),
            max: self.max_us,
        }
    }

    /// Points (share, microseconds) evenly spaced on the axis log 1/(1-share), from the median's side to the worst.
    /// No share is 1, so that every point has a place on that axis.
    #[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
    pub fn curve(&self) -> Vec<(f64, u64)> {
        let count = self.count();
        if count == 0 {
            return Vec::new();
        }
        let reach = (2.0 * count as f64).log10();
        (0..CURVE_POINTS)
            .map(|point| {
                let share = 1.0 - 10_f64.powf(-reach * f64::from(point) / f64::from(CURVE_POINTS - 1));
                (share, self.quantile_us(share))
            })
            .collect()
    }
}

/// An ended call as far as it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timed {
    /// What was asked.
    pub op: Operation,
    /// When the plan wanted it sent; for one that nobody planned, when it was sent.
    pub planned_us: u64,
    /// Just before the first byte left.
    pub s_us: u64,
    /// Just after the last byte came.
    pub e_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, if there was one.
    pub http: Option<u16>,
}

impl Timed {
    /// How late it was sent.
    pub fn lag_us(&self) -> u64 {
        self.s_us.saturating_sub(self.planned_us)
    }

    /// Answered - planned.
    pub fn response_us(&self) -> u64 {
        self.e_us.saturating_sub(self.planned_us)
    }

    /// Answered - sent.
    pub fn service_us(&self) -> u64 {
        self.e_us.saturating_sub(self.s_us)
    }
}

impl From<&CallRecord> for Timed {
    fn from(call: &CallRecord) -> Self {
        let CallRecord { op, s_us, e_us, outcome, http, .. } = *call;
        Self { op, planned_us: call.planned_us.unwrap_or(s_us), s_us, e_us, outcome, http }
    }
}

/// What a call came to, as reports count it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ResultKind {
    /// An answer with this HTTP status.
    Status(u16),
    /// No answer in time.
    TimedOut,
    /// The connection broke.
    Failed,
    /// Nothing was sent.
    NotSent,
    /// Something else came.
    Unreadable,
}

impl ResultKind {
    pub(crate) fn of(call: &Timed) -> Self {
        match (call.http, call.outcome) {
            (_, Outcome::TimedOut) => Self::TimedOut,
            (_, Outcome::Failed) => Self::Failed,
            (_, Outcome::NotSent) => Self::NotSent,
            (Some(status), _) => Self::Status(status),
            (None, _) => Self::Unreadable,
        }
    }

    /// The name in reports: the status, or how it came to nothing.
    pub fn name(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::TimedOut => "timeout".to_owned(),
            Self::Failed => "failed".to_owned(),
            Self::NotSent => "not_sent".to_owned(),
            Self::Unreadable => "unreadable".to_owned(),
        }
    }
}

/// The three durations of calls.
#[derive(Debug, Clone, Default)]
pub struct Latencies {
    /// Answered - planned.
    pub response: Durations,
    /// Answered - really sent.
    pub service: Durations,
    /// Really sent - planned.
    pub lag: Durations,
}

impl Latencies {
    /// Counts an ended call. One that was cut off has a lag only: how long it would have taken is unknown.
    pub fn record(&mut self, call: &Timed) {
        self.lag.record(call.lag_us());
        if call.outcome != Outcome::CutOff {
            self.response.record(call.response_us());
            self.service.record(call.service_us());
        }
    }

    /// Adds all that another one has seen.
    pub fn merge(&mut self, other: &Self) {
        self.response.merge(&other.response);
        self.service.merge(&other.service);
        self.lag.merge(&other.lag);
    }

    /// Forgets all samples and keeps the memory.
    pub fn reset(&mut self) {
        self.response.reset();
        self.service.reset();
        self.lag.reset();
    }
}

/// All that is counted of one kind of call.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Calls that were due, misses included.
    pub planned: u64,
    /// Calls handed to the client.
    pub sent: u64,
    /// Calls that ended, errors included, those cut off not.
    pub count: u64,
    /// Those that failed or were refused.
    pub errors: u64,
    /// Due calls that found the last one unanswered.
    pub misses: u64,
    /// Calls cut off by the end of the run.
    pub cut_off: u64,
    /// Ended calls by HTTP status or by how they failed.
    pub by_result: BTreeMap<ResultKind, u64>,
    /// The errors among them.
    pub by_error: BTreeMap<ResultKind, u64>,
    /// Their durations.
    pub latencies: Latencies,
}

impl Tally {
    /// Counts an ended call.
    pub fn record(&mut self, call: &Timed) {
        self.latencies.record(call);
        if call.outcome == Outcome::CutOff {
            self.cut_off += 1;
            return;
        }
        self.count += 1;
        let result = ResultKind::of(call);
        *self.by_result.entry(result).or_default() += 1;
        if call.outcome.is_error() {
            self.errors += 1;
            *self.by_error.entry(result).or_default() += 1;
        }
    }

    /// Calls that the registry answered, with whatever status.
    pub fn answered(&self) -> u64 {
        self.by_result
            .iter()
            .filter(|(result, _)| matches!(result, ResultKind::Status(_)))
            .map(|(_, count)| count)
            .sum()
    }

    /// Adds all that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.merge_counts(other);
        self.latencies.merge(&other.latencies);
    }

    /// Adds the counts that another one has, its durations not.
    pub fn merge_counts(&mut self, other: &Self) {
        self.planned += other.planned;
        self.sent += other.sent;
        self.count += other.count;
        self.errors += other.errors;
        self.misses += other.misses;
        self.cut_off += other.cut_off;
        for (result, count) in &other.by_result {
            *self.by_result.entry(*result).or_default() += count;
        }
        for (result, count) in &other.by_error {
            *self.by_error.entry(*result).or_default() += count;
        }
    }

    /// Forgets the counts but for names of results, and keeps the memory.
    pub fn reset(&mut self) {
        let Self { planned, sent, count, errors, misses, cut_off, by_result, by_error, latencies } = self;
        for counter in [planned, sent, count, errors, misses, cut_off] {
            *counter = 0;
        }
        by_result.clear();
        by_error.clear();
        latencies.reset();
    }

    /// The figures as reports show them.
    pub fn stats(&self) -> CallStats {
        CallStats {
            planned: self.planned,
            count: self.count,
            errors: self.errors,
            misses: self.misses,
            cut_off: self.cut_off,
            by_result: self.by_result.iter().map(|(result, count)| (result.name(), *count)).collect(),
            response_us: self.latencies.response.percentiles(),
            service_us: self.latencies.service.percentiles(),
            lag_us: self.latencies.lag.percentiles(),
            response_curve: self.latencies.response.curve(),
        }
    }
}

#[cfg(test)]
#[path = "measure_tests.rs"]
mod tests;
