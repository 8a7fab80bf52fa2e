//! What the registry and the harness used.

use agent_sim::process::{OwnUsage, RegistryProcess, own_usage};
use agent_sim::target::Target;
use reports::result::{GeneratorReport, ProcessCost, TargetReport};
use scenarios::model::TargetKind;

use super::recorder::{IN_FLIGHT, Recorder};

/// The harness's usage since a beginning.
#[derive(Debug)]
pub(super) struct Meter {
    start: OwnUsage,
}

impl Meter {
    pub(super) fn start() -> Self {
        Self { start: own_usage() }
    }

    pub(super) fn report(&self, recorder: &Recorder) -> GeneratorReport {
        let now = own_usage();
        #[allow(clippy::cast_precision_loss, reason = "microseconds of a run are far below 2^52")]
        let wall = recorder.clock.now_us() as f64 / 1e6;
        let waited = now.run_queue_wait_seconds - self.start.run_queue_wait_seconds;
        GeneratorReport {
            cpu_seconds: now.cpu_seconds - self.start.cpu_seconds,
            pss_bytes: now.pss_bytes,
            fds: now.fds,
            run_queue_wait_share: if wall > 0.0 { waited / wall } else { 0.0 },
            lag_us: recorder.lag(),
            timer_floor_us: recorder.floor(),
            peak_in_flight: recorder.peak_in_flight(),
            in_flight_limit: IN_FLIGHT as u64,
            lost_history_lines: recorder.lost_lines(),
            workers: 1,
            ..GeneratorReport::default()
        }
    }
}

/// The registry's usage, looked at while it lives.
#[derive(Debug, Default)]
pub(super) struct TargetCost {
    kind: &'static str,
    dialect: String,
    url: String,
    cost: ProcessCost,
}

impl TargetCost {
    pub(super) fn of(kind: &TargetKind, target: &Target) -> Self {
        let kind = match kind {
            TargetKind::Reference => "reference",
            TargetKind::Command(_) => "command",
            TargetKind::Url(_) => "url",
        };
        let (dialect, url) = (target.dialect.name().to_owned(), target.url.clone());
        Self { kind, dialect, url, cost: ProcessCost::default() }
    }

    /// Keeps the peaks.
    pub(super) fn look(&mut self, process: Option<&RegistryProcess>) {
        let Some(now) = process.map(RegistryProcess::cost) else { return };
        self.cost.cpu_seconds = self.cost.cpu_seconds.max(now.cpu_seconds);
        self.cost.pss_bytes = self.cost.pss_bytes.max(now.pss_bytes);
        self.cost.fds = self.cost.fds.max(now.fds);
        self.cost.threads = self.cost.threads.max(now.threads);
    }

    pub(super) fn report(&self, calls: u64) -> TargetReport {
        #[allow(clippy::cast_precision_loss, reason = "calls of a run are far below 2^52")]
        let per_second = calls as f64 / self.cost.cpu_seconds;
        TargetReport {
            kind: self.kind.to_owned(),
            dialect: self.dialect.clone(),
            url: self.url.clone(),
            cpu_seconds: self.cost.cpu_seconds,
            pss_bytes: self.cost.pss_bytes,
            fds: self.cost.fds,
            calls_per_cpu_second: (self.cost.cpu_seconds > 0.0).then_some(per_second),
        }
    }
}
