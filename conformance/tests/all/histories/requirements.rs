//! A good and a bad history for each requirement that is not at a boundary of time.

use super::*;

#[test]
fn a_touch_fails_passive_1_and_names_the_route_that_provoked_it() {
    let story = Story::new().registers("a", (1_000, 2_000));
    assert_eq!(story.row("PASSIVE-1").verdict, RequirementVerdict::Pass);
    let story = story.call(Some("a"), Operation::Provoke, (3_000, 4_000), Outcome::Shown);
    let story = story.last(|call| call.note = Some("GET /proxy/a".to_owned())).touched("a", 3_500);
    story.fails_only(&["PASSIVE-1"]);
    let row = story.row("PASSIVE-1");
    assert!(row.detail.contains("GET /proxy/a"), "{}", row.detail);
    assert!(row.timeline.iter().any(|line| line.contains("WRONG")), "{:?}", row.timeline);
}

#[test]
fn without_a_listener_behind_every_endpoint_passive_1_is_undecided() {
    let mut story = Story::new().registers("a", (1_000, 2_000));
    story.end.as_mut().unwrap().tripwire = false;
    assert_eq!(story.row("PASSIVE-1").verdict, RequirementVerdict::Undecided);
}

#[test]
fn a_status_that_goes_back_without_a_heartbeat_fails_time_5() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    // Between D and D + W + d either status is in time; the way back is not.
    let degraded = story.reads("a", (105_000, 105_500), Some(Status::Degraded));
    degraded.clone().reads("a", (106_000, 106_500), Some(Status::Degraded)).fails_only(&[]);
    degraded.clone().reads("a", (106_000, 106_500), Some(Status::Healthy)).fails_only(&["TIME-5"]);
    let overlapping = degraded.clone().reads("a", (105_400, 106_500), Some(Status::Healthy));
    overlapping.fails_only(&[]);
    let renewed = degraded.renews("a", (105_600, 105_700));
    renewed.reads("a", (106_000, 106_500), Some(Status::Healthy)).fails_only(&[]);
}

#[test]
fn gone_and_back_as_expired_fails_time_5() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (402_000, 402_500), None);
    story.reads("a", (403_000, 403_500), Some(Status::Expired)).fails_only(&["TIME-5"]);
}

/// Twenty agents of a type, each seen early and late.
fn of_type(mut story: Story, name: &str, agent_type: &str, timeout_us: u64) -> Story {
    for number in 0..20 {
        let (id, start) = (format!("{name}-{number}"), number * 2_000_000);
        story = story.registers(&id, (start, start + 1_000)).of_type(agent_type);
        let looks = [
            (timeout_us - 10_000, Some(Status::Healthy)),
            (timeout_us + 20_000, Some(Status::Degraded)),
            (2 * timeout_us - 10_000, Some(Status::Degraded)),
            (2 * timeout_us + 20_000, Some(Status::Expired)),
            (4 * timeout_us + 20_000, None),
        ];
        for (at, status) in looks {
            story = story.reads(&id, (start + at, start + at + 1_000), status);
        }
    }
    story
}

#[test]
fn two_types_each_held_to_its_own_policy_pass_time_1_to_6() {
    let story = of_type(of_type(Story::new(), "slow", "default", 100_000), "fast", "brisk", 50_000);
    story.fails_only(&[]);
    for id in ["TIME-1", "TIME-2", "TIME-3", "TIME-4", "TIME-5", "TIME-6"] {
        assert_eq!(story.row(id).verdict, RequirementVerdict::Pass, "{:#?}", story.row(id));
    }
}

#[test]
fn a_type_that_is_held_to_anothers_policy_fails_time_6() {
    let story = of_type(of_type(Story::new(), "slow", "default", 100_000), "fast", "brisk", 100_000);
    story.fails_only(&["TIME-3", "TIME-4", "TIME-6"]);
    assert!(story.row("TIME-6").detail.contains("keeps that of `default`"), "{}", story.row("TIME-6").detail);
}

#[test]
fn one_policy_alone_leaves_time_6_undecided() {
    let story = of_type(Story::new(), "slow", "default", 100_000);
    assert_eq!(story.row("TIME-6").verdict, RequirementVerdict::Undecided);
}

/// Renewals every 90 ms, 90 % of D.
fn steady(status: Status) -> Story {
    let mut story = Story::new().registers("a", (0, 500));
    for beat in 1..=30 {
        let at = beat * 90_000;
        story = story.renews("a", (at, at + 500));
        let seen = if beat == 20 { status } else { Status::Healthy };
        story = story.reads("a", (at + 80_000, at + 81_000), Some(seen));
    }
    story
}

#[test]
fn steady_agents_are_healthy_all_the_time() {
    let story = steady(Status::Healthy);
    story.fails_only(&[]);
    let row = story.row("TIME-7");
    assert_eq!(row.verdict, RequirementVerdict::Pass);
    assert!(row.detail.contains("the widest gap was 90 % of D"), "{}", row.detail);
    steady(Status::Degraded).fails_only(&["TIME-1", "TIME-7"]);
}

/// Registered, renewed at 60 ms by two calls at once, seen at 130 ms.
fn raced(second: (u64, u64), status: Status) -> Story {
    Story::new()
        .registers("a", (0, 500))
        .reads("a", (1_000, 1_500), Some(Status::Healthy))
        .renews("a", (60_000, 62_000))
        .renews("a", second)
        .reads("a", (130_000, 130_500), Some(status))
}

#[test]
fn a_lease_that_a_race_shortened_fails_race_2_alone() {
    raced((61_000, 63_000), Status::Healthy).fails_only(&[]);
    raced((61_000, 63_000), Status::Degraded).fails_only(&["RACE-2"]);
}

#[test]
fn a_heartbeat_that_raced_and_was_answered_only_behind_the_view_counts_as_a_race() {
    raced((61_000, 131_000), Status::Degraded).fails_only(&["RACE-2"]);
}

#[test]
fn two_heartbeats_one_after_the_other_are_no_race() {
    raced((62_000, 63_000), Status::Degraded).fails_only(&["TIME-1"]);
}

#[test]
fn leases_cut_short_without_any_race_leave_race_2_undecided() {
    let story = raced((61_000, 63_000), Status::Degraded)
        .registers("b", (0, 500))
        .reads("b", (1_000, 1_500), Some(Status::Healthy))
        .reads("b", (90_000, 90_500), Some(Status::Degraded));
    story.fails_only(&["TIME-1"]);
    assert_eq!(story.row("RACE-2").verdict, RequirementVerdict::Undecided);
}

#[test]
fn a_view_behind_a_registration_must_show_it() {
    let story = Story::new().registers("a", (1_000, 2_000));
    story.clone().reads("a", (2_000, 2_500), None).fails_only(&["VIEW-2"]);
    story.clone().reads("a", (1_999, 2_500), None).fails_only(&[]);
    story.clone().lists((2_000, 2_500), 1, &[]).fails_only(&["VIEW-2"]);
    // Behind D it may have been there and have expired before its time.
    story.clone().renews("a", (90_000, 91_000)).reads("a", (101_000, 102_000), None).fails_only(&["TIME-2"]);
    // Once it was shown, a later absence is an expiry.
    let seen = story.reads("a", (2_000, 2_500), Some(Status::Healthy));
    seen.reads("a", (3_000, 3_500), None).fails_only(&["TIME-2"]);
}

#[test]
fn a_view_behind_an_update_must_show_the_new_document() {
    let story =
        Story::new().registers("a", (1_000, 2_000)).declares("a", (3_000, 4_000), Outcome::Updated, 2);
    let read = |s: u64, document: u64| {
        story.clone().reads_document("a", (s, s + 500), Some(Status::Healthy), document)
    };
    read(4_000, 1).fails_only(&["VIEW-2"]);
    read(3_999, 1).fails_only(&[]);
    read(4_000, 2).fails_only(&[]);
    read(4_000, 3).fails_only(&["VIEW-2"]);
}

#[test]
fn an_update_that_may_have_counted_allows_both_documents() {
    let story =
        Story::new().registers("a", (1_000, 2_000)).declares("a", (3_000, 4_000), Outcome::TimedOut, 2);
    for document in [1, 2] {
        let read = story.clone().reads_document("a", (90_000, 90_500), Some(Status::Healthy), document);
        read.fails_only(&[]);
    }
    story.reads_document("a", (90_000, 90_500), Some(Status::Healthy), 3).fails_only(&["VIEW-2"]);
}

#[test]
fn a_view_behind_a_report_must_show_it() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (2_000, 2_500), Some(Status::Healthy))
        .reports("a", (3_000, 4_000), Reported::Degraded);
    story.clone().reads("a", (4_000, 4_500), Some(Status::Healthy)).fails_only(&["VIEW-2"]);
    let shown = story.reads("a", (4_000, 4_500), Some(Status::Degraded));
    shown.fails_only(&[]);
    shown.reads("a", (5_000, 5_500), Some(Status::Healthy)).fails_only(&["TIME-1", "TIME-5"]);
}

#[test]
fn a_view_behind_a_deregistration_must_not_show_the_agent() {
    let story = Story::new().registers("a", (1_000, 2_000)).leaves("a", (3_000, 4_000));
    story.clone().reads("a", (4_000, 4_500), Some(Status::Healthy)).fails_only(&["VIEW-2"]);
    story.clone().lists((4_000, 4_500), 1, &[("a", Status::Healthy)]).fails_only(&["VIEW-2"]);
    story.clone().reads("a", (3_999, 4_500), Some(Status::Healthy)).fails_only(&[]);
    let back = story.registers("a", (3_500, 4_600));
    back.reads("a", (4_000, 4_500), Some(Status::Healthy)).fails_only(&[]);
}

#[test]
fn a_304_to_a_body_that_may_not_be_shown_any_more_fails_view_3() {
    let story =
        Story::new().registers("a", (1_000, 2_000)).lists((3_000, 3_500), 1, &[("a", Status::Healthy)]);
    story.clone().unchanged((90_000, 90_500), 1).fails_only(&[]);
    story.clone().unchanged((117_001, 117_500), 1).fails_only(&["VIEW-3"]);
    story.clone().registers("b", (4_000, 5_000)).unchanged((5_000, 5_500), 1).fails_only(&["VIEW-3"]);
}

#[test]
fn a_304_that_repeats_what_a_wrong_list_says_is_not_to_blame() {
    let story =
        Story::new().registers("a", (1_000, 2_000)).lists((3_000, 3_500), 1, &[("a", Status::Healthy)]);
    let wrong =
        story.lists((130_000, 130_500), 1, &[("a", Status::Healthy)]).unchanged((140_000, 140_500), 1);
    wrong.fails_only(&["TIME-3"]);
}

#[test]
fn a_304_to_a_tag_that_the_lists_around_it_do_not_carry_fails_view_3() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .lists((3_000, 3_500), 1, &[("a", Status::Healthy)])
        .lists((5_000, 5_500), 2, &[("a", Status::Healthy)])
        .lists((7_000, 7_500), 2, &[("a", Status::Healthy)]);
    story.clone().unchanged((6_000, 6_500), 2).fails_only(&[]);
    story.clone().unchanged((6_000, 6_500), 1).fails_only(&["VIEW-3"]);
    // A 304 that overlaps a list is not between the two.
    story.unchanged((5_400, 6_500), 1).fails_only(&[]);
}

#[test]
fn one_tag_for_two_bodies_fails_view_3() {
    let story = Story::new()
        .registers("a", (1_000, 2_000))
        .lists((3_000, 3_500), 1, &[("a", Status::Healthy)])
        .lists((101_000, 101_500), 1, &[("a", Status::Degraded)]);
    story.fails_only(&["VIEW-3"]);
}

/// Thirty renewals with a list behind each; the list behind the last one carries `last`.
fn renewals_and_lists(last: u64) -> Story {
    let mut story = Story::new().registers("a", (0, 500)).lists((1_000, 1_500), 1, &[("a", Status::Healthy)]);
    for beat in 1..=30 {
        let at = beat * 50_000;
        let revision = if beat == 30 { last } else { 1 };
        story = story.renews("a", (at, at + 500));
        story = story.lists((at + 1_000, at + 1_500), revision, &[("a", Status::Healthy)]);
    }
    story
}

#[test]
fn renewals_that_change_the_revision_fail_view_5() {
    let story = renewals_and_lists(1);
    story.fails_only(&[]);
    assert_eq!(story.row("VIEW-5").verdict, RequirementVerdict::Pass, "{:?}", story.row("VIEW-5"));
    renewals_and_lists(2).fails_only(&["VIEW-5"]);
}

#[test]
fn a_change_that_may_have_fallen_between_two_lists_excuses_the_revision() {
    let both = [("a", Status::Healthy), ("b", Status::Healthy)];
    let story = Story::new().registers("a", (0, 500)).lists((1_000, 1_500), 1, &[("a", Status::Healthy)]);
    let registered = |b: (u64, u64)| {
        let renewed = story.clone().renews("a", (2_000, 2_500)).registers("b", b);
        renewed.lists((9_000, 9_500), 2, &both).renews("a", (11_000, 11_500)).lists(
            (15_000, 15_500),
            3,
            &both,
        )
    };
    // The registration may have fallen between the last two lists only if it was under way then.
    registered((8_000, 9_100)).fails_only(&[]);
    registered((8_000, 8_500)).fails_only(&["VIEW-5"]);
}

#[test]
fn a_timer_that_goes_off_at_a_wrong_time_is_no_doing_of_the_renewals() {
    let late = Story::new()
        .registers("b", (0, 500))
        .lists((1_000, 1_500), 1, &[("b", Status::Healthy)])
        .registers("a", (2_000, 2_500));
    let mut late = late.lists((3_000, 3_500), 2, &[("a", Status::Healthy), ("b", Status::Healthy)]);
    for beat in 1..=30 {
        let at = beat * 50_000;
        // `b` is silent, and yet stays healthy until 1,000 ms.
        let (revision, status) = if beat < 20 { (2, Status::Healthy) } else { (3, Status::Degraded) };
        late = late.renews("a", (at, at + 500));
        late = late.lists((at + 1_000, at + 1_500), revision, &[("a", Status::Healthy), ("b", status)]);
    }
    late.fails_only(&["TIME-3", "TIME-4"]);
    assert_eq!(late.row("VIEW-5").verdict, RequirementVerdict::Undecided);
}

#[test]
fn agents_of_somebody_else_leave_view_5_undecided() {
    let story = renewals_and_lists(2).lists((9_000_000, 9_000_500), 3, &[("stranger", Status::Healthy)]);
    story.fails_only(&[]);
    assert_eq!(story.row("VIEW-5").verdict, RequirementVerdict::Undecided);
}

#[test]
fn what_the_registry_knew_before_the_run_may_end_within_its_memory() {
    // Evicted after 400 ms: until then whoever it knew from before may change the revision.
    let story = |jump: u64| {
        let mut story = Story::new().declares("a", (0, 500), Outcome::Registered, 1);
        story = story.last(|call| call.seen = Some(Seen { epoch: Some(2), ..Seen::default() }));
        for beat in 1..=30 {
            let at = beat * 50_000;
            let revision = if beat < jump { 1 } else { 2 };
            story = story.renews("a", (at, at + 500));
            story = story.lists((at + 1_000, at + 1_500), revision, &[("a", Status::Healthy)]);
        }
        story
    };
    story(5).fails_only(&[]);
    story(20).fails_only(&["VIEW-5"]);
}
