//! Long-polls: an answer that would tell nothing new is held until there is something to tell.
//!
//! No change between two looks is missed: a waiter says which revision it has seen, and a later one wakes it whether
//! it came before or after the waiting began.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::pin::Pin;
use std::time::Duration;

use registry_core::time::Revision;
use tokio::sync::SemaphorePermit;
use tokio::time::{Sleep, sleep};

use super::problem::Problem;
use crate::shared::Shared;

/// The longest wait that may be asked for, in milliseconds.
pub(crate) const LONGEST_WAIT_MS: u64 = 60_000;
/// Waiters wake this long after a change, so that changes that come together are told together, and many changes in a
/// row do not make every waiter look at each.
const GATHERING: Duration = Duration::from_millis(10);

/// The waiting of one request.
#[derive(Debug)]
pub(super) struct Wait<'a> {
    shared: &'a Shared,
    /// None: it does not wait at all.
    longest: Option<Duration>,
    held: Option<Held<'a>>,
}

#[derive(Debug)]
struct Held<'a> {
    end: Pin<Box<Sleep>>,
    _place: Place<'a>,
}

/// A waiter's place. Bounded, so that waiters do not take all connections from heartbeats.
#[derive(Debug)]
struct Place<'a> {
    shared: &'a Shared,
    _permit: SemaphorePermit<'a>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.metrics.waiters.dec();
    }
}

impl<'a> Wait<'a> {
    pub(super) fn new(shared: &'a Shared, longest: Option<Duration>) -> Self {
        Self { shared, longest: longest.filter(|longest| !longest.is_zero()), held: None }
    }

    /// Waits for a change after the revision that was `seen`. False when the time is up or the server stops, and at
    /// once when no wait was asked for.
    pub(super) async fn change_after(&mut self, seen: Revision) -> Result<bool, Problem> {
        let Some(longest) = self.longest else { return Ok(false) };
        if self.held.is_none() {
            let permit = self.shared.waiters.try_acquire().map_err(|_| Problem::too_many_waiters())?;
            self.shared.metrics.waiters.inc();
            let place = Place { shared: self.shared, _permit: permit };
            self.held = Some(Held { end: Box::pin(sleep(with_jitter(longest))), _place: place });
        }
        let Some(held) = &mut self.held else { return Ok(false) };
        let mut revision = self.shared.revision.subscribe();
        let mut draining = self.shared.draining.subscribe();
        let changed = async {
            // The senders live as long as the server: neither wait fails.
            let _ = revision.wait_for(|revision| *revision > seen).await;
            sleep(GATHERING).await;
        };
        tokio::select! {
            biased;
            () = changed => Ok(true),
            _ = draining.wait_for(|draining| *draining) => Ok(false),
            () = &mut held.end => Ok(false),
        }
    }
}

/// Up to 1/16 longer, so that those who began together do not all come back together.
fn with_jitter(longest: Duration) -> Duration {
    // Each hasher has keys of its own: chance enough, and no generator to keep.
    let chance = RandomState::new().build_hasher().finish() % 1_024;
    let chance = u32::try_from(chance).unwrap_or_default();
    longest + longest / 16 * chance / 1_024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_adds_up_to_a_sixteenth_and_differs() {
        let longest = Duration::from_millis(LONGEST_WAIT_MS);
        let waits: Vec<_> = (0..100).map(|_| with_jitter(longest)).collect();
        assert!(waits.iter().all(|wait| (longest..=longest + longest / 16).contains(wait)));
        assert!(waits.iter().any(|wait| *wait != waits[0]));
    }
}
