//! A comparison as a page: what got worse first, with the interval of each difference as a picture.

use std::io::{self, Write};

use askama::Template;

use crate::words::{cut, one_line};

use super::table::{between, figure, signed, told};
use super::{Comparison, Range, Row, Unit, Word};

/// Most comparisons on a page, most rows of each, and most runs whose value is told one by one.
const MAX_COMPARISONS: usize = 20;
const MAX_ROWS: usize = 150;
const MAX_RUNS: usize = 12;
const MAX_TEXT: usize = 200;

/// Writes the page, which needs no network and no script.
///
/// # Errors
/// What `writer` says.
pub fn write_page(comparisons: &[Comparison], writer: &mut dyn Write) -> io::Result<()> {
    let page = Page {
        left_out: comparisons.len().saturating_sub(MAX_COMPARISONS),
        sides: comparisons.iter().take(MAX_COMPARISONS).map(Beside::of).collect(),
        style: include_str!("../../templates/report.css"),
    };
    page.write_into(writer)?;
    writer.write_all(b"\n")
}

#[derive(Template)]
#[template(path = "compare.html")]
struct Page {
    sides: Vec<Beside>,
    left_out: usize,
    style: &'static str,
}

/// One side beside the base.
struct Beside {
    scenario: String,
    class: &'static str,
    headline: String,
    tally: String,
    base: String,
    other: String,
    notes: Vec<String>,
    rows: Vec<Line>,
    left_out: usize,
    /// What the ends of the pictures' axes stand for.
    axis: String,
}

struct Line {
    word: &'static str,
    class: &'static str,
    phase: String,
    metric: String,
    base: String,
    other: String,
    base_runs: String,
    other_runs: String,
    difference: String,
    interval: String,
    noise: String,
    picture: Option<Picture>,
}

/// Places from 0 to 200, with no difference at 100.
struct Picture {
    from: String,
    width: String,
    dot: String,
    noise: Option<(String, String)>,
}

impl Beside {
    fn of(comparison: &Comparison) -> Self {
        let count = |word: Word| comparison.rows.iter().filter(|row| row.word == word).count();
        let worse = count(Word::Worse);
        let first = comparison.rows.first().filter(|row| row.word == Word::Worse);
        let headline = match first {
            Some(row) => format!(
                "{} in {} got worse: {} became {}",
                foreign(&row.metric),
                foreign(&row.phase),
                figure(row.unit, row.base),
                figure(row.unit, row.other)
            ),
            None => "Nothing got worse that the noise lets one see".to_owned(),
        };
        // Rows share one axis each for shares and for all else, so that long bars are large differences.
        let (shares, others) = (widest(comparison, true), widest(comparison, false));
        Self {
            scenario: foreign(&comparison.scenario),
            class: if worse > 0 { "bad" } else { "good" },
            headline,
            tally: format!(
                "{worse} worse, {} better, {} without a difference that the noise lets one see, {} unknown",
                count(Word::Better),
                count(Word::Same),
                count(Word::Unknown)
            ),
            base: cut(&told(&comparison.base), MAX_TEXT),
            other: cut(&told(&comparison.other), MAX_TEXT),
            notes: comparison.notes.iter().map(|note| cut(&one_line(note), 2 * MAX_TEXT)).collect(),
            rows: comparison
                .rows
                .iter()
                .take(MAX_ROWS)
                .map(|row| Line::of(row, if row.unit == Unit::Share { shares } else { others }))
                .collect(),
            left_out: comparison.rows.len().saturating_sub(MAX_ROWS),
            axis: format!(
                "from {} to {}, shares from {} to {}",
                signed(Unit::PerSecond, -others),
                signed(Unit::PerSecond, others),
                signed(Unit::Share, -shares),
                signed(Unit::Share, shares)
            ),
        }
    }
}

/// The largest difference that an axis must hold; beyond 100 % bars are cut off.
fn widest(comparison: &Comparison, shares: bool) -> f64 {
    let rows = comparison.rows.iter().filter(|row| (row.unit == Unit::Share) == shares);
    let bounds = rows.flat_map(|row| {
        let range = row.interval.map(|range| range.low.abs().max(range.high.abs()));
        [range, row.difference.map(f64::abs)]
    });
    bounds.flatten().filter(|bound| bound.is_finite()).fold(0.01, f64::max).min(1.0)
}

impl Line {
    fn of(row: &Row, widest: f64) -> Self {
        let (word, class) = match row.word {
            Word::Worse => ("WORSE", "bad"),
            Word::Better => ("better", "good"),
            Word::Same => ("same", "calm"),
            Word::Unknown => ("unknown", "unsure"),
        };
        let range = |range: Option<Range>| {
            range.map_or_else(|| "unknown".to_owned(), |range| between(row.unit, range))
        };
        let runs = |values: &[f64]| {
            let told = values.iter().take(MAX_RUNS).map(|value| figure(row.unit, *value));
            if values.len() > 1 { told.collect::<Vec<_>>().join(", ") } else { String::new() }
        };
        Self {
            word,
            class,
            phase: foreign(&row.phase),
            metric: foreign(&row.metric),
            base: figure(row.unit, row.base),
            other: figure(row.unit, row.other),
            base_runs: runs(&row.base_values),
            other_runs: runs(&row.other_values),
            difference: row.difference.map_or_else(|| "–".to_owned(), |value| signed(row.unit, value)),
            interval: range(row.interval),
            noise: range(row.noise),
            picture: Picture::of(row, widest),
        }
    }
}

impl Picture {
    fn of(row: &Row, widest: f64) -> Option<Self> {
        let (difference, interval) = (row.difference?, row.interval?);
        let place = |value: f64| 100.0 + 100.0 * (value / widest).clamp(-1.0, 1.0);
        let span = |range: Range| {
            let (low, high) = (place(range.low), place(range.high));
            (format!("{low:.1}"), format!("{:.1}", (high - low).max(1.0)))
        };
        let (from, width) = span(interval);
        let dot = format!("{:.1}", place(difference));
        Some(Self { from, width, dot, noise: row.noise.map(span) })
    }
}

fn foreign(text: &str) -> String {
    cut(&one_line(text), MAX_TEXT)
}
