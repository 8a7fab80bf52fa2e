//! Stretches of a phase, second by second, and other sums that a threshold needs: pure.

use std::collections::VecDeque;

use super::arrivals::{Arrivals as Tenths, TENTH_US};
use super::thresholds::Value;
use crate::measure::Durations;

/// What is counted of one threshold in a stretch of time.
#[derive(Debug, Clone, Default)]
pub(super) struct Samples {
    /// For a percentile.
    pub(super) durations: Durations,
    /// For a share: of so many,
    pub(super) of: u64,
    /// so many were bad.
    pub(super) bad: u64,
}

impl Samples {
    fn count(&self) -> u64 {
        self.durations.count().max(self.of)
    }

    fn add(&mut self, other: &Self) {
        self.durations.merge(&other.durations);
        self.of += other.of;
        self.bad += other.bad;
    }

    fn reset(&mut self) {
        self.durations.reset();
        (self.of, self.bad) = (0, 0);
    }
}

/// Every stretch of some seconds, stepping a second, and the whole. Keeps the seconds of one stretch.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    length: usize,
    /// A stretch of fewer samples is not judged.
    least: u64,
    seconds: VecDeque<Samples>,
    /// Of all that is in `seconds`.
    sum: Samples,
    whole: Samples,
    /// A second's memory for the next one.
    spare: Option<Samples>,
    was_full: bool,
    worst: Option<Value>,
    first_breach: Option<u64>,
}

impl Windows {
    /// Stretches of `length` seconds, each of which is judged where it has `least` samples.
    pub(super) fn new(length: usize, least: u64) -> Self {
        Self {
            length: length.max(1),
            least,
            seconds: VecDeque::new(),
            sum: Samples::default(),
            whole: Samples::default(),
            spare: None,
            was_full: false,
            worst: None,
            first_breach: None,
        }
    }

    /// Empty samples, in memory that was used before where there is some.
    pub(super) fn take_spare(&mut self) -> Samples {
        self.spare.take().unwrap_or_default()
    }

    /// Adds the second that began at `second`, and judges the stretch that ends with it. `judge` gives a value and
    /// whether it breaks the limit.
    pub(super) fn push(
        &mut self,
        samples: Samples,
        second: u64,
        judge: impl Fn(&Samples) -> Option<(Value, bool)>,
    ) {
        self.whole.add(&samples);
        self.sum.add(&samples);
        self.seconds.push_back(samples);
        if self.seconds.len() > self.length
            && let Some(mut left) = self.seconds.pop_front()
        {
            let max_us = self.seconds.iter().map(|kept| kept.durations.max_us()).max().unwrap_or_default();
            self.sum.durations.take_away(&left.durations, max_us);
            self.sum.of -= left.of;
            self.sum.bad -= left.bad;
            left.reset();
            self.spare = Some(left);
        }
        if self.seconds.len() == self.length {
            self.was_full = true;
            self.judge(second, judge);
        }
    }

    /// No second comes any more. What is shorter than a stretch is judged as one.
    pub(super) fn finish(&mut self, second: u64, judge: impl Fn(&Samples) -> Option<(Value, bool)>) {
        if !self.was_full {
            self.judge(second, judge);
        }
    }

    fn judge(&mut self, second: u64, judge: impl Fn(&Samples) -> Option<(Value, bool)>) {
        if self.sum.count() < self.least {
            return;
        }
        let Some((value, breaks)) = judge(&self.sum) else { return };
        if self.worst.is_none_or(|worst| value.is_worse_than(worst)) {
            self.worst = Some(value);
        }
        if breaks && self.first_breach.is_none() {
            self.first_breach = Some(second);
        }
    }

    /// All seconds together.
    pub(super) fn whole(&self) -> &Samples {
        &self.whole
    }

    /// The worst value of any stretch that was judged.
    pub(super) fn worst(&self) -> Option<Value> {
        self.worst
    }

    /// The last second of the first stretch that broke the limit.
    pub(super) fn first_breach(&self) -> Option<u64> {
        self.first_breach
    }
}

/// Arrivals by tenths of a second.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    tenths: Tenths,
    peak: u64,
    total: u64,
}

impl Arrivals {
    /// A call became due. Instants come in order, but for those that are up to three seconds late.
    pub(super) fn add(&mut self, at_us: u64) {
        self.total += 1;
        self.peak = self.peak.max(self.tenths.count(at_us));
    }

    /// Most arrivals of a tenth over the mean of a stretch of this length; `None` for fewer than `least` arrivals.
    #[allow(clippy::cast_precision_loss, reason = "a run makes far fewer than 2^53 calls")]
    pub(super) fn peak_over_mean(&self, length_us: u64, least: u64) -> Option<f64> {
        let mean = self.total as f64 * TENTH_US as f64 / length_us as f64;
        (self.total >= least && length_us > 0).then(|| self.peak as f64 / mean)
    }
}

/// The slope, per minute, of the line of least squares through (second, value); `None` where there is none.
#[allow(clippy::cast_precision_loss, reason = "neither seconds nor bytes come near 2^53")]
pub(super) fn slope_per_minute(samples: &[(u64, u64)]) -> Option<f64> {
    let count = samples.len() as f64;
    let mean =
        |of: fn(&(u64, u64)) -> u64| samples.iter().map(|sample| of(sample) as f64).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|sample| sample.0), mean(|sample| sample.1));
    let (mut with, mut spread) = (0.0, 0.0);
    for (x, y) in samples {
        let from_mean = *x as f64 - mean_x;
        with += from_mean * (*y as f64 - mean_y);
        spread += from_mean * from_mean;
    }
    (spread > 0.0).then(|| with / spread * 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_through_noise_and_none_through_a_single_instant() {
        let samples: Vec<(u64, u64)> =
            (0..60).map(|second| (second, 1_000_000 + second * 1_000 + (second % 2) * 10)).collect();
        let slope = slope_per_minute(&samples).unwrap();
        assert!((slope - 60_000.0).abs() < 60.0, "{slope}");
        assert_eq!(slope_per_minute(&[(1, 5), (1, 9)]), None);
        assert_eq!(slope_per_minute(&[(1, 5), (2, 5), (3, 5)]), Some(0.0));
    }

    #[test]
    fn arrivals_that_are_even_peak_at_their_mean_and_a_herd_stands_out() {
        let (mut even, mut herd) = (Arrivals::default(), Arrivals::default());
        for number in 0..1_000_u64 {
            even.add(5_000_000 + number * 10_000);
            herd.add(5_000_000 + (number / 100) * 1_000_000);
        }
        assert_eq!(even.peak_over_mean(10_000_000, 20), Some(1.0));
        assert_eq!(herd.peak_over_mean(10_000_000, 20), Some(10.0));
        assert_eq!(Arrivals::default().peak_over_mean(10_000_000, 20), None);
    }

    #[test]
    fn a_stretch_keeps_no_more_than_its_seconds_and_their_sum() {
        let mut windows = Windows::new(3, 1);
        for second in 0..100 {
            let mut samples = windows.take_spare();
            samples.durations.record(1_000 - second);
            (samples.of, samples.bad) = (10, 1);
            windows.push(samples, second, |_| None);
            assert!(windows.seconds.len() <= 3);
        }
        assert_eq!((windows.sum.durations.count(), windows.sum.of, windows.sum.bad), (3, 30, 3));
        assert_eq!(windows.sum.durations.max_us(), 1_000 - 97, "the worst that left is forgotten");
        assert_eq!(windows.whole().of, 1_000);
    }
}
