//! Counts, rates and latencies, from what Prometheus reads.

use std::sync::Arc;

use prometheus::proto::{Histogram, Metric, MetricFamily};
use serde_json::{Map, Value, json};

use crate::shared::Shared;

/// What `get_registry_metrics` answers.
pub(super) fn of(shared: &Shared) -> Value {
    let (store_id, counts) =
        shared.with_core(|core, moment| (Arc::clone(&core.setup().store_id), core.counts(moment)));
    let uptime = shared.uptime();
    let families = shared.metrics.gather(shared);
    let heartbeats = by_label(&families, "registry_heartbeats_total", "result");
    let requests: u64 = by_label(&families, "registry_requests_total", "route").values().sum();
    let per_second = |count: u64| {
        let seconds = uptime.as_secs_f64();
        if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
    };
    json!({
        "store_id": store_id,
        "revision": counts.revision,
        "uptime_ms": u64::try_from(uptime.as_millis()).unwrap_or(u64::MAX),
        "agents": { "healthy": counts.healthy, "degraded": counts.degraded, "expired": counts.expired },
        "counts": {
            "requests": requests,
            "heartbeats": heartbeats,
            "events": by_label(&families, "registry_events_total", "kind"),
        },
        "mean_rates": {
            "requests_per_second": per_second(requests),
            "heartbeats_per_second": per_second(heartbeats.values().sum()),
        },
        "latencies": latencies(&families, "registry_request_seconds", "route"),
    })
}

fn metrics<'a>(families: &'a [MetricFamily], name: &'a str) -> impl Iterator<Item = &'a Metric> {
    families.iter().filter(move |family| family.name() == name).flat_map(MetricFamily::get_metric)
}

fn label<'a>(metric: &'a Metric, name: &str) -> &'a str {
    metric.get_label().iter().find(|label| label.name() == name).map_or("", |label| label.value())
}

/// A counter by one of its labels, summed over the others.
fn by_label(families: &[MetricFamily], name: &str, by: &str) -> std::collections::BTreeMap<String, u64> {
    let mut sums = std::collections::BTreeMap::new();
    for metric in metrics(families, name) {
        // Counters of events are whole and far below 2^53.
        *sums.entry(label(metric, by).to_owned()).or_default() += metric.get_counter().get_value() as u64;
    }
    sums
}

fn latencies(families: &[MetricFamily], name: &str, by: &str) -> Map<String, Value> {
    let measured = metrics(families, name);
    measured.map(|metric| (label(metric, by).to_owned(), latency(metric.get_histogram()))).collect()
}

fn latency(histogram: &Histogram) -> Value {
    let count = histogram.get_sample_count();
    let mean_ms = (count > 0).then(|| histogram.get_sample_sum() * 1_000.0 / count as f64);
    json!({
        "count": count,
        "mean_ms": mean_ms,
        "half_at_most_ms": at_most_ms(histogram, count.div_ceil(2)),
        "p99_at_most_ms": at_most_ms(histogram, count - count / 100),
    })
}

/// The bound of the first bucket by which this many were counted; `None` when it has none.
fn at_most_ms(histogram: &Histogram, rank: u64) -> Option<f64> {
    let reached =
        histogram.get_bucket().iter().find(|bucket| bucket.cumulative_count() >= rank && rank > 0)?;
    let bound_ms = reached.upper_bound() * 1_000.0;
    bound_ms.is_finite().then_some(bound_ms)
}
