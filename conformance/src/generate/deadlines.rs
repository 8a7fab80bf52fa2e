//! Heartbeats around a deadline.

use proptest::collection::vec;
use proptest::strategy::{Just, Strategy as _};

use super::{Purpose, draw};

/// How far from its deadline a heartbeat is sent at the most.
const NEAR_US: i64 = 5_000;

/// A heartbeat and a view beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtDeadline {
    /// What is sent.
    pub kind: Kind,
    /// When, counted from the deadline.
    pub beat_us: i64,
    /// When the view is asked for, counted from the deadline.
    pub view_us: i64,
}

/// How much a heartbeat says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Who, and that it lives.
    Lean,
    /// The same as a HEAD.
    Leanest,
    /// Everything.
    Whole,
}

/// What each of `agents` agents does at each of `rounds` deadlines.
pub fn at_deadlines(seed: u64, agents: usize, rounds: usize) -> Vec<Vec<AtDeadline>> {
    let kind = proptest::prop_oneof![3 => Just(Kind::Lean), 1 => Just(Kind::Leanest), 2 => Just(Kind::Whole)];
    let one = (kind, -NEAR_US..=NEAR_US, -NEAR_US..=NEAR_US)
        .prop_map(|(kind, beat_us, view_us)| AtDeadline { kind, beat_us, view_us });
    draw(seed, Purpose::Deadlines, &vec(vec(one, rounds), agents)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_heartbeats_on_both_sides_of_the_deadline() {
        let all = at_deadlines(7, 40, 5);
        assert_eq!(all, at_deadlines(7, 40, 5));
        assert_ne!(all, at_deadlines(8, 40, 5));
        let mut flat = all.into_iter().flatten();
        assert!(flat.clone().all(|one| one.beat_us.abs() <= NEAR_US && one.view_us.abs() <= NEAR_US));
        assert!(flat.clone().any(|one| one.beat_us < 0) && flat.any(|one| one.beat_us > 0));
    }
}
