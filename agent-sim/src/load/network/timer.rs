//! Waits shorter than a millisecond, which is what the poller's own time-out rounds up to.

use std::os::fd::{AsFd as _, AsRawFd as _};
use std::time::Duration;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use nix::sys::timerfd::{ClockId, Expiration, TimerFd, TimerFlags, TimerSetTimeFlags};

/// A timer of the kernel that wakes the poller.
#[derive(Debug)]
pub(super) struct Timer {
    timer: TimerFd,
    /// For which instant it is set.
    set_us: Option<u64>,
}

impl Timer {
    pub(super) fn new(registry: &Registry, token: Token) -> std::io::Result<Self> {
        let flags = TimerFlags::TFD_NONBLOCK | TimerFlags::TFD_CLOEXEC;
        let timer = TimerFd::new(ClockId::CLOCK_MONOTONIC, flags)?;
        registry.register(&mut SourceFd(&timer.as_fd().as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer, set_us: None })
    }

    /// Sets it for an instant after `now_us`, unless it goes off before that anyhow: setting it costs as much as a wait
    /// that ends early.
    pub(super) fn set(&mut self, at_us: u64, now_us: u64) -> std::io::Result<()> {
        if self.set_us.is_some_and(|set_us| now_us < set_us && set_us <= at_us) {
            return Ok(());
        }
        let wait = Duration::from_micros(at_us.saturating_sub(now_us).max(1));
        self.timer.set(Expiration::OneShot(wait.into()), TimerSetTimeFlags::empty())?;
        self.set_us = Some(at_us);
        Ok(())
    }

    /// It went off.
    pub(super) fn fired(&mut self) {
        self.set_us = None;
    }
}
