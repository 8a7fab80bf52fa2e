//! Each rule by which a load test is INVALID, proven by starving the generator for real of what the rule is about. A slow
//! machine only adds reasons, so that nothing here depends on its speed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use crate::machine::alone;
use crate::not_judged::not_judged;
use crate::program::{Served, code, registry_of, report, signal, text, wallflower};

/// Forty agents with a heartbeat every 200 ms, for some five seconds.
const SHORT: &str = r#"
name = "starved"

[target.policies.default]
heartbeat_interval = "1s"
degraded_after = "10s"
expires_after = "20s"
evict_after = "60s"

[[fleets]]
name = "workers"
agents = 40
heartbeat = "200ms"
jitter = 0.1

[[phases]]
name = "ramp"
kind = "ramp"
duration = "500ms"

[[phases]]
name = "hold"
kind = "hold"
duration = "5s"
"#;

/// A folder with the scenario in it and the place for the run's output.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("short.toml"), SHORT).unwrap();
        Self { folder }
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    /// `wallflower loadtest` of the scenario, `more` behind it.
    fn arguments(&self, more: &[&str]) -> Vec<String> {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let mut arguments = vec!["loadtest".to_owned(), path(&self.folder.path().join("short.toml"))];
        arguments.extend(["--out".to_owned(), path(&self.out()), "--quiet".to_owned()]);
        arguments.extend(more.iter().map(|&word| word.to_owned()));
        arguments
    }

    fn start(&self, more: &[&str]) -> Child {
        let mut command = wallflower();
        command.args(self.arguments(more)).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    /// The same through a shell, after `first`.
    fn through_shell(&self, first: &[&str], script: &str, more: &[&str]) -> Output {
        let mut command = Command::new(first[0]);
        command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null()).args(&first[1..]);
        command.args(["sh", "-c", &format!("{script} && exec \"$@\""), "sh", crate::program::path()]);
        command.args(self.arguments(more)).output().unwrap()
    }

    /// What made the run INVALID, after a look at its exit code.
    fn reasons(&self, output: &Output) -> Vec<String> {
        assert_eq!(code(output), 3, "{}", text(output));
        let report = report(&self.out());
        assert_eq!(report["verdict"], "invalid", "{}", text(output));
        let reasons = report["reasons"].as_array().unwrap();
        reasons.iter().map(|reason| reason.as_str().unwrap().to_owned()).collect()
    }
}

/// Each of the beginnings must be among the reasons.
fn hold(reasons: &[String], expected: &[&str]) {
    for part in expected {
        assert!(reasons.iter().any(|reason| reason.contains(part)), "no reason with {part:?}: {reasons:#?}");
    }
}

/// Processes that take all they get of one core, until dropped.
struct Spinners(Vec<Child>);

impl Spinners {
    fn on_core(core: &str, count: usize) -> Self {
        let spin = || {
            let mut command = Command::new("taskset");
            command.args(["-c", core, "sh", "-c", "while :; do :; done"]).spawn().unwrap()
        };
        Self((0..count).map(|_| spin()).collect())
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A generator that the host stops for two seconds sends late, misses what was due meanwhile, and its worst lag is above a
/// period: four rules at once.
#[test]
fn a_generator_that_is_stopped_for_two_seconds_has_lag_and_misses_of_its_own() {
    let place = Place::new();
    let harness = place.start(&[]);
    registry_of(&harness, &place.out());
    signal(harness.id(), "STOP");
    std::thread::sleep(Duration::from_secs(2));
    signal(harness.id(), "CONT");
    let reasons = place.reasons(&harness.wait_with_output().unwrap());
    hold(
        &reasons,
        &[
            "the harness sent late: 99 % lag",
            "the harness sent late: the worst lag",
            "the harness sent only",
            "were missed because the harness was late",
        ],
    );
}

#[test]
fn a_generator_whose_core_is_taken_by_others_was_starved_of_cpu() {
    alone();
    let place = Place::new();
    let harness = place.start(&[]);
    registry_of(&harness, &place.out());
    let pid = harness.id().to_string();
    for command in [["taskset", "-a", "-c", "-p", "0", &pid].as_slice(), &["renice", "-n", "19", "-p", &pid]]
    {
        let done = Command::new(command[0]).args(&command[1..]).output().unwrap();
        assert!(done.status.success(), "{}", text(&done));
    }
    let spinners = Spinners::on_core("0", 4);
    std::thread::sleep(Duration::from_secs(3));
    drop(spinners);
    hold(&place.reasons(&harness.wait_with_output().unwrap()), &["the harness was starved of CPU"]);
}

#[test]
fn a_bound_on_calls_in_flight_that_holds_calls_back_is_named() {
    let place = Place::new();
    let harness = place.start(&["--set", "max_in_flight=1", "--set", "call_timeout=3s"]);
    let registry = registry_of(&harness, &place.out());
    signal(registry, "STOP");
    std::thread::sleep(Duration::from_millis(1_500));
    signal(registry, "CONT");
    let reasons = place.reasons(&harness.wait_with_output().unwrap());
    hold(&reasons, &["the limit of 1 calls in flight was hit"]);
}

/// 200 connections of the agents' own do not fit under a limit of 100 descriptors.
#[test]
fn a_generator_without_descriptors_holds_fewer_connections_than_it_was_asked_for() {
    let place = Place::new();
    let served = Served::start(place.folder.path(), &[]);
    let own = ["--target", &served.url, "--set", "fleets.workers.connections=own"];
    let more = ["--set", "fleets.workers.agents=200", "--set", "workers=1"];
    let output = place.through_shell(&["env"], "ulimit -n 100", &[own.as_slice(), &more].concat());
    hold(&place.reasons(&output), &["ran out of file descriptors", "connections"]);
}

/// In a network namespace of its own with 21 local ports.
#[test]
fn a_generator_without_local_ports_says_so() {
    let place = Place::new();
    let namespace = ["unshare", "-Urn"];
    if !Command::new("unshare").args(["-Urn", "true"]).output().is_ok_and(|done| done.status.success()) {
        return not_judged("local ports", "user namespaces cannot be had here");
    }
    let few = "ip link set lo up && echo 40000 40020 >/proc/sys/net/ipv4/ip_local_port_range";
    let own = ["--set", "fleets.workers.connections=own", "--set", "source_addresses=1"];
    hold(&place.reasons(&place.through_shell(&namespace, few, &own)), &["ran out of local ports"]);
}

/// The history's disk is a file system of 64 KiB.
#[test]
fn a_history_that_does_not_fit_on_its_disk_proves_nothing() {
    let place = Place::new();
    if !Command::new("unshare").args(["-Urm", "true"]).output().is_ok_and(|done| done.status.success()) {
        return not_judged("a full disk", "user namespaces cannot be had here");
    }
    std::fs::create_dir(place.out()).unwrap();
    std::fs::create_dir(place.folder.path().join("small")).unwrap();
    let small = place.folder.path().join("small").display().to_string();
    let link = place.out().join("history.jsonl");
    std::os::unix::fs::symlink(format!("{small}/history.jsonl"), &link).unwrap();
    let mount = format!("mount -t tmpfs -o size=64k none {small}");
    let output = place.through_shell(&["unshare", "-Urm"], &mount, &[]);
    hold(&place.reasons(&output), &["the history could not be written"]);
}

/// The disk stands still for nine seconds, which is more than the queue before it holds.
#[test]
fn a_history_whose_disk_stands_still_loses_lines_and_says_how_many() {
    let place = Place::new();
    let disk = place.folder.path().join("slow_disk.so").display().to_string();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/all/slow_disk.c");
    match Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o", &disk, source]).output() {
        Ok(built) if built.status.success() => {}
        Ok(built) => panic!("{}", text(&built)),
        Err(_) => return not_judged("a slow disk", "there is no C compiler here"),
    }
    let mut command = wallflower();
    command.args(place.arguments(&["--set", "phases.hold.duration=12s"])).env("LD_PRELOAD", &disk);
    let reasons = place.reasons(&command.output().unwrap());
    hold(&reasons, &["the history writer fell behind and lost"]);
}
