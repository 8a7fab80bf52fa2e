//! The interval that is handed out after a restart. Whoever could not reach the registry tries until it can: all agents
//! then beat in the same instant, and with one interval they would do so for ever. So for a while each gets an interval
//! of its own, and they drift apart.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::document::AgentId;
use crate::policy::Policy;
use crate::registry::{Registry, Setup};
use crate::time::{Instant, Moment};

/// It lasts one lease, and no longer than so many intervals: that is enough, and a short interval costs calls.
const MOST_INTERVALS: u64 = 4;

/// Whether, and from when on, intervals are spread.
#[derive(Debug)]
pub(crate) struct Spread {
    seed: u64,
    /// None when this history of revisions has only begun: nobody waited for it.
    restarted: Option<Instant>,
}

impl Spread {
    /// The core draws nothing: the store and the date of the start make the intervals others after each start.
    pub(crate) fn new(setup: &Setup, is_restart: bool, moment: Moment) -> Self {
        let mut hasher = DefaultHasher::new();
        (&setup.store_id, moment.wall.0).hash(&mut hasher);
        Self { seed: hasher.finish(), restarted: is_restart.then_some(moment.now) }
    }
}

impl Registry {
    /// How long the agent is asked to wait until its next heartbeat, in milliseconds: H, and after a restart down to
    /// half of it. Never more, since the timeouts are made for H.
    pub(crate) fn interval_ms(&self, agent_id: &AgentId, policy: &Policy) -> u64 {
        let interval_ms = policy.heartbeat_interval_ms();
        let lasts_ms = policy.expires_after_ms().min(interval_ms.saturating_mul(MOST_INTERVALS));
        let is_over = |restarted: Instant| restarted.plus_ms(lasts_ms) <= self.now;
        if self.spread.restarted.is_none_or(is_over) {
            return interval_ms;
        }
        let mut hasher = DefaultHasher::new();
        (self.spread.seed, agent_id.as_str()).hash(&mut hasher);
        let most_ms = interval_ms / 2;
        interval_ms - hasher.finish() % (most_ms + 1)
    }
}
