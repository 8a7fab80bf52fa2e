//! Which agents of a plan are whose: a run may be spread over several processes, and over several machines. The plan is
//! the same for all; each follows it for its own share of the agents.

use serde::{Deserialize, Serialize};

/// The agents whose number leaves a remainder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Share {
    remainder: u32,
    divisor: u32,
}

impl Share {
    /// All agents.
    pub const WHOLE: Self = Self { remainder: 0, divisor: 1 };

    /// No agent.
    pub const NOBODY: Self = Self { remainder: 0, divisor: 0 };

    /// The share of the part of this number, from 1, where there are so many; `None` where there is no such part.
    pub fn of(number: u32, parts: u32) -> Option<Self> {
        let remainder = number.checked_sub(1).filter(|remainder| *remainder < parts)?;
        Some(Self { remainder, divisor: parts })
    }

    /// The share of a worker, from 0, of so many among whom this share is spread once more.
    pub fn worker(self, worker: u32, workers: u32) -> Self {
        Self { remainder: self.remainder + self.divisor * worker, divisor: self.divisor * workers.max(1) }
    }

    /// Whether an agent belongs to it.
    pub fn has(self, agent: u32) -> bool {
        agent.checked_rem(self.divisor) == Some(self.remainder)
    }

    /// Whether every agent does.
    pub fn is_whole(self) -> bool {
        self.divisor == 1
    }

    /// How many of so many things, numbered as agents are, belong to it.
    pub fn count(self, whole: u32) -> u32 {
        let Some(rest) = whole.checked_rem(self.divisor) else { return 0 };
        whole / self.divisor + u32::from(self.remainder < rest)
    }

    /// The numbers of those of so many that belong to it, in order.
    pub fn agents(self, whole: u32) -> impl Iterator<Item = u32> {
        let count = self.count(whole) as usize;
        (self.remainder..whole).step_by(self.divisor.max(1) as usize).take(count)
    }

    /// The how-manieth of [`Self::agents`] an agent is, from 0; `None`: it is none of them.
    pub fn place(self, agent: u32) -> Option<usize> {
        self.has(agent).then(|| (agent / self.divisor.max(1)) as usize)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_parts_of_a_bound_make_up_the_whole() {
        let parts = |whole, parts| {
            (1..=parts).filter_map(|number| Some(Share::of(number, parts)?.count(whole))).collect::<Vec<_>>()
        };
        assert_eq!((parts(512, 3), parts(2, 3)), (vec![171, 171, 170], vec![1, 1, 0]));
        assert_eq!((Share::of(0, 3), Share::of(4, 3)), (None, None));
    }

    #[test]
    fn nobody_is_no_agent() {
        assert_eq!((Share::NOBODY.count(5), Share::NOBODY.agents(5).count()), (0, 0));
        assert_eq!((Share::NOBODY.has(0), Share::NOBODY.place(0)), (false, None));
    }

    proptest! {
        #[test]
        fn agents_are_those_that_belong_to_it_each_at_its_place(whole in 0_u32..300, parts in 1_u32..20, workers in 1_u32..9) {
            for part in (1..=parts).filter_map(|number| Share::of(number, parts)) {
                let own = part.worker(workers - 1, workers);
                let agents: Vec<u32> = own.agents(whole).collect();
                let expected: Vec<u32> = (0..whole).filter(|agent| own.has(*agent)).collect();
                prop_assert_eq!(own.count(whole) as usize, agents.len());
                for (place, agent) in agents.iter().enumerate() {
                    prop_assert_eq!(own.place(*agent), Some(place));
                }
                prop_assert_eq!(agents, expected);
            }
        }

        #[test]
        fn every_agent_belongs_to_one_worker_of_one_part(agent in 0_u32..1_000_000, parts in 1_u32..100, workers in 1_u32..64) {
            let parts: Vec<Share> = (1..=parts).filter_map(|number| Share::of(number, parts)).collect();
            let owners = parts.iter().filter(|part| part.has(agent));
            prop_assert_eq!(owners.count(), 1);
            for part in parts {
                prop_assert_eq!(part.place(agent).is_some(), part.has(agent));
                let owners = (0..workers).filter(|worker| part.worker(*worker, workers).has(agent)).count();
                prop_assert_eq!(owners, usize::from(part.has(agent)));
            }
        }
    }
}
