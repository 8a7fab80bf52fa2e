//! What each agent knows and does about it: a due action or an answer goes in, a call to be made comes out. No clock
//! and no socket here.

mod can;
mod polls;
mod slot;

use std::net::SocketAddr;
use std::sync::Arc;

use reports::history::{Filter, Operation, Outcome, Reported};
use scenarios::model::{Discovery, Protocol};

use self::can::Can;
use self::polls::{Polls, Stores, Turn, is_poll};
use self::slot::Slot;
use crate::client::Answered;
use crate::dialect::{Call, Dialect, Document};
use crate::plan::Plan;
use crate::plan::identity::{CAPABILITY_VERSION, Identity};
use crate::plan::schedule::{Action, Planned};
use crate::plan::share::Share;
use crate::tripwire;

/// How many more heartbeats follow at once on one of this agent that is due at this instant of the plan (microseconds).
pub(super) type Retries = fn(&Plan, u32, u64) -> u32;

/// The agents of a run, or of a worker's share of it. About 100 bytes an agent, and what it holds of answers ([`Polls`]).
#[derive(Debug)]
pub(super) struct Agents {
    plan: Arc<Plan>,
    states: States,
    /// Behind the addresses that they declare.
    port: u16,
    stores: Stores,
    /// Over plain HTTP, and by MCP tools.
    can: [Can; 2],
    retries: Retries,
    /// Instant 0 of the plan on the clock that tasks are dated by.
    begin_us: u64,
    registered: u64,
    peak: u64,
}

/// What one agent knows.
#[derive(Debug, Clone, Default)]
struct State {
    /// Which process of it runs, from 1; 0 before the first.
    incarnation: u32,
    running: bool,
    /// As far as the registry's answers to this process told.
    registered: bool,
    /// Whether it renews by the leanest call, as the plan says.
    probes: bool,
    sequence: u64,
    wiring_revision: Option<u64>,
    beat: Slot,
    /// So many more heartbeats follow at once.
    repeats: u32,
    polls: Polls,
}

/// The states of a share's agents, by their places in it.
#[derive(Debug)]
struct States {
    share: Share,
    all: Vec<State>,
}

impl States {
    fn get(&self, agent: u32) -> Option<&State> {
        self.all.get(self.share.place(agent)?)
    }

    fn get_mut(&mut self, agent: u32) -> Option<&mut State> {
        self.all.get_mut(self.share.place(agent)?)
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
    /// By which of the registry's two interfaces.
    pub(super) protocol: Protocol,
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
    /// A share of the agents before their start. `port` is that of the tripwire behind the addresses that they declare.
    pub(super) fn new(plan: Arc<Plan>, share: Share, port: u16, dialect: &dyn Dialect) -> Self {
        let http = Can::of(dialect);
        let mcp = dialect.over_mcp().map_or(http, |dialect| Can::of(dialect.as_ref()));
        Self {
            states: States { share, all: vec![State::default(); share.count(plan.agents()) as usize] },
            plan,
            port,
            stores: Stores::default(),
            can: [http, mcp],
            retries: |_, _, _| 0,
            begin_us: 0,
            registered: 0,
            peak: 0,
        }
    }

    /// The same with impatient agents among them.
    pub(super) fn retrying(self, retries: Retries) -> Self {
        Self { retries, ..self }
    }

    /// Instant 0 of the plan is this one of the clock.
    pub(super) fn begin_at(&mut self, begin_us: u64) {
        self.begin_us = begin_us;
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
        let protocol = agent.map_or(Protocol::Http, |agent| self.protocol(agent));
        let task = |incarnation, operation, poll| {
            Due::Call(Task { agent, incarnation, planned_us, operation, protocol, poll })
        };
        let Some(number) = agent else { return task(0, Operation::List, 0) };
        let repeats = match action {
            Action::Register { .. } | Action::Beat { .. } => {
                (self.retries)(&self.plan, number, planned_us.saturating_sub(self.begin_us))
            }
            _ => 0,
        };
        let Some(state) = self.states.get_mut(number) else { return Due::Nothing };
        match action {
            Action::Register { incarnation } => {
                let mut polls = std::mem::take(&mut state.polls);
                polls.begin_anew();
                let probes = self.plan.probes(number);
                *state = State { incarnation, running: true, probes, repeats, polls, ..State::default() };
                state.beat.take();
                task(incarnation, Operation::Register, 0)
            }
            Action::Beat { .. } => {
                let incarnation = state.incarnation;
                let taken = state.beat.take();
                if taken {
                    state.repeats = repeats;
                }
                let operation = self.heartbeat(number);
                if taken { task(incarnation, operation, 0) } else { Due::Miss(operation) }
            }
            Action::Poll { number: poll } => {
                let incarnation = state.incarnation;
                match self.begin_poll(number, poll) {
                    Some((Turn::Begins, operation)) => task(incarnation, operation, poll),
                    Some((Turn::Missed, operation)) => Due::Miss(operation),
                    Some((Turn::Kept, _)) | None => Due::Nothing,
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
                    Action::Leave if self.can(number).leave => task(incarnation, Operation::Leave, 0),
                    _ => Due::Nothing,
                }
            }
            Action::Observe => task(0, Operation::List, 0),
        }
    }

    fn protocol(&self, agent: u32) -> Protocol {
        self.plan.fleet_of(agent).map_or(Protocol::Http, |(_, fleet, _)| fleet.protocol)
    }

    fn can(&self, agent: u32) -> Can {
        let [http, mcp] = self.can;
        match self.protocol(agent) {
            Protocol::Http => http,
            Protocol::Mcp => mcp,
        }
    }

    /// How an agent polls. Where the registry cannot tell what changed, it asks for lists with what tags they have.
    fn discovery(&self, agent: u32) -> Discovery {
        let wanted = self.plan.fleet_of(agent).map_or(Discovery::default(), |(_, fleet, _)| fleet.discovery);
        match wanted {
            Discovery::Delta | Discovery::LongPoll { .. } if !self.can(agent).changes => {
                Discovery::Conditional
            }
            possible => possible,
        }
    }

    /// Opens a poll, unless one is open: what that comes to, and what the call is counted as.
    fn begin_poll(&mut self, agent: u32, poll: u32) -> Option<(Turn, Operation)> {
        let discovery = self.discovery(agent);
        let is_long = matches!(discovery, Discovery::LongPoll { .. });
        let question = if is_long { self.plan.question(agent, poll).0 } else { 0 };
        let polls = &mut self.states.get_mut(agent)?.polls;
        let operation = polls::operation(discovery, polls.held(question));
        Some((polls.take(poll, operation), operation))
    }

    /// How an agent renews now: fully until the registry knows it, then as lean as it can.
    fn heartbeat(&self, agent: u32) -> Operation {
        let can = self.can(agent);
        let Some(state) = self.states.get(agent).filter(|state| state.registered && (can.renew || can.probe))
        else {
            return Operation::Register;
        };
        let probes = !can.renew || (can.probe && state.probes);
        if probes { Operation::Probe } else { Operation::Renew }
    }

    /// Whether the process that wanted a call still runs.
    pub(super) fn wants(&self, task: Task) -> bool {
        let Some(agent) = task.agent else { return true };
        // A process that goes says so, though it runs no more.
        if task.operation == Operation::Leave {
            return true;
        }
        self.states.get(agent).is_some_and(|state| state.running && state.incarnation == task.incarnation)
    }

    /// The call in full, as the agent knows the world now; `None` for a number that no agent has.
    pub(super) fn call(&mut self, task: Task) -> Option<Call> {
        let Some(agent) = task.agent else {
            return Some(Call::List { filter: Filter::default(), if_none_match: None });
        };
        if is_poll(task.operation) {
            let (question, capability) = self.plan.question(agent, task.poll);
            let discovery = self.discovery(agent);
            let held = self.states.get_mut(agent)?.polls.held(question);
            let filter = Filter { capability, ..Filter::default() };
            return Some(polls::call(discovery, held, &self.stores, filter));
        }
        if task.operation == Operation::Leave {
            return Some(Call::Leave { agent_id: self.plan.agent_id(agent) });
        }
        let endpoint = tripwire::endpoint(agent, self.port);
        let state = self.states.get_mut(agent)?;
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
        if is_poll(task.operation) {
            return self.poll_answered(agent, task, answered);
        }
        let can = self.can(agent);
        let Some(state) = self.states.get_mut(agent) else { return Consequence::default() };
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
            (Operation::Probe, _) if answered.wiring_changed => Some(can.fetch()),
            (Operation::Renew, _) if answered.wiring_changed => Some(Operation::Register),
            _ => None,
        };
        let repeats = next.is_none() && state.repeats > 0;
        if repeats {
            state.repeats -= 1;
        }
        if repeats || next.is_some() {
            state.beat.take();
        }
        match (was_registered, state.registered) {
            (false, true) => self.registered += 1,
            (true, false) => self.registered -= 1,
            _ => {}
        }
        self.peak = self.peak.max(self.registered);
        let next = if repeats { Some(self.heartbeat(agent)) } else { next };
        let planned_us = answered.record.e_us;
        Consequence { misses, reaction: next.map(|operation| Task { planned_us, operation, ..task }) }
    }

    /// After a long-poll the one that waited for its end follows; after an answer that what changed cannot be told any
    /// more, the whole list does.
    fn poll_answered(&mut self, agent: u32, task: Task, answered: &Answered) -> Consequence {
        let (question, discovery) = (self.plan.question(agent, task.poll).0, self.discovery(agent));
        let Some(state) = self.states.get_mut(agent) else { return Consequence::default() };
        state.polls.learn(question, discovery, answered, &mut self.stores);
        let (misses, kept) = state.polls.free();
        let next = if answered.record.outcome == Outcome::Unknown { Some(task.poll) } else { kept };
        let reaction = next.and_then(|poll| {
            let (_, operation) = self.begin_poll(agent, poll)?;
            Some(Task { planned_us: answered.record.e_us, operation, poll, ..task })
        });
        Consequence { misses, reaction }
    }

    /// Gives up a call that was never made; tells how many misses it caused.
    pub(super) fn dropped(&mut self, task: Task) -> u32 {
        if task.operation == Operation::Leave || !self.wants(task) {
            return 0;
        }
        let Some(state) = task.agent.and_then(|agent| self.states.get_mut(agent)) else { return 0 };
        if is_poll(task.operation) { state.polls.free().0 } else { state.beat.free() }
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

#[cfg(test)]
#[path = "agents_tests.rs"]
mod tests;

#[cfg(test)]
mod polls_tests;

#[cfg(test)]
mod retries_tests;
