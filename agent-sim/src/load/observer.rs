//! The harness's own reading of the whole list, beside the loop: a list of 100,000 agents takes longer to read than a
//! heartbeat may be late.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};

use mio::Waker;
use reports::history::{CallRecord, Line};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::agents::Task;
use crate::client::Client;
use crate::clock::Clock;
use crate::dialect::Call;
use crate::history_writer::as_written;
use crate::measure::Timed;

/// Reads lists on the runtime's threads.
#[derive(Debug)]
pub(super) struct Observer {
    client: Client,
    clock: Clock,
    runtime: Handle,
    waker: Arc<Waker>,
    sender: Sender<Observed>,
    observed: Receiver<Observed>,
    reading: JoinSet<()>,
    under_way: Vec<Reading>,
}

/// A reading under way.
#[derive(Debug)]
struct Reading {
    task: Task,
    call: Call,
    s_us: u64,
}

/// A list that was read, or was not to be had.
#[derive(Debug)]
pub(super) struct Observed {
    pub(super) task: Task,
    pub(super) timed: Timed,
    pub(super) note: Option<String>,
    /// Its line in the history; `None` where it could not be made.
    pub(super) line: Option<Vec<u8>>,
}

impl Observer {
    pub(super) fn new(client: Client, clock: Clock, runtime: Handle, waker: Arc<Waker>) -> Self {
        let (sender, observed) = channel();
        let (reading, under_way) = (JoinSet::new(), Vec::new());
        Self { client, clock, runtime, waker, sender, observed, reading, under_way }
    }

    /// Begins to read.
    pub(super) fn read(&mut self, task: Task, call: Call) {
        let (client, sender, waker) = (self.client.clone(), self.sender.clone(), Arc::clone(&self.waker));
        self.under_way.push(Reading { task, call: call.clone(), s_us: self.clock.now_us() });
        while self.reading.try_join_next().is_some() {}
        self.reading.spawn_on(
            async move {
                let record = client.call(&call, Some(task.planned_us)).await.record;
                // The loop may be over: then nobody needs to know.
                drop(sender.send(Observed::new(task, record)));
                drop(waker.wake());
            },
            &self.runtime,
        );
    }

    /// Whether nothing is being read.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way.is_empty()
    }

    /// What was read since the last time.
    pub(super) fn take(&mut self) -> Option<Observed> {
        let observed = self.observed.try_recv().ok()?;
        self.under_way.retain(|reading| reading.task != observed.task);
        Some(observed)
    }

    /// Ends what is under way; its records are `cut`.
    pub(super) fn cut_off(&mut self, cut: impl Fn(&Call, u64, u64) -> CallRecord) -> Vec<Observed> {
        self.reading.abort_all();
        let readings = std::mem::take(&mut self.under_way);
        readings
            .into_iter()
            .map(|Reading { task, call, s_us }| Observed::new(task, cut(&call, task.planned_us, s_us)))
            .collect()
    }
}

impl Observed {
    fn new(task: Task, record: CallRecord) -> Self {
        let (timed, note) = (Timed::from(&record), record.note.clone());
        Self { task, timed, note, line: as_written(&Line::Call(record)).ok() }
    }
}
