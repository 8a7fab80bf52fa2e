//! What a run comes to: a pure function from findings to one word, its reasons and the exit code.

use crate::result::{RequirementReport, RequirementVerdict, ThresholdReport, Verdict};

/// Everything held.
pub const EXIT_PASS: u8 = 0;
/// A threshold was broken, or the run failed for a reason that is no requirement (the registry died).
pub const EXIT_THRESHOLD: u8 = 1;
/// The registry broke a requirement.
pub const EXIT_REQUIREMENT: u8 = 2;
/// The run says nothing, or left undecided what it claimed to decide.
pub const EXIT_INVALID: u8 = 3;
/// The user ended the run.
pub const EXIT_INTERRUPTED: u8 = 130;

/// All that a run found, as far as it bears on the verdict.
#[derive(Debug, Clone, Copy, Default)]
pub struct Findings<'f> {
    /// The user ended the run early.
    pub interrupted: bool,
    /// Why the run failed whatever else was found, in sentences: the registry process ended by itself.
    pub failed: &'f [String],
    /// Why the run says nothing, in sentences: the generator could not keep its plan.
    pub invalid: &'f [String],
    /// Each threshold with its value.
    pub thresholds: &'f [ThresholdReport],
    /// Each requirement with its verdict.
    pub requirements: &'f [RequirementReport],
    /// Ids of the requirements that the run claims to decide.
    pub claimed: &'f [String],
    /// Expected failures that are none any more, in sentences: whoever expects them has to be told.
    pub stale: &'f [String],
}

/// What a run comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The one word.
    pub verdict: Verdict,
    /// Why, in sentences, the weightiest first; empty if and only if all passed.
    pub reasons: Vec<String>,
    /// What the program ends with.
    pub exit_code: u8,
}

/// Decides. An interruption comes first, since the user knows it already; then what is true whatever the generator did:
/// a broken requirement, a registry that ended by itself; then a run that says nothing; then a broken threshold. A
/// broken SHOULD only warns, in its own report.
pub fn decide(findings: &Findings<'_>) -> Decision {
    let mut broken = broken_requirements(findings);
    broken.extend_from_slice(findings.stale);
    let mut invalid = findings.invalid.to_vec();
    invalid.extend(undecided_requirements(findings));
    invalid.extend(unmeasured_thresholds(findings));
    let failed = findings.failed.to_vec();
    let thresholds = broken_thresholds(findings);
    let (verdict, exit_code) = if !broken.is_empty() {
        (Verdict::Fail, EXIT_REQUIREMENT)
    } else if !failed.is_empty() {
        (Verdict::Fail, EXIT_THRESHOLD)
    } else if !invalid.is_empty() {
        (Verdict::Invalid, EXIT_INVALID)
    } else if !thresholds.is_empty() {
        (Verdict::Fail, EXIT_THRESHOLD)
    } else {
        (Verdict::Pass, EXIT_PASS)
    };
    let reasons = [broken, failed, invalid, thresholds].concat();
    if !findings.interrupted {
        return Decision { verdict, reasons, exit_code };
    }
    // Half a run proves no pass; what it did prove stays.
    let verdict = if verdict == Verdict::Fail { Verdict::Fail } else { Verdict::Invalid };
    let interrupted = "the run was ended early by the user".to_owned();
    Decision { verdict, reasons: [vec![interrupted], reasons].concat(), exit_code: EXIT_INTERRUPTED }
}

fn broken_requirements(findings: &Findings<'_>) -> Vec<String> {
    let broken = findings.requirements.iter().filter(|requirement| {
        requirement.verdict == RequirementVerdict::Fail && requirement.level != "SHOULD"
    });
    broken.map(|requirement| format!("{} is broken: {}", requirement.id, requirement.detail)).collect()
}

fn undecided_requirements(findings: &Findings<'_>) -> Vec<String> {
    let undecided = |id: &String| match findings.requirements.iter().find(|requirement| requirement.id == *id)
    {
        None => Some(format!("{id} was claimed and never judged")),
        Some(requirement) if requirement.verdict == RequirementVerdict::Undecided => {
            Some(format!("{id} is undecided: {}", requirement.detail))
        }
        Some(_) => None,
    };
    findings.claimed.iter().filter_map(undecided).collect()
}

fn unmeasured_thresholds(findings: &Findings<'_>) -> Vec<String> {
    let unmeasured = findings.thresholds.iter().filter(|threshold| threshold.value.is_empty());
    unmeasured
        .map(|threshold| format!("{} in {} had nothing to measure", threshold.metric, threshold.phase))
        .collect()
}

fn broken_thresholds(findings: &Findings<'_>) -> Vec<String> {
    let broken = findings.thresholds.iter().filter(|threshold| !threshold.ok && !threshold.value.is_empty());
    broken
        .map(|threshold| {
            format!(
                "{} in {} was {}, the limit is {}",
                threshold.metric, threshold.phase, threshold.value, threshold.limit
            )
        })
        .collect()
}
