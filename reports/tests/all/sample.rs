//! A report as a real run leaves it, and its variants.

use std::collections::BTreeMap;

use reports::result::{
    AgentCounts, BaselineReport, CallStats, Environment, FaultReport, FreshnessReport, GeneratorReport,
    Interval, Kind, Percentiles, PhaseReport, ProcessCost, RequirementReport, RequirementVerdict, RunReport,
    SCHEMA, TargetReport, ThresholdReport, Verdict,
};

const PHASES: [(&str, &str, u64, u64); 4] = [
    ("ramp", "ramp", 0, 5_000),
    ("hold", "hold", 5_000, 17_000),
    ("crash", "crash", 17_000, 31_000),
    ("recover", "recover", 31_000, 40_000),
];

/// A load test that passed.
pub(crate) fn passed() -> RunReport {
    let calls = calls(1);
    RunReport {
        schema: SCHEMA,
        wallflower: "0.1.0".into(),
        kind: Kind::Loadtest,
        verdict: Verdict::Pass,
        reasons: Vec::new(),
        interrupted: false,
        scenario: "quickstart".into(),
        description: "1,000 agents of two types ramp up, hold, lose 30 % in a crash wave, and recover."
            .into(),
        seed: 1,
        plan_hash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".into(),
        started_at: "2026-01-02T03:04:05Z".into(),
        duration_ms: 41_200,
        command: "wallflower loadtest scenarios/quickstart.toml --seed 1".into(),
        agents: AgentCounts { planned: 1_000, peak: 1_000 },
        phases: PHASES.iter().map(phase).collect(),
        thresholds: vec![
            threshold("ramp", "register.response.p99", "500ms", "11.2ms", 0.022),
            threshold("hold", "heartbeat.response.p99", "250ms", "9.87ms", 0.039),
            threshold("hold", "heartbeat.errors", "0%", "0%", 0.0),
            threshold("recover", "all.errors", "0.1%", "0.05%", 0.5),
        ],
        requirements: vec![
            requirement("PASSIVE-1", RequirementVerdict::Pass, 1_000, ""),
            requirement("TIME-1", RequirementVerdict::Pass, 182_334, ""),
            requirement("TIME-2", RequirementVerdict::Pass, 190_021, ""),
            requirement(
                "DURABLE-1",
                RequirementVerdict::NotApplicable,
                0,
                "the load test restarts no registry",
            ),
        ],
        target: TargetReport {
            kind: "reference".into(),
            dialect: "wallflower".into(),
            url: "http://127.0.0.1:34567".into(),
            cpu_seconds: 12.34,
            pss_bytes: 41_234_567,
            fds: 523,
            calls_per_cpu_second: Some(5_678.9),
        },
        generator: GeneratorReport {
            cpu_seconds: 14.2,
            pss_bytes: 61_000_000,
            fds: 1_530,
            run_queue_wait_share: 0.0123,
            lag_us: percentiles(120),
            timer_floor_us: percentiles(60),
            peak_in_flight: 212,
            in_flight_limit: 512,
            lost_history_lines: 0,
            workers: 1,
            connections_wanted: 0,
            connections_held: 0,
        },
        intervals: (0..40).map(interval).collect(),
        environment: Environment {
            kernel: "Linux 6.12.1".into(),
            processor: "AMD EPYC 7B13".into(),
            cores: 2,
            memory_bytes: 25_000_000_000,
            fd_limit: 1_048_576,
        },
        scenario_text: "name = \"quickstart\"\nseed = 1\n\n[target]\nkind = \"reference\"\n".into(),
        faults: vec![
            fault("crash", "crash", (17_000, 17_500), (Some(12), Some(0))),
            fault("gone", "kill", (35_000, 36_000), (Some(480), None)),
        ],
        freshness: Vec::new(),
        baseline: None,
        shard: None,
        merged: None,
        calls,
    }
}

/// A load test in which a threshold and a requirement broke.
pub(crate) fn failed() -> RunReport {
    let mut report = passed();
    report.verdict = Verdict::Fail;
    report.reasons = vec![
        "TIME-2 is broken: workers-000017 was left out 812 ms before it may expire".into(),
        "heartbeat.response.p99 in hold was 412ms, the limit is 250ms".into(),
    ];
    let broken = &mut report.thresholds[1];
    (broken.value, broken.ratio, broken.ok) = ("412ms".into(), Some(1.648), false);
    broken.first_breach_ms = Some(9_000);
    let broken = &mut report.requirements[2];
    broken.verdict = RequirementVerdict::Fail;
    broken.detail = "workers-000017 was left out 812 ms before it may expire".into();
    broken.rerun = "wallflower conformance --only TIME-2 --seed 1".into();
    broken.timeline = vec![
        "   12000.000 ms  renew renewed, answered at 12002.312 ms".into(),
        "   13100.000 ms  list shows healthy, document 1, answered at 13104.000 ms".into(),
        "   14502.000 ms  list shows degraded, document 1, answered at 14507.250 ms".into(),
        "   16188.000 ms  list shows expired or gone, answered at 16191.900 ms  <== WRONG".into(),
        "   17000.000 ms  | X is reached at the earliest".into(),
    ];
    report.requirements.push(requirement(
        "TIME-3",
        RequirementVerdict::Undecided,
        0,
        "no view fell late enough",
    ));
    report.freshness = vec![FreshnessReport {
        name: "registered_to_visible".into(),
        what: "from the end of an accepted registration to the end of the first view that shows the agent"
            .into(),
        count: 1_288,
        lateness_us: percentiles(21_000),
    }];
    report.baseline = Some(BaselineReport { name: "runs/before".into(), response_curves: before() });
    report
}

/// The response times of a run that was somewhat faster.
fn before() -> BTreeMap<String, Vec<(f64, u64)>> {
    let faster = |curve: Vec<(f64, u64)>| curve.into_iter().map(|(share, us)| (share, us * 4 / 5)).collect();
    calls(1).into_iter().map(|(operation, stats)| (operation, faster(stats.response_curve))).collect()
}

/// A conformance run: requirements only.
pub(crate) fn conformance() -> RunReport {
    let mut report = passed();
    report.kind = Kind::Conformance;
    report.scenario = "conformance".into();
    report.agents = AgentCounts::default();
    report.calls.clear();
    report.phases.clear();
    report.thresholds.clear();
    report.intervals.clear();
    report.faults.clear();
    report.scenario_text.clear();
    report.command = "wallflower conformance --seed 1".into();
    report.target.cpu_seconds = 0.0;
    report.generator = GeneratorReport::default();
    report
}

/// Eight hours in thirty phases, with a fault in every third and a hundred kinds of errors.
pub(crate) fn long() -> RunReport {
    let mut report = failed();
    report.scenario = "soak".into();
    report.duration_ms = 28_800_000;
    report.intervals = (0..28_800).map(interval).collect();
    report.phases = (0..30)
        .map(|index| PhaseReport {
            name: format!("hour-{}-{}", index / 4, index % 4),
            start_ms: index * 960_000,
            end_ms: (index + 1) * 960_000,
            ..report.phases[1].clone()
        })
        .collect();
    report.faults = (0..10)
        .map(|index| {
            let start_ms = index * 2_880_000 + 400_000;
            fault(
                &format!("fault-{index}"),
                "partition",
                (start_ms, start_ms + 60_000),
                (Some(40), Some(900)),
            )
        })
        .collect();
    let kinds = (0..100).map(|kind| (format!("{}", 400 + kind), 1_000 / (kind + 1)));
    report.calls.entry("probe".into()).or_default().by_result.extend(kinds);
    for second in &mut report.intervals {
        second.errors_by_kind =
            BTreeMap::from([(format!("{}", 400 + second.second % 100), 1 + second.second % 7)]);
    }
    report
}

/// A minute in one phase, without any error.
pub(crate) fn one_phase() -> RunReport {
    let mut report = passed();
    report.scenario = "steady".into();
    report.phases.truncate(1);
    report.phases[0].end_ms = report.duration_ms;
    report.faults.clear();
    for second in &mut report.intervals {
        (second.errors, second.errors_by_kind) = (0, BTreeMap::new());
    }
    for stats in report.calls.values_mut().chain(report.phases[0].calls.values_mut()) {
        stats.errors = 0;
        stats.by_result.remove("timeout");
    }
    report
}

/// A day-long run with every list as long as it gets.
pub(crate) fn enormous() -> RunReport {
    let mut report = failed();
    let long = "x".repeat(5_000);
    report.intervals = (0..86_400).map(interval).collect();
    report.calls = calls(40_000);
    report.phases = (0..2_000)
        .map(|index| PhaseReport {
            name: format!("phase-{index}-{long}"),
            ..report.phases[index % 4].clone()
        })
        .collect();
    report.thresholds = (0..2_000)
        .map(|_| ThresholdReport {
            metric: long.clone(),
            value: long.clone(),
            ..report.thresholds[1].clone()
        })
        .collect();
    report.faults =
        (0..2_000).map(|_| FaultReport { name: long.clone(), ..report.faults[0].clone() }).collect();
    report.requirements = (0..60)
        .map(|index| RequirementReport {
            id: format!("TIME-{index}"),
            detail: long.clone(),
            timeline: vec![long.clone(); 100],
            ..report.requirements[2].clone()
        })
        .collect();
    report.reasons = vec![long.clone(); 2_000];
    report.scenario_text = long.repeat(200);
    report
}

fn fault(
    name: &str,
    kind: &str,
    (start_ms, end_ms): (u64, u64),
    (first_success_ms, live_ms): (Option<u64>, Option<u64>),
) -> FaultReport {
    FaultReport {
        name: name.into(),
        kind: kind.into(),
        phase: "crash".into(),
        start_ms,
        end_ms,
        first_success_ms,
        live_ms,
        peak_registrations_per_second: 1_300,
        wrong_expiries: 0,
    }
}

fn percentiles(p50: u64) -> Percentiles {
    Percentiles { p50, p90: p50 * 2, p99: p50 * 9, p999: p50 * 20, max: p50 * 37 }
}

fn calls(points: usize) -> BTreeMap<String, CallStats> {
    let operation = |name: &str, count: u64, p50: u64| {
        let curve = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 0.9999, 1.0];
        let response_curve = curve
            .iter()
            .flat_map(|&share| std::iter::repeat_n(share, points))
            .map(|share: f64| (share, p50 + (p50 as f64 * 8.0 * share.powi(9)) as u64))
            .collect();
        let stats = CallStats {
            planned: count,
            count,
            errors: count / 5_000,
            misses: 0,
            cut_off: 3,
            by_result: BTreeMap::from([("200".to_owned(), count - 7), ("timeout".to_owned(), 7)]),
            response_us: percentiles(p50),
            service_us: percentiles(p50 * 4 / 5),
            lag_us: percentiles(p50 / 9),
            response_curve,
        };
        (name.to_owned(), stats)
    };
    BTreeMap::from([
        operation("list", 12_345, 1_200),
        operation("probe", 41_000, 480),
        operation("register", 1_300, 2_100),
    ])
}

fn phase(&(name, kind, start_ms, end_ms): &(&str, &str, u64, u64)) -> PhaseReport {
    PhaseReport {
        name: name.into(),
        kind: kind.into(),
        start_ms,
        end_ms,
        planned_per_second: 1_534.2,
        sent_per_second: 1_533.9,
        calls: calls(1),
        target: ProcessCost { cpu_seconds: 3.21, pss_bytes: 41_000_000, fds: 523, threads: 4 },
    }
}

fn threshold(phase: &str, metric: &str, limit: &str, value: &str, ratio: f64) -> ThresholdReport {
    ThresholdReport {
        phase: phase.into(),
        metric: metric.into(),
        limit: limit.into(),
        value: value.into(),
        ratio: Some(ratio),
        ok: true,
        first_breach_ms: None,
        window_ms: None,
        grace_ms: 0,
    }
}

pub(crate) fn requirement(
    id: &str,
    verdict: RequirementVerdict,
    decided: u64,
    detail: &str,
) -> RequirementReport {
    RequirementReport {
        id: id.into(),
        level: "MUST".into(),
        text: "Not expired early: a view with e < s(h) + X lists the agent.".into(),
        verdict,
        decided,
        samples: decided + 12,
        broken: 0,
        detail: detail.into(),
        timeline: Vec::new(),
        rerun: String::new(),
        proof: None,
    }
}

fn interval(second: u64) -> Interval {
    let crashed = (17..33).contains(&second);
    let agents = if crashed { 700 } else { (second * 200).min(1_000) };
    let wave = (second * 7_919) % 13;
    Interval {
        second,
        agents,
        planned: agents * 3 / 2 + wave * 9,
        sent: agents * 3 / 2 + wave * 8,
        errors: u64::from(second == 32) * 9,
        misses: 0,
        response_us: Percentiles {
            p50: 480 + wave * 20,
            p90: 1_000,
            p99: 4_000 + wave * 700,
            p999: 9_000,
            max: 15_000 + wave * 4_000,
        },
        lag_p99_us: 300,
        response_p99_us: BTreeMap::from([
            ("list".to_owned(), 5_000 + wave * 800),
            ("probe".to_owned(), 3_000 + wave * 500),
        ]),
        errors_by_kind: match second {
            32 => BTreeMap::from([("503".to_owned(), 5), ("timeout".to_owned(), 4)]),
            _ => BTreeMap::new(),
        },
        polls: 300 + wave,
        polls_unchanged: 280,
        freshness_max_us: if second.is_multiple_of(3) { 400_000 + wave * 9_000 } else { 0 },
        in_flight: 12,
        peak_100ms: 0,
        target_cores: 0.4,
        target_pss_bytes: 41_000_000,
        target_fds: 500 + wave,
        generator_cores: 0.5,
        generator_fds: 1_500 + wave,
        generator_wait: 0.01 * wave as f64,
    }
}
