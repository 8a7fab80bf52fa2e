//! What only the tools take and answer; what HTTP has as well is in [`crate::schemas`].

use serde_json::{Value, json};

use crate::http::LARGEST_LIMIT;
use crate::schemas::{self, Schema, count, object, status, text, texts};

fn page() -> (Value, Value) {
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": 1_000,
        "description": "The most agents of an answer",
    });
    (limit, text("`next_cursor` of the page before"))
}

const REQUIREMENT: &str = "A SemVer requirement on that capability, such as >=1.2, <2";

/// What `list_available_agents` takes.
pub(super) fn agent_filters() -> Schema {
    let (limit, cursor) = page();
    let statuses = json!({
        "type": "array", "items": status(),
        "description": "One of these; healthy and degraded if none is given",
    });
    object(
        json!({
            "capability": text("The name of a capability that it provides"),
            "version": text(REQUIREMENT),
            "tag": texts("All of these on that capability; without `capability` on any"),
            "type": text("The agent's type"),
            "status": statuses,
            "label": texts("All of these hold: k=v, k!=v, k (has it), !k (lacks it)"),
            "q": text("Words to search for, typos allowed; the best match comes first"),
            "limit": limit,
            "cursor": cursor,
        }),
        &[],
        true,
    )
}

/// What `get_capability_providers` takes.
pub(super) fn provider_filters() -> Schema {
    let (limit, cursor) = page();
    object(
        json!({
            "capability": text("Its name"),
            "version": text(REQUIREMENT),
            "tags": texts("All of these on that capability"),
            "limit": limit,
            "cursor": cursor,
        }),
        &["capability"],
        true,
    )
}

/// What the two lists answer.
pub(super) fn agent_list() -> Schema {
    schemas::list("agents", &Value::Object(schemas::agent()))
}

/// What `get_agent_health_status` takes.
pub(super) fn agent_id() -> Schema {
    object(json!({ "agent_id": text("Whose health") }), &["agent_id"], true)
}

/// What it answers.
pub(super) fn health() -> Schema {
    schemas::health(&Value::Object(schemas::policy()))
}

/// What tools without arguments take.
pub(super) fn nothing() -> Schema {
    object(json!({}), &[], true)
}

/// What `get_registry_metrics` answers.
pub(super) fn figures() -> Schema {
    let by_kind = |description: &str| json!({ "type": "object", "additionalProperties": count("How many"), "description": description });
    let rate = || json!({ "type": "number", "minimum": 0 });
    let at_most = json!({ "type": ["number", "null"], "description": "A bound of it; null if it is beyond every bound" });
    let latency = object(
        json!({
            "count": count("How many were measured"),
            "mean_ms": { "type": ["number", "null"], "description": "null if none was" },
            "half_at_most_ms": at_most,
            "p99_at_most_ms": at_most,
        }),
        &["count", "mean_ms", "half_at_most_ms", "p99_at_most_ms"],
        false,
    );
    let agents = object(
        json!({ "healthy": count("Now"), "degraded": count("Now"), "expired": count("Now") }),
        &["healthy", "degraded", "expired"],
        false,
    );
    let counts = object(
        json!({
            "requests": count("Since the start"),
            "heartbeats": by_kind("Since the start, by what became of them"),
            "events": by_kind("Since the start, by kind"),
        }),
        &["requests", "heartbeats", "events"],
        false,
    );
    let rates = object(
        json!({ "requests_per_second": rate(), "heartbeats_per_second": rate() }),
        &["requests_per_second", "heartbeats_per_second"],
        false,
    );
    object(
        json!({
            "store_id": text("Names this history of revisions"),
            "revision": count("The number of the last visible change"),
            "uptime_ms": count("Since the start"),
            "agents": agents,
            "counts": counts,
            "mean_rates": rates,
            "latencies": {
                "type": "object", "additionalProperties": latency,
                "description": "From a request's headers to its answer, by route",
            },
        }),
        &["store_id", "revision", "uptime_ms", "agents", "counts", "mean_rates", "latencies"],
        false,
    )
}

/// What `export_prometheus_metrics` answers.
pub(super) fn exposition() -> Schema {
    object(
        json!({ "content_type": text("Of the text"), "text": text("The exposition") }),
        &["content_type", "text"],
        false,
    )
}
