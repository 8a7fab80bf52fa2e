//! The timeouts of an agent type.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::document::AgentType;

/// The shortest timeout that can be set, in milliseconds.
pub const SHORTEST_MS: u64 = 10;
/// The longest timeout that can be set: 30 days, in milliseconds.
pub const LONGEST_MS: u64 = 30 * 24 * 60 * 60 * 1_000;

/// Timeouts counted from the last accepted heartbeat, H < D < X < Q, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Policy {
    heartbeat_interval_ms: u64,
    degraded_after_ms: u64,
    expires_after_ms: u64,
    evict_after_ms: u64,
}

/// Why four timeouts are no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyFault {
    /// One of them is out of bounds.
    #[error("{name} is {found_ms} ms; it must be from {SHORTEST_MS} ms to 30 days")]
    OutOfBounds {
        /// Which one.
        name: &'static str,
        /// What it is, in milliseconds.
        found_ms: u64,
    },
    /// Two of them are not in order.
    #[error(
        "{longer} ({longer_ms} ms) must be more than {shorter} ({shorter_ms} ms): \
         heartbeat_interval < degraded_after < expires_after < evict_after"
    )]
    NotInOrder {
        /// The one that must be shorter.
        shorter: &'static str,
        /// What it is, in milliseconds.
        shorter_ms: u64,
        /// The one that must be longer.
        longer: &'static str,
        /// What it is, in milliseconds.
        longer_ms: u64,
    },
}

impl PolicyFault {
    /// The timeout to mend.
    pub fn name(&self) -> &'static str {
        match self {
            Self::OutOfBounds { name, .. } => name,
            Self::NotInOrder { longer, .. } => longer,
        }
    }
}

impl Policy {
    /// What an agent type gets when nothing is set: 5 s, 10 s, 20 s, 60 s.
    pub const DEFAULT: Self = Self {
        heartbeat_interval_ms: 5_000,
        degraded_after_ms: 10_000,
        expires_after_ms: 20_000,
        evict_after_ms: 60_000,
    };

    /// H, D, X and Q in this order, in milliseconds.
    pub fn new(
        heartbeat_interval_ms: u64,
        degraded_after_ms: u64,
        expires_after_ms: u64,
        evict_after_ms: u64,
    ) -> Result<Self, PolicyFault> {
        let named = [
            ("heartbeat_interval", heartbeat_interval_ms),
            ("degraded_after", degraded_after_ms),
            ("expires_after", expires_after_ms),
            ("evict_after", evict_after_ms),
        ];
        for (name, found_ms) in named {
            if !(SHORTEST_MS..=LONGEST_MS).contains(&found_ms) {
                return Err(PolicyFault::OutOfBounds { name, found_ms });
            }
        }
        for ((shorter, shorter_ms), (longer, longer_ms)) in named.into_iter().zip(named.into_iter().skip(1)) {
            if shorter_ms >= longer_ms {
                return Err(PolicyFault::NotInOrder { shorter, shorter_ms, longer, longer_ms });
            }
        }
        Ok(Self { heartbeat_interval_ms, degraded_after_ms, expires_after_ms, evict_after_ms })
    }

    /// H: how often the agent is asked to beat.
    pub fn heartbeat_interval_ms(&self) -> u64 {
        self.heartbeat_interval_ms
    }

    /// D: from this silence on it is degraded.
    pub fn degraded_after_ms(&self) -> u64 {
        self.degraded_after_ms
    }

    /// X: from this silence on it is expired.
    pub fn expires_after_ms(&self) -> u64 {
        self.expires_after_ms
    }

    /// Q: from this silence on it is gone.
    pub fn evict_after_ms(&self) -> u64 {
        self.evict_after_ms
    }

    /// The shortest time that passes between a heartbeat and a transition, or between two transitions.
    pub fn shortest_step_ms(&self) -> u64 {
        self.degraded_after_ms
            .min(self.expires_after_ms - self.degraded_after_ms)
            .min(self.evict_after_ms - self.expires_after_ms)
    }
}

/// The policy of each agent type. Type `default` always exists; an unknown type gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policies {
    by_type: BTreeMap<AgentType, Policy>,
    fallback: Policy,
    shortest_step_ms: u64,
}

impl Policies {
    /// `default` is what [`Policy::DEFAULT`] says unless `by_type` names it.
    pub fn new(mut by_type: BTreeMap<AgentType, Policy>) -> Self {
        let fallback = *by_type.entry(AgentType::default()).or_insert(Policy::DEFAULT);
        let steps = by_type.values().map(Policy::shortest_step_ms);
        let shortest_step_ms = steps.fold(fallback.shortest_step_ms(), u64::min);
        Self { by_type, fallback, shortest_step_ms }
    }

    /// The policy of a type.
    pub fn of(&self, agent_type: &AgentType) -> &Policy {
        self.by_type.get(agent_type).unwrap_or(&self.fallback)
    }

    /// The shortest of all policies' [`Policy::shortest_step_ms`].
    pub fn shortest_step_ms(&self) -> u64 {
        self.shortest_step_ms
    }

    /// All of them, by type; `default` is among them.
    pub fn all(&self) -> &BTreeMap<AgentType, Policy> {
        &self.by_type
    }
}

impl Default for Policies {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_must_be_in_order_and_in_bounds() {
        assert!(Policy::new(10, 11, 12, 13).is_ok());
        assert_eq!(
            Policy::new(10, 10, 12, 13),
            Err(PolicyFault::NotInOrder {
                shorter: "heartbeat_interval",
                shorter_ms: 10,
                longer: "degraded_after",
                longer_ms: 10
            })
        );
        assert_eq!(
            Policy::new(9, 11, 12, 13),
            Err(PolicyFault::OutOfBounds { name: "heartbeat_interval", found_ms: 9 })
        );
        assert!(Policy::new(10, 11, 12, LONGEST_MS).is_ok());
        assert_eq!(Policy::new(10, 11, 12, LONGEST_MS + 1).map_err(|fault| fault.name()), Err("evict_after"));
    }

    #[test]
    fn an_unknown_type_gets_the_default_policy() {
        let policy = Policy::new(20, 30, 40, 50).expect("in order");
        let special = AgentType::parse("special").expect("a name");
        let policies = Policies::new(BTreeMap::from([(special.clone(), policy)]));
        assert_eq!(policies.of(&special), &policy);
        assert_eq!(policies.of(&AgentType::parse("other").expect("a name")), &Policy::DEFAULT);
        assert!(policies.all().contains_key(&AgentType::default()));
    }
}
