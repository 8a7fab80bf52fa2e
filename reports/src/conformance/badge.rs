//! `badge.json`: what an endpoint badge of shields.io shows.

use std::io::{self, Write};

use serde_json::json;

use super::ConformanceReport;
use crate::result::Verdict;

/// Writes the endpoint schema of shields.io, version 1.
pub(super) fn write(report: &ConformanceReport, out: &mut dyn Write) -> io::Result<()> {
    let counts = &report.counts;
    // What does not apply is not counted: nobody asked for it.
    let asked = counts.pass + counts.fail + counts.expected_fail + counts.undecided;
    let message = match report.verdict {
        Verdict::Invalid => "undecided".to_owned(),
        Verdict::Pass | Verdict::Fail => format!("{} of {asked}", counts.pass),
    };
    let colour = match report.verdict {
        Verdict::Invalid => "lightgrey",
        Verdict::Fail => "red",
        Verdict::Pass if counts.expected_fail > 0 => "yellow",
        Verdict::Pass => "brightgreen",
    };
    let label = format!("pull-based registry, {}", report.profile);
    let badge = json!({ "schemaVersion": 1, "label": label, "message": message, "color": colour });
    writeln!(out, "{badge:#}")
}
