//! What was counted in one second.

use std::collections::BTreeMap;

use reports::history::{Operation, Outcome};
use reports::result::{Interval, MAX_ERROR_KINDS, OTHER_KINDS};

use super::lately::Responses;
use crate::latency_log::Measured;
use crate::measure::{Durations, ResultKind, Timed};

/// Counts and durations of the agents' calls in one second; `measured` has the harness's own, too.
#[derive(Debug, Default)]
pub(super) struct Second {
    pub(super) planned: u64,
    pub(super) sent: u64,
    pub(super) misses: u64,
    pub(super) responses: Responses,
    pub(super) lag: Durations,
    pub(super) in_flight: u64,
    pub(super) peak_100ms: u64,
    /// By phase and operation. Its first `kinds` are in use, the others wait to be.
    measured: Vec<Measured>,
    kinds: usize,
    errors: u64,
    errors_by_kind: BTreeMap<ResultKind, u64>,
    errors_of_other_kinds: u64,
    polls: u64,
    polls_unchanged: u64,
}

impl Second {
    /// Counts an ended call of an agent.
    pub(super) fn ended(&mut self, call: &Timed) {
        self.lag.record(call.lag_us());
        if call.outcome != Outcome::CutOff && call.op != Operation::Watch {
            self.responses.record(call.op, call.response_us());
        }
        if call.outcome.is_error() {
            self.errors += 1;
            let kind = ResultKind::of(call);
            if self.errors_by_kind.len() < MAX_ERROR_KINDS || self.errors_by_kind.contains_key(&kind) {
                *self.errors_by_kind.entry(kind).or_default() += 1;
            } else {
                self.errors_of_other_kinds += 1;
            }
        }
        let answered = matches!(call.outcome, Outcome::Shown | Outcome::Unchanged);
        if answered && matches!(call.op, Operation::List | Operation::Watch) {
            self.polls += 1;
            self.polls_unchanged += u64::from(call.outcome == Outcome::Unchanged);
        }
    }

    /// Measures an ended call, whoever made it.
    pub(super) fn measure(&mut self, phase: usize, operation: &'static str, call: &Timed) {
        let in_use = self.measured.iter_mut().take(self.kinds);
        let known = in_use.into_iter().position(|it| it.is_of(phase, operation));
        let index = known.unwrap_or_else(|| {
            if self.kinds == self.measured.len() {
                self.measured.push(Measured::default());
            }
            self.kinds += 1;
            self.kinds - 1
        });
        if let Some(measured) = self.measured.get_mut(index) {
            (measured.phase, measured.operation) = (phase, operation);
            measured.latencies.record(call);
        }
    }

    /// The second as reports tell it, without the response times of all calls and what processes used.
    pub(super) fn interval(&self, second: u64, agents: u64, in_flight: u64, observe: &str) -> Interval {
        let mut errors_by_kind: BTreeMap<String, u64> =
            self.errors_by_kind.iter().map(|(kind, count)| (kind.name(), *count)).collect();
        if self.errors_of_other_kinds > 0 {
            errors_by_kind.insert(OTHER_KINDS.to_owned(), self.errors_of_other_kinds);
        }
        Interval {
            second,
            agents,
            planned: self.planned,
            sent: self.sent,
            errors: self.errors,
            misses: self.misses,
            lag_p99_us: self.lag.quantile_us(0.99),
            response_p99_us: self.p99_by_operation(observe),
            errors_by_kind,
            polls: self.polls,
            polls_unchanged: self.polls_unchanged,
            in_flight: self.in_flight.max(in_flight),
            peak_100ms: self.peak_100ms,
            ..Interval::default()
        }
    }

    /// A second has calls of two phases where one ends in it.
    fn p99_by_operation(&self, observe: &str) -> BTreeMap<String, u64> {
        let mut by_operation: BTreeMap<&str, Durations> = BTreeMap::new();
        for Measured { operation, latencies, .. } in self.measured.iter().take(self.kinds) {
            if *operation != observe && latencies.response.count() > 0 {
                by_operation.entry(operation).or_default().merge(&latencies.response);
            }
        }
        let p99 =
            |(operation, durations): (&str, Durations)| (operation.to_owned(), durations.quantile_us(0.99));
        by_operation.into_iter().map(p99).collect()
    }

    /// Hands over what was measured by phase and operation.
    pub(super) fn take_measured(&mut self) -> Vec<Measured> {
        self.measured.truncate(self.kinds);
        self.kinds = 0;
        std::mem::take(&mut self.measured)
    }

    /// Forgets everything and keeps the memory; `measured` is empty or was reset, and response times were taken out.
    pub(super) fn begin_anew(&mut self, in_flight: u64, measured: Vec<Measured>) {
        let (responses, mut lag) = (std::mem::take(&mut self.responses), std::mem::take(&mut self.lag));
        lag.reset();
        *self = Self { responses, lag, in_flight, measured, ..Self::default() };
    }
}
