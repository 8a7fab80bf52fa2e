//! How much memory both take, read so seldom that reading it is no load of its own.

use crate::clock::thread_cpu_seconds;
use crate::process::{RegistryProcess, own_pss_bytes};

/// Reading takes at most a five-hundredth, 0.2 %, of the time: so many times its own length pass until the next.
const PAUSE: f64 = 500.0;

/// Proportional set sizes as they were last read.
#[derive(Debug, Default)]
pub(super) struct Memory {
    target_bytes: u64,
    own_bytes: u64,
    /// The registry process that was read; `None` when there was none to be seen.
    target: Option<i32>,
    /// When the next reading may be.
    next_us: u64,
}

impl Memory {
    /// Reads anew where that is due: after the pause, or when the registry's process is another than before. The end of a
    /// phase waits for the next second, so that the calls that begin the next phase are not late by it.
    pub(super) fn look(&mut self, process: Option<&RegistryProcess>, at_us: u64, ends_phase: bool) {
        let pid = process.map(RegistryProcess::pid);
        let is_new = pid.is_some() && pid != self.target;
        if !self.is_due(at_us, ends_phase, is_new) {
            return;
        }
        let before = thread_cpu_seconds();
        self.own_bytes = own_pss_bytes();
        if let Some(process) = process {
            self.target_bytes = process.pss_bytes();
        }
        self.target = pid.or(self.target);
        self.read(at_us, thread_cpu_seconds() - before);
    }

    fn is_due(&self, at_us: u64, ends_phase: bool, is_new: bool) -> bool {
        // A phase may be as short as a second: it is not waited for twice.
        let is_overdue = at_us >= self.next_us.saturating_add(1_500_000);
        is_new || (at_us >= self.next_us && (!ends_phase || is_overdue))
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a reading takes no hours")]
    fn read(&mut self, at_us: u64, seconds: f64) {
        self.next_us = at_us.saturating_add((seconds * PAUSE * 1e6) as u64);
    }

    /// The registry's, as it was last read.
    pub(super) fn target_bytes(&self) -> u64 {
        self.target_bytes
    }

    /// The harness's own, as it was last read.
    pub(super) fn own_bytes(&self) -> u64 {
        self.own_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_takes_a_five_hundredth_of_the_time_and_is_put_off_once_at_the_end_of_a_phase() {
        let mut memory = Memory::default();
        assert!(memory.is_due(0, false, false), "nothing was read yet");
        memory.read(1_000_000, 0.010);
        let rows = [
            (5_990_000, false, false, false, "10 ms are to be followed by 5 s without"),
            (6_000_000, false, false, true, "5 s later"),
            (6_000_000, true, false, false, "a phase ends: not now"),
            (7_000_000, true, false, false, "one more ends, a second later"),
            (8_000_000, true, false, true, "phases of a second each end all the time"),
            (2_000_000, true, true, true, "another process, of which nothing is known"),
        ];
        for (at_us, ends_phase, is_new, due, why) in rows {
            assert_eq!(memory.is_due(at_us, ends_phase, is_new), due, "{why}");
        }
    }

    #[test]
    fn the_harness_takes_some_memory() {
        let mut memory = Memory::default();
        memory.look(None, 0, false);
        assert!(memory.own_bytes() > 0 && memory.target_bytes() == 0, "{memory:?}");
    }
}
