//! The rows of the page's tables, as words.

use std::collections::BTreeMap;

use super::timeline::{self, Picture};
use super::{LIMIT_MARK, MAX_TEXT, MAX_TIMELINE_LINES, foreign};
use crate::result::{
    CallStats, FaultReport, FreshnessReport, Interval, Kind, PhaseReport, Proof, RequirementReport,
    RunReport, ThresholdReport,
};
use crate::words::{self, bytes, count, cut, micros, one_line, plain, since_start};

/// Most kinds of answers that are told apart; the others are one row.
const MAX_KINDS: usize = 20;
/// Longest request, and answer, of a failure.
const MAX_PROOF: usize = 6_000;
/// Most rows of the table behind the time charts.
const MAX_STRETCHES: usize = 60;

pub(super) struct ThresholdRow {
    pub(super) phase: String,
    pub(super) metric: String,
    pub(super) limit: String,
    pub(super) value: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) first_breach: String,
    pub(super) bar_percent: Option<String>,
    pub(super) mark_percent: f64,
}

pub(super) struct RequirementCard {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) detail: String,
    pub(super) when: String,
    pub(super) picture: Option<Picture>,
    pub(super) timeline: String,
    pub(super) proof: Option<ProofCard>,
    pub(super) rerun: String,
}

/// The call that proves a failure.
pub(super) struct ProofCard {
    pub(super) request: String,
    pub(super) answer: String,
    pub(super) read: String,
    pub(super) rebuilt: String,
    pub(super) curl: String,
}

pub(super) struct RequirementRow {
    pub(super) id: String,
    pub(super) level: String,
    pub(super) word: &'static str,
    pub(super) class: &'static str,
    pub(super) text: String,
    pub(super) detail: String,
    pub(super) decided: String,
    pub(super) samples: String,
}

/// Calls that ended in one way, over all operations.
pub(super) struct ErrorRow {
    pub(super) kind: String,
    pub(super) calls: String,
    pub(super) percent: String,
    pub(super) operations: String,
}

pub(super) struct CallRow {
    pub(super) operation: String,
    pub(super) figures: Vec<String>,
    pub(super) results: String,
}

pub(super) struct PhaseRow {
    pub(super) name: String,
    pub(super) figures: Vec<String>,
}

pub(super) struct FaultRow {
    pub(super) name: String,
    pub(super) kind: String,
    pub(super) figures: [String; 6],
}

pub(super) struct CostRow {
    pub(super) what: &'static str,
    pub(super) registry: String,
    pub(super) harness: String,
}

pub(super) fn class_of(word: &str) -> &'static str {
    match word {
        "ok" | "pass" => "good",
        "FAIL" | "BROKEN" => "bad",
        "not applicable" => "calm",
        _ => "unsure",
    }
}

impl ThresholdRow {
    pub(super) fn of(threshold: &ThresholdReport) -> Self {
        let word = words::threshold(threshold);
        let ratio = threshold.ratio.filter(|ratio| ratio.is_finite() && *ratio >= 0.0);
        Self {
            phase: foreign(&threshold.phase),
            metric: foreign(&threshold.metric),
            limit: foreign(&threshold.limit),
            value: if threshold.value.is_empty() { "none".to_owned() } else { foreign(&threshold.value) },
            word,
            class: class_of(word),
            first_breach: threshold.first_breach_ms.map(since_start).unwrap_or_default(),
            bar_percent: ratio.map(|ratio| format!("{:.1}", (ratio * LIMIT_MARK).min(100.0))),
            mark_percent: LIMIT_MARK,
        }
    }
}

impl RequirementCard {
    pub(super) fn of(requirement: &RequirementReport) -> Self {
        let word = words::requirement(requirement);
        let mut timeline: Vec<String> =
            requirement.timeline.iter().take(MAX_TIMELINE_LINES).map(|line| foreign(line)).collect();
        if requirement.timeline.len() > MAX_TIMELINE_LINES {
            timeline.push(format!("and {} more lines", requirement.timeline.len() - MAX_TIMELINE_LINES));
        }
        Self {
            id: foreign(&requirement.id),
            level: foreign(&requirement.level),
            word,
            class: class_of(word),
            text: cut(&one_line(&requirement.text), 2 * MAX_TEXT),
            detail: cut(&one_line(&requirement.detail), 3 * MAX_TEXT),
            when: timeline::wrong_at(&requirement.timeline).map(since_start).unwrap_or_default(),
            picture: timeline::picture(&requirement.timeline),
            timeline: timeline.join("\n"),
            proof: requirement.proof.as_ref().and_then(ProofCard::of),
            rerun: cut(&one_line(&requirement.rerun), 2 * MAX_TEXT),
        }
    }
}

impl ProofCard {
    fn of(proof: &Proof) -> Option<Self> {
        let shown = |text: &str| cut(&plain(text), MAX_PROOF);
        (!proof.request.is_empty()).then(|| Self {
            request: shown(&proof.request),
            answer: shown(&proof.answer),
            read: cut(&one_line(&proof.read), 4 * MAX_TEXT),
            rebuilt: cut(&one_line(&proof.rebuilt), MAX_TEXT),
            curl: shown(&one_line(&proof.curl)),
        })
    }
}

impl RequirementRow {
    pub(super) fn of(requirement: &RequirementReport) -> Self {
        let word = words::requirement(requirement);
        Self {
            id: foreign(&requirement.id),
            level: foreign(&requirement.level),
            word,
            class: class_of(word),
            text: foreign(&requirement.text),
            detail: foreign(&requirement.detail),
            decided: count(requirement.decided),
            samples: count(requirement.samples),
        }
    }
}

impl CallRow {
    /// The order is that of the template's header.
    pub(super) fn of(operation: &str, stats: &CallStats) -> Self {
        let response = &stats.response_us;
        let results = stats.by_result.iter().take(20);
        Self {
            operation: foreign(operation),
            figures: vec![
                count(stats.count),
                count(stats.errors),
                count(stats.misses),
                micros(response.p50),
                micros(response.p90),
                micros(response.p99),
                micros(response.p999),
                micros(response.max),
                micros(stats.service_us.p99),
                micros(stats.lag_us.p99),
            ],
            results: results
                .map(|(result, number)| format!("{} {}", count(*number), foreign(result)))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }
}

impl PhaseRow {
    /// The order is that of the template's header.
    pub(super) fn of(phase: &PhaseReport) -> Self {
        let sum = |of: fn(&CallStats) -> u64| count(phase.calls.values().map(of).sum());
        let worst = phase.calls.values().map(|stats| stats.response_us.p99).max().unwrap_or_default();
        Self {
            name: foreign(&phase.name),
            figures: vec![
                foreign(&phase.kind),
                since_start(phase.start_ms),
                since_start(phase.end_ms.saturating_sub(phase.start_ms)),
                words::rate(phase.planned_per_second),
                words::rate(phase.sent_per_second),
                sum(|stats| stats.errors),
                sum(|stats| stats.misses),
                micros(worst),
                format!("{:.2} s", phase.target.cpu_seconds),
                bytes(phase.target.pss_bytes),
            ],
        }
    }
}

impl FaultRow {
    pub(super) fn of(fault: &FaultReport) -> Self {
        Self { name: foreign(&fault.name), kind: foreign(&fault.kind), figures: words::fault(fault) }
    }
}

/// What the registry cost, and what the harness; nothing if neither is known.
pub(super) fn costs(report: &RunReport) -> Vec<CostRow> {
    let (target, generator) = (&report.target, &report.generator);
    if target.cpu_seconds <= 0.0 && generator.cpu_seconds <= 0.0 {
        return Vec::new();
    }
    let known = |known: bool, text: String| if known { text } else { "unknown".to_owned() };
    let ours = target.pss_bytes > 0 || target.cpu_seconds > 0.0;
    let row = |what, registry, harness| CostRow { what, registry, harness };
    vec![
        row(
            "CPU",
            known(ours, format!("{:.2} s", target.cpu_seconds)),
            format!("{:.2} s", generator.cpu_seconds),
        ),
        row("memory (peak PSS)", known(ours, bytes(target.pss_bytes)), bytes(generator.pss_bytes)),
        row("open descriptors (peak)", known(ours, count(target.fds)), count(generator.fds)),
        row(
            "calls per CPU second of the registry",
            target.calls_per_cpu_second.map_or_else(|| "unknown".to_owned(), words::rate),
            String::new(),
        ),
        row("lag p99, max", String::new(), pair(generator.lag_us.p99, generator.lag_us.max)),
        row(
            "timer floor p99, max",
            String::new(),
            pair(generator.timer_floor_us.p99, generator.timer_floor_us.max),
        ),
        row("waited for a core", String::new(), words::percent(generator.run_queue_wait_share)),
        row(
            "calls in flight, peak of limit",
            String::new(),
            format!("{} of {}", count(generator.peak_in_flight), count(generator.in_flight_limit)),
        ),
    ]
}

fn pair(first: u64, second: u64) -> String {
    format!("{}, {}", micros(first), micros(second))
}

pub(super) fn environment(report: &RunReport) -> Vec<(&'static str, String)> {
    let host = &report.environment;
    let known = |number: u64, text: String| if number > 0 { text } else { String::new() };
    let rows = vec![
        ("wallflower", foreign(&report.wallflower)),
        ("seed", report.seed.to_string()),
        ("plan", foreign(&report.plan_hash)),
        ("kernel", foreign(&host.kernel)),
        ("processor", foreign(&host.processor)),
        ("cores", known(host.cores, count(host.cores))),
        ("memory", known(host.memory_bytes, bytes(host.memory_bytes))),
        ("descriptor limit", known(host.fd_limit, count(host.fd_limit))),
    ];
    let mut rows: Vec<_> = rows.into_iter().filter(|(_, value)| !value.is_empty()).collect();
    if report.kind == Kind::Loadtest && !report.description.is_empty() {
        rows.insert(0, ("scenario", foreign(&report.description)));
    }
    rows
}

/// How many calls ended in one way, and how many of each operation.
type Kinds<'r> = (u64, Vec<(&'r str, u64)>);

/// Calls that ended otherwise than with a good answer, by kind, the most frequent first.
pub(super) fn errors(report: &RunReport) -> Vec<ErrorRow> {
    let mut kinds: BTreeMap<&str, Kinds<'_>> = BTreeMap::new();
    for (operation, stats) in &report.calls {
        for (kind, &calls) in &stats.by_result {
            if calls > 0 && !kind.starts_with('2') && !kind.starts_with('3') {
                let entry = kinds.entry(kind).or_default();
                entry.0 += calls;
                entry.1.push((operation, calls));
            }
        }
    }
    let mut kinds: Vec<_> = kinds.into_iter().collect();
    kinds.sort_by_key(|(kind, (calls, _))| (std::cmp::Reverse(*calls), *kind));
    let all: u64 = kinds.iter().map(|(_, (calls, _))| calls).sum();
    let share = |calls: u64| format!("{:.1}", 100.0 * calls as f64 / all.max(1) as f64);
    let mut rows: Vec<ErrorRow> = kinds
        .iter()
        .take(MAX_KINDS)
        .map(|(kind, (calls, operations))| {
            let told = operations.iter().take(MAX_KINDS);
            let told = told.map(|(operation, calls)| format!("{} {}", count(*calls), foreign(operation)));
            ErrorRow {
                kind: foreign(kind),
                calls: count(*calls),
                percent: share(*calls),
                operations: told.collect::<Vec<_>>().join(", "),
            }
        })
        .collect();
    if let Some(rest) = kinds.get(MAX_KINDS..).filter(|rest| !rest.is_empty()) {
        let calls = rest.iter().map(|(_, (calls, _))| calls).sum();
        rows.push(ErrorRow {
            kind: format!("{} other kinds", rest.len()),
            calls: count(calls),
            percent: share(calls),
            operations: "report.json has each".to_owned(),
        });
    }
    rows
}

/// How late views were, row by row; the order of figures is that of the template's header.
pub(super) fn freshness(report: &RunReport) -> Vec<(String, [String; 5])> {
    let row = |row: &FreshnessReport| {
        let late = &row.lateness_us;
        let figures =
            [count(row.count), micros(late.p50), micros(late.p90), micros(late.p99), micros(late.max)];
        (foreign(&row.what), figures)
    };
    report.freshness.iter().take(MAX_KINDS).filter(|it| it.count > 0).map(row).collect()
}

/// The header of [`stretches`].
pub(super) const STRETCH_FIGURES: [&str; 11] = [
    "From",
    "Agents",
    "Planned/s",
    "Sent/s",
    "Errors",
    "Misses",
    "p50",
    "p99",
    "Max",
    "Lag p99",
    "Registry CPU",
];

/// The figures behind the time charts: sums for errors and misses, means of rates, the worst second of times.
pub(super) fn stretches(intervals: &[Interval]) -> Vec<[String; 11]> {
    let step = intervals.len().div_ceil(MAX_STRETCHES).max(1);
    let row = |stretch: &[Interval]| {
        let sum = |of: fn(&Interval) -> u64| stretch.iter().map(of).sum::<u64>();
        let worst = |of: fn(&Interval) -> u64| stretch.iter().map(of).max().unwrap_or_default();
        let mean = |total: f64| words::rate(total / stretch.len().max(1) as f64);
        let first = stretch.first().map_or(0, |first| first.second);
        [
            format!("{} s", count(first)),
            count(stretch.last().map_or(0, |last| last.agents)),
            mean(sum(|second| second.planned) as f64),
            mean(sum(|second| second.sent) as f64),
            count(sum(|second| second.errors)),
            count(sum(|second| second.misses)),
            micros(worst(|second| second.response_us.p50)),
            micros(worst(|second| second.response_us.p99)),
            micros(worst(|second| second.response_us.max)),
            micros(worst(|second| second.lag_p99_us)),
            mean(stretch.iter().map(|second| second.target_cores).sum()),
        ]
    };
    intervals.chunks(step).map(row).collect()
}
