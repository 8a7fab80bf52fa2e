//! One timer for all the time limits of a connection's requests, one after the other.
//!
//! A timer a limit is put into tokio's wheel and taken out again with every request, though hardly any ever fires. This
//! one stays where it is while the deadline moves on, looks when it fires whether the deadline is reached, and moves on
//! only then.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::clock;

/// A timer whose deadline moves. One task waits for it at a time.
#[derive(Debug, Default)]
pub(super) struct Patience {
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    /// Ready at the deadline, which may be another one each time.
    pub(super) fn poll(&mut self, deadline: Instant, context: &mut Context<'_>) -> Poll<()> {
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if sleep.deadline() > deadline {
            sleep.as_mut().reset(deadline);
        }
        while sleep.as_mut().poll(context).is_ready() {
            if sleep.deadline() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
        Poll::Pending
    }
}

/// The same for whoever answers a connection's requests, of which there is one at a time.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deadlines(Arc<Mutex<Patience>>);

impl Deadlines {
    /// What the future comes to, or `None` when it takes longer than the limit.
    pub(crate) async fn within<T>(
        &self,
        limit: Duration,
        mut future: Pin<&mut impl Future<Output = T>>,
    ) -> Option<T> {
        let mut deadline = None;
        poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Some(result));
            }
            let deadline = *deadline.get_or_insert_with(|| clock::now() + limit);
            let mut patience = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            patience.poll(deadline, context).map(|()| None)
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn each_future_has_its_whole_limit_and_not_more() {
        let deadlines = Deadlines::default();
        for quick_ms in [1, 3_000, 9_999, 0, 7_000] {
            let begun = clock::now();
            let quick = tokio::time::sleep(Duration::from_millis(quick_ms));
            assert!(deadlines.within(LIMIT, pin!(quick)).await.is_some(), "{quick_ms}");
            let begun_slow = clock::now();
            assert_eq!(deadlines.within(LIMIT, pin!(pending::<()>())).await, None);
            assert_eq!(begun_slow.elapsed(), LIMIT, "after one of {quick_ms} ms");
            assert!(begun.elapsed() >= LIMIT);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_shorter_limit_after_a_longer_one_is_kept() {
        let deadlines = Deadlines::default();
        let short = tokio::time::sleep(Duration::from_millis(5));
        assert!(deadlines.within(LIMIT * 10, pin!(short)).await.is_some());
        let begun = clock::now();
        assert_eq!(deadlines.within(LIMIT, pin!(pending::<()>())).await, None);
        assert_eq!(begun.elapsed(), LIMIT);
    }
}
