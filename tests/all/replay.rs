//! What a conformance run has failed on, `failed.json`: left behind, replayed first, marked when it holds.

use std::path::Path;

use serde_json::Value;

use crate::machine::measured;
use crate::program::{code, judged, report, run, text};

/// A target file: this program's own registry, held to X = 1.2 s, with `lease` as the X that it really has.
fn target(folder: &Path, lease: &str) -> String {
    let program = crate::program::path();
    let file = format!(
        r#"
name = "own"
command = ["{program}", "serve", "--listen", "127.0.0.1:{{port}}", "--database", "sqlite://{{dir}}/registry.db",
    "--policy", "default=100ms,400ms,{lease},2s"]

[policies.default]
heartbeat_interval = "300ms"
degraded_after = "600ms"
expires_after = "1200ms"
evict_after = "2s"
"#
    );
    let path = folder.join(format!("leases-of-{lease}.toml"));
    std::fs::write(&path, file).unwrap();
    path.display().to_string()
}

fn conformance<'a>(target: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&["conformance", "--only", "TIME-2", "--target", target], more].concat()
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn what_failed_is_shrunk_and_kept_and_replayed_first_until_it_holds() {
    measured();
    let folder = tempfile::tempdir().unwrap();
    let (broken, mended) = (target(folder.path(), "800ms"), target(folder.path(), "1200ms"));
    let out = folder.path().join("first");
    let Some(output) = judged("a lease cut short", &conformance(&broken, &[]), &out) else { return };
    assert_eq!(code(&output), 2, "{}", text(&output));
    let failed = out.join("failed.json");
    let kept = read(&failed);
    let row = &kept["requirements"][0];
    assert_eq!(row["id"], "TIME-2");
    // Whoever registers and says nothing more is gone too early: at most one more heartbeat is needed to show it.
    let steps = row["schedule"]["steps"].as_array().unwrap_or_else(|| panic!("not shrunk: {kept:#}"));
    assert!(steps.len() <= 1, "{kept:#}");
    assert!(!row["found"]["detail"].as_str().unwrap().is_empty(), "{kept:#}");
    let shown = &report(&out)["requirements"][0];
    assert!(shown["detail"].as_str().unwrap().contains("Shrunk from"), "{shown:#}");
    assert!(shown["timeline"].to_string().contains("<== WRONG"), "{shown:#}");
    // The call that proves it is one of the smaller schedule's agent.
    let proof = &shown["proof"];
    assert!(proof["agent"].as_str().unwrap().starts_with("shrunk-"), "{proof:#}");
    assert!(proof["curl"].as_str().unwrap().starts_with("curl "), "{proof:#}");
    let again = run(&["judge", out.join("shrunk.jsonl").to_str().unwrap()]);
    assert_eq!(code(&again), 2, "{}", text(&again));

    let replay = ["--replay", failed.to_str().unwrap()];
    let out = folder.path().join("second");
    let output = run(&[conformance(&broken, &replay), vec!["--out", out.to_str().unwrap()]].concat());
    assert_eq!(code(&output), 2, "{}", text(&output));
    assert!(text(&output).contains("replaying 1 schedules"), "{}", text(&output));
    assert!(!text(&output).contains("agents side by side"), "nothing else was run: {}", text(&output));
    let still = read(&out.join("replay/failed.json"));
    assert_eq!(still["requirements"][0]["schedule"], row["schedule"], "{still:#}");
    assert_eq!(read(&failed), kept, "what fails still is not marked");

    let out = folder.path().join("third");
    let Some(output) = judged("a mended lease", &conformance(&mended, &replay), &out) else { return };
    assert_eq!(code(&output), 0, "{}", text(&output));
    assert!(text(&output).contains("holds now"), "{}", text(&output));
    let marked = read(&failed);
    assert!(marked["passed_at"].is_string(), "{marked:#}");
    assert_eq!(marked["requirements"], kept["requirements"], "a marked file can be replayed again");
    assert!(!out.join("failed.json").exists() && !out.join("replay/failed.json").exists());
}

#[test]
fn a_file_that_no_run_left_is_refused_with_the_reason_before_anything_is_started() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("failed.json");
    let schedule = |act: &str| {
        format!(
            r#"{{"seed": 1, "requirements": [{{"id": "TIME-2", "detail": "", "story": [], "schedule": {{"agent_type":
            "default", "steps": [{{"gap": {{"unit": "degraded_after", "permille": 900}}, "act": {act}}}]}}}}]}}"#
        )
    };
    for (content, reason) in [
        ("{".to_owned(), "is not the failed.json of a conformance run"),
        (r#"{"verdict": "fail"}"#.to_owned(), "missing field `seed`"),
        (r#"{"seed": 1, "requirements": []}"#.to_owned(), "names no requirement"),
        (
            r#"{"seed": 1, "requirements": [{"id": "TIME-99", "detail": "", "story": []}]}"#.to_owned(),
            "TIME-99",
        ),
        (schedule(r#""dance""#), "unknown variant `dance`"),
        (schedule(r#"{"race": 100000}"#), "step 1: a race is of 1 to 64 heartbeats"),
    ] {
        std::fs::write(&path, &content).unwrap();
        let out = folder.path().join("out");
        let output =
            run(&["conformance", "--replay", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        assert_eq!(code(&output), 4, "{content}: {}", text(&output));
        assert!(text(&output).replace('\n', " ").contains(reason), "{content}: {}", text(&output));
        assert!(!out.exists(), "{content}: something was begun");
    }
    let absent = run(&["conformance", "--replay", "no/such/failed.json"]);
    assert_eq!(code(&absent), 4);
    assert!(text(&absent).contains("which --replay names"), "{}", text(&absent));
}
