//! What each agent knows and does about it: a due action or an answer goes in, a call to be made comes out. No clock
//! and no socket here.

use std::net::SocketAddr;
use std::sync::Arc;

use reports::history::{Filter, Operation, Outcome, Reported};

use crate::client::Answered;
use crate::dialect::{Call, Dialect, Document};
use crate::plan::Plan;
use crate::plan::identity::{CAPABILITY_VERSION, Identity};
use crate::plan::schedule::{Action, Planned};

/// All agents of a run. About 150 bytes an agent, and the entity tags that it holds.
#[derive(Debug)]
pub(super) struct Agents {
    plan: Arc<Plan>,
    states: Vec<State>,
    endpoints: Vec<SocketAddr>,
    can: Can,
    registered: u64,
    peak: u64,
}

/// Which lean calls a kind of registry has; an agent without one sends the next richer.
#[derive(Debug, Clone, Copy)]
struct Can {
    probe: bool,
    renew: bool,
    leave: bool,
}

impl Can {
    /// The call that brings changed wiring.
    fn fetch(self) -> Operation {
        if self.renew { Operation::Renew } else { Operation::Register }
    }
}

/// What one agent knows.
#[derive(Debug, Clone, Default)]
struct State {
    /// Which process of it runs, from 1; 0 before the first.
    incarnation: u32,
    running: bool,
    /// As far as the registry's answers to this process told.
    registered: bool,
    sequence: u64,
    wiring_revision: Option<u64>,
    beat: Slot,
    poll: Slot,
    /// The entity tag of the last answer to each of its questions.
    etags: Vec<Option<Box<str>>>,
}

/// The place for an agent's one unanswered heartbeat, or poll.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Free,
    /// A call is due or under way; so many due ones found it there.
    Taken { misses: u32 },
}

impl Slot {
    /// Takes the place, or counts a miss.
    fn take(&mut self) -> bool {
        match self {
            Self::Free => {
                *self = Self::Taken { misses: 0 };
                true
            }
            Self::Taken { misses } => {
                *misses += 1;
                false
            }
        }
    }

    /// Frees the place and tells how many misses the call caused.
    fn free(&mut self) -> u32 {
        match std::mem::take(self) {
            Self::Free => 0,
            Self::Taken { misses } => misses,
        }
    }
}

/// A call to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Task {
    /// Whose it is; `None` for the harness's own.
    pub(super) agent: Option<u32>,
    /// Which process of the agent wants it.
    incarnation: u32,
    /// When the plan wanted it, or when the answer came that it reacts to.
    pub(super) planned_us: u64,
    /// What is asked.
    pub(super) operation: Operation,
    /// The how-manieth poll, where it is one.
    poll: u32,
}

/// What a due action comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// A call is to be made.
    Call(Task),
    /// The last one is still unanswered: the call that would have been made is missed.
    Miss(Operation),
    /// Nothing is to be called.
    Nothing,
}

/// What an answer comes to.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Consequence {
    /// Due calls that found this one unanswered.
    pub(super) misses: u32,
    /// A call to be made at once.
    pub(super) reaction: Option<Task>,
}

impl Agents {
    /// All agents before their start. `endpoints` are the addresses that they declare, by their numbers.
    pub(super) fn new(plan: Arc<Plan>, endpoints: Vec<SocketAddr>, dialect: &dyn Dialect) -> Self {
        let agent_id = "a".to_owned();
        let probe = Call::Probe { agent_id: agent_id.clone(), wiring_revision: None };
        let leave = dialect.request(&Call::Leave { agent_id: agent_id.clone() }).is_some();
        let renew = Call::Renew { agent_id, status: None, order: None, wiring_revision: None };
        let can =
            Can { probe: dialect.request(&probe).is_some(), renew: dialect.request(&renew).is_some(), leave };
        Self { states: vec![State::default(); endpoints.len()], plan, endpoints, can, registered: 0, peak: 0 }
    }

    /// Agents registered now, as far as their own answers told.
    pub(super) fn registered(&self) -> u64 {
        self.registered
    }

    /// The most that were registered at one time.
    pub(super) fn peak(&self) -> u64 {
        self.peak
    }

    /// What a due action comes to.
    pub(super) fn due(&mut self, planned: Planned) -> Due {
        let Planned { instant_us: planned_us, agent, action } = planned;
        let task = |incarnation, operation, poll| {
            Due::Call(Task { agent, incarnation, planned_us, operation, poll })
        };
        let Some(number) = agent else { return task(0, Operation::List, 0) };
        let Some(state) = state_of(&mut self.states, number) else { return Due::Nothing };
        match action {
            Action::Register { incarnation } => {
                let etags = std::mem::take(&mut state.etags);
                *state = State { incarnation, running: true, ..State::default() };
                state.etags = etags;
                state.etags.clear();
                state.beat.take();
                task(incarnation, Operation::Register, 0)
            }
            Action::Beat { .. } => {
                let incarnation = state.incarnation;
                let taken = state.beat.take();
                let operation = self.heartbeat(number);
                if taken { task(incarnation, operation, 0) } else { Due::Miss(operation) }
            }
            Action::Poll { number: poll } => {
                if state.poll.take() {
                    task(state.incarnation, Operation::List, poll)
                } else {
                    Due::Miss(Operation::List)
                }
            }
            Action::Crash | Action::Leave => {
                state.running = false;
                let incarnation = state.incarnation;
                if std::mem::take(&mut state.registered) {
                    self.registered -= 1;
                }
                // Where there is no deregistration, an agent can only fall silent.
                match action {
                    Action::Leave if self.can.leave => task(incarnation, Operation::Leave, 0),
                    _ => Due::Nothing,
                }
            }
            Action::Observe => task(0, Operation::List, 0),
        }
    }

    /// How an agent renews now: fully until the registry knows it, then as lean as it can.
    fn heartbeat(&self, agent: u32) -> Operation {
        let registered =
            index(agent).and_then(|index| self.states.get(index)).is_some_and(|state| state.registered);
        if !registered || !(self.can.renew || self.can.probe) {
            return Operation::Register;
        }
        let probes = !self.can.renew || (self.can.probe && self.plan.probes(agent));
        if probes { Operation::Probe } else { Operation::Renew }
    }

    /// Whether the process that wanted a call still runs.
    pub(super) fn wants(&self, task: Task) -> bool {
        let Some(agent) = task.agent else { return true };
        // A process that goes says so, though it runs no more.
        if task.operation == Operation::Leave {
            return true;
        }
        let state = index(agent).and_then(|index| self.states.get(index));
        state.is_some_and(|state| state.running && state.incarnation == task.incarnation)
    }

    /// The call in full, as the agent knows the world now; `None` for a number that no agent has.
    pub(super) fn call(&mut self, task: Task) -> Option<Call> {
        let Some(agent) = task.agent else {
            return Some(Call::List { filter: Filter::default(), if_none_match: None });
        };
        if task.operation == Operation::List {
            let (turn, capability) = self.plan.question(agent, task.poll);
            let state = state_of(&mut self.states, agent)?;
            let if_none_match = state.etags.get(turn).cloned().flatten().map(String::from);
            return Some(Call::List { filter: Filter { capability, ..Filter::default() }, if_none_match });
        }
        if task.operation == Operation::Leave {
            return Some(Call::Leave { agent_id: self.plan.agent_id(agent) });
        }
        let endpoint = *self.endpoints.get(index(agent)?)?;
        let state = state_of(&mut self.states, agent)?;
        state.sequence += 1;
        let order = (u64::from(state.incarnation), state.sequence);
        let wiring_revision = state.wiring_revision;
        Some(match task.operation {
            Operation::Probe => Call::Probe { agent_id: self.plan.agent_id(agent), wiring_revision },
            Operation::Renew => Call::Renew {
                agent_id: self.plan.agent_id(agent),
                status: None,
                order: Some(order),
                wiring_revision,
            },
            _ => Call::Register(document(self.plan.identity(agent)?, agent, endpoint, order)),
        })
    }

    /// What an answer comes to: what the agent learns, and the call that it makes at once.
    pub(super) fn answered(&mut self, task: Task, answered: &Answered) -> Consequence {
        let Some(agent) = task.agent else { return Consequence::default() };
        if task.operation == Operation::Leave || !self.wants(task) {
            return Consequence::default();
        }
        let turn = if task.operation == Operation::List { self.plan.question(agent, task.poll).0 } else { 0 };
        let Some(state) = state_of(&mut self.states, agent) else { return Consequence::default() };
        if task.operation == Operation::List {
            learn_etag(state, turn, answered);
            return Consequence { misses: state.poll.free(), reaction: None };
        }
        let outcome = answered.record.outcome;
        let misses = state.beat.free();
        let was_registered = state.registered;
        if outcome.renews() {
            state.registered = true;
            state.wiring_revision = answered.wiring_revision.or(state.wiring_revision);
        } else if outcome == Outcome::Unknown {
            state.registered = false;
        }
        let next = match (task.operation, outcome) {
            (Operation::Probe | Operation::Renew, Outcome::Unknown) => Some(Operation::Register),
            (Operation::Probe, _) if answered.wiring_changed => Some(self.can.fetch()),
            (Operation::Renew, _) if answered.wiring_changed => Some(Operation::Register),
            _ => None,
        };
        let reaction = next.map(|operation| {
            state.beat.take();
            Task { planned_us: answered.record.e_us, operation, ..task }
        });
        match (was_registered, state.registered) {
            (false, true) => self.registered += 1,
            (true, false) => self.registered -= 1,
            _ => {}
        }
        self.peak = self.peak.max(self.registered);
        Consequence { misses, reaction }
    }

    /// Gives up a call that was never made; tells how many misses it caused.
    pub(super) fn dropped(&mut self, task: Task) -> u32 {
        if task.operation == Operation::Leave || !self.wants(task) {
            return 0;
        }
        let Some(state) = task.agent.and_then(|agent| state_of(&mut self.states, agent)) else { return 0 };
        if task.operation == Operation::List { state.poll.free() } else { state.beat.free() }
    }
}

fn learn_etag(state: &mut State, turn: usize, answered: &Answered) {
    let Some(seen) = answered.record.seen.as_ref().filter(|_| answered.record.outcome == Outcome::Shown)
    else {
        return;
    };
    if state.etags.len() <= turn {
        state.etags.resize(turn + 1, None);
    }
    if let Some(held) = state.etags.get_mut(turn) {
        *held = seen.etag.as_deref().map(Box::from);
    }
}

/// The document number tells agent and process: a view that shows it shows which registration it means.
fn document(identity: Identity, agent: u32, endpoint: SocketAddr, order: (u64, u64)) -> Document {
    let (incarnation, sequence) = order;
    let version = || CAPABILITY_VERSION.to_owned();
    Document {
        agent_id: identity.agent_id,
        agent_type: identity.agent_type,
        status: Some(Reported::Healthy),
        endpoint,
        capabilities: identity.capabilities.into_iter().map(|name| (name, version())).collect(),
        dependencies: identity.dependencies,
        labels: Vec::new(),
        document: (u64::from(agent) << 16) | (incarnation & 0xffff),
        incarnation: Some(incarnation),
        sequence: Some(sequence),
    }
}

fn index(agent: u32) -> Option<usize> {
    usize::try_from(agent).ok()
}

fn state_of(states: &mut [State], agent: u32) -> Option<&mut State> {
    index(agent).and_then(|index| states.get_mut(index))
}

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;
