//! What a history tells, as far as it is not settled yet: calls by agent, lists by filter, the life of the process.
//! `gather` fills it, line by line; nothing is judged here.

use std::collections::{HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::rc::Rc;

use reports::history::{
    AgentSeen, Exchange, Filter, Operation, Outcome, Reported, RunEnd, RunHeader, Status, Touch, Watch,
};

use super::beside::{Beside, Pause};
use super::told::Told;

/// From an instant to another, in microseconds of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) s: u64,
    pub(crate) e: u64,
}

/// A call that may have renewed an agent's lease, or a restart that renewed it.
#[derive(Debug, Clone)]
pub(crate) struct Beat {
    pub(crate) span: Span,
    pub(crate) op: Operation,
    pub(crate) outcome: Outcome,
    /// The latest instant at which it can have acted: the answer's, or far away when the outcome is unknown.
    pub(crate) act_by: u64,
    /// It surely renewed the lease.
    pub(crate) certain: bool,
    /// A restart's full lease instead of a call.
    pub(crate) restart: bool,
    /// It declared the whole document.
    pub(crate) full: bool,
    pub(crate) reported: Option<Reported>,
    pub(crate) document: Option<u64>,
    /// What a full one declared.
    pub(crate) declared: Option<Rc<Declared>>,
    /// The epoch that the answer named.
    pub(crate) epoch: Option<u64>,
    /// Another one was in flight together with it.
    pub(crate) raced: bool,
    /// How many came in a row up to it at gaps provably below D, and the widest gap; `None` until that is known.
    pub(crate) run: Option<(usize, u64)>,
    /// Which of its changes `quiet` has noted: itself, then its deadlines, one bit each.
    pub(crate) noted: u8,
}

impl Beat {
    /// It was told to have changed something visible.
    pub(crate) fn is_change(&self) -> bool {
        matches!(self.outcome, Outcome::Registered | Outcome::Updated)
    }
}

/// What a full heartbeat declares and filters ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) capabilities: Option<Vec<String>>,
    pub(crate) agent_type: Option<String>,
}

impl Declared {
    pub(crate) fn type_name(&self) -> &str {
        self.agent_type.as_deref().unwrap_or("default")
    }

    /// Whether a filter asks for it. Labels are not in histories.
    pub(crate) fn matches(&self, filter: &Filter) -> bool {
        let has_capability = filter.capability.as_ref().is_none_or(|wanted| {
            self.capabilities.as_ref().is_some_and(|declared| declared.iter().any(|name| name == wanted))
        });
        let has_type = filter
            .agent_type
            .as_ref()
            .is_none_or(|wanted| self.agent_type.as_ref().is_some_and(|is| is == wanted));
        has_capability && has_type
    }
}

/// A deregistration that happened or may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leave {
    pub(crate) span: Span,
    pub(crate) act_by: u64,
    pub(crate) certain: bool,
}

/// A single read, or a lean heartbeat that was told that nobody knows the agent.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) span: Span,
    /// What was shown; `None`: it is not there.
    pub(crate) shown: Option<AgentSeen>,
    /// It answered a heartbeat.
    pub(crate) to_heartbeat: bool,
    /// It was judged as a sighting.
    pub(crate) told: bool,
}

/// What a list said of an agent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listed {
    /// Index into the lists that are settled together.
    pub(crate) list: u32,
    /// `None`: it was not there.
    pub(crate) status: Option<Status>,
    pub(crate) document: Option<u64>,
}

/// What happened to an agent, as far as a view that is yet to be judged may need it; the rest is counted.
#[derive(Debug, Clone, Default)]
pub(crate) struct AgentRecord {
    pub(crate) id: String,
    pub(crate) beats: Vec<Beat>,
    pub(crate) leaves: Vec<Leave>,
    pub(crate) answers: Vec<Answer>,
    /// In the order in which the lists began.
    pub(crate) listed: Vec<Listed>,
    /// What answers that tell changes said of it, as far as it is not judged yet.
    pub(crate) told: Vec<Told>,
    /// When its first heartbeat that can have counted began.
    pub(crate) born: Option<u64>,
    /// What it declared first.
    pub(crate) first_declared: Option<Rc<Declared>>,
    /// From then on no one policy is its own.
    pub(crate) other_type_from: Option<u64>,
    /// An accepted heartbeat declared it.
    pub(crate) declared: bool,
    pub(crate) forgotten: Forgotten,
}

impl AgentRecord {
    /// The same declaration as an earlier one is kept once.
    pub(crate) fn interned(&self, declared: Declared) -> Rc<Declared> {
        let known = self.beats.iter().rev().filter_map(|beat| beat.declared.as_ref());
        let same = known.chain(&self.first_declared).find(|known| ***known == declared);
        same.map_or_else(|| Rc::new(declared), Rc::clone)
    }

    /// Lets the views go that began before `until`: they are judged.
    pub(crate) fn forget_views(&mut self, until: u64) {
        self.listed.clear();
        self.told.retain(|told| told.span.s >= until);
    }

    /// Whether a view that began before `until` showed it.
    pub(crate) fn was_shown(&self, until: u64) -> bool {
        let told = || self.told.iter().filter(|told| told.span.s < until);
        self.listed.iter().any(|listed| listed.status.is_some()) || told().any(|told| told.now.is_some())
    }

    /// Notes what a full heartbeat declared from `from` on.
    pub(crate) fn declares(&mut self, declared: &Rc<Declared>, from: u64) {
        let first = self.first_declared.get_or_insert_with(|| Rc::clone(declared));
        if first.type_name() != declared.type_name() {
            self.other_type_from = Some(self.other_type_from.map_or(from, |other| other.min(from)));
        }
    }
}

/// What stays of heartbeats and leaves that are no longer kept.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Forgotten {
    pub(crate) beats: usize,
    pub(crate) leaves: usize,
    pub(crate) changes: usize,
    /// The longest accepted heartbeat took this long.
    pub(crate) longest_us: u64,
    /// So many restarts stand among the beats already, or left no trace.
    pub(crate) restarts: usize,
}

/// An agent in the body of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Entry {
    /// Index into [`Evidence::agents`].
    pub(crate) agent: u32,
    pub(crate) status: Status,
    pub(crate) document: Option<u64>,
    pub(crate) epoch: Option<u64>,
}

/// A list, unconditional or not.
#[derive(Debug, Clone)]
pub(crate) struct ListView {
    pub(crate) span: Span,
    /// Index into [`Evidence::filters`].
    pub(crate) filter: u32,
    /// Who asked: a hash of its id, 0 for the harness.
    pub(crate) poller: u64,
    /// By agent; for a 304 the body of the list that showed the tag, or `None` when no answer had shown it.
    pub(crate) body: Option<Rc<[Entry]>>,
    pub(crate) unchanged: bool,
    pub(crate) etag: Option<Rc<str>>,
    pub(crate) revision: Option<u64>,
}

/// Two different bodies under one entity tag of one filter.
#[derive(Debug, Clone)]
pub(crate) struct TagClash {
    pub(crate) etag: Rc<str>,
    pub(crate) first: Span,
    pub(crate) second: Span,
}

/// The registry was killed or died, and was started again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Restart {
    pub(crate) killed: Span,
    pub(crate) started: Span,
}

/// A route that was called to provoke the registry.
#[derive(Debug, Clone)]
pub(crate) struct Provocation {
    pub(crate) span: Span,
    pub(crate) agent: Option<String>,
    pub(crate) route: String,
}

/// A filter and who may be shown by it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FilterRecord {
    pub(crate) filter: Filter,
    /// Agents that ever declared what it asks for.
    pub(crate) members: Vec<u32>,
}

/// Agents that were let go: by when each must have been gone, by a hash of its id.
#[derive(Debug, Default)]
pub(crate) struct Gone {
    due: HashMap<u64, u64>,
    order: VecDeque<u64>,
}

/// So many agents that were let go are known; what is shown of older ones is taken for somebody else's.
const KNOWN_GONE: usize = 2_000_000;

impl Gone {
    pub(crate) fn insert(&mut self, id: &str, due: u64) {
        let key = hash_of(id);
        if self.due.insert(key, due).is_none() {
            self.order.push_back(key);
        }
        if self.order.len() > KNOWN_GONE
            && let Some(oldest) = self.order.pop_front()
        {
            self.due.remove(&oldest);
        }
    }

    pub(crate) fn due(&self, id: &str) -> Option<u64> {
        self.due.get(&hash_of(id)).copied()
    }
}

pub(crate) fn hash_of(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish().max(1)
}

/// A history, sorted for judging.
#[derive(Debug)]
pub(crate) struct Evidence {
    pub(crate) header: RunHeader,
    pub(crate) end: Option<RunEnd>,
    /// `None`: long gone, or being judged.
    pub(crate) agents: Vec<Option<Box<super::Agent>>>,
    pub(crate) numbers: HashMap<String, u32>,
    pub(crate) gone: Gone,
    /// How many agents an accepted heartbeat declared.
    pub(crate) declared_agents: u64,
    pub(crate) filters: Vec<FilterRecord>,
    /// Those that are not settled.
    pub(crate) lists: Vec<ListView>,
    pub(crate) clashes: Vec<TagClash>,
    pub(crate) more_clashes: u64,
    pub(crate) restarts: Vec<Restart>,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) touches: Vec<Touch>,
    pub(crate) provocations: Vec<Provocation>,
    pub(crate) watches: Vec<Watch>,
    /// What probes recorded.
    pub(crate) exchanges: Vec<Exchange>,
    pub(crate) beside: Beside,
    /// Somebody was listed whom nobody in this history registered: others use the registry too.
    pub(crate) strangers: bool,
    /// The registry still knew an agent of this history from before it: deadlines of that time may come until
    /// [`Self::longest_us`] are over.
    pub(crate) known_before: bool,
}

impl Evidence {
    /// From its last heartbeat on, the longest that an agent of any type is remembered.
    pub(crate) fn longest_us(&self) -> u64 {
        let each = self.header.policies.values();
        let longest = each.map(|it| it.evict_after_ms.unwrap_or(0).max(it.expires_after_ms)).max();
        longest.unwrap_or_default().saturating_mul(1_000)
    }

    /// The agent of this id, if it is not long gone.
    pub(crate) fn agent(&self, id: &str) -> Option<&super::Agent> {
        let number = *self.numbers.get(id)?;
        self.agents.get(number as usize)?.as_deref()
    }
}

/// When a call without an answer can have acted at the latest: one that had ended before the next process was ready
/// died with the old one, any other may act as long as the run lasts.
pub(crate) fn latest_act(span: Span, restarts: &[Restart]) -> u64 {
    restarts
        .iter()
        .find(|restart| span.s < restart.killed.e && span.e < restart.started.s)
        .map_or(u64::MAX, |restart| restart.killed.e)
}
