//! GUARD-1 to GUARD-3 against the reference registry, and against one that a proxy spoils for each.

use std::path::PathBuf;

use conformance::catalogue::Selection;
use conformance::generate;
use conformance::live::{Outcome, RunOptions, run};
use tokio::sync::watch;

use crate::alone;
use crate::not_judged::not_judged;
use crate::tampered::{CALM, TRIES, compare, target, told};

/// A fault, what is asked of it, and exactly what fails by it.
const FAULTS: &[(&str, &[&str], &[&str])] = &[
    ("none", &["GUARD-1", "GUARD-2", "GUARD-3"], &[]),
    ("heartbeats-are-turned-away-too", &["GUARD-1", "GUARD-2"], &["GUARD-1"]),
    ("lists-are-turned-away-without-a-time", &["GUARD-1", "GUARD-2"], &["GUARD-1"]),
    ("wrong-tokens-are-let-in", &["GUARD-1", "GUARD-2"], &["GUARD-2"]),
    ("refused-but-done", &["GUARD-1", "GUARD-2"], &["GUARD-2"]),
    ("gone-are-kept", &["GUARD-2", "GUARD-3"], &["GUARD-3"]),
];

/// Every requirement that one of these faults breaks.
pub(crate) fn broken_ids() -> impl Iterator<Item = &'static str> {
    FAULTS.iter().flat_map(|(_, _, must)| must.iter().copied())
}

async fn run_on(fault: &str, asked: &[&str], seed: u64, history: PathBuf) -> Outcome {
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    let only: Vec<String> = asked.iter().map(|id| (*id).to_owned()).collect();
    let options = RunOptions {
        target: target(fault, &generate::policies(seed, seed, CALM)),
        store: None,
        reference_program: PathBuf::new(),
        selection: Selection::parse(None, &only).unwrap(),
        seed,
        history,
        rerun: "wallflower conformance --only {id} --seed {seed}".to_owned(),
        agents: Some(12),
        wave_agents: Some(0),
        interrupt,
        progress,
    };
    run(options).await.unwrap()
}

/// One after the other: a flood leaves no room for anything beside it.
#[tokio::test(flavor = "multi_thread")]
async fn each_tampered_registry_fails_on_what_its_fault_breaks_and_a_protected_one_passes() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let chosen = std::env::var("FAULT").ok();
    let mut wrong = Vec::new();
    for (fault, asked, must) in
        FAULTS.iter().filter(|(name, ..)| chosen.as_deref().is_none_or(|chosen| chosen == *name))
    {
        let mut last = String::new();
        let mut judged = false;
        for seed in 1..=TRIES {
            let outcome =
                run_on(fault, asked, seed, folder.path().join(format!("{fault}-{seed}.jsonl"))).await;
            last = told(&outcome);
            eprintln!("{fault}, seed {seed}: {last}");
            match compare(fault, must, &outcome) {
                Ok(decided) => judged = decided,
                Err(error) => {
                    wrong.push(format!("{error} (seed {seed})\n{last}"));
                    judged = true;
                }
            }
            if judged {
                break;
            }
        }
        if !judged {
            not_judged(fault, &last);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
