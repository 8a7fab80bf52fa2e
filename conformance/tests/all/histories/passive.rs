//! What the kernel told: PASSIVE-2 to 4.

use reports::history::{Counts, Grown, OutwardCall, OutwardKind, Room, Watch};

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

impl Story {
    /// The same in a network namespace of its own, of which nothing is known but what was counted.
    fn in_room(change: impl FnOnce(&mut Room, &mut Vec<String>)) -> Self {
        let quiet =
            Counts { opened: 2, accepted: 1, relay_opened: 2, relay_accepted: 1, ..Counts::default() };
        let end = Counts { opened: 9, accepted: 8, relay_opened: 9, relay_accepted: 8, ..Counts::default() };
        let mut room = Room { quiet, end, canaries_work: true, port: 8000, ..Room::default() };
        let mut configured = vec!["127.0.0.1:8000".to_owned()];
        change(&mut room, &mut configured);
        Self::watched(|watch| {
            watch.accepted = 0;
            watch.configured = configured;
            watch.room = Some(room);
        })
    }
}

#[test]
fn counters_that_the_relay_accounts_for_pass_and_say_so() {
    let story = Story::in_room(|_, _| {});
    assert_eq!(story.verdicts(), [Pass, Pass, Pass]);
    let detail = story.row("PASSIVE-2").detail.clone();
    assert!(
        detail.contains("opened 0 connections: the kernel counted 9, all 9 the harness's relay"),
        "{detail}"
    );
    // Whom it calls in its own house is its own affair, and is told.
    let to_itself = Story::in_room(|room, _| {
        room.end.opened += 3;
        room.end.accepted += 3;
    });
    assert_eq!(to_itself.verdicts(), [Pass, Pass, Pass]);
    assert!(to_itself.row("PASSIVE-2").detail.contains("3 the registry's to itself"));
}

/// Each counter alone, nobody else having heard a thing.
#[test]
fn each_counter_alone_turns_red() {
    let changes: [fn(&mut Counts); 4] =
        [|end| end.opened += 1, |end| end.datagrams += 1, |end| end.unrouted += 1, |end| end.echoes += 1];
    for change in changes {
        let story = Story::in_room(|room, _| {
            change(&mut room.end);
            room.grown.push(Grown { at_us: 12_000, after: "POST /agents/bait-1/notify".to_owned() });
        });
        story.fails_only(&["PASSIVE-2", "PASSIVE-4"]);
        assert!(story.row("PASSIVE-4").detail.contains("after POST /agents/bait-1/notify"));
        // What went out before anybody had told it anything was not provoked.
        let early = Story::in_room(|room, _| {
            change(&mut room.quiet);
            change(&mut room.end);
        });
        early.fails_only(&["PASSIVE-2"]);
    }
    let heard = Story::in_room(|room, _| {
        room.end.opened += 1;
        room.end.accepted += 1;
        room.end.canary_accepted += 1;
    });
    assert_eq!(heard.verdicts(), [Fail, Pass, Fail]);
}

#[test]
fn a_name_that_a_canary_was_asked_for_fails_passive_3_and_what_nobody_heard_leaves_it_open() {
    let asked = |name: &str| {
        Story::in_room(|room, _| {
            room.end.datagrams += 2;
            room.end.canary_answers += 1;
            room.end.canary_datagrams += 1;
            room.questions.push(name.to_owned());
        })
    };
    assert_eq!(asked("BAIT-1.wallflower.test").verdicts(), [Fail, Fail, Fail]);
    assert_eq!(asked("time.example.org").verdicts(), [Fail, Pass, Fail]);
    assert_eq!(Story::in_room(|room, _| room.end.datagrams += 1).verdicts(), [Fail, Undecided, Fail]);
    let service = Story::in_room(|room, _| room.unhidden.push("/run/nscd".to_owned()));
    assert_eq!(service.verdicts(), [Pass, Undecided, Pass]);
}

#[test]
fn a_room_that_proves_nothing_is_no_pass() {
    let elsewhere = Story::in_room(|room, _| {
        room.quiet = Counts::default();
        room.end = Counts::default();
    });
    assert_eq!(elsewhere.verdicts()[..2], [NotApplicable, NotApplicable]);
    assert_eq!(Story::in_room(|room, _| room.canaries_work = false).verdicts()[..2], [Undecided, Undecided]);
}

#[test]
fn calls_that_may_have_been_its_stores_are_left_to_the_log() {
    let with_store = || {
        Story::in_room(|room, configured| {
            room.end.opened += 1;
            configured.push("--store=postgres://me@127.0.0.1:5432/agents".to_owned());
        })
    };
    assert_eq!(with_store().verdicts()[..2], [Undecided, Undecided]);
    let logged = |to: &str| {
        let mut story = with_store();
        let log = Story::watched(|watch| watch.calls.push(outward(OutwardKind::Connect, to)));
        story.lines.extend(log.lines.into_iter().filter(|line| matches!(line, Line::Watch(_))));
        story
    };
    assert_eq!(logged("127.0.0.1:5432").row("PASSIVE-2").verdict, Pass);
    assert_eq!(logged("10.0.0.1:80").row("PASSIVE-2").verdict, Fail);
}
