//! The four files of a report.

use std::collections::BTreeSet;
use std::path::Path;

use quick_xml::events::Event;
use reports::result::{RunReport, Verdict};
use serde_json::Value;

use crate::sample;

#[test]
fn every_file_is_written_and_nothing_else_stays() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("report");
    for (name, report) in
        [("passed", sample::passed()), ("failed", sample::failed()), ("conformance", sample::conformance())]
    {
        let folder = folder.join(name);
        let written = reports::write_all(&report, &folder).unwrap();
        let names: BTreeSet<String> = std::fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        let expected =
            ["intervals.csv", "junit.xml", "report.html", "report.json", "summary.md"].map(str::to_owned);
        assert_eq!(names, BTreeSet::from(expected));
        assert_eq!(written.len(), 5);
    }
}

#[test]
fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let error = reports::write_all(&sample::passed(), &file.join("run")).unwrap_err();
    assert!(error.to_string().contains(&file.join("run").display().to_string()), "{error}");
}

fn json(report: &RunReport) -> Value {
    let mut bytes = Vec::new();
    reports::write_json(report, &mut bytes).unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn the_keys_that_gates_rely_on_are_there() {
    let report = json(&sample::failed());
    for pointer in [
        "/reasons/0",
        "/seed",
        "/plan_hash",
        "/scenario",
        "/agents/planned",
        "/agents/peak",
        "/calls/probe/count",
        "/calls/probe/errors",
        "/calls/probe/misses",
        "/calls/probe/response_us/p50",
        "/calls/probe/response_us/p90",
        "/calls/probe/response_us/p99",
        "/calls/probe/response_us/p999",
        "/calls/probe/response_us/max",
        "/calls/probe/service_us/p99",
        "/calls/probe/lag_us/p99",
        "/phases/3",
        "/thresholds/0/phase",
        "/thresholds/0/metric",
        "/thresholds/0/limit",
        "/thresholds/0/value",
        "/thresholds/0/ok",
        "/requirements/0/id",
        "/requirements/0/level",
        "/requirements/0/decided",
        "/requirements/0/samples",
        "/requirements/0/detail",
        "/target/cpu_seconds",
        "/target/pss_bytes",
        "/target/fds",
        "/generator/cpu_seconds",
        "/generator/pss_bytes",
    ] {
        assert!(report.pointer(pointer).is_some_and(|value| !value.is_null()), "{pointer} in {report:#}");
    }
    let verdicts: Vec<&str> =
        report["requirements"].as_array().unwrap().iter().map(|r| r["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["pass", "pass", "fail", "not_applicable", "undecided"]);
    for (verdict, word) in [(Verdict::Pass, "pass"), (Verdict::Fail, "fail"), (Verdict::Invalid, "invalid")] {
        let report = RunReport { verdict, ..sample::passed() };
        assert_eq!(json(&report)["verdict"], word);
    }
}

#[test]
fn the_report_is_read_back_as_it_was_written() {
    let report = sample::failed();
    assert_eq!(serde_json::from_value::<RunReport>(json(&report)).unwrap(), report);
}

/// Test cases, failures, errors, skipped, as the elements say and as the attributes of the root say.
fn junit(report: &RunReport) -> ([usize; 4], [usize; 3]) {
    let mut bytes = Vec::new();
    reports::junit::write(report, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let mut reader = quick_xml::Reader::from_str(&text);
    reader.config_mut().check_end_names = true;
    let (mut found, mut stated) = ([0; 4], [0; 3]);
    loop {
        match reader.read_event().unwrap_or_else(|error| panic!("{error} in {text}")) {
            Event::Start(element) | Event::Empty(element) => match element.name().as_ref() {
                b"testcase" => found[0] += 1,
                b"failure" => found[1] += 1,
                b"error" => found[2] += 1,
                b"skipped" => found[3] += 1,
                b"testsuites" => {
                    for (place, name) in ["tests", "failures", "errors"].iter().enumerate() {
                        let value = element.try_get_attribute(name).unwrap().unwrap().value;
                        stated[place] = std::str::from_utf8(&value).unwrap().parse().unwrap();
                    }
                }
                _ => {}
            },
            Event::Eof => return (found, stated),
            _ => {}
        }
    }
}

#[test]
fn junit_has_a_case_for_the_run_each_threshold_and_each_requirement() {
    assert_eq!(junit(&sample::passed()), ([9, 0, 0, 1], [9, 0, 0]));
    // One threshold and one requirement failed, one is undecided, one not applicable.
    assert_eq!(junit(&sample::failed()), ([10, 2, 1, 1], [10, 2, 1]));
    assert_eq!(junit(&sample::conformance()), ([5, 0, 0, 1], [5, 0, 0]));
}

#[test]
fn junit_tells_an_invalid_run_and_a_dead_registry_from_a_broken_threshold() {
    let reasons = vec!["lag p99 was 80 ms".to_owned()];
    let invalid = RunReport { verdict: Verdict::Invalid, reasons: reasons.clone(), ..sample::passed() };
    assert_eq!(junit(&invalid).0, [9, 0, 1, 1]);
    let died = RunReport { verdict: Verdict::Fail, reasons, ..sample::passed() };
    assert_eq!(junit(&died).0, [9, 1, 0, 1]);
    let mut unmeasured = sample::passed();
    unmeasured.thresholds[0].value.clear();
    assert_eq!(junit(&unmeasured).0, [9, 0, 1, 1]);
}

#[test]
fn a_broken_should_is_no_failure_in_junit() {
    let mut report = sample::failed();
    report.requirements[2].level = "SHOULD".into();
    assert_eq!(junit(&report).0, [10, 1, 1, 1]);
}

#[test]
fn the_summary_has_the_verdict_first_and_what_is_not_well() {
    let mut bytes = Vec::new();
    reports::markdown::write(&sample::failed(), &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    assert!(text.starts_with("## FAIL: quickstart\n"), "{text}");
    for word in [
        "| heartbeat.response.p99 | hold | 250ms | 412ms | **BROKEN** |",
        "Requirements: 1 FAIL, 1 UNDECIDED, 2 pass, 1 not applicable.",
        "| TIME-2 (MUST) | FAIL |",
        "       16188.000 ms  list shows expired or gone",
        "| gone | kill | 35.0 s | 1.0 s | 480 ms | never | 1,300 | 0 |",
        "| probe | 41,000 | 8 | 0 | 480 us |",
    ] {
        assert!(text.contains(word), "no {word:?} in\n{text}");
    }
    assert!(!text.contains("| TIME-1"), "what passed is counted, not listed\n{text}");
}
