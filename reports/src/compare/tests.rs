//! Whole comparisons of reports, as runs leave them.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::result::{
    AgentCounts, CallStats, Environment, GeneratorReport, Interval, Kind, Percentiles, PhaseReport,
    ProcessCost, TargetReport, Verdict,
};

const TEXT: &str =
    "name = \"a\"\nseed = 1\n[target]\nkind = \"reference\"\n[[fleets]]\nname = \"w\"\nagents = 5\n";

/// What makes a run another one.
type Change = fn(&mut RunReport);

/// A run of 5 s of ramp and `hold` seconds of hold, whose renewals have this p99.
fn run(p99: u64, hold: u64, started_at: &str) -> RunReport {
    let percentiles = Percentiles { p50: p99 / 4, p90: p99 / 2, p99, p999: p99 * 2, max: p99 * 3 };
    let stats = CallStats {
        planned: 1_000,
        count: 1_000,
        by_result: BTreeMap::from([("200".to_owned(), 1_000)]),
        response_us: percentiles,
        service_us: percentiles,
        ..CallStats::default()
    };
    let phase = |name: &str, kind: &str, start_ms, end_ms| PhaseReport {
        name: name.into(),
        kind: kind.into(),
        start_ms,
        end_ms,
        planned_per_second: 200.0,
        sent_per_second: 200.0,
        calls: BTreeMap::from([("renew".to_owned(), stats.clone()), ("observe".to_owned(), stats.clone())]),
        target: ProcessCost { cpu_seconds: 2.0, pss_bytes: 30_000_000, fds: 10, threads: 4 },
    };
    let end_ms = 5_000 + hold * 1_000;
    RunReport {
        schema: crate::result::SCHEMA,
        wallflower: "0.1.0".into(),
        kind: Kind::Loadtest,
        verdict: Verdict::Pass,
        reasons: Vec::new(),
        interrupted: false,
        scenario: "a".into(),
        description: String::new(),
        seed: 1,
        plan_hash: String::new(),
        started_at: started_at.into(),
        duration_ms: end_ms,
        command: String::new(),
        agents: AgentCounts::default(),
        calls: BTreeMap::new(),
        phases: vec![phase("ramp", "ramp", 0, 5_000), phase("hold", "hold", 5_000, end_ms)],
        thresholds: Vec::new(),
        requirements: Vec::new(),
        target: TargetReport::default(),
        generator: GeneratorReport::default(),
        intervals: (0..5 + hold).map(|second| interval(second, p99)).collect(),
        environment: Environment { cores: 2, memory_bytes: 1 << 34, ..Environment::default() },
        faults: Vec::new(),
        freshness: Vec::new(),
        baseline: None,
        shard: None,
        merged: None,
        scenario_text: TEXT.into(),
    }
}

fn interval(second: u64, p99: u64) -> Interval {
    let p99 = p99 + second % 3 * p99 / 100;
    Interval {
        second,
        sent: 200,
        response_us: Percentiles { p50: p99 / 4, p99, max: p99 * 3, ..Percentiles::default() },
        target_cores: 0.1 + 0.001 * (second % 2) as f64,
        target_pss_bytes: 30_000_000,
        ..Interval::default()
    }
}

fn side<'r>(name: &'r str, reports: &'r [RunReport]) -> Runs<'r> {
    Runs { name, reports }
}

fn found<'c>(comparison: &'c Comparison, phase: &str, metric: &str) -> &'c Row {
    let row = comparison.rows.iter().find(|row| row.phase == phase && row.metric == metric);
    row.unwrap_or_else(|| panic!("{phase} {metric}"))
}

#[test]
fn what_got_worse_comes_first_and_the_harnesss_own_reading_is_left_out() {
    let a: Vec<_> =
        [10_000, 10_100, 9_900, 10_050, 9_950].map(|p99| run(p99, 10, "2026-01-01T00:00:00Z")).into();
    let b: Vec<_> =
        [13_000, 13_100, 12_900, 13_050, 12_950].map(|p99| run(p99, 10, "2026-01-01T00:01:00Z")).into();
    let comparison = compare(side("A", &a), side("B", &b));
    let first = &comparison.rows[0];
    assert_eq!((first.word, first.evidence), (Word::Worse, Evidence::Runs), "{first:?}");
    assert!((first.difference.unwrap() - 0.3).abs() < 0.01, "{first:?}");
    assert!(comparison.rows.iter().all(|row| !row.metric.starts_with("observe")));
    assert_eq!(found(&comparison, "hold", "registry.memory").word, Word::Same);
    assert!(comparison.notes.iter().any(|note| note.contains("take turns")), "{:?}", comparison.notes);
    let back = compare(side("B", &b), side("A", &a));
    assert_eq!(found(&back, "hold", "renew.response.p99").word, Word::Better);
    let mut shown = Vec::new();
    write(&comparison, crate::layout::Looks::default(), &mut shown).unwrap();
    let shown = String::from_utf8(shown).unwrap();
    let row = shown.lines().find(|line| line.starts_with("WORSE")).unwrap();
    let page = page(&[comparison.clone(), back]);
    assert!(
        page.contains("renew.response.p50 in ramp got worse most: ")
            || page.contains(" in hold got worse most: "),
        "{page}"
    );
    assert!(page.contains("Nothing got worse that the noise lets one see"), "the other way round");
    let (worse, same) = (page.find(">WORSE<").unwrap(), page.find(">same<").unwrap());
    assert!(worse < same && page.contains("<circle cx="), "what got worse is first, with its interval");
    assert!(row.contains("+30.0 %"), "{shown}");
    assert_eq!(serde_json::to_value(&comparison).unwrap()["rows"][0]["word"], "worse");
}

fn page(comparisons: &[Comparison]) -> String {
    let mut page = Vec::new();
    write_page(comparisons, &mut page).unwrap();
    String::from_utf8(page).unwrap()
}

#[test]
fn the_page_stays_text_and_small_whatever_runs_are_called() {
    let evil = "</title><script>alert(1)</script>\u{202e}\"'";
    let runs: Vec<_> = (0..3)
        .map(|_| {
            let mut run = run(10_000, 10, evil);
            run.scenario = evil.into();
            let phase = run.phases[1].clone();
            run.phases =
                (0..40).map(|at| PhaseReport { name: format!("{at}{evil}"), ..phase.clone() }).collect();
            run
        })
        .collect();
    let page = page(&vec![compare(side(evil, &runs), side(evil, &runs)); 3]);
    assert!(!page.contains("<script") && !page.contains('\u{202e}'));
    assert!(page.contains("&#60;script") && page.contains("more rows are in the JSON"));
    assert!(page.len() < 600_000, "{}", page.len());
}

#[test]
fn runs_that_differ_by_chance_alone_are_told_as_no_difference() {
    let mut calm = 0;
    let trials = 60;
    for seed in 0..trials {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |count: usize| -> Vec<_> {
            (0..count)
                .map(|_| run(generator.random_range(8_000..12_000), 10, "2026-01-01T00:00:00Z"))
                .collect()
        };
        let (a, b) = (draw(4), draw(4));
        let comparison = compare(side("A", &a), side("B", &b));
        calm += u32::from(found(&comparison, "hold", "renew.response.p99").word == Word::Same);
    }
    assert!(f64::from(calm) >= 0.95 * trials as f64, "{calm} of {trials}");
}

#[test]
fn one_run_a_side_is_judged_by_its_seconds_and_says_so() {
    let (a, b) = ([run(10_000, 20, "1")], [run(14_000, 20, "2")]);
    let comparison = compare(side("A", &a), side("B", &b));
    let row = found(&comparison, "hold", "renew.response.p99");
    assert_eq!((row.word, row.evidence, row.noise), (Word::Worse, Evidence::Seconds, None), "{row:?}");
    assert!(comparison.notes[0].contains("unknown"), "{:?}", comparison.notes);
    let (a, b) = ([run(10_000, 3, "1")], [run(14_000, 3, "2")]);
    let comparison = compare(side("A", &a), side("B", &b));
    let row = found(&comparison, "hold", "renew.response.p99");
    assert_eq!((row.word, row.evidence), (Word::Unknown, Evidence::None));
}

#[test]
fn runs_that_failed_are_compared_with_a_note() {
    let runs = |failed: usize| -> Vec<RunReport> {
        let verdict = |number: usize| if number < failed { Verdict::Fail } else { Verdict::Pass };
        (0..3)
            .map(|number| RunReport { verdict: verdict(number), ..run(5_000, 5_000, "2026-01-01") })
            .collect()
    };
    let notes = |a: usize, b: usize| compare(side("a", &runs(a)), side("b", &runs(b))).notes.join("\n");
    assert!(notes(0, 2).contains("runs that FAILED: 0 of 3 of A, 2 of 3 of B;"));
    assert!(!notes(0, 0).contains("FAIL"));
}

#[test]
fn a_baseline_breaks_on_what_is_worse_by_more_than_allowed_and_beyond_chance() {
    let hold = |reports: &[RunReport], p99: u64, seconds: u64| {
        hold_against(side("baseline", reports), &run(p99, seconds, "2"), 0.1)
    };
    let steady: Vec<_> = [10_000, 10_100, 9_900, 10_050, 9_950].map(|p99| run(p99, 10, "1")).into();
    let gate = hold(&steady, 12_000, 10);
    let broken: Vec<_> = gate.thresholds.iter().filter(|row| !row.ok).collect();
    assert_eq!(broken.len(), 1, "{gate:?}");
    assert_eq!(
        (broken[0].phase.as_str(), broken[0].metric.as_str()),
        ("hold", "baseline:renew.response.p99")
    );
    assert_eq!(broken[0].limit, "11.0 ms (baseline 10.0 ms + 10.0 %)");
    assert_eq!((broken[0].value.as_str(), broken[0].ratio), ("12.0 ms", Some(12.0 / 11.0)));
    assert!(hold(&steady, 10_900, 10).thresholds.iter().all(|row| row.ok), "worse, but not by a tenth");
    let wild: Vec<_> = [6_000, 14_000, 8_000, 10_000, 12_000].map(|p99| run(p99, 10, "1")).into();
    let gate = hold(&wild, 12_000, 10);
    assert!(gate.thresholds.iter().any(|row| row.ok && row.value == "12.0 ms, within the noise"), "{gate:?}");
    let gate = hold(&[run(10_000, 3, "1")], 12_000, 3);
    assert!(gate.undecided[0].contains("--repeat"), "{gate:?}");
    assert!(gate.thresholds.iter().all(|row| row.ok && !row.metric.contains("renew")), "{gate:?}");
}

#[test]
fn fewer_calls_per_cpu_second_are_worse() {
    let steady: Vec<_> = (0..5).map(|_| run(10_000, 10, "1")).collect();
    let mut slower = run(10_000, 10, "2");
    slower.phases[1].target.cpu_seconds = 3.0;
    let gate = hold_against(side("baseline", &steady), &slower, 0.1);
    let broken: Vec<_> = gate.thresholds.iter().filter(|row| !row.ok).collect();
    assert_eq!(broken.len(), 1, "{gate:?}");
    assert_eq!(broken[0].limit, "at least 900/s (baseline 1,000/s - 10.0 %)");
}

#[test]
fn what_the_baseline_measured_and_the_run_did_not_is_no_pass() {
    let steady: Vec<_> = (0..5).map(|_| run(10_000, 10, "1")).collect();
    let mut silent = run(10_000, 10, "2");
    silent.target.cpu_seconds = 1.0;
    silent.phases[1].calls.get_mut("renew").unwrap().count = 99;
    silent.phases[1].target = ProcessCost::default();
    let without_value = |run: &RunReport| -> Vec<String> {
        let rows = hold_against(side("baseline", &steady), run, 0.1).thresholds;
        rows.into_iter().filter(|row| row.value.is_empty() && !row.ok).map(|row| row.metric).collect()
    };
    let [renew, calls, memory] = ["renew.response.p99", "registry.calls_per_cpu_second", "registry.memory"]
        .map(|metric| format!("baseline:{metric}"));
    assert_eq!(without_value(&silent), [renew.clone(), calls, memory]);
    silent.target.cpu_seconds = 0.0;
    assert_eq!(without_value(&silent), [renew], "a registry that only is reached shows no cost");
    let ramp_only: Vec<_> = steady
        .iter()
        .cloned()
        .map(|mut run| {
            run.phases.truncate(1);
            run
        })
        .collect();
    let gate = hold_against(side("baseline", &ramp_only), &ramp_only[0], 0.1);
    assert!(gate.undecided[0].contains("nothing to hold this run against"), "{gate:?}");
}

#[test]
fn each_reason_to_refuse_is_named() {
    let fit = run(10_000, 5, "1");
    assert_eq!(unfit(&fit), None);
    let changes: [(Change, &str); 5] = [
        (|run| run.kind = Kind::Conformance, "no load test"),
        (|run| run.interrupted = true, "interrupted"),
        (
            |run| (run.verdict, run.reasons) = (Verdict::Invalid, vec!["lag".into()]),
            "INVALID and says nothing: lag",
        ),
        (|run| run.duration_ms = 7_000, "after 7.0 of 10.0 seconds"),
        (|run| run.phases.clear(), "no phases"),
    ];
    for (change, words) in changes {
        let mut run = fit.clone();
        change(&mut run);
        let why = unfit(&run).unwrap();
        assert!(why.contains(words), "{why}");
    }
    let mut failed = fit.clone();
    failed.verdict = Verdict::Fail;
    assert_eq!(unfit(&failed), None, "a broken threshold was measured all the same");
}

#[test]
fn each_difference_in_terms_is_named_and_what_may_differ_is_not() {
    let fit = run(10_000, 5, "1");
    let changes: [(Change, &[&str]); 8] = [
        (|_| (), &[]),
        (
            |run| run.scenario_text = run.scenario_text.replace("\"a\"", "\"b\"").replace("reference", "url"),
            &[],
        ),
        (|run| run.scenario_text = format!("# as it was\n{}", run.scenario_text), &[]),
        (|run| run.scenario_text = run.scenario_text.replace("= 5", "= 6"), &["`fleets.w.agents`: 5 and 6"]),
        (
            |run| run.scenario_text.insert_str(0, "call_timeout = \"1s\"\n"),
            &["`call_timeout`: nothing and \"1s\""],
        ),
        (|run| run.environment.cores = 4, &["2 and 4 processors"]),
        (|run| run.environment.processor = "Other".into(), &["`` and `Other`"]),
        (|run| run.environment.memory_bytes *= 2, &["17.2 GB and 34.4 GB"]),
    ];
    for (change, words) in changes {
        let mut run = fit.clone();
        change(&mut run);
        let differing = differing_terms((&fit).into(), (&run).into());
        assert_eq!(differing.len(), words.len(), "{differing:?}");
        assert!(differing.iter().zip(words).all(|(told, words)| told.contains(words)), "{differing:?}");
    }
    assert_eq!(differing_seeds(&[1, 1, 2], &[2, 1]), None);
    assert_eq!(differing_seeds(&[1], &[2]).unwrap(), "the seeds are 1 and 2");
}
