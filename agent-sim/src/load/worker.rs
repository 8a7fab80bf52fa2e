//! Threads beside the loop: what sleeps or reads procfs must not hold up calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::clock::Clock;
use crate::measure::Durations;
use crate::plan::PhaseSpan;
use crate::process::CONTROL_THREAD;

/// A thread that ends when it is told to, and at the latest when this is dropped.
#[derive(Debug)]
pub(super) struct Worker<T> {
    stop: Stop,
    thread: Option<JoinHandle<T>>,
}

/// Tells a thread to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Sleeps until the clock shows `us`, never less; false when told to end instead.
    pub(super) fn sleep_until_us(&self, clock: Clock, us: u64) -> bool {
        loop {
            if self.0.load(Ordering::Acquire) {
                return false;
            }
            let now_us = clock.now_us();
            if now_us >= us {
                return true;
            }
            std::thread::park_timeout(Duration::from_micros(us - now_us));
        }
    }
}

impl<T: Send + 'static> Worker<T> {
    /// Starts a thread of this name.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(name: &str, work: impl FnOnce(&Stop) -> T + Send + 'static) -> std::io::Result<Self> {
        let stop = Stop::default();
        let told = stop.clone();
        let thread = std::thread::Builder::new().name(name.to_owned()).spawn(move || work(&told))?;
        Ok(Self { stop, thread: Some(thread) })
    }

    /// Tells the thread to end, waits for it, and gives what it found; `None` when it broke down.
    pub(super) fn stop(mut self) -> Option<T> {
        self.end()
    }
}

impl<T> Worker<T> {
    fn end(&mut self) -> Option<T> {
        let thread = self.thread.take()?;
        self.stop.0.store(true, Ordering::Release);
        thread.thread().unpark();
        thread.join().ok()
    }
}

impl<T> Drop for Worker<T> {
    fn drop(&mut self) {
        drop(self.end());
    }
}

/// The host's own floor: how late bare sleeps of a millisecond woke.
#[derive(Debug, Default)]
pub(super) struct Floor {
    /// Woken - due.
    pub(super) lateness: Durations,
    /// The same of each phase.
    pub(super) by_phase: Vec<Durations>,
}

impl Floor {
    /// The 99.9 % lateness in each phase, microseconds.
    pub(super) fn p999_by_phase_us(&self) -> Vec<u64> {
        self.by_phase.iter().map(|lateness| lateness.quantile_us(0.999)).collect()
    }
}

/// Starts the control thread that measures the floor.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn measure_floor(
    clock: Clock,
    begin_us: u64,
    phases: &[PhaseSpan],
) -> std::io::Result<Worker<Floor>> {
    let ends_us: Vec<u64> = phases.iter().map(|phase| begin_us + phase.end_us).collect();
    Worker::start(CONTROL_THREAD, move |stop| {
        let by_phase = ends_us.iter().map(|_| Durations::default()).collect();
        let mut floor = Floor { lateness: Durations::default(), by_phase };
        // A plan that begins at a given instant is waited for.
        if !stop.sleep_until_us(clock, begin_us) {
            return floor;
        }
        loop {
            let due_us = clock.now_us() + 1_000;
            if !stop.sleep_until_us(clock, due_us) {
                return floor;
            }
            let late_us = clock.now_us() - due_us;
            floor.lateness.record(late_us);
            let phase = ends_us.partition_point(|end_us| *end_us <= due_us);
            floor.by_phase.get_mut(phase).into_iter().for_each(|lateness| lateness.record(late_us));
        }
    })
}

/// The host's floor, measured in the calling thread for `length`: how late bare sleeps of a millisecond woke.
pub fn timer_floor(length: Duration) -> Durations {
    let (clock, stop) = (Clock::start(), Stop::default());
    let length_us = crate::plan::micros(length);
    let mut lateness = Durations::default();
    while clock.now_us() < length_us {
        let due_us = clock.now_us() + 1_000;
        stop.sleep_until_us(clock, due_us);
        lateness.record(clock.now_us() - due_us);
    }
    lateness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_never_ends_early() {
        let clock = Clock::start();
        let worker = Worker::start("sleeper", move |stop| {
            (0..20).all(|_| {
                let due_us = clock.now_us() + 700;
                stop.sleep_until_us(clock, due_us) && clock.now_us() >= due_us
            })
        });
        while !worker.as_ref().is_ok_and(|worker| worker.thread.as_ref().is_some_and(JoinHandle::is_finished))
        {
            std::thread::yield_now();
        }
        assert_eq!(worker.ok().and_then(Worker::stop), Some(true));
    }

    #[test]
    fn a_sleeper_that_is_told_to_end_does_not_sleep_out() {
        let clock = Clock::start();
        let worker = Worker::start("sleeper", move |stop| stop.sleep_until_us(clock, u64::MAX / 2));
        assert_eq!(worker.ok().and_then(Worker::stop), Some(false));
    }

    #[test]
    fn the_floor_counts_every_millisecond_slept() {
        let clock = Clock::start();
        let phase = |start_us, end_us| PhaseSpan {
            name: String::new(),
            kind: scenarios::model::PhaseKind::Hold,
            start_us,
            end_us,
        };
        let worker = measure_floor(clock, 0, &[phase(0, 10_000), phase(10_000, 20_000)]).expect("a thread");
        while clock.now_us() < 30_000 {
            std::thread::yield_now();
        }
        let slept_us = clock.now_us();
        let floor = worker.stop().expect("a floor");
        assert!(floor.lateness.count() <= clock.now_us() / 1_000, "{slept_us}: {floor:?}");
        assert!(floor.lateness.count() > 0);
        // What is due after the last phase belongs to none.
        let in_phases: u64 = floor.by_phase.iter().map(Durations::count).sum();
        assert!(in_phases <= 20 && in_phases < floor.lateness.count(), "{floor:?}");
        assert_eq!(floor.p999_by_phase_us().len(), 2);
    }
}
