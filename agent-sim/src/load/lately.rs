//! Response times of the last seconds by what was asked: sums of as many histograms, one a second. Each call is recorded
//! once, in the histogram of its second.

use std::collections::VecDeque;

use reports::history::Operation;
use reports::result::Percentiles;

use crate::measure::Durations;

/// The live percentiles look back so many seconds.
const LIVE_SECONDS: usize = 10;

/// Response times of one second. Those of long-polls are none: they wait for changes.
#[derive(Debug, Default)]
pub(super) struct Responses {
    heartbeat: Durations,
    discovery: Durations,
    other: Durations,
}

impl Responses {
    /// Counts an answered call.
    pub(super) fn record(&mut self, operation: Operation, us: u64) {
        match operation {
            Operation::Register | Operation::Renew | Operation::Probe => self.heartbeat.record(us),
            Operation::List | Operation::Read | Operation::Capabilities => self.discovery.record(us),
            _ => self.other.record(us),
        }
    }
}

/// The last seconds together.
#[derive(Debug, Default)]
pub(super) struct Lately {
    heartbeat: Sliding,
    discovery: Sliding,
    all: Sliding,
    /// Memory for the next second's sum.
    whole: Durations,
}

impl Lately {
    /// Takes a second that is over, and leaves it empty; answers all its response times.
    pub(super) fn close(&mut self, second: &mut Responses) -> &Durations {
        self.whole.reset();
        for part in [&second.heartbeat, &second.discovery, &second.other] {
            self.whole.merge(part);
        }
        second.other.reset();
        self.heartbeat.push(&mut second.heartbeat);
        self.discovery.push(&mut second.discovery);
        self.all.push(&mut self.whole);
        self.all.last().unwrap_or(&self.whole)
    }

    /// Of heartbeats; `None` without any.
    pub(super) fn heartbeat(&self) -> Option<Percentiles> {
        self.heartbeat.percentiles()
    }

    /// Of questions for other agents; `None` without any.
    pub(super) fn discovery(&self) -> Option<Percentiles> {
        self.discovery.percentiles()
    }

    /// Of all; zeros without any.
    pub(super) fn all(&self) -> Percentiles {
        self.all.percentiles().unwrap_or_default()
    }
}

/// Some seconds and their sum.
#[derive(Debug, Default)]
struct Sliding {
    seconds: VecDeque<Durations>,
    sum: Durations,
}

impl Sliding {
    /// Takes a second, and leaves the memory of an older one in its place.
    fn push(&mut self, second: &mut Durations) {
        let left = if self.seconds.len() < LIVE_SECONDS { None } else { self.seconds.pop_front() };
        self.sum.merge(second);
        let mut empty = left.unwrap_or_default();
        let fresh = std::mem::take(second);
        if empty.count() > 0 {
            let kept = self.seconds.iter().chain([&fresh]);
            let max_us = kept.map(Durations::max_us).max().unwrap_or_default();
            self.sum.take_away(&empty, max_us);
        }
        empty.reset();
        *second = empty;
        self.seconds.push_back(fresh);
    }

    fn last(&self) -> Option<&Durations> {
        self.seconds.back()
    }

    fn percentiles(&self) -> Option<Percentiles> {
        (self.sum.count() > 0).then(|| self.sum.percentiles())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn second(heartbeats: &[u64], lists: &[u64], leaves: &[u64]) -> Responses {
        let mut second = Responses::default();
        for (operation, durations) in
            [(Operation::Renew, heartbeats), (Operation::List, lists), (Operation::Leave, leaves)]
        {
            durations.iter().for_each(|us| second.record(operation, *us));
        }
        second
    }

    #[test]
    fn what_was_asked_is_told_apart_and_all_together_is_all_of_it() {
        let mut lately = Lately::default();
        let whole = lately.close(&mut second(&[100, 200], &[900], &[50]));
        assert_eq!((whole.count(), whole.max_us()), (4, 900));
        let maxima = |of: Option<Percentiles>| of.map(|percentiles| percentiles.max);
        assert_eq!((maxima(lately.heartbeat()), maxima(lately.discovery())), (Some(200), Some(900)));
        assert_eq!((lately.all().p50, lately.all().max), (100, 900));
    }

    #[test]
    fn after_ten_seconds_the_oldest_is_forgotten_and_its_worst_with_it() {
        let mut lately = Lately::default();
        // One second's memory goes round, as in a run.
        let mut second = second(&[5_000_000], &[], &[]);
        for number in 0..LIVE_SECONDS as u64 {
            lately.close(&mut second);
            assert_eq!(lately.heartbeat().unwrap().max, 5_000_000, "second {number}");
            second.record(Operation::Renew, 100 + number);
        }
        lately.close(&mut second);
        assert_eq!(lately.heartbeat().unwrap().max, 100 + LIVE_SECONDS as u64 - 1);
        assert_eq!(lately.all(), lately.heartbeat().unwrap());
        assert_eq!(lately.discovery(), None);
        for _ in 0..LIVE_SECONDS {
            lately.close(&mut second);
        }
        assert_eq!((lately.heartbeat(), lately.all()), (None, Percentiles::default()));
    }
}
