//! `report.html`: one page that needs no network, on a screen, a phone or paper.
//!
//! The page's words are in `templates/report.html`; this file only puts figures into words.

use std::io::{self, Write};

use askama::Template;

use crate::chart::Charts;
use crate::result::{
    CallStats, FaultReport, Kind, PhaseReport, RequirementReport, RunReport, ThresholdReport, Verdict,
};
use crate::words::{self, bytes, count, cut, micros, one_line, plain, since_start};

/// Most reasons, thresholds, faults and phases on the page, and the most characters of foreign text in one place, so that the
/// page stays below 600 kB whatever the run was; `report.json` has everything.
const MAX_ROWS: usize = 150;
const MAX_TIMELINE_LINES: usize = 40;
const MAX_REASONS: usize = 30;
const MAX_TIMELINES: usize = 12;
const MAX_TEXT: usize = 200;
const MAX_SCENARIO: usize = 20_000;

/// Where the limit stands on a margin bar, in per cent of its width.
const LIMIT_MARK: f64 = 75.0;

/// Writes the page.
///
/// # Errors
/// What `writer` says.
pub fn write(report: &RunReport, writer: &mut dyn Write) -> io::Result<()> {
    Page::of(report)?.write_into(writer)?;
    writer.write_all(b"\n")
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    verdict: &'static str,
    verdict_class: &'static str,
    sentence: String,
    facts: Vec<String>,
    more_reasons: Vec<String>,
    thresholds: Vec<ThresholdRow>,
    tally: String,
    broken: Vec<RequirementCard>,
    requirements: Vec<RequirementRow>,
    time_chart: bool,
    percentile_plot: bool,
    worst_of_seconds: Option<usize>,
    chart_json: String,
    calls: Vec<CallRow>,
    phases: Vec<PhaseRow>,
    fault_figures: [&'static str; 6],
    faults: Vec<FaultRow>,
    costs: Vec<CostRow>,
    environment: Vec<(&'static str, String)>,
    command: String,
    scenario_text: String,
    style: &'static str,
    chart_style: &'static str,
    chart_library: &'static str,
    chart_script: &'static str,
}

struct ThresholdRow {
    phase: String,
    metric: String,
    limit: String,
    value: String,
    word: &'static str,
    class: &'static str,
    first_breach: String,
    bar_percent: Option<String>,
    mark_percent: f64,
}

struct RequirementCard {
    id: String,
    level: String,
    word: &'static str,
    class: &'static str,
    text: String,
    detail: String,
    timeline: String,
    rerun: String,
}

struct RequirementRow {
    id: String,
    level: String,
    word: &'static str,
    class: &'static str,
    text: String,
    detail: String,
    decided: String,
    samples: String,
}

struct CallRow {
    operation: String,
    figures: Vec<String>,
    results: String,
}

struct PhaseRow {
    name: String,
    figures: Vec<String>,
}

struct FaultRow {
    name: String,
    kind: String,
    figures: [String; 6],
}

struct CostRow {
    what: &'static str,
    registry: String,
    harness: String,
}

impl Page {
    fn of(report: &RunReport) -> io::Result<Self> {
        let charts = Charts::of(report);
        Ok(Self {
            title: format!("{} {}", words::verdict(report.verdict), foreign(&report.scenario)),
            verdict: words::verdict(report.verdict),
            verdict_class: match report.verdict {
                Verdict::Pass => "good",
                Verdict::Fail => "bad",
                Verdict::Invalid => "unsure",
            },
            sentence: foreign(&words::sentence(report)),
            facts: facts(report),
            more_reasons: report
                .reasons
                .iter()
                .skip(1)
                .take(MAX_REASONS)
                .map(|reason| foreign(reason))
                .collect(),
            thresholds: report.thresholds.iter().take(MAX_ROWS).map(ThresholdRow::of).collect(),
            tally: words::tally(&report.requirements),
            broken: words::by_weight(&report.requirements)
                .into_iter()
                .filter(|requirement| matches!(words::requirement(requirement), "FAIL" | "WARN"))
                .take(MAX_TIMELINES)
                .map(RequirementCard::of)
                .collect(),
            requirements: words::by_weight(&report.requirements)
                .into_iter()
                .take(MAX_ROWS)
                .map(RequirementRow::of)
                .collect(),
            time_chart: charts.has_time(),
            percentile_plot: charts.has_curves(),
            worst_of_seconds: charts.step(),
            chart_json: charts.to_json()?,
            calls: report.calls.iter().map(|(operation, stats)| CallRow::of(operation, stats)).collect(),
            fault_figures: words::FAULT_FIGURES,
            faults: report.faults.iter().take(MAX_ROWS).map(FaultRow::of).collect(),
            phases: report.phases.iter().take(MAX_ROWS).map(PhaseRow::of).collect(),
            costs: costs(report),
            environment: environment(report),
            command: plain(&report.command),
            scenario_text: cut(&plain(&report.scenario_text), MAX_SCENARIO),
            style: include_str!("../templates/report.css"),
            chart_style: include_str!("../assets/uplot/uPlot.min.css"),
            chart_library: include_str!("../assets/uplot/uPlot.iife.min.js"),
            chart_script: include_str!("../templates/charts.js"),
        })
    }
}

/// Text that came from a scenario or a registry: one line, nothing hidden, not too long.
fn foreign(text: &str) -> String {
    cut(&one_line(text), MAX_TEXT)
}

fn facts(report: &RunReport) -> Vec<String> {
    let mut facts = vec![words::kind(report.kind).to_owned()];
    if !report.started_at.is_empty() {
        facts.push(foreign(&report.started_at));
    }
    if report.duration_ms > 0 {
        facts.push(since_start(report.duration_ms));
    }
    if report.agents.planned > 0 {
        facts.push(format!("{} agents, {} at peak", count(report.agents.planned), count(report.agents.peak)));
    }
    if !report.target.dialect.is_empty() {
        facts.push(format!("dialect {}", foreign(&report.target.dialect)));
    }
    if !report.target.url.is_empty() {
        facts.push(foreign(&report.target.url));
    }
    facts.push(format!("seed {}", report.seed));
    facts
}

fn class_of(word: &str) -> &'static str {
    match word {
        "ok" | "pass" => "good",
        "FAIL" | "BROKEN" => "bad",
        "not applicable" => "calm",
        _ => "unsure",
    }
}

impl ThresholdRow {
    fn of(threshold: &ThresholdReport) -> Self {
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
    fn of(requirement: &RequirementReport) -> Self {
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
            detail: cut(&one_line(&requirement.detail), 2 * MAX_TEXT),
            timeline: timeline.join("\n"),
            rerun: foreign(&requirement.rerun),
        }
    }
}

impl RequirementRow {
    fn of(requirement: &RequirementReport) -> Self {
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
    fn of(operation: &str, stats: &CallStats) -> Self {
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
    fn of(phase: &PhaseReport) -> Self {
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
    fn of(fault: &FaultReport) -> Self {
        Self { name: foreign(&fault.name), kind: foreign(&fault.kind), figures: words::fault(fault) }
    }
}

/// What the registry cost, and what the harness; nothing if neither is known.
fn costs(report: &RunReport) -> Vec<CostRow> {
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

fn environment(report: &RunReport) -> Vec<(&'static str, String)> {
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
