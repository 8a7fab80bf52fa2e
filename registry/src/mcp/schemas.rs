//! What goes into the tools and what comes out, as JSON Schema 2020-12 of the words that every validator knows. The
//! limits are the intake's own, so that the two cannot differ.

use registry_core::document::{AgentId, AgentType, CapabilityName};
use registry_core::intake;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use crate::http::LARGEST_LIMIT;

const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]*$";
const CAPABILITY: &str = "^[A-Za-z0-9][A-Za-z0-9._:/-]*$";

/// An object of these members. `is_closed`: it has no others.
fn object(properties: Value, required: &[&str], is_closed: bool) -> JsonObject {
    let mut schema = JsonObject::new();
    schema.insert("type".into(), "object".into());
    schema.insert("properties".into(), properties);
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    if is_closed {
        schema.insert("additionalProperties".into(), false.into());
    }
    schema
}

fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

fn id(description: &str) -> Value {
    json!({ "type": "string", "pattern": ID, "maxLength": AgentId::LONGEST, "description": description })
}

fn capability_name() -> Value {
    json!({ "type": "string", "pattern": CAPABILITY, "maxLength": CapabilityName::LONGEST })
}

fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

fn tags() -> Value {
    json!({
        "type": "array",
        "maxItems": intake::TAGS,
        "items": { "type": "string", "maxLength": intake::TAG_BYTES },
    })
}

/// What `agent_heartbeat` takes. Members that are not listed are ignored, as in HTTP.
pub(super) fn heartbeat() -> JsonObject {
    let capability = object(
        json!({
            "name": capability_name(),
            "version": { "type": "string", "maxLength": intake::VERSION_BYTES, "default": "0.0.0", "description": "SemVer 2.0" },
            "tags": tags(),
            "description": { "type": "string", "maxLength": intake::DESCRIPTION_BYTES },
        }),
        &["name"],
        false,
    );
    let dependency = object(
        json!({
            "capability": capability_name(),
            "version": { "type": "string", "maxLength": intake::VERSION_BYTES, "default": "*", "description": "A SemVer requirement" },
            "tags": tags(),
        }),
        &["capability"],
        false,
    );
    object(
        json!({
            "agent_id": id("Who beats"),
            "agent_type": {
                "type": "string", "pattern": ID, "maxLength": AgentType::LONGEST, "default": "default",
                "description": "Chooses the timeouts",
            },
            "status": { "type": "string", "enum": ["healthy", "degraded"], "description": "How the agent finds itself" },
            "endpoint": {
                "type": "string", "maxLength": intake::ENDPOINT_BYTES,
                "description": "An absolute URI where other agents reach it; kept and handed out, never dialled",
            },
            "capabilities": {
                "type": "array", "maxItems": intake::CAPABILITIES, "items": capability,
                "description": "What it provides. Makes the heartbeat a full one, also when it is empty",
            },
            "dependencies": { "type": "array", "maxItems": intake::DEPENDENCIES, "items": dependency, "description": "What it needs" },
            "labels": {
                "type": "object", "maxProperties": intake::LABELS,
                "additionalProperties": { "type": "string", "maxLength": intake::LABEL_VALUE_BYTES },
            },
            "metadata": { "type": "object", "description": "Opaque; at most 8 KiB" },
            "incarnation": count("One per process start, increasing"),
            "sequence": count("Increasing inside one incarnation"),
            "wiring_revision": count("The last one seen; wiring is left out while it is the current one"),
        }),
        &["agent_id"],
        false,
    )
}

/// The heartbeat's answer.
pub(super) fn heartbeat_answer() -> JsonObject {
    let provider = object(
        json!({
            "agent_id": text("Who"),
            "endpoint": { "type": ["string", "null"] },
            "version": text("Of the capability"),
            "status": status(&["healthy", "degraded"]),
        }),
        &["agent_id", "endpoint", "version", "status"],
        false,
    );
    let wired = object(
        json!({
            "capability": text("As the agent needs it"),
            "version": text("As the agent needs it"),
            "tags": texts("As the agent needs it"),
            "total": count("How many provide it"),
            "providers": { "type": "array", "items": provider, "description": "The best of them" },
        }),
        &["capability", "version", "tags", "total", "providers"],
        false,
    );
    object(
        json!({
            "agent_id": text("Who"),
            "result": { "type": "string", "enum": ["registered", "renewed", "updated", "stale"] },
            "status": status(&["healthy", "degraded", "expired"]),
            "epoch": count("How often this id has been registered"),
            "revision": count("Of the whole registry"),
            "heartbeat_interval_ms": count("How often to beat"),
            "degraded_after_ms": count("From this silence on it is degraded"),
            "expires_after_ms": count("From this silence on it is expired"),
            "wiring_revision": count("To be sent with the next heartbeat"),
            "wiring": { "type": "array", "items": wired, "description": "One for each dependency, in their order" },
        }),
        &[
            "agent_id",
            "result",
            "status",
            "epoch",
            "revision",
            "heartbeat_interval_ms",
            "degraded_after_ms",
            "expires_after_ms",
            "wiring_revision",
        ],
        false,
    )
}

fn status(known: &[&str]) -> Value {
    json!({ "type": "string", "enum": known })
}

fn page() -> (Value, Value) {
    let limit = json!({
        "type": "integer", "minimum": 1, "maximum": LARGEST_LIMIT, "default": 1_000,
        "description": "The most agents of an answer",
    });
    (limit, text("`next_cursor` of the page before"))
}

const REQUIREMENT: &str = "A SemVer requirement on that capability, such as >=1.2, <2";

/// What `list_available_agents` takes.
pub(super) fn agent_filters() -> JsonObject {
    let (limit, cursor) = page();
    let statuses = json!({
        "type": "array", "items": status(&["healthy", "degraded", "expired"]),
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
pub(super) fn provider_filters() -> JsonObject {
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
pub(super) fn agent_list() -> JsonObject {
    let capability = object(
        json!({
            "name": text("Its name"),
            "version": text("SemVer 2.0"),
            "tags": texts("Its tags"),
            "description": { "type": ["string", "null"] },
        }),
        &["name", "version"],
        false,
    );
    let dependency = object(
        json!({
            "capability": text("Its name"),
            "version": text("A SemVer requirement"),
            "tags": texts("All must match"),
        }),
        &["capability", "version"],
        false,
    );
    let agent = object(
        json!({
            "agent_id": text("Who"),
            "agent_type": text("Chooses the timeouts"),
            "status": status(&["healthy", "degraded", "expired"]),
            "reason": status(&["reported", "missed_heartbeat"]),
            "epoch": count("How often this id has been registered"),
            "revision": count("When it last changed visibly"),
            "endpoint": { "type": ["string", "null"] },
            "capabilities": { "type": "array", "items": capability },
            "dependencies": { "type": "array", "items": dependency },
            "labels": { "type": "object", "additionalProperties": { "type": "string" } },
            "metadata": { "type": "object" },
            "registered_at": text("RFC 3339"),
        }),
        &["agent_id", "agent_type", "status", "reason", "epoch", "revision", "capabilities", "registered_at"],
        false,
    );
    object(
        json!({
            "store_id": text("Names this history of revisions"),
            "revision": count("Of the whole list"),
            "next_cursor": { "type": ["string", "null"], "description": "Where the list goes on" },
            "agents": { "type": "array", "items": agent },
        }),
        &["store_id", "revision", "next_cursor", "agents"],
        false,
    )
}

/// What `get_agent_health_status` takes.
pub(super) fn agent_id() -> JsonObject {
    object(json!({ "agent_id": text("Whose health") }), &["agent_id"], true)
}

/// What it answers.
pub(super) fn health() -> JsonObject {
    let timeouts = ["heartbeat_interval_ms", "degraded_after_ms", "expires_after_ms", "evict_after_ms"];
    let policy: JsonObject =
        timeouts.into_iter().map(|name| (name.to_owned(), count("In milliseconds"))).collect();
    object(
        json!({
            "agent_id": text("Who"),
            "status": status(&["healthy", "degraded", "expired"]),
            "reason": status(&["reported", "missed_heartbeat"]),
            "epoch": count("How often this id has been registered"),
            "silence_ms": count("Since the last accepted heartbeat"),
            "degraded_in_ms": count("0 when it is past"),
            "expires_in_ms": count("0 when it is past"),
            "evicted_in_ms": count("0 when it is past"),
            "policy": object(Value::Object(policy), &timeouts, false),
        }),
        &[
            "agent_id",
            "status",
            "reason",
            "epoch",
            "silence_ms",
            "degraded_in_ms",
            "expires_in_ms",
            "evicted_in_ms",
            "policy",
        ],
        false,
    )
}

/// What tools without arguments take.
pub(super) fn nothing() -> JsonObject {
    object(json!({}), &[], true)
}

/// What `get_registry_metrics` answers.
pub(super) fn figures() -> JsonObject {
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
pub(super) fn exposition() -> JsonObject {
    object(
        json!({ "content_type": text("Of the text"), "text": text("The exposition") }),
        &["content_type", "text"],
        false,
    )
}
