//! The run's clock. No other file of the harness reads time.
#![allow(clippy::disallowed_methods, reason = "this is the harness's one home of the clock")]

use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike as _;

/// A monotonic clock that begins with the run. Copies show the same time.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts at 0 now.
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The instant of the runtime at which this clock shows `us`.
    pub fn instant_at(&self, us: u64) -> tokio::time::Instant {
        tokio::time::Instant::from_std(self.origin + Duration::from_micros(us))
    }

    /// Sleeps until this clock shows `us`; returns at once when that is past.
    pub async fn sleep_until_us(&self, us: u64) {
        tokio::time::sleep_until(self.instant_at(us)).await;
    }
}

/// The wall clock, for names and dates only.
pub fn wall_clock() -> SystemTime {
    SystemTime::now()
}

/// User and system time of the calling thread so far, seconds; 0 if it cannot be read.
pub fn thread_cpu_seconds() -> f64 {
    getrusage(UsageWho::RUSAGE_THREAD)
        .map_or(0.0, |usage| (usage.user_time() + usage.system_time()).num_microseconds() as f64 / 1e6)
}
