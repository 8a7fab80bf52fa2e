//! The core behind its lock, and waiting until the store has a change.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use registry_core::Registry;
use registry_core::heartbeat::Decision;
use registry_core::time::{Moment, Revision};
use tokio::sync::{Notify, Semaphore, watch};

use crate::clock::Clock;
use crate::connections::Limits;
use crate::http::encoding::Encoded;
use crate::http::{Lanes, Polls};
use crate::metrics::Metrics;
use crate::progress::{Awaited, Progress};
use crate::protection::Protection;
use crate::seal::Seal;
use crate::timers::TIMERS_AT_ONCE;

/// How long an answer waits for the store. A store that hangs is a store that fails.
const SAVE_TIMEOUT: Duration = Duration::from_secs(10);
/// How long an answer that only shows state waits for the store, at most.
const SHOW_TIMEOUT: Duration = Duration::from_secs(5);

/// What every handler and task shares.
#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Registry>,
    clock: Clock,
    /// Names the history of revisions.
    pub(crate) store_id: Arc<str>,
    /// Woken when there is something to save.
    pub(crate) unsaved: Notify,
    /// Woken when the server stops: the writer then saves what is left and ends.
    pub(crate) stopping: watch::Sender<bool>,
    /// Set when the server begins to stop: those who wait are answered at once.
    pub(crate) draining: watch::Sender<bool>,
    /// The number of the last visible change, for those who wait for the next.
    pub(crate) revision: watch::Sender<Revision>,
    /// A permit for each call that may wait.
    pub(crate) waiters: Semaphore,
    /// The permit of the one search that may be under way.
    pub(crate) searches: Semaphore,
    /// What keeps lists from taking what heartbeats need.
    pub(crate) lanes: Lanes,
    /// How long and how much.
    pub(crate) limits: Limits,
    pub(crate) encoded: Encoded,
    /// What was answered last to those who ask again and again.
    pub(crate) polls: Polls,
    pub(crate) progress: Awaited,
    pub(crate) metrics: Metrics,
    /// What holds this process to calling nobody.
    pub(crate) seal: Seal,
    /// Whether every request leaves a line in the log.
    pub(crate) access_log: bool,
    /// TLS and tokens.
    pub(crate) protection: Protection,
    /// Woken when the policies are others, since deadlines may then come sooner than any timer expects.
    pub(crate) policies_set: Notify,
}

/// How a registry serves, as far as everything that serves must know.
#[derive(Debug)]
pub(crate) struct Options {
    /// How many calls may wait for a change at one time.
    pub(crate) most_waiters: usize,
    /// What holds this process to calling nobody.
    pub(crate) seal: Seal,
    /// Whether every request leaves a line in the log.
    pub(crate) access_log: bool,
    /// TLS and tokens.
    pub(crate) protection: Protection,
    /// How long and how much.
    pub(crate) limits: Limits,
    /// The most connections that are open at once.
    pub(crate) max_connections: usize,
}

/// The store did not take the change; it is kept in memory and tried again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StoreUnavailable;

impl Shared {
    pub(crate) fn new(core: Registry, clock: Clock, metrics: Metrics, options: Options) -> Self {
        let Options { most_waiters, seal, access_log, protection, limits, max_connections } = options;
        let saved = core.saved_through();
        Self {
            store_id: Arc::clone(&core.setup().store_id),
            draining: watch::Sender::new(false),
            revision: watch::Sender::new(core.revision()),
            waiters: Semaphore::new(most_waiters),
            searches: Semaphore::new(1),
            lanes: Lanes::new(&limits, max_connections, metrics.shed.clone()),
            limits,
            encoded: Encoded::default(),
            polls: Polls::default(),
            core: Mutex::new(core),
            clock,
            unsaved: Notify::new(),
            stopping: watch::Sender::new(false),
            progress: Awaited::new(saved),
            metrics,
            seal,
            access_log,
            protection,
            policies_set: Notify::new(),
        }
    }

    /// Calls the core at this instant. The clock is read under the lock, so that instants reach the core in order.
    pub(crate) fn with_core<T>(&self, call: impl FnOnce(&mut Registry, Moment) -> T) -> T {
        // A poisoned lock means that a handler panicked. The core has no state that is wrong for good in between, and
        // refusing every later heartbeat would turn one bug into the expiry of the fleet.
        let mut core = self.core.lock().unwrap_or_else(PoisonError::into_inner);
        let reading = self.clock.read();
        if let Some(gap_us) = reading.paused_us {
            core.resume(reading.moment.now, gap_us);
            self.metrics.pauses.inc();
            tracing::warn!(gap_ms = gap_us / 1_000, "the process was paused; leases moved by the gap");
        }
        let result = call(&mut core, reading.moment);
        let has_unsaved = core.has_unsaved();
        let revision = core.revision();
        self.clock.worked();
        drop(core);
        if has_unsaved {
            self.unsaved.notify_one();
        }
        self.revision.send_if_modified(|shown| {
            let is_later = revision > *shown;
            *shown = revision.max(*shown);
            is_later
        });
        result
    }

    /// The same for an answer that tells of many agents: before it, what is due is made in steps, so that whoever needs
    /// less than all of it comes in between, and no step holds the lock for long.
    pub(crate) async fn with_all_due<T>(&self, call: impl FnOnce(&mut Registry, Moment) -> T) -> T {
        self.with_due(|_, _| true, call).await
    }

    /// The same for an answer that may need all that is due, or not.
    pub(crate) async fn with_due<T>(
        &self,
        needs_all: impl Fn(&Registry, Moment) -> bool,
        call: impl FnOnce(&mut Registry, Moment) -> T,
    ) -> T {
        let mut call = call;
        loop {
            let step = self.with_core(|core, moment| {
                if needs_all(core, moment) && core.advance_some(moment, TIMERS_AT_ONCE) {
                    Err(call)
                } else {
                    Ok(call(core, moment))
                }
            });
            match step {
                Ok(result) => return result,
                Err(not_yet) => call = not_yet,
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns when the store has what a decision rests upon, or has failed meanwhile.
    pub(crate) async fn settled<T>(&self, decision: &Decision<T>) -> Result<(), StoreUnavailable> {
        self.saved(decision.ticket).await?;
        if let Some(change) = decision.shows {
            self.shown(change).await;
        }
        Ok(())
    }

    /// Returns when the store has everything up to a revision that an answer is about to show, so that what has been
    /// seen once is still so after a SIGKILL. While the store fails it returns at once, for views are answered then
    /// too: their numbers are never given to anything else (the store has reserved them), but what they name may be
    /// undone.
    pub(crate) async fn shown(&self, revision: Revision) {
        let is_decided = |progress: &Progress| progress.saved >= revision || progress.is_failing;
        let decided = self.progress.until(revision, is_decided);
        if tokio::time::timeout(SHOW_TIMEOUT, decided).await.is_err() {
            // A store that hangs is a store that fails: nobody else shall wait so long. What it does next says more.
            self.progress.advance(|progress| progress.is_failing |= !is_decided(progress));
        }
    }

    async fn saved(&self, ticket: Option<Revision>) -> Result<(), StoreUnavailable> {
        let Some(ticket) = ticket else { return Ok(()) };
        let failures_before = self.progress.now().failures;
        let is_decided =
            |progress: &Progress| progress.saved >= ticket || progress.failures > failures_before;
        match tokio::time::timeout(SAVE_TIMEOUT, self.progress.until(ticket, is_decided)).await {
            Ok(progress) if progress.saved >= ticket => Ok(()),
            _ => Err(StoreUnavailable),
        }
    }

    /// How long the server has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.clock.uptime()
    }
}
