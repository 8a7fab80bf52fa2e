//! The bench's one home of the clock.
#![allow(clippy::disallowed_methods, reason = "this is the bench's one home of the clock")]

use std::time::{Instant, SystemTime};

pub(crate) fn now() -> Instant {
    Instant::now()
}

/// For names and dates only.
pub(crate) fn wall_clock() -> SystemTime {
    SystemTime::now()
}
