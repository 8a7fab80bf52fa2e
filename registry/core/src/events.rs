//! What happened, in order, each transition once.

use std::collections::VecDeque;

use crate::agent::Status;
use crate::document::AgentId;
use crate::time::{Revision, WallTime};

/// The most events that are kept, in memory until the store has them and in the store.
pub const KEPT: usize = 100_000;

/// What an event tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A new epoch began.
    Registered,
    /// The document changed.
    Updated,
    /// It became or reported degraded.
    Degraded,
    /// It came back, or reported healthy again.
    Recovered,
    /// Its lease ran out.
    Expired,
    /// It was silent for too long and is gone.
    Evicted,
    /// It left by itself.
    Deregistered,
}

impl Kind {
    /// All of them, for metrics.
    pub const ALL: [Self; 7] = [
        Self::Registered,
        Self::Updated,
        Self::Degraded,
        Self::Recovered,
        Self::Expired,
        Self::Evicted,
        Self::Deregistered,
    ];

    /// As the contract writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Updated => "updated",
            Self::Degraded => "degraded",
            Self::Recovered => "recovered",
            Self::Expired => "expired",
            Self::Evicted => "evicted",
            Self::Deregistered => "deregistered",
        }
    }
}

/// Why it happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A heartbeat declared or reported it.
    Reported,
    /// A deadline passed.
    MissedHeartbeat,
    /// A heartbeat came after one had been missed.
    Heartbeat,
    /// The registry started again and gave every agent a full lease.
    Restart,
}

impl Cause {
    /// As events show it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reported => "reported",
            Self::MissedHeartbeat => "missed_heartbeat",
            Self::Heartbeat => "heartbeat",
            Self::Restart => "restart",
        }
    }
}

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Grows by one with every event.
    pub number: u64,
    /// The revision that it made; two events of one heartbeat share it.
    pub revision: Revision,
    /// When, for people.
    pub at: WallTime,
    /// Whom it is about.
    pub agent_id: AgentId,
    /// In which epoch.
    pub epoch: u64,
    /// What happened.
    pub kind: Kind,
    /// The status that views showed before; `None` when they showed nothing.
    pub from: Option<Status>,
    /// The status that they show after it; `None` when they show nothing.
    pub to: Option<Status>,
    /// Why, where the kind does not say it.
    pub cause: Option<Cause>,
}

/// Events that the store does not have yet. Bounded: beyond [`KEPT`] the oldest are dropped, as the store would.
#[derive(Debug)]
pub(crate) struct Pending {
    events: VecDeque<Event>,
    next_number: u64,
    counts: [u64; Kind::ALL.len()],
}

impl Pending {
    pub(crate) fn new(next_number: u64) -> Self {
        Self { events: VecDeque::new(), next_number, counts: [0; Kind::ALL.len()] }
    }

    /// Numbers the event and keeps it.
    pub(crate) fn push(&mut self, mut event: Event) {
        event.number = self.next_number;
        self.next_number += 1;
        self.counts[event.kind as usize] += 1;
        if self.events.len() >= KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    pub(crate) fn first(&self, most: usize) -> Vec<Event> {
        self.events.iter().take(most).cloned().collect()
    }

    pub(crate) fn forget_through(&mut self, number: u64) {
        while self.events.front().is_some_and(|event| event.number <= number) {
            self.events.pop_front();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// How many of each kind there have been since the start.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(self.counts)
    }
}
