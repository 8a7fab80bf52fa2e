//! One microsecond on either side.

use super::*;

/// A registration from 1,000 to 2,000 us and one read.
fn one_read(span: (u64, u64), status: Option<Status>) -> Story {
    Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .reads("a", span, status)
}

#[test]
fn degraded_one_microsecond_before_d_is_early_and_at_d_is_not() {
    one_read((100_000, 100_999), Some(Status::Degraded)).fails_only(&["TIME-1"]);
    one_read((100_000, 101_000), Some(Status::Degraded)).fails_only(&[]);
}

#[test]
fn expired_one_microsecond_before_x_is_early_and_at_x_is_not() {
    one_read((200_000, 200_999), Some(Status::Expired)).fails_only(&["TIME-2"]);
    one_read((200_000, 201_000), Some(Status::Expired)).fails_only(&[]);
}

#[test]
fn healthy_is_late_one_microsecond_behind_d_w_and_d() {
    one_read((117_000, 118_000), Some(Status::Healthy)).fails_only(&[]);
    one_read((117_001, 118_000), Some(Status::Healthy)).fails_only(&["TIME-3"]);
}

#[test]
fn degraded_is_late_one_microsecond_behind_x_w_and_d() {
    one_read((217_000, 218_000), Some(Status::Degraded)).fails_only(&[]);
    one_read((217_001, 218_000), Some(Status::Degraded)).fails_only(&["TIME-4"]);
}

#[test]
fn expired_is_late_one_microsecond_behind_q_w_and_d() {
    one_read((417_000, 418_000), Some(Status::Expired)).fails_only(&[]);
    one_read((417_001, 418_000), Some(Status::Expired)).fails_only(&["TIME-4"]);
}

#[test]
fn an_expired_agent_has_no_place_in_a_default_list() {
    let story = Story::new().registers("a", (1_000, 2_000));
    story.lists((217_001, 218_000), 3, &[("a", Status::Expired)]).fails_only(&["TIME-4"]);
}

#[test]
fn a_view_that_began_before_the_answer_to_a_renewal_may_not_have_seen_it() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    let renewed = story.renews("a", (90_000, 110_000));
    renewed.clone().reads("a", (109_999, 111_000), Some(Status::Degraded)).fails_only(&[]);
    renewed.reads("a", (110_000, 111_000), Some(Status::Degraded)).fails_only(&["TIME-1"]);
}

#[test]
fn a_timed_out_renewal_excuses_a_healthy_view_and_no_degraded_one() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    let uncertain = story.renews_with("a", (90_000, 91_000), Outcome::TimedOut);
    uncertain.clone().reads("a", (150_000, 150_500), Some(Status::Healthy)).fails_only(&[]);
    uncertain.clone().reads("a", (150_000, 150_500), Some(Status::Degraded)).fails_only(&[]);
    uncertain.reads("a", (100_000, 100_900), Some(Status::Degraded)).fails_only(&["TIME-1"]);
}

#[test]
fn answers_that_renew_nothing_excuse_nothing() {
    for outcome in [Outcome::Stale, Outcome::Conflict, Outcome::Refused, Outcome::NotSent] {
        let story =
            Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
        let story = story.renews_with("a", (90_000, 91_000), outcome);
        story.reads("a", (150_000, 150_500), Some(Status::Healthy)).fails_only(&["TIME-3"]);
    }
}

#[test]
fn a_renewal_that_is_told_that_nobody_knows_the_agent_shows_an_early_expiry() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    story.clone().renews_with("a", (200_000, 200_999), Outcome::Unknown).fails_only(&["TIME-2"]);
    story.renews_with("a", (200_000, 201_000), Outcome::Unknown).fails_only(&[]);
}

#[test]
fn a_pause_of_the_process_excuses_what_is_late_and_nothing_that_is_early() {
    let paused = Story::new()
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .process(ProcessChange::Started, (0, 10))
        .process(ProcessChange::Paused, (50_000, 50_100))
        .process(ProcessChange::Continued, (150_000, 150_100));
    paused.clone().reads("a", (160_000, 160_500), Some(Status::Healthy)).fails_only(&[]);
    paused.reads("a", (160_000, 160_500), Some(Status::Expired)).fails_only(&["TIME-2"]);
}

#[test]
fn a_deregistration_that_may_have_counted_excuses_an_absence() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    let uncertain = story.call(Some("a"), Operation::Leave, (10_000, 11_000), Outcome::Failed);
    uncertain.clone().reads("a", (20_000, 20_500), None).fails_only(&[]);
    uncertain.reads("a", (20_000, 20_500), Some(Status::Healthy)).fails_only(&[]);
}
