//! The program itself, as it is called.
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it could not judge"
)]

use std::process::{Command, Output};

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_bench");

fn bench(arguments: &[&str]) -> Output {
    Command::new(BENCH).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Any program has a size; this one is at hand.
#[test]
fn a_line_that_needs_no_load_is_measured_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ran = bench(&["--only", "binary", "--wallflower", BENCH, "--out", out.to_str().unwrap()]);
    if text(&ran.stderr).contains("two cores are needed") {
        eprintln!("not judged: {}", text(&ran.stderr));
        return;
    }
    assert!(ran.status.success(), "{ran:?}");
    let record: Value = serde_json::from_slice(&std::fs::read(out.join("bench.json")).unwrap()).unwrap();
    assert_eq!((&record["schema"], record["rows"].as_array().unwrap().len()), (&Value::from(1), 1));
    let megabytes = std::fs::metadata(BENCH).unwrap().len() as f64 / 1e6;
    let row = &record["rows"][0];
    assert_eq!((row["id"].as_str(), row["ours"]["median"].as_f64()), (Some("binary"), Some(megabytes)));
    assert_eq!(row["rounds"].as_array().unwrap().len(), 1);
    assert!(record["machine"]["cores"].as_u64().unwrap() >= 2);
    let table = std::fs::read_to_string(out.join("table.md")).unwrap();
    assert!(table.contains("size of the release binary"), "{table}");
    assert!(text(&ran.stdout).contains("bench.json"));
}

#[test]
fn what_is_off_by_default_is_not_skipped_silently() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let ran = bench(&["--only", "build", "--wallflower", BENCH, "--out", out.to_str().unwrap()]);
    if text(&ran.stderr).contains("two cores are needed") {
        eprintln!("not judged: {}", text(&ran.stderr));
        return;
    }
    assert!(text(&ran.stdout).contains("not measured (`--build` does it)"), "{ran:?}");
}

#[test]
fn usage_errors_say_what_to_do() {
    let unknown = bench(&["--only", "speed"]);
    assert_eq!(unknown.status.code(), Some(4));
    assert!(text(&unknown.stderr).contains("there are lean, head"), "{unknown:?}");
    let missing = bench(&["--only", "binary", "--wallflower", "/nowhere/wallflower"]);
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("cargo build --release"), "{missing:?}");
}
