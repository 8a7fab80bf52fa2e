//! Instants of a monotonic clock, dates of the wall clock, and revisions.

use serde::Serialize;

/// A point on the monotonic clock that the caller chose, in microseconds. Its zero has no meaning; it may be negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

impl Instant {
    /// The instant at which the clock shows `us` microseconds.
    pub const fn from_us(us: i64) -> Self {
        Self(us)
    }

    /// What the clock shows, in microseconds.
    pub const fn us(self) -> i64 {
        self.0
    }

    /// This much later.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms.saturating_mul(1_000)))
    }

    /// This much earlier.
    pub fn minus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(ms.saturating_mul(1_000)))
    }

    /// This much later.
    pub fn plus_us(self, us: u64) -> Self {
        Self(self.0.saturating_add_unsigned(us))
    }

    /// Microseconds since `earlier`; 0 when that is not earlier.
    pub fn us_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }
}

/// A date of the wall clock in milliseconds since 1970. It is shown to people and decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct WallTime(pub u64);

impl WallTime {
    /// As RFC 3339 with whole seconds, in UTC.
    pub fn to_rfc3339(self) -> String {
        humantime::format_rfc3339_seconds(std::time::UNIX_EPOCH + self.since_1970()).to_string()
    }

    /// As RFC 3339 with milliseconds, in UTC.
    pub fn to_rfc3339_ms(self) -> String {
        humantime::format_rfc3339_millis(std::time::UNIX_EPOCH + self.since_1970()).to_string()
    }

    fn since_1970(self) -> std::time::Duration {
        // humantime refuses to format beyond the year 9999.
        const LAST_MS: u64 = 253_402_300_799_999;
        std::time::Duration::from_millis(self.0.min(LAST_MS))
    }
}

/// A number of the whole registry that grows by one with every visible change and never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The one after it.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

/// When a call is judged: the monotonic instant decides, the date is only written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The monotonic clock.
    pub now: Instant,
    /// The wall clock.
    pub wall: WallTime,
}
