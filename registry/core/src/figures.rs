//! What operators count: agents by type, how leases ended, how old heartbeats were, how late timers.

use std::collections::BTreeMap;

use crate::agent::Status;
use crate::document::AgentType;
use crate::policy::Policies;
use crate::registry::Registry;
use crate::time::Moment;

/// What types without a policy of their own are counted as: agents name types as they like, and each would otherwise
/// become a series that never ends.
pub const OTHER_TYPES: &str = "other";

/// Durations by size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations<const N: usize> {
    /// Upper bounds, ascending, in microseconds; what is above the last is in `count` only.
    pub bounds_us: [u64; N],
    /// How many were not above each bound and above the one before.
    pub counts: [u64; N],
    /// How many there were.
    pub count: u64,
    /// Of all, in microseconds.
    pub sum_us: u64,
}

impl<const N: usize> Durations<N> {
    const fn new(bounds_us: [u64; N]) -> Self {
        Self { bounds_us, counts: [0; N], count: 0, sum_us: 0 }
    }

    fn observe(&mut self, us: u64) {
        if let Some(count) = self.counts.get_mut(self.bounds_us.partition_point(|bound| *bound < us)) {
            *count += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }
}

/// How a lease ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// Nothing was heard for X.
    Expired,
    /// The agent left.
    Deregistered,
    /// A later process of the agent took its place.
    Replaced,
}

impl End {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Expired, Self::Deregistered, Self::Replaced];

    /// As the metric's label says it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Deregistered => "deregistered",
            Self::Replaced => "replaced",
        }
    }
}

/// Counted since the start, but for the agents, which are those of now.
#[derive(Debug)]
pub struct Figures {
    /// How long an agent had been silent when a heartbeat renewed its lease.
    pub heartbeat_age: Durations<12>,
    /// How long after its deadline a transition was made.
    pub transition_lag: Durations<10>,
    ended: BTreeMap<String, [u64; End::ALL.len()]>,
    agents: BTreeMap<AgentType, [usize; Status::ALL.len()]>,
}

impl Default for Figures {
    fn default() -> Self {
        const MS: u64 = 1_000;
        const S: u64 = 1_000 * MS;
        let ages = [
            10 * MS,
            50 * MS,
            100 * MS,
            500 * MS,
            S,
            2 * S,
            5 * S,
            10 * S,
            20 * S,
            60 * S,
            300 * S,
            3_600 * S,
        ];
        let lags = [MS / 10, MS / 2, MS, 2 * MS, 5 * MS, 10 * MS, 25 * MS, 50 * MS, 100 * MS, S];
        Self {
            heartbeat_age: Durations::new(ages),
            transition_lag: Durations::new(lags),
            ended: BTreeMap::new(),
            agents: BTreeMap::new(),
        }
    }
}

impl Figures {
    pub(crate) fn renewed_after(&mut self, silence_us: u64) {
        self.heartbeat_age.observe(silence_us);
    }

    pub(crate) fn fired_after(&mut self, lag_us: u64) {
        self.transition_lag.observe(lag_us);
    }

    /// The type is folded when it is counted, so that what is kept is bounded by the policies.
    pub(crate) fn lease_ended(&mut self, policies: &Policies, agent_type: &AgentType, end: End) {
        let counts = self.ended.entry(label(policies, agent_type).to_owned()).or_default();
        counts[end as usize] += 1;
    }

    pub(crate) fn moved(
        &mut self,
        before: Option<(&AgentType, Status)>,
        after: Option<(&AgentType, Status)>,
    ) {
        if before == after {
            return;
        }
        if let Some((agent_type, status)) = after {
            match self.agents.get_mut(agent_type) {
                Some(counts) => counts[status as usize] += 1,
                None => self.agents.entry(agent_type.clone()).or_default()[status as usize] += 1,
            }
        }
        if let Some((agent_type, status)) = before
            && let Some(counts) = self.agents.get_mut(agent_type)
        {
            counts[status as usize] = counts[status as usize].saturating_sub(1);
            if counts.iter().all(|count| *count == 0) {
                self.agents.remove(agent_type);
            }
        }
    }

    /// How many leases ended, by type and way.
    pub fn ended(&self) -> impl Iterator<Item = (&str, End, u64)> {
        let rows = self.ended.iter();
        rows.flat_map(|(name, counts)| {
            End::ALL.into_iter().zip(*counts).map(|(end, count)| (name.as_str(), end, count))
        })
    }
}

/// How many agents there are of each type that has a policy, in the order of [`Status::ALL`]; the others are together
/// under [`OTHER_TYPES`].
pub type AgentsByType = BTreeMap<String, [usize; Status::ALL.len()]>;

impl Registry {
    /// What has been counted.
    pub fn figures(&self) -> &Figures {
        &self.figures
    }

    /// How many agents there are now, by type and status.
    pub fn agents_by_type(&mut self, moment: Moment) -> AgentsByType {
        self.advance(moment);
        let policies = &self.setup.policies;
        let mut by_type: AgentsByType =
            policies.all().keys().map(|agent_type| (agent_type.to_string(), Default::default())).collect();
        for (agent_type, counts) in &self.figures.agents {
            let sum = by_type.entry(label(policies, agent_type).to_owned()).or_default();
            for (sum, count) in sum.iter_mut().zip(counts) {
                *sum += count;
            }
        }
        by_type
    }
}

fn label<'a>(policies: &Policies, agent_type: &'a AgentType) -> &'a str {
    if policies.all().contains_key(agent_type) { agent_type.as_str() } else { OTHER_TYPES }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_counts_at_the_first_bound_that_is_not_below_it() {
        let mut durations = Durations::new([10, 20]);
        for us in [0, 10, 11, 20, 21] {
            durations.observe(us);
        }
        assert_eq!((durations.counts, durations.count, durations.sum_us), ([2, 2], 5, 62));
    }
}
