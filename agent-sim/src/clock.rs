//! The run's clock. No other file of the harness reads time.
#![allow(clippy::disallowed_methods, reason = "this is the harness's one home of the clock")]

use std::time::{Duration, Instant, SystemTime};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeSpec, TimeValLike as _};
use nix::time::{ClockId, clock_gettime, clock_settime};

/// A monotonic clock that begins with the run. Copies show the same time, in other processes of this machine too
/// ([`Clock::of_origin`]).
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// What CLOCK_MONOTONIC, which all processes share, showed at 0.
    origin_ns: u64,
}

impl Clock {
    /// Starts at 0 now.
    pub fn start() -> Self {
        Self { origin_ns: monotonic_ns() }
    }

    /// The clock of another process of this machine, by its [`Clock::origin_ns`].
    pub fn of_origin(origin_ns: u64) -> Self {
        Self { origin_ns }
    }

    /// What a clock of another process needs to show the same time.
    pub fn origin_ns(&self) -> u64 {
        self.origin_ns
    }

    /// Microseconds since the run began.
    pub fn now_us(&self) -> u64 {
        monotonic_ns().saturating_sub(self.origin_ns) / 1_000
    }

    /// An instant of the runtime at which this clock shows `us`, never less; now when that is past.
    pub fn instant_at(&self, us: u64) -> tokio::time::Instant {
        let left = Duration::from_micros(us.saturating_sub(self.now_us()));
        // Read after this clock, so that what is left is never counted from too early.
        tokio::time::Instant::from_std(Instant::now() + left)
    }

    /// Sleeps until this clock shows `us`; returns at once when that is past.
    pub async fn sleep_until_us(&self, us: u64) {
        tokio::time::sleep_until(self.instant_at(us)).await;
    }
}

fn monotonic_ns() -> u64 {
    u64::try_from(steady_ns()).unwrap_or_default()
}

/// What CLOCK_MONOTONIC shows, nanoseconds: no setting of the wall clock changes it.
pub(crate) fn steady_ns() -> i64 {
    shown_ns(ClockId::CLOCK_MONOTONIC)
}

/// What the machine's wall clock shows, nanoseconds since 1970.
pub(crate) fn wall_ns() -> i64 {
    shown_ns(ClockId::CLOCK_REALTIME)
}

fn shown_ns(id: ClockId) -> i64 {
    // It fails for clocks that do not exist alone; these do on every Linux.
    clock_gettime(id).map_or(0, |shown| shown.num_nanoseconds())
}

/// Sets the machine's wall clock.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn set_wall_ns(ns: i64) -> std::io::Result<()> {
    Ok(clock_settime(ClockId::CLOCK_REALTIME, TimeSpec::nanoseconds(ns))?)
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
