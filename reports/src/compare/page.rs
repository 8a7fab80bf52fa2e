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
    verdict: String,
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
    goes_on_left: bool,
    goes_on_right: bool,
}

/// The largest difference that a picture shows, to either side: of shares in points, of all else as a factor, so that
/// half as much and twice as much lie equally far out.
#[derive(Clone, Copy)]
struct Axes {
    points: f64,
    factor: f64,
}

impl Beside {
    fn of(comparison: &Comparison) -> Self {
        let count = |word: Word| comparison.rows.iter().filter(|row| row.word == word).count();
        let worse = count(Word::Worse);
        let first = comparison.rows.first().filter(|row| row.word == Word::Worse);
        let better = count(Word::Better);
        let headline = match first {
            Some(row) => format!(
                "{} in {} got worse most: {} became {} ({})",
                foreign(&row.metric),
                foreign(&row.phase),
                figure(row.unit, row.base),
                figure(row.unit, row.other),
                row.difference.map_or_else(|| "from nothing".to_owned(), |value| signed(row.unit, value))
            ),
            None => "Nothing got worse that the noise lets one see.".to_owned(),
        };
        let axes = Axes::of(comparison);
        Self {
            verdict: match (worse, better) {
                (0, 0) => "No difference".to_owned(),
                (0, better) => format!("{better} better"),
                (worse, _) => format!("{worse} worse"),
            },
            scenario: foreign(&comparison.scenario),
            class: if worse > 0 { "bad" } else { "good" },
            headline,
            tally: format!(
                "{worse} worse, {better} better, {} without a difference that the noise lets one see, {} unknown",
                count(Word::Same),
                count(Word::Unknown)
            ),
            base: cut(&told(&comparison.base), MAX_TEXT),
            other: cut(&told(&comparison.other), MAX_TEXT),
            notes: comparison.notes.iter().map(|note| cut(&one_line(note), 2 * MAX_TEXT)).collect(),
            rows: comparison.rows.iter().take(MAX_ROWS).map(|row| Line::of(row, axes)).collect(),
            left_out: comparison.rows.len().saturating_sub(MAX_ROWS),
            axis: axes.told(),
        }
    }
}

impl Axes {
    /// As wide as what differs needs; where nothing does, as all rows need. What chance alone spreads far is cut off.
    fn of(comparison: &Comparison) -> Self {
        let differs = |row: &&Row| matches!(row.word, Word::Worse | Word::Better);
        let any = comparison.rows.iter().any(|row| differs(&row));
        let rows = || comparison.rows.iter().filter(|row| !any || differs(row));
        let bounds = |row: &Row| {
            let range = row.interval.map_or([None, None], |range| [Some(range.low), Some(range.high)]);
            range.into_iter().chain([row.difference]).flatten().filter(|bound| bound.is_finite())
        };
        let (shares, others): (Vec<&Row>, Vec<&Row>) = rows().partition(|row| row.unit == Unit::Share);
        let points = shares.into_iter().flat_map(|row| bounds(row).map(f64::abs)).fold(0.01, f64::max);
        let factor = others.into_iter().flat_map(|row| bounds(row).map(factor)).fold(1.05, f64::max);
        Self { points: points.min(1.0), factor: factor.min(10.0) }
    }

    /// From -1 to 1, and beyond where the axis ends before it.
    fn place(self, unit: Unit, difference: f64) -> f64 {
        match unit {
            Unit::Share => difference / self.points,
            _ => factor(difference).ln().copysign(difference) / self.factor.ln(),
        }
    }

    fn told(self) -> String {
        format!(
            "The axis ends at {:.1} times as little and as much, of shares at {}.",
            self.factor,
            signed(Unit::Share, self.points)
        )
    }
}

/// How many times as much, or as little, a value became.
fn factor(difference: f64) -> f64 {
    let times = (1.0 + difference).max(f64::MIN_POSITIVE);
    times.max(1.0 / times)
}

impl Line {
    fn of(row: &Row, axes: Axes) -> Self {
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
            picture: Picture::of(row, axes),
        }
    }
}

impl Picture {
    fn of(row: &Row, axes: Axes) -> Option<Self> {
        let (difference, interval) = (row.difference?, row.interval?);
        // A dot at the end is seen whole.
        let place = |value: f64| 100.0 + 96.0 * axes.place(row.unit, value).clamp(-1.0, 1.0);
        let span = |range: Range| {
            let (low, high) = (place(range.low), place(range.high));
            (format!("{low:.1}"), format!("{:.1}", (high - low).max(1.0)))
        };
        let (from, width) = span(interval);
        Some(Self {
            from,
            width,
            dot: format!("{:.1}", place(difference)),
            noise: row.noise.map(span),
            goes_on_left: axes.place(row.unit, interval.low) < -1.0,
            goes_on_right: axes.place(row.unit, interval.high) > 1.0,
        })
    }
}

fn foreign(text: &str) -> String {
    cut(&one_line(text), MAX_TEXT)
}
