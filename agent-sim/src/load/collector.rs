//! Counts every call by phase, by operation and by second.

use std::collections::BTreeMap;

use reports::history::Operation;
use reports::result::{CallStats, FaultReport, Interval, Percentiles, ThresholdReport};
use scenarios::model::{PhaseKind, Threshold};
use serde::{Deserialize, Serialize};

use super::arrivals::Arrivals;
use super::lately::Lately;
use super::metrics::{Buckets, Figures};
use super::progress::{BrokenThreshold, ErrorKind};
use super::second::Second;
use super::thresholds::{Beside, Watch};
use crate::latency_log::LatencyLog;
use crate::measure::{Durations, ResultKind, Tally, Timed};
use crate::plan::PhaseSpan;
use crate::plan::faults::PlannedFault;

/// A call's name in reports: its operation, or `observe` for the harness's own reading, which is no agent's load.
pub(super) const OBSERVE: &str = "observe";

/// Everything measured of a run. Grows by one small [`Interval`] a second and otherwise not with its length.
#[derive(Debug)]
pub(super) struct Collector {
    /// By phase; few kinds of calls are made in each.
    phases: Vec<Vec<(Kind, Tally)>>,
    kinds: Vec<PhaseKind>,
    /// Whether something goes wrong on purpose in each phase.
    with_faults: Vec<bool>,
    watches: Vec<Watch>,
    second: Second,
    /// The present second since the run began.
    now_second: u64,
    lately: Lately,
    intervals: Vec<Interval>,
    arrivals: Arrivals,
    own_misses: u64,
    own_misses_outside_faults: u64,
    /// Response and lag of the agents' calls since the run began.
    buckets: (Buckets, Buckets),
    /// Where the latencies of each second go.
    log: Option<LatencyLog>,
}

/// Whose call it is and of which phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Series {
    /// The phase of the call's planned instant.
    pub(super) phase: usize,
    /// What was asked.
    pub(super) operation: Operation,
    /// Whether the harness itself asked.
    pub(super) observes: bool,
    /// The call's planned instant, microseconds since the run began.
    pub(super) at_us: u64,
}

/// What a call is counted as: its operation, and whether the harness itself asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Kind(Operation, bool);

impl Kind {
    fn name(self) -> &'static str {
        if self.1 { OBSERVE } else { self.0.name() }
    }
}

impl Collector {
    pub(super) fn new(phases: &[PhaseSpan], thresholds: &[Threshold]) -> Self {
        let watches = thresholds.iter().map(|threshold| Watch::new(threshold, phases)).collect();
        let is_crash = |phase: &PhaseSpan| matches!(phase.kind, PhaseKind::Crash { .. });
        Self {
            phases: phases.iter().map(|_| Vec::new()).collect(),
            kinds: phases.iter().map(|phase| phase.kind).collect(),
            with_faults: phases.iter().map(is_crash).collect(),
            watches,
            second: Second::default(),
            now_second: 0,
            lately: Lately::default(),
            intervals: Vec::new(),
            arrivals: Arrivals::default(),
            own_misses: 0,
            own_misses_outside_faults: 0,
            buckets: Default::default(),
            log: None,
        }
    }

    /// The phases that these faults touch prove nothing about the harness's plan.
    pub(super) fn with_faults(mut self, phases: &[PhaseSpan], faults: &[PlannedFault]) -> Self {
        for (phase, with_fault) in phases.iter().zip(&mut self.with_faults) {
            let touches =
                |fault: &PlannedFault| fault.start_us < phase.end_us && phase.start_us <= fault.end_us;
            *with_fault |= faults.iter().any(touches);
        }
        self
    }

    /// The latencies of each second go there.
    pub(super) fn logging(self, log: LatencyLog) -> Self {
        Self { log: Some(log), ..self }
    }

    /// Closes the log of latencies; tells why something of it is missing.
    pub(super) fn finish_log(&mut self) -> Option<String> {
        self.log.take()?.finish().err()
    }

    /// A call became due.
    pub(super) fn due(&mut self, series: Series) {
        self.tally(series, |tally| tally.planned += 1);
        if !series.observes {
            self.second.planned += 1;
            self.watches.iter_mut().for_each(|watch| watch.due(series));
        }
    }

    /// A call of an agent became due at this instant since the run began.
    pub(super) fn arrived(&mut self, at_us: u64) {
        let count = self.arrivals.count(at_us);
        let second = at_us / 1_000_000;
        if second >= self.now_second {
            self.second.peak_100ms = self.second.peak_100ms.max(count);
        } else if let Some(interval) = self.interval(second) {
            interval.peak_100ms = interval.peak_100ms.max(count);
        }
    }

    /// The call that became due is missed: the last one is still unanswered.
    pub(super) fn missed(&mut self, series: Series) {
        self.tally(series, |tally| tally.misses += 1);
        self.second.misses += 1;
        self.watches.iter_mut().for_each(|watch| watch.missed(series));
    }

    /// So many misses were the harness's own fault: the call in their way had itself been sent late, or never.
    pub(super) fn blame_misses(&mut self, series: Series, misses: u32) {
        self.own_misses += u64::from(misses);
        if !self.is_fault(series.phase) {
            self.own_misses_outside_faults += u64::from(misses);
        }
    }

    /// A call was handed to the client; `in_flight` are under way with it.
    pub(super) fn sent(&mut self, series: Series, in_flight: usize) {
        self.tally(series, |tally| tally.sent += 1);
        self.second.sent += u64::from(!series.observes);
        self.second.in_flight = self.second.in_flight.max(u64::try_from(in_flight).unwrap_or(u64::MAX));
    }

    /// A call ended.
    pub(super) fn ended(&mut self, series: Series, call: &Timed) {
        self.tally(series, |tally| tally.record(call));
        self.second.measure(series.phase, Kind(series.operation, series.observes).name(), call);
        if series.observes {
            return;
        }
        self.watches.iter_mut().for_each(|watch| watch.ended(series, call));
        self.second.ended(call);
    }

    fn tally(&mut self, series: Series, count: impl FnOnce(&mut Tally)) {
        let Some(phase) = self.phases.get_mut(series.phase) else { return };
        // The harness's own reading is one kind, whatever it asks.
        let kind = Kind(if series.observes { Operation::List } else { series.operation }, series.observes);
        match phase.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, tally)) => count(tally),
            None => count(&mut phase.push_mut((kind, Tally::default())).1),
        }
    }

    fn is_fault(&self, phase: usize) -> bool {
        self.with_faults.get(phase).copied().unwrap_or_default()
    }

    /// Closes every second that is over at `now_us`; `agents` are registered.
    pub(super) fn advance(&mut self, now_us: u64, agents: u64, in_flight: usize) {
        while self.now_second < now_us / 1_000_000 {
            self.close_second(agents, in_flight);
        }
    }

    /// Closes the present second, whole or not.
    pub(super) fn close_second(&mut self, agents: u64, in_flight: usize) {
        let in_flight = u64::try_from(in_flight).unwrap_or(u64::MAX);
        let second = &mut self.second;
        let response = self.lately.close(&mut second.responses);
        self.buckets.0.add(response);
        let response_us = response.percentiles();
        self.intervals
            .push(Interval { response_us, ..second.interval(self.now_second, agents, in_flight, OBSERVE) });
        self.buckets.1.add(&second.lag);
        self.watches.iter_mut().for_each(|watch| watch.close_second(self.now_second));
        let mut measured = second.take_measured();
        match &mut self.log {
            Some(log) => measured = log.close_second(self.now_second, measured),
            None => measured.iter_mut().for_each(|measured| measured.latencies.reset()),
        }
        second.begin_anew(in_flight, measured);
        self.now_second += 1;
    }

    /// The interval of a second, to fill in what a process used in it.
    pub(super) fn interval(&mut self, second: u64) -> Option<&mut Interval> {
        usize::try_from(second).ok().and_then(|index| self.intervals.get_mut(index))
    }

    /// The last interval that is over.
    pub(super) fn last_interval(&self) -> Interval {
        self.intervals.last().cloned().unwrap_or_default()
    }

    /// The last so many intervals that are over, oldest first.
    pub(super) fn last_intervals(&self, most: usize) -> &[Interval] {
        self.intervals.get(self.intervals.len().saturating_sub(most)..).unwrap_or_default()
    }

    /// Response of the last ten seconds.
    pub(super) fn lately(&self) -> &Lately {
        &self.lately
    }

    /// Errors so far by operation and kind, the most frequent first.
    pub(super) fn errors_by_kind(&self) -> Vec<ErrorKind> {
        let mut counts: BTreeMap<(&'static str, ResultKind), u64> = BTreeMap::new();
        for (kind, tally) in self.phases.iter().flatten() {
            for (error, count) in &tally.by_error {
                *counts.entry((kind.name(), *error)).or_default() += count;
            }
        }
        let named = |((operation, error), count): ((&'static str, ResultKind), u64)| ErrorKind {
            operation,
            kind: error.name(),
            count,
        };
        let mut kinds: Vec<ErrorKind> = counts.into_iter().map(named).collect();
        kinds.sort_by_key(|kind| std::cmp::Reverse(kind.count));
        kinds
    }

    /// Thresholds that will be broken at the end whatever comes.
    pub(super) fn surely_broken(&self) -> Vec<BrokenThreshold> {
        self.watches.iter().filter_map(Watch::surely_broken).collect()
    }

    /// What was counted so far. Durations are those of the seconds that are over.
    pub(super) fn figures(&self) -> Figures {
        let (response, lag) = self.buckets.clone();
        let mut figures = Figures { response, lag, ..Figures::default() };
        for (kind, tally) in self.phases.iter().flatten() {
            figures.calls.entry(kind.name()).or_default().add(tally);
        }
        figures
    }

    /// Lag over all calls.
    pub(super) fn lag(&self) -> Percentiles {
        let mut all = Durations::default();
        self.phases.iter().flatten().for_each(|(_, tally)| all.merge(&tally.latencies.lag));
        all.percentiles()
    }

    /// Calls due, sent and failed so far: agents' and the harness's own.
    pub(super) fn totals(&self) -> Tally {
        self.sum(|_| true)
    }

    /// What the agents' calls made due outside phases with faults without the misses that the registry caused, and how
    /// many of those were sent.
    pub(super) fn kept_outside_faults(&self) -> (u64, u64) {
        let outside = self.sum(|phase| !self.is_fault(phase));
        let due = outside.planned.saturating_sub(outside.misses) + self.own_misses_outside_faults;
        (due, outside.sent)
    }

    /// Misses that the registry did not cause.
    pub(super) fn own_misses(&self) -> u64 {
        self.own_misses
    }

    fn sum(&self, counts: impl Fn(usize) -> bool) -> Tally {
        let mut sum = Tally::default();
        let phases = self.phases.iter().enumerate().filter(|(index, _)| counts(*index));
        for tally in phases.flat_map(|(_, phase)| phase.iter().map(|(_, tally)| tally)) {
            sum.merge_counts(tally);
        }
        sum
    }

    /// Calls due and sent in a phase.
    pub(super) fn counts(&self, phase: usize) -> (u64, u64) {
        let sum = self.sum(|index| index == phase);
        (sum.planned, sum.sent)
    }

    /// A phase's figures by operation.
    pub(super) fn phase_stats(&self, phase: usize) -> BTreeMap<String, CallStats> {
        let tallies = self.phases.get(phase).into_iter().flatten();
        tallies.map(|(kind, tally)| (kind.name().to_owned(), tally.stats())).collect()
    }

    /// The figures of all phases but ramps, which are warm-up, by operation.
    pub(super) fn judged_stats(&self) -> BTreeMap<String, CallStats> {
        let mut merged: BTreeMap<&'static str, Tally> = BTreeMap::new();
        for (phase, kind) in self.phases.iter().zip(&self.kinds) {
            if *kind != PhaseKind::Ramp {
                for (kind, tally) in phase {
                    merged.entry(kind.name()).or_default().merge(tally);
                }
            }
        }
        merged.into_iter().map(|(name, tally)| (name.to_owned(), tally.stats())).collect()
    }

    /// Every threshold with its value, but for those on freshness.
    pub(super) fn thresholds(&self, faults: &[FaultReport], floors_us: &[u64]) -> Vec<ThresholdReport> {
        let beside = Beside { faults, intervals: &self.intervals, floors_us };
        self.watches.iter().map(|watch| watch.report(beside)).collect()
    }

    /// One entry a second.
    pub(super) fn into_intervals(self) -> Vec<Interval> {
        self.intervals
    }
}

#[cfg(test)]
#[path = "collector_tests.rs"]
mod tests;
