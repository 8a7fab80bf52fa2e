//! The probes against the reference registry, and against one that a proxy spoils for each requirement.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use conformance::catalogue::Selection;
use conformance::generate;
use conformance::live::{Outcome, RunOptions, run};
use reports::result::RequirementVerdict;
use tokio::sync::{SemaphorePermit, watch};

use crate::beside;
use crate::not_judged::not_judged;
use crate::stub::Stub;

/// The requirements that probes decide.
const PROBED: &[&str] = &["VIEW-1", "VIEW-4", "VIEW-6", "VIEW-7", "VIEW-8", "VIEW-9", "VIEW-10", "VIEW-11"];

/// A fault, and exactly what fails by it.
const FAULTS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("health-counts-one-too-many", &["VIEW-1"]),
    ("reads-show-another-status", &["VIEW-1"]),
    ("old-tags-get-304", &["VIEW-4"]),
    ("deltas-keep-what-left", &["VIEW-6"]),
    ("pages-lose-an-agent", &["VIEW-7"]),
    ("filters-ignore-versions", &["VIEW-9"]),
    ("wiring-in-another-order", &["VIEW-10"]),
    ("polls-sleep-on", &["VIEW-8"]),
    ("events-lose-a-transition", &["VIEW-11"]),
];

/// The same of order and input: what changes the registry, and is therefore run by itself.
const PROBED_RACES: &[&str] =
    &["RACE-3", "RACE-4", "RACE-5", "RACE-6", "RACE-7", "INPUT-1", "INPUT-2", "INPUT-3"];

/// A fault, and exactly what of these fails by it.
const RACE_FAULTS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("repeats-count", &["RACE-3"]),
    ("latecomers-count", &["RACE-4"]),
    ("twins-are-mixed", &["RACE-5"]),
    ("a-lean-heartbeat-revives", &["RACE-6"]),
    ("the-deregistered-come-back", &["RACE-7"]),
    ("one-fault-is-named", &["INPUT-1"]),
    ("a-nul-is-a-500", &["INPUT-2"]),
    ("unknown-parameters-are-dropped", &["INPUT-3"]),
];

/// The same of the MCP interface.
const PROBED_MCP: &[&str] = &["PASSIVE-5", "MCP-1", "MCP-2", "MCP-3", "MCP-4"];

/// A fault, and exactly what of these fails by it.
const MCP_FAULTS: &[(&str, &[&str])] = &[
    ("none", &[]),
    ("mcp-loses-a-tool", &["MCP-1"]),
    ("mcp-tool-differs-from-http", &["MCP-2"]),
    // That a result is as its schema says is a demand of the revision too.
    ("mcp-wrong-structure", &["MCP-1", "MCP-4"]),
    ("mcp-text-says-something-else", &["MCP-1", "MCP-4"]),
    // What is sent unasked breaks the profile as well, of which it is a part.
    ("mcp-event-stream", &["PASSIVE-5", "MCP-3"]),
    ("mcp-get-stream", &["PASSIVE-5", "MCP-3"]),
    ("mcp-declares-list-changed", &["PASSIVE-5", "MCP-3"]),
    ("mcp-session-id", &["MCP-3"]),
    ("mcp-asks-for-input", &["MCP-3"]),
    ("mcp-without-ttl", &["MCP-4"]),
    ("mcp-any-origin", &["MCP-4"]),
    ("mcp-any-host", &["MCP-4"]),
];

/// Every requirement that one of these faults breaks.
pub(crate) fn broken_ids() -> impl Iterator<Item = &'static str> {
    [FAULTS, RACE_FAULTS, MCP_FAULTS].into_iter().flatten().flat_map(|(_, must)| must.iter().copied())
}

/// A machine that is too slow to decide gets so many tries; then it judges nothing.
const TRIES: u64 = 3;

const TAMPERING: Stub =
    Stub { program: "tampering_registry", data: "registry.db", unit: "ms", ready_path: "/readyz" };

/// The longest policy: a probe's calm agents show no timer within a third of it.
const CALM: Duration = Duration::from_secs(60);

async fn run_on(probed: &[&str], fault: &str, seed: u64, history: PathBuf) -> Outcome {
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    let only: Vec<String> = probed.iter().map(|id| (*id).to_owned()).collect();
    let options = RunOptions {
        target: TAMPERING.target(fault, &generate::policies(seed, seed, CALM)),
        store: None,
        reference_program: PathBuf::new(),
        selection: Selection::parse(None, &only).unwrap(),
        seed,
        history,
        rerun: "wallflower conformance --only {id} --seed {seed}".to_owned(),
        lacks: Vec::new(),
        room: None,
        system_clock: None,
        explain: false,
        routes: Vec::new(),
        agents: Some(12),
        wave_agents: Some(0),
        replay: Vec::new(),
        shrinks: false,
        interrupt,
        progress,
    };
    run(options).await.unwrap()
}

fn told(outcome: &Outcome) -> String {
    let mut lines = vec![format!("failed: {:?}, invalid: {:?}", outcome.failed, outcome.invalid)];
    for row in &outcome.judgement.requirements {
        lines.push(format!("{} {:?} {}/{}: {}", row.id, row.verdict, row.decided, row.samples, row.detail));
        lines.extend(row.timeline.iter().map(|line| format!("        {line}")));
    }
    lines.join("\n")
}

/// `Ok(true)`: as the table says. `Ok(false)`: something could not be decided. `Err`: a wrong pass or a wrong failure.
fn compare(fault: &str, must: &[&str], outcome: &Outcome) -> Result<bool, String> {
    let rows = &outcome.judgement.requirements;
    let with = |verdict: RequirementVerdict| -> BTreeSet<&str> {
        rows.iter().filter(|row| row.verdict == verdict).map(|row| row.id.as_str()).collect()
    };
    let failed = with(RequirementVerdict::Fail);
    if let Some(wrong) = failed.iter().find(|id| !must.contains(*id)) {
        return Err(format!("{fault}: {wrong} fails, though the fault does not break it"));
    }
    if let Some(wrong) = with(RequirementVerdict::Pass).into_iter().find(|id| must.contains(id)) {
        return Err(format!("{fault}: {wrong} passes, though the fault breaks it"));
    }
    if !outcome.failed.is_empty() {
        return Err(format!("{fault}: the registry failed"));
    }
    Ok(outcome.invalid.is_empty() && with(RequirementVerdict::Undecided).is_empty())
}

pub(crate) async fn check(
    probed: &'static [&'static str],
    fault: &'static str,
    must: &'static [&'static str],
    folder: &Path,
    room: impl AsyncFn() -> SemaphorePermit<'static>,
) -> Result<(), String> {
    let mut last = String::new();
    for seed in 1..=TRIES {
        let _room = room().await;
        let outcome = run_on(probed, fault, seed, folder.join(format!("{fault}-{seed}.jsonl"))).await;
        last = told(&outcome);
        match compare(fault, must, &outcome) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(format!("{error} (seed {seed})\n{last}")),
        }
    }
    not_judged(fault, &format!("undecided in {TRIES} runs: {last}"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_registry_fails_on_what_its_fault_breaks_and_the_reference_passes() {
    matrix(PROBED, FAULTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_registry_tampered_in_order_or_input_fails_on_what_its_fault_breaks() {
    matrix(PROBED_RACES, RACE_FAULTS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_registry_with_a_tampered_mcp_interface_fails_on_what_its_fault_breaks() {
    matrix(PROBED_MCP, MCP_FAULTS).await;
}

async fn matrix(probed: &'static [&'static str], faults: &'static [(&'static str, &'static [&'static str])]) {
    let folder = tempfile::tempdir().unwrap();
    let chosen = std::env::var("FAULT").ok();
    let mut running = tokio::task::JoinSet::new();
    for (fault, must) in
        faults.iter().filter(|(name, _)| chosen.as_deref().is_none_or(|chosen| chosen == *name))
    {
        let folder = folder.path().to_owned();
        running.spawn(async move { check(probed, fault, must, &folder, beside).await });
    }
    let wrong: Vec<String> = running.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
