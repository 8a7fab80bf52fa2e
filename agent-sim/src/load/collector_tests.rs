//! Counting by phase, operation and second.

use super::*;
use reports::history::Outcome;
use scenarios::model::{Figure, Limit, Metric};

fn collector() -> Collector {
    let crash = PhaseKind::Crash { share: 0.5, over: std::time::Duration::ZERO };
    let kinds = [("ramp", PhaseKind::Ramp), ("hold", PhaseKind::Hold), ("crash", crash)];
    let phases: Vec<_> = (0..)
        .zip(kinds)
        .map(|(index, (name, kind))| PhaseSpan {
            name: name.to_owned(),
            kind,
            start_us: index * 1_000_000,
            end_us: (index + 1) * 1_000_000,
        })
        .collect();
    let metric = Metric { operation: "all", figure: Figure::Errors };
    let threshold = Threshold {
        phase: "hold".to_owned(),
        metric,
        limit: Limit::Share(0.5),
        window: None,
        grace: std::time::Duration::ZERO,
        floor_times: None,
    };
    Collector::new(&phases, &[threshold])
}

fn series(phase: usize, observes: bool) -> Series {
    Series { phase, operation: Operation::List, observes, at_us: phase as u64 * 1_000_000 }
}

/// A call that was due, sent 1 ms late and answered 2 ms after that.
fn make(collector: &mut Collector, series: Series, outcome: Outcome) {
    collector.due(series);
    collector.sent(series, 1);
    let call =
        Timed { op: series.operation, planned_us: 0, s_us: 1_000, e_us: 3_000, outcome, http: Some(200) };
    collector.ended(series, &call);
}

#[test]
fn the_ramp_is_recorded_but_not_judged() {
    let mut collector = collector();
    make(&mut collector, series(0, false), Outcome::Shown);
    make(&mut collector, series(1, false), Outcome::Shown);
    make(&mut collector, series(2, false), Outcome::Shown);
    assert_eq!((collector.phase_stats(0)["list"].count, collector.judged_stats()["list"].count), (1, 2));
}

#[test]
fn the_harnesss_own_reading_is_a_series_of_its_own_and_in_no_threshold() {
    let mut collector = collector();
    make(&mut collector, series(1, true), Outcome::TimedOut);
    make(&mut collector, series(1, false), Outcome::Shown);
    collector.close_second(0, 0);
    let stats = collector.phase_stats(1);
    assert_eq!((stats["observe"].errors, stats["list"].errors), (1, 0));
    assert_eq!(
        collector.thresholds(&[], &[]).iter().map(|threshold| threshold.ok).collect::<Vec<_>>(),
        [true]
    );
    let second = collector.last_interval();
    assert_eq!((second.planned, second.sent, second.errors), (1, 1, 0));
    assert_eq!((second.response_us.max, second.lag_p99_us), (3_000, 1_000));
}

#[test]
fn every_second_has_its_interval_and_begins_from_nothing() {
    let mut collector = collector();
    make(&mut collector, series(1, false), Outcome::Shown);
    collector.advance(3_200_000, 7, 2);
    make(&mut collector, series(1, false), Outcome::Shown);
    collector.close_second(7, 0);
    let intervals = collector.into_intervals();
    let rows: Vec<_> = intervals.iter().map(|row| (row.second, row.sent, row.in_flight)).collect();
    assert_eq!(rows, [(0, 1, 2), (1, 0, 2), (2, 0, 2), (3, 1, 2)]);
}

#[test]
fn live_percentiles_look_back_ten_seconds_and_no_further() {
    let mut collector = collector();
    make(&mut collector, series(1, false), Outcome::Shown);
    collector.advance(10_000_000, 0, 0);
    assert_eq!(collector.lately().all().max, 3_000);
    collector.advance(11_000_000, 0, 0);
    assert_eq!(collector.lately().all().max, 0);
}

#[test]
fn misses_that_the_registry_caused_are_no_broken_plan_and_those_in_a_crash_count_for_nobody() {
    let mut collector = collector();
    make(&mut collector, series(1, false), Outcome::Shown);
    for phase in [1, 1, 2] {
        collector.due(series(phase, false));
        collector.missed(series(phase, false));
    }
    assert_eq!((collector.kept_outside_faults(), collector.own_misses()), ((1, 1), 0));
    collector.blame_misses(series(1, false), 1);
    collector.blame_misses(series(2, false), 1);
    assert_eq!((collector.kept_outside_faults(), collector.own_misses()), ((2, 1), 2));
}

#[test]
fn a_second_tells_errors_by_kind_what_was_unchanged_and_each_operation() {
    let mut collector = collector();
    make(&mut collector, series(1, false), Outcome::Unavailable);
    make(&mut collector, series(1, false), Outcome::TimedOut);
    make(&mut collector, series(1, false), Outcome::Unchanged);
    make(&mut collector, series(1, false), Outcome::Shown);
    make(&mut collector, series(1, true), Outcome::Shown);
    collector.close_second(0, 0);
    make(&mut collector, series(1, false), Outcome::Shown);
    collector.close_second(0, 0);
    let seconds = collector.into_intervals();
    let kinds: Vec<_> =
        seconds[0].errors_by_kind.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(kinds, [("200", 1), ("timeout", 1)]);
    assert_eq!((seconds[0].errors, seconds[0].polls, seconds[0].polls_unchanged), (2, 2, 1));
    assert_eq!(seconds[0].response_p99_us, BTreeMap::from([("list".to_owned(), 3_000)]));
    assert_eq!((seconds[1].errors, seconds[1].errors_by_kind.len(), seconds[1].polls), (0, 0, 1));
}

#[test]
fn a_hundred_kinds_of_errors_in_a_second_are_twenty_and_the_rest() {
    let mut collector = collector();
    for http in 500..600 {
        collector.due(series(1, false));
        let outcome = Outcome::Unavailable;
        let op = Operation::List;
        let call = Timed { op, planned_us: 0, s_us: 1_000, e_us: 3_000, outcome, http: Some(http) };
        collector.ended(series(1, false), &call);
    }
    collector.close_second(0, 0);
    let kinds = &collector.into_intervals()[0].errors_by_kind;
    assert_eq!((kinds.len(), kinds["other"], kinds.values().sum::<u64>()), (21, 80, 100));
}
