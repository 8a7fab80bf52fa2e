//! What the registry and the harness use, once a second and at the end of every phase; their memory as seldom as
//! [`super::memory`] says.

use std::sync::{Arc, Mutex, PoisonError};

use reports::history::ProcessEvent;
use reports::result::{Interval, ProcessCost};
use tokio::sync::mpsc;

use super::memory::Memory;
use super::worker::{Stop, Worker};
use crate::clock::Clock;
use crate::plan::PhaseSpan;
use crate::process::{OwnUsage, RegistryProcess, own_usage_but_memory};

/// The registry process, shared with the thread that watches it; `None` where it is not the harness's own, and while it
/// is down on purpose.
pub(super) type Watched = Arc<Mutex<Option<RegistryProcess>>>;

/// How often the registry process is looked at for whether it still lives.
const LOOK_PERIOD_US: u64 = 100_000;

/// What both used so far.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    /// When, microseconds since the plan began.
    pub(super) at_us: u64,
    /// The second that ended with it.
    pub(super) second: Option<u64>,
    /// The registry; `None` when its process is not ours to see.
    pub(super) target: Option<ProcessCost>,
    /// The harness.
    pub(super) own: OwnUsage,
    /// How long the harness's other processes stood runnable without a core so far, seconds.
    pub(super) workers_waited_seconds: f64,
    /// The registry ended by itself.
    pub(super) died: Option<ProcessEvent>,
}

impl Sample {
    /// A registry that is down on purpose is not seen; what it had used stays, and counts on when it is back.
    fn after(self, before: &Self) -> Self {
        Self { target: self.target.or(before.target), ..self }
    }
}

/// Looks now, at the memory too.
pub(super) fn sample(watched: &Watched, at_us: u64) -> Sample {
    look(watched, &mut Memory::default(), at_us, None, false)
}

/// Looks now; memory is as it was last read.
fn look(watched: &Watched, memory: &mut Memory, at_us: u64, second: Option<u64>, ends_phase: bool) -> Sample {
    let mut process = watched.lock().unwrap_or_else(PoisonError::into_inner);
    let died = process.as_mut().and_then(RegistryProcess::check);
    memory.look(process.as_ref(), at_us, ends_phase);
    let target = process.as_ref().map(RegistryProcess::cost_but_memory);
    drop(process);
    let target = target.map(|cost| ProcessCost { pss_bytes: memory.target_bytes(), ..cost });
    let own = OwnUsage { pss_bytes: memory.own_bytes(), ..own_usage_but_memory() };
    Sample { at_us, second, target, own, workers_waited_seconds: 0.0, died }
}

/// Starts the thread that takes samples until it is told to end.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn start(
    watched: Watched,
    phases: &[PhaseSpan],
    clock: Clock,
    begin_us: u64,
) -> std::io::Result<(mpsc::Receiver<Sample>, Worker<()>)> {
    let phase_ends: Vec<u64> = phases.iter().map(|phase| phase.end_us).collect();
    let (sender, samples) = mpsc::channel(64);
    let worker = Worker::start("sampler", move |stop| {
        let (mut after_us, mut memory) = (0, Memory::default());
        loop {
            let (due_us, second) = next_sample(after_us, &phase_ends);
            let ends_phase = phase_ends.contains(&due_us);
            let Some(died) = watch_until(stop, &watched, clock, begin_us + due_us) else { return };
            let at_us = clock.now_us().saturating_sub(begin_us);
            let mut sample = look(&watched, &mut memory, at_us, second, ends_phase);
            sample.died = died.or(sample.died);
            // A driver too far behind to take a sample goes without it.
            drop(sender.try_send(sample));
            after_us = due_us;
        }
    })?;
    Ok((samples, worker))
}

/// The next instant to look at after another, and the second that ends with it.
fn next_sample(after_us: u64, phase_ends: &[u64]) -> (u64, Option<u64>) {
    let second = after_us / 1_000_000;
    let second_end_us = (second + 1) * 1_000_000;
    match phase_ends.iter().copied().find(|end_us| *end_us > after_us) {
        Some(phase_end_us) if phase_end_us < second_end_us => (phase_end_us, None),
        _ => (second_end_us, Some(second)),
    }
}

/// Waits until the clock shows `us`, or until the registry has died; `None` when told to end.
fn watch_until(stop: &Stop, watched: &Watched, clock: Clock, us: u64) -> Option<Option<ProcessEvent>> {
    loop {
        let now_us = clock.now_us();
        if now_us >= us {
            return Some(None);
        }
        if !stop.sleep_until_us(clock, us.min(now_us + LOOK_PERIOD_US)) {
            return None;
        }
        let mut process = watched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(died) = process.as_mut().and_then(RegistryProcess::check) {
            return Some(Some(died));
        }
    }
}

/// What both used, summed up by phase.
#[derive(Debug)]
pub(super) struct Costs {
    first: Sample,
    last: Sample,
    last_second: Sample,
    /// What the registry used in each phase.
    pub(super) phases: Vec<ProcessCost>,
    /// What the registry used in the whole run; peaks are those of the samples.
    pub(super) target: ProcessCost,
    /// What the harness used in the whole run.
    pub(super) own: ProcessCost,
}

impl Costs {
    /// Begins with what was used before the run.
    pub(super) fn new(first: Sample, phases: usize) -> Self {
        Self {
            last: first.clone(),
            last_second: first.clone(),
            first,
            phases: vec![ProcessCost::default(); phases],
            target: ProcessCost::default(),
            own: ProcessCost::default(),
        }
    }

    /// Adds a sample. What was used since the last one belongs to `phase`, the phase of the last one's instant.
    pub(super) fn add(&mut self, sample: &Sample, phase: usize) {
        // A registry that has died is no longer seen; what it had used stays.
        if let (Some(before), Some(now)) = (self.last.target, sample.target) {
            let used = ProcessCost { cpu_seconds: (now.cpu_seconds - before.cpu_seconds).max(0.0), ..now };
            add(&mut self.target, used);
            self.phases.get_mut(phase).into_iter().for_each(|cost| add(cost, used));
        }
        let OwnUsage { cpu_seconds, pss_bytes, fds, threads, .. } = sample.own;
        let cpu_seconds = (cpu_seconds - self.last.own.cpu_seconds).max(0.0);
        add(&mut self.own, ProcessCost { cpu_seconds, pss_bytes, fds, threads });
        self.last = sample.clone().after(&self.last);
    }

    /// When the last sample was taken, microseconds since the plan began.
    pub(super) fn last_us(&self) -> u64 {
        self.last.at_us
    }

    /// Fills in what was used in the second that ended with the sample.
    pub(super) fn fill(&mut self, interval: &mut Interval, sample: &Sample) {
        let seconds = micros_as_seconds(sample.at_us.saturating_sub(self.last_second.at_us));
        let cores = |used: f64| if seconds > 0.0 { (used / seconds).max(0.0) } else { 0.0 };
        if let (Some(before), Some(now)) = (self.last_second.target, sample.target) {
            interval.target_cores = cores(now.cpu_seconds - before.cpu_seconds);
            interval.target_pss_bytes = now.pss_bytes;
            interval.target_fds = now.fds;
        }
        interval.generator_cores = cores(sample.own.cpu_seconds - self.last_second.own.cpu_seconds);
        let waited = |sample: &Sample| sample.own.run_queue_wait_seconds + sample.workers_waited_seconds;
        interval.generator_wait = cores(waited(sample) - waited(&self.last_second));
        interval.generator_fds = sample.own.fds;
        self.last_second = sample.clone().after(&self.last_second);
    }

    /// How long the harness's threads stood runnable without a core since the first sample, seconds.
    pub(super) fn run_queue_wait_seconds(&self) -> f64 {
        (self.last.own.run_queue_wait_seconds - self.first.own.run_queue_wait_seconds).max(0.0)
    }

    /// Share of the time since the first sample that the harness's threads stood runnable without a core.
    pub(super) fn run_queue_wait_share(&self) -> f64 {
        let waited = self.run_queue_wait_seconds();
        let seconds = micros_as_seconds(self.last.at_us.saturating_sub(self.first.at_us));
        if seconds > 0.0 { (waited / seconds).max(0.0) } else { 0.0 }
    }
}

/// Sums up time, keeps the peak of the rest.
fn add(sum: &mut ProcessCost, used: ProcessCost) {
    sum.cpu_seconds += used.cpu_seconds;
    sum.pss_bytes = sum.pss_bytes.max(used.pss_bytes);
    sum.fds = sum.fds.max(used.fds);
    sum.threads = sum.threads.max(used.threads);
}

#[allow(clippy::cast_precision_loss, reason = "runs are far shorter than 2^53 us")]
pub(super) fn micros_as_seconds(us: u64) -> f64 {
    us as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_due_every_second_and_at_every_end_of_a_phase() {
        let ends = [1_500_000, 2_000_000, 2_000_001];
        let mut instants = Vec::new();
        let mut after_us = 0;
        while after_us < 4_000_000 {
            let (due_us, second) = next_sample(after_us, &ends);
            instants.push((due_us, second));
            after_us = due_us;
        }
        let expected = [
            (1_000_000, Some(0)),
            (1_500_000, None),
            (2_000_000, Some(1)),
            (2_000_001, None),
            (3_000_000, Some(2)),
            (4_000_000, Some(3)),
        ];
        assert_eq!(instants, expected);
    }

    fn at(at_us: u64, target_cpu_seconds: f64, pss_bytes: u64, waited: f64) -> Sample {
        let target = ProcessCost { cpu_seconds: target_cpu_seconds, pss_bytes, ..ProcessCost::default() };
        let own = OwnUsage { run_queue_wait_seconds: waited, ..OwnUsage::default() };
        Sample { at_us, target: Some(target), own, ..Sample::default() }
    }

    #[test]
    fn what_a_phase_used_is_what_was_used_between_its_samples() {
        let mut costs = Costs::new(at(0, 5.0, 10, 0.0), 2);
        for (phase, sample) in [
            (0, at(1_000_000, 5.5, 30, 0.1)),
            (0, at(1_500_000, 6.0, 20, 0.1)),
            (1, at(2_000_000, 6.25, 25, 0.2)),
        ] {
            costs.add(&sample, phase);
        }
        let used: Vec<_> = costs.phases.iter().map(|cost| (cost.cpu_seconds, cost.pss_bytes)).collect();
        assert_eq!(used, [(1.0, 30), (0.25, 25)]);
        assert_eq!((costs.target.cpu_seconds, costs.target.pss_bytes), (1.25, 30));
        assert!((costs.run_queue_wait_share() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn a_second_tells_cores_by_the_time_between_its_samples() {
        let mut costs = Costs::new(at(0, 5.0, 10, 0.0), 1);
        let mut interval = Interval::default();
        costs.fill(&mut interval, &at(2_000_000, 6.0, 30, 0.0));
        assert!((interval.target_cores - 0.5).abs() < 1e-9);
        assert_eq!(interval.target_pss_bytes, 30);
    }
}
