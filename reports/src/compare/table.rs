//! A comparison on a terminal: what got worse first.

use std::io::{self, Write};

use crate::layout::{Looks, cells_of};
use crate::words::{bytes, micros, one_line, percent, rate};

use super::{Comparison, Evidence, Range, Row, Side, Unit, Word};

/// How wide the first word of a line is, with the blank after it.
const HEAD_CELLS: usize = 9;

/// Writes plain text, with colour only if told: in columns where there is room for them, else folded.
///
/// # Errors
/// What `out` says.
pub fn write(comparison: &Comparison, looks: Looks, out: &mut dyn Write) -> io::Result<()> {
    let count = |word: Word| comparison.rows.iter().filter(|row| row.word == word).count();
    let tally = format!(
        "{}: {} worse, {} better, {} without a difference that the noise lets one see, {} unknown",
        one_line(&comparison.scenario),
        count(Word::Worse),
        count(Word::Better),
        count(Word::Same),
        count(Word::Unknown)
    );
    looks.fold(("", 0), &tally, out)?;
    looks.fold(("A  ", 3), &told(&comparison.base), out)?;
    looks.fold(("B  ", 3), &told(&comparison.other), out)?;
    for note in &comparison.notes {
        looks.fold(("   ", 3), note, out)?;
    }
    writeln!(out)?;
    let is_wide = comparison.rows.iter().all(|row| looks.fits(HEAD_CELLS + cells_of(&columns(&cells(row)))));
    if is_wide {
        let headings = ["phase", "metric", "A", "B", "B - A", "95 % interval", "noise (A/A)"];
        writeln!(out, "{:HEAD_CELLS$}{}", "", columns(&headings.map(str::to_owned)))?;
    }
    for row in &comparison.rows {
        let text = if is_wide { columns(&cells(row)) } else { words(row) };
        let head = format!("{} ", looks.word(word(row.word), HEAD_CELLS - 1));
        looks.fold((&head, HEAD_CELLS), &text, out)?;
    }
    Ok(())
}

fn word(word: Word) -> &'static str {
    match word {
        Word::Worse => "WORSE",
        Word::Better => "better",
        Word::Same => "same",
        Word::Unknown => "unknown",
    }
}

/// Phase, metric, A, B, the difference, its interval and the noise.
fn cells(row: &Row) -> [String; 7] {
    let unknown = || "unknown".to_owned();
    [
        one_line(&row.phase),
        one_line(&row.metric),
        figure(row.unit, row.base),
        figure(row.unit, row.other),
        row.difference.map_or_else(|| "-".to_owned(), |value| signed(row.unit, value)),
        match (row.interval, row.evidence) {
            (Some(range), Evidence::Runs | Evidence::Seconds) => between(row.unit, range),
            _ => unknown(),
        },
        row.noise.map_or_else(unknown, |range| between(row.unit, range)),
    ]
}

fn columns([phase, metric, base, other, difference, interval, noise]: &[String; 7]) -> String {
    format!("{phase:<12} {metric:<30} {base:>10} {other:>10} {difference:>9} {interval:>20} {noise:>20}")
}

/// The same with what each is.
fn words(row: &Row) -> String {
    let [phase, metric, base, other, difference, interval, noise] = cells(row);
    format!(
        "{phase} {metric}: A {base}, B {other}, B - A {difference} (95 % interval {interval}), noise {noise}"
    )
}

pub(super) fn told(side: &Side) -> String {
    let runs = if side.runs == 1 { "1 run".to_owned() } else { format!("{} runs", side.runs) };
    format!("{}: {runs}, {} ({})", one_line(&side.name), one_line(&side.target), one_line(&side.dialect))
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
