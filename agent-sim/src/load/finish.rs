//! What is left when the loop has ended: its books are closed, its histories joined.

use std::path::Path;
use std::time::{Duration, SystemTime};

use reports::history::RunEnd;
use reports::result::Shard;

use super::driver::{Driver, Ending};
use super::faults::FaultEnd;
use super::kept::Keeper;
use super::ledger::{Books, Ledger};
use super::outcome::{Finished, LoadOutcome};
use super::worker::{Floor, Worker};
use super::{LoadError, Seed, parts, rfc3339, with};
use crate::measure::Durations;
use crate::process::RegistryProcess;

/// So long a connection may take to come to be before it is missed, microseconds.
pub(super) const CONNECT_TIME_US: u64 = 1_000_000;

impl Seed<'_> {
    /// Closes the books and tells what came of it.
    pub(super) async fn finish(
        &self,
        mut driver: Driver,
        ended: Ended<'_>,
    ) -> Result<LoadOutcome, LoadError> {
        let tripwire = match &driver.tripwire {
            Some(tripwire) => tripwire.works().await,
            None => false,
        };
        driver.keep_touches();
        let Ended { floor, ending, ended_us, fault_end, history: path, began_unix_us } = ended;
        let floor = floor.stop();
        let Driver { agents, ledger, costs, history, mut trouble, network, begin_us, gang, .. } = driver;
        // Killed before their parts are read, if they still live.
        drop(gang);
        let (books, merge) = match ledger {
            Ledger::Own(books) => (books, None),
            Ledger::Merged(books, merge, kept) => {
                if let Some(cause) = kept.and_then(Keeper::finish) {
                    let lacking = format!("the events of this shard could not be written: {cause}");
                    trouble.breakdown.get_or_insert(lacking);
                }
                (books, Some(merge))
            }
            Ledger::Told(_) => return Err(LoadError::BrokenDown),
        };
        let Books { mut collector, recovery } = books;
        if let Some(cause) = collector.finish_log() {
            trouble.breakdown.get_or_insert(format!("the log of latencies could not be written: {cause}"));
        }
        let worst_floor_us = floor.as_ref().map_or(0, |floor| floor.lateness.max_us());
        let slack_us = collector.lag().max.max(worst_floor_us);
        let end = RunEnd { at_us: self.clock.now_us(), slack_us, lost_lines: 0, tripwire };
        let mut written = history.finish(&end);
        let mut run_queue_wait_share = costs.run_queue_wait_share();
        let (mut agents_peak, mut connections_held) = (agents.peak(), network.peak_own());
        if let Some(merge) = &merge {
            trouble = trouble.and(merge.done().trouble_with_losses());
            run_queue_wait_share = run_queue_wait_share.max(merge.used().run_queue_wait_share);
            (agents_peak, connections_held) = (merge.peak().registered, merge.peak().own_open);
            written = parts::gathered(path, merge, &end, written);
        }
        let shard = self.part.map(|part| Shard {
            number: part.number,
            of: part.of,
            began_unix_us,
            history_begin_us: begin_us,
            start_was_given: part.start.is_some(),
            followed_us: ended_us,
            timer_floor: floor.as_ref().map(|floor| floor.lateness.packed()).unwrap_or_default(),
            timer_floor_by_phase: floor
                .iter()
                .flat_map(|floor| &floor.by_phase)
                .map(Durations::packed)
                .collect(),
            ..Shard::default()
        });
        // The parts began at one instant, whenever each was ready.
        let began = SystemTime::UNIX_EPOCH + Duration::from_micros(began_unix_us);
        let started_at = if shard.is_some() { rfc3339(began) } else { self.started_at.clone() };
        Ok(Finished {
            scenario: self.scenario,
            plan: &self.plan,
            target: &self.target,
            ending,
            ended_us,
            last_output: with(self.watched, RegistryProcess::last_output).unwrap_or_default(),
            agents_peak,
            workers: u64::from(self.workers.max(1)),
            in_flight_limit: self.share.count(self.scenario.max_in_flight).max(1),
            shard,
            run_queue_wait_share,
            collector,
            faults: recovery.reports(),
            fault_end,
            begin_us,
            costs,
            trouble,
            floor,
            written,
            tripwire,
            shortest_period_us: self.plan.shortest_period_us().unwrap_or(u64::MAX),
            // The last agent may have come in the last moment, its connection not yet.
            connections_wanted: self.plan.own_connections(ended_us.saturating_sub(CONNECT_TIME_US)),
            connections_held,
        }
        .outcome(&self.plan_hash, &started_at))
    }
}

/// A run whose loop has ended.
pub(super) struct Ended<'a> {
    pub(super) floor: Worker<Floor>,
    pub(super) ending: Ending,
    /// When the plan was followed no longer, microseconds since it began.
    pub(super) ended_us: u64,
    pub(super) fault_end: FaultEnd,
    /// Where the whole history goes.
    pub(super) history: &'a Path,
    /// When the plan began, microseconds since 1970.
    pub(super) began_unix_us: u64,
}
