//! Durations, and what calls came to.

use super::*;

fn call(planned_us: u64, s_us: u64, e_us: u64, outcome: Outcome) -> Timed {
    let http = outcome.renews().then_some(200);
    Timed { op: Operation::Renew, planned_us, s_us, e_us, outcome, http }
}

#[test]
fn response_counts_from_the_plan_and_service_from_the_sending() {
    let mut tally = Tally::default();
    tally.record(&call(1_000, 1_300, 2_000, Outcome::Renewed));
    let stats = tally.stats();
    assert_eq!(
        (stats.response_us.max, stats.service_us.max, stats.lag_us.max, stats.count),
        (1_000, 700, 300, 1)
    );
}

#[test]
fn a_failed_call_enters_the_distribution_with_its_full_elapsed_time() {
    let mut tally = Tally::default();
    tally.record(&call(0, 10, 5_000_010, Outcome::TimedOut));
    assert_eq!(tally.stats().response_us.max, 5_000_010);
    assert_eq!((tally.errors, tally.by_result.get(&ResultKind::TimedOut)), (1, Some(&1)));
}

#[test]
fn a_call_cut_off_is_a_class_of_its_own() {
    let mut tally = Tally::default();
    tally.record(&call(0, 10, 5_000_010, Outcome::CutOff));
    assert_eq!((tally.count, tally.errors, tally.cut_off), (0, 0, 1));
    assert_eq!((tally.latencies.response.count(), tally.latencies.lag.count()), (0, 1));
}

#[test]
fn merged_histograms_are_the_histogram_of_all_and_keep_the_exact_worst() {
    let (mut left, mut right, mut all) = (Durations::default(), Durations::default(), Durations::default());
    for us in 0..10_000_u64 {
        if us % 3 == 0 {
            left.record(us * 7)
        } else {
            right.record(us * 7)
        }
        all.record(us * 7);
    }
    left.merge(&right);
    assert_eq!((left.percentiles(), left.count()), (all.percentiles(), 10_000));
    assert_eq!(left.max_us(), 69_993);
}

#[test]
fn the_curve_rises_from_the_fastest_to_the_worst_without_a_share_of_one() {
    let mut durations = Durations::default();
    (1..=1_000).for_each(|us| durations.record(us));
    let curve = durations.curve();
    assert_eq!(curve.len(), 60);
    assert!(curve.is_sorted_by(|left, right| left.0 < right.0 && left.1 <= right.1), "{curve:?}");
    assert_eq!(curve.first().map(|point| point.1), Some(1));
    assert!(curve.last().is_some_and(|point| point.0 < 1.0 && point.1 == 1_000), "{curve:?}");
}

#[test]
fn percentiles_are_within_a_thousandth_of_the_true_ones_at_any_size() {
    for unit_us in [1, 1_000, 1_000_000] {
        let mut durations = Durations::default();
        (1..=1_000).for_each(|number| durations.record(number * unit_us));
        let Percentiles { p50, p90, p99, p999, max } = durations.percentiles();
        for (found, expected) in [(p50, 500), (p90, 900), (p99, 990), (p999, 999), (max, 1_000)] {
            let expected = expected * unit_us;
            assert!(found >= expected && found - expected <= expected / 1_000, "{found} for {expected}");
        }
    }
}

#[test]
fn more_than_an_hour_counts_as_an_hour() {
    let mut durations = Durations::default();
    durations.record(u64::MAX);
    assert_eq!(durations.max_us(), LONGEST_US);
}

#[test]
fn durations_that_were_packed_are_the_same_to_the_last_digit() {
    let mut durations = Durations::default();
    for us in [1, 999, 12_345, 1_234_567, 3_600_000_000] {
        durations.record(us);
    }
    let unpacked = Durations::unpacked(&durations.packed()).unwrap();
    let told = |durations: &Durations| {
        let mut all = Vec::new();
        durations.each(|us, count| all.push((us, count)));
        (durations.percentiles(), durations.curve(), all)
    };
    assert_eq!(told(&unpacked), told(&durations));
    assert_eq!(Durations::default().packed(), PackedDurations::default());
    assert_eq!(Durations::unpacked(&PackedDurations::default()).unwrap().count(), 0);
    let wrong = PackedDurations { histogram: "AAAA".to_owned(), max_us: 1 };
    assert!(Durations::unpacked(&wrong).unwrap_err().starts_with("no histogram"), "{wrong:?}");
}
