//! `conformance.md`: a table for a README.

use std::io::{self, Write};

use super::{ConformanceReport, word};
use crate::markdown::inline;
use crate::result::RequirementVerdict;
use crate::words;

/// Writes GitHub-flavoured Markdown.
pub(super) fn write(report: &ConformanceReport, out: &mut dyn Write) -> io::Result<()> {
    let registry = &report.registry;
    let version = registry.version.as_ref().map(|it| format!(" ({})", inline(it))).unwrap_or_default();
    writeln!(
        out,
        "**{}**{version}: {}, profile {}, on {}, by wallflower {}, seed {}.\n",
        inline(&registry.name),
        words::verdict(report.verdict),
        inline(&report.profile),
        report.started_at.get(..10).unwrap_or(&report.started_at),
        inline(&report.wallflower),
        report.seed
    )?;
    for reason in &report.stale {
        writeln!(out, "- {} was expected to fail and holds.\n", inline(&reason.requirement))?;
    }
    writeln!(out, "| requirement | profile | verdict | |\n|---|---|---|---|")?;
    for row in &report.requirements {
        let what = match row.verdict {
            RequirementVerdict::Pass => &row.text,
            _ => &row.detail,
        };
        writeln!(
            out,
            "| {} | {} | {} | {} |",
            inline(&row.id),
            inline(&row.profile),
            word(row.verdict),
            inline(what)
        )?;
    }
    Ok(())
}
