//! Restarts in a row, a store in trouble, a spoilt one, a pause, a stepped clock.

use reports::history::{Hardship, LeftOut, SpoiltStore};

use super::*;

fn process(story: Story, event: ProcessChange, span: (u64, u64)) -> Story {
    story.process(event, span)
}

fn with(mut story: Story, hardship: Hardship) -> Story {
    story.lines.push(Line::Hardship(hardship));
    story
}

/// Registered until 2 ms, seen expired, killed and started again twice; X is 200 ms, the downtime 20 ms each.
fn twice_restarted() -> Story {
    let story = Story::new().process(ProcessChange::Started, (0, 10)).registers("a", (1_000, 2_000));
    let story = process(story, ProcessChange::Killed, (400_000, 401_000));
    let story = process(story, ProcessChange::Started, (410_000, 420_000));
    let story = process(story, ProcessChange::Killed, (690_000, 691_000));
    process(story, ProcessChange::Started, (700_000, 710_000))
}

#[test]
fn restarts_prolong_a_silent_life_by_one_lease_each_and_no_more() {
    // 2 + 3 * 200 + 40 ms of downtime, and W + d are 15 ms: 657 ms.
    let late = twice_restarted().reads("a", (720_000, 721_000), Some(Status::Degraded));
    late.fails_only(&["DURABLE-3"]);
    twice_restarted().reads("a", (720_000, 721_000), Some(Status::Expired)).fails_only(&[]);
    let called = twice_restarted().renews("a", (715_000, 716_000));
    called.reads("a", (720_000, 721_000), Some(Status::Healthy)).fails_only(&[]);
}

#[test]
fn who_was_shown_expired_does_not_come_back_by_itself() {
    let story = || {
        let story = Story::new().process(ProcessChange::Started, (0, 10)).registers("a", (1_000, 2_000));
        let story = story.reads("a", (230_000, 231_000), Some(Status::Expired));
        let story = story.process(ProcessChange::Killed, (240_000, 241_000));
        story.process(ProcessChange::Started, (250_000, 260_000))
    };
    story().reads("a", (270_000, 271_000), Some(Status::Healthy)).fails_only(&["DURABLE-4"]);
    story().reads("a", (270_000, 271_000), Some(Status::Expired)).fails_only(&[]);
    let back = story().registers("a", (265_000, 266_000));
    back.reads("a", (270_000, 271_000), Some(Status::Healthy)).fails_only(&[]);
}

#[test]
fn numbers_never_fall_across_a_restart() {
    let story = |revision: u64, number: u64| {
        let events = |story: Story, agent: &str, span: (u64, u64), number: u64| {
            story.call(Some(agent), Operation::Events, span, Outcome::Shown).last(|call| {
                call.seen = Some(Seen { events: Some(vec![number]), ..Seen::default() });
            })
        };
        let story = Story::new().process(ProcessChange::Started, (0, 10)).lists((1_000, 2_000), 7, &[]);
        let story = events(story.registers("a", (2_100, 2_200)), "a", (2_300, 2_400), 9);
        let story = story.leaves("a", (2_500, 2_600)).process(ProcessChange::Killed, (3_000, 4_000));
        let story = story.process(ProcessChange::Started, (5_000, 6_000));
        let story = story.lists((7_000, 8_000), revision, &[]).registers("b", (8_100, 8_200));
        events(story, "b", (8_300, 8_400), number)
    };
    story(7, 10).fails_only(&[]);
    story(6, 10).fails_only(&["DURABLE-4"]);
    story(8, 9).fails_only(&["DURABLE-4"]);
}

impl Story {
    /// Changes the last call, whatever stands behind it.
    fn last_call(mut self, change: impl FnOnce(&mut CallRecord)) -> Self {
        let calls = self.lines.iter_mut().rev();
        change(
            calls
                .filter_map(|line| if let Line::Call(call) = line { Some(call) } else { None })
                .next()
                .unwrap(),
        );
        self
    }
}

/// How a store is brought into trouble and out of it again, and what the report calls that.
struct Trouble {
    begun: fn(u64, u64) -> Hardship,
    over: fn(u64, u64) -> Hardship,
    sentence: &'static str,
    name: &'static str,
    line: &'static str,
}

const TROUBLES: [Trouble; 2] = [
    Trouble {
        begun: |s_us, e_us| Hardship::StoreHeld { file: "/x/registry.db".to_owned(), s_us, e_us },
        over: |s_us, e_us| Hardship::StoreFreed { s_us, e_us },
        sentence: "the store was locked",
        name: "a locked store",
        line: "| the registry's store was locked",
    },
    Trouble {
        begun: |s_us, e_us| Hardship::DiskFilled { folder: "/x".to_owned(), bytes: 1 << 20, s_us, e_us },
        over: |s_us, e_us| Hardship::DiskFreed { s_us, e_us },
        sentence: "the disk was full",
        name: "a full disk",
        line: "| the registry's disk was filled",
    },
];

/// A change while the store is in trouble, answered so.
fn troubled(trouble: &Trouble, outcome: Outcome, http: u16, retry_after: Option<&str>) -> Story {
    let story = with(Story::new().registers("a", (1_000, 2_000)), (trouble.begun)(3_000, 4_000));
    let story = story.declares("a", (5_000, 6_000), outcome, 2).last(|call| {
        call.http = Some(http);
        call.seen = Some(Seen { retry_after: retry_after.map(str::to_owned), ..Seen::default() });
    });
    with(story, (trouble.over)(7_000, 8_000))
}

/// It says which trouble it was, in the sentence and on the timeline.
#[track_caller]
fn tells(story: &Story, trouble: &Trouble, words: &str) {
    story.fails_only(&["DURABLE-5"]);
    let row = story.row("DURABLE-5");
    assert!(row.detail.contains(words), "{}", row.detail);
    assert!(row.timeline.iter().any(|line| line.contains(trouble.line)), "{:#?}", row.timeline);
}

#[test]
fn a_store_in_trouble_is_answered_503_with_retry_after_and_nobody_is_forgotten() {
    for trouble in &TROUBLES {
        let answered = |outcome, http, retry_after| troubled(trouble, outcome, http, retry_after);
        answered(Outcome::Unavailable, 503, Some("1")).fails_only(&[]);
        tells(&answered(Outcome::Unavailable, 503, None), trouble, trouble.sentence);
        tells(&answered(Outcome::Unavailable, 500, Some("1")), trouble, trouble.sentence);
        tells(&answered(Outcome::Unknown, 410, None), trouble, trouble.sentence);
        // That a list is not there to tell changes from any more says nothing of the agent that asked.
        let asked = |op| answered(Outcome::Unknown, 410, None).last_call(|call| call.op = op);
        asked(Operation::List).fails_only(&[]);
        asked(Operation::Watch).fails_only(&[]);
        // Whether it ever accepts a change again was not seen.
        let row = answered(Outcome::Unavailable, 503, Some("1")).row("DURABLE-5");
        assert_eq!(row.verdict, RequirementVerdict::Undecided);
        assert!(row.detail.contains(trouble.sentence), "{}", row.detail);
    }
}

#[test]
fn what_was_acknowledged_while_the_store_was_in_trouble_is_there_behind_the_kill() {
    let story = |trouble: &Trouble, shown: Option<u64>| {
        let story = Story::new().process(ProcessChange::Started, (0, 10));
        let story = with(story.registers("a", (1_000, 2_000)), (trouble.begun)(3_000, 4_000));
        let story =
            with(story.declares("a", (5_000, 6_000), Outcome::Updated, 2), (trouble.over)(7_000, 8_000));
        let story = story.process(ProcessChange::Killed, (10_000, 10_500));
        let story = story.process(ProcessChange::Started, (20_000, 30_000));
        match shown {
            Some(document) => story.reads_document("a", (40_000, 40_500), Some(Status::Healthy), document),
            None => story.lists_by(everybody(), (40_000, 40_500), 1, &[]),
        }
    };
    for trouble in &TROUBLES {
        story(trouble, Some(2)).fails_only(&[]);
        // That the kill lost it is true as well.
        for lost in [Some(1), None] {
            let lost = story(trouble, lost);
            assert_eq!(lost.failures(), ["DURABLE-1", "DURABLE-5"]);
            let row = lost.row("DURABLE-5");
            assert!(row.detail.contains(&format!("Behind {} and a restart", trouble.name)), "{}", row.detail);
        }
    }
}

/// Both troubles, each with a change that is refused as it should be or none, and one that is accepted behind it.
fn both_troubles(refused: [u64; 2]) -> Story {
    let mut story = Story::new().registers("a", (1_000, 2_000));
    for ((trouble, refused), from) in TROUBLES.iter().zip(refused).zip([10_000, 60_000]) {
        story = with(story, (trouble.begun)(from, from + 1_000));
        for number in 0..refused {
            let at = from + 2_000 + number * 1_000;
            story = story.declares("a", (at, at + 500), Outcome::Unavailable, 2).last(|call| {
                call.http = Some(503);
                call.seen = Some(Seen { retry_after: Some("1".to_owned()), ..Seen::default() });
            });
        }
        story = with(story, (trouble.over)(from + 20_000, from + 21_000));
        story = story.declares("a", (from + 22_000, from + 23_000), Outcome::Updated, 2);
    }
    story
}

#[test]
fn each_trouble_says_whether_the_registry_felt_it() {
    let row = both_troubles([6, 7]).row("DURABLE-5");
    assert_eq!(row.verdict, RequirementVerdict::Pass, "{}", row.detail);
    assert_eq!(row.decided, 13);
    assert!(row.detail.contains("a locked store: 6 changes were refused"), "{}", row.detail);
    assert!(row.detail.contains("a full disk: 7 changes were refused"), "{}", row.detail);
    let row = both_troubles([6, 0]).row("DURABLE-5");
    assert_eq!(row.verdict, RequirementVerdict::Pass, "{}", row.detail);
    assert!(row.detail.contains("a full disk: for 19.000 ms nothing was refused"), "{}", row.detail);
    assert_eq!(both_troubles([0, 0]).row("DURABLE-5").verdict, RequirementVerdict::Undecided);
    // Of the second trouble nothing was accepted behind it: what the first shows is not enough.
    let mut story = both_troubles([6, 7]);
    story.lines.pop();
    let row = story.row("DURABLE-5");
    assert_eq!(row.verdict, RequirementVerdict::Undecided);
    assert!(row.detail.contains("the disk was full"), "{}", row.detail);
}

#[test]
fn a_part_that_was_not_tried_is_told_beside_what_the_other_shows() {
    let mut story = both_troubles([6, 0]);
    let left_out = |part: Option<&str>| {
        Line::LeftOut(LeftOut {
            requirement: "DURABLE-5".to_owned(),
            part: part.map(str::to_owned),
            reason: "user namespaces are switched off".to_owned(),
        })
    };
    story.lines.push(left_out(Some("a full disk")));
    let row = story.row("DURABLE-5");
    assert_eq!(row.verdict, RequirementVerdict::Pass);
    let told = "a full disk was not tried: user namespaces are switched off";
    assert!(row.detail.contains(told), "{}", row.detail);
    story.lines.push(left_out(None));
    assert_eq!(story.row("DURABLE-5").verdict, RequirementVerdict::NotApplicable);
}

#[test]
fn a_registry_that_ends_by_itself_in_trouble_answers_nobody() {
    for trouble in &TROUBLES {
        let story = |event| {
            let story = Story::new().process(ProcessChange::Started, (0, 10)).registers("a", (1_000, 2_000));
            let story = with(story, (trouble.begun)(3_000, 4_000)).process(event, (5_000, 6_000));
            let story = with(story, (trouble.over)(7_000, 8_000));
            story.process(ProcessChange::Started, (9_000, 10_000))
        };
        story(ProcessChange::Killed).fails_only(&[]);
        tells(&story(ProcessChange::Died), trouble, &format!("ended by itself when {}", trouble.sentence));
    }
}

#[test]
fn a_spoilt_store_is_refused_by_name_and_left_as_it_was() {
    let story = |change: fn(&mut SpoiltStore)| {
        let mut spoilt = SpoiltStore {
            kind: "torn".to_owned(),
            file: "/x/registry.db".to_owned(),
            s_us: 1_000,
            e_us: 2_000,
            ready: false,
            exit_code: Some(1),
            output: "/x/registry.db is damaged".to_owned(),
            before: "aa".to_owned(),
            after: "aa".to_owned(),
        };
        change(&mut spoilt);
        with(Story::new(), Hardship::SpoiltStore(spoilt))
    };
    story(|_| ()).fails_only(&[]);
    story(|spoilt| spoilt.ready = true).fails_only(&["DURABLE-6"]);
    story(|spoilt| spoilt.exit_code = Some(0)).fails_only(&["DURABLE-6"]);
    story(|spoilt| spoilt.exit_code = None).fails_only(&["DURABLE-6"]);
    story(|spoilt| spoilt.output = "panicked".to_owned()).fails_only(&["DURABLE-6"]);
    story(|spoilt| spoilt.after = "bb".to_owned()).fails_only(&["DURABLE-6"]);
}

#[test]
fn who_calls_within_x_of_the_resume_is_not_expired_by_the_pause() {
    // X is 200 ms; the process stands still from 51 to 450 ms.
    let story = || {
        let story = Story::new().process(ProcessChange::Started, (0, 10)).registers("a", (1_000, 2_000));
        let story = story.process(ProcessChange::Paused, (50_000, 51_000));
        story.process(ProcessChange::Continued, (450_000, 451_000))
    };
    let refused = story().renews_with("a", (500_000, 501_000), Outcome::Unknown);
    refused.fails_only(&["TIME-9"]);
    story().renews_with("a", (649_500, 650_000), Outcome::Unknown).fails_only(&[]);
    let shown = story().reads("a", (460_000, 461_000), Some(Status::Expired)).renews("a", (500_000, 501_000));
    shown.fails_only(&["TIME-9"]);
    let live = story().reads("a", (460_000, 461_000), Some(Status::Degraded)).renews("a", (500_000, 501_000));
    live.fails_only(&[]);
}

#[test]
fn what_a_stepped_clock_does_counts_for_time_8_alone() {
    let story = || {
        let story = Story::new().process(ProcessChange::Started, (0, 10)).registers("a", (1_000, 2_000));
        let step = |offset_seconds, s_us| Hardship::ClockStepped { offset_seconds, s_us, e_us: s_us + 10 };
        with(with(story, step(3_600, 3_000)), step(-3_600, 4_000))
    };
    story().reads("a", (5_000, 6_000), Some(Status::Expired)).fails_only(&["TIME-8"]);
    story().reads("a", (230_000, 231_000), Some(Status::Healthy)).fails_only(&["TIME-8"]);
    story().reads("a", (5_000, 6_000), Some(Status::Healthy)).fails_only(&[]);
}

#[test]
fn what_could_not_be_done_does_not_apply_and_says_why() {
    let mut story = Story::new();
    let reason = "there is no C compiler".to_owned();
    let left_out = LeftOut { requirement: "TIME-8".to_owned(), part: None, reason: reason.clone() };
    story.lines.push(Line::LeftOut(left_out));
    let row = story.row("TIME-8");
    assert_eq!((row.verdict, row.detail), (RequirementVerdict::NotApplicable, reason));
}
