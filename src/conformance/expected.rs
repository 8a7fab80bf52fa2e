//! Failures that were expected: those that came fail no run, those that did not come do.

use reports::conformance::Expectation;
use reports::result::{RequirementReport, RequirementVerdict};

/// Marks the failures that were expected; gives the expectations that a pass has overtaken.
pub(super) fn settle(expected: &[Expectation], rows: &mut [RequirementReport]) -> Vec<Expectation> {
    let mut stale = Vec::new();
    for expectation in expected {
        let Some(row) = rows.iter_mut().find(|row| row.id == expectation.requirement) else { continue };
        match row.verdict {
            RequirementVerdict::Fail => {
                let issue = expectation.issue.as_ref().map(|issue| format!(", {issue}")).unwrap_or_default();
                row.verdict = RequirementVerdict::ExpectedFail;
                row.detail = format!("expected ({}{issue}): {}", expectation.why, row.detail);
            }
            RequirementVerdict::Pass => stale.push(expectation.clone()),
            // What was not decided overtakes nothing.
            RequirementVerdict::ExpectedFail
            | RequirementVerdict::Undecided
            | RequirementVerdict::NotApplicable => {}
        }
    }
    stale
}

/// What the report says of an expectation that a pass has overtaken.
pub(super) fn stale_sentence(stale: &Expectation) -> String {
    format!(
        "{} holds, but was expected to fail ({}): take it out of the file of expected failures",
        stale.requirement, stale.why
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(verdict: RequirementVerdict) -> RequirementReport {
        RequirementReport {
            id: "TIME-4".to_owned(),
            level: "MUST".to_owned(),
            text: String::new(),
            verdict,
            decided: 1,
            samples: 1,
            broken: 0,
            detail: "so it was".to_owned(),
            timeline: Vec::new(),
            rerun: String::new(),
            proof: None,
        }
    }

    #[test]
    fn an_expected_failure_is_marked_and_only_a_pass_makes_an_expectation_stale() {
        use RequirementVerdict::{ExpectedFail, Fail, NotApplicable, Pass, Undecided};
        let expectation =
            Expectation { requirement: "TIME-4".to_owned(), why: "slow sweep".to_owned(), issue: None };
        for (was, becomes, is_stale) in [
            (Fail, ExpectedFail, false),
            (Pass, Pass, true),
            (Undecided, Undecided, false),
            (NotApplicable, NotApplicable, false),
        ] {
            let mut rows = [row(was)];
            let stale = settle(std::slice::from_ref(&expectation), &mut rows);
            assert_eq!((rows[0].verdict, !stale.is_empty()), (becomes, is_stale), "{was:?}");
        }
        let mut rows = [row(Fail)];
        settle(&[expectation], &mut rows);
        assert_eq!(rows[0].detail, "expected (slow sweep): so it was");
    }
}
