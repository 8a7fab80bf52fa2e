//! RACE-2: of k accepted heartbeats in flight at once the latest start counts.
//!
//! A view that a plain lease would already forbid belongs to TIME-1 or TIME-2. RACE-2 owns the views that only raced
//! heartbeats forbid: what had been acknowledged without any race would have allowed them.

use super::evidence::Span;
use super::lease::Lease;
use super::tally::Tallies;
use crate::catalogue::Check;

/// How many heartbeats raced, if `view` is decided by their race alone.
pub(super) fn decides(lease: &Lease, beat: usize, view: Span, timeout_us: u64) -> Option<usize> {
    if lease.beats[beat].restart {
        return None;
    }
    let (count, first) = lease.race_of(beat);
    let without = lease.calmest_before(first).map(|from| from.saturating_add(timeout_us));
    (count >= 2 && without.is_none_or(|deadline| view.e >= deadline)).then_some(count)
}

/// A registry that cuts leases short without any race cannot be judged on what races do to it.
pub(super) fn settle(tallies: &mut Tallies) {
    let unraced = tallies.broken(Check::Time1) + tallies.broken(Check::Time2);
    let raced = tallies.broken(Check::Race2);
    if unraced > 0 && raced > 0 {
        let tally = tallies.of(Check::Race2);
        tally.broken = 0;
        tally.worst = None;
        tally.hindrance = Some(format!(
            "{raced} leases ended early after a race, but others did without one (see TIME-1 and TIME-2), so the \
             race need not be the cause"
        ));
    }
}
