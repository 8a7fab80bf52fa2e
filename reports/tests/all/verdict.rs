//! What findings come to.

use reports::result::{RequirementVerdict, ThresholdReport, Verdict};
use reports::verdict::{Decision, Findings, decide};

use crate::sample::{passed, requirement};

/// What was found: interrupted, failed, invalid, thresholds broken, a threshold without value, and requirements as
/// (level, verdict, claimed); what it comes to.
struct Row {
    name: &'static str,
    interrupted: bool,
    failed: bool,
    invalid: bool,
    broken_threshold: bool,
    unmeasured_threshold: bool,
    requirement: Option<(&'static str, RequirementVerdict, bool)>,
    expected: (Verdict, u8, usize),
}

const NOTHING: Row = Row {
    name: "nothing at all",
    interrupted: false,
    failed: false,
    invalid: false,
    broken_threshold: false,
    unmeasured_threshold: false,
    requirement: None,
    expected: (Verdict::Pass, 0, 0),
};

const FAIL: Option<(&str, RequirementVerdict, bool)> = Some(("MUST", RequirementVerdict::Fail, true));

fn decision(row: &Row) -> Decision {
    let reason = vec!["a reason".to_owned()];
    let none = Vec::new();
    let good = passed().thresholds.remove(0);
    let mut thresholds = vec![good.clone()];
    if row.broken_threshold {
        thresholds.push(ThresholdReport { ok: false, ..good.clone() });
    }
    if row.unmeasured_threshold {
        // Whatever `ok` says: without a value nothing has held.
        thresholds.push(ThresholdReport { ok: true, value: String::new(), ..good });
    }
    let mut requirements = vec![requirement("TIME-1", RequirementVerdict::Pass, 5, "")];
    let mut claimed = vec!["TIME-1".to_owned()];
    if let Some((level, verdict, is_claimed)) = row.requirement {
        let mut report = requirement("TIME-2", verdict, 5, "so it was");
        report.level = level.into();
        requirements.push(report);
        claimed.extend(is_claimed.then(|| "TIME-2".to_owned()));
    }
    decide(&Findings {
        stale: &[],
        interrupted: row.interrupted,
        failed: if row.failed { &reason } else { &none },
        invalid: if row.invalid { &reason } else { &none },
        thresholds: &thresholds,
        requirements: &requirements,
        claimed: &claimed,
    })
}

#[test]
fn the_weightiest_finding_decides_and_all_are_told() {
    use RequirementVerdict::{Fail, NotApplicable, Pass, Undecided};
    let rows = [
        NOTHING,
        Row { name: "a threshold", broken_threshold: true, expected: (Verdict::Fail, 1, 1), ..NOTHING },
        Row { name: "a dead registry", failed: true, expected: (Verdict::Fail, 1, 1), ..NOTHING },
        Row { name: "a MUST", requirement: FAIL, expected: (Verdict::Fail, 2, 1), ..NOTHING },
        Row {
            name: "a MUST that was not claimed",
            requirement: Some(("MUST", Fail, false)),
            expected: (Verdict::Fail, 2, 1),
            ..NOTHING
        },
        Row { name: "a SHOULD", requirement: Some(("SHOULD", Fail, true)), ..NOTHING },
        Row { name: "one more that held", requirement: Some(("MUST", Pass, true)), ..NOTHING },
        Row { name: "not applicable", requirement: Some(("MUST", NotApplicable, true)), ..NOTHING },
        Row {
            name: "undecided",
            requirement: Some(("MUST", Undecided, true)),
            expected: (Verdict::Invalid, 3, 1),
            ..NOTHING
        },
        Row { name: "undecided, not claimed", requirement: Some(("MUST", Undecided, false)), ..NOTHING },
        Row { name: "invalid", invalid: true, expected: (Verdict::Invalid, 3, 1), ..NOTHING },
        Row { name: "no value", unmeasured_threshold: true, expected: (Verdict::Invalid, 3, 1), ..NOTHING },
        Row {
            name: "a MUST in an invalid run is broken all the same",
            invalid: true,
            requirement: FAIL,
            expected: (Verdict::Fail, 2, 2),
            ..NOTHING
        },
        Row {
            name: "a threshold in an invalid run says nothing",
            invalid: true,
            broken_threshold: true,
            expected: (Verdict::Invalid, 3, 2),
            ..NOTHING
        },
        Row {
            name: "a registry that died is dead whatever the generator did",
            invalid: true,
            failed: true,
            expected: (Verdict::Fail, 1, 2),
            ..NOTHING
        },
        Row {
            name: "all at once",
            invalid: true,
            failed: true,
            broken_threshold: true,
            unmeasured_threshold: true,
            requirement: FAIL,
            expected: (Verdict::Fail, 2, 5),
            ..NOTHING
        },
        Row { name: "interrupted", interrupted: true, expected: (Verdict::Invalid, 130, 1), ..NOTHING },
        Row {
            name: "interrupted after a broken MUST",
            interrupted: true,
            requirement: FAIL,
            expected: (Verdict::Fail, 130, 2),
            ..NOTHING
        },
    ];
    for row in &rows {
        let decision = decision(row);
        let found = (decision.verdict, decision.exit_code, decision.reasons.len());
        assert_eq!(found, row.expected, "{}: {:?}", row.name, decision.reasons);
    }
}

#[test]
fn reasons_name_what_and_how_much_with_the_weightiest_first() {
    let row = Row { requirement: FAIL, broken_threshold: true, ..NOTHING };
    assert_eq!(
        decision(&row).reasons,
        ["TIME-2 is broken: so it was", "register.response.p99 in ramp was 11.2ms, the limit is 500ms"]
    );
}

#[test]
fn what_was_claimed_and_never_judged_makes_the_run_invalid() {
    let claimed = ["TIME-9".to_owned()];
    let decision = decide(&Findings { claimed: &claimed, ..Findings::default() });
    assert_eq!((decision.verdict, decision.exit_code), (Verdict::Invalid, 3));
    assert_eq!(decision.reasons, ["TIME-9 was claimed and never judged"]);
}
