//! The head of the page: what failed and when, in the order of weight, and the run at one glance.

use super::timeline::wrong_at;
use super::{foreign, head_of};
use crate::layout::cells_of;
use crate::result::{FaultReport, RequirementReport, RunReport, ThresholdReport};
use crate::words::{fault_name, since_start};

/// Most marks on the strip.
const MAX_MARKS: usize = 60;

/// About how wide a letter of a phase's name is, in per cent of the strip of a page on a desk.
const CELL_PERCENT: f64 = 0.65;

/// A reason of the verdict.
#[derive(Default)]
pub(super) struct Finding {
    pub(super) when: String,
    /// The fault at that instant, or the last one before it.
    pub(super) beside: String,
    pub(super) what: String,
    pub(super) more: String,
    /// The place in the page that tells more; empty if there is none.
    pub(super) anchor: String,
}

/// The run from left to right.
pub(super) struct Strip {
    pub(super) bands: Vec<Stretch>,
    pub(super) marks: Vec<Stretch>,
    pub(super) end: String,
    pub(super) sentence: String,
}

/// A piece of the strip, in per cent of its width.
pub(super) struct Stretch {
    pub(super) left: String,
    pub(super) width: String,
    pub(super) class: &'static str,
    pub(super) words: String,
    /// What stands in it; empty where there is no room.
    pub(super) label: String,
}

/// The reasons as the report gives them, each with its instant and its place where it is known.
pub(super) fn findings(report: &RunReport, first: usize, most: usize) -> Vec<Finding> {
    report.reasons.iter().skip(first).take(most).map(|reason| finding(report, reason)).collect()
}

fn finding(report: &RunReport, reason: &str) -> Finding {
    let (what, more) = head_of(reason);
    let mut finding = Finding { what, more, ..Finding::default() };
    let requirement = report.requirements.iter().find(|row| names_requirement(row, reason));
    let threshold = report.thresholds.iter().find(|row| names_threshold(row, reason));
    let (at, anchor) = match (requirement, threshold) {
        (Some(row), _) => (wrong_at(&row.timeline), "requirements"),
        (None, Some(row)) => (row.first_breach_ms, "thresholds"),
        (None, None) => (None, ""),
    };
    anchor.clone_into(&mut finding.anchor);
    if let Some(at) = at {
        finding.when = since_start(at);
        finding.beside = fault_beside(report, at).unwrap_or_default();
    }
    finding
}

/// The fault under way at an instant, else the last that was over in the same phase. What it has to do with what broke
/// then, the reader says.
fn fault_beside(report: &RunReport, at: u64) -> Option<String> {
    let from = report.phases.iter().map(|phase| phase.start_ms).filter(|start| *start <= at).max()?;
    let begun = |fault: &&FaultReport| (from..=at).contains(&fault.start_ms);
    let fault = report.faults.iter().filter(begun).max_by_key(|fault| (fault.end_ms, fault.start_ms))?;
    let name = foreign(&fault_name(fault));
    Some(match at.checked_sub(fault.end_ms) {
        None | Some(0) => format!("during {name}"),
        Some(after) => format!("{} after {name}", since_start(after)),
    })
}

fn names_requirement(row: &RequirementReport, reason: &str) -> bool {
    reason.strip_prefix(row.id.as_str()).is_some_and(|rest| rest.starts_with(" is "))
}

fn names_threshold(row: &ThresholdReport, reason: &str) -> bool {
    !row.ok && reason.starts_with(&format!("{} in {} ", row.metric, row.phase))
}

/// When something was first broken, with its name.
pub(super) fn breaches(report: &RunReport) -> Vec<(u64, String)> {
    let thresholds = report.thresholds.iter().filter(|row| !row.ok);
    let thresholds = thresholds.filter_map(|row| Some((row.first_breach_ms?, row.metric.clone())));
    let requirements = report.requirements.iter();
    let requirements = requirements.filter_map(|row| Some((wrong_at(&row.timeline)?, row.id.clone())));
    let mut breaches: Vec<_> = requirements.chain(thresholds).collect();
    breaches.sort();
    breaches
}

/// Nothing where there is one phase or none and nothing happened in it.
pub(super) fn strip(report: &RunReport, breaches: &[(u64, String)]) -> Option<Strip> {
    let end = report.phases.iter().map(|phase| phase.end_ms).max()?.max(report.duration_ms).max(1);
    let percent = |ms: u64| 100.0 * ms.min(end) as f64 / end as f64;
    let stretch = |from: u64, to: u64, class, words: String| {
        let width = percent(to.max(from)) - percent(from);
        let label =
            if width >= CELL_PERCENT * cells_of(&words) as f64 { words.clone() } else { String::new() };
        Stretch { left: format!("{:.2}", percent(from)), width: format!("{width:.2}"), class, words, label }
    };
    let bands: Vec<Stretch> = report
        .phases
        .iter()
        .take(MAX_MARKS)
        .map(|phase| stretch(phase.start_ms, phase.end_ms, "phase", foreign(&phase.name)))
        .collect();
    let faults = report.faults.iter().take(MAX_MARKS).map(|fault| {
        let words = format!("fault {} at {}", foreign(&fault.name), since_start(fault.start_ms));
        stretch(fault.start_ms, fault.end_ms, "fault", words)
    });
    let broken = breaches.iter().take(MAX_MARKS).map(|(at, name)| {
        stretch(*at, *at, "breach", format!("{} first broken at {}", foreign(name), since_start(*at)))
    });
    let marks: Vec<Stretch> = faults.chain(broken).collect();
    let names: Vec<&str> = bands.iter().take(30).map(|band| band.words.as_str()).collect();
    let happened: Vec<&str> = marks.iter().take(30).map(|mark| mark.words.as_str()).collect();
    let mut sentence = format!("Phases: {}.", names.join(", "));
    if !happened.is_empty() {
        sentence = format!("{sentence} {}.", happened.join("; "));
    }
    Some(Strip { bands, marks, end: since_start(end), sentence })
}
