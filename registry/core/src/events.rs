//! What happened, in order, each transition once.

use std::collections::VecDeque;

use crate::agent::Status;
use crate::document::AgentId;
use crate::registry::Registry;
use crate::time::{Moment, Revision, WallTime};

/// The most events that are kept, in memory and in the store.
pub const KEPT: usize = 100_000;
/// How long events are kept, in milliseconds of the wall clock: 7 days.
pub const KEPT_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reported, Self::MissedHeartbeat, Self::Heartbeat, Self::Restart];

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
    /// Grows with every event, by one except after the registry ended without being stopped.
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

/// Which events are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventFilter {
    /// Those with a higher number.
    pub after: u64,
    /// Those about this agent.
    pub agent_id: Option<String>,
    /// Those of this kind.
    pub kind: Option<Kind>,
}

/// A part of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPage {
    /// The first of those that were asked for, in order.
    pub events: Vec<Event>,
    /// The lowest number that is still kept; `None` when nothing is.
    pub oldest: Option<u64>,
}

impl Registry {
    /// `GET /events`: the first `limit` of the events that pass.
    pub fn events(&mut self, moment: Moment, filter: &EventFilter, limit: usize) -> EventPage {
        self.advance(moment);
        let kept = &self.events.kept;
        let passes = |event: &&Event| {
            filter.kind.is_none_or(|kind| kind == event.kind)
                && filter.agent_id.as_ref().is_none_or(|wanted| wanted == event.agent_id.as_str())
        };
        let after = self.events.after(filter.after);
        EventPage {
            events: after.filter(passes).take(limit).cloned().collect(),
            oldest: kept.front().map(|event| event.number),
        }
    }
}

/// What happened, as much of it as is kept. Bounded by [`KEPT`] and [`KEPT_MS`]: beyond them the oldest are dropped, as
/// the store does.
#[derive(Debug)]
pub(crate) struct History {
    kept: VecDeque<Event>,
    next_number: u64,
    /// The store has every event up to this number.
    saved_through: u64,
    counts: [u64; Kind::ALL.len()],
}

impl History {
    /// `kept` is what the store has, in order.
    pub(crate) fn new(next_number: u64, kept: Vec<Event>) -> Self {
        let saved_through = next_number.saturating_sub(1);
        Self { kept: kept.into(), next_number, saved_through, counts: [0; Kind::ALL.len()] }
    }

    /// Numbers the event and keeps it.
    pub(crate) fn push(&mut self, mut event: Event) {
        event.number = self.next_number;
        self.next_number += 1;
        self.counts[event.kind as usize] += 1;
        let oldest_kept_at = event.at.0.saturating_sub(KEPT_MS);
        self.kept.push_back(event);
        let has_too_many = |kept: &VecDeque<Event>| {
            kept.len() > KEPT || kept.front().is_some_and(|oldest| oldest.at.0 < oldest_kept_at)
        };
        while has_too_many(&self.kept) {
            self.kept.pop_front();
        }
    }

    /// The events that the store does not have, in order.
    pub(crate) fn unsaved(&self) -> impl Iterator<Item = &Event> {
        self.after(self.saved_through)
    }

    /// The store has every event up to this one.
    pub(crate) fn saved_through(&mut self, number: u64) {
        self.saved_through = self.saved_through.max(number);
    }

    /// No event with a lower number is kept. The newest always is, and its number with it.
    pub(crate) fn oldest(&self) -> u64 {
        self.kept.front().map_or(0, |oldest| oldest.number)
    }

    /// Whether the store has every event.
    pub(crate) fn is_saved(&self) -> bool {
        self.kept.back().is_none_or(|last| last.number <= self.saved_through)
    }

    /// How many of each kind there have been since the start.
    pub(crate) fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.into_iter().zip(self.counts)
    }

    fn after(&self, number: u64) -> impl Iterator<Item = &Event> {
        let first = self.kept.partition_point(|event| event.number <= number);
        self.kept.range(first..)
    }
}
