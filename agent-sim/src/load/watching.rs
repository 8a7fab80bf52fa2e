//! What the loop takes note of beside its calls: samples, lines from elsewhere, other processes.

use reports::history::Line;

use super::driver::{Driver, Ending};
use super::gang::Gang;
use super::ledger::{Ledger, Standing};
use super::merge::Used;
use super::sampler::Sample;

/// How long a worker may take, beyond the time that calls under way have, to tell that it is over, microseconds.
const LAST_WORDS_US: u64 = 5_000_000;

impl Driver {
    /// How things stand in this process.
    pub(super) fn standing(&self) -> Standing {
        Standing {
            registered: self.agents.registered(),
            in_flight: self.network.in_flight(),
            own_open: self.network.own_open(),
            lost_lines: self.history.lost_lines(),
        }
    }

    /// Takes a sample into the figures; tells whether the registry has died.
    pub(super) fn sampled(&mut self, sample: &Sample) -> bool {
        let phase = self.plan.phase_at(self.costs.last_us());
        let sample = &self.with_workers(sample);
        self.costs.add(sample, phase);
        self.ledger.advance(self.now_us(), self.standing());
        if let Ledger::Told(teller) = &mut self.ledger {
            teller.used(Used::of(&self.costs));
        }
        self.keep_touches();
        if sample.second.is_some() {
            self.unfilled.push_back(sample.clone());
            self.fill_seconds();
        }
        if let Some(died) = &sample.died {
            self.history.write(&Line::Process(died.clone()));
        }
        sample.died.is_some()
    }

    /// With what the workers have used.
    fn with_workers(&self, sample: &Sample) -> Sample {
        let mut sample = sample.clone();
        if let Some(merge) = self.ledger.merge() {
            let Used { cost, run_queue_wait_seconds, .. } = merge.used();
            sample.workers_waited_seconds = run_queue_wait_seconds;
            sample.own.cpu_seconds += cost.cpu_seconds;
            sample.own.pss_bytes += cost.pss_bytes;
            sample.own.fds += cost.fds;
            sample.own.threads += cost.threads;
        }
        sample
    }

    /// Fills in what was used in the seconds that are over, and shows how it goes.
    pub(super) fn fill_seconds(&mut self) {
        let Some(books) = self.ledger.books_mut() else { return self.unfilled.clear() };
        let mut has_filled = false;
        while let Some(sample) = self.unfilled.front() {
            let Some(interval) = sample.second.and_then(|second| books.collector.interval(second)) else {
                break;
            };
            self.costs.fill(interval, sample);
            self.unfilled.pop_front();
            has_filled = true;
        }
        if has_filled {
            self.show_progress();
        }
    }

    /// Takes what the workers have told; false when one has broken down.
    pub(super) fn hear_workers(&mut self, now_us: u64) -> bool {
        let (Some(gang), Some(merge)) = (&mut self.gang, self.ledger.merge_mut()) else { return true };
        let Some(cause) = gang.hear(merge, now_us) else { return true };
        self.trouble.breakdown.get_or_insert(cause);
        false
    }

    /// Tells the workers to end, where they do not come to the end of the plan themselves.
    pub(super) fn dismiss_workers(&mut self, ending: &Ending) {
        let is_early = !matches!(ending, Ending::Planned) || self.trouble.breakdown.is_some();
        self.gang.iter_mut().filter(|_| is_early).for_each(Gang::stop);
    }

    /// Waits for the last that the workers tell, until some time after the clock shows `deadline_us`.
    pub(super) fn await_workers(&mut self, deadline_us: u64) {
        let deadline_us = deadline_us.saturating_add(LAST_WORDS_US);
        while self.ledger.merge().is_some_and(|merge| !merge.is_over()) {
            let now_us = self.clock.now_us();
            if now_us >= deadline_us {
                let late = "a worker did not tell in time that it was over".to_owned();
                self.trouble.breakdown.get_or_insert(late);
                return;
            }
            self.turn(deadline_us.min(now_us + 1_000));
            self.fill_seconds();
        }
    }

    /// Writes down what came from elsewhere since the last time.
    pub(super) fn keep_extra_lines(&mut self) {
        while let Ok(line) = self.extra.try_recv() {
            self.history.write(&line);
        }
    }

    /// Writes down what reached an agent's address since the last time.
    pub(super) fn keep_touches(&mut self) {
        for touch in self.tripwire.iter().flat_map(|tripwire| tripwire.take_touches()) {
            self.history.write(&Line::Touch(touch));
        }
    }
}
