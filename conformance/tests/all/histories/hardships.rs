//! Restarts in a row, a locked store, a spoilt one, a pause, a stepped clock.

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

/// A change while the store is locked, answered so.
fn troubled(outcome: Outcome, http: u16, retry_after: Option<&str>) -> Story {
    let held = Hardship::StoreHeld { file: "/x/registry.db".to_owned(), s_us: 3_000, e_us: 4_000 };
    let story = with(Story::new().registers("a", (1_000, 2_000)), held);
    let story = story.declares("a", (5_000, 6_000), outcome, 2).last(|call| {
        call.http = Some(http);
        call.seen = Some(Seen { retry_after: retry_after.map(str::to_owned), ..Seen::default() });
    });
    with(story, Hardship::StoreFreed { s_us: 7_000, e_us: 8_000 })
}

#[test]
fn a_locked_store_is_answered_503_with_retry_after_and_nobody_is_forgotten() {
    troubled(Outcome::Unavailable, 503, Some("1")).fails_only(&[]);
    troubled(Outcome::Unavailable, 503, None).fails_only(&["DURABLE-5"]);
    troubled(Outcome::Unavailable, 500, Some("1")).fails_only(&["DURABLE-5"]);
    troubled(Outcome::Unknown, 410, None).fails_only(&["DURABLE-5"]);
    // That a list is not there to tell changes from any more says nothing of the agent that asked.
    let asked = |op| troubled(Outcome::Unknown, 410, None).last_call(|call| call.op = op);
    asked(Operation::List).fails_only(&[]);
    asked(Operation::Watch).fails_only(&[]);
    // Whether it ever accepts a change again was not seen.
    assert_eq!(
        troubled(Outcome::Unavailable, 503, Some("1")).row("DURABLE-5").verdict,
        RequirementVerdict::Undecided
    );
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
    story.lines.push(Line::LeftOut(LeftOut { requirement: "TIME-8".to_owned(), reason: reason.clone() }));
    let row = story.row("TIME-8");
    assert_eq!((row.verdict, row.detail), (RequirementVerdict::NotApplicable, reason));
}
