//! What a failure shows of the call that proves it is what went over the wire.

use conformance::judge::Judgement;
use reports::history::{ExchangeOutcome, KeptCall, find_calls, find_kept, kept_beside};
use reports::result::RequirementVerdict;
use std::path::Path;

use crate::alone;
use crate::broken::{TRIES, options, run_on, told};
use crate::not_judged::not_judged;

/// What went over the wire in the call that proves a requirement broken.
fn decisive(judgement: &Judgement, id: &str, history: &Path) -> Option<KeptCall> {
    let row = judgement.requirements.iter().find(|row| row.id == id).unwrap();
    let proof = row.proof.as_ref().filter(|_| row.verdict == RequirementVerdict::Fail)?;
    let calls = find_calls(history, &[(proof.s_us, proof.e_us)]).unwrap();
    assert!(!calls.is_empty(), "the call is in the history: {row:?}");
    let (kept, end) = find_kept(&kept_beside(history), &calls).unwrap();
    let end = end.expect("the file has its last line");
    assert_eq!((end.beyond_bound, end.lost), (0, 0), "{end:?}");
    Some(kept.into_iter().next().flatten().expect("what is in the history was kept"))
}

fn assert_is_of_the_registry(kept: &KeptCall) {
    let request = kept.requests.first().expect("a request was sent");
    assert_eq!(request.method, "GET", "{kept:?}");
    assert!(request.headers.iter().any(|(name, value)| name == "host" && value.starts_with("127.0.0.1:")));
    let ExchangeOutcome::Answered(answer) = &request.outcome else { panic!("no answer: {kept:?}") };
    assert_eq!((request.version.as_str(), answer.status), ("HTTP/1.1", 200), "{kept:?}");
    // The history has no headers: only the registry itself can have said this.
    let signed = ("x-served-by".to_owned(), "broken-registry".to_owned());
    assert!(answer.headers.contains(&signed), "{kept:?}");
    assert!(answer.body.text.starts_with('{') && answer.body.text.contains("\"status\""), "{kept:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_call_that_proves_a_failure_is_kept_as_it_went_over_the_wire() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = String::new();
    for seed in 1..=TRIES {
        let _alone = alone().await;
        let history = folder.path().join(format!("{seed}.jsonl"));
        let outcome = run_on(&["TIME-4"], "expires-late", seed, history.clone()).await;
        last = told(&outcome);
        if let Some(kept) = decisive(&outcome.judgement, "TIME-4", &history) {
            return assert_is_of_the_registry(&kept);
        }
    }
    not_judged("what went over the wire", &last);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_calls_of_a_smaller_schedule_are_kept_too() {
    let folder = tempfile::tempdir().unwrap();
    let mut last = String::new();
    for seed in 1..=TRIES {
        let _alone = alone().await;
        let history = folder.path().join(format!("{seed}.jsonl"));
        let (_, interrupt) = tokio::sync::watch::channel(false);
        let (progress, _) = tokio::sync::watch::channel(String::new());
        let mut asked = options((&["TIME-4"], "expires-late"), seed, history, interrupt, progress);
        asked.shrinks = true;
        let outcome = conformance::live::run(asked).await.unwrap();
        last = told(&outcome);
        let Some(shrunk) = outcome.shrunk.first() else { continue };
        let kept = decisive(&outcome.judgement, "TIME-4", &shrunk.history).expect("it failed");
        return assert_is_of_the_registry(&kept);
    }
    not_judged("what went over the wire for a smaller schedule", &last);
}
