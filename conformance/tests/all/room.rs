//! A registry in a network namespace of its own: the kernel's counters alone turn what calls red, and leave the rest green.

use std::path::Path;

use agent_sim::room::can_have;
use conformance::catalogue::Selection;
use conformance::generate;
use conformance::live::{Outcome, RunOptions, run};
use reports::history::{HistoryReader, Line, Room};
use reports::result::RequirementVerdict::{self, Fail, Pass};
use tokio::sync::watch;

use crate::alone;
use crate::not_judged::not_judged;
use crate::stub::{self, BROKEN};

const REQUIREMENTS: [&str; 3] = ["PASSIVE-2", "PASSIVE-3", "PASSIVE-4"];

async fn run_on(fault: &str, explain: bool, history: &Path) -> Outcome {
    // Both other ends are gone: neither is needed for a run.
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    let only = REQUIREMENTS.map(str::to_owned);
    let options = RunOptions {
        replay: Vec::new(),
        shrinks: false,
        target: BROKEN.target(fault, &generate::policies(1, 1, stub::WAVE_LEASE)),
        reference_program: std::path::PathBuf::new(),
        store: None,
        selection: Selection::parse(None, &only).unwrap(),
        seed: 1,
        history: history.to_owned(),
        rerun: "wallflower conformance --only {id} --seed {seed}".to_owned(),
        lacks: Vec::new(),
        room: Some(stub::room()),
        system_clock: None,
        explain,
        routes: Vec::new(),
        agents: Some(48),
        wave_agents: Some(300),
        interrupt,
        progress,
    };
    run(options).await.unwrap()
}

fn rooms(history: &Path) -> Vec<Option<Room>> {
    let file = std::io::BufReader::new(std::fs::File::open(history).unwrap());
    let lines = HistoryReader::new(file).map(Result::unwrap);
    lines.filter_map(|line| if let Line::Watch(watch) = line { Some(watch.room) } else { None }).collect()
}

fn verdicts(outcome: &Outcome) -> Vec<RequirementVerdict> {
    REQUIREMENTS
        .iter()
        .map(|id| outcome.judgement.requirements.iter().find(|row| row.id == *id).unwrap().verdict)
        .collect()
}

/// The counters speak alone where nothing but they is in the history: no log of strace, and no canary that heard a thing.
#[tokio::test(flavor = "multi_thread")]
async fn the_kernels_counters_alone_find_who_calls() {
    if let Err(reason) = can_have(&stub::room()).await {
        return not_judged("a room", &reason);
    }
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let table: [(&str, [RequirementVerdict; 3]); 4] = [
        ("none", [Pass, Pass, Pass]),
        ("is-refused", [Fail, RequirementVerdict::Undecided, Fail]),
        ("sends-datagrams", [Fail, RequirementVerdict::Undecided, Fail]),
        // By the library of C, whatever resolver this machine is set up with.
        ("asks-for-names", [Fail, Fail, Fail]),
    ];
    for (fault, expected) in table {
        let history = folder.path().join(format!("{fault}.jsonl"));
        let outcome = run_on(fault, false, &history).await;
        let told: Vec<_> = outcome.judgement.requirements.iter().map(|row| &row.detail).collect();
        assert_eq!(verdicts(&outcome), expected, "{fault}: {told:#?} {:?}", outcome.invalid);
        let rooms = rooms(&history);
        let [Some(room)] = rooms.as_slice() else { panic!("{fault}: {rooms:?}") };
        assert_eq!(room.end.canary_accepted, 0, "{fault}");
        assert_eq!(room.end.outward().total() == 0, fault == "none", "{fault}: {room:?}");
        // Its ready path was asked, and every provocation went through the relay.
        assert!(room.end.relay_accepted > 0 && room.end.opened >= room.end.relay_opened, "{room:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_explain_the_log_names_who_was_called() {
    if can_have(&stub::room()).await.is_err() || agent_sim::process::can_watch().await.is_err() {
        return not_judged("the log beside a room", "one of them cannot be had here");
    }
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let history = folder.path().join("history.jsonl");
    let outcome = run_on("is-refused", true, &history).await;
    assert_eq!(rooms(&history).iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    let row = outcome.judgement.requirements.iter().find(|row| row.id == "PASSIVE-2").unwrap();
    assert_eq!(row.verdict, Fail);
    let told = format!("{} {:?}", row.detail, row.timeline);
    assert!(told.contains("htons(9)"), "{told}");
}
