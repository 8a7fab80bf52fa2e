//! `report.html`: one page that needs no network, on a screen, a phone or paper.
//!
//! The page's words are in `templates/report.html`; this file only puts figures into words.

use std::io::{self, Write};

use askama::Template;

use crate::chart::Charts;
use crate::result::{RunReport, Verdict};
use crate::words::{self, count, cut, one_line, plain, since_start};
use rows::{CallRow, CostRow, ErrorRow, FaultRow, PhaseRow, RequirementCard, RequirementRow, ThresholdRow};
use shards::ShardRow;
use strip::{Finding, Strip};

mod rows;
mod shards;
mod strip;
mod timeline;

/// Most reasons, thresholds, faults and phases on the page, and the most characters of foreign text in one place, so that the
/// page stays below 600 kB whatever the run was; `report.json` has everything.
const MAX_ROWS: usize = 120;
const MAX_TIMELINE_LINES: usize = 40;
const MAX_REASONS: usize = 30;
/// So many reasons are seen at once; the others unfold.
const FIRST_REASONS: usize = 5;
const MAX_CALLS: usize = 60;
const MAX_TIMELINES: usize = 8;
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

/// The lines of a requirement's timeline that its picture cannot show. The judge's tests hold that there are none, so
/// that its words and the picture stay together.
pub fn not_drawn(timeline: &[String]) -> Vec<&str> {
    timeline::not_drawn(timeline)
}

/// Whether a timeline has a line that its picture marks as wrong.
pub fn marks_what_is_wrong(timeline: &[String]) -> bool {
    timeline::picture(timeline).is_some_and(|picture| picture.marks.iter().any(|mark| mark.wrong))
}

#[derive(Template)]
#[template(path = "report.html")]
struct Page {
    title: String,
    verdict: &'static str,
    verdict_class: &'static str,
    scenario: String,
    kind: &'static str,
    meaning: &'static str,
    sentence: String,
    findings: Vec<Finding>,
    later_findings: Vec<Finding>,
    more_findings: usize,
    strip: Option<Strip>,
    facts: Vec<String>,
    thresholds: Vec<ThresholdRow>,
    tally: String,
    broken: Vec<RequirementCard>,
    requirements: Vec<RequirementRow>,
    /// Of a load test that broke none, the charts say more.
    requirements_open: bool,
    time_chart: bool,
    percentile_plot: bool,
    extremes_of_seconds: Option<usize>,
    chart_json: String,
    baseline: String,
    stretch_figures: [&'static str; 11],
    stretches: Vec<[String; 11]>,
    calls: Vec<CallRow>,
    errors: Vec<ErrorRow>,
    freshness: Vec<(String, [String; 5])>,
    phases: Vec<PhaseRow>,
    fault_figures: [&'static str; 6],
    faults: Vec<FaultRow>,
    costs: Vec<CostRow>,
    shards: Vec<ShardRow>,
    shard_notes: Vec<String>,
    shard_commands: String,
    environment: Vec<(&'static str, String)>,
    command: String,
    scenario_text: String,
    style: &'static str,
    chart_style: &'static str,
    chart_library: &'static str,
    chart_script: &'static str,
}

impl Page {
    fn of(report: &RunReport) -> io::Result<Self> {
        let breaches = strip::breaches(report);
        let charts = Charts::of(report, &breaches);
        Ok(Self {
            title: format!("{} {}", words::verdict(report.verdict), foreign(&report.scenario)),
            verdict: words::verdict(report.verdict),
            verdict_class: match report.verdict {
                Verdict::Pass => "good",
                Verdict::Fail => "bad",
                Verdict::Invalid => "unsure",
            },
            scenario: foreign(&report.scenario),
            kind: words::kind(report.kind),
            meaning: meaning(report),
            sentence: if report.reasons.is_empty() {
                foreign(&words::sentence(report))
            } else {
                String::new()
            },
            findings: strip::findings(report, 0, FIRST_REASONS),
            later_findings: strip::findings(report, FIRST_REASONS, MAX_REASONS),
            more_findings: report.reasons.len().saturating_sub(FIRST_REASONS + MAX_REASONS),
            strip: strip::strip(report, &breaches),
            facts: facts(report),
            thresholds: words::broken_first(&report.thresholds)
                .into_iter()
                .take(MAX_ROWS)
                .map(ThresholdRow::of)
                .collect(),
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
            requirements_open: !charts.has_time()
                || report.requirements.iter().any(|row| words::requirement(row) != "pass"),
            time_chart: charts.has_time(),
            percentile_plot: charts.has_curves(),
            extremes_of_seconds: charts.step(),
            chart_json: charts.to_json()?,
            baseline: report.baseline.as_ref().map(|it| foreign(&it.name)).unwrap_or_default(),
            stretch_figures: rows::STRETCH_FIGURES,
            stretches: rows::stretches(&report.intervals),
            errors: rows::errors(report),
            freshness: rows::freshness(report),
            calls: report
                .calls
                .iter()
                .take(MAX_CALLS)
                .map(|(operation, stats)| CallRow::of(operation, stats))
                .collect(),
            fault_figures: words::FAULT_FIGURES,
            faults: report.faults.iter().take(MAX_ROWS).map(FaultRow::of).collect(),
            phases: report.phases.iter().take(MAX_ROWS).map(PhaseRow::of).collect(),
            costs: rows::costs(report),
            shards: shards::rows(report),
            shard_notes: shards::notes(report),
            shard_commands: shards::commands(report),
            environment: rows::environment(report),
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

/// The first sentence of a reason, and the rest of it.
fn head_of(reason: &str) -> (String, String) {
    let line = one_line(reason);
    let mut depth = 0_i32;
    let end = line.bytes().zip(line.bytes().skip(1)).position(|pair| {
        depth += i32::from(pair.0 == b'(') - i32::from(pair.0 == b')');
        depth <= 0 && matches!(pair, (b';' | b'.', b' '))
    });
    // Both marks are one byte, and a blank follows.
    let (head, rest) = end.map_or((line.as_str(), ""), |at| (&line[..at], line[at + 1..].trim_start()));
    (cut(head, 2 * MAX_TEXT), cut(rest, 2 * MAX_TEXT))
}

/// What the verdict is a verdict on.
fn meaning(report: &RunReport) -> &'static str {
    match report.verdict {
        Verdict::Pass => "The registry kept to everything that this run asked of it.",
        Verdict::Fail => "The registry broke what this run asked of it:",
        Verdict::Invalid => {
            "This run says nothing about the registry, neither good nor bad: run it again once the causes are gone."
        }
    }
}

fn facts(report: &RunReport) -> Vec<String> {
    let mut facts = Vec::new();
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
    facts.extend(words::shards(report).iter().map(|line| foreign(line)));
    facts
}
