//! What changed since an earlier answer: what is named counts, what is not says nothing.

use super::*;

impl Story {
    /// What changed in the default list since revision 1: these agents, and these are in it no longer.
    fn changes(self, span: (u64, u64), changed: &[(&str, Status)], removed: &[&str]) -> Self {
        self.call(None, Operation::Watch, span, Outcome::Shown).last(|call| {
            call.sent = Some(Sent { filter: Some(Filter::default()), since: Some(1), ..Sent::default() });
            call.seen = Some(Seen {
                revision: Some(2),
                agents: Some(changed.iter().map(|(id, status)| shown(id, *status, 1)).collect()),
                removed: removed.iter().map(|id| (*id).to_owned()).collect(),
                ..Seen::default()
            });
        })
    }

    /// The same as the answer to a short call.
    fn at_once(self) -> Self {
        self.last(|call| call.op = Operation::List)
    }
}

/// Registered, and lives to 200 ms; evicted at 400 ms.
fn one() -> Story {
    Story::new().registers("a", (1_000, 2_000))
}

#[test]
fn what_a_delta_does_not_name_may_be_anything() {
    one().changes((50_000, 50_500), &[], &[]).fails_only(&[]);
    one().changes((50_000, 50_500), &[], &[]).at_once().fails_only(&[]);
    // A whole list that came instead says that the agent is gone.
    let whole = one().changes((50_000, 50_500), &[], &[]);
    whole.last(|call| call.seen.as_mut().unwrap().full = true).fails_only(&["VIEW-2"]);
    // An answer that tells no changes shows nothing.
    let told = one().changes((50_000, 50_500), &[], &["a"]);
    told.last(|call| call.outcome = Outcome::Unknown).fails_only(&[]);
}

#[test]
fn who_is_named_is_seen_as_it_is_named() {
    one().changes((50_000, 50_500), &[("a", Status::Healthy)], &[]).fails_only(&[]);
    one().changes((50_000, 50_500), &[("a", Status::Degraded)], &[]).at_once().fails_only(&["TIME-1"]);
    one().changes((130_000, 130_500), &[("a", Status::Degraded)], &[]).fails_only(&[]);
    one().changes((130_000, 130_500), &[("a", Status::Healthy)], &[]).fails_only(&["TIME-3"]);
    let replaced = one().declares("a", (10_000, 11_000), Outcome::Updated, 2);
    replaced.changes((50_000, 50_500), &[("a", Status::Healthy)], &[]).fails_only(&["VIEW-2"]);
}

#[test]
fn who_is_named_as_removed_is_in_the_view_no_longer() {
    let seen = one().lists((3_000, 3_500), 1, &[("a", Status::Healthy)]);
    // Expired, deregistered: out of the default list.
    seen.clone().changes((230_000, 230_500), &[], &["a"]).fails_only(&[]);
    seen.clone().leaves("a", (10_000, 11_000)).changes((50_000, 50_500), &[], &["a"]).fails_only(&[]);
    // A living one is not.
    one().changes((50_000, 50_500), &[], &["a"]).fails_only(&["VIEW-2"]);
    // Nobody knows of which documents a filter by label speaks.
    let by_label = one().changes((50_000, 50_500), &[], &["a"]).last(|call| {
        let label = Some(("zone".to_owned(), "eu".to_owned()));
        call.sent.as_mut().unwrap().filter = Some(Filter { label, ..Filter::default() });
    });
    by_label.fails_only(&[]);
}

#[test]
fn an_answer_that_was_held_back_may_show_any_instant_of_its_wait() {
    for status in [Status::Healthy, Status::Degraded] {
        one().changes((50_000, 190_000), &[("a", status)], &[]).fails_only(&[]);
    }
    one().changes((50_000, 230_500), &[], &["a"]).fails_only(&[]);
    one().changes((50_000, 190_000), &[], &["a"]).fails_only(&["TIME-2"]);
}

#[test]
fn revisions_of_deltas_and_renewals_are_not_judged_together() {
    let story = one().lists((3_000, 3_500), 1, &[("a", Status::Healthy)]).renews("a", (10_000, 11_000));
    story.changes((20_000, 20_500), &[("a", Status::Healthy)], &[]).fails_only(&[]);
}

#[test]
fn changes_that_are_judged_are_not_kept() {
    // One agent that lives, and a poller that is told of it 100 times a second.
    let told = |rounds: u64| {
        (1..=rounds).fold(one(), |story, round| {
            let at = round * 10_000;
            story
                .renews("a", (at, at + 100))
                .changes((at + 1_000, at + 9_000), &[("a", Status::Healthy)], &["b"])
                .lists((at + 9_100, at + 9_200), 1, &[("a", Status::Healthy)])
        })
    };
    let kept = |rounds| {
        let ask = Ask { settle_every: 20, ..Ask::default() };
        let judgement = told(rounds).judged_by(&ask).unwrap();
        assert!(!judgement.failed(), "{:#?}", judgement.requirements);
        judgement.kept_peak
    };
    let (short, long) = (kept(50), kept(500));
    assert!(long <= short + 5, "{long} after {short}");
}

#[test]
fn a_failure_by_a_delta_is_told_in_its_timeline() {
    let row = one().changes((50_000, 50_500), &[("a", Status::Degraded)], &[]).row("TIME-1");
    let wrong = row.timeline.iter().find(|line| line.contains("WRONG")).unwrap();
    assert!(wrong.contains("what changed in a list shows degraded"), "{wrong}");
}

#[test]
fn a_stranger_in_a_delta_leaves_undecided_what_others_may_have_changed() {
    let quiet = || {
        let story = one().lists((3_000, 3_500), 1, &[("a", Status::Healthy)]).renews("a", (10_000, 11_000));
        story.lists((12_000, 12_500), 1, &[("a", Status::Healthy)])
    };
    assert_eq!(quiet().row("VIEW-5").decided, 1);
    assert_eq!(quiet().changes((20_000, 20_500), &[("z", Status::Healthy)], &[]).row("VIEW-5").decided, 0);
    assert_eq!(quiet().changes((20_000, 20_500), &[], &["z"]).row("VIEW-5").decided, 1);
}
