//! Agents that are replaced one after the other, worked out when asked for: however long a churn goes on, it takes four
//! bytes an agent.

use super::share::Share;

/// A churn. Replacement `k` strikes the member of rank `k` modulo their number, so that all take their turn.
#[derive(Debug)]
pub(super) struct Churn {
    pub(super) start_us: u64,
    pub(super) length_us: u64,
    /// How long each is away; shorter than its turn.
    down_us: u64,
    /// Replacements in all.
    total: u64,
    members: u64,
    /// Whether they deregister.
    pub(super) leaves: bool,
    /// Of each agent; [`NOBODY`] for one that does not take part.
    ranks: Vec<u32>,
    /// How many of those below each rank are counted; empty where all are.
    counted: Vec<u32>,
}

/// The rank of an agent that does not take part.
pub(super) const NOBODY: u32 = u32::MAX;

impl Churn {
    /// `total` replacements, evenly over the length, in the order of `ranks`.
    pub(super) fn new(
        start_us: u64,
        length_us: u64,
        down_us: u64,
        total: u64,
        leaves: bool,
        ranks: Vec<u32>,
    ) -> Self {
        let members = ranks.iter().filter(|rank| **rank != NOBODY).count() as u64;
        let length_us = length_us.max(1);
        // The last of its two cuts may come a microsecond early, as instants are rounded.
        let turn_us = match total > members {
            true => product(members, length_us, total).saturating_sub(2),
            false => u64::MAX,
        };
        let down_us = down_us.clamp(1, turn_us.max(1));
        Self { start_us, length_us, down_us, total, members, leaves, ranks, counted: Vec::new() }
    }

    /// When an agent next ends, at `from_us` or later.
    pub(super) fn cut_us(&self, agent: usize, from_us: u64) -> Option<u64> {
        let rank = self.ranks.get(agent).copied().filter(|rank| *rank != NOBODY).map(u64::from)?;
        let offset_us = from_us.saturating_sub(self.start_us + 1);
        // The first replacement of all that is not before, then the agent's own next one.
        let first = ceiling(offset_us, self.total, self.length_us);
        let turns = first.saturating_sub(rank).div_ceil(self.members.max(1));
        let number = rank + turns * self.members;
        (number < self.total).then(|| self.instant_us(number))
    }

    /// When an agent next comes back, at `from_us` or later.
    pub(super) fn back_us(&self, agent: usize, from_us: u64) -> Option<u64> {
        self.cut_us(agent, from_us.saturating_sub(self.down_us)).map(|cut_us| cut_us + self.down_us)
    }

    /// Lets only these agents count in [`Self::away`].
    pub(super) fn count_only(&mut self, share: Share) {
        let members = usize::try_from(self.members).unwrap_or_default();
        let mut has_rank = vec![false; members];
        for (agent, rank) in (0_u32..).zip(&self.ranks).filter(|(_, rank)| **rank != NOBODY) {
            let place = usize::try_from(*rank).ok().and_then(|rank| has_rank.get_mut(rank));
            place.into_iter().for_each(|place| *place = share.has(agent));
        }
        let sums = has_rank.iter().scan(0_u32, |sum, counts| {
            *sum += u32::from(*counts);
            Some(*sum)
        });
        self.counted = std::iter::once(0).chain(sums).collect();
    }

    /// How many of the agents that are counted are away at an instant.
    pub(super) fn away(&self, instant_us: u64) -> u64 {
        let before = self.until(instant_us.checked_sub(self.down_us));
        self.of_counted(self.until(Some(instant_us))) - self.of_counted(before)
    }

    /// How many of so many replacements strike agents that are counted.
    fn of_counted(&self, replacements: u64) -> u64 {
        let Some(all) = self.counted.last().filter(|_| self.members > 0) else { return replacements };
        let rest = usize::try_from(replacements % self.members).ok().and_then(|rest| self.counted.get(rest));
        replacements / self.members * u64::from(*all) + rest.copied().map_or(0, u64::from)
    }

    fn instant_us(&self, number: u64) -> u64 {
        self.start_us + 1 + product(number, self.length_us, self.total)
    }

    /// How many replacements there were until an instant.
    fn until(&self, instant_us: Option<u64>) -> u64 {
        let Some(offset_us) = instant_us.and_then(|instant_us| instant_us.checked_sub(self.start_us + 1))
        else {
            return 0;
        };
        ceiling(offset_us.saturating_add(1), self.total, self.length_us).min(self.total)
    }
}

/// `left` * `right` / `below`, rounded down.
fn product(left: u64, right: u64, below: u64) -> u64 {
    let whole = u128::from(left) * u128::from(right) / u128::from(below.max(1));
    u64::try_from(whole).unwrap_or(u64::MAX)
}

/// The same, rounded up.
fn ceiling(left: u64, right: u64, below: u64) -> u64 {
    let whole = (u128::from(left) * u128::from(right)).div_ceil(u128::from(below.max(1)));
    u64::try_from(whole).unwrap_or(u64::MAX)
}
