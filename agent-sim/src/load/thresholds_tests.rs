//! Thresholds against seconds told by hand.

use std::time::Duration;

use reports::history::Outcome;
use scenarios::model::{Metric, PhaseKind};

use super::*;

const SECOND: u64 = 1_000_000;

/// A ramp of 4 s and a hold of 30 s.
fn phases() -> [PhaseSpan; 2] {
    [("ramp", PhaseKind::Ramp, 0, 4), ("hold", PhaseKind::Hold, 4, 34)].map(|(name, kind, start, end)| {
        PhaseSpan { name: name.to_owned(), kind, start_us: start * SECOND, end_us: end * SECOND }
    })
}

fn threshold(operation: &'static str, figure: Figure, limit: Limit) -> Threshold {
    Threshold {
        phase: "hold".to_owned(),
        metric: Metric { operation, figure },
        limit,
        window: None,
        grace: Duration::ZERO,
        floor_times: None,
    }
}

const P99: Figure = Figure::Duration { which: Which::Service, percentile: Percentile::P99 };

fn watch(threshold: &Threshold) -> Watch {
    Watch::new(threshold, &phases())
}

/// The hold's threshold on service p99 of 20 ms over windows of 10 s.
fn windowed(grace: u64) -> Threshold {
    Threshold {
        window: Some(Duration::from_secs(10)),
        grace: Duration::from_secs(grace),
        ..threshold("renew", P99, Limit::Duration(Duration::from_millis(20)))
    }
}

/// A renewal planned in this second that ends so.
fn renew(watch: &mut Watch, second: u64, service_us: u64, outcome: Outcome) {
    let at_us = second * SECOND + SECOND / 2;
    let series =
        Series { phase: usize::from(second >= 4), operation: Operation::Renew, observes: false, at_us };
    let call = Timed {
        op: Operation::Renew,
        planned_us: at_us,
        s_us: at_us,
        e_us: at_us + service_us,
        outcome,
        http: None,
    };
    watch.due(series);
    watch.ended(series, &call);
}

/// Every second of the run makes so many renewals, which take as long as `service_us` tells.
fn run(watch: &mut Watch, a_second: u64, service_us: impl Fn(u64, u64) -> u64) -> ThresholdReport {
    for second in 0..34 {
        for number in 0..a_second {
            renew(watch, second, service_us(second, number), Outcome::Renewed);
        }
        watch.close_second(second);
    }
    watch.report(Beside::default())
}

#[test]
fn values_are_shown_beside_the_limit_in_its_unit() {
    let table = [
        (P99, Limit::Duration(Duration::from_micros(900)), ("900us", "1500us", false)),
        (P99, Limit::Duration(Duration::from_micros(1_500)), ("1500us", "1500us", true)),
        (P99, Limit::Duration(Duration::from_millis(20)), ("20ms", "1.5ms", true)),
        (P99, Limit::Duration(Duration::from_secs(2)), ("2s", "0.002s", true)),
        (Figure::Errors, Limit::Share(0.001), ("0.1%", "50%", false)),
        (Figure::Misses, Limit::Share(0.5), ("50%", "50%", true)),
    ];
    for (figure, limit, (limit_text, value, ok)) in table {
        let mut watch = watch(&threshold("renew", figure, limit));
        renew(&mut watch, 5, 1_500, Outcome::Renewed);
        renew(&mut watch, 5, 1_500, Outcome::TimedOut);
        watch.missed(Series { phase: 1, operation: Operation::Renew, observes: false, at_us: 6 * SECOND });
        watch.close_second(5);
        let report = watch.report(Beside::default());
        assert_eq!((report.limit.as_str(), report.value.as_str(), report.ok), (limit_text, value, ok));
    }
}

#[test]
fn where_the_host_is_worse_than_the_limit_its_floor_says_how_much_is_allowed() {
    let limit = Limit::Duration(Duration::from_millis(20));
    let strict = threshold("renew", P99, limit);
    let lenient = Threshold { floor_times: Some(4), ..strict.clone() };
    let judge = |threshold: &Threshold, floor_us| {
        let mut watch = watch(threshold);
        renew(&mut watch, 5, 25_000, Outcome::Renewed);
        let report = watch.report(Beside { floors_us: &[90_000, floor_us], ..Beside::default() });
        (report.ok, report.limit)
    };
    assert_eq!(judge(&strict, 7_000), (false, "20ms".to_owned()));
    assert_eq!(judge(&lenient, 5_000), (false, "20ms".to_owned()), "the host is no worse");
    let words = "28ms, 4 times the host's timer floor of 7ms; else 20ms".to_owned();
    assert_eq!(judge(&lenient, 7_000), (true, words), "the floor of the ramp is not the hold's");
}

#[test]
fn a_metric_without_samples_does_not_hold_and_has_no_value() {
    for window in [None, Some(Duration::from_secs(5))] {
        let threshold =
            Threshold { window, ..threshold("list", P99, Limit::Duration(Duration::from_secs(1))) };
        let report = run(&mut watch(&threshold), 200, |_, _| 10);
        assert_eq!((report.ok, report.value.as_str(), report.ratio), (false, "", None));
    }
}

#[test]
fn without_a_window_the_first_breach_is_the_first_second_whose_own_value_broke_the_limit() {
    let limit = Limit::Duration(Duration::from_millis(1));
    // Slow in the ramp, which is another phase, and from second 6 on.
    let slow = |second, _| if (4..6).contains(&second) { 500 } else { 2_000 };
    let report = run(&mut watch(&threshold("heartbeat", P99, limit)), 1, slow);
    assert_eq!((report.ok, report.first_breach_ms), (false, Some(6_000)));
}

#[test]
fn a_threshold_that_held_over_the_phase_has_no_breach_though_one_second_was_bad() {
    let mut watch = watch(&threshold("all", Figure::Errors, Limit::Share(0.5)));
    renew(&mut watch, 4, 10, Outcome::Failed);
    watch.close_second(4);
    renew(&mut watch, 5, 10, Outcome::Renewed);
    watch.close_second(5);
    let report = watch.report(Beside::default());
    assert_eq!((report.ok, report.first_breach_ms), (true, None));
}

#[test]
fn one_bad_sample_sinks_no_gate() {
    for bad in [4, 17, 33] {
        let slow = move |second, number| if second == bad && number == 0 { 900_000 } else { 5_000 };
        let report = run(&mut watch(&windowed(0)), 20, slow);
        assert_eq!((report.ok, report.value.as_str(), report.first_breach_ms), (true, "5.003ms", None));
    }
}

#[test]
fn ten_bad_seconds_at_the_end_sink_it_however_good_the_rest_was() {
    let slow = |second, _| if second >= 24 { 50_000 } else { 5_000 };
    let report = run(&mut watch(&windowed(0)), 20, slow);
    assert!(!report.ok && report.value == "50ms", "{report:?}");
    // One bad second of ten is more than one sample of a hundred: the window that ends with second 24 breaks it.
    assert_eq!((report.first_breach_ms, report.window_ms), (Some(25_000), Some(10_000)));
}

#[test]
fn answers_that_come_after_the_phase_belong_to_its_last_second() {
    let mut watch = watch(&windowed(0));
    assert!(run(&mut watch, 20, |_, _| 5_000).ok);
    for _ in 0..20 {
        renew(&mut watch, 33, 9_000_000, Outcome::TimedOut);
    }
    watch.close_second(34);
    let report = watch.report(Beside::default());
    assert_eq!((report.ok, report.first_breach_ms), (false, Some(34_000)));
}

#[test]
fn what_is_bad_within_the_grace_is_not_judged_and_a_second_later_it_is() {
    let slow = |second, _| if second < 9 { 50_000 } else { 5_000 };
    for window in [None, Some(Duration::from_secs(10))] {
        let with_grace = |grace| {
            let threshold = Threshold { window, ..windowed(grace) };
            run(&mut watch(&threshold), 20, slow)
        };
        assert!(with_grace(5).ok && !with_grace(4).ok, "{window:?}");
        assert_eq!(with_grace(5).grace_ms, 5_000);
    }
}

#[test]
fn a_window_with_too_few_samples_is_not_judged_alone_and_without_any_there_is_no_value() {
    // Ten samples in a window of a percentile that needs a hundred, but for one busy stretch.
    let sparse = run(&mut watch(&windowed(0)), 1, |_, _| 50_000);
    assert_eq!((sparse.ok, sparse.value.as_str()), (false, ""));
    let mut watch = watch(&windowed(0));
    for second in 4..34 {
        let (count, service_us) = if second < 14 { (20, 5_000) } else { (1, 50_000) };
        (0..count).for_each(|_| renew(&mut watch, second, service_us, Outcome::Renewed));
        watch.close_second(second);
    }
    // The stretch 4..14 and those that still have a hundred of its samples are judged; of the latter two in a hundred
    // and more are bad.
    let report = watch.report(Beside::default());
    assert_eq!((report.ok, report.first_breach_ms), (false, Some(16_000)));
}

#[test]
fn a_phase_shorter_than_the_window_is_judged_as_one_stretch() {
    let threshold = Threshold { window: Some(Duration::from_secs(60)), ..windowed(0) };
    let report = run(&mut watch(&threshold), 20, |_, _| 50_000);
    assert_eq!((report.ok, report.value.as_str(), report.first_breach_ms), (false, "50ms", Some(34_000)));
}

#[test]
fn the_worst_fault_of_the_phase_is_the_value_of_a_recovery_and_never_breaks_any_limit() {
    let fault = |phase: &str, live_ms| FaultReport {
        phase: phase.to_owned(),
        live_ms,
        first_success_ms: Some(40),
        peak_registrations_per_second: 70,
        ..FaultReport::default()
    };
    let judge = |figure, limit, faults: &[FaultReport]| {
        let watch = watch(&threshold("recovery", Figure::Recovery(figure), limit));
        let report = watch.report(Beside { faults, intervals: &[], floors_us: &[] });
        (report.value, report.ok)
    };
    let second = Limit::Duration(Duration::from_secs(1));
    let elsewhere = fault("ramp", Some(9_000));
    let both = [elsewhere.clone(), fault("hold", Some(200)), fault("hold", Some(1_500))];
    assert_eq!(judge(RecoveryFigure::Live, second, &both), ("1.5s".to_owned(), false));
    assert_eq!(judge(RecoveryFigure::FirstSuccess, second, &both), ("0.04s".to_owned(), true));
    assert_eq!(judge(RecoveryFigure::PeakRegistrations, Limit::Number(70.0), &both), ("70".to_owned(), true));
    let never = [fault("hold", None), fault("hold", Some(1))];
    assert_eq!(judge(RecoveryFigure::Live, second, &never), ("never".to_owned(), false));
    assert_eq!(judge(RecoveryFigure::Live, second, &[elsewhere]), (String::new(), false));
}

#[test]
fn memory_is_judged_by_its_growth_after_the_grace() {
    // It grows by 2 MiB a second in the first six seconds of the hold, then by 1 MiB a minute; once it was away.
    let intervals: Vec<Interval> = (0..34)
        .map(|second| Interval {
            second,
            target_pss_bytes: match second {
                20 => 0,
                0..10 => 2_097_152 * (second + 1),
                _ => 20_971_520 + (second - 10) * 1_048_576 / 60,
            },
            ..Interval::default()
        })
        .collect();
    let judge = |grace, intervals: &[Interval]| {
        let threshold = Threshold {
            grace: Duration::from_secs(grace),
            ..threshold("registry", Figure::MemorySlope, Limit::BytesPerMinute(1_572_864.0))
        };
        let report = watch(&threshold).report(Beside { faults: &[], intervals, floors_us: &[] });
        (report.value, report.ok)
    };
    assert_eq!(judge(6, &intervals), ("1MiB/min".to_owned(), true));
    assert!(!judge(0, &intervals).1);
    assert_eq!(judge(6, &intervals[..12]), (String::new(), false), "no line through two samples");
}

#[test]
fn a_herd_shows_as_peak_over_mean() {
    let mut watch = watch(&threshold("arrivals", Figure::PeakOverMean, Limit::Number(5.0)));
    let report = run(&mut watch, 30, |_, _| 10);
    assert_eq!((report.value.as_str(), report.ok), ("10", false), "all calls of a second at one instant");
}

#[test]
fn freshness_gets_its_value_when_the_judge_has_told_it() {
    let figure = Figure::Freshness { what: "crashed_to_gone", percentile: Percentile::P99 };
    let thresholds = [
        threshold("renew", P99, Limit::Duration(Duration::from_secs(1))),
        threshold("freshness", figure, Limit::Duration(Duration::from_millis(100))),
    ];
    let mut reports: Vec<_> =
        thresholds.iter().map(|threshold| watch(threshold).report(Beside::default())).collect();
    assert_eq!((reports[1].value.as_str(), reports[1].ok), ("", false));
    let row = |name: &str, count, p99| FreshnessReport {
        name: name.to_owned(),
        count,
        lateness_us: Percentiles { p99, ..Percentiles::default() },
        ..FreshnessReport::default()
    };
    let before = reports[0].clone();
    for (seen, value, ok) in [
        (vec![row("other", 9, 1)], "", false),
        (vec![row("crashed_to_gone", 0, 0)], "", false),
        (vec![row("crashed_to_gone", 9, 80_000)], "80ms", true),
        (vec![row("crashed_to_gone", 9, 120_000)], "120ms", false),
    ] {
        fill_freshness(&thresholds, &mut reports, &seen);
        assert_eq!((reports[1].value.as_str(), reports[1].ok), (value, ok));
    }
    assert_eq!(reports[0], before, "a threshold on calls is not touched");
}

#[test]
fn heartbeat_means_register_renew_and_probe_and_all_means_every_operation() {
    let limit = Limit::Share(0.0);
    let judged = |name, operation: Operation| judges(&threshold(name, P99, limit), operation.name());
    for operation in [Operation::Register, Operation::Renew, Operation::Probe] {
        assert!(judged("heartbeat", operation) && judged("all", operation));
    }
    assert!(!judged("heartbeat", Operation::List) && judged("all", Operation::List));
    assert!(judged("list", Operation::List) && !judged("list", Operation::Renew));
    assert!(!judges(&threshold("all", P99, limit), OBSERVE));
}
