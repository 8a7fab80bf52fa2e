//! What fails live is shrunk by running smaller schedules side by side, and the smallest is replayed before all else.

use std::path::Path;

use conformance::catalogue::{REQUIREMENTS, Selection};
use conformance::generate::{Act, Schedule};
use conformance::live::{Outcome, run};
use reports::result::RequirementVerdict;
use tokio::sync::watch;

use crate::alone;
use crate::broken::{TRIES, options, told, with_verdict};
use crate::not_judged::not_judged;

/// Whether the harness was so late, or waited so long for a core, that smaller schedules may have been left undecided.
fn was_late(outcome: &Outcome) -> bool {
    outcome.generator.lag_us.p99 > 10_000 || outcome.generator.run_queue_wait_share > 0.05
}

/// Runs until the requirement is decided, and gives what it was shrunk to, which must be as small as it should be.
async fn shrunk(
    fault: &str,
    id: &str,
    folder: &Path,
    is_small: impl Fn(&Schedule) -> bool,
) -> Option<(u64, Schedule)> {
    for seed in 1..=TRIES {
        let history = folder.join(format!("{fault}-{seed}.jsonl"));
        let (_, interrupt) = watch::channel(false);
        let (progress, _) = watch::channel(String::new());
        let mut options = options((&[id], fault), seed, history, interrupt, progress);
        options.shrinks = true;
        let outcome = run(options).await.unwrap();
        if with_verdict(&outcome, RequirementVerdict::Undecided).contains(id) {
            continue;
        }
        assert!(with_verdict(&outcome, RequirementVerdict::Fail).contains(id), "{}", told(&outcome));
        let shrunk = outcome.shrunk.first();
        if !shrunk.is_some_and(|shrunk| is_small(&shrunk.schedule)) && was_late(&outcome) {
            continue;
        }
        let shrunk = shrunk.unwrap_or_else(|| panic!("not shrunk: {}", told(&outcome)));
        assert!(is_small(&shrunk.schedule), "{shrunk:#?}");
        assert_eq!(shrunk.id, id);
        assert!(shrunk.schedule.calls() <= shrunk.found_by.calls(), "{shrunk:#?}");
        let row = &outcome.judgement.requirements[0];
        assert!(row.detail.contains(&shrunk.schedule.words()), "{}", row.detail);
        assert!(row.detail.ends_with(&shrunk.found.detail), "{}", row.detail);
        assert!(row.timeline.iter().any(|line| line.contains("<== WRONG")), "{}", told(&outcome));
        return Some((seed, shrunk.schedule.clone()));
    }
    not_judged(fault, &format!("undecided, or the harness late, in {TRIES} runs"));
    None
}

/// Replays it, with everything else of the requirement behind it.
async fn replayed(fault: &str, id: &str, (seed, schedule): (u64, Schedule), folder: &Path) -> Outcome {
    let (_, interrupt) = watch::channel(false);
    let (progress, _) = watch::channel(String::new());
    let history = folder.join(format!("{fault}-replayed.jsonl"));
    let mut options = options((&[id], fault), seed, history, interrupt, progress);
    let check = REQUIREMENTS.iter().find(|row| row.id == id).unwrap().check;
    options.selection = Selection::parse(None, &[id.to_owned()]).unwrap();
    options.replay = vec![(check, schedule)];
    run(options).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_cut_short_shrinks_to_a_heartbeat_or_two_and_is_replayed_alone() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let is_small = |schedule: &Schedule| schedule.calls() <= 2;
    let Some(found) = shrunk("expires-early", "TIME-2", folder.path(), is_small).await else { return };
    let again = replayed("expires-early", "TIME-2", found.clone(), folder.path()).await;
    assert_eq!(with_verdict(&again, RequirementVerdict::Fail).len(), 1, "{}", told(&again));
    assert!(again.agents < 12, "only the schedule was run: {} agents", again.agents);
    let mended = replayed("none", "TIME-2", found, folder.path()).await;
    assert!(with_verdict(&mended, RequirementVerdict::Fail).is_empty(), "{}", told(&mended));
    assert!(mended.agents > 48, "what passes is followed by all else: {} agents", mended.agents);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_shortens_a_lease_shrinks_to_one_race() {
    let _alone = alone().await;
    let folder = tempfile::tempdir().unwrap();
    let is_small = |schedule: &Schedule| {
        let races = schedule.steps.iter().filter(|step| matches!(step.act, Act::Race(2..))).count();
        races == 1 && schedule.steps.len() <= 2
    };
    shrunk("race-shortens-lease", "RACE-2", folder.path(), is_small).await;
}
