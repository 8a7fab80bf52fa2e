//! Draws keyed by what they are for. Each question has a ChaCha key of its own, so that no answer depends on how many
//! were asked before or by which thread, and an agent needs no generator of its own in memory.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What is decided.
#[derive(Debug, Clone, Copy)]
pub(super) enum Question {
    /// When an agent starts within the ramp.
    Start = 1,
    /// Which capabilities and dependencies it has.
    Declaration,
    /// Whether it renews by the leanest call.
    Renewal,
    /// Whether it crashes in a phase, and when.
    Crash,
    /// When it comes back.
    Return,
    /// Where in its period an agent's heartbeats lie.
    BeatOffset,
    /// Where in its period an agent's polls lie.
    PollOffset,
    /// How far one heartbeat is moved.
    BeatJitter,
    /// How far one poll is moved.
    PollJitter,
}

/// Whom a draw is for: seed, fleet and agent within the fleet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Draws {
    pub(super) seed: u64,
    pub(super) fleet: u32,
    pub(super) agent: u32,
}

impl Draws {
    /// The generator for one question; `part` is the phase or life, `number` the how-manieth.
    pub(super) fn generator(self, question: Question, part: u32, number: u32) -> ChaCha8Rng {
        let mut key = [0_u8; 32];
        key[0..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..12].copy_from_slice(&self.fleet.to_le_bytes());
        key[12..16].copy_from_slice(&self.agent.to_le_bytes());
        key[16..20].copy_from_slice(&(question as u32).to_le_bytes());
        key[20..24].copy_from_slice(&part.to_le_bytes());
        key[24..28].copy_from_slice(&number.to_le_bytes());
        ChaCha8Rng::from_seed(key)
    }

    /// A share, from 0 and below 1.
    pub(super) fn share(self, question: Question, part: u32, number: u32) -> f64 {
        share(&mut self.generator(question, part, number))
    }
}

/// A share, from 0 and below 1, in steps of 2^-53.
pub(super) fn share(generator: &mut ChaCha8Rng) -> f64 {
    generator.random::<f64>()
}

/// An order of its own for every agent.
pub(super) fn rank(generator: &mut ChaCha8Rng) -> u64 {
    generator.next_u64()
}

/// `count` different numbers below `pool`, every choice equally likely, in ascending order (Floyd's algorithm).
/// Fewer when the pool is smaller.
pub(super) fn choose(generator: &mut ChaCha8Rng, pool: u32, count: u32) -> Vec<u32> {
    let mut chosen = std::collections::BTreeSet::new();
    for last in pool.saturating_sub(count)..pool {
        let drawn = generator.random_range(0..=last);
        if !chosen.insert(drawn) {
            chosen.insert(last);
        }
    }
    chosen.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOMEBODY: Draws = Draws { seed: 1, fleet: 0, agent: 7 };

    #[test]
    fn every_part_of_the_key_changes_the_draw() {
        let all = [
            SOMEBODY.share(Question::Start, 0, 0),
            SOMEBODY.share(Question::Crash, 0, 0),
            SOMEBODY.share(Question::Start, 1, 0),
            SOMEBODY.share(Question::Start, 0, 1),
            Draws { seed: 2, ..SOMEBODY }.share(Question::Start, 0, 0),
            Draws { fleet: 1, ..SOMEBODY }.share(Question::Start, 0, 0),
            Draws { agent: 8, ..SOMEBODY }.share(Question::Start, 0, 0),
        ];
        for (index, one) in all.iter().enumerate() {
            for other in &all[index + 1..] {
                assert!((one - other).abs() > f64::EPSILON, "two keys drew {one}");
            }
        }
    }

    #[test]
    fn a_choice_has_as_many_different_members_as_asked_for_and_no_more_than_there_are() {
        for (pool, count, expected) in [(0, 0, 0), (0, 3, 0), (5, 0, 0), (5, 2, 2), (5, 5, 5), (5, 9, 5)] {
            let chosen = choose(&mut SOMEBODY.generator(Question::Declaration, 0, 0), pool, count);
            assert_eq!(chosen.len(), expected, "{count} of {pool}");
            assert!(chosen.iter().all(|member| *member < pool), "{count} of {pool}: {chosen:?}");
        }
    }
}
