//! The closing lines on a terminal: the same shape every run, verdict first.

use std::io::{self, Write};

use crate::result::{CallStats, RequirementReport, RunReport, Verdict};
use crate::words::{self, bytes, count, micros, one_line};

/// Most lines of a timeline; the page has them all.
const MAX_TIMELINE_LINES: usize = 20;
/// Most reasons; `report.json` has them all.
const MAX_REASONS: usize = 10;
/// Most faults; `report.json` has them all.
const MAX_FAULTS: usize = 40;

/// Writes plain text, with colour only if told.
///
/// # Errors
/// What `out` says.
pub fn write(report: &RunReport, coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    let paint = Paint { coloured };
    write_verdict(report, paint, out)?;
    write_thresholds(report, paint, out)?;
    write_requirements(report, paint, out)?;
    write_faults(report, out)?;
    write_calls(report, out)?;
    write_costs(report, out)
}

/// Colours by word; nothing where there are none.
#[derive(Debug, Clone, Copy)]
struct Paint {
    coloured: bool,
}

impl Paint {
    fn word(self, word: &str, width: usize) -> String {
        let padded = format!("{word:<width$}");
        let code = match word {
            "PASS" | "ok" | "pass" => "32",
            "FAIL" | "BROKEN" => "31",
            "INVALID" | "UNDECIDED" | "NO DATA" | "WARN" | "xfail" => "33",
            _ => return padded,
        };
        if self.coloured { format!("\x1b[1;{code}m{padded}\x1b[0m") } else { padded }
    }
}

fn write_verdict(report: &RunReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let word = paint.word(words::verdict(report.verdict), 0);
    writeln!(out, "{word}  {}: {}", one_line(&report.scenario), words::sentence(report))?;
    for reason in report.reasons.iter().skip(1).take(MAX_REASONS - 1) {
        writeln!(out, "      {}", one_line(reason))?;
    }
    if report.reasons.len() > MAX_REASONS {
        writeln!(out, "      and {} more", report.reasons.len() - MAX_REASONS)?;
    }
    write!(out, "{}, seed {}", words::kind(report.kind), report.seed)?;
    if report.duration_ms > 0 {
        write!(out, ", {}", words::since_start(report.duration_ms))?;
    }
    if report.agents.planned > 0 {
        write!(out, ", {} agents ({} at peak)", count(report.agents.planned), count(report.agents.peak))?;
    }
    writeln!(out)?;
    words::shards(report).iter().try_for_each(|line| writeln!(out, "{line}"))
}

fn write_thresholds(report: &RunReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    if report.thresholds.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nthresholds")?;
    for threshold in &report.thresholds {
        let word = paint.word(words::threshold(threshold), 8);
        let value = match threshold.value.as_str() {
            "" => "nothing to measure".to_owned(),
            value => one_line(value),
        };
        let [phase, metric, limit] =
            [&threshold.phase, &threshold.metric, &threshold.limit].map(|text| one_line(text));
        write!(out, "  {word} {phase:<12} {metric:<26} {value} (limit {limit})")?;
        if let Some(breach) = threshold.first_breach_ms {
            write!(out, ", first at {}", words::since_start(breach))?;
        }
        writeln!(out)?;
    }
    Ok(())
}

fn write_requirements(report: &RunReport, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    if report.requirements.is_empty() {
        return Ok(());
    }
    writeln!(out, "\nrequirements: {}", words::tally(&report.requirements))?;
    for requirement in words::by_weight(&report.requirements) {
        let word = words::requirement(requirement);
        if word != "pass" {
            write_requirement(requirement, &paint.word(word, 14), out)?;
        }
    }
    Ok(())
}

fn write_requirement(requirement: &RequirementReport, word: &str, out: &mut dyn Write) -> io::Result<()> {
    let [id, level, detail] =
        [&requirement.id, &requirement.level, &requirement.detail].map(|text| one_line(text));
    write!(out, "  {word} {id:<11} {detail}")?;
    if requirement.samples > 0 {
        write!(out, " ({} of {} decided)", count(requirement.decided), count(requirement.samples))?;
    }
    writeln!(out)?;
    if !matches!(words::requirement(requirement), "FAIL" | "WARN") {
        return Ok(());
    }
    writeln!(out, "    {level}: {}", one_line(&requirement.text))?;
    // What proves the case stands at the end.
    let left_out = requirement.timeline.len().saturating_sub(MAX_TIMELINE_LINES);
    if left_out > 0 {
        writeln!(out, "    | ({left_out} earlier lines are in the report)")?;
    }
    for line in requirement.timeline.iter().skip(left_out) {
        writeln!(out, "    | {}", one_line(line))?;
    }
    for line in words::proof(requirement) {
        writeln!(out, "    {line}")?;
    }
    Ok(())
}

fn write_faults(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    if report.faults.is_empty() {
        return Ok(());
    }
    let row = |name: &str, kind: &str, [from, lasting, first, live, peak, wrong]: [&str; 6]| {
        format!("{name:<18} {kind:<12} {from:>8} {lasting:>8} {first:>13} {live:>10} {peak:>15} {wrong:>14}")
    };
    writeln!(out, "\n{}", row("faults", "kind", words::FAULT_FIGURES))?;
    for fault in report.faults.iter().take(MAX_FAULTS) {
        let figures = words::fault(fault);
        let [name, kind] = [&fault.name, &fault.kind].map(|text| one_line(text));
        writeln!(out, "{}", row(&name, &kind, figures.each_ref().map(String::as_str)))?;
    }
    if report.faults.len() > MAX_FAULTS {
        writeln!(out, "and {} more", report.faults.len() - MAX_FAULTS)?;
    }
    Ok(())
}

fn write_calls(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    if report.calls.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:<12} {:>9} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        "calls", "count", "errors", "misses", "p50", "p99", "p999", "max", "service99", "lag99"
    )?;
    for (operation, stats) in &report.calls {
        writeln!(out, "{}", call_row(operation, stats))?;
    }
    Ok(())
}

fn call_row(operation: &str, stats: &CallStats) -> String {
    let response = &stats.response_us;
    format!(
        "{:<12} {:>9} {:>7} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9}",
        one_line(operation),
        count(stats.count),
        count(stats.errors),
        count(stats.misses),
        micros(response.p50),
        micros(response.p99),
        micros(response.p999),
        micros(response.max),
        micros(stats.service_us.p99),
        micros(stats.lag_us.p99)
    )
}

fn write_costs(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let target = &report.target;
    writeln!(out)?;
    if target.cpu_seconds > 0.0 || target.pss_bytes > 0 {
        write!(
            out,
            "registry   {:.1} s CPU, {}, {} descriptors",
            target.cpu_seconds,
            bytes(target.pss_bytes),
            count(target.fds)
        )?;
        if let Some(calls) = target.calls_per_cpu_second {
            write!(out, ", {} calls per CPU second", words::rate(calls))?;
        }
        writeln!(out)?;
    }
    let generator = &report.generator;
    if generator.cpu_seconds > 0.0 {
        write!(out, "generator  {:.1} s CPU, {}", generator.cpu_seconds, bytes(generator.pss_bytes))?;
        write!(out, ", lag p99 {}", micros(generator.lag_us.p99))?;
        writeln!(out, ", waited for a core {} of the time", words::percent(generator.run_queue_wait_share))?;
    }
    if report.verdict != Verdict::Pass {
        let shards: Vec<&str> = report.merged.iter().flat_map(words::commands).collect();
        for command in shards.iter().copied().chain([report.command.as_str()]).filter(|it| !it.is_empty()) {
            writeln!(out, "again      {}", one_line(command))?;
        }
    }
    Ok(())
}
