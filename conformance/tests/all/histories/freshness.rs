//! How late views showed what had changed, on small histories: each figure to the microsecond.

use super::*;

impl Story {
    /// Count and greatest value of a figure; nothing where nothing was measured.
    fn figure(&self, name: &str) -> Option<(u64, u64)> {
        let figures = self.judged().freshness;
        let found = figures.into_iter().find(|figure| figure.name == name)?;
        Some((found.count, found.lateness_us.max))
    }

    fn by(self, poller: &str) -> Self {
        self.last(|call| call.agent = Some(poller.to_owned()))
    }

    /// A default list with this document of the agent.
    fn lists_document(self, span: (u64, u64), agent: &str, document: u64) -> Self {
        self.lists(span, document, &[(agent, Status::Healthy)]).last(|call| {
            call.seen.as_mut().unwrap().agents = Some(vec![shown(agent, Status::Healthy, document)]);
        })
    }

    /// An answer to the same that tells what changed only.
    fn since(self, revision: u64) -> Self {
        self.last(|call| call.sent.as_mut().unwrap().since = Some(revision))
    }
}

fn one() -> Story {
    Story::new().registers("a", (1_000, 2_000))
}

#[test]
fn a_registration_counts_from_its_answer_to_the_first_view_that_shows_it() {
    let story = one().lists((1_500, 1_800), 1, &[]).lists((5_000, 5_400), 2, &[("a", Status::Healthy)]);
    assert_eq!(story.figure("registered_to_visible"), Some((1, 3_400)));
    // What comes later measures nothing more, and what was seen before the answer was not late.
    let later = story.lists((6_000, 6_400), 2, &[("a", Status::Healthy)]);
    assert_eq!(later.figure("registered_to_visible"), Some((1, 3_400)));
    let before = one().lists((1_500, 1_800), 1, &[("a", Status::Healthy)]);
    assert_eq!(before.figure("registered_to_visible"), Some((1, 0)));
    assert_eq!(one().figure("registered_to_visible"), None);
}

#[test]
fn a_crash_counts_from_each_deadline_between_two_bounds() {
    let story = one()
        .reads("a", (103_000, 103_200), Some(Status::Healthy))
        .reads("a", (106_000, 106_500), Some(Status::Degraded))
        .reads("a", (203_000, 203_200), Some(Status::Degraded))
        .reads("a", (207_000, 207_500), Some(Status::Expired))
        .reads("a", (404_000, 404_200), Some(Status::Expired))
        .reads("a", (409_000, 409_500), None);
    let figures = [
        ("crashed_to_degraded", 4_500),
        ("crashed_to_degraded_at_least", 1_000),
        ("crashed_to_expired", 5_500),
        ("crashed_to_expired_at_least", 1_000),
        ("crashed_to_gone", 7_500),
        ("crashed_to_gone_at_least", 2_000),
    ];
    for (name, us) in figures {
        assert_eq!(story.figure(name), Some((1, us)), "{name}");
    }
    // Nobody looked while it was degraded: nobody knows when that began.
    let late = one().reads("a", (207_000, 207_500), Some(Status::Expired));
    assert_eq!(late.figure("crashed_to_degraded"), None);
    assert_eq!(late.figure("crashed_to_expired_at_least"), Some((1, 0)));
}

#[test]
fn a_change_counts_once_for_each_poller_that_looked_behind_its_beginning() {
    let changed = one().declares("a", (10_000, 11_000), Outcome::Updated, 2);
    let story = changed
        .lists_document((12_000, 12_500), "a", 2)
        .by("b")
        .lists_document((15_000, 15_500), "a", 2)
        .by("c")
        .lists_document((16_000, 16_500), "a", 2)
        .by("b");
    assert_eq!(story.figure("change_to_seen"), Some((2, 4_500)));
    let reported = one().reports("a", (10_000, 11_000), Reported::Degraded).reads(
        "a",
        (13_000, 13_200),
        Some(Status::Degraded),
    );
    assert_eq!(reported.figure("change_to_seen"), Some((1, 2_200)));
}

#[test]
fn a_delta_is_a_look_of_its_poller_like_a_list() {
    let changed = one().declares("a", (10_000, 11_000), Outcome::Updated, 2);
    let story = changed.lists_document((12_000, 12_500), "a", 2).since(1).by("b");
    assert_eq!(story.figure("change_to_seen"), Some((1, 1_500)));
    let again = story.lists_document((16_000, 16_500), "a", 2).by("b");
    assert_eq!(again.figure("change_to_seen"), Some((1, 1_500)));
}

#[test]
fn a_long_poll_that_waited_for_a_change_counts_at_its_end() {
    let changed = one().declares("a", (10_000, 11_000), Outcome::Updated, 2);
    let told = |story: Story, span, document| story.lists_document(span, "a", document).since(1).by("b");
    assert_eq!(told(changed.clone(), (5_000, 13_000), 2).figure("change_to_seen"), Some((1, 2_000)));
    // The document before may have been told before the change.
    assert_eq!(told(changed, (5_000, 13_000), 1).figure("change_to_seen"), None);
    // A document that comes back may be the one that was there when the call began.
    let back = one().declares("a", (10_000, 11_000), Outcome::Updated, 2).declares(
        "a",
        (20_000, 21_000),
        Outcome::Updated,
        1,
    );
    assert_eq!(told(back.clone(), (5_000, 23_000), 1).figure("change_to_seen"), None);
    assert_eq!(told(back, (12_000, 23_000), 1).figure("change_to_seen"), Some((1, 2_000)));
}

#[test]
fn a_long_poll_that_waited_for_an_expiry_counts_at_its_end() {
    let waited = |story: Story, span| {
        story.lists(span, 3, &[]).since(1).by("b").last(|call| {
            call.seen.as_mut().unwrap().removed = vec!["a".to_owned()];
        })
    };
    let seen = one().reads("a", (150_000, 150_100), Some(Status::Degraded)).reads(
        "a",
        (201_000, 201_100),
        Some(Status::Degraded),
    );
    let story = waited(seen, (50_000, 203_000));
    assert_eq!(story.figure("crashed_to_expired"), Some((1, 1_000)));
    // The reads began behind the long-poll's beginning, and are the last that showed the agent all the same.
    assert_eq!(story.figure("crashed_to_expired_at_least"), Some((1, 0)));
    let late = one().reads("a", (203_000, 203_100), Some(Status::Degraded));
    assert_eq!(waited(late, (50_000, 206_000)).figure("crashed_to_expired_at_least"), Some((1, 1_000)));
}
