//! What a conformance run has to show to others: the shape of `conformance.json`, a table and a badge of it.
//!
//! - `table`: `conformance.md`, for a README.
//! - `badge`: `badge.json`, as shields.io reads it.
//! - [`page`]: several registries side by side, requirement by requirement.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::WriteError;
use crate::result::{Proof, RequirementReport, RequirementVerdict, RunReport, Verdict};

mod badge;
pub mod page;
mod table;

/// The version of this shape, described for others in docs/conformance.schema.json.
pub const SCHEMA: u32 = 1;

/// The shape of `conformance.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConformanceReport {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The program's version.
    pub wallflower: String,
    /// The one word.
    pub verdict: Verdict,
    /// Why, in sentences, the weightiest first. Empty when all passed.
    pub reasons: Vec<String>,
    /// `core`, `contract`, `durable`, `mcp` or `all`.
    pub profile: String,
    /// Who was judged.
    pub registry: Registry,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The seed of every schedule.
    pub seed: u64,
    /// SHA-256 of the schedules and timeouts, in hex.
    pub plan_hash: String,
    /// The command that repeats it.
    pub command: String,
    /// How many requirements came to what.
    pub counts: Counts,
    /// In the catalogue's order.
    pub requirements: Vec<Row>,
    /// Failures that were expected and did not come.
    pub stale: Vec<Expectation>,
}

/// Who was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    /// Its name.
    pub name: String,
    /// What it says of its version; `None` where nobody asked it.
    pub version: Option<String>,
    /// `reference`, `command` or `url`.
    pub kind: String,
    /// How it was spoken to.
    pub dialect: String,
    /// Where it was reached.
    pub url: String,
}

/// How many requirements came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "each is a verdict of that name")]
pub struct Counts {
    pub pass: u64,
    pub fail: u64,
    pub expected_fail: u64,
    pub undecided: u64,
    pub not_applicable: u64,
}

/// A failure that is known and put up with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// The requirement's id.
    pub requirement: String,
    /// Why it is put up with.
    pub why: String,
    /// Where it is followed up.
    pub issue: Option<String>,
}

/// A requirement and what came of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// `TIME-2`.
    pub id: String,
    /// `MUST` or `SHOULD`.
    pub level: String,
    /// The profile that it belongs to.
    pub profile: String,
    /// What must hold.
    pub text: String,
    /// What the evidence says.
    pub verdict: RequirementVerdict,
    /// How many samples decided something.
    pub decided: u64,
    /// How many samples there were.
    pub samples: u64,
    /// How many broke it.
    pub broken: u64,
    /// What was broken, or why it is undecided or not applicable, or how well it held.
    pub detail: String,
    /// What happened around the worst case, line by line; empty unless it failed.
    pub timeline: Vec<String>,
    /// The call that proved it; `None` unless it failed.
    pub proof: Option<Proof>,
    /// The command that reruns just this.
    pub rerun: String,
    /// That it was expected to fail.
    pub expected: Option<Expectation>,
}

/// What a run's own report does not know.
#[derive(Debug, Clone, Default)]
pub struct Beside<'b> {
    /// Who was judged.
    pub registry: Registry,
    /// `core`, `contract`, `durable`, `mcp` or `all`.
    pub profile: String,
    /// The failures that were expected, stale ones among them.
    pub expected: &'b [Expectation],
    /// Those that did not come.
    pub stale: Vec<Expectation>,
}

impl ConformanceReport {
    /// Of a run. `profile_of` knows the profile of each requirement.
    pub fn of(report: &RunReport, beside: Beside<'_>, profile_of: impl Fn(&str) -> String) -> Self {
        let row = |row: &RequirementReport| Row {
            id: row.id.clone(),
            level: row.level.clone(),
            profile: profile_of(&row.id),
            text: row.text.clone(),
            verdict: row.verdict,
            decided: row.decided,
            samples: row.samples,
            broken: row.broken,
            detail: row.detail.clone(),
            timeline: row.timeline.clone(),
            proof: row.proof.clone(),
            rerun: row.rerun.clone(),
            expected: beside.expected.iter().find(|expected| expected.requirement == row.id).cloned(),
        };
        let count = |verdict| report.requirements.iter().filter(|row| row.verdict == verdict).count() as u64;
        Self {
            schema: SCHEMA,
            wallflower: report.wallflower.clone(),
            verdict: report.verdict,
            reasons: report.reasons.clone(),
            profile: beside.profile,
            started_at: report.started_at.clone(),
            duration_ms: report.duration_ms,
            seed: report.seed,
            plan_hash: report.plan_hash.clone(),
            command: report.command.clone(),
            counts: Counts {
                pass: count(RequirementVerdict::Pass),
                fail: count(RequirementVerdict::Fail),
                expected_fail: count(RequirementVerdict::ExpectedFail),
                undecided: count(RequirementVerdict::Undecided),
                not_applicable: count(RequirementVerdict::NotApplicable),
            },
            requirements: report.requirements.iter().map(row).collect(),
            registry: beside.registry,
            stale: beside.stale,
        }
    }
}

type Renderer = fn(&ConformanceReport, &mut dyn Write) -> io::Result<()>;

const FILES: [(&str, Renderer); 3] =
    [("conformance.json", write_json), ("conformance.md", table::write), ("badge.json", badge::write)];

/// Writes `conformance.json`, `conformance.md` and `badge.json` into `folder`, which is there.
///
/// # Errors
/// The first file that could not be written; those before it are there.
pub fn write_all(report: &ConformanceReport, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    let mut written = Vec::new();
    for (name, render) in FILES {
        let path = folder.join(name);
        let mut bytes = Vec::new();
        render(report, &mut bytes)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(|cause| WriteError { path: path.clone(), cause })?;
        written.push(path);
    }
    Ok(written)
}

fn write_json(report: &ConformanceReport, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, report)?;
    out.write_all(b"\n")
}

/// What a requirement came to, in words.
fn word(verdict: RequirementVerdict) -> &'static str {
    match verdict {
        RequirementVerdict::Pass => "pass",
        RequirementVerdict::Fail => "**FAIL**",
        RequirementVerdict::ExpectedFail => "expected failure",
        RequirementVerdict::Undecided => "**undecided**",
        RequirementVerdict::NotApplicable => "not applicable",
    }
}
