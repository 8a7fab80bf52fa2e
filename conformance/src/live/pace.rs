//! How many agents and how often, by what the registry can do and how slow its policies are.

use std::collections::BTreeMap;

use reports::history::{Abilities, Policy};

use crate::generate::WAVE_TYPE;

/// Sizes and periods of a run, times in microseconds.
#[derive(Debug, Clone)]
pub(super) struct Pace {
    /// Agents side by side in the main window.
    pub(super) agents: u32,
    /// A list is due so often.
    pub(super) list_period_us: u64,
    /// How long the main window is open for acts; silence follows.
    pub(super) acting_us: u64,
    /// How long that silence is: until the last one must be gone.
    pub(super) silence_us: u64,
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
        let interval_us = of_main().map(|policy| policy.heartbeat_interval_ms).max().unwrap_or(500) * 1000;
        Self {
            agents: agents.unwrap_or(if dear { 60 } else { 160 }).max(12),
            list_period_us: if dear { 200_000 } else { 40_000 },
            acting_us: slowest_us * 5 / 2,
            silence_us: last_us + bound_ms * 1000 + 300_000,
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
}
