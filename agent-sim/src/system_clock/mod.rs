//! The machine's own wall clock, set wrong on purpose and right again.
//!
//! - `keeper`: a process of its own that sets it, so that it is set right however the harness ends.
//! - `hand`: the harness's side of it.
//!
//! The true time is known by the steady clock: how far the two are apart is measured once, before anything is set, so that
//! nothing is lost or won by the time between.

use std::io;

use crate::clock;

mod hand;
mod keeper;

pub use hand::{KeeperProgram, SystemClock};
pub use keeper::keep;

/// So many looks at both clocks, of which the quickest counts.
const LOOKS: u32 = 16;

/// A wall clock that can be set, beside a clock that cannot. Nanoseconds.
trait WallClock {
    fn steady_ns(&self) -> i64;
    fn wall_ns(&self) -> i64;
    fn set_wall_ns(&mut self, ns: i64) -> io::Result<()>;
}

/// CLOCK_REALTIME beside CLOCK_MONOTONIC.
#[derive(Debug)]
struct Machine;

impl WallClock for Machine {
    fn steady_ns(&self) -> i64 {
        clock::steady_ns()
    }

    fn wall_ns(&self) -> i64 {
        clock::wall_ns()
    }

    fn set_wall_ns(&mut self, ns: i64) -> io::Result<()> {
        clock::set_wall_ns(ns)
    }
}

/// A wall clock of which the true time is known. Set right when it is dropped.
#[derive(Debug)]
struct Kept<C: WallClock> {
    clock: C,
    /// How far the true time is ahead of the steady clock.
    ahead_ns: i64,
    is_off: bool,
}

impl<C: WallClock> Kept<C> {
    /// Of a clock that is right.
    fn of(clock: C) -> Self {
        let looks = (0..LOOKS).map(|_| {
            let (before, wall, behind) = (clock.steady_ns(), clock.wall_ns(), clock.steady_ns());
            (behind - before, wall - (before + (behind - before) / 2))
        });
        let ahead_ns = looks.min_by_key(|(lasted, _)| *lasted).map_or(0, |(_, ahead)| ahead);
        Self { clock, ahead_ns, is_off: false }
    }

    /// Sets it so many seconds from the true time.
    fn set(&mut self, offset_seconds: i64) -> io::Result<()> {
        let offset_ns = offset_seconds.saturating_mul(1_000_000_000);
        // Whatever comes of it, it is set right in the end.
        self.is_off |= offset_seconds != 0;
        let true_ns = self.clock.steady_ns().saturating_add(self.ahead_ns);
        self.clock.set_wall_ns(true_ns.saturating_add(offset_ns))?;
        self.is_off = offset_seconds != 0;
        Ok(())
    }
}

impl<C: WallClock> Drop for Kept<C> {
    fn drop(&mut self) {
        if self.is_off {
            // Nobody is left who could be told; the keeper and the harness each try.
            let _ = self.set(0);
        }
    }
}

#[cfg(test)]
mod fake {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A clock of which copies are the same clock; each look at the steady one takes a microsecond.
    #[derive(Debug, Clone, Default)]
    pub(super) struct Fake(Arc<Mutex<State>>);

    #[derive(Debug, Default)]
    struct State {
        steady_ns: i64,
        ahead_ns: i64,
        refuses: bool,
        /// How far it was from the true time each time it had been set.
        set_ns: Vec<i64>,
    }

    /// How far the fake's true time is ahead of its steady clock.
    pub(super) const AHEAD_NS: i64 = 1_700_000_000_000_000_000;

    impl Fake {
        pub(super) fn right() -> Self {
            Self(Arc::new(Mutex::new(State { ahead_ns: AHEAD_NS, ..State::default() })))
        }

        pub(super) fn refusing(self, refuses: bool) -> Self {
            self.0.lock().unwrap().refuses = refuses;
            self
        }

        pub(super) fn pass(&self, ns: i64) {
            self.0.lock().unwrap().steady_ns += ns;
        }

        /// Whole seconds that it was off each time it had been set; it must have been set to a few microseconds.
        pub(super) fn offsets_seconds(&self) -> Vec<i64> {
            let state = self.0.lock().unwrap();
            let seconds = |off_ns: &i64| {
                let seconds = (off_ns + 500_000_000).div_euclid(1_000_000_000);
                let left_ns = off_ns - seconds * 1_000_000_000;
                assert!(left_ns.abs() < 5_000, "{left_ns} ns of drift");
                seconds
            };
            state.set_ns.iter().map(seconds).collect()
        }
    }

    impl WallClock for Fake {
        fn steady_ns(&self) -> i64 {
            let mut state = self.0.lock().unwrap();
            state.steady_ns += 1_000;
            state.steady_ns
        }

        fn wall_ns(&self) -> i64 {
            let state = self.0.lock().unwrap();
            state.steady_ns + state.ahead_ns
        }

        fn set_wall_ns(&mut self, ns: i64) -> io::Result<()> {
            let mut state = self.0.lock().unwrap();
            if state.refuses {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
            state.ahead_ns = ns - state.steady_ns;
            let off_ns = state.ahead_ns - AHEAD_NS;
            state.set_ns.push(off_ns);
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::fake::Fake;
    use super::*;

    #[test]
    fn what_is_set_counts_from_the_true_time_however_long_it_was_wrong() {
        let clock = Fake::right();
        let mut kept = Kept::of(clock.clone());
        for offset_seconds in [3_600, 0, -3_600, 0] {
            kept.set(offset_seconds).unwrap();
            clock.pass(90_000_000_000);
        }
        drop(kept);
        assert_eq!(clock.offsets_seconds(), [3_600, 0, -3_600, 0], "and nothing when it is right already");
    }

    #[test]
    fn a_clock_that_is_wrong_is_set_right_when_it_is_dropped_or_a_panic_passes_by() {
        let clock = Fake::right();
        let mut kept = Kept::of(clock.clone());
        kept.set(3_600).unwrap();
        drop(kept);
        assert_eq!(clock.offsets_seconds(), [3_600, 0]);
        let panics = clock.clone();
        let ended = std::panic::catch_unwind(move || {
            let mut kept = Kept::of(panics);
            kept.set(-3_600).unwrap();
            panic!("on purpose");
        });
        assert!(ended.is_err());
        assert_eq!(clock.offsets_seconds(), [3_600, 0, -3_600, 0]);
    }

    #[test]
    fn what_is_refused_is_told_and_changes_nothing() {
        let clock = Fake::right().refusing(true);
        let mut kept = Kept::of(clock.clone());
        assert_eq!(kept.set(3_600).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
        drop(kept);
        assert_eq!(clock.offsets_seconds(), [0; 0]);
    }
}
