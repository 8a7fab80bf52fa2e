//! Sends calls in bounded number and writes the history while the run goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_sim::client::Client;
use agent_sim::clock::Clock;
use agent_sim::dialect::Call;
use agent_sim::measure::{Tally, Timed};
use hdrhistogram::Histogram;
use reports::history::{CallRecord, Line, Operation, kept_beside};
use reports::result::{CallStats, Percentiles};
use tokio::sync::{Notify, Semaphore, watch};

use super::keeper::Keeper;

/// Most calls in flight at one time.
pub(super) const IN_FLIGHT: usize = 128;

/// Longest duration that a histogram takes, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Everything that goes to the registry goes through here.
#[derive(Debug)]
pub(crate) struct Recorder {
    client: Client,
    pub(crate) clock: Clock,
    slots: Semaphore,
    pub(super) changes: Changes,
    state: Mutex<State>,
    stop: watch::Receiver<bool>,
}

/// Whoever waits for a change is told of the next one.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// One is about to leave.
    pub(super) asked: Notify,
    /// One was acknowledged.
    pub(super) answered: Notify,
}

#[derive(Debug)]
struct State {
    file: BufWriter<File>,
    keeper: Keeper,
    failed: Option<std::io::Error>,
    lost_lines: u64,
    tallies: BTreeMap<Operation, Tally>,
    lag_us: Option<Histogram<u64>>,
    floor_us: Option<Histogram<u64>>,
    /// How late the worst planned call woke, before it waited for its turn.
    worst_wake_us: u64,
    peak_in_flight: u64,
    in_flight: u64,
}

impl Recorder {
    pub(super) fn open(
        path: &Path,
        client: Client,
        clock: Clock,
        stop: watch::Receiver<bool>,
    ) -> std::io::Result<Self> {
        let state = State {
            file: BufWriter::new(File::create(path)?),
            keeper: Keeper::create(&kept_beside(path))?,
            failed: None,
            lost_lines: 0,
            tallies: BTreeMap::new(),
            lag_us: Histogram::new_with_max(LONGEST_US, 3).ok(),
            floor_us: Histogram::new_with_max(LONGEST_US, 3).ok(),
            worst_wake_us: 0,
            peak_in_flight: 0,
            in_flight: 0,
        };
        let slots = Semaphore::new(IN_FLIGHT);
        Ok(Self { client, clock, slots, changes: Changes::default(), state: Mutex::new(state), stop })
    }

    /// Waits for the planned instant, sends, records. `None` once the run is to end.
    pub(super) async fn call_at(&self, planned_us: u64, call: &Call) -> Option<CallRecord> {
        // What is already due waited for the registry's last answer, which is not the harness's lag.
        let due_us = planned_us.max(self.clock.now_us());
        if !self.sleep_until(due_us).await {
            return None;
        }
        let late_us = self.clock.now_us().saturating_sub(due_us);
        {
            let mut state = self.state();
            state.worst_wake_us = state.worst_wake_us.max(late_us);
        }
        self.send(planned_us, due_us, call).await
    }

    /// Sends now, in answer to what was seen.
    pub(super) async fn call_now(&self, call: &Call) -> Option<CallRecord> {
        let now = self.clock.now_us();
        self.send(now, now, call).await
    }

    async fn send(&self, planned_us: u64, due_us: u64, call: &Call) -> Option<CallRecord> {
        let slot = self.slots.acquire().await.ok()?;
        if self.stopped() {
            return None;
        }
        self.began();
        let changes = matches!(call, Call::Register(_) | Call::Leave { .. });
        if changes {
            self.changes.asked.notify_waiters();
        }
        let (answered, kept) = self.client.call_kept(call, Some(planned_us)).await;
        let record = answered.record;
        drop(slot);
        if changes && record.http.is_some_and(|status| status < 300) {
            self.changes.answered.notify_waiters();
        }
        self.state().keeper.keep(kept);
        self.ended(&record, record.s_us.saturating_sub(due_us));
        self.write(&Line::Call(record.clone()));
        Some(record)
    }

    /// Sleeps unless the run is to end; whether it slept.
    pub(crate) async fn sleep_until(&self, us: u64) -> bool {
        let mut stop = self.stop.clone();
        tokio::select! {
            () = self.clock.sleep_until_us(us) => !self.stopped(),
            // Nobody left who could end the run early is no reason to end it.
            Ok(_) = stop.wait_for(|stop| *stop) => false,
        }
    }

    pub(crate) fn stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Adds a line. What cannot be written is counted: such a history proves nothing.
    pub(crate) fn write(&self, line: &Line) {
        let text = serde_json::to_vec(line);
        let mut state = self.state();
        let written = text.map_err(std::io::Error::other).and_then(|mut text| {
            text.push(b'\n');
            state.file.write_all(&text)
        });
        if let Err(error) = written {
            state.lost_lines += 1;
            state.failed.get_or_insert(error);
        }
    }

    /// Brings what was written so far into the file, for somebody who reads it meanwhile.
    pub(super) fn flush(&self) -> std::io::Result<()> {
        self.state().file.flush()
    }

    /// Flushes; gives the first error of all.
    pub(super) fn close(&self) -> std::io::Result<()> {
        let mut state = self.state();
        state.keeper.close();
        state.file.flush()?;
        state.failed.take().map_or(Ok(()), Err)
    }

    /// d: how late a planned call or a bare sleep woke at the worst.
    pub(crate) fn slack_us(&self) -> u64 {
        let state = self.state();
        state.floor_us.as_ref().map_or(0, Histogram::max).max(state.worst_wake_us)
    }

    pub(super) fn lost_lines(&self) -> u64 {
        self.state().lost_lines
    }

    /// Calls that ended.
    pub(super) fn calls(&self) -> u64 {
        self.state().tallies.values().map(|tally| tally.count).sum()
    }

    /// Figures by operation.
    pub(super) fn stats(&self) -> BTreeMap<String, CallStats> {
        let state = self.state();
        state.tallies.iter().map(|(operation, tally)| (operation.name().to_owned(), tally.stats())).collect()
    }

    pub(super) fn peak_in_flight(&self) -> u64 {
        self.state().peak_in_flight
    }

    pub(super) fn lag(&self) -> Percentiles {
        percentiles(self.state().lag_us.as_ref())
    }

    pub(super) fn floor(&self) -> Percentiles {
        percentiles(self.state().floor_us.as_ref())
    }

    /// Why the history proves nothing, if so.
    pub(super) fn complaint(&self) -> Option<String> {
        let lost = self.lost_lines();
        (lost > 0).then(|| format!("{lost} lines of the history could not be written"))
    }

    fn began(&self) {
        let mut state = self.state();
        state.in_flight += 1;
        state.peak_in_flight = state.peak_in_flight.max(state.in_flight);
    }

    fn ended(&self, record: &CallRecord, lag_us: u64) {
        let mut state = self.state();
        let tally = state.tallies.entry(record.op).or_default();
        tally.planned += 1;
        tally.sent += 1;
        tally.record(&Timed::from(record));
        state.in_flight -= 1;
        if let Some(histogram) = &mut state.lag_us {
            histogram.saturating_record(lag_us);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sleeps 1 ms again and again, and notes how late it woke: the host's own floor.
pub(super) async fn timer_floor(recorder: Arc<Recorder>) {
    loop {
        let due = recorder.clock.now_us() + 1_000;
        recorder.clock.sleep_until_us(due).await;
        let late = recorder.clock.now_us().saturating_sub(due);
        if let Some(histogram) = &mut recorder.state().floor_us {
            histogram.saturating_record(late);
        }
        // The floor is sampled, not occupied.
        recorder.clock.sleep_until_us(due + 20_000).await;
    }
}

fn percentiles(histogram: Option<&Histogram<u64>>) -> Percentiles {
    let Some(histogram) = histogram else { return Percentiles::default() };
    Percentiles {
        p50: histogram.value_at_quantile(0.5),
        p90: histogram.value_at_quantile(0.9),
        p99: histogram.value_at_quantile(0.99),
        p999: histogram.value_at_quantile(0.999),
        max: histogram.max(),
    }
}
