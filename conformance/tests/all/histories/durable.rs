//! Kills and restarts.

use super::*;

/// Registered at 1 ms, killed at 50 ms, ready again from 300 to 320 ms: the full lease runs until 500 ms at least.
fn restarted() -> Story {
    Story::new()
        .process(ProcessChange::Started, (0, 10))
        .registers("a", (1_000, 2_000))
        .reads("a", (3_000, 3_500), Some(Status::Healthy))
        .process(ProcessChange::Killed, (50_000, 50_500))
        .process(ProcessChange::Started, (300_000, 320_000))
}

#[test]
fn who_lived_at_the_kill_has_a_full_lease_behind_the_restart() {
    restarted().reads("a", (499_000, 499_999), Some(Status::Degraded)).fails_only(&[]);
    restarted().reads("a", (499_000, 499_999), Some(Status::Expired)).fails_only(&["DURABLE-2"]);
    restarted().reads("a", (499_000, 500_000), Some(Status::Expired)).fails_only(&[]);
    restarted().reads("a", (535_000, 535_500), Some(Status::Degraded)).fails_only(&[]);
    restarted().reads("a", (535_001, 535_500), Some(Status::Degraded)).fails_only(&["TIME-4"]);
}

#[test]
fn an_acknowledged_registration_that_is_gone_behind_a_restart_fails_durable_1() {
    restarted().reads("a", (330_000, 330_500), None).fails_only(&["DURABLE-1"]);
    restarted().lists_by(everybody(), (330_000, 330_500), 1, &[]).fails_only(&["DURABLE-1"]);
}

#[test]
fn an_absence_from_a_default_list_is_a_loss_only_if_another_view_says_so() {
    restarted().lists((330_000, 330_500), 1, &[]).fails_only(&["DURABLE-2"]);
    let told = restarted().lists((330_000, 330_500), 1, &[]).reads("a", (331_000, 331_500), None);
    told.fails_only(&["DURABLE-1"]);
}

#[test]
fn who_was_already_silent_for_too_long_has_no_lease_behind_the_restart() {
    let story = Story::new()
        .process(ProcessChange::Started, (0, 10))
        .registers("a", (1_000, 2_000))
        .process(ProcessChange::Killed, (200_500, 201_000))
        .process(ProcessChange::Started, (300_000, 320_000));
    story.reads("a", (330_000, 330_500), Some(Status::Expired)).fails_only(&[]);
}

#[test]
fn an_acknowledged_update_that_is_undone_fails_durable_1() {
    let story = |outcome: Outcome, document: u64| {
        Story::new()
            .process(ProcessChange::Started, (0, 10))
            .registers("a", (1_000, 2_000))
            .declares("a", (40_000, 50_200), outcome, 2)
            .process(ProcessChange::Killed, (50_000, 50_500))
            .process(ProcessChange::Started, (100_000, 120_000))
            .reads_document("a", (130_000, 130_500), Some(Status::Healthy), document)
    };
    story(Outcome::Updated, 2).fails_only(&[]);
    story(Outcome::Updated, 1).fails_only(&["DURABLE-1"]);
    story(Outcome::Failed, 1).fails_only(&[]);
    story(Outcome::Failed, 2).fails_only(&[]);
    story(Outcome::Failed, 3).fails_only(&["DURABLE-1"]);
}

#[test]
fn an_acknowledged_deregistration_that_is_undone_fails_durable_1() {
    let story = |outcome: Outcome| {
        Story::new()
            .process(ProcessChange::Started, (0, 10))
            .registers("a", (1_000, 2_000))
            .call(Some("a"), Operation::Leave, (40_000, 41_000), outcome)
            .process(ProcessChange::Killed, (50_000, 50_500))
            .process(ProcessChange::Started, (100_000, 120_000))
            .reads("a", (130_000, 130_500), Some(Status::Healthy))
    };
    story(Outcome::Left).fails_only(&["DURABLE-1"]);
    story(Outcome::TimedOut).fails_only(&[]);
}

#[test]
fn a_call_that_died_with_the_process_cannot_renew_the_lease_later() {
    let story = restarted().renews_with("a", (49_000, 50_400), Outcome::Failed);
    story.reads("a", (436_000, 436_500), Some(Status::Healthy)).fails_only(&["TIME-3"]);
}

#[test]
fn without_a_restart_nothing_of_it_is_decided() {
    let story = Story::new().registers("a", (1_000, 2_000)).reads("a", (3_000, 3_500), Some(Status::Healthy));
    for id in ["DURABLE-1", "DURABLE-2"] {
        assert_eq!(story.row(id).verdict, RequirementVerdict::Undecided);
    }
}

#[test]
fn a_registry_that_promises_no_lease_behind_a_restart_is_not_held_to_one() {
    let mut story = restarted().reads("a", (330_000, 330_500), Some(Status::Expired));
    story.header.abilities.lease_after_restart = false;
    story.fails_only(&[]);
    assert_eq!(story.row("DURABLE-2").verdict, RequirementVerdict::NotApplicable);
}
