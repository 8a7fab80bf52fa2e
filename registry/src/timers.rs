//! Makes due transitions while nobody asks, so that gauges, events and the store follow within the transition bound.

use std::sync::Arc;
use std::time::Duration;

use registry_core::policy::Policies;

use crate::shared::Shared;

/// How late a timer's effect may show: W of the contract, in milliseconds.
pub(crate) const TRANSITION_BOUND_MS: u64 = 50;
/// How many timers are looked at before others get the lock.
pub(crate) const TIMERS_AT_ONCE: usize = 1_000;
/// Transitions this close together are made together.
const SHORTEST_SLEEP: Duration = Duration::from_millis(5);
/// At least this often the clock is read, which is how a pause of the process is noticed.
const LONGEST_SLEEP: Duration = Duration::from_millis(100);

/// Runs until it is dropped.
pub(crate) async fn run(shared: Arc<Shared>) {
    // No deadline that arises during a sleep of this length can be due before its end.
    // It never grows: until its next heartbeat an agent lives by the policy of its last one.
    let mut longest = LONGEST_SLEEP;
    loop {
        let (has_more, until_next) = shared.with_core(|core, moment| {
            longest = longest.min(longest_sleep(&core.setup().policies));
            let has_more = core.advance_some(moment, TIMERS_AT_ONCE);
            let until_next = core.next_deadline().map(|deadline| deadline.us_since(moment.now));
            (has_more, until_next.map(Duration::from_micros))
        });
        if has_more {
            tokio::task::yield_now().await;
        } else {
            let sleep = until_next.unwrap_or(longest).clamp(SHORTEST_SLEEP, longest);
            tokio::select! {
                () = tokio::time::sleep(sleep) => {}
                () = shared.policies_set.notified() => {}
            }
        }
    }
}

fn longest_sleep(policies: &Policies) -> Duration {
    Duration::from_millis(policies.shortest_step_ms()).clamp(SHORTEST_SLEEP, LONGEST_SLEEP)
}

#[cfg(test)]
#[path = "timers_tests.rs"]
mod tests;
