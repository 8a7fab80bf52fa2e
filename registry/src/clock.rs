//! The registry's clock. No other file of it reads time.
#![allow(clippy::disallowed_methods, reason = "this is the registry's one home of the clock")]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use registry_core::time::{Moment, WallTime};

/// Between two readings of the clock lies the timer task's period at most, a fraction of this. A gap of this length
/// means that the process did not run: it was stopped, or the host was suspended or starved it.
const PAUSE_US: u64 = 500_000;
/// As long as one call of the core may take without being held for a pause.
const LONGEST_CALL_US: u64 = 2_000_000;

/// A monotonic clock that notices when the process was paused.
#[derive(Debug)]
pub(crate) struct Clock {
    origin: Instant,
    last_reading_us: AtomicU64,
    /// What it shows instead of the machine's time.
    #[cfg(feature = "virtual-time")]
    hands: Option<std::sync::Arc<Hands>>,
}

/// Time that is moved by hand, for [`crate::virtual_time`].
#[cfg(feature = "virtual-time")]
#[derive(Debug, Default)]
pub(crate) struct Hands {
    /// The monotonic clock, in microseconds.
    pub(crate) now_us: AtomicU64,
    /// The wall clock, in milliseconds since 1970.
    pub(crate) wall_ms: AtomicU64,
}

/// What the clock shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) moment: Moment,
    /// How long the process was paused just before, if it was.
    pub(crate) paused_us: Option<u64>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            origin: Instant::now(),
            last_reading_us: AtomicU64::new(0),
            #[cfg(feature = "virtual-time")]
            hands: None,
        }
    }

    /// One that shows what these hands show.
    #[cfg(feature = "virtual-time")]
    pub(crate) fn by(hands: std::sync::Arc<Hands>) -> Self {
        let last_reading_us = AtomicU64::new(hands.now_us.load(Ordering::Relaxed));
        Self { last_reading_us, hands: Some(hands), ..Self::start() }
    }

    /// To be called by one at a time, which then judges by this reading before the next is made.
    pub(crate) fn read(&self) -> Reading {
        let now_us = self.now_us();
        let gap_us = now_us.saturating_sub(self.last_reading_us.swap(now_us, Ordering::Relaxed));
        let now = registry_core::Instant::from_us(i64::try_from(now_us).unwrap_or(i64::MAX));
        Reading {
            moment: Moment { now, wall: self.wall() },
            paused_us: (gap_us >= PAUSE_US).then_some(gap_us),
        }
    }

    /// To be called when what was done after a reading is done: the work was no pause, even if a slow machine took long
    /// over it. (One that begins during the work is found by its length.)
    pub(crate) fn worked(&self) {
        let now_us = self.now_us();
        if now_us.saturating_sub(self.last_reading_us.load(Ordering::Relaxed)) < LONGEST_CALL_US {
            self.last_reading_us.store(now_us, Ordering::Relaxed);
        }
    }

    fn wall(&self) -> WallTime {
        #[cfg(feature = "virtual-time")]
        if let Some(hands) = &self.hands {
            return WallTime(hands.wall_ms.load(Ordering::Relaxed));
        }
        wall_clock()
    }

    fn now_us(&self) -> u64 {
        #[cfg(feature = "virtual-time")]
        if let Some(hands) = &self.hands {
            return hands.now_us.load(Ordering::Relaxed);
        }
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// How long it has been running.
    pub(crate) fn uptime(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// Measures how long something takes.
#[derive(Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn seconds(&self) -> f64 {
        self.elapsed().as_secs_f64()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The instant by which time limits are kept; it stands still with a paused runtime.
pub(crate) fn now() -> tokio::time::Instant {
    tokio::time::Instant::now()
}

fn wall_clock() -> WallTime {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    WallTime(u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX))
}
