//! What Prometheus reads: a registry of our own, not the process-wide one. docs/metrics.md has every figure in one
//! table, and a test holds the two together.

use std::sync::{Mutex, PoisonError};

use axum::http::StatusCode;
use prometheus::proto::{self, MetricFamily};
use prometheus::{
    Encoder, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};
use registry_core::agent::Status;
use registry_core::figures::{Durations, End};

use crate::http::{HOT_ROUTES, POLLED_ROUTES, SHED};
use crate::shared::Shared;

/// Every figure. Gauges that follow from the core are set when they are read, so that they are exact.
#[derive(Debug)]
pub(crate) struct Metrics {
    registry: Registry,
    /// Held while series are set and gathered: two at once would gather what the other has half set.
    rendering: Mutex<()>,
    requests: IntCounterVec,
    request_seconds: HistogramVec,
    heartbeats: IntCounterVec,
    /// Series that nearly every call counts into, found once: three searches by label cost 2 % of a lean heartbeat.
    hot: [HotRoute; HOT_ROUTES.len()],
    renewed: IntCounter,
    pub(crate) commits: IntCounter,
    pub(crate) commit_failures: IntCounter,
    pub(crate) commit_seconds: Histogram,
    pub(crate) pauses: IntCounter,
    pub(crate) connections: IntGauge,
    pub(crate) waiters: IntGauge,
    pub(crate) encodings: IntCounterVec,
    pub(crate) denied: IntCounterVec,
    pub(crate) shed: IntCounterVec,
    agents: IntGaugeVec,
    revision: IntGauge,
    unsaved: IntGauge,
    events: IntCounterVec,
    leases_ended: IntCounterVec,
    sealed: IntGauge,
    store_failing: IntGauge,
    uptime_seconds: IntGauge,
}

/// A route of nine in ten calls.
#[derive(Debug)]
struct HotRoute {
    route: &'static str,
    answered: IntCounter,
    /// Of a route that is polled.
    not_modified: Option<IntCounter>,
    seconds: Histogram,
}

/// What may become of a heartbeat.
const HEARTBEAT_RESULTS: [&str; 9] = [
    "registered",
    "renewed",
    "updated",
    "stale",
    "unknown_agent",
    "lower_incarnation",
    "registry_full",
    "store_unavailable",
    "invalid",
];
/// From 50 us to 5 s.
const SECONDS: [f64; 11] = [0.000_05, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.01, 0.025, 0.1, 0.5, 1.0, 5.0];

impl Metrics {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let counters = |name, help, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let histogram = |name, help| HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        let requests =
            counters("registry_requests_total", "Requests by route and status code.", &["route", "code"])?;
        let request_seconds = HistogramVec::new(
            histogram("registry_request_seconds", "Time from a request's headers to its answer."),
            &["route"],
        )?;
        let heartbeats =
            counters("registry_heartbeats_total", "Heartbeats by what became of them.", &["result"])?;
        let hot = |route| HotRoute {
            route,
            answered: requests.with_label_values(&[route, "200"]),
            not_modified: POLLED_ROUTES.contains(&route).then(|| requests.with_label_values(&[route, "304"])),
            seconds: request_seconds.with_label_values(&[route]),
        };
        let metrics = Self {
            hot: HOT_ROUTES.map(hot),
            renewed: heartbeats.with_label_values(&["renewed"]),
            requests,
            request_seconds,
            heartbeats,
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
            denied: counters(
                "registry_denied_total",
                "Requests that were denied for want of a token, or of what it is for.",
                &["reason"],
            )?,
            shed: counters(
                "registry_shed_total",
                "What was turned away, so that heartbeats have room.",
                &["route"],
            )?,
            agents: IntGaugeVec::new(
                Opts::new(
                    "registry_agents",
                    "Agents by type and status; types without a policy of their own are `other`.",
                ),
                &["type", "status"],
            )?,
            revision: IntGauge::new("registry_revision", "The number of the last visible change.")?,
            unsaved: IntGauge::new("registry_unsaved_agents", "Agents with changes that the store lacks.")?,
            events: counters("registry_events_total", "Events since the start, by kind.", &["kind"])?,
            leases_ended: counters(
                "registry_leases_ended_total",
                "Leases that ended, by type and by what ended them.",
                &["type", "reason"],
            )?,
            sealed: IntGauge::new("registry_sealed", "1 when the kernel lets this process call nobody.")?,
            store_failing: IntGauge::new("registry_store_failing", "1 when the last transaction failed.")?,
            uptime_seconds: IntGauge::new("registry_uptime_seconds", "Time since the start.")?,
            rendering: Mutex::default(),
            registry,
        };
        metrics.register()?;
        metrics.begin()?;
        Ok(metrics)
    }

    /// A series that appears with its first event hides that event from `increase()`: what is known begins at 0.
    fn begin(&self) -> Result<(), prometheus::Error> {
        for result in HEARTBEAT_RESULTS {
            self.heartbeats.with_label_values(&[result]);
        }
        for coding in ["gzip", "zstd"] {
            self.encodings.with_label_values(&[coding]);
        }
        for reason in crate::auth::DENIED_REASONS {
            self.denied.with_label_values(&[reason]);
        }
        for lane in SHED {
            self.shed.with_label_values(&[lane]);
        }
        let build_info = IntGaugeVec::new(
            Opts::new("registry_build_info", "1; the label says which version runs."),
            &["version"],
        )?;
        build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        self.registry.register(Box::new(build_info))
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
        registry.register(Box::new(self.denied.clone()))?;
        registry.register(Box::new(self.shed.clone()))?;
        registry.register(Box::new(self.agents.clone()))?;
        registry.register(Box::new(self.revision.clone()))?;
        registry.register(Box::new(self.unsaved.clone()))?;
        registry.register(Box::new(self.events.clone()))?;
        registry.register(Box::new(self.leases_ended.clone()))?;
        registry.register(Box::new(self.sealed.clone()))?;
        registry.register(Box::new(self.store_failing.clone()))?;
        registry.register(Box::new(self.uptime_seconds.clone()))
    }

    /// Counts an answered request.
    pub(crate) fn answered(&self, route: &str, status: StatusCode, seconds: f64) {
        let hot = self.hot.iter().find(|hot| hot.route == route);
        let answered = hot.and_then(|hot| match status {
            StatusCode::OK => Some(&hot.answered),
            StatusCode::NOT_MODIFIED => hot.not_modified.as_ref(),
            _ => None,
        });
        match (hot, answered) {
            (Some(hot), Some(answered)) => {
                answered.inc();
                hot.seconds.observe(seconds);
            }
            _ => {
                self.requests.with_label_values(&[route, status.as_str()]).inc();
                self.request_seconds.with_label_values(&[route]).observe(seconds);
            }
        }
    }

    /// Counts what became of a heartbeat.
    pub(crate) fn beaten(&self, result: &str) {
        if result == "renewed" {
            self.renewed.inc();
        } else {
            self.heartbeats.with_label_values(&[result]).inc();
        }
    }

    /// The text exposition at this instant.
    pub(crate) fn render(&self, shared: &Shared) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.gather(shared), &mut text)?;
        Ok(text)
    }

    /// Every figure at this instant.
    pub(crate) fn gather(&self, shared: &Shared) -> Vec<MetricFamily> {
        let rendering = self.rendering.lock().unwrap_or_else(PoisonError::into_inner);
        let durations = shared.with_core(|core, moment| {
            let counts = core.counts(moment);
            // A reload may have taken a type's policy and with it the type's series.
            self.agents.reset();
            for (name, held) in core.agents_by_type(moment) {
                for (status, held) in Status::ALL.into_iter().zip(held) {
                    self.agents.with_label_values(&[name.as_str(), status.as_str()]).set(gauge(held as u64));
                }
                for end in End::ALL {
                    self.leases_ended.with_label_values(&[name.as_str(), end.as_str()]);
                }
            }
            let figures = core.figures();
            for (name, end, count) in figures.ended() {
                raise(&self.leases_ended.with_label_values(&[name, end.as_str()]), count);
            }
            for (kind, count) in core.event_counts() {
                raise(&self.events.with_label_values(&[kind.as_str()]), count);
            }
            self.revision.set(gauge(counts.revision.0));
            self.unsaved.set(gauge(core.unsaved_agents() as u64));
            let age = family(
                "registry_heartbeat_age_seconds",
                "How long an agent had been silent when a heartbeat renewed its lease.",
                &figures.heartbeat_age,
            );
            let lag = family(
                "registry_transition_lag_seconds",
                "How long after its deadline a transition was made.",
                &figures.transition_lag,
            );
            [age, lag]
        });
        self.sealed.set(i64::from(shared.seal.is_whole()));
        self.store_failing.set(i64::from(shared.progress.now().is_failing));
        self.uptime_seconds.set(gauge(shared.uptime().as_secs()));
        let mut families = self.registry.gather();
        drop(rendering);
        families.extend(durations);
        families
    }
}

/// The core counts from the start, as these do.
fn raise(counter: &IntCounter, count: u64) {
    counter.inc_by(count.saturating_sub(counter.get()));
}

/// A histogram that the core has kept.
fn family<const N: usize>(name: &str, help: &str, durations: &Durations<N>) -> proto::MetricFamily {
    let seconds = |us: u64| us as f64 / 1e6;
    let mut histogram = proto::Histogram::default();
    let mut cumulative = 0;
    let mut buckets = Vec::with_capacity(N);
    for (bound_us, count) in durations.bounds_us.into_iter().zip(durations.counts) {
        cumulative += count;
        let mut bucket = proto::Bucket::default();
        bucket.set_upper_bound(seconds(bound_us));
        bucket.set_cumulative_count(cumulative);
        buckets.push(bucket);
    }
    histogram.set_bucket(buckets);
    histogram.set_sample_count(durations.count);
    histogram.set_sample_sum(seconds(durations.sum_us));
    let mut metric = proto::Metric::default();
    metric.set_histogram(histogram);
    let mut family = proto::MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(proto::MetricType::HISTOGRAM);
    family.set_metric(vec![metric]);
    family
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
