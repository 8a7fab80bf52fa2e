//! The wave of TIME-4: how many agents had their deadline in the same instant, and were looked at behind it.

use super::super::Subject;
use super::super::sighting::Sighting;
use super::super::tally::Tally;

/// Deadlines within this long of each other are one wave.
const INSTANT_US: u64 = 50_000;

/// Deadlines behind which a view has looked.
#[derive(Debug, Default)]
pub(in crate::judge) struct Wave {
    deadlines: Vec<u64>,
    /// The largest wave of those that are counted.
    largest: usize,
}

/// So many deadlines are kept before they are counted.
const KEPT: usize = 1_000_000;

/// What is counted late still finds the deadlines of the last minute.
const LATE_US: u64 = 60_000_000;

impl Wave {
    /// Notes the deadline X of each silence of the agent that some view decided.
    pub(in crate::judge) fn take(
        &mut self,
        subject: &Subject<'_>,
        sightings: &[Sighting],
        last: &mut Option<u64>,
    ) {
        for sighting in sightings {
            let Some(latest) = subject.latest_renewal(sighting.span) else { continue };
            let deadline = latest.saturating_add(subject.timeouts.expires_us);
            // A restart need not have renewed the lease of one that was silent too long already.
            if sighting.span.s > deadline.saturating_add(subject.late_us)
                && *last != Some(deadline)
                && subject.lease.surely_renewed(sighting.span)
            {
                self.deadlines.push(deadline);
                *last = Some(deadline);
                if self.deadlines.len() >= KEPT {
                    self.count();
                }
            }
        }
    }

    /// Counts what is there, and forgets all but the last minute.
    fn count(&mut self) {
        self.deadlines.sort_unstable();
        let mut first = 0;
        for (index, deadline) in self.deadlines.iter().enumerate() {
            while self.deadlines[first].saturating_add(INSTANT_US) < *deadline {
                first += 1;
            }
            self.largest = self.largest.max(index - first + 1);
        }
        let last = self.deadlines.last().copied().unwrap_or(0);
        let kept = self.deadlines.partition_point(|deadline| deadline.saturating_add(LATE_US) < last);
        // Of a wave that is larger than what is kept, the last half.
        let kept = kept.max(self.deadlines.len().saturating_sub(KEPT / 2));
        self.deadlines.drain(..kept);
    }

    /// Says how large the largest wave was, and whether that is enough.
    pub(in crate::judge) fn report(mut self, wanted: u64, tally: &mut Tally) {
        self.count();
        let largest = self.largest;
        tally.remark = Some(format!("{largest} deadlines fell within one {} ms", INSTANT_US / 1000));
        if (largest as u64) < wanted {
            tally.hindrance = Some(format!(
                "only {largest} deadlines that a view looked behind fell within one {} ms, of {wanted} that there were to \
                 be: the registry was too slow in taking so many agents, or this machine in bringing them; run it again \
                 when there is less to do",
                INSTANT_US / 1000
            ));
        }
    }
}
