//! What GitHub Actions shows beside a change: a line for each broken threshold and requirement, in the form in which it
//! reads them from a step's output.

use std::io::{self, Write};

use crate::result::{RequirementReport, RunReport, ThresholdReport, Verdict};
use crate::words::{self, cut, one_line, since_start};

/// GitHub shows so many annotations of each level of a step.
const MAX_EACH: usize = 10;
/// Most characters of one.
const MAX_TEXT: usize = 1_000;

/// GitHub takes summaries of up to 1 MiB a step, else it takes nothing.
pub const MAX_SUMMARY_BYTES: usize = 1 << 20;

/// Writes the annotations: an error for each broken threshold and MUST, a warning for each broken SHOULD, each expected
/// failure and each reason why the run says nothing. At most ten of each level; the last of more says how many there are.
///
/// # Errors
/// What `out` says.
pub fn write(report: &RunReport, out: &mut dyn Write) -> io::Result<()> {
    let (mut errors, mut warnings) = (Vec::new(), Vec::new());
    for requirement in &report.requirements {
        match words::requirement(requirement) {
            "FAIL" => errors.push(of_requirement(requirement)),
            "WARN" | "xfail" => warnings.push(of_requirement(requirement)),
            _ => {}
        }
    }
    let broken = report.thresholds.iter().filter(|threshold| !threshold.ok && !threshold.value.is_empty());
    errors.extend(broken.map(of_threshold));
    let why = || report.reasons.iter().map(|reason| (report.scenario.clone(), reason.clone()));
    match report.verdict {
        Verdict::Invalid => warnings.extend(why()),
        // The registry ended by itself, for one.
        Verdict::Fail if errors.is_empty() => errors.extend(why()),
        Verdict::Fail | Verdict::Pass => {}
    }
    write_level("error", &errors, out)?;
    write_level("warning", &warnings, out)
}

/// The Markdown of `report`, no longer than `room` bytes: what is beyond is cut off at the end of a line, and that is said.
///
/// # Errors
/// None but those of the renderer.
pub fn summary(report: &RunReport, room: usize) -> io::Result<String> {
    const CUT: &str = "\n\nMore is in summary.md of the run.\n";
    let mut whole = Vec::new();
    crate::markdown::write(report, &mut whole)?;
    let mut text = String::from_utf8_lossy(&whole).into_owned() + "\n";
    if text.len() > room {
        let keep = text.floor_char_boundary(room.saturating_sub(CUT.len()));
        text.truncate(text.get(..keep).and_then(|kept| kept.rfind('\n')).unwrap_or_default());
        if !text.is_empty() {
            text.push_str(CUT);
        }
    }
    Ok(text)
}

fn of_requirement(requirement: &RequirementReport) -> (String, String) {
    let again = if requirement.rerun.is_empty() {
        String::new()
    } else {
        format!("\nrun it again: {}", one_line(&requirement.rerun))
    };
    (requirement.id.clone(), format!("{}{again}", one_line(&requirement.detail)))
}

fn of_threshold(threshold: &ThresholdReport) -> (String, String) {
    let ThresholdReport { metric, phase, value, limit, .. } = threshold;
    let when = threshold.first_breach_ms.map(|ms| format!(", first at {}", since_start(ms)));
    let text = format!("{metric} in {phase} was {value}, the limit is {limit}{}", when.unwrap_or_default());
    (format!("{metric} in {phase}"), one_line(&text))
}

fn write_level(level: &str, all: &[(String, String)], out: &mut dyn Write) -> io::Result<()> {
    let shown = if all.len() > MAX_EACH { MAX_EACH - 1 } else { all.len() };
    for (title, text) in all.iter().take(shown) {
        writeln!(out, "::{level} title={}::{}", property(title), data(text))?;
    }
    match all.len() - shown {
        0 => Ok(()),
        more => writeln!(out, "::{level} title=wallflower::{more} more, in summary.md of the run"),
    }
}

/// As GitHub documents for the message of a command.
fn data(text: &str) -> String {
    cut(text, MAX_TEXT).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As GitHub documents for a property of a command.
fn property(text: &str) -> String {
    data(&cut(&one_line(text), MAX_TEXT / 5)).replace(':', "%3A").replace(',', "%2C")
}
