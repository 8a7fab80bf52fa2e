//! One agent's record: lease, epoch, order, and the status that follows from them.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::Serialize;

use crate::document::{Document, Reported};
use crate::policy::Policy;
use crate::saving::Slot;
use crate::time::{Instant, Revision, WallTime};

/// The status that views show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It beats and reports to be well.
    Healthy,
    /// It reports to be unwell, or has missed a heartbeat.
    Degraded,
    /// Its lease ran out.
    Expired,
}

impl Status {
    /// All of them, best first.
    pub const ALL: [Self; 3] = [Self::Healthy, Self::Degraded, Self::Expired];

    /// As the contract writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Degraded => "degraded",
            Self::Expired => "expired",
        }
    }

    /// Whether the agent has a lease.
    pub fn is_live(self) -> bool {
        self != Self::Expired
    }
}

/// Why views show that status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The agent said so.
    Reported,
    /// A deadline passed.
    MissedHeartbeat,
}

/// How far an agent's silence has gone. Timers move it forward; only heartbeats bring it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Silence < D.
    Live,
    /// D <= silence < X.
    Missed,
    /// X <= silence < Q.
    Expired,
    /// Q <= silence, or deregistered. What is left only remembers the epoch and the order.
    Gone,
}

/// What the registry knows of an agent.
#[derive(Debug)]
pub(crate) struct Agent {
    /// Names its rows in the store.
    pub(crate) key: u64,
    pub(crate) document: Arc<Document>,
    pub(crate) reported: Reported,
    pub(crate) phase: Phase,
    /// The timeouts of its last accepted heartbeat, when its type has had others since.
    pub(crate) former: Option<Box<Policy>>,
    pub(crate) epoch: u64,
    /// 0 for one that registered without.
    pub(crate) incarnation: u64,
    /// The last accepted one of this incarnation.
    pub(crate) sequence: Option<u64>,
    /// The highest incarnation that was deregistered: none up to it ever comes back.
    pub(crate) barred: Option<u64>,
    pub(crate) registered_at: WallTime,
    /// The last accepted heartbeat; of a gone one, when it went.
    pub(crate) last_seen: Instant,
    /// Its one entry among the timers.
    pub(crate) armed: Option<Instant>,
    /// When it last changed visibly.
    pub(crate) changed: Revision,
    /// When it last declared other dependencies than before.
    pub(crate) wiring_since: Revision,
    /// Its place among the unsaved.
    pub(crate) unsaved: Option<Slot>,
    /// Whether the store has another document of it, or none.
    pub(crate) document_unsaved: bool,
    /// Its last change that an answer must not promise before the store has it.
    pub(crate) promised: Revision,
    /// Its serialised entry, once somebody has asked for it.
    pub(crate) entry: OnceCell<Arc<str>>,
}

impl Agent {
    /// `None` when it is gone.
    pub(crate) fn status(&self) -> Option<Status> {
        match (self.phase, self.reported) {
            (Phase::Live, Reported::Healthy) => Some(Status::Healthy),
            (Phase::Live, Reported::Degraded) | (Phase::Missed, _) => Some(Status::Degraded),
            (Phase::Expired, _) => Some(Status::Expired),
            (Phase::Gone, _) => None,
        }
    }

    pub(crate) fn reason(&self) -> Reason {
        if self.phase == Phase::Live { Reason::Reported } else { Reason::MissedHeartbeat }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.phase, Phase::Live | Phase::Missed)
    }

    /// When silence alone will next change it. A gone one is remembered for Q at least.
    pub(crate) fn deadline(&self, policy: &Policy) -> Instant {
        self.last_seen.plus_ms(match self.phase {
            Phase::Live => policy.degraded_after_ms(),
            Phase::Missed => policy.expires_after_ms(),
            Phase::Expired | Phase::Gone => policy.evict_after_ms(),
        })
    }
}
