//! The one writer: takes what is unsaved as soon as the last transaction is done and began long enough ago, so that a
//! batch is as large as the disk is slow, and a fast disk does not make the registry commit row by row.

use std::sync::Arc;
use std::time::Duration;

use super::{Failing, Store, StoreError};
use crate::clock::Stopwatch;
use crate::shared::Shared;

/// Transactions begin at least so far apart: each costs some 0.4 ms of CPU beside its rows. Whoever comes after a longer
/// rest is saved at once.
const SPACING: Duration = Duration::from_millis(5);
/// The most agents of one transaction.
const BATCH: usize = 5_000;
/// The first pause after a failed transaction; it doubles up to the longest.
const SHORTEST_BACKOFF: Duration = Duration::from_millis(50);
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);
/// How often the last batches are tried again when the server stops.
const LAST_TRIES: u32 = 5;

/// What was not saved when the server stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unsaved {
    pub(crate) agents: usize,
}

/// Runs until the server stops and everything is saved, or cannot be. Gives the store back, to be closed.
pub(crate) async fn run(
    shared: Arc<Shared>,
    mut store: Box<dyn Store>,
) -> (Box<dyn Store>, Result<(), Unsaved>) {
    let mut stopping = shared.stopping.subscribe();
    let mut backoff = SHORTEST_BACKOFF;
    let mut tries_left = LAST_TRIES;
    let mut last: Option<Stopwatch> = None;
    loop {
        let is_stopping = *stopping.borrow_and_update();
        let agents = shared.with_core(|core, _| core.has_unsaved().then(|| core.unsaved_agents()));
        let Some(agents) = agents else {
            if is_stopping {
                return (store, Ok(()));
            }
            tokio::select! {
                () = shared.unsaved.notified() => {}
                _ = stopping.changed() => {}
            }
            continue;
        };
        if is_stopping && tries_left == 0 {
            return (store, Err(Unsaved { agents }));
        }
        let rest = last.map_or(Duration::ZERO, |last| SPACING.saturating_sub(last.elapsed()));
        if !is_stopping && !rest.is_zero() {
            tokio::time::sleep(rest).await;
        }
        last = Some(Stopwatch::start());
        match save_next(&shared, store.as_mut()).await {
            Ok(()) => backoff = SHORTEST_BACKOFF,
            Err(error) => {
                match error.kind() {
                    Failing::ForNow => {
                        tracing::error!(%error, agents, "the store refused a transaction; it will be tried again");
                        tries_left -= u32::from(is_stopping);
                    }
                    Failing::UntilMended => {
                        tracing::error!(%error, agents, "the store must be mended; until then it is tried again");
                        backoff = LONGEST_BACKOFF;
                        tries_left = if is_stopping { 0 } else { tries_left };
                    }
                }
                if tries_left > 0 {
                    tokio::time::sleep(backoff).await;
                }
                backoff = (backoff * 2).min(LONGEST_BACKOFF);
            }
        }
    }
}

async fn save_next(shared: &Shared, store: &mut dyn Store) -> Result<(), StoreError> {
    let batch = shared.with_core(|core, _| core.take_batch(BATCH));
    let stopwatch = Stopwatch::start();
    let outcome = store.commit(&batch).await;
    shared.metrics.commit_seconds.observe(stopwatch.seconds());
    match outcome {
        Ok(()) => {
            let saved = shared.with_core(|core, _| core.batch_committed(&batch));
            shared.metrics.commits.inc();
            shared.progress.advance(|progress| {
                progress.saved = saved;
                progress.is_failing = false;
            });
            Ok(())
        }
        Err(error) => {
            shared.with_core(|core, _| core.batch_failed(&batch));
            shared.metrics.commit_failures.inc();
            shared.progress.advance(|progress| {
                progress.failures += 1;
                progress.is_failing = true;
            });
            Err(error)
        }
    }
}
