//! The loop that makes the calls: what is due and what was answered goes in, calls go out. One thread, which never waits
//! for anything but the next instant or the next byte.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use reports::history::{Line, Operation, Outcome};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, watch};

use super::agents::{Agents, Due, Task};
use super::calls::{Flight, cut_short};
use super::collector::Series;
use super::faults::Quit;
use super::gang::Gang;
use super::ledger::{Event, Ledger};
use super::network::Network;
use super::observer::{Observed, Observer};
use super::sampler::{Costs, Sample};
use super::{Outline, Progress};
use crate::client::Answered;
use crate::clock::Clock;
use crate::dialect::Dialect;
use crate::history_writer::HistoryWriter;
use crate::measure::Timed;
use crate::plan::Plan;
use crate::plan::schedule::{Action, Planned, Schedule};
use crate::tripwire::Tripwire;

/// A call that the bound held back for less than this was not late because of it.
const HELD_BACK_LAG_US: u64 = 1_000;

/// Most actions taken up before sockets are looked at again.
const BATCH_ACTIONS: usize = 64;

/// The shortest wait for an instant: waking for each of 20,000 calls a second would cost more than making them. What
/// comes is taken up at once all the same.
const LEAST_WAIT_US: u64 = 250;

/// The longest wait: how long an interruption, a sample or a line from elsewhere may stay unseen.
const LONGEST_WAIT_US: u64 = 20_000;

/// How a run came to its end.
#[derive(Debug)]
pub(super) enum Ending {
    /// The plan is over.
    Planned,
    /// The user wanted it.
    Interrupted,
    /// The registry process ended by itself.
    TargetDied,
    /// The registry did not come back from a fault.
    TargetLost,
}

/// A run while it goes on.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) clock: Clock,
    /// Instant 0 of the plan on the clock; set just before it is followed.
    pub(super) begin_us: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) dialect: Arc<dyn Dialect>,
    /// For fleets that call MCP tools; the same as `dialect` where the registry has none.
    pub(super) mcp: Arc<dyn Dialect>,
    /// Where the registry is, for the words of errors.
    pub(super) url: String,
    /// Flights are boxed: a call is handed on some ten times before it is over.
    pub(super) network: Network<Box<Flight>>,
    /// An index into the network's routes for each agent.
    pub(super) route_of: Vec<u8>,
    pub(super) observer: Observer,
    /// Tells when a fault has left nothing to load.
    pub(super) faults: Quit,
    /// Lines from elsewhere that belong into the history.
    pub(super) extra: Receiver<Line>,
    /// Behind the agents' addresses; it is none of a worker's business.
    pub(super) tripwire: Option<Tripwire>,
    pub(super) agents: Agents,
    pub(super) ledger: Ledger,
    /// The processes over which the agents are spread, where they are.
    pub(super) gang: Option<Gang>,
    pub(super) costs: Costs,
    /// Samples of seconds that are not over yet for all workers.
    pub(super) unfilled: VecDeque<Sample>,
    pub(super) history: HistoryWriter,
    pub(super) progress: watch::Sender<Progress>,
    /// What of the plan is shown.
    pub(super) outline: Arc<Outline>,
    /// Most calls in flight over shared connections at one time.
    pub(super) limit: usize,
    /// How long an agent waits for an answer.
    pub(super) timeout_us: u64,
    /// A call sent later than this was not sent in time.
    pub(super) lag_limit_us: u64,
    /// The seed that goes into the traces of calls; `None`: they carry none.
    pub(super) traced_by: Option<u64>,
    pub(super) trouble: Trouble,
    /// Calls that wait for one in flight to end. Never more than two an agent, since each has one unanswered
    /// heartbeat and one unanswered poll at most.
    pub(super) held_back: VecDeque<Task>,
    pub(super) is_cut: bool,
}

/// What went wrong on the harness's own side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Trouble {
    pub(super) held_back: u64,
    pub(super) descriptor_failures: u64,
    pub(super) port_failures: u64,
    /// What broke down, in words.
    pub(super) breakdown: Option<String>,
    pub(super) peak_in_flight: usize,
}

impl Trouble {
    /// With that of others.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            held_back: self.held_back + other.held_back,
            descriptor_failures: self.descriptor_failures + other.descriptor_failures,
            port_failures: self.port_failures + other.port_failures,
            breakdown: self.breakdown.or(other.breakdown),
            peak_in_flight: self.peak_in_flight + other.peak_in_flight,
        }
    }
}

impl Driver {
    /// Follows the plan to its end, or until the run is interrupted or the registry dies. Calls may still be under
    /// way afterwards.
    pub(super) fn follow(
        &mut self,
        schedule: &mut Schedule,
        samples: &mut mpsc::Receiver<Sample>,
        interrupt: &watch::Receiver<bool>,
    ) -> Ending {
        let end_us = self.begin_us + self.plan.end_us();
        loop {
            if *interrupt.borrow() {
                return Ending::Interrupted;
            }
            if let Ok(sample) = samples.try_recv()
                && self.sampled(&sample)
            {
                return Ending::TargetDied;
            }
            if self.faults.registry_is_lost() {
                return Ending::TargetLost;
            }
            let next_us = self.take_due(schedule);
            let now_us = self.clock.now_us();
            if next_us.is_none() && now_us >= end_us {
                return Ending::Planned;
            }
            let due_us = next_us.map_or(end_us, |next_us| self.begin_us + next_us);
            // What is overdue is taken up after a look at the sockets.
            let until_us = if due_us <= now_us {
                now_us
            } else {
                due_us.clamp(now_us + LEAST_WAIT_US, now_us + LONGEST_WAIT_US)
            };
            if !self.turn(until_us) {
                return Ending::Planned;
            }
        }
    }

    /// Takes up what is due, never before its instant, and tells when the next is.
    fn take_due(&mut self, schedule: &mut Schedule) -> Option<u64> {
        let now_us = self.clock.now_us();
        for _ in 0..BATCH_ACTIONS {
            let next_us = schedule.next_us()?;
            if self.begin_us + next_us > now_us {
                return Some(next_us);
            }
            let planned = schedule.next()?;
            self.due(Planned { instant_us: self.begin_us + planned.instant_us, ..planned });
        }
        schedule.next_us()
    }

    /// Waits for what comes until the clock shows `until_us`, and takes it up; false when the loop broke down.
    pub(super) fn turn(&mut self, until_us: u64) -> bool {
        if let Err(error) = self.network.turn(self.clock, until_us) {
            self.trouble.breakdown = Some(format!("the loop that makes the calls broke down: {error}"));
            return false;
        }
        while let Some(ended) = self.network.ended() {
            self.ended(ended);
            self.send_held_back();
        }
        while let Some(observed) = self.observer.take() {
            self.observed(observed);
        }
        self.keep_extra_lines();
        let now_us = self.now_us();
        self.history.tick(now_us);
        let all_live = self.hear_workers(now_us);
        self.ledger.advance(now_us, self.standing());
        self.fill_seconds();
        all_live
    }

    /// Waits for the calls under way until the clock shows `deadline_us` and cuts off what is left then.
    pub(super) fn drain(&mut self, deadline_us: u64) {
        while self.network.in_flight() > 0 || !self.held_back.is_empty() || !self.observer.is_idle() {
            let now_us = self.clock.now_us();
            if now_us >= deadline_us || !self.turn(deadline_us.min(now_us + LONGEST_WAIT_US)) {
                break;
            }
        }
        self.await_workers(deadline_us);
        self.is_cut = true;
        self.give_up_held_back();
        let e_us = self.clock.now_us();
        // What had already ended is no call that was cut off.
        while let Some(ended) = self.network.ended() {
            self.ended(ended);
        }
        for flight in self.network.cut_off() {
            let record = cut_short(&flight.call, flight.task.planned_us, flight.s_us, e_us);
            let answered = Answered { record, wiring_revision: None, wiring_changed: false, store_id: None };
            self.answered(flight.task, flight.was_held_back, &answered);
        }
        let cut = self.observer.cut_off(|call, planned_us, s_us| cut_short(call, planned_us, s_us, e_us));
        cut.into_iter().for_each(|observed| self.observed(observed));
        self.ledger.close(self.now_us(), self.standing());
        self.fill_seconds();
    }

    /// Microseconds since the plan began.
    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us().saturating_sub(self.begin_us)
    }

    pub(super) fn series(&self, task: Task) -> Series {
        let at_us = task.planned_us.saturating_sub(self.begin_us);
        Series {
            phase: self.plan.phase_at(at_us),
            operation: task.operation,
            observes: task.agent.is_none(),
            at_us,
        }
    }

    fn due(&mut self, planned: Planned) {
        let due = self.agents.due(planned);
        if planned.agent.is_some() && due != Due::Nothing {
            self.ledger.take(Event::Arrived(planned.instant_us.saturating_sub(self.begin_us)));
        }
        if let (Action::Crash, Some(agent)) = (planned.action, planned.agent) {
            self.network.release(agent);
        }
        if let (Action::Crash | Action::Leave, Some(agent)) = (planned.action, planned.agent) {
            self.ledger.take(Event::Gone(agent));
        }
        match due {
            Due::Call(task) => self.call(task),
            Due::Miss(operation) => {
                let at_us = planned.instant_us.saturating_sub(self.begin_us);
                let series = Series { phase: self.plan.phase_at(at_us), operation, observes: false, at_us };
                let agent = planned.agent.filter(|_| operation != Operation::List);
                self.ledger.take(Event::Due(series));
                self.ledger.take(Event::Missed(series, agent));
            }
            Due::Nothing => {}
        }
    }

    /// Makes a call that is due, or puts it behind those that wait.
    fn call(&mut self, task: Task) {
        self.ledger.take(Event::Due(self.series(task)));
        if task.agent.is_none() {
            self.observe(task);
        } else if self.held_back.is_empty() && self.has_room(task) {
            self.send(task, false);
        } else {
            self.held_back.push_back(task);
        }
    }

    fn observe(&mut self, task: Task) {
        if let Some(call) = self.agents.call(task) {
            self.observer.read(task, call);
            self.ledger.take(Event::Sent(self.series(task), self.network.in_flight()));
        }
    }

    /// Whether a call may go out: over its agent's own connection, or over one of the shared ones.
    fn has_room(&self, task: Task) -> bool {
        self.network.in_flight_shared() < self.limit
            || self.owner(task).is_some_and(|agent| self.network.has_own(agent))
    }

    /// The agent over whose own connection a call goes.
    pub(super) fn owner(&self, task: Task) -> Option<u32> {
        task.agent.filter(|agent| self.plan.has_own_connection(*agent))
    }

    fn send_held_back(&mut self) {
        while let Some(task) = self.held_back.front().copied() {
            if !self.has_room(task) {
                return;
            }
            self.held_back.pop_front();
            if self.agents.wants(task) {
                self.send(task, true);
            }
        }
    }

    /// Counts an ended call and lets its agent react.
    pub(super) fn answered(&mut self, task: Task, was_held_back: bool, answered: &Answered) {
        let series = self.series(task);
        let timed = Timed::from(&answered.record);
        let lag_us = timed.lag_us();
        self.trouble.held_back += u64::from(was_held_back && lag_us >= HELD_BACK_LAG_US);
        self.note_exhaustion(timed.outcome, answered.record.note.as_deref());
        let agent = task.agent.filter(|_| self.agents.wants(task));
        self.ledger.take(Event::Ended {
            series,
            timed,
            agent,
            at_us: timed.e_us.saturating_sub(self.begin_us),
        });
        let consequence = self.agents.answered(task, answered);
        if lag_us > self.lag_limit_us {
            self.ledger.take(Event::Blamed(series, consequence.misses));
        }
        self.history.write_call(&answered.record);
        if let Some(reaction) = consequence.reaction.filter(|_| !self.is_cut) {
            self.ledger.take(Event::Arrived(reaction.planned_us.saturating_sub(self.begin_us)));
            self.call(reaction);
        }
    }

    /// Counts a reading of the harness's own.
    fn observed(&mut self, observed: Observed) {
        let Observed { task, timed, note, line } = observed;
        let (series, at_us) = (self.series(task), timed.e_us.saturating_sub(self.begin_us));
        self.ledger.take(Event::Ended { series, timed, agent: None, at_us });
        self.note_exhaustion(timed.outcome, note.as_deref());
        match line {
            Some(line) => self.history.write_ready(&line),
            None => self.trouble.breakdown = Some("a reading of the list could not be written".to_owned()),
        }
    }

    /// Counts failures that are the harness's own: no descriptor or no port left for a connection.
    fn note_exhaustion(&mut self, outcome: Outcome, note: Option<&str>) {
        let Some(note) = note.filter(|_| outcome.is_error()) else { return };
        // The words of std for EMFILE, ENFILE and EADDRNOTAVAIL.
        self.trouble.descriptor_failures +=
            u64::from(note.contains("(os error 24)") || note.contains("(os error 23)"));
        self.trouble.port_failures += u64::from(note.contains("(os error 99)"));
    }

    fn give_up_held_back(&mut self) {
        while let Some(task) = self.held_back.pop_front() {
            let misses = self.agents.dropped(task);
            self.ledger.take(Event::Blamed(self.series(task), misses));
        }
    }
}
