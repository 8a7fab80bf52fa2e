//! What changed since a revision: the log of changes, from which deltas are made.
//!
//! The log knows of each change who it was about and what views had shown before it. So a delta names as removed
//! only what its asker has seen, whatever it filters by. Of the time before a clean restart only the events are left:
//! they say who changed, but not what they had offered. So deltas of agents go on then, and may name as removed who had
//! not passed the filter; deltas of capabilities begin anew.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::agent::Status;
use crate::capabilities::Side;
use crate::document::{AgentId, Document};
use crate::events::Event;
use crate::filter::View;
use crate::registry::Registry;
use crate::time::{Instant, Revision};

/// At least so many changes can be asked for, as the contract demands.
const KEPT_CHANGES: usize = 10_000;
/// At least the changes of this time can be asked for, in milliseconds, as the contract demands.
const KEPT_MS: u64 = 10 * 60 * 1_000;
/// The most changes that [`Registry::concerns`] looks at.
const LOOKED_AT: usize = 1_000;
/// No more changes than this are kept, of some 100 bytes each, however many there were in that time.
pub const MOST_CHANGES: usize = 1_000_000;
/// No more bytes of documents that were replaced are kept, however few changes that leaves.
pub const MOST_BYTES: usize = 256 * 1024 * 1024;

/// What is to be done to a list at one revision so that it is the list at another. (The order of a list that is best
/// first does not follow from it.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The later one.
    pub revision: Revision,
    /// Entries that are new or other than before, as JSON, by id or name.
    pub changed: Vec<Arc<str>>,
    /// Ids or names that are not in the list any more, in order.
    pub removed: Vec<Arc<str>>,
}

/// Why there is no delta. The whole list is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resync {
    /// What changed since then is not known any more.
    TooOld,
    /// There has been no such revision yet.
    FromTheFuture,
    /// The revision belongs to another history.
    OtherStore,
}

impl Delta {
    /// True when the list is the same at both revisions.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty()
    }
}

impl Registry {
    /// Whether any change after a revision can have changed a list. Costs little: it says yes when there were many, and
    /// may say yes when a list changed and changed back.
    pub fn concerns(&self, view: &View, after: Revision) -> bool {
        if after < self.changes.floor || self.changes.after(after).len() > LOOKED_AT {
            return true;
        }
        // What an agent showed after a change is what it showed before its next one, or shows now.
        self.changes.after(after).any(|change| {
            let sides = [change.before(), self.side_now(&change.agent_id)];
            sides.into_iter().flatten().any(|side| shows(view, side))
        })
    }

    /// How many changes there have been after a revision, as far as they are kept.
    pub fn changes_since(&self, since: Revision) -> usize {
        self.changes.after(since).len() + self.changes.earlier_after(since).len()
    }

    fn side_now<'a>(&'a self, agent_id: &'a AgentId) -> Option<Side<'a>> {
        let agent = self.agents.get(agent_id)?;
        Some((agent_id, &agent.document, agent.status()?))
    }
}

fn shows(view: &View, (agent_id, document, status): Side<'_>) -> bool {
    match view {
        View::Agents(filter) => filter.admits(agent_id, document, status),
        View::Capabilities(filter) => {
            document.capabilities.iter().any(|capability| filter.admits(capability, status))
        }
    }
}

/// The changes that can still be asked for, oldest first.
#[derive(Debug)]
pub(crate) struct Changes {
    kept: VecDeque<Change>,
    /// Every change after this revision is kept.
    floor: Revision,
    /// Those of before the last start, oldest first, as far as the events tell of them.
    earlier: Vec<Earlier>,
    /// Every change after this revision is kept or among the earlier.
    earlier_floor: Revision,
    /// Of the documents that only this log still holds, about.
    bytes: usize,
}

/// What views showed of an agent at a revision.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Before<T> {
    Known(Option<T>),
    /// Something, of which nothing else is known.
    Unknown,
}

#[derive(Debug)]
struct Earlier {
    revision: Revision,
    agent_id: AgentId,
    was_shown: bool,
}

#[derive(Debug)]
struct Change {
    revision: Revision,
    at: Instant,
    agent_id: AgentId,
    before: Option<(Arc<Document>, Status)>,
    bytes: usize,
}

impl From<&Event> for Earlier {
    fn from(event: &Event) -> Self {
        Self { revision: event.revision, agent_id: event.agent_id.clone(), was_shown: event.from.is_some() }
    }
}

impl Change {
    fn before(&self) -> Option<Side<'_>> {
        self.before.as_ref().map(|(document, status)| (&self.agent_id, document, *status))
    }
}

impl Changes {
    /// A log that begins after `floor`. `events` are those of before, in order. They tell of every change, if the last
    /// of them made the last revision; otherwise the end was not clean, and some were lost.
    pub(crate) fn new(floor: Revision, events: &[Event]) -> Self {
        let mut log =
            Self { kept: VecDeque::new(), floor, earlier: Vec::new(), earlier_floor: floor, bytes: 0 };
        if let (Some(first), Some(last)) = (events.first(), events.last())
            && last.revision == floor
        {
            log.earlier_floor = Revision(first.revision.0.saturating_sub(1));
            log.earlier = events.iter().map(Earlier::from).collect();
        }
        log
    }

    /// Notes a change. `before` is what views showed, and whether the change put another document in its place.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        revision: Revision,
        agent_id: &AgentId,
        before: Option<(Arc<Document>, Status)>,
        is_replaced: bool,
    ) {
        let bytes = before.as_ref().filter(|_| is_replaced).map_or(0, |(document, _)| document.bytes());
        self.bytes = self.bytes.saturating_add(bytes);
        self.kept.push_back(Change { revision, at: now, agent_id: agent_id.clone(), before, bytes });
        while self.has_too_many(now) {
            let Some(oldest) = self.kept.pop_front() else { return };
            self.bytes = self.bytes.saturating_sub(oldest.bytes);
            self.floor = oldest.revision;
            self.earlier_floor = self.floor;
            self.earlier = Vec::new();
        }
    }

    fn has_too_many(&self, now: Instant) -> bool {
        let is_old = |change: &Change| change.at.plus_ms(KEPT_MS) < now;
        self.kept.len() > MOST_CHANGES
            || self.bytes > MOST_BYTES
            || (self.kept.len() > KEPT_CHANGES && self.kept.front().is_some_and(is_old))
    }

    /// Every change of such a view's lists after this revision is known.
    pub(crate) fn floor_of(&self, view: &View) -> Revision {
        match view {
            View::Agents(_) => self.earlier_floor,
            View::Capabilities(_) => self.floor,
        }
    }

    /// Who changed after a revision, oldest first, and what views had shown of them before.
    pub(crate) fn all_after(
        &self,
        revision: Revision,
    ) -> impl Iterator<Item = (Revision, &AgentId, Before<&(Arc<Document>, Status)>)> {
        let earlier = self.earlier_after(revision).iter().map(|earlier| {
            let before = if earlier.was_shown { Before::Unknown } else { Before::Known(None) };
            (earlier.revision, &earlier.agent_id, before)
        });
        let kept = self.after(revision);
        earlier.chain(
            kept.map(|change| (change.revision, &change.agent_id, Before::Known(change.before.as_ref()))),
        )
    }

    fn earlier_after(&self, revision: Revision) -> &[Earlier] {
        let first = self.earlier.partition_point(|earlier| earlier.revision <= revision);
        self.earlier.get(first..).unwrap_or_default()
    }

    fn after(&self, revision: Revision) -> impl ExactSizeIterator<Item = &Change> {
        let first = self.kept.partition_point(|change| change.revision <= revision);
        self.kept.range(first..)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_in_bytes_and_in_number_however_recent_its_changes_are() {
        let document = Document { endpoint: Some("x".repeat(1024 * 1024).into()), ..Document::default() };
        let large = (Arc::new(document), Status::Healthy);
        let agent_id = AgentId::parse("a").unwrap();
        let now = Instant::from_us(0);
        let mut log = Changes::new(Revision(0), &[]);
        for number in 1..=300 {
            log.push(now, Revision(number), &agent_id, Some(large.clone()), true);
        }
        assert!(log.bytes <= MOST_BYTES && log.bytes > MOST_BYTES - 2 * 1024 * 1024);
        assert_eq!(log.kept.len(), 255);
        assert_eq!(log.floor, Revision(45));

        let mut log = Changes::new(Revision(0), &[]);
        for number in 1..=1 + MOST_CHANGES as u64 {
            log.push(now, Revision(number), &agent_id, Some(large.clone()), false);
        }
        assert_eq!((log.kept.len(), log.floor, log.bytes), (MOST_CHANGES, Revision(1), 0));
    }
}
