//! How often the intervals hold what they promise, on drawn values.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;

/// The promise is 95 %; that many trials may by chance show 3 points less.
const TRIALS: u64 = 200;
const PROMISED: f64 = 0.92;

/// About normal, mean 0, deviation 1: twelve uniform draws.
fn normal(generator: &mut ChaCha8Rng) -> f64 {
    (0..12).map(|_| generator.random::<f64>()).sum::<f64>() - 6.0
}

/// Runs whose figure lies around `middle` and scatters by 5 %.
fn runs(generator: &mut ChaCha8Rng, middle: f64, count: usize) -> Vec<f64> {
    (0..count).map(|_| middle * (0.05 * normal(generator)).exp()).collect()
}

/// Seconds that each keep half of what the one before had.
fn seconds(generator: &mut ChaCha8Rng, middle: f64, count: usize) -> Vec<Second> {
    let mut kept = 0.0;
    (0..count)
        .map(|_| {
            kept = 0.5 * kept + 0.1 * normal(generator);
            Second { sum: middle * kept.exp(), weight: 1.0 }
        })
        .collect()
}

fn share_of_trials(mut holds: impl FnMut(&mut ChaCha8Rng) -> bool) -> f64 {
    let mut held = 0_u32;
    for trial in 0..TRIALS {
        held += u32::from(holds(&mut ChaCha8Rng::seed_from_u64(trial)));
    }
    f64::from(held) / TRIALS as f64
}

fn holds_zero(range: Option<Range>) -> bool {
    range.is_some_and(|range| range.low <= 0.0 && range.high >= 0.0)
}

#[test]
fn intervals_from_runs_of_the_same_side_hold_zero_as_often_as_promised() {
    for (a, b) in [(2, 2), (3, 3), (5, 5), (10, 10), (5, 2), (5, 1), (1, 5), (2, 1)] {
        let share = share_of_trials(|generator| {
            let (a, b) = (runs(generator, 100.0, a), runs(generator, 100.0, b));
            holds_zero(range_of_runs(Scale::Ratio, &a, &b, 1))
        });
        assert!(share >= PROMISED, "{a} and {b} runs: {share}");
    }
}

#[test]
fn a_real_difference_of_a_fifth_is_seen_by_five_runs() {
    let share = share_of_trials(|generator| {
        let (a, b) = (runs(generator, 100.0, 5), runs(generator, 120.0, 5));
        range_of_runs(Scale::Ratio, &a, &b, 1).is_some_and(|range| range.low > 0.0)
    });
    assert!(share >= 0.9, "{share}");
}

#[test]
fn intervals_from_seconds_bear_that_one_second_is_like_the_next() {
    for count in [5, 10, 60] {
        let share = share_of_trials(|generator| {
            let (a, b) = (seconds(generator, 10.0, count), seconds(generator, 10.0, count));
            let difference = figure(&b).unwrap() / figure(&a).unwrap() - 1.0;
            holds_zero(range_of_seconds(Scale::Ratio, difference, &a, &b, 1))
        });
        assert!(share >= PROMISED, "{count} seconds: {share}");
    }
    let share = share_of_trials(|generator| {
        let (a, b) = (seconds(generator, 10.0, 60), seconds(generator, 12.0, 60));
        let difference = figure(&b).unwrap() / figure(&a).unwrap() - 1.0;
        range_of_seconds(Scale::Ratio, difference, &a, &b, 1).is_some_and(|range| range.low > 0.0)
    });
    assert!(share >= 0.9, "a fifth: {share}");
}

#[test]
fn the_noise_of_one_side_lies_around_zero_and_holds_most_differences() {
    let share = share_of_trials(|generator| {
        let (a, b) = (runs(generator, 100.0, 5), runs(generator, 100.0, 5));
        let noise = noise_of_runs(Scale::Ratio, &a, b.len(), 1).unwrap();
        let difference = difference(Scale::Ratio, &a, &b).unwrap();
        noise.low <= 0.0 && noise.high >= 0.0 && difference >= noise.low && difference <= noise.high
    });
    assert!(share >= 0.9, "{share}");
}

#[test]
fn shares_may_be_zero_and_ratios_may_not() {
    assert_eq!(difference(Scale::Points, &[0.0], &[0.02]), Some(0.02));
    assert_eq!(difference(Scale::Ratio, &[0.0], &[0.02]), None);
    assert_eq!(difference(Scale::Ratio, &[], &[1.0]), None);
    let range = range_of_runs(Scale::Points, &[0.0; 3], &[0.01; 3], 1).unwrap();
    assert_eq!((range.low, range.high), (0.01, 0.01));
}

#[test]
fn one_run_a_side_or_a_few_seconds_say_nothing_of_chance() {
    assert_eq!(range_of_runs(Scale::Ratio, &[1.0], &[2.0], 1), None);
    assert_eq!(noise_of_runs(Scale::Ratio, &[1.0], 1, 1), None);
    let few = vec![Second { sum: 1.0, weight: 1.0 }; FEWEST_SECONDS - 1];
    assert_eq!(range_of_seconds(Scale::Ratio, 0.0, &few, &few, 1), None);
    let idle = vec![Second { sum: 1.0, weight: 0.0 }; FEWEST_SECONDS];
    assert_eq!(range_of_seconds(Scale::Ratio, 0.0, &idle, &idle, 1), None);
}

#[test]
fn the_same_values_give_the_same_interval() {
    let (a, b) = ([1.0, 1.1, 0.9], [1.2, 1.3, 1.25]);
    assert_eq!(range_of_runs(Scale::Ratio, &a, &b, 7), range_of_runs(Scale::Ratio, &a, &b, 7));
    assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), Some(2.5));
}
