//! What several processes tell, put together in the order of time: pure. Each event is counted once and in full, so that
//! histograms, seconds, thresholds and recoveries are those that one process would have counted.

use std::collections::VecDeque;

use reports::result::ProcessCost;
use serde::{Deserialize, Serialize};

use super::driver::Trouble;
use super::ledger::{Books, Event, Standing};
use super::sampler::Costs;

/// What a worker process tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) enum Message {
    /// It waits for the instant at which the plan begins.
    Ready,
    /// Something is to be counted.
    Event(Event),
    /// What was told since the last one of these happened before this instant since the run began.
    Turned(u64, Standing),
    /// What the process has used since the run began.
    Used(Used),
    /// It is over; nothing more comes.
    Done(Done),
}

/// What a worker process has used since the run began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Used {
    /// As a process.
    pub(super) cost: ProcessCost,
    /// Share of the time that its threads stood runnable without a core.
    pub(super) run_queue_wait_share: f64,
    /// How long they did, seconds.
    pub(super) run_queue_wait_seconds: f64,
}

impl Used {
    /// What these costs tell of.
    pub(super) fn of(costs: &Costs) -> Self {
        Self {
            cost: costs.own,
            run_queue_wait_share: costs.run_queue_wait_share(),
            run_queue_wait_seconds: costs.run_queue_wait_seconds(),
        }
    }
}

/// How it went for a worker process.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Done {
    pub(super) trouble: Trouble,
    /// Events that could not be told.
    pub(super) lost_events: u64,
    /// Lines that its part of the history lacks.
    pub(super) lost_lines: u64,
    /// Why that part could not be written, if so.
    pub(super) history_failure: Option<String>,
}

impl Done {
    /// The trouble; what could not be told is some.
    pub(super) fn trouble_with_losses(self) -> Trouble {
        let lost = (self.lost_events > 0).then(|| {
            format!(
                "{} events of worker processes could not be told in time: nothing can be counted from the rest",
                self.lost_events
            )
        });
        Trouble { breakdown: self.trouble.breakdown.or(lost), ..self.trouble }
    }
}

/// The workers of a run, as far as they have told.
#[derive(Debug)]
pub(super) struct Merge {
    lanes: Vec<Lane>,
    peak: Peak,
}

/// The highest of what stood at one time in all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Peak {
    pub(super) registered: u64,
    pub(super) own_open: u64,
}

/// One worker.
#[derive(Debug, Default)]
struct Lane {
    /// Not yet closed by an instant.
    open: Vec<Event>,
    /// Not yet counted.
    waiting: VecDeque<Batch>,
    /// After what was counted last.
    standing: Standing,
    /// The last instant told.
    told_us: u64,
    used: Used,
    is_over: bool,
    done: Option<Done>,
}

/// What happened in one turn of a worker's loop.
#[derive(Debug)]
struct Batch {
    now_us: u64,
    standing: Standing,
    events: Vec<Event>,
}

impl Merge {
    /// Of so many workers.
    pub(super) fn new(workers: usize) -> Self {
        Self { lanes: (0..workers).map(|_| Lane::default()).collect(), peak: Peak::default() }
    }

    /// A worker told something.
    pub(super) fn told(&mut self, worker: usize, message: Message) {
        let Some(lane) = self.lanes.get_mut(worker) else { return };
        match message {
            Message::Ready => {}
            Message::Event(event) => lane.open.push(event),
            Message::Turned(now_us, standing) => lane.turned(now_us, standing),
            Message::Used(used) => lane.used = used,
            Message::Done(done) => {
                lane.done = Some(done);
                lane.end();
            }
        }
    }

    /// A worker tells nothing more, finished or not.
    pub(super) fn ended(&mut self, worker: usize) {
        self.lanes.get_mut(worker).into_iter().for_each(Lane::end);
    }

    /// Counts what can be counted: what happened before the earliest instant up to which all have told.
    pub(super) fn settle(&mut self, books: &mut Books) {
        while let Some((_, lane)) = self.next() {
            self.settle_next_of(lane, books);
        }
    }

    /// Counts the next that a worker has told.
    pub(super) fn settle_next_of(&mut self, worker: usize, books: &mut Books) {
        let Some(lane) = self.lanes.get_mut(worker) else { return };
        let Some(batch) = lane.waiting.pop_front() else { return };
        lane.standing = batch.standing;
        batch.events.iter().for_each(|event| books.take(event));
        let standing = self.standing();
        self.peak.registered = self.peak.registered.max(standing.registered);
        self.peak.own_open = self.peak.own_open.max(standing.own_open);
        books.advance(batch.now_us, standing);
    }

    /// A worker that may still tell of something earlier than all that waits to be counted.
    pub(super) fn awaited(&self) -> Option<usize> {
        self.lanes.iter().position(|lane| !lane.is_over && lane.waiting.is_empty())
    }

    /// The worker whose turn is next, and its instant; `None` where one may still tell of an earlier one.
    pub(super) fn next(&self) -> Option<(u64, usize)> {
        let mut first: Option<(u64, usize)> = None;
        for (worker, lane) in self.lanes.iter().enumerate() {
            match lane.waiting.front() {
                Some(batch) => {
                    let here = (batch.now_us, worker);
                    first = Some(first.map_or(here, |first| first.min(here)));
                }
                None if lane.is_over => {}
                None => return None,
            }
        }
        first
    }

    /// How things stand in all workers together.
    pub(super) fn standing(&self) -> Standing {
        self.lanes.iter().fold(Standing::default(), |sum, lane| sum.and(lane.standing))
    }

    /// The highest so far.
    pub(super) fn peak(&self) -> Peak {
        self.peak
    }

    /// Whether nobody tells anything more.
    pub(super) fn is_over(&self) -> bool {
        self.lanes.iter().all(|lane| lane.is_over)
    }

    /// Workers that have told of nothing later than `us`, and are not over.
    pub(super) fn silent_since(&self, us: u64) -> Option<usize> {
        self.lanes.iter().position(|lane| !lane.is_over && lane.told_us < us)
    }

    /// Whether a worker has told that it is over.
    pub(super) fn is_done(&self, worker: usize) -> bool {
        self.lanes.get(worker).is_some_and(|lane| lane.done.is_some())
    }

    /// What all have used together; the share of the worst of them.
    pub(super) fn used(&self) -> Used {
        let mut sum = Used::default();
        for Used { cost, run_queue_wait_share, run_queue_wait_seconds } in
            self.lanes.iter().map(|lane| lane.used)
        {
            sum.cost.cpu_seconds += cost.cpu_seconds;
            sum.cost.pss_bytes += cost.pss_bytes;
            sum.cost.fds += cost.fds;
            sum.cost.threads += cost.threads;
            sum.run_queue_wait_seconds += run_queue_wait_seconds;
            sum.run_queue_wait_share = sum.run_queue_wait_share.max(run_queue_wait_share);
        }
        sum
    }

    /// How it went for all together: sums, and the first words of each kind.
    pub(super) fn done(&self) -> Done {
        let mut all = Done::default();
        for done in self.lanes.iter().filter_map(|lane| lane.done.as_ref()) {
            all.trouble = all.trouble.and(done.trouble.clone());
            all.lost_events += done.lost_events;
            all.lost_lines += done.lost_lines;
            all.history_failure = all.history_failure.or_else(|| done.history_failure.clone());
        }
        all
    }

    /// How many workers.
    pub(super) fn workers(&self) -> usize {
        self.lanes.len()
    }
}

impl Lane {
    fn turned(&mut self, now_us: u64, standing: Standing) {
        // The clock is the same for all and never goes back.
        self.told_us = self.told_us.max(now_us);
        let events = std::mem::take(&mut self.open);
        self.waiting.push_back(Batch { now_us: self.told_us, standing, events });
    }

    /// What is still open is counted with the last that was told.
    fn end(&mut self) {
        if !self.open.is_empty() {
            let standing = self.waiting.back().map_or(self.standing, |batch| batch.standing);
            self.turned(self.told_us, standing);
        }
        self.is_over = true;
    }
}

#[cfg(test)]
#[path = "merge_tests.rs"]
mod tests;
