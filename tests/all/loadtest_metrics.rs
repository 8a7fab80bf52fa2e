//! `wallflower loadtest --metrics-listen`: the generator's own figures while a run goes on.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use crate::program::{code, run, text, wallflower};
use crate::serve::ask;

const SCENARIO: &str = r#"
name = "measured"
description = "A run that is looked at while it goes on."
seed = 3

[target]
kind = "reference"
[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "1500ms"
expires_after = "2500ms"
evict_after = "30s"

[[fleets]]
name = "workers"
agents = 10
heartbeat = "200ms"
poll = "300ms"
capability_pool = 2
capabilities_per_agent = 1
dependencies_per_agent = 1

[[phases]]
name = "steady"
kind = "ramp"
duration = "8s"
"#;

/// Name, kind and labels, as docs/metrics.md has them.
fn documented() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md")).unwrap();
    let rows = page.lines().filter(|line| line.starts_with("| `loadtest_"));
    let unquoted = |cell: &str| cell.trim().trim_matches('`').to_owned();
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').collect();
        let labels = cells[3].split(',').map(unquoted).filter(|label| !label.is_empty()).collect();
        (unquoted(cells[1]), (unquoted(cells[2]), labels))
    })
    .collect()
}

fn exposed(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut families: BTreeMap<String, (String, BTreeSet<String>)> = BTreeMap::new();
    let mut current = String::new();
    for line in text.lines() {
        if let Some(family) = line.strip_prefix("# TYPE ") {
            let (name, kind) = family.split_once(' ').unwrap();
            current = name.to_owned();
            families.insert(current.clone(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((_, labels)) = line.split_once('{').filter(|_| !line.starts_with('#')) {
            let names = labels.split(',').filter_map(|label| label.split_once('=')).map(|(name, _)| name);
            let names = names.filter(|name| *name != "le").map(str::to_owned);
            families.get_mut(&current).unwrap().1.extend(names);
        }
    }
    families
}

fn value(text: &str, series: &str) -> f64 {
    let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("{series} is not in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn prometheus_can_read_a_run_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (scenario, out) = (folder.path().join("measured.toml"), folder.path().join("out"));
    std::fs::write(&scenario, SCENARIO).unwrap();
    let mut harness = wallflower()
        .args(["loadtest", scenario.to_str().unwrap(), "--metrics-listen", "127.0.0.1:0", "--out"])
        .arg(&out)
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(harness.stderr.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    let url = first.strip_prefix("metrics at ").unwrap_or_else(|| panic!("{first}"));
    let url = url.strip_suffix("/metrics").unwrap().to_owned();
    // The rest is read, so that the harness is never held up by it.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect::<Vec<_>>().join("\n"));
    let mut seen = String::new();
    while !(seen.contains("operation=\"renew\"") && seen.contains("operation=\"list\",result")) {
        assert!(harness.try_wait().unwrap().is_none(), "the run ended before it showed calls: {seen}");
        let (status, body) = ask(&url, "GET /metrics", "");
        assert_eq!(status, "HTTP/1.1 200 OK");
        seen = body;
    }
    assert_eq!(exposed(&seen), documented());
    let planned = value(&seen, "loadtest_calls_planned_total{operation=\"register\"}");
    let sent = value(&seen, "loadtest_calls_sent_total{operation=\"register\"}");
    assert!(planned >= sent && sent >= 1.0, "{seen}");
    let (all, last) = ("loadtest_response_seconds_count", "loadtest_response_seconds_bucket{le=\"10\"}");
    assert!(value(&seen, all) >= value(&seen, last) && value(&seen, last) > 0.0, "{seen}");
    assert!(value(&seen, "loadtest_target_pss_bytes") > 1e6, "{seen}");
    assert_eq!(value(&seen, "loadtest_phase_info{phase=\"steady\"}").to_string(), "1");
    assert!(ask(&url, "GET /", "").0.contains("404"));
    lint(&seen);
    let status = harness.wait().unwrap();
    // Whether it passed is not the question here; it must have ended by itself.
    assert!(status.code().is_some(), "{}", rest.join().unwrap());
    assert!(TcpStream::connect(url.strip_prefix("http://").unwrap()).is_err(), "it answers after the run");
}

/// Prometheus's own linter has nothing to say, where it is installed.
fn lint(exposition: &str) {
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let Ok(mut promtool) = promtool else { return };
    promtool.stdin.take().unwrap().write_all(exposition.as_bytes()).unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert_eq!((code(&output), text(&output).as_str()), (0, ""));
}

#[test]
fn an_address_that_is_taken_is_said_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let scenario = folder.path().join("measured.toml");
    std::fs::write(&scenario, SCENARIO).unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let out = folder.path().join("out");
    let arguments = [
        "loadtest",
        scenario.to_str().unwrap(),
        "--metrics-listen",
        &address,
        "--out",
        out.to_str().unwrap(),
    ];
    let output = run(&arguments);
    assert_eq!(code(&output), 4, "{}", text(&output));
    assert!(text(&output).contains(&format!("cannot listen at {address}")), "{}", text(&output));
    assert!(text(&output).contains("--metrics-listen"), "{}", text(&output));
}
