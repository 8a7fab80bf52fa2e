//! All agents, and the one place where a visible change is made.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::agent::{Agent, Phase, Status};
use crate::changes::Changes;
use crate::common::Common;
use crate::document::{AgentId, Document};
use crate::events::{Cause, Event, History, Kind};
use crate::figures::Figures;
use crate::policy::Policies;
use crate::roster::{Roster, Seat};
use crate::saving::Unsaved;
use crate::snapshots::Snapshots;
use crate::spread::Spread;
use crate::time::{Instant, Moment, Revision};
use crate::wiring::Index;

/// What a registry is told at its start.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Names this history of revisions.
    pub store_id: Arc<str>,
    /// The timeouts of each type.
    pub policies: Policies,
    /// The most agents that it holds.
    pub max_agents: usize,
}

/// All agents. Every method that takes a [`Moment`] first makes every transition that is due by then and that its answer
/// could tell of: all of them, or those of the one agent that it is about. So its answer is exact at that instant; a
/// moment earlier than one seen before counts as that one.
#[derive(Debug)]
pub struct Registry {
    pub(crate) setup: Setup,
    pub(crate) revision: Revision,
    pub(crate) now: Instant,
    pub(crate) agents: Roster,
    pub(crate) common: Common,
    /// One entry per agent at most, at or before its next deadline: a renewal leaves it alone, and it is put back
    /// when it turns up too early.
    pub(crate) timers: BTreeSet<(Instant, Seat)>,
    /// How many agents have each status, in the order of [`Status::ALL`].
    pub(crate) counts: [usize; Status::ALL.len()],
    pub(crate) index: Index,
    pub(crate) snapshots: Snapshots,
    pub(crate) unsaved: Unsaved,
    pub(crate) changes: Changes,
    pub(crate) events: History,
    /// Gone agents (with their epoch) that have been remembered for Q, oldest first.
    pub(crate) forgettable: VecDeque<(AgentId, u64)>,
    pub(crate) next_key: u64,
    pub(crate) figures: Figures,
    pub(crate) spread: Spread,
}

impl Registry {
    /// What it was told at its start.
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The number of the last visible change that has been made.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// How many events of each kind there have been since the start.
    pub fn event_counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.events.counts()
    }

    /// How many agents are held against `max_agents`.
    pub(crate) fn held(&self) -> usize {
        self.counts.iter().sum()
    }

    /// Makes one visible change: takes a revision, edits the agent, and brings the counts, the index of providers, the
    /// timers and the list of the unsaved up to date. `None` when there is no such agent.
    pub(crate) fn change(
        &mut self,
        agent_id: &AgentId,
        edit: impl FnOnce(&mut Agent, Revision),
    ) -> Option<Change> {
        let agent = self.agents.get_mut(agent_id)?;
        self.revision = self.revision.next();
        let revision = self.revision;
        let before = agent.status();
        let document_before = Arc::clone(&agent.document);

        edit(agent, revision);
        if agent.phase == Phase::Gone {
            agent.document = bare(&agent.document);
        }
        agent.document_unsaved |= !Arc::ptr_eq(&agent.document, &document_before);
        agent.changed = revision;
        agent.entry.take();
        let after = agent.status();
        agent.unsaved = Some(self.unsaved.mark(agent_id, agent.key, agent.unsaved, revision));

        self.index.replace(
            agent_id,
            before.map(|status| (&document_before, status)),
            after.map(|status| (&agent.document, status)),
            revision,
        );
        self.figures.moved(
            before.map(|status| (&document_before.agent_type, status)),
            after.map(|status| (&agent.document.agent_type, status)),
        );
        let is_replaced = !Arc::ptr_eq(&agent.document, &document_before);
        let shown_before = before.map(|status| (document_before, status));
        self.changes.push(self.now, revision, agent_id, shown_before, is_replaced);
        let epoch = agent.epoch;
        for (status, held) in Status::ALL.into_iter().zip(&mut self.counts) {
            *held = (*held + usize::from(after == Some(status)))
                .saturating_sub(usize::from(before == Some(status)));
        }
        self.arm(agent_id);
        Some(Change { revision, epoch, before, after })
    }

    /// Writes down what a change was.
    pub(crate) fn tell(
        &mut self,
        moment: Moment,
        agent_id: &AgentId,
        change: &Change,
        kind: Kind,
        cause: Option<Cause>,
    ) {
        self.events.push(Event {
            number: 0,
            revision: change.revision,
            at: moment.wall,
            agent_id: agent_id.clone(),
            epoch: change.epoch,
            kind,
            from: change.before,
            to: change.after,
            cause,
        });
    }

    /// Puts the agent's timer where its next deadline is, unless it stands earlier already.
    pub(crate) fn arm(&mut self, agent_id: &AgentId) {
        let Some(seat) = self.agents.seat(agent_id) else { return };
        let Some((_, agent)) = self.agents.at_mut(seat) else { return };
        let deadline = agent.deadline(agent.policy(&self.setup.policies));
        match agent.armed {
            Some(armed) if armed <= deadline => {}
            armed => {
                if let Some(armed) = armed {
                    self.timers.remove(&(armed, seat));
                }
                agent.armed = Some(deadline);
                self.timers.insert((deadline, seat));
            }
        }
    }
}

/// A visible change that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) revision: Revision,
    pub(crate) epoch: u64,
    pub(crate) before: Option<Status>,
    pub(crate) after: Option<Status>,
}

/// What is left of a document when its agent is gone: the type, whose Q says how long it is remembered.
fn bare(document: &Document) -> Arc<Document> {
    Arc::new(Document { agent_type: document.agent_type.clone(), ..Document::default() })
}
