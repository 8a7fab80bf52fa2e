//! Annotations and the summary for GitHub Actions.

use reports::result::{RequirementVerdict, ThresholdReport, Verdict};

use crate::sample;

fn written(report: &reports::result::RunReport) -> String {
    let mut written = Vec::new();
    reports::github::write(report, &mut written).unwrap();
    String::from_utf8(written).unwrap()
}

#[test]
fn what_broke_is_an_error_with_value_limit_time_and_rerun() {
    let expected = "::error title=TIME-2::workers-000017 was left out 812 ms before it may expire%0Arun it again: \
                    wallflower conformance --only TIME-2 --seed 1\n\
                    ::error title=heartbeat.response.p99 in hold::heartbeat.response.p99 in hold was 412ms, the limit \
                    is 250ms, first at 9.0 s\n";
    assert_eq!(written(&sample::failed()), expected);
    assert_eq!(written(&sample::passed()), "");
}

#[test]
fn a_broken_should_and_an_invalid_run_warn_and_a_death_is_an_error() {
    let mut report = sample::failed();
    report.requirements[2].level = "SHOULD".into();
    assert!(written(&report).starts_with("::error title=heartbeat"), "{}", written(&report));
    assert!(written(&report).contains("\n::warning title=TIME-2::"), "{}", written(&report));
    report.requirements[2].verdict = RequirementVerdict::ExpectedFail;
    assert!(written(&report).contains("\n::warning title=TIME-2::"), "{}", written(&report));
    let mut report = sample::passed();
    (report.verdict, report.reasons) = (Verdict::Invalid, vec!["lag p99 was 80 ms".into()]);
    assert_eq!(written(&report), "::warning title=quickstart::lag p99 was 80 ms\n");
    (report.verdict, report.reasons) = (Verdict::Fail, vec!["the registry ended by itself".into()]);
    assert_eq!(written(&report), "::error title=quickstart::the registry ended by itself\n");
}

#[test]
fn foreign_text_stays_on_its_line_and_is_no_command() {
    let mut report = sample::passed();
    report.verdict = Verdict::Fail;
    report.thresholds = vec![ThresholdReport {
        metric: "a:b,c".into(),
        phase: "50%\n::set-output name=x::y".into(),
        value: "1\r2".into(),
        ok: false,
        ..report.thresholds[0].clone()
    }];
    let written = written(&report);
    assert_eq!(written.lines().count(), 1, "{written}");
    assert!(written.starts_with("::error title=a%3Ab%2Cc in 50%25"), "{written}");
    assert!(!written.contains('\r'));
}

#[test]
fn a_thousand_are_ten_of_a_level() {
    let mut report = sample::failed();
    report.thresholds = vec![report.thresholds[1].clone(); 1_000];
    let written = written(&report);
    assert_eq!(written.lines().count(), 10);
    assert!(written.ends_with("::error title=wallflower::992 more, in summary.md of the run\n"), "{written}");
}

#[test]
fn a_summary_too_long_for_github_is_cut_at_a_line_and_says_so() {
    let report = sample::failed();
    let whole = reports::github::summary(&report, 100_000).unwrap();
    let cut = reports::github::summary(&report, 600).unwrap();
    assert!(cut.len() <= 600 && cut.ends_with("More is in summary.md of the run.\n"), "{cut}");
    let kept = cut.strip_suffix("\n\nMore is in summary.md of the run.\n").unwrap();
    assert!(whole.starts_with(&format!("{kept}\n")), "{cut}");
    assert_eq!(reports::github::summary(&report, 5).unwrap(), "");
}
