//! The loop that makes the calls: what is due and what was answered goes in, calls go out. It never waits for an
//! answer before it looks at what is due.

use std::collections::VecDeque;
use std::sync::Arc;

use reports::history::{CallRecord, Line, Outcome};
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};

use super::Progress;
use super::agents::{Agents, Due, Task};
use super::collector::{Collector, Series};
use super::metrics::Figures;
use super::sampler::{Costs, Sample};
use super::worker::Pacer;
use crate::client::{Answered, Client};
use crate::clock::Clock;
use crate::dialect::Call;
use crate::history_writer::HistoryWriter;
use crate::measure::lag_us;
use crate::plan::Plan;
use crate::plan::schedule::Planned;
use crate::tripwire::Tripwire;

/// A call that the bound held back for less than this was not late because of it.
const HELD_BACK_LAG_US: u64 = 1_000;

/// How a run came to its end.
#[derive(Debug)]
pub(super) enum Ending {
    /// The plan is over.
    Planned,
    /// The user wanted it.
    Interrupted,
    /// The registry process ended by itself.
    TargetDied,
}

/// A run while it goes on.
#[derive(Debug)]
pub(super) struct Driver {
    pub(super) clock: Clock,
    /// Instant 0 of the plan on the clock; set just before it is followed.
    pub(super) begin_us: u64,
    pub(super) plan: Arc<Plan>,
    pub(super) client: Arc<Client>,
    pub(super) tripwire: Tripwire,
    pub(super) agents: Agents,
    pub(super) collector: Collector,
    pub(super) costs: Costs,
    pub(super) history: HistoryWriter,
    pub(super) progress: watch::Sender<Progress>,
    /// Most calls in flight at one time.
    pub(super) limit: usize,
    /// A call sent later than this was not sent in time.
    pub(super) lag_limit_us: u64,
    pub(super) trouble: Trouble,
    calls: JoinSet<Ended>,
    /// Calls that wait for one in flight to end. Never more than two an agent, since each has one unanswered
    /// heartbeat and one unanswered poll at most.
    held_back: VecDeque<Task>,
    cut_off: watch::Sender<bool>,
}

/// What went wrong on the harness's own side.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    pub(super) held_back: u64,
    pub(super) descriptor_failures: u64,
    pub(super) port_failures: u64,
    pub(super) broken_calls: u64,
    pub(super) peak_in_flight: usize,
}

/// What [`Driver::new`] is made of.
pub(super) struct Parts {
    pub(super) clock: Clock,
    pub(super) plan: Arc<Plan>,
    pub(super) client: Client,
    pub(super) tripwire: Tripwire,
    pub(super) agents: Agents,
    pub(super) collector: Collector,
    pub(super) costs: Costs,
    pub(super) history: HistoryWriter,
    pub(super) progress: watch::Sender<Progress>,
    pub(super) limit: usize,
    pub(super) lag_limit_us: u64,
}

/// A call that has ended.
struct Ended {
    task: Task,
    was_held_back: bool,
    answered: Answered,
}

impl Driver {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { clock, plan, client, tripwire, agents, collector, costs, history, progress, .. } = parts;
        Self {
            clock,
            begin_us: 0,
            plan,
            client: Arc::new(client),
            tripwire,
            agents,
            collector,
            costs,
            history,
            progress,
            limit: parts.limit.max(1),
            lag_limit_us: parts.lag_limit_us,
            trouble: Trouble::default(),
            calls: JoinSet::new(),
            held_back: VecDeque::new(),
            cut_off: watch::Sender::new(false),
        }
    }

    /// Follows the plan to its end, or until the run is interrupted or the registry dies. Calls may still be under
    /// way afterwards.
    pub(super) async fn follow(
        &mut self,
        pacer: &mut Pacer,
        samples: &mut mpsc::Receiver<Sample>,
        mut interrupt: watch::Receiver<bool>,
    ) -> Ending {
        let interrupted = async move {
            if interrupt.wait_for(|wanted| *wanted).await.is_err() {
                // Nobody is left who could interrupt.
                std::future::pending::<()>().await;
            }
        };
        tokio::pin!(interrupted);
        loop {
            // What is due comes first, so that a flood of answers does not make calls late.
            tokio::select! {
                biased;
                () = &mut interrupted => return Ending::Interrupted,
                due = pacer.due() => match due {
                    Some(due) => due.into_iter().for_each(|planned| self.due(planned)),
                    None => return Ending::Planned,
                },
                Some(sample) = samples.recv() => {
                    if self.sampled(&sample) {
                        return Ending::TargetDied;
                    }
                }
                Some(ended) = self.calls.join_next() => self.ended(ended),
            }
            while let Some(ended) = self.calls.try_join_next() {
                self.ended(ended);
            }
            self.collector.advance(self.now_us(), self.agents.registered(), self.calls.len());
        }
    }

    /// Waits for the calls under way until the clock shows `deadline_us` and cuts off what is left then.
    pub(super) async fn drain(&mut self, deadline_us: u64) {
        let mut is_cut = false;
        while !self.calls.is_empty() {
            tokio::select! {
                Some(ended) = self.calls.join_next() => self.ended(ended),
                () = self.clock.sleep_until_us(deadline_us), if !is_cut => {
                    is_cut = true;
                    self.give_up_held_back();
                    self.cut_off.send_replace(true);
                }
            }
            self.collector.advance(self.now_us(), self.agents.registered(), self.calls.len());
        }
        self.give_up_held_back();
        self.collector.close_second(self.agents.registered(), 0);
    }

    /// Microseconds since the plan began.
    pub(super) fn now_us(&self) -> u64 {
        self.clock.now_us().saturating_sub(self.begin_us)
    }

    fn series(&self, task: Task) -> Series {
        let phase = self.plan.phase_at(task.planned_us.saturating_sub(self.begin_us));
        Series { phase, operation: task.operation, observes: task.agent.is_none() }
    }

    fn due(&mut self, planned: Planned) {
        match self.agents.due(planned) {
            Due::Call(task) => self.call(task),
            Due::Miss(operation) => {
                let phase = self.plan.phase_at(planned.instant_us.saturating_sub(self.begin_us));
                let series = Series { phase, operation, observes: false };
                self.collector.due(series);
                self.collector.missed(series);
            }
            Due::Nothing => {}
        }
    }

    /// Makes a call that is due, or puts it behind those that wait.
    fn call(&mut self, task: Task) {
        self.collector.due(self.series(task));
        if self.calls.len() < self.limit {
            self.send(task, false);
        } else {
            self.held_back.push_back(task);
        }
    }

    fn send(&mut self, task: Task, was_held_back: bool) {
        let Some(call) = self.agents.call(task) else { return };
        let (client, clock) = (Arc::clone(&self.client), self.clock);
        let mut cut_off = self.cut_off.subscribe();
        self.calls.spawn(async move {
            let s_us = clock.now_us();
            let answered = tokio::select! {
                biased;
                answered = client.call_by(task.protocol, &call, Some(task.planned_us)) => answered,
                _ = cut_off.wait_for(|cut| *cut) => cut_short(&call, task.planned_us, s_us, clock.now_us()),
            };
            Ended { task, was_held_back, answered }
        });
        let in_flight = self.calls.len();
        self.trouble.peak_in_flight = self.trouble.peak_in_flight.max(in_flight);
        self.collector.sent(self.series(task), in_flight);
    }

    /// Counts an ended call, lets its agent react, and sends the next one that waits.
    fn ended(&mut self, ended: Result<Ended, JoinError>) {
        match ended {
            Ok(Ended { task, was_held_back, answered }) => self.answered(task, was_held_back, answered),
            Err(_) => self.trouble.broken_calls += 1,
        }
        while self.calls.len() < self.limit {
            let Some(task) = self.held_back.pop_front() else { return };
            if self.agents.wants(task) {
                self.send(task, true);
            }
        }
    }

    fn answered(&mut self, task: Task, was_held_back: bool, answered: Answered) {
        let series = self.series(task);
        self.collector.ended(series, &answered.record);
        let lag_us = lag_us(&answered.record);
        self.trouble.held_back += u64::from(was_held_back && lag_us >= HELD_BACK_LAG_US);
        self.note_exhaustion(&answered.record);
        let consequence = self.agents.answered(task, &answered);
        if lag_us > self.lag_limit_us {
            self.collector.blame_misses(series, consequence.misses);
        }
        self.history.write(Line::Call(answered.record));
        if let Some(reaction) = consequence.reaction.filter(|_| !*self.cut_off.borrow()) {
            self.call(reaction);
        }
    }

    /// Counts failures that are the harness's own: no descriptor or no port left for a connection.
    fn note_exhaustion(&mut self, record: &CallRecord) {
        let Some(note) = record.note.as_deref().filter(|_| record.outcome.is_error()) else { return };
        // The words of std for EMFILE, ENFILE and EADDRNOTAVAIL.
        self.trouble.descriptor_failures +=
            u64::from(note.contains("(os error 24)") || note.contains("(os error 23)"));
        self.trouble.port_failures += u64::from(note.contains("(os error 99)"));
    }

    fn give_up_held_back(&mut self) {
        while let Some(task) = self.held_back.pop_front() {
            let misses = self.agents.dropped(task);
            self.collector.blame_misses(self.series(task), misses);
        }
    }

    /// Takes a sample into the figures; tells whether the registry has died.
    pub(super) fn sampled(&mut self, sample: &Sample) -> bool {
        let phase = self.plan.phase_at(self.costs.last_us());
        self.costs.add(sample, phase);
        self.collector.advance(self.now_us(), self.agents.registered(), self.calls.len());
        self.keep_touches();
        if let Some(second) = sample.second {
            if let Some(interval) = self.collector.interval(second) {
                self.costs.fill(interval, sample);
            }
            self.show_progress();
        }
        if let Some(died) = &sample.died {
            self.history.write(Line::Process(died.clone()));
        }
        sample.died.is_some()
    }

    /// Writes down what reached an agent's address since the last time.
    pub(super) fn keep_touches(&mut self) {
        for touch in self.tripwire.take_touches() {
            self.history.write(Line::Touch(touch));
        }
    }

    fn show_progress(&self) {
        let now_us = self.now_us();
        let phase_index = self.plan.phase_at(now_us);
        let second = self.collector.last_interval();
        let recent = self.collector.recent();
        self.progress.send_replace(Progress {
            phase: self.plan.phases().get(phase_index).map_or_else(String::new, |phase| phase.name.clone()),
            phase_index,
            phases: self.plan.phases().len(),
            elapsed_ms: now_us / 1_000,
            total_ms: self.plan.end_us() / 1_000,
            agents: second.agents,
            offered_per_second: second.planned,
            achieved_per_second: second.sent,
            p50_us: recent.p50,
            p99_us: recent.p99,
            lag_p99_us: second.lag_p99_us,
            target_cores: second.target_cores,
            target_pss_bytes: second.target_pss_bytes,
            errors: self.collector.totals().errors,
            figures: self.figures(),
        });
    }

    fn figures(&self) -> Figures {
        Figures {
            in_flight: u64::try_from(self.calls.len()).unwrap_or(u64::MAX),
            lost_lines: self.history.lost_lines(),
            target_cpu_seconds: self.costs.target.cpu_seconds,
            ..self.collector.figures()
        }
    }
}

/// The record of a call that the end of the run cut off. It may have acted.
fn cut_short(call: &Call, planned_us: u64, s_us: u64, e_us: u64) -> Answered {
    Answered {
        record: CallRecord {
            agent: call.agent_id().map(str::to_owned),
            op: call.operation(),
            planned_us: Some(planned_us),
            s_us,
            e_us,
            outcome: Outcome::CutOff,
            http: None,
            sent: call.sent(),
            seen: None,
            note: None,
        },
        wiring_revision: None,
        wiring_changed: false,
        store_id: None,
    }
}
