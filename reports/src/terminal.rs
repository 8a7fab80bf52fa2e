//! The closing lines on a terminal: the same shape every run, verdict first.

use std::io::{self, Write};

use crate::layout::{Table, cells_of};
use crate::result::{CallStats, RequirementReport, RunReport, ThresholdReport, Verdict};
use crate::words::{self, bytes, count, micros, one_line};

pub use crate::layout::Looks;

/// Most lines of a timeline; the page has them all.
const MAX_TIMELINE_LINES: usize = 20;
/// Longest request, and answer, that is shown of a failure; the report has them whole.
const MAX_PROOF: usize = 600;
/// Most reasons; `report.json` has them all.
const MAX_REASONS: usize = 10;
/// Most faults; `report.json` has them all.
const MAX_FAULTS: usize = 40;

/// What stands above the figures of calls, and how wide each is where there is room.
const CALL_FIGURES: [(&str, usize); 9] = [
    ("count", 9),
    ("errors", 7),
    ("misses", 7),
    ("p50", 9),
    ("p99", 9),
    ("p999", 9),
    ("max", 9),
    ("service99", 9),
    ("lag99", 9),
];

/// Writes plain text, with colour only if told, folded where the terminal is narrow. Commands and calls stay on one line
/// however long they are: they are there to be copied.
///
/// # Errors
/// What `out` says.
pub fn write(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    write_verdict(report, looks, out)?;
    write_thresholds(report, looks, out)?;
    write_requirements(report, looks, out)?;
    write_faults(report, looks, out)?;
    write_calls(report, looks, out)?;
    write_costs(report, looks, out)
}

fn write_verdict(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    let word = words::verdict(report.verdict);
    let head = format!("{}  ", looks.word(word, 0));
    let text = format!("{}: {}", one_line(&report.scenario), words::sentence(report));
    looks.fold((&head, cells_of(word) + 2), &text, out)?;
    for reason in report.reasons.iter().skip(1).take(MAX_REASONS - 1) {
        looks.fold(("      ", 6), &one_line(reason), out)?;
    }
    if report.reasons.len() > MAX_REASONS {
        writeln!(out, "      and {} more", report.reasons.len() - MAX_REASONS)?;
    }
    let mut facts = format!("{}, seed {}", words::kind(report.kind), report.seed);
    if report.duration_ms > 0 {
        facts.push_str(&format!(", {}", words::since_start(report.duration_ms)));
    }
    if report.agents.planned > 0 {
        let [planned, peak] = [report.agents.planned, report.agents.peak].map(count);
        facts.push_str(&format!(", {planned} agents ({peak} at peak)"));
    }
    looks.fold(("", 0), &facts, out)?;
    words::shards(report).iter().try_for_each(|line| looks.fold(("", 0), line, out))
}

fn write_thresholds(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nthresholds")?;
    let head_cells = 11;
    let in_columns = |threshold: &ThresholdReport| {
        let [phase, metric, value] = threshold_words(threshold);
        format!("{phase:<12} {metric:<26} {value}")
    };
    let is_wide = |threshold| looks.fits(head_cells + cells_of(&in_columns(threshold)));
    let are_wide = report.thresholds.iter().all(is_wide);
    for threshold in words::broken_first(&report.thresholds) {
        let head = format!("  {} ", looks.word(words::threshold(threshold), 8));
        let text = if are_wide {
            in_columns(threshold)
        } else {
            let [phase, metric, value] = threshold_words(threshold);
            format!("{phase} {metric}: {value}")
        };
        looks.fold((&head, head_cells), &text, out)?;
    }
    Ok(())
}

/// Phase, metric, and the value beside its limit.
fn threshold_words(threshold: &ThresholdReport) -> [String; 3] {
    let value = match threshold.value.as_str() {
        "" => "nothing to measure".to_owned(),
        value => one_line(value),
    };
    let [phase, metric, limit] =
        [&threshold.phase, &threshold.metric, &threshold.limit].map(|text| one_line(text));
    let breach = threshold.first_breach_ms.map(|ms| format!(", first at {}", words::since_start(ms)));
    [phase, metric, format!("{value} (limit {limit}){}", breach.unwrap_or_default())]
}

fn write_requirements(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    if report.requirements.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    looks.fold(("requirements: ", 14), &words::tally(&report.requirements), out)?;
    for requirement in words::by_weight(&report.requirements) {
        if words::requirement(requirement) != "pass" {
            write_requirement(requirement, looks, out)?;
        }
    }
    Ok(())
}

fn write_requirement(requirement: &RequirementReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    let [id, level, mut detail] =
        [&requirement.id, &requirement.level, &requirement.detail].map(|text| one_line(text));
    let word = words::requirement(requirement);
    if requirement.samples > 0 {
        let [decided, samples] = [requirement.decided, requirement.samples].map(count);
        detail.push_str(&format!(" ({decided} of {samples} decided)"));
    }
    looks.fold((&format!("  {} {id:<11} ", looks.word(word, 14)), 29), &detail, out)?;
    if !matches!(word, "FAIL" | "WARN") {
        return Ok(());
    }
    looks.fold(("    ", 4), &format!("{level}: {}", one_line(&requirement.text)), out)?;
    // What proves the case stands at the end.
    let left_out = requirement.timeline.len().saturating_sub(MAX_TIMELINE_LINES);
    if left_out > 0 {
        writeln!(out, "    | ({left_out} earlier lines are in the report)")?;
    }
    for line in requirement.timeline.iter().skip(left_out) {
        looks.fold(("    | ", 6), &one_line(line), out)?;
    }
    for line in words::proof(requirement, MAX_PROOF) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

fn write_faults(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    if report.faults.is_empty() {
        return Ok(());
    }
    let figures = words::FAULT_FIGURES.map(|heading| (heading, 8));
    let row = |fault| (words::fault_name(fault), words::fault(fault).to_vec());
    let rows = report.faults.iter().take(MAX_FAULTS).map(row).collect();
    writeln!(out)?;
    Table { names: ("faults", 28), figures: &figures, rows }.write(looks, out)?;
    if report.faults.len() > MAX_FAULTS {
        writeln!(out, "and {} more", report.faults.len() - MAX_FAULTS)?;
    }
    Ok(())
}

fn write_calls(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    if report.calls.is_empty() {
        return Ok(());
    }
    let row = |(operation, stats): (&String, &CallStats)| (one_line(operation), call_figures(stats).to_vec());
    let rows = report.calls.iter().map(row).collect();
    writeln!(out)?;
    Table { names: ("calls", 12), figures: &CALL_FIGURES, rows }.write(looks, out)
}

/// In the order of [`CALL_FIGURES`].
fn call_figures(stats: &CallStats) -> [String; 9] {
    let response = &stats.response_us;
    [
        count(stats.count),
        count(stats.errors),
        count(stats.misses),
        micros(response.p50),
        micros(response.p99),
        micros(response.p999),
        micros(response.max),
        micros(stats.service_us.p99),
        micros(stats.lag_us.p99),
    ]
}

fn write_costs(report: &RunReport, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    let target = &report.target;
    writeln!(out)?;
    if target.cpu_seconds > 0.0 || target.pss_bytes > 0 {
        let mut text = format!(
            "{:.1} s CPU, {}, {} descriptors",
            target.cpu_seconds,
            bytes(target.pss_bytes),
            count(target.fds)
        );
        if let Some(calls) = target.calls_per_cpu_second {
            text.push_str(&format!(", {} calls per CPU second", words::rate(calls)));
        }
        looks.fold(("registry   ", 11), &text, out)?;
    }
    let generator = &report.generator;
    if generator.cpu_seconds > 0.0 {
        let text = format!(
            "{:.1} s CPU, {}, lag p99 {}, waited for a core {} of the time",
            generator.cpu_seconds,
            bytes(generator.pss_bytes),
            micros(generator.lag_us.p99),
            words::percent(generator.run_queue_wait_share)
        );
        looks.fold(("generator  ", 11), &text, out)?;
    }
    if report.verdict != Verdict::Pass {
        let shards: Vec<&str> = report.merged.iter().flat_map(words::commands).collect();
        for command in shards.iter().copied().chain([report.command.as_str()]).filter(|it| !it.is_empty()) {
            writeln!(out, "again      {}", one_line(command))?;
        }
    }
    Ok(())
}
