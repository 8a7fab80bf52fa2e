//! `summary.md`: for the summary page of a CI run.

use std::io::{self, Write};

use crate::result::{FaultReport, RequirementReport, RunReport, ThresholdReport};
use crate::words::{self, bytes, count, micros, one_line};

/// Most lines of a timeline.
const MAX_TIMELINE_LINES: usize = 40;
/// Longest request, and answer, that is shown of a failure.
const MAX_PROOF: usize = 600;

/// Most faults.
const MAX_FAULTS: usize = 100;

/// Writes GitHub-flavoured Markdown.
///
/// # Errors
/// What `out` says.
pub fn write(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}: {}\n", words::verdict(report.verdict), inline(&report.scenario))?;
    writeln!(out, "{}\n", inline(&words::sentence(report)))?;
    for reason in report.reasons.iter().skip(1) {
        writeln!(out, "- {}", inline(reason))?;
    }
    if report.reasons.len() > 1 {
        writeln!(out)?;
    }
    for line in words::shards(report) {
        writeln!(out, "{}.\n", inline(&line))?;
    }
    write_thresholds(&report.thresholds, out)?;
    write_requirements(&report.requirements, out)?;
    write_faults(&report.faults, out)?;
    write_calls(report, out)?;
    if let Some(merged) = &report.merged {
        for note in &merged.notes {
            writeln!(out, "- {}", inline(note))?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "{}, seed {}, {}, wallflower {}.",
        words::kind(report.kind),
        report.seed,
        words::since_start(report.duration_ms),
        inline(&report.wallflower)
    )?;
    if !report.command.is_empty() {
        writeln!(out, "\n    {}", one_line(&report.command))?;
    }
    Ok(())
}

/// Text that is not markup, on one line, safe in a cell.
pub(crate) fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in one_line(text).chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '|' | '\\' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => escaped.extend(['\\', c]),
            _ => escaped.push(c),
        }
    }
    escaped
}

fn write_thresholds(thresholds: &[ThresholdReport], out: &mut dyn Write) -> io::Result<()> {
    if thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "| threshold | phase | limit | value | |\n|---|---|---:|---:|---|")?;
    for threshold in thresholds {
        let word = words::threshold(threshold);
        let word = if word == "ok" { word.to_owned() } else { format!("**{word}**") };
        writeln!(
            out,
            "| {} | {} | {} | {} | {word} |",
            inline(&threshold.metric),
            inline(&threshold.phase),
            inline(&threshold.limit),
            inline(&threshold.value)
        )?;
    }
    writeln!(out)
}

fn write_requirements(requirements: &[RequirementReport], out: &mut dyn Write) -> io::Result<()> {
    if requirements.is_empty() {
        return Ok(());
    }
    writeln!(out, "Requirements: {}.\n", words::tally(requirements))?;
    let told: Vec<_> = words::by_weight(requirements)
        .into_iter()
        .filter(|entry| words::requirement(entry) != "pass")
        .collect();
    if told.is_empty() {
        return Ok(());
    }
    writeln!(out, "| requirement | | decided | |\n|---|---|---:|---|")?;
    for requirement in &told {
        writeln!(
            out,
            "| {} ({}) | {} | {} of {} | {} |",
            inline(&requirement.id),
            inline(&requirement.level),
            words::requirement(requirement),
            count(requirement.decided),
            count(requirement.samples),
            inline(&requirement.detail)
        )?;
    }
    writeln!(out)?;
    for requirement in told.iter().filter(|requirement| !requirement.timeline.is_empty()) {
        writeln!(out, "{}: {}\n", inline(&requirement.id), inline(&requirement.text))?;
        // An indented block needs no fence that a hostile line could close.
        for line in requirement.timeline.iter().take(MAX_TIMELINE_LINES) {
            writeln!(out, "    {}", one_line(line))?;
        }
        for line in words::proof(requirement, MAX_PROOF) {
            writeln!(out, "    {line}")?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_faults(faults: &[FaultReport], out: &mut dyn Write) -> io::Result<()> {
    if faults.is_empty() {
        return Ok(());
    }
    writeln!(out, "| fault | kind | {} |", words::FAULT_FIGURES.join(" | "))?;
    writeln!(out, "|---|---|---:|---:|---:|---:|---:|---:|")?;
    for fault in faults.iter().take(MAX_FAULTS) {
        let figures = words::fault(fault).join(" | ");
        writeln!(out, "| {} | {} | {figures} |", inline(&fault.name), inline(&fault.kind))?;
    }
    writeln!(out)
}

fn write_calls(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    if report.calls.is_empty() {
        return Ok(());
    }
    writeln!(out, "| calls | count | errors | misses | p50 | p99 | p999 | max |")?;
    writeln!(out, "|---|---:|---:|---:|---:|---:|---:|---:|")?;
    for (operation, stats) in &report.calls {
        let response = &stats.response_us;
        writeln!(
            out,
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            inline(operation),
            count(stats.count),
            count(stats.errors),
            count(stats.misses),
            micros(response.p50),
            micros(response.p99),
            micros(response.p999),
            micros(response.max)
        )?;
    }
    writeln!(out)?;
    if report.target.cpu_seconds > 0.0 {
        writeln!(
            out,
            "Registry: {:.1} s CPU, {}.\n",
            report.target.cpu_seconds,
            bytes(report.target.pss_bytes)
        )?;
    }
    Ok(())
}
