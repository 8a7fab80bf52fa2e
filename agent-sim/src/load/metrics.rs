//! The generator's own figures for Prometheus, while a run goes on. They are rendered from what the run tells once a
//! second ([`Progress`]), in a thread of the server's own: nothing here is in the way of a call.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus::proto::{self, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{Encoder, TextEncoder};
use tokio::sync::{oneshot, watch};

use super::Progress;
use crate::measure::{Durations, Tally};

/// Upper bounds of the histograms, microseconds: 100 us to 10 s.
const BOUNDS_US: [u64; 14] = [
    100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// What has been counted since the run began.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Figures {
    /// By the name of the operation; `observe` is the harness's own reading.
    pub calls: BTreeMap<&'static str, Counts>,
    /// Answered - planned, of the agents' calls but long-polls.
    pub response: Buckets,
    /// Really sent - planned, of the agents' calls.
    pub lag: Buckets,
    /// Calls under way.
    pub in_flight: u64,
    /// Lines that the history lacks because its writer fell behind.
    pub lost_lines: u64,
    /// CPU time of the registry, seconds; 0 where it is not the harness's own.
    pub target_cpu_seconds: f64,
}

/// What has been counted of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls that were due, misses included.
    pub planned: u64,
    /// Calls handed to the client.
    pub sent: u64,
    /// Those that failed or were refused.
    pub errors: u64,
    /// Due calls that found the last one unanswered.
    pub misses: u64,
    /// Ended calls by HTTP status or by how they failed.
    pub ended: BTreeMap<String, u64>,
}

impl Counts {
    /// Adds what a tally has counted.
    pub(super) fn add(&mut self, tally: &Tally) {
        self.planned += tally.planned;
        self.sent += tally.sent;
        self.errors += tally.errors;
        self.misses += tally.misses;
        for (result, count) in &tally.by_result {
            *self.ended.entry(result.name()).or_default() += count;
        }
    }
}

/// Durations by fixed bounds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Buckets {
    /// How many were not longer than each bound (and longer than none before).
    counts: [u64; BOUNDS_US.len()],
    /// All of them, those beyond the last bound included.
    count: u64,
    sum_seconds: f64,
}

impl Buckets {
    /// Adds all that was recorded, to the three digits that it was recorded with.
    pub(super) fn add(&mut self, durations: &Durations) {
        durations.each(|us, count| {
            self.count += count;
            self.sum_seconds += seconds(us) * precise(count);
            let bucket = BOUNDS_US.partition_point(|bound| *bound < us);
            if let Some(bucket) = self.counts.get_mut(bucket) {
                *bucket += count;
            }
        });
    }

    fn histogram(&self) -> proto::Histogram {
        let mut reached = 0;
        let bucket = |(bound_us, count): (&u64, &u64)| {
            reached += count;
            let mut bucket = proto::Bucket::default();
            bucket.set_upper_bound(seconds(*bound_us));
            bucket.set_cumulative_count(reached);
            bucket
        };
        let buckets = BOUNDS_US.iter().zip(&self.counts).map(bucket).collect();
        let mut histogram = proto::Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(self.count);
        histogram.set_sample_sum(self.sum_seconds);
        histogram
    }
}

/// The endpoint while it answers, with a thread and a runtime of its own. It ends when dropped.
#[derive(Debug)]
pub struct MetricsEndpoint {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl MetricsEndpoint {
    /// Answers `GET /metrics` at this address with the last that `progress` was told.
    ///
    /// # Errors
    /// When nothing can be listened to there, or there is no thread for it.
    pub fn start(address: SocketAddr, progress: watch::Receiver<Progress>) -> std::io::Result<Self> {
        let listener = std::net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let work = move || {
            runtime.block_on(async {
                tokio::select! {
                    () = serve(listener, progress) => {}
                    _ = stopped => {}
                }
            });
        };
        let thread = std::thread::Builder::new().name("metrics".to_owned()).spawn(work)?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("http://{}/metrics", self.address)
    }
}

impl Drop for MetricsEndpoint {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: std::net::TcpListener, progress: watch::Receiver<Progress>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let router = Router::new().route("/metrics", get(move || std::future::ready(answer(&progress.borrow()))));
    let _ = axum::serve(listener, router).await;
}

fn answer(progress: &Progress) -> Response {
    match render(progress) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// Everything in the text format of Prometheus.
fn render(progress: &Progress) -> Result<String, prometheus::Error> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&families(progress), &mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

type Labels<'a> = &'a [(&'a str, &'a str)];

fn families(progress: &Progress) -> Vec<MetricFamily> {
    let Figures { calls, response, lag, .. } = &progress.figures;
    let by_operation = |of: fn(&Counts) -> u64| {
        calls.iter().map(|(name, counts)| counter(&[("operation", name)], precise(of(counts)))).collect()
    };
    let ended = calls.iter().flat_map(|(name, counts)| {
        let labelled = |(result, count): (&String, &u64)| {
            counter(&[("operation", name), ("result", result)], precise(*count))
        };
        counts.ended.iter().map(labelled).collect::<Vec<_>>()
    });
    let figures = &progress.figures;
    let one = |value| vec![gauge(&[], value)];
    let histogram = |buckets: &Buckets| {
        let mut metric = Metric::default();
        metric.set_histogram(buckets.histogram());
        vec![metric]
    };
    let (counters, gauges, histograms) = (MetricType::COUNTER, MetricType::GAUGE, MetricType::HISTOGRAM);
    let all = [
        family(
            "loadtest_agents",
            "Agents registered, as far as their own answers told.",
            gauges,
            one(precise(progress.agents)),
        ),
        family(
            "loadtest_calls_planned_total",
            "Calls that became due, missed ones included.",
            counters,
            by_operation(|counts| counts.planned),
        ),
        family(
            "loadtest_calls_sent_total",
            "Calls handed to the client.",
            counters,
            by_operation(|counts| counts.sent),
        ),
        family(
            "loadtest_calls_ended_total",
            "Calls that ended, by HTTP status or by how they failed.",
            counters,
            ended.collect(),
        ),
        family(
            "loadtest_calls_failed_total",
            "Calls that failed or were refused.",
            counters,
            by_operation(|counts| counts.errors),
        ),
        family(
            "loadtest_calls_missed_total",
            "Due calls that found the last one unanswered.",
            counters,
            by_operation(|counts| counts.misses),
        ),
        family(
            "loadtest_elapsed_seconds",
            "Time since the plan began.",
            gauges,
            one(precise(progress.elapsed_ms) / 1e3),
        ),
        family(
            "loadtest_history_lines_lost_total",
            "Lines that the history lacks; one makes the run invalid.",
            counters,
            vec![counter(&[], precise(figures.lost_lines))],
        ),
        family("loadtest_in_flight", "Calls under way.", gauges, one(precise(figures.in_flight))),
        family(
            "loadtest_lag_seconds",
            "From the planned instant to the sending.",
            histograms,
            histogram(lag),
        ),
        family(
            "loadtest_phase_info",
            "1; the label names the phase.",
            gauges,
            vec![gauge(&[("phase", &progress.phase)], 1.0)],
        ),
        family(
            "loadtest_planned_seconds",
            "The length of the plan.",
            gauges,
            one(precise(progress.total_ms) / 1e3),
        ),
        family(
            "loadtest_response_seconds",
            "From the planned instant to the answer, long-polls left out.",
            histograms,
            histogram(response),
        ),
        family(
            "loadtest_target_cpu_seconds_total",
            "CPU time of the registry process.",
            counters,
            vec![counter(&[], figures.target_cpu_seconds)],
        ),
        family(
            "loadtest_target_pss_bytes",
            "Memory of the registry process: its proportional set size.",
            gauges,
            one(precise(progress.target_pss_bytes)),
        ),
    ];
    // A family without a series has nothing to say yet, and the encoder refuses it.
    all.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
}

fn family(name: &str, help: &str, kind: MetricType, metrics: Vec<Metric>) -> MetricFamily {
    let mut family = MetricFamily::default();
    family.set_name(name.to_owned());
    family.set_help(help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(labels: Labels<'_>, value: f64) -> Metric {
    let mut counter = proto::Counter::default();
    counter.set_value(value);
    let mut metric = labelled(labels);
    metric.set_counter(counter);
    metric
}

fn gauge(labels: Labels<'_>, value: f64) -> Metric {
    let mut gauge = proto::Gauge::default();
    gauge.set_value(value);
    let mut metric = labelled(labels);
    metric.set_gauge(gauge);
    metric
}

fn labelled(labels: Labels<'_>) -> Metric {
    let pair = |(name, value): &(&str, &str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    let mut metric = Metric::default();
    metric.set_label(labels.iter().map(pair).collect());
    metric
}

#[allow(clippy::cast_precision_loss, reason = "no figure of a run comes near 2^53")]
fn precise(number: u64) -> f64 {
    number as f64
}

fn seconds(us: u64) -> f64 {
    precise(us) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_what_was_recorded_and_what_is_beyond_them() {
        let mut durations = Durations::default();
        [100, 101, 900, 60_000_000].into_iter().for_each(|us| durations.record(us));
        let mut buckets = Buckets::default();
        buckets.add(&durations);
        buckets.add(&durations);
        let histogram = buckets.histogram();
        let reached: Vec<_> = histogram.get_bucket().iter().map(proto::Bucket::cumulative_count).collect();
        assert_eq!(reached, [2, 4, 4, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6]);
        assert_eq!(histogram.get_sample_count(), 8);
        assert!((histogram.get_sample_sum() - 120.002_202).abs() < 0.12, "{histogram:?}");
    }

    #[test]
    fn a_run_that_has_just_begun_can_be_read_and_names_are_kept_apart() {
        let text = render(&Progress::default()).unwrap();
        assert!(text.contains("loadtest_agents 0\n") && !text.contains("operation="), "{text}");
        let mut progress = Progress { phase: "a \"b\"".to_owned(), ..Progress::default() };
        let ended = BTreeMap::from([("200".to_owned(), 3), ("timeout".to_owned(), 1)]);
        let counts = Counts { planned: 5, sent: 4, errors: 1, misses: 1, ended };
        progress.figures.calls.insert("renew", counts);
        let text = render(&progress).unwrap();
        for line in [
            "loadtest_calls_ended_total{operation=\"renew\",result=\"timeout\"} 1\n",
            "loadtest_calls_planned_total{operation=\"renew\"} 5\n",
            "loadtest_phase_info{phase=\"a \\\"b\\\"\"} 1\n",
        ] {
            assert!(text.contains(line), "{line} is not in {text}");
        }
    }
}
