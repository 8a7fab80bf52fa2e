//! How an agent asks: what it keeps of the last answer to each of its questions, and what it asks next.
//!
//! An agent has one poll open at most. An instant of the plan that finds it unanswered is a miss, but for a long-poll:
//! that is meant to stay open. Its instant is kept instead (one, the last), and the next poll begins as soon as the open
//! one is answered; otherwise it begins at the next instant of the plan. So a long-polling agent makes one poll an
//! instant at most, whatever the registry answers, and misses none.

use reports::history::{Filter, Operation, Outcome};
use scenarios::model::Discovery;

use super::Slot;
use crate::client::Answered;
use crate::dialect::Call;

/// Most stores whose revisions are told apart. A registry has one, and another after each reset.
const MOST_STORES: usize = 1_000;

/// The polls of one agent. 24 bytes a question, and the entity tags that it holds.
#[derive(Debug, Clone, Default)]
pub(super) struct Polls {
    slot: Slot,
    /// The open one is held back by the registry.
    watches: bool,
    /// The poll whose instant found a held one open.
    kept: Option<u32>,
    held: Vec<Held>,
}

/// What an agent keeps of the last answer to a question.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Held {
    #[default]
    Nothing,
    /// Its entity tag.
    Tag(Box<str>),
    /// Its revision, and which of the [`Stores`] that belongs to.
    Revision { store: u16, revision: u64 },
}

/// What a due poll comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    Begins,
    /// It waits for the open one's answer.
    Kept,
    Missed,
}

impl Polls {
    /// Those of the agent's next process, which knows nothing; the memory is used again.
    pub(super) fn begin_anew(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        held.clear();
        *self = Self { held, ..Self::default() };
    }

    pub(super) fn take(&mut self, poll: u32, operation: Operation) -> Turn {
        if self.watches {
            self.kept = Some(poll);
            return Turn::Kept;
        }
        if !self.slot.take() {
            return Turn::Missed;
        }
        self.watches = operation == Operation::Watch;
        Turn::Begins
    }

    /// The open one is over: how many misses it caused, and the poll that waits for its end.
    pub(super) fn free(&mut self) -> (u32, Option<u32>) {
        self.watches = false;
        (self.slot.free(), self.kept.take())
    }

    pub(super) fn held(&self, question: usize) -> &Held {
        self.held.get(question).unwrap_or(&Held::Nothing)
    }

    /// Keeps what the next poll of this question begins from. After a failure that is what it was; a registry that no
    /// longer knows what changed makes the agent start anew.
    pub(super) fn learn(
        &mut self,
        question: usize,
        discovery: Discovery,
        answered: &Answered,
        stores: &mut Stores,
    ) {
        let held = match answered.record.outcome {
            Outcome::Shown => learned(discovery, answered, stores),
            Outcome::Unknown => Held::Nothing,
            _ => return,
        };
        if self.held.len() <= question {
            self.held.resize(question + 1, Held::Nothing);
        }
        if let Some(place) = self.held.get_mut(question) {
            *place = held;
        }
    }
}

fn learned(discovery: Discovery, answered: &Answered, stores: &mut Stores) -> Held {
    let Some(seen) = &answered.record.seen else { return Held::Nothing };
    match discovery {
        Discovery::List => Held::Nothing,
        Discovery::Conditional => seen.etag.as_deref().map_or(Held::Nothing, |tag| Held::Tag(tag.into())),
        Discovery::Delta | Discovery::LongPoll { .. } => {
            let store = answered.store_id.as_deref().and_then(|id| stores.number(id));
            match (store, seen.revision) {
                (Some(store), Some(revision)) => Held::Revision { store, revision },
                _ => Held::Nothing,
            }
        }
    }
}

/// What a poll is counted as.
pub(super) fn operation(discovery: Discovery, held: &Held) -> Operation {
    match (discovery, held) {
        (Discovery::LongPoll { .. }, Held::Revision { .. }) => Operation::Watch,
        _ => Operation::List,
    }
}

/// Whether a call of this kind is a poll.
pub(super) fn is_poll(operation: Operation) -> bool {
    matches!(operation, Operation::List | Operation::Watch)
}

/// The poll in full.
pub(super) fn call(discovery: Discovery, held: &Held, stores: &Stores, filter: Filter) -> Call {
    match held {
        Held::Nothing => Call::List { filter, if_none_match: None },
        Held::Tag(tag) => Call::List { filter, if_none_match: Some(tag.to_string()) },
        Held::Revision { store, revision } => {
            let wait = if let Discovery::LongPoll { wait } = discovery { Some(wait) } else { None };
            Call::Changes { filter, since: *revision, store_id: stores.id(*store).to_owned(), wait }
        }
    }
}

/// The stores that revisions belong to, each kept once for all agents.
#[derive(Debug, Default)]
pub(super) struct Stores(Vec<Box<str>>);

impl Stores {
    /// The number of a store; `None` once there are too many, so that agents then ask for whole lists.
    fn number(&mut self, id: &str) -> Option<u16> {
        let known = self.0.iter().rposition(|store| **store == *id);
        if known.is_none() {
            if self.0.len() == MOST_STORES {
                return None;
            }
            self.0.push(id.into());
        }
        u16::try_from(known.unwrap_or(self.0.len() - 1)).ok()
    }

    fn id(&self, number: u16) -> &str {
        self.0.get(usize::from(number)).map_or("", |id| id)
    }
}
