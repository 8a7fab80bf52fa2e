//! The live suite against a registry that is right, and against one broken registry for each requirement.

use std::collections::BTreeSet;
use std::path::PathBuf;

use agent_sim::room::can_have_disk;
use conformance::catalogue::{REQUIREMENTS, Selection};
use conformance::generate;
use conformance::live::{Outcome, RunOptions, run};
use reports::result::RequirementVerdict;
use scenarios::model::TargetKind;
use tokio::sync::watch;

use crate::not_judged::not_judged;
use crate::stub::{self, BROKEN, WAVE_LEASE};
use crate::{alone, beside};

/// One fault, and exactly what fails by it.
#[derive(Clone, Copy)]
struct Fault {
    name: &'static str,
    must: &'static [&'static str],
}

/// Faults of one kind, and the requirements that each of them is held against: what takes long is not run for each.
struct Group {
    requirements: &'static [&'static str],
    faults: &'static [Fault],
}

const GROUPS: &[Group] = &[
    Group {
        requirements: &[
            "PASSIVE-1",
            "TIME-1",
            "TIME-2",
            "TIME-3",
            "TIME-4",
            "TIME-5",
            "TIME-6",
            "TIME-7",
            "RACE-2",
            "VIEW-2",
            "VIEW-3",
            "VIEW-5",
            "DURABLE-1",
            "DURABLE-2",
        ],
        faults: &[
            Fault { name: "none", must: &[] },
            Fault { name: "calls-agent", must: &["PASSIVE-1"] },
            // Steady agents near D are shown as degraded too.
            Fault { name: "degrades-early", must: &["TIME-1", "TIME-7"] },
            // A lease that is cut short is cut short behind a restart as well.
            Fault { name: "expires-early", must: &["TIME-2", "DURABLE-2"] },
            Fault { name: "never-degrades", must: &["TIME-3"] },
            Fault { name: "expires-late", must: &["TIME-4"] },
            // What goes back to healthy is not degraded in time either.
            Fault { name: "status-goes-backwards", must: &["TIME-3", "TIME-5"] },
            // The type that is held to another's longer policy degrades and expires late.
            Fault { name: "one-policy-for-all", must: &["TIME-3", "TIME-4", "TIME-6"] },
            // A flap under renewals is a status that is early as well.
            Fault { name: "flaps-under-steady-beats", must: &["TIME-1", "TIME-7"] },
            Fault { name: "race-shortens-lease", must: &["RACE-2"] },
            Fault { name: "stale-view-cache", must: &["VIEW-2"] },
            Fault { name: "wrong-304", must: &["VIEW-3"] },
            Fault { name: "renewals-bump-revision", must: &["VIEW-5"] },
            Fault { name: "forgets-acknowledged", must: &["DURABLE-1"] },
            Fault { name: "no-lease-after-restart", must: &["DURABLE-2"] },
        ],
    },
    Group {
        requirements: &["RACE-1"],
        faults: &[Fault { name: "none", must: &[] }, Fault { name: "renews-the-expired", must: &["RACE-1"] }],
    },
    Group {
        requirements: &["PASSIVE-1", "PASSIVE-2", "PASSIVE-3", "PASSIVE-4"],
        faults: &[
            Fault { name: "none", must: &[] },
            // The kernel sees the call as well, and so do those that provoke it.
            Fault { name: "calls-agent", must: &["PASSIVE-1", "PASSIVE-2", "PASSIVE-4"] },
            Fault { name: "calls-webhooks", must: &["PASSIVE-1", "PASSIVE-2", "PASSIVE-4"] },
            Fault { name: "phones-home", must: &["PASSIVE-2"] },
            Fault { name: "sends-datagrams", must: &["PASSIVE-2", "PASSIVE-4"] },
            Fault { name: "is-refused", must: &["PASSIVE-2", "PASSIVE-4"] },
            // A question for a name is a datagram.
            Fault { name: "resolves-names", must: &["PASSIVE-2", "PASSIVE-3", "PASSIVE-4"] },
        ],
    },
    Group {
        requirements: &["TIME-8", "TIME-9", "DURABLE-3", "DURABLE-4", "DURABLE-5", "DURABLE-6"],
        faults: &[
            Fault { name: "none", must: &[] },
            Fault { name: "leases-on-wall-clock", must: &["TIME-8"] },
            Fault { name: "pause-is-silence", must: &["TIME-9"] },
            // Whom each restart revives comes back by itself as well.
            Fault { name: "immortal", must: &["DURABLE-3", "DURABLE-4"] },
            Fault { name: "forgets-expiries", must: &["DURABLE-4"] },
            Fault { name: "numbers-start-again", must: &["DURABLE-4"] },
            Fault { name: "unknown-under-trouble", must: &["DURABLE-5"] },
            Fault { name: "unknown-on-a-full-disk", must: &["DURABLE-5"] },
            Fault { name: "acknowledges-on-a-full-disk", must: &["DURABLE-5"] },
            Fault { name: "takes-any-store", must: &["DURABLE-6"] },
        ],
    },
];

/// What the run that is ended early was to decide.
const EARLY: &[&str] = GROUPS[0].requirements;

/// A machine that is too slow to decide gets so many tries.
pub(crate) const TRIES: u64 = 3;

/// The first try has the fastest policies; each further one has slower ones.
pub(crate) async fn run_on(requirements: &[&str], fault: &str, seed: u64, history: PathBuf) -> Outcome {
    // Both other ends are gone: neither is needed for a run.
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    run(options((requirements, fault), seed, history, interrupt, progress)).await.unwrap()
}

pub(crate) fn options(
    (requirements, fault): (&[&str], &str),
    seed: u64,
    history: PathBuf,
    interrupt: watch::Receiver<bool>,
    progress: watch::Sender<String>,
) -> RunOptions {
    let only: Vec<String> = requirements.iter().map(|id| (*id).to_owned()).collect();
    RunOptions {
        target: BROKEN.target(fault, &generate::policies(seed, seed, WAVE_LEASE)),
        reference_program: PathBuf::new(),
        store: Some("{dir}/changes.jsonl".to_owned()),
        selection: Selection::parse(None, &only).unwrap(),
        seed,
        history,
        rerun: "wallflower conformance --only {id} --seed {seed}".to_owned(),
        lacks: Vec::new(),
        room: Some(stub::room()),
        system_clock: None,
        explain: false,
        routes: Vec::new(),
        agents: Some(48),
        wave_agents: Some(300),
        replay: Vec::new(),
        shrinks: false,
        interrupt,
        progress,
    }
}

pub(crate) fn with_verdict(outcome: &Outcome, verdict: RequirementVerdict) -> BTreeSet<&str> {
    let rows = outcome.judgement.requirements.iter();
    rows.filter(|row| row.verdict == verdict).map(|row| row.id.as_str()).collect()
}

pub(crate) fn told(outcome: &Outcome) -> String {
    let mut lines = vec![format!(
        "failed: {:?}, invalid: {:?}, lag {:?}, floor {:?}",
        outcome.failed, outcome.invalid, outcome.generator.lag_us, outcome.generator.timer_floor_us
    )];
    for row in &outcome.judgement.requirements {
        lines.push(format!("{} {:?} {}/{}: {}", row.id, row.verdict, row.decided, row.samples, row.detail));
        lines.extend(row.timeline.iter().map(|line| format!("        {line}")));
    }
    lines.join("\n")
}

/// Whether the run says what the table says; `Err` in words when it says otherwise, `Ok(false)` when it could not
/// decide.
fn compare(fault: &Fault, outcome: &Outcome) -> Result<bool, String> {
    let failed = with_verdict(outcome, RequirementVerdict::Fail);
    let undecided = with_verdict(outcome, RequirementVerdict::Undecided);
    let unasked = with_verdict(outcome, RequirementVerdict::NotApplicable);
    if let Some(wrong) = failed.iter().find(|id| !fault.must.contains(*id)) {
        return Err(format!("{}: {wrong} fails, though the fault does not break it", fault.name));
    }
    if let Some(absent) = fault.must.iter().find(|id| unasked.contains(*id)) {
        // Where strace is missing nobody can say what the kernel would have told.
        eprintln!("{}: not judged by {absent}, which cannot be had here\n{}", fault.name, told(outcome));
        return Ok(true);
    }
    if let Some(missing) = fault.must.iter().find(|id| !failed.contains(*id)) {
        if undecided.contains(missing) {
            return Ok(false);
        }
        return Err(format!("{}: {missing} does not fail", fault.name));
    }
    if let Some(death) = outcome.failed.first() {
        return Err(format!("{}: {death}", fault.name));
    }
    // A right registry passes everything; beside a fault some requirements cannot be told apart from it.
    Ok(outcome.invalid.is_empty() && (!fault.must.is_empty() || undecided.is_empty()))
}

async fn check(requirements: &'static [&'static str], fault: Fault, folder: PathBuf) -> Result<(), String> {
    if fault.name.ends_with("on-a-full-disk")
        && let Err(reason) = can_have_disk(&stub::room()).await
    {
        not_judged(fault.name, &reason);
        return Ok(());
    }
    let mut last = String::new();
    for seed in 1..=TRIES {
        // Two groups may begin alike.
        let group = format!("{}-{}", requirements[0], requirements.len());
        let history = folder.join(format!("{group}-{}-{seed}.jsonl", fault.name));
        let _beside = beside().await;
        let outcome = run_on(requirements, fault.name, seed, history).await;
        last = told(&outcome);
        match compare(&fault, &outcome) {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            Err(error) => return Err(format!("{error} (seed {seed})\n{last}")),
        }
    }
    not_judged(
        fault.name,
        &format!("undecided in {TRIES} runs: {}", last.lines().next().unwrap_or_default()),
    );
    Ok(())
}

#[test]
fn each_requirement_that_is_checked_has_a_fault_that_breaks_it() {
    let here = GROUPS.iter().flat_map(|group| group.faults).flat_map(|fault| fault.must);
    let broken: BTreeSet<&str> =
        here.copied().chain(crate::tampered::broken_ids()).chain(crate::guarded::broken_ids()).collect();
    let checked = REQUIREMENTS.iter().map(|row| row.id);
    assert_eq!(broken, checked.collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn each_broken_registry_fails_on_what_its_fault_breaks_and_a_right_one_passes() {
    let folder = tempfile::tempdir().unwrap();
    let chosen = std::env::var("FAULT").ok();
    let mut running = tokio::task::JoinSet::new();
    for Group { requirements, faults } in GROUPS {
        let is_chosen = |fault: &&Fault| chosen.as_deref().is_none_or(|chosen| chosen == fault.name);
        for fault in faults.iter().filter(is_chosen) {
            running.spawn(check(requirements, *fault, folder.path().to_owned()));
        }
    }
    let wrong: Vec<String> = running.join_all().await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_is_ended_early_is_judged_all_the_same_and_leaves_nothing_running() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let (interrupter, interrupt) = watch::channel(false);
    let (progress, mut watcher) = watch::channel(String::new());
    let history = folder.path().join("history.jsonl");
    let running = tokio::spawn(run(options((EARLY, "none"), 1, history.clone(), interrupt, progress)));
    watcher.wait_for(|words| words.contains("side by side")).await.unwrap();
    interrupter.send(true).unwrap();
    let outcome = running.await.unwrap().unwrap();
    assert!(outcome.interrupted);
    assert!(with_verdict(&outcome, RequirementVerdict::Fail).is_empty(), "{}", told(&outcome));
    // The kills come later: they were never reached.
    assert!(with_verdict(&outcome, RequirementVerdict::Undecided).contains("DURABLE-1"));
    let address = outcome.target.url.strip_prefix("http://").unwrap();
    assert!(
        tokio::net::TcpStream::connect(address).await.is_err(),
        "the registry still listens at {address}"
    );
    // The history is whole: judged again it says the same.
    let only: Vec<String> = EARLY.iter().map(|id| (*id).to_owned()).collect();
    let selection = Selection::parse(None, &only).unwrap();
    let ask = conformance::judge::Ask { selection, ..Default::default() };
    let again = conformance::judge::judge_file(&history, &ask).unwrap();
    let verdicts = |judgement: &conformance::judge::Judgement| -> Vec<_> {
        let decided = judgement.requirements.iter().filter(|row| row.id != "TIME-4");
        decided.map(|row| (row.id.clone(), row.verdict, row.decided)).collect()
    };
    assert_eq!(verdicts(&again), verdicts(&outcome.judgement));
}

#[tokio::test]
async fn a_registry_that_is_only_reached_cannot_be_asked_for_what_needs_a_kill() {
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    let mut asked = options((EARLY, "none"), 1, PathBuf::from("unused.jsonl"), interrupt, progress);
    asked.target.kind = TargetKind::Url("http://127.0.0.1:1".to_owned());
    asked.selection = Selection::parse(Some("durable"), &[]).unwrap();
    let error = run(asked).await.unwrap_err();
    assert!(error.to_string().contains("starts and kills itself"), "{error}");
}
