//! A comparison on a terminal: what got worse first.

use std::io::{self, Write};

use crate::words::{bytes, micros, one_line, percent, rate};

use super::{Comparison, Evidence, Range, Row, Side, Unit, Word};

/// Writes plain text, with colour only if told.
///
/// # Errors
/// What `out` says.
pub fn write(comparison: &Comparison, coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    let count = |word: Word| comparison.rows.iter().filter(|row| row.word == word).count();
    writeln!(
        out,
        "{}: {} worse, {} better, {} without a difference that the noise lets one see, {} unknown",
        one_line(&comparison.scenario),
        count(Word::Worse),
        count(Word::Better),
        count(Word::Same),
        count(Word::Unknown)
    )?;
    writeln!(out, "A  {}", told(&comparison.base))?;
    writeln!(out, "B  {}", told(&comparison.other))?;
    for note in &comparison.notes {
        writeln!(out, "   {note}")?;
    }
    writeln!(
        out,
        "\n{:<8} {:<12} {:<30} {:>10} {:>10} {:>9} {:>20} {:>20}",
        "", "phase", "metric", "A", "B", "B - A", "95 % interval", "noise (A/A)"
    )?;
    for row in &comparison.rows {
        write_row(row, coloured, out)?;
    }
    Ok(())
}

pub(super) fn told(side: &Side) -> String {
    let runs = if side.runs == 1 { "1 run".to_owned() } else { format!("{} runs", side.runs) };
    format!("{}: {runs}, {} ({})", one_line(&side.name), one_line(&side.target), one_line(&side.dialect))
}

fn write_row(row: &Row, coloured: bool, out: &mut dyn Write) -> io::Result<()> {
    let (word, colour) = match row.word {
        Word::Worse => ("WORSE", "31"),
        Word::Better => ("better", "32"),
        Word::Same => ("same", ""),
        Word::Unknown => ("unknown", "33"),
    };
    let padded = format!("{word:<8}");
    let padded = match (coloured, colour) {
        (true, "31" | "32" | "33") => format!("\x1b[1;{colour}m{padded}\x1b[0m"),
        _ => padded,
    };
    let interval = match (row.interval, row.evidence) {
        (Some(range), Evidence::Runs | Evidence::Seconds) => between(row.unit, range),
        _ => "unknown".to_owned(),
    };
    writeln!(
        out,
        "{padded} {:<12} {:<30} {:>10} {:>10} {:>9} {:>20} {:>20}",
        one_line(&row.phase),
        one_line(&row.metric),
        figure(row.unit, row.base),
        figure(row.unit, row.other),
        row.difference.map_or_else(|| "-".to_owned(), |value| signed(row.unit, value)),
        interval,
        row.noise.map_or_else(|| "unknown".to_owned(), |range| between(row.unit, range))
    )
}

pub(super) fn between(unit: Unit, range: Range) -> String {
    format!("{} to {}", signed(unit, range.low), signed(unit, range.high))
}

/// A difference; of shares in points of a per cent.
pub(super) fn signed(unit: Unit, difference: f64) -> String {
    match unit {
        Unit::Share => format!("{:+.2} pt", difference * 100.0),
        _ => format!("{:+.1} %", difference * 100.0),
    }
}

/// A value with its unit.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "durations and sizes are positive, and shown with three digits"
)]
pub(super) fn figure(unit: Unit, value: f64) -> String {
    match unit {
        Unit::Microseconds => micros(value.round() as u64),
        Unit::Bytes => bytes(value.round() as u64),
        Unit::PerSecond => format!("{}/s", rate(value)),
        Unit::Share => percent(value),
    }
}
