//! What the store must write, and how a registry comes back from it.
//!
//! The registry remembers WHO has unsaved changes, not the changes: one writer takes them in batches, each agent in
//! its latest state, so that what waits is bounded by the number of agents however slow the disk is.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use crate::agent::{Agent, Phase, Status};
use crate::changes::Changes;
use crate::common::Common;
use crate::document::{AgentId, Document, Reported};
use crate::events::{Cause, Event, History, Kind};
use crate::figures::Figures;
use crate::registry::{Registry, Setup};
use crate::roster::Roster;
use crate::snapshots::Snapshots;
use crate::spread::Spread;
use crate::time::{Moment, Revision, WallTime};
use crate::wiring::Index;

/// An agent as the store keeps it. Leases are not kept: each gets a full one after a restart.
#[derive(Debug, Clone, PartialEq)]
pub struct SavedAgent {
    /// Names its rows; never used twice for different agents.
    pub key: u64,
    /// Who.
    pub agent_id: AgentId,
    /// How far its silence had gone.
    pub phase: Phase,
    /// What it said of itself.
    pub reported: Reported,
    /// How often it had been registered.
    pub epoch: u64,
    /// Its incarnation, 0 for none.
    pub incarnation: u64,
    /// The last accepted sequence that came with a visible change.
    pub sequence: Option<u64>,
    /// The highest incarnation that was deregistered.
    pub barred: Option<u64>,
    /// When this epoch began.
    pub registered_at: WallTime,
    /// When it last changed visibly.
    pub changed: Revision,
    /// When it last declared other dependencies.
    pub wiring_since: Revision,
    /// What it declared; of a gone one only the type.
    pub document: Arc<Document>,
    /// Whether the document is another than the store has; of no meaning in what the store had.
    pub document_changed: bool,
}

/// What the store had at the start.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// No revision above this one has ever been shown.
    pub revision: Revision,
    /// The first event number that was never used.
    pub next_event: u64,
    /// The events that it had, in order.
    pub events: Vec<Event>,
    /// All agents, the gone ones that are still remembered included.
    pub agents: Vec<SavedAgent>,
}

/// One transaction's worth of changes.
#[derive(Debug)]
pub struct Batch {
    /// Agents whose rows are written anew.
    pub saves: Vec<SavedAgent>,
    /// Keys of agents that are forgotten for good; to be deleted before `saves` are written.
    pub forgets: Vec<u64>,
    /// Events to be appended.
    pub events: Vec<Event>,
    /// No event with a lower number is kept.
    pub oldest_event: u64,
    /// The revision at the time.
    pub revision: Revision,
    taken: Vec<(Slot, AgentId)>,
}

impl Registry {
    /// A registry as the store remembers it. Every agent that had not expired gets a full lease from now on; one that
    /// had missed a heartbeat recovers by it. An expired one stays expired, as if it had just become so.
    pub fn restore(setup: Setup, saved: Saved, moment: Moment) -> Self {
        let spread = Spread::new(&setup, saved.revision > Revision::default(), moment);
        let mut registry = Self {
            spread,
            setup,
            revision: saved.revision,
            now: moment.now,
            agents: Roster::default(),
            common: Common::default(),
            timers: BTreeSet::new(),
            counts: [0; Status::ALL.len()],
            index: Index::default(),
            snapshots: Snapshots::default(),
            unsaved: Unsaved { queue: BTreeMap::new(), saved: saved.revision },
            changes: Changes::new(saved.revision, &saved.events),
            events: History::new(saved.next_event.max(1), saved.events),
            forgettable: VecDeque::new(),
            next_key: saved.agents.iter().map(|agent| agent.key).max().map_or(1, |key| key + 1),
            figures: Figures::default(),
        };
        for agent in saved.agents {
            registry.put_back(agent, moment);
        }
        registry
    }

    /// True when a batch would not be empty.
    pub fn has_unsaved(&self) -> bool {
        !self.unsaved.queue.is_empty() || !self.events.is_saved()
    }

    /// How many agents have changes that the store does not have.
    pub fn unsaved_agents(&self) -> usize {
        self.unsaved.queue.len()
    }

    /// The last change of this agent, if it is remembered at all: whoever tells of the agent, or that it is gone, shows
    /// this change.
    pub fn changed(&self, agent_id: &AgentId) -> Option<Revision> {
        self.agents.get(agent_id).map(|agent| agent.changed)
    }

    /// The store has every change up to this one.
    pub fn saved_through(&self) -> Revision {
        self.unsaved.saved
    }

    /// Takes the oldest unsaved changes, of `most` agents, and the events that tell of them: when that is everything, the
    /// store never has a change without its event, nor an event without its change. There must be one batch under way
    /// at a time, and it must be handed to [`Self::batch_committed`] or [`Self::batch_failed`].
    pub fn take_batch(&mut self, most: usize) -> Batch {
        let mut batch = Batch {
            saves: Vec::new(),
            forgets: Vec::new(),
            events: Vec::new(),
            oldest_event: self.events.oldest(),
            revision: self.revision,
            taken: Vec::new(),
        };
        while batch.taken.len() < most {
            let Some((slot, agent_id)) = self.unsaved.queue.pop_first() else { break };
            match self.agents.get_mut(&agent_id) {
                Some(agent) if agent.key == slot.key => {
                    agent.unsaved = None;
                    batch.saves.push(saved(&agent_id, agent));
                    agent.document_unsaved = false;
                }
                _ => batch.forgets.push(slot.key),
            }
            batch.taken.push((slot, agent_id));
        }
        let rest = self.unsaved.queue.first_key_value().map(|(slot, _)| slot.since);
        let is_told_now = |event: &&Event| rest.is_none_or(|rest| event.revision < rest);
        batch.events = self.events.unsaved().take_while(is_told_now).cloned().collect();
        batch
    }

    /// The store has the batch. Gives the revision up to which it now has everything.
    pub fn batch_committed(&mut self, batch: &Batch) -> Revision {
        if let Some(event) = batch.events.last() {
            self.events.saved_through(event.number);
        }
        let agent = self.unsaved.queue.first_key_value().map(|(slot, _)| slot.since);
        let event = self.events.unsaved().next().map(|event| event.revision);
        let first_unsaved = agent.into_iter().chain(event).min();
        let through = first_unsaved.map_or(self.revision, |first| Revision(first.0.saturating_sub(1)));
        self.unsaved.saved = self.unsaved.saved.max(through);
        self.unsaved.saved
    }

    /// The store refused the batch: its changes are unsaved again. (One that was forgotten meanwhile may then stand
    /// twice; deleting its rows twice does no harm.)
    pub fn batch_failed(&mut self, batch: &Batch) {
        for save in &batch.saves {
            if let Some(agent) = self.agents.get_mut(&save.agent_id).filter(|agent| agent.key == save.key) {
                agent.document_unsaved |= save.document_changed;
            }
        }
        for (slot, agent_id) in &batch.taken {
            let agent = self.agents.get_mut(agent_id).filter(|agent| agent.key == slot.key);
            if let Some(later) = agent.and_then(|agent| agent.unsaved.replace(*slot)) {
                self.unsaved.queue.remove(&later);
            }
            self.unsaved.queue.insert(*slot, agent_id.clone());
        }
    }

    fn put_back(&mut self, saved: SavedAgent, moment: Moment) {
        let policy = *self.setup.policies.of(&saved.document.agent_type);
        let last_seen = match saved.phase {
            Phase::Expired => moment.now.minus_ms(policy.expires_after_ms()),
            Phase::Live | Phase::Missed | Phase::Gone => moment.now,
        };
        let agent_id = saved.agent_id;
        let mut document = Arc::unwrap_or_clone(saved.document);
        self.common.share(&mut document);
        let agent = Agent {
            key: saved.key,
            document: Arc::new(document),
            reported: saved.reported,
            phase: saved.phase,
            former: None,
            epoch: saved.epoch,
            incarnation: saved.incarnation,
            sequence: saved.sequence,
            barred: saved.barred,
            registered_at: saved.registered_at,
            last_seen,
            armed: None,
            changed: saved.changed,
            wiring_since: saved.wiring_since,
            unsaved: None,
            document_unsaved: false,
            promised: Revision::default(),
            entry: OnceCell::new(),
        };
        if let Some(status) = agent.status() {
            self.index.replace(&agent_id, None, Some((&agent.document, status)), self.revision);
            self.figures.moved(None, Some((&agent.document.agent_type, status)));
            for (other, held) in Status::ALL.into_iter().zip(&mut self.counts) {
                *held += usize::from(other == status);
            }
        }
        let missed = agent.phase == Phase::Missed;
        self.agents.insert(agent_id.clone(), agent);
        if missed && let Some(change) = self.change(&agent_id, |agent, _| agent.phase = Phase::Live) {
            self.tell(moment, &agent_id, &change, Kind::Recovered, Some(Cause::Restart));
        }
        self.arm(&agent_id);
    }
}

fn saved(agent_id: &AgentId, agent: &Agent) -> SavedAgent {
    SavedAgent {
        key: agent.key,
        agent_id: agent_id.clone(),
        phase: agent.phase,
        reported: agent.reported,
        epoch: agent.epoch,
        incarnation: agent.incarnation,
        sequence: agent.sequence,
        barred: agent.barred,
        registered_at: agent.registered_at,
        changed: agent.changed,
        wiring_since: agent.wiring_since,
        document: Arc::clone(&agent.document),
        document_changed: agent.document_unsaved,
    }
}

/// The place of an agent among the unsaved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Slot {
    /// The oldest of its changes that the store does not have. (One that is only forgotten has none; it stands beside
    /// the last change of all.)
    since: Revision,
    key: u64,
}

/// Who has unsaved changes: one entry per agent, under the oldest of them.
#[derive(Debug)]
pub(crate) struct Unsaved {
    queue: BTreeMap<Slot, AgentId>,
    /// The store has every change up to this one, and the events that tell of them.
    saved: Revision,
}

impl Unsaved {
    /// Notes a change of an agent whose place is `held`, if it has one. Gives its place.
    pub(crate) fn mark(
        &mut self,
        agent_id: &AgentId,
        key: u64,
        held: Option<Slot>,
        revision: Revision,
    ) -> Slot {
        let slot = held.unwrap_or(Slot { since: revision, key });
        if held.is_none() {
            self.queue.insert(slot, agent_id.clone());
        }
        slot
    }

    /// The change, unless the store has it.
    pub(crate) fn waiting(&self, change: Revision) -> Option<Revision> {
        (change > self.saved).then_some(change)
    }
}
