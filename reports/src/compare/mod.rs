//! Load tests beside one another: what differs between two sides, by how much, and whether chance explains it.
//!
//! A side is one run or several of the same scenario. With several, the interval of a difference comes from the runs
//! (`statistics`); with one run on each side from its seconds, and how much runs differ from one another is unknown.
//!
//! - `comparable`: why runs cannot be compared.
//! - `figures`: what is compared of a run.
//! - `statistics`: medians, intervals, noise.
//! - `gate`: a run held against a baseline.
//! - `table`: a comparison on a terminal; `page`: one to be looked at.

mod comparable;
mod figures;
mod gate;
mod page;
mod statistics;
mod table;

use serde::Serialize;

use crate::result::{RunReport, Verdict};
use figures::Figure;
use statistics::Scale;

pub use comparable::{Terms, differing_seeds, differing_terms, differing_texts, unfit};
pub use figures::Unit;
pub use gate::{Gate, hold_against};
pub use page::write_page;
pub use statistics::Range;
pub use table::write;

/// The version of the shape of [`Comparison`].
pub const SCHEMA: u32 = 1;

/// Differences of less than this share are told as none: three digits of a histogram and whole ticks of the CPU clock
/// tell no less.
const LEAST: f64 = 0.01;

/// The runs of one side.
#[derive(Debug, Clone, Copy)]
pub struct Runs<'r> {
    /// What they are called: the folder as it was given.
    pub name: &'r str,
    /// At least one.
    pub reports: &'r [RunReport],
}

/// Two sides beside one another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The scenario.
    pub scenario: String,
    /// The side that the other is compared with.
    pub base: Side,
    /// The other side.
    pub other: Side,
    /// What must be known to read it, in sentences.
    pub notes: Vec<String>,
    /// Each figure; what got worse comes first, the worst at the top.
    pub rows: Vec<Row>,
}

/// Whose runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Side {
    /// The folder as it was given.
    pub name: String,
    /// How many runs.
    pub runs: usize,
    /// The dialect of the registry under test.
    pub dialect: String,
    /// `reference`, `command` or `url`.
    pub target: String,
    /// The seeds of the plans, each once.
    pub seeds: Vec<u64>,
    /// When each run began, RFC 3339.
    pub started_at: Vec<String>,
}

/// One figure of both sides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// The phase.
    pub phase: String,
    /// `renew.response.p99`, `list.errors`, `registry.calls_per_cpu_second`.
    pub metric: String,
    /// What the values are.
    pub unit: Unit,
    /// Whether a higher value is the worse one.
    pub higher_is_worse: bool,
    /// The median of the base's runs.
    pub base: f64,
    /// The median of the other's runs.
    pub other: f64,
    /// The value of each run of the base.
    pub base_values: Vec<f64>,
    /// The value of each run of the other side.
    pub other_values: Vec<f64>,
    /// From base to other: a share of the base (0.1 is 10 % more), for errors the difference of the shares. `None` where
    /// the base is 0 and a share of it says nothing.
    pub difference: Option<f64>,
    /// Where the difference lies with 95 % confidence; `None` when too little was measured to say.
    pub interval: Option<Range>,
    /// How far apart two groups of runs of the base would lie by chance (A/A); `None` of a single run.
    pub noise: Option<Range>,
    /// Where the interval comes from.
    pub evidence: Evidence,
    /// What it comes to.
    pub word: Word,
}

/// Where an interval comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// From how runs differ.
    Runs,
    /// From how the seconds of one run differ; an operation borrows the scatter of all operations together.
    Seconds,
    /// There is none.
    None,
}

/// What a difference comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// The other side is worse, beyond chance and noise.
    Worse,
    /// It is better.
    Better,
    /// No difference that the noise lets one see.
    Same,
    /// Too little was measured to tell a difference from noise.
    Unknown,
}

/// Compares two sides that are fit for it and on the same terms. Pure: the same runs give the same comparison.
pub fn compare(base: Runs<'_>, other: Runs<'_>) -> Comparison {
    let mut rows = rows(base.reports, other.reports);
    // Stable: within a word the phases stay in their order, but the worst is first.
    rows.sort_by(|a, b| a.word.cmp(&b.word).then(weight(b).total_cmp(&weight(a))));
    Comparison {
        schema: SCHEMA,
        scenario: base.reports.first().map(|report| report.scenario.clone()).unwrap_or_default(),
        base: side(base),
        other: side(other),
        notes: notes(base.reports, other.reports),
        rows,
    }
}

/// By what rows of the same word are sorted: errors before anything else, then by the size of the difference.
fn weight(row: &Row) -> f64 {
    if row.word != Word::Worse {
        return 0.0;
    }
    let size = row.difference.unwrap_or_default().abs();
    if row.unit == Unit::Share { 1e9 + size } else { size }
}

fn side(runs: Runs<'_>) -> Side {
    let first = runs.reports.first();
    let mut seeds: Vec<u64> = runs.reports.iter().map(|report| report.seed).collect();
    seeds.sort_unstable();
    seeds.dedup();
    Side {
        name: runs.name.to_owned(),
        runs: runs.reports.len(),
        dialect: first.map(|report| report.target.dialect.clone()).unwrap_or_default(),
        target: first.map(|report| report.target.kind.clone()).unwrap_or_default(),
        seeds,
        started_at: runs.reports.iter().map(|report| report.started_at.clone()).collect(),
    }
}

fn notes(base: &[RunReport], other: &[RunReport]) -> Vec<String> {
    let mut notes = Vec::new();
    if base.len() == 1 && other.len() == 1 {
        notes.push(
            "one run on each side: the intervals come from the seconds of the runs, and how much one run differs from \
             the next is unknown; five runs of each tell it (--repeat)"
                .to_owned(),
        );
    } else if base.len() == 1 || other.len() == 1 {
        notes.push("one side has a single run and borrows the scatter of the other's".to_owned());
    } else if !is_interleaved(base, other) {
        notes.push(
            "all runs of one side came before those of the other: a machine that slowly changed would look like a \
             difference; take turns (A B A B)"
                .to_owned(),
        );
    }
    let failed = |side: &[RunReport]| side.iter().filter(|report| report.verdict == Verdict::Fail).count();
    if let (a, b) = (failed(base), failed(other))
        && a + b > 0
    {
        notes.push(format!(
            "runs that FAILED: {a} of {} of A, {b} of {} of B; they were measured and are compared, but a registry that \
             answers wrongly may well answer faster",
            base.len(),
            other.len()
        ));
    }
    let versions = |side: &[RunReport]| -> std::collections::BTreeSet<String> {
        side.iter().map(|report| format!("{} on {}", report.wallflower, report.environment.kernel)).collect()
    };
    let (a, b) = (versions(base), versions(other));
    if a != b {
        let told = |set: std::collections::BTreeSet<String>| set.into_iter().collect::<Vec<_>>().join(", ");
        notes.push(format!("the harness is not the same: {} and {}", told(a), told(b)));
    }
    notes
}

/// Whether the sides took turns at least once.
fn is_interleaved(base: &[RunReport], other: &[RunReport]) -> bool {
    let sides = [(base, false), (other, true)];
    let mut order: Vec<(&str, bool)> = sides
        .into_iter()
        .flat_map(|(side, is_other)| side.iter().map(move |report| (report.started_at.as_str(), is_other)))
        .collect();
    order.sort_unstable();
    order.windows(2).filter(|pair| matches!(pair, [a, b] if a.1 != b.1)).count() > 1
}

/// Every figure that both sides have, in the order of the phases.
fn rows(base: &[RunReport], other: &[RunReport]) -> Vec<Row> {
    let Some(first) = base.first() else { return Vec::new() };
    let of_first = figures::of(first);
    let row = |(stream, figure): (u64, &Figure)| row(stream, figure, base, other);
    (0..).zip(&of_first).filter_map(row).collect()
}

fn row(stream: u64, figure: &Figure, base: &[RunReport], other: &[RunReport]) -> Option<Row> {
    let values = |side: &[RunReport]| -> Vec<f64> {
        side.iter().filter_map(|report| figures::value(report, &figure.phase, &figure.metric)).collect()
    };
    let (a, b) = (values(base), values(other));
    let scale = if figure.unit == Unit::Share { Scale::Points } else { Scale::Ratio };
    let difference = statistics::difference(scale, &a, &b);
    let from_runs = statistics::range_of_runs(scale, &a, &b, stream);
    let from_seconds = || {
        let seconds = |side: &[RunReport]| {
            side.first().map(|report| figures::seconds(report, &figure.phase, &figure.metric))
        };
        statistics::range_of_seconds(scale, difference?, &seconds(base)?, &seconds(other)?, stream)
    };
    let (interval, evidence) = match (from_runs, base.len(), other.len()) {
        (Some(range), ..) => (Some(range), Evidence::Runs),
        (None, 1, 1) => match from_seconds() {
            Some(range) => (Some(range), Evidence::Seconds),
            None => (None, Evidence::None),
        },
        (None, ..) => (None, Evidence::None),
    };
    let noise = statistics::noise_of_runs(scale, &a, b.len(), stream);
    Some(Row {
        phase: figure.phase.clone(),
        metric: figure.metric.clone(),
        unit: figure.unit,
        higher_is_worse: figure.higher_is_worse,
        base: statistics::median(&a)?,
        other: statistics::median(&b)?,
        base_values: a,
        other_values: b,
        difference,
        interval,
        noise,
        evidence,
        word: word(figure, difference, interval, noise),
    })
}

/// Worse or better is what lies on one side of 0 with its whole interval, beyond the noise, and is no trifle.
fn word(figure: &Figure, difference: Option<f64>, interval: Option<Range>, noise: Option<Range>) -> Word {
    let (Some(difference), Some(interval)) = (difference, interval) else { return Word::Unknown };
    let least = if figure.unit == Unit::Share { 0.0 } else { LEAST };
    let is_more =
        interval.low > 0.0 && difference > least && noise.is_none_or(|noise| difference > noise.high);
    let is_less =
        interval.high < 0.0 && difference < -least && noise.is_none_or(|noise| difference < noise.low);
    match (is_more, is_less) {
        (true, _) if figure.higher_is_worse => Word::Worse,
        (_, true) if !figure.higher_is_worse => Word::Worse,
        (false, false) => Word::Same,
        _ => Word::Better,
    }
}

#[cfg(test)]
mod tests;
