//! Several registries that were put through one scenario, side by side: plain data, a table for terminals and one in
//! Markdown.

use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use crate::result::{PhaseReport, RequirementVerdict, RunReport, Verdict};

/// The version of this shape.
pub const SCHEMA: u32 = 1;

/// The requirement that an expiry before its time breaks, and the one that an expiry behind its time does.
const WRONG_EXPIRY: &str = "TIME-2";
const LATE_EXPIRY: &str = "TIME-4";

/// The shape of `peers.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PeersReport {
    /// [`SCHEMA`] of the writer.
    pub schema: u32,
    /// The program's version.
    pub wallflower: String,
    /// When the first run began, RFC 3339.
    pub started_at: String,
    /// The command that repeats it.
    pub command: String,
    /// One for each registry, in the order of the runs.
    pub peers: Vec<Peer>,
}

/// One registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Peer {
    /// The scenario's name.
    pub name: String,
    /// The scenario file.
    pub scenario: String,
    /// The dialect spoken.
    pub dialect: String,
    /// What came of it.
    pub state: State,
    /// Why it did not pass or did not run, in sentences; how to get it, where it was not found.
    pub reasons: Vec<String>,
    /// What was measured, where it ran.
    pub figures: Option<Figures>,
}

/// What came of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything held.
    Pass,
    /// A threshold or a requirement was broken: a finding.
    Fail,
    /// The run says nothing.
    Invalid,
    /// It is here and did not start.
    NotStarted,
    /// It is not on this machine.
    NotFound,
}

impl State {
    /// As people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Fail => "FAIL",
            Self::Invalid => "INVALID",
            Self::NotStarted => "not started",
            Self::NotFound => "not found",
        }
    }
}

/// What was measured of a registry. Durations are microseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls answered per second of the registry's CPU over the whole run; `None` when its CPU is not known.
    pub calls_per_cpu_second: Option<f64>,
    /// 99 % of the heartbeats of the first hold were answered within this; the slowest kind, where there are several.
    pub heartbeat_p99_us: Option<u64>,
    /// The same of the agents' lists.
    pub list_p99_us: Option<u64>,
    /// Peak proportional set size, bytes.
    pub pss_bytes: u64,
    /// Views that showed an agent as expired or left it out although its lease still ran; `None` when nobody looked.
    pub wrong_expiries: Option<u64>,
    /// Views that showed an agent when it should have expired or gone; `None` when nobody looked.
    pub late_expiries: Option<u64>,
    /// Ids of the requirements that were broken.
    pub broken: Vec<String>,
    /// Where the run's own report lies.
    pub report: String,
}

impl Peer {
    /// What a run's report says of its registry. `report_path` is where that report lies.
    pub fn of(report: &RunReport, scenario: &str, report_path: &str) -> Self {
        let hold = report.phases.iter().find(|phase| phase.kind == "hold");
        let p99 = |operations: &[&str]| hold.and_then(|phase| slowest_p99(phase, operations));
        let broken_in = |id: &str| {
            let row = report.requirements.iter().find(|row| row.id == id);
            row.filter(|row| decided(row.verdict)).map(|row| row.broken)
        };
        let failed = report.requirements.iter().filter(|row| row.verdict == RequirementVerdict::Fail);
        Self {
            name: report.scenario.clone(),
            scenario: scenario.to_owned(),
            dialect: report.target.dialect.clone(),
            state: match report.verdict {
                Verdict::Pass => State::Pass,
                Verdict::Fail => State::Fail,
                Verdict::Invalid => State::Invalid,
            },
            reasons: report.reasons.clone(),
            figures: Some(Figures {
                calls_per_cpu_second: report.target.calls_per_cpu_second,
                heartbeat_p99_us: p99(&["register", "renew", "probe"]),
                list_p99_us: p99(&["list"]),
                pss_bytes: report.target.pss_bytes,
                wrong_expiries: broken_in(WRONG_EXPIRY),
                late_expiries: broken_in(LATE_EXPIRY),
                broken: failed.map(|row| row.id.clone()).collect(),
                report: report_path.to_owned(),
            }),
        }
    }
}

fn decided(verdict: RequirementVerdict) -> bool {
    matches!(verdict, RequirementVerdict::Pass | RequirementVerdict::Fail)
}

fn slowest_p99(phase: &PhaseReport, operations: &[&str]) -> Option<u64> {
    let stats = operations.iter().filter_map(|operation| phase.calls.get(*operation));
    stats.filter(|stats| stats.count > 0).map(|stats| stats.response_us.p99).max()
}

const HEAD: [&str; 9] = [
    "registry",
    "verdict",
    "calls/CPU-s",
    "heartbeat p99",
    "memory",
    "list p99",
    "wrong expiries",
    "late expiries",
    "broken",
];

/// Columns that hold words; the others hold figures.
const WORDY: [usize; 3] = [0, 1, 8];

fn cells(peer: &Peer) -> [String; 9] {
    let dash = || "-".to_owned();
    let count = |count: Option<u64>| count.map_or_else(dash, |count| count.to_string());
    let (name, state) = (peer.name.clone(), peer.state.words().to_owned());
    match &peer.figures {
        None => [name, state, dash(), dash(), dash(), dash(), dash(), dash(), dash()],
        Some(figures) => [
            name,
            state,
            figures.calls_per_cpu_second.map_or_else(dash, |calls| format!("{calls:.0}")),
            figures.heartbeat_p99_us.map_or_else(dash, milliseconds),
            mebibytes(figures.pss_bytes),
            figures.list_p99_us.map_or_else(dash, milliseconds),
            count(figures.wrong_expiries),
            count(figures.late_expiries),
            if figures.broken.is_empty() { "nothing".to_owned() } else { figures.broken.join(" ") },
        ],
    }
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn milliseconds(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1e3)
}

#[allow(clippy::cast_precision_loss, reason = "far below 2^53")]
fn mebibytes(bytes: u64) -> String {
    if bytes == 0 { "-".to_owned() } else { format!("{:.0} MiB", bytes as f64 / f64::from(1 << 20)) }
}

/// The table for people at a terminal, then what is to be said of those that did not pass.
///
/// # Errors
/// Those of `out`.
pub fn write_terminal(report: &PeersReport, out: &mut dyn Write) -> io::Result<()> {
    let rows: Vec<[String; 9]> =
        std::iter::once(HEAD.map(str::to_owned)).chain(report.peers.iter().map(cells)).collect();
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    for row in &rows {
        let padded = row.iter().enumerate().map(|(column, cell)| match WORDY.contains(&column) {
            true => format!("{cell:<0$}", width(column)),
            false => format!("{cell:>0$}", width(column)),
        });
        writeln!(out, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    for peer in &report.peers {
        for reason in &peer.reasons {
            writeln!(out, "\n{}: {reason}", peer.name)?;
        }
    }
    Ok(())
}

/// The same in Markdown.
///
/// # Errors
/// Those of `out`.
pub fn write_markdown(report: &PeersReport, out: &mut dyn Write) -> io::Result<()> {
    let line = |cells: &[String]| format!("| {} |", cells.join(" | "));
    let plain = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    writeln!(out, "# Registries side by side\n\n`{}`, {}\n", report.command, report.started_at)?;
    writeln!(out, "{}", line(&HEAD.map(str::to_owned)))?;
    let rules: Vec<String> = (0..HEAD.len())
        .map(|column| if WORDY.contains(&column) { "---" } else { "---:" }.to_owned())
        .collect();
    writeln!(out, "{}", line(&rules))?;
    for peer in &report.peers {
        writeln!(out, "{}", line(&cells(peer).map(|cell| plain(&cell))))?;
    }
    for peer in &report.peers {
        for reason in &peer.reasons {
            writeln!(out, "\n- **{}**: {}", plain(&peer.name), plain(reason))?;
        }
    }
    Ok(())
}
