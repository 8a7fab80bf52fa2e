//! `junit.xml`: a test case for the run's validity, per phase and threshold, and per requirement.

use std::io::{self, Write};
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::result::{RequirementReport, RequirementVerdict, RunReport, ThresholdReport, Verdict};
use crate::words::plain;

/// Longest request, and answer, that is shown of a failure.
const MAX_PROOF: usize = 6_000;

/// Writes the XML that CI systems read.
///
/// # Errors
/// What `writer` says.
pub fn write(report: &RunReport, writer: &mut dyn Write) -> io::Result<()> {
    let mut document = Report::new(format!("wallflower {}", plain(&report.scenario)));
    document.set_time(Duration::from_millis(report.duration_ms));
    let mut run = TestSuite::new("run");
    run.set_time(Duration::from_millis(report.duration_ms));
    run.add_property(("seed", report.seed.to_string().as_str()));
    run.add_property(("plan_hash", plain(&report.plan_hash).as_str()));
    if let Some(shard) = &report.shard {
        run.add_property(("shard", format!("{}/{}", shard.number, shard.of).as_str()));
    }
    if let Some(merged) = &report.merged {
        run.add_property(("merged_shards", merged.shards.len().to_string().as_str()));
    }
    run.add_test_case(validity(report));
    document.add_test_suite(run);
    if !report.thresholds.is_empty() {
        let mut suite = TestSuite::new("thresholds");
        suite.add_test_cases(report.thresholds.iter().map(threshold));
        document.add_test_suite(suite);
    }
    if !report.requirements.is_empty() {
        let mut suite = TestSuite::new("requirements");
        suite.add_test_cases(report.requirements.iter().map(requirement));
        document.add_test_suite(suite);
    }
    document.serialize(writer).map_err(io::Error::other)
}

/// Errors say "could not be judged", failures "was judged and is bad"; CI systems keep the two apart.
fn not_ok(kind: NonSuccessKind, kind_name: &str, message: &str, description: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(kind_name).set_message(plain(message));
    if !description.is_empty() {
        status.set_description(plain(description));
    }
    status
}

/// The run as such: whether it says anything, and what failed it that is neither threshold nor requirement.
fn validity(report: &RunReport) -> TestCase {
    let first = report.reasons.first().map_or("no reason is known", String::as_str);
    let all = report.reasons.join("\n");
    let told_elsewhere = report.thresholds.iter().any(|threshold| !threshold.ok)
        || report.requirements.iter().any(|requirement| requirement.verdict == RequirementVerdict::Fail);
    let status = match report.verdict {
        Verdict::Invalid => not_ok(NonSuccessKind::Error, "invalid", first, &all),
        Verdict::Fail if !told_elsewhere => not_ok(NonSuccessKind::Failure, "failed", first, &all),
        _ if report.interrupted => not_ok(NonSuccessKind::Error, "interrupted", first, &all),
        Verdict::Fail | Verdict::Pass => TestCaseStatus::success(),
    };
    case("valid", "run", status)
}

fn threshold(threshold: &ThresholdReport) -> TestCase {
    // A limit from below says so itself.
    let below = if threshold.limit.starts_with("at least ") { "" } else { "<= " };
    let name = format!("{} {} {below}{}", threshold.phase, threshold.metric, threshold.limit);
    let status = if threshold.value.is_empty() {
        not_ok(NonSuccessKind::Error, "no-data", "there was nothing to measure", "")
    } else if threshold.ok {
        TestCaseStatus::success()
    } else {
        let message = format!("{}, the limit is {}", threshold.value, threshold.limit);
        not_ok(NonSuccessKind::Failure, "threshold", &message, "")
    };
    case(&name, &format!("thresholds.{}", threshold.phase), status)
}

fn requirement(requirement: &RequirementReport) -> TestCase {
    let detail = requirement.detail.as_str();
    let status = match requirement.verdict {
        RequirementVerdict::Pass => TestCaseStatus::success(),
        RequirementVerdict::Fail if requirement.level == "SHOULD" => TestCaseStatus::success(),
        RequirementVerdict::Fail => {
            let description = format!(
                "{}\n\n{}\n\n{}",
                requirement.text,
                requirement.timeline.join("\n"),
                crate::words::proof(requirement, MAX_PROOF).join("\n")
            );
            not_ok(NonSuccessKind::Failure, "requirement", detail, description.trim_end())
        }
        RequirementVerdict::Undecided => {
            not_ok(NonSuccessKind::Error, "undecided", detail, &requirement.text)
        }
        // A skipped case shows its message, and turns no run red.
        RequirementVerdict::NotApplicable | RequirementVerdict::ExpectedFail => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(plain(detail));
            status
        }
    };
    let mut case = case(&requirement.id, "requirements", status);
    if requirement.verdict == RequirementVerdict::Fail && requirement.level == "SHOULD" {
        case.set_system_out(format!("warning: {}", plain(detail)));
    }
    case
}

fn case(name: &str, class: &str, status: TestCaseStatus) -> TestCase {
    let mut case = TestCase::new(plain(name), status);
    case.set_classname(plain(class));
    case
}
