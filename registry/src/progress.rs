//! How far the store has come, and who waits for it: each for a revision of its own, so that a commit wakes those whom it
//! concerns. Were all woken by each, a thousand clients that register at once would be polled five times each.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use registry_core::time::Revision;
use tokio::sync::Notify;

/// How far the store has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Progress {
    /// It has every change up to this one.
    pub(crate) saved: Revision,
    /// How many transactions have failed.
    pub(crate) failures: u64,
    /// Whether the last one did, or hangs.
    pub(crate) is_failing: bool,
}

/// [`Progress`], and who waits for more of it.
#[derive(Debug)]
pub(crate) struct Awaited(Mutex<State>);

#[derive(Debug)]
struct State {
    progress: Progress,
    waiting: BTreeMap<Revision, Arc<Notify>>,
}

impl Awaited {
    /// The store has everything up to this revision.
    pub(crate) fn new(saved: Revision) -> Self {
        let progress = Progress { saved, ..Progress::default() };
        Self(Mutex::new(State { progress, waiting: BTreeMap::new() }))
    }

    pub(crate) fn now(&self) -> Progress {
        self.lock().progress
    }

    /// Makes progress. Whoever waits for a revision that is now saved is woken; whether the store fails concerns all.
    pub(crate) fn advance(&self, advance: impl FnOnce(&mut Progress)) {
        let mut state = self.lock();
        let before = state.progress;
        advance(&mut state.progress);
        let Progress { saved, failures, is_failing } = state.progress;
        let waiting = if (failures, is_failing) == (before.failures, before.is_failing) {
            let later = state.waiting.split_off(&Revision(saved.0.saturating_add(1)));
            std::mem::replace(&mut state.waiting, later)
        } else {
            std::mem::take(&mut state.waiting)
        };
        drop(state);
        waiting.into_values().for_each(|waiting| waiting.notify_waiters());
    }

    /// Returns when the condition holds, which may come true when `revision` is saved, or when the store begins or ceases
    /// to fail.
    pub(crate) async fn until(&self, revision: Revision, holds: impl Fn(&Progress) -> bool) -> Progress {
        loop {
            let place = {
                let mut state = self.lock();
                if holds(&state.progress) {
                    return state.progress;
                }
                let notify = Arc::clone(state.waiting.entry(revision).or_default());
                Place { awaited: self, revision, notify }
            };
            let mut notified = pin!(place.notify.notified());
            notified.as_mut().enable();
            // It may have come between the lock and here.
            if !self.lock().waiting.get(&revision).is_some_and(|held| Arc::ptr_eq(held, &place.notify)) {
                continue;
            }
            notified.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who waits. Whoever gives up leaves nothing behind.
struct Place<'a> {
    awaited: &'a Awaited,
    revision: Revision,
    notify: Arc<Notify>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut state = self.awaited.lock();
        let is_last = state.waiting.get(&self.revision).is_some_and(|held| {
            // The map's, and this one.
            Arc::ptr_eq(held, &self.notify) && Arc::strong_count(held) == 2
        });
        if is_last {
            state.waiting.remove(&self.revision);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn saved(through: u64) -> impl Fn(&Progress) -> bool {
        move |progress| progress.saved >= Revision(through)
    }

    /// Who of those that wait for revisions 1 to 3 has been woken and is done.
    async fn done(awaited: &Arc<Awaited>, advance: impl FnOnce(&mut Progress)) -> Vec<u64> {
        let waits = |revision: u64| {
            let awaited = Arc::clone(awaited);
            let either = move |progress: &Progress| saved(revision)(progress) || progress.is_failing;
            tokio::spawn(async move { awaited.until(Revision(revision), either).await })
        };
        let tasks = [1, 2, 3].map(waits);
        while awaited.lock().waiting.len() < 3 {
            tokio::task::yield_now().await;
        }
        awaited.advance(advance);
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        let done = tasks.iter().zip(1..).filter(|(task, _)| task.is_finished()).map(|(_, number)| number);
        let done = done.collect();
        tasks.into_iter().for_each(|task| task.abort());
        while !awaited.lock().waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        done
    }

    #[tokio::test]
    async fn a_commit_wakes_those_whom_it_concerns_and_a_failure_everybody() {
        let awaited = || Arc::new(Awaited::new(Revision(0)));
        assert_eq!(done(&awaited(), |progress| progress.saved = Revision(2)).await, [1, 2]);
        assert_eq!(done(&awaited(), |progress| progress.is_failing = true).await, [1, 2, 3]);
        assert!(done(&awaited(), |progress| progress.failures += 1).await.is_empty(), "told, yet undecided");
    }

    #[tokio::test(start_paused = true)]
    async fn who_gives_up_leaves_no_place_and_what_is_so_already_is_not_waited_for() {
        let awaited = Awaited::new(Revision(5));
        assert_eq!(awaited.until(Revision(5), saved(5)).await.saved, Revision(5));
        let late = tokio::time::timeout(Duration::from_secs(1), awaited.until(Revision(6), saved(6)));
        assert!(late.await.is_err());
        assert!(awaited.lock().waiting.is_empty());
    }
}
