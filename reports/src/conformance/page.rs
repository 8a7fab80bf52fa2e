//! Several registries side by side, requirement by requirement: a page in Markdown.

use std::io::{self, Write};

use super::{ConformanceReport, word};
use crate::markdown::inline;
use crate::result::RequirementVerdict;
use crate::words;

/// What came of one registry.
#[derive(Debug, Clone, PartialEq)]
pub enum Peer {
    /// It was judged.
    Judged(Box<ConformanceReport>),
    /// It was not, for this reason.
    NotRun {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
}

impl Peer {
    fn name(&self) -> &str {
        match self {
            Self::Judged(report) => &report.registry.name,
            Self::NotRun { name, .. } => name,
        }
    }
}

/// Writes the page. `command` repeats it, `requirements` are ids and texts in the catalogue's order.
///
/// # Errors
/// Those of `out`.
pub fn write(
    peers: &[Peer],
    command: &str,
    date: &str,
    requirements: &[(&str, &str)],
    out: &mut dyn Write,
) -> io::Result<()> {
    writeln!(
        out,
        "# What the conformance suite says of other registries\n\nWritten by `{command}` on {date}, not by hand. \
         Each registry was started with short timeouts by its own target\nfile, and judged by profile `core`: what any \
         registry that judges by heartbeats must keep.\n[conformance.md](conformance.md) says what the verdicts mean. How late something is (TIME-4) is a matter of the machine \
         too: it is held\nagainst the bound that the target file states.\n"
    )?;
    writeln!(out, "| registry | version | verdict | pass | fail | undecided | not applicable | seed |")?;
    writeln!(out, "|---|---|---|---:|---:|---:|---:|---:|")?;
    for peer in peers {
        write_head(peer, out)?;
    }
    let names: Vec<String> = peers.iter().map(|peer| inline(peer.name())).collect();
    writeln!(out, "\n| requirement | {} |", names.join(" | "))?;
    writeln!(out, "|---|{}", "---|".repeat(names.len()))?;
    for (id, _) in requirements {
        let cells: Vec<&str> = peers.iter().map(|peer| cell(peer, id)).collect();
        writeln!(out, "| {id} | {} |", cells.join(" | "))?;
    }
    for peer in peers {
        write_findings(peer, out)?;
    }
    writeln!(out, "\n## The requirements\n")?;
    for (id, text) in requirements {
        writeln!(out, "- {id}: {}", inline(text))?;
    }
    Ok(())
}

fn write_head(peer: &Peer, out: &mut dyn Write) -> io::Result<()> {
    match peer {
        Peer::NotRun { name, .. } => writeln!(out, "| {} | | not run | | | | | |", inline(name)),
        Peer::Judged(report) => {
            let counts = &report.counts;
            writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} | {} |",
                inline(&report.registry.name),
                inline(report.registry.version.as_deref().unwrap_or("not told")),
                words::verdict(report.verdict),
                counts.pass,
                counts.fail + counts.expected_fail,
                counts.undecided,
                counts.not_applicable,
                report.seed
            )
        }
    }
}

fn cell(peer: &Peer, id: &str) -> &'static str {
    match peer {
        Peer::NotRun { .. } => "not run",
        Peer::Judged(report) => {
            let row = report.requirements.iter().find(|row| row.id == *id);
            row.map_or("not asked", |row| word(row.verdict))
        }
    }
}

/// What was broken, what could not be decided, and what was not asked, each with its reason.
fn write_findings(peer: &Peer, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "\n## {}\n", inline(peer.name()))?;
    let report = match peer {
        Peer::NotRun { reason, .. } => return writeln!(out, "It was not run: {}.", inline(reason)),
        Peer::Judged(report) => report,
    };
    // What failed the run as a whole is told of no requirement.
    for reason in &report.reasons {
        let told = report.requirements.iter().any(|row| reason.starts_with(&format!("{} is ", row.id)));
        if !told {
            writeln!(out, "- {}", inline(reason))?;
        }
    }
    let rows = report.requirements.iter().filter(|row| row.verdict != RequirementVerdict::Pass);
    for row in rows {
        writeln!(out, "- {}, {}: {}", inline(&row.id), word(row.verdict), inline(&row.detail))?;
    }
    Ok(())
}
