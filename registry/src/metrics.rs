//! What Prometheus reads: a registry of our own, not the process-wide one.

use prometheus::proto::MetricFamily;
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use registry_core::agent::Status;

use crate::shared::Shared;

/// Every figure. Gauges that follow from the core are set when they are read, so that they are exact.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) requests: IntCounterVec,
    pub(crate) request_seconds: HistogramVec,
    pub(crate) heartbeats: IntCounterVec,
    pub(crate) commits: IntCounter,
    pub(crate) commit_failures: IntCounter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) pauses: IntCounter,
    pub(crate) connections: IntGauge,
    pub(crate) waiters: IntGauge,
    pub(crate) encodings: IntCounterVec,
    agents: IntGaugeVec,
    revision: IntGauge,
    unsaved: IntGauge,
    events: IntCounterVec,
    uptime_seconds: IntGauge,
}

/// From 50 us to 5 s.
const SECONDS: [f64; 11] = [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let histogram = |name, help| HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let metrics = Self {
            requests: counters(
                "registry_requests_total",
                "Requests by route and status code.",
                &["route", "code"],
            )?,
            request_seconds: HistogramVec::new(
                histogram("registry_request_seconds", "Time from a request's headers to its answer."),
                &["route"],
            )?,
            heartbeats: counters(
                "registry_heartbeats_total",
                "Heartbeats by what became of them.",
                &["result"],
            )?,
            commits: IntCounter::new("registry_store_commits_total", "Transactions that the store took.")?,
            commit_failures: IntCounter::new("registry_store_failures_total", "Transactions that failed.")?,
            commit_seconds: Histogram::with_opts(histogram(
                "registry_store_commit_seconds",
                "Time of a transaction.",
            ))?,
            pauses: IntCounter::new(
                "registry_pauses_total",
                "Pauses of the process that leases were moved by.",
            )?,
            connections: IntGauge::new("registry_connections", "Open connections.")?,
            waiters: IntGauge::new("registry_waiters", "Calls that wait for a change.")?,
            encodings: counters(
                "registry_encodings_total",
                "Answers that were compressed, by coding. Those served again are not counted.",
                &["coding"],
            )?,
            agents: IntGaugeVec::new(Opts::new("registry_agents", "Agents by status."), &["status"])?,
            revision: IntGauge::new("registry_revision", "The number of the last visible change.")?,
            unsaved: IntGauge::new("registry_unsaved_agents", "Agents with changes that the store lacks.")?,
            events: counters("registry_events_total", "Events since the start, by kind.", &["kind"])?,
            uptime_seconds: IntGauge::new("registry_uptime_seconds", "Time since the start.")?,
            registry,
        };
        metrics.register()?;
        Ok(metrics)
    }

    fn register(&self) -> Result<(), prometheus::Error> {
        let registry = &self.registry;
        registry.register(Box::new(self.requests.clone()))?;
        registry.register(Box::new(self.request_seconds.clone()))?;
        registry.register(Box::new(self.heartbeats.clone()))?;
        registry.register(Box::new(self.commits.clone()))?;
        registry.register(Box::new(self.commit_failures.clone()))?;
        registry.register(Box::new(self.commit_seconds.clone()))?;
        registry.register(Box::new(self.pauses.clone()))?;
        registry.register(Box::new(self.connections.clone()))?;
        registry.register(Box::new(self.waiters.clone()))?;
        registry.register(Box::new(self.encodings.clone()))?;
        registry.register(Box::new(self.agents.clone()))?;
        registry.register(Box::new(self.revision.clone()))?;
        registry.register(Box::new(self.unsaved.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.uptime_seconds.clone()))
    }

    /// The text exposition at this instant.
    pub(crate) fn render(&self, shared: &Shared) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.gather(shared), &mut text)?;
        Ok(text)
    }

    /// Every figure at this instant.
    pub(crate) fn gather(&self, shared: &Shared) -> Vec<MetricFamily> {
        shared.with_core(|core, moment| {
            let counts = core.counts(moment);
            let held = [counts.healthy, counts.degraded, counts.expired];
            for (status, held) in Status::ALL.into_iter().zip(held) {
                self.agents.with_label_values(&[status.as_str()]).set(gauge(held as u64));
            }
            for (kind, count) in core.event_counts() {
                let counter = self.events.with_label_values(&[kind.as_str()]);
                counter.inc_by(count.saturating_sub(counter.get()));
            }
            self.revision.set(gauge(counts.revision.0));
            self.unsaved.set(gauge(core.unsaved_agents() as u64));
        });
        self.uptime_seconds.set(gauge(shared.uptime().as_secs()));
        self.registry.gather()
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
