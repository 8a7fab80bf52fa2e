//! What a run tells while it goes on.

use super::Progress;
use super::driver::Driver;
use super::ledger::Standing;
use super::metrics::Figures;

impl Driver {
    pub(super) fn show_progress(&self) {
        let Some(books) = self.ledger.books() else { return };
        let now_us = self.now_us();
        let phase_index = self.plan.phase_at(now_us);
        let second = books.collector.last_interval();
        let recent = books.collector.recent();
        self.progress.send_replace(Progress {
            phase: self.plan.phases().get(phase_index).map_or_else(String::new, |phase| phase.name.clone()),
            phase_index,
            phases: self.plan.phases().len(),
            elapsed_ms: now_us / 1_000,
            total_ms: self.plan.end_us() / 1_000,
            agents: second.agents,
            offered_per_second: second.planned,
            achieved_per_second: second.sent,
            p50_us: recent.p50,
            p99_us: recent.p99,
            lag_p99_us: second.lag_p99_us,
            target_cores: second.target_cores,
            target_pss_bytes: second.target_pss_bytes,
            errors: books.collector.totals().errors,
            figures: Figures { target_cpu_seconds: self.costs.target.cpu_seconds, ..self.figures() },
        });
    }

    fn figures(&self) -> Figures {
        let others = self.ledger.merge().map_or_else(Standing::default, |merge| merge.standing());
        let Standing { in_flight, lost_lines, .. } = self.standing().and(others);
        Figures {
            in_flight: u64::try_from(in_flight).unwrap_or(u64::MAX),
            lost_lines,
            ..self.ledger.books().map(|books| books.collector.figures()).unwrap_or_default()
        }
    }
}
