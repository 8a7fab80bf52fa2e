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
}

impl Wave {
    /// Notes the deadline X of each silence of the agent that some view decided.
    pub(in crate::judge) fn take(&mut self, subject: &Subject<'_>, sightings: &[Sighting]) {
        let mut last = None;
        for sighting in sightings {
            let Some(latest) = subject.latest_renewal(sighting.span) else { continue };
            let deadline = latest.saturating_add(subject.timeouts.expires_us);
            // A restart need not have renewed the lease of one that was silent too long already.
            if sighting.span.s > deadline.saturating_add(subject.late_us)
                && last != Some(deadline)
                && subject.lease.surely_renewed(sighting.span)
            {
                self.deadlines.push(deadline);
                last = Some(deadline);
            }
        }
    }

    /// Says how large the largest wave was, and whether that is enough.
    pub(in crate::judge) fn report(mut self, wanted: u64, tally: &mut Tally) {
        self.deadlines.sort_unstable();
        let mut first = 0;
        let mut largest = 0;
        for (index, deadline) in self.deadlines.iter().enumerate() {
            while self.deadlines[first].saturating_add(INSTANT_US) < *deadline {
                first += 1;
            }
            largest = largest.max(index - first + 1);
        }
        tally.remark = Some(format!("{largest} deadlines fell within one {} ms", INSTANT_US / 1000));
        if (largest as u64) < wanted {
            tally.hindrance = Some(format!(
                "only {largest} of {wanted} deadlines fell within one {} ms",
                INSTANT_US / 1000
            ));
        }
    }
}
