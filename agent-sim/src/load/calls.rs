//! A call on its way: from the agent's wish to the record of it.

use reports::history::{CallRecord, Outcome};
use scenarios::model::Protocol;

use super::agents::Task;
use super::driver::Driver;
use super::ledger::Event;
use super::network::{Ended, Fault, Order};
use super::trace;
use crate::client::{Answered, MAX_PAGES, MAX_STEPS, SendError, append};
use crate::dialect::{Call, Dialect, Reading, WireAnswer, WireRequest};
use crate::plan::micros;

/// A call under way.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) task: Task,
    pub(super) call: Call,
    pub(super) was_held_back: bool,
    /// Just before it was handed to the network.
    pub(super) s_us: u64,
    /// What the pages so far showed, where there are several.
    pages: Option<Box<Pages>>,
    /// What the requests of the present page so far were answered, where one takes several.
    answers: Vec<WireAnswer>,
}

/// A list of several pages.
#[derive(Debug)]
struct Pages {
    whole: Reading,
    http: Option<u16>,
    count: usize,
}

impl Driver {
    /// Sends a call.
    pub(super) fn send(&mut self, task: Task, was_held_back: bool) {
        let Some(call) = self.agents.call(task) else { return };
        let request = self.dialect(task).request(&call);
        let s_us = self.clock.now_us();
        let flight = Box::new(Flight { task, call, was_held_back, s_us, pages: None, answers: Vec::new() });
        let in_flight = self.network.in_flight() + 1;
        self.trouble.peak_in_flight = self.trouble.peak_in_flight.max(in_flight);
        self.ledger.take(Event::Sent(self.series(task), in_flight));
        match request {
            Some(request) => self.transmit(flight, &request),
            None => {
                let (dialect, operation) = (self.dialect(task).name(), flight.call.operation().name());
                let note = format!("the dialect {dialect} has no such call as this {operation}");
                let e_us = flight.s_us;
                self.close(flight, Reading::of(Outcome::NotSent).noting(note), None, e_us);
            }
        }
    }

    fn dialect(&self, task: Task) -> &dyn Dialect {
        match task.protocol {
            Protocol::Http => self.dialect.as_ref(),
            Protocol::Mcp => self.mcp.as_ref(),
        }
    }

    fn timeout_us(&self, call: &Call) -> u64 {
        self.timeout_us.saturating_add(micros(call.held_for()))
    }

    fn transmit(&mut self, flight: Box<Flight>, request: &WireRequest) {
        let task = flight.task;
        let agent = task.agent.and_then(|agent| usize::try_from(agent).ok());
        let route = agent.and_then(|agent| self.route_of.get(agent)).copied().unwrap_or_default();
        let trace = self.traced_by.zip(task.agent).map(|(seed, agent)| {
            trace::header(seed, &self.plan.agent_id(agent), task.operation, task.planned_us)
        });
        let extra = trace.as_deref().unwrap_or_default().as_bytes();
        let timeout_us = self.timeout_us(&flight.call);
        let order = Order { route, owner: self.owner(task), request, extra, timeout_us };
        self.network.send(&order, flight, self.clock.now_us());
    }

    /// Takes an answer, or the lack of one. A list of several pages goes on with the next.
    pub(super) fn ended(&mut self, ended: Ended<Box<Flight>>) {
        let Ended { mut flight, e_us, result } = ended;
        let (mut reading, http) = match result {
            Ok(answer) => match self.read(&mut flight, answer) {
                Ok((reading, status)) => (reading, Some(status)),
                Err(next) => return self.transmit(flight, &next),
            },
            Err(fault) => (self.fault(&flight, fault), None),
        };
        let next = reading.next_page.take();
        if next.is_none() && flight.pages.is_none() {
            return self.close(flight, reading, http, e_us);
        }
        let pages = match flight.pages.take() {
            None => Box::new(Pages { whole: reading, http, count: 1 }),
            Some(mut pages) => {
                pages.count += 1;
                if reading.outcome != Outcome::Shown {
                    let why = reading.note.as_deref().unwrap_or("no list");
                    let note = format!("page {}: {why}", pages.count);
                    return self.close(flight, Reading { seen: None, ..reading }.noting(note), http, e_us);
                }
                append(&mut pages.whole, reading);
                pages
            }
        };
        match next {
            None => self.close(flight, pages.whole, pages.http, e_us),
            Some(_) if pages.count == MAX_PAGES => {
                let note = format!("the list did not end after {MAX_PAGES} pages");
                self.close(flight, Reading::of(Outcome::Failed).noting(note), pages.http, e_us);
            }
            Some(request) => {
                flight.pages = Some(pages);
                self.transmit(flight, &request);
            }
        }
    }

    /// What an answer says; else the request that has to follow it.
    fn read(&mut self, flight: &mut Flight, answer: WireAnswer) -> Result<(Reading, u16), WireRequest> {
        let dialect = self.dialect(flight.task);
        if flight.answers.is_empty() {
            let Some(next) = dialect.follow_up(&flight.call, std::slice::from_ref(&answer)) else {
                let reading = dialect.read(&flight.call, &answer);
                self.network.recycle(answer.body);
                return Ok((reading, answer.status));
            };
            flight.answers.push(answer);
            return Err(next);
        }
        let status = answer.status;
        flight.answers.push(answer);
        let further = flight.answers.len() < MAX_STEPS;
        if let Some(next) = dialect.follow_up(&flight.call, &flight.answers).filter(|_| further) {
            return Err(next);
        }
        let last = flight.answers.pop();
        let reading =
            last.map_or_else(|| Reading::of(Outcome::Failed), |last| dialect.read(&flight.call, &last));
        flight.answers.clear();
        Ok((reading, status))
    }

    /// What the lack of an answer means, in the words that every client of the harness uses.
    fn fault(&self, flight: &Flight, fault: Fault) -> Reading {
        let path =
            self.dialect(flight.task).request(&flight.call).map_or_else(String::new, |request| request.path);
        let url = format!("{}{path}", self.url);
        let error = match fault {
            Fault::NotSent(cause) => SendError::NotSent { url, cause },
            Fault::Failed(cause) => SendError::Failed { url, cause },
            Fault::TimedOut => {
                SendError::TimedOut { url, timeout_ms: u128::from(self.timeout_us(&flight.call) / 1_000) }
            }
        };
        let outcome = match error.outcome() {
            // What was answered before may have acted already.
            Outcome::NotSent if !flight.answers.is_empty() => Outcome::Failed,
            outcome => outcome,
        };
        Reading::of(outcome).noting(error.to_string())
    }

    /// Makes the record of a call that is over.
    fn close(&mut self, flight: Box<Flight>, reading: Reading, http: Option<u16>, e_us: u64) {
        let Flight { task, call, was_held_back, s_us, .. } = *flight;
        let answered = Answered {
            record: CallRecord {
                op: call.operation(),
                planned_us: Some(task.planned_us),
                s_us,
                e_us,
                outcome: reading.outcome,
                http,
                sent: call.sent(),
                seen: reading.seen,
                note: reading.note,
                agent: call.into_agent_id(),
            },
            wiring_revision: reading.wiring_revision,
            wiring_changed: reading.wiring_changed,
            store_id: reading.store_id,
        };
        self.answered(task, was_held_back, &answered);
    }
}

/// The record of a call that the end of the run cut off. It may have acted.
pub(super) fn cut_short(call: &Call, planned_us: u64, s_us: u64, e_us: u64) -> CallRecord {
    CallRecord {
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
    }
}
