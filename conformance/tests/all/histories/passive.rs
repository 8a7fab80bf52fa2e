//! What the kernel told: PASSIVE-2 to 4.

use reports::history::{OutwardCall, OutwardKind, Watch};

use super::*;

fn outward(kind: OutwardKind, to: &str) -> OutwardCall {
    let text = format!("connect(7, {to})");
    OutwardCall { kind, to: to.to_owned(), provoked: true, name: None, text }
}

impl Story {
    /// A provoked registry that did nothing, but for what is changed.
    fn watched(change: impl FnOnce(&mut Watch)) -> Self {
        let mut story = Self::new().registers("a", (1_000, 2_000));
        story = story.call(Some("bait-1"), Operation::Provoke, (11_000, 12_000), Outcome::Shown);
        let mut watch = Watch {
            s_us: 10_000,
            e_us: 20_000,
            accepted: 3,
            names: vec!["bait-1.wallflower.test".to_owned()],
            configured: vec!["--store=postgres://me@127.0.0.1:5432/agents".to_owned()],
            expired: 16,
            ..Watch::default()
        };
        change(&mut watch);
        story.lines.push(Line::Watch(Box::new(watch)));
        story
    }

    fn verdicts(&self) -> [RequirementVerdict; 3] {
        ["PASSIVE-2", "PASSIVE-3", "PASSIVE-4"].map(|id| self.row(id).verdict)
    }
}

use RequirementVerdict::{Fail, NotApplicable, Pass, Undecided};

#[test]
fn a_registry_that_turns_to_nobody_passes_and_says_how_that_is_known() {
    let story = Story::watched(|_| {});
    assert_eq!(story.verdicts(), [Pass, Pass, Pass]);
    for (id, words) in
        [("PASSIVE-2", "strace"), ("PASSIVE-3", "1 host names"), ("PASSIVE-4", "16 agents expired")]
    {
        assert!(story.row(id).detail.contains(words), "{}", story.row(id).detail);
    }
    assert_eq!(Story::new().registers("a", (1_000, 2_000)).verdicts(), [Undecided, Undecided, Undecided]);
}

#[test]
fn a_call_fails_passive_2_and_a_provoked_one_passive_4_as_well() {
    for kind in [OutwardKind::Connect, OutwardKind::Send] {
        let story = Story::watched(|watch| watch.calls.push(outward(kind, "127.64.0.1:80")));
        story.fails_only(&["PASSIVE-2", "PASSIVE-4"]);
        assert!(story.row("PASSIVE-2").detail.contains("127.64.0.1:80"), "{}", story.row("PASSIVE-2").detail);
    }
    Story::watched(|watch| {
        let call = outward(OutwardKind::Connect, "10.0.0.1:80");
        watch.calls.push(OutwardCall { provoked: false, ..call });
    })
    .fails_only(&["PASSIVE-2"]);
}

#[test]
fn its_configured_store_may_be_called_and_nothing_that_only_looks_like_it() {
    let told = Some("bait-1.wallflower.test".to_owned());
    let story = Story::watched(|watch| {
        watch.calls.push(outward(OutwardKind::Connect, "127.0.0.1:5432"));
        let document = outward(OutwardKind::Write, "127.0.0.1:5432");
        watch.calls.push(OutwardCall { name: told.clone(), ..document });
    });
    assert_eq!(story.verdicts(), [Pass, Pass, Pass]);
    for other in ["127.0.0.1:543", "27.0.0.1:5432", "127.0.0.1:54321"] {
        let story = Story::watched(|watch| watch.calls.push(outward(OutwardKind::Connect, other)));
        story.fails_only(&["PASSIVE-2", "PASSIVE-4"]);
    }
}

#[test]
fn a_question_for_a_declared_name_fails_passive_3() {
    let story = Story::watched(|watch| {
        let name = Some(watch.names[0].clone());
        watch.calls.push(OutwardCall { name, ..outward(OutwardKind::Write, "10.0.0.1:53") });
    });
    story.fails_only(&["PASSIVE-3"]);
    assert!(story.row("PASSIVE-3").detail.contains("bait-1.wallflower.test"));
}

#[test]
fn what_cannot_be_seen_is_never_a_pass() {
    let absent = Story::watched(|watch| watch.unavailable = Some("strace is missing".to_owned()));
    assert_eq!(absent.verdicts(), [NotApplicable, NotApplicable, Pass]);
    assert!(absent.row("PASSIVE-2").detail.contains("strace is missing"));
    assert!(absent.row("PASSIVE-4").detail.contains("the kernel could not be asked"));
    let elsewhere = Story::watched(|watch| watch.accepted = 0);
    assert_eq!(elsewhere.verdicts(), [NotApplicable, NotApplicable, Pass]);
    let ring = Story::watched(|watch| watch.calls.push(outward(OutwardKind::Unseen, "a ring of io_uring")));
    assert_eq!(ring.verdicts()[..2], [Undecided, Undecided]);
    let service =
        Story::watched(|watch| watch.calls.push(outward(OutwardKind::NameService, "/run/nscd/socket")));
    assert_eq!(service.verdicts(), [Pass, Undecided, Pass]);
}

#[test]
fn a_touch_while_it_is_provoked_fails_passive_4_too() {
    let touched = Story::watched(|_| {}).touched("bait-1", 15_000);
    assert_eq!(touched.verdicts(), [Pass, Pass, Fail]);
    touched.fails_only(&["PASSIVE-1", "PASSIVE-4"]);
    Story::watched(|_| {}).touched("a", 5_000).fails_only(&["PASSIVE-1"]);
}
