//! How many agents and how often, by what the registry can do and how slow its policies are.

use std::collections::BTreeMap;

use reports::history::{Abilities, Policy};

use crate::generate::WAVE_TYPE;

/// A main window that lasts longer has room for other stages.
const UNHURRIED_US: u64 = 30_000_000;

/// Sizes and periods of a run, times in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Agents side by side in the main window.
    pub(super) agents: u32,
    /// A list is due so often.
    pub(super) list_period_us: u64,
    /// How long the main window is open for acts; silence follows.
    pub(super) acting_us: u64,
    /// How long that silence is.
    pub(super) silence_us: u64,
    /// The policies are so slow that several stages have room in the same window.
    pub(super) unhurried: bool,
    /// How long nothing but renewals happens.
    pub(super) quiet_us: u64,
    /// Agents in the quiet stage.
    pub(super) quiet_agents: u32,
    /// A change is due so often for each agent before a kill.
    pub(super) churn_period_us: u64,
    /// How long the load before a kill lasts at most.
    pub(super) load_us: u64,
    /// Types of the main window.
    pub(super) types: Vec<String>,
}

impl Pace {
    pub(super) fn of(
        abilities: &Abilities,
        policies: &BTreeMap<String, Policy>,
        bound_ms: u64,
        agents: Option<u32>,
    ) -> Self {
        // Without conditional lists and single reads it is a registry whose lists are dear.
        let dear = !abilities.conditional_lists && !abilities.single_read;
        let types: Vec<String> = policies
            .keys()
            .filter(|name| *name != WAVE_TYPE && (abilities.policies_by_type || *name == "default"))
            .cloned()
            .collect();
        let of_main = || policies.iter().filter(|(name, _)| types.contains(name)).map(|(_, policy)| policy);
        let slowest_us = of_main().map(|policy| policy.expires_after_ms).max().unwrap_or(1000) * 1000;
        let last_us = of_main()
            .map(|policy| policy.evict_after_ms.unwrap_or(policy.expires_after_ms))
            .max()
            .unwrap_or(1000)
            * 1000;
        let acting_us = slowest_us * 5 / 2;
        let unhurried = acting_us + last_us > UNHURRIED_US;
        // Slow ones are not waited for until the last agent is gone: all expire, and whoever fell silent in the first
        // half of the acts is evicted.
        let silence_us =
            if unhurried { slowest_us.max(last_us.saturating_sub(acting_us / 2)) } else { last_us };
        // No list is the wiser for coming more often than a hundred times in a lease.
        let list_period_us = if dear { 200_000 } else { 40_000 }.max(slowest_us / 100);
        let interval_us = of_main().map(|policy| policy.heartbeat_interval_ms).max().unwrap_or(500) * 1000;
        Self {
            agents: agents.unwrap_or(if dear { 60 } else { 160 }).max(12),
            list_period_us,
            acting_us,
            unhurried,
            silence_us: silence_us + bound_ms * 1000 + 300_000,
            quiet_us: (interval_us * 3 / 2).max(1_500_000),
            quiet_agents: 20,
            churn_period_us: if dear { 150_000 } else { 80_000 },
            load_us: if dear { 1_500_000 } else { 700_000 },
            types,
        }
    }

    /// How long the main window lasts.
    pub(super) fn window_us(&self) -> u64 {
        self.acting_us + self.silence_us
    }

    /// What is said beforehand to somebody whose timeouts make him wait.
    pub(super) fn warning(&self) -> Option<String> {
        let seconds = |us: u64| us.div_ceil(1_000_000);
        self.unhurried.then(|| {
            format!(
                "the timeouts are long: agents act for {} s (2.5 X) and are watched for {} s more, so this takes {} s \
                 and a lease or two; a registry set up with X = 2 s and Q = 3 s is judged in half a minute",
                seconds(self.acting_us),
                seconds(self.silence_us),
                seconds(self.window_us()),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pace(expires_ms: u64, evict_ms: u64) -> Pace {
        let policy = Policy {
            heartbeat_interval_ms: expires_ms / 4,
            degraded_after_ms: Some(expires_ms / 2),
            expires_after_ms: expires_ms,
            evict_after_ms: Some(evict_ms),
        };
        Pace::of(&Abilities::ALL, &BTreeMap::from([("default".to_owned(), policy)]), 50, None)
    }

    #[test]
    fn slow_policies_are_judged_within_two_minutes_and_whoever_waits_is_told_so() {
        let slow = pace(20_000, 60_000);
        // Behind the window come provocations, which wait for one lease.
        assert!(slow.window_us() + 20_000_000 < 115_000_000, "{slow:?}");
        assert!(slow.warning().unwrap().contains("86 s"), "{:?}", slow.warning());
        // The first half of the acts leaves room for Q, and all of them for X.
        assert!(slow.silence_us + slow.acting_us / 2 > 60_000_000 && slow.silence_us > 20_000_000);
    }

    #[test]
    fn quick_policies_are_watched_to_the_end_of_the_last_agent() {
        let quick = pace(1_000, 1_700);
        assert!(!quick.unhurried && quick.warning().is_none());
        assert!(quick.silence_us > 1_700_000);
    }
}
