//! What goes in and comes out, over HTTP and as MCP tools, as JSON Schema 2020-12 of the words that every validator
//! knows. Limits and enumerations are those of the code that enforces them, so that the two cannot differ.

use registry_core::agent::{Reason, Status};
use registry_core::document::{AgentId, AgentType, CapabilityName, LabelKey, Reported};
use registry_core::events::{Cause, Kind};
use registry_core::heartbeat::Outcome;
use registry_core::intake;
use registry_core::wiring::PROVIDERS;
use serde_json::{Map, Value, json};

/// A schema of an object.
pub(crate) type Schema = Map<String, Value>;

const ID: &str = "^[A-Za-z0-9][A-Za-z0-9._:-]*$";
const CAPABILITY: &str = "^[A-Za-z0-9][A-Za-z0-9._:/-]*$";
const TIMEOUTS: [&str; 4] =
    ["heartbeat_interval_ms", "degraded_after_ms", "expires_after_ms", "evict_after_ms"];

/// An object of these members. `is_closed`: it has no others.
pub(crate) fn object(properties: Value, required: &[&str], is_closed: bool) -> Schema {
    let mut schema = Schema::new();
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

/// An object that always has all of these members. A later version may add others.
pub(crate) fn whole(properties: Value) -> Schema {
    let names: Vec<String> =
        properties.as_object().map(|members| members.keys().cloned().collect()).unwrap_or_default();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    object(properties, &names, false)
}

pub(crate) fn text(description: &str) -> Value {
    json!({ "type": "string", "description": description })
}

pub(crate) fn count(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": description })
}

/// A number that a caller sends.
pub(crate) fn unsigned(description: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "maximum": u64::MAX, "description": description })
}

pub(crate) fn id(description: &str) -> Value {
    named(ID, AgentId::LONGEST, description)
}

pub(crate) fn agent_type(description: &str) -> Value {
    named(ID, AgentType::LONGEST, description)
}

pub(crate) fn capability_name(description: &str) -> Value {
    named(CAPABILITY, CapabilityName::LONGEST, description)
}

fn named(pattern: &str, longest: usize, description: &str) -> Value {
    json!({ "type": "string", "pattern": pattern, "minLength": 1, "maxLength": longest, "description": description })
}

pub(crate) fn texts(description: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": description })
}

/// One of these texts, given as an array.
pub(crate) fn one_of(known: &Value) -> Value {
    json!({ "type": "string", "enum": known })
}

/// What views show.
pub(crate) fn status() -> Value {
    one_of(&json!(Status::ALL))
}

fn live_status() -> Value {
    let live: Vec<_> = Status::ALL.into_iter().filter(|status| status.is_live()).collect();
    one_of(&json!(live))
}

fn reason() -> Value {
    one_of(&json!([Reason::Reported, Reason::MissedHeartbeat]))
}

fn endpoint() -> Value {
    json!({ "type": ["string", "null"], "description": "Where other agents reach it; null if it did not say" })
}

fn tags() -> Value {
    json!({
        "type": "array",
        "maxItems": intake::TAGS,
        "items": { "type": "string", "minLength": 1, "maxLength": intake::TAG_BYTES },
    })
}

fn version(default: &str, description: &str) -> Value {
    json!({
        "type": "string", "maxLength": intake::VERSION_BYTES, "default": default, "description": description,
    })
}

/// A heartbeat. Members that are not listed are ignored.
pub(crate) fn heartbeat() -> Schema {
    let capability = object(
        json!({
            "name": capability_name("What it can do"),
            "version": version("0.0.0", "SemVer 2.0"),
            "tags": tags(),
            "description": {
                "type": "string", "maxLength": intake::DESCRIPTION_BYTES,
                "description": "For people and language models",
            },
        }),
        &["name"],
        false,
    );
    let dependency = object(
        json!({
            "capability": capability_name("What it needs"),
            "version": version("*", "A SemVer requirement"),
            "tags": tags(),
        }),
        &["capability"],
        false,
    );
    let mut agent_type = agent_type("Chooses the timeouts");
    agent_type["default"] = json!(AgentType::default());
    let metadata = format!("Opaque; at most {} bytes of JSON", intake::METADATA_BYTES);
    object(
        json!({
            "agent_id": id("Who beats"),
            "agent_type": agent_type,
            "status": {
                "type": "string", "enum": [Reported::Healthy, Reported::Degraded],
                "description": "How the agent finds itself",
            },
            "endpoint": {
                "type": "string", "maxLength": intake::ENDPOINT_BYTES,
                "description": "An absolute URI where other agents reach it; kept and handed out, never dialled",
            },
            "capabilities": {
                "type": "array", "maxItems": intake::CAPABILITIES, "items": capability,
                "description": "What it provides. Makes the heartbeat a full one, also when it is empty. No two have \
                    the same name and version",
            },
            "dependencies": {
                "type": "array", "maxItems": intake::DEPENDENCIES, "items": dependency, "description": "What it needs",
            },
            "labels": {
                "type": "object", "maxProperties": intake::LABELS,
                "propertyNames": { "pattern": ID, "maxLength": LabelKey::LONGEST },
                "additionalProperties": { "type": "string", "maxLength": intake::LABEL_VALUE_BYTES },
            },
            "metadata": { "type": "object", "description": metadata },
            "incarnation": unsigned("One per process start, increasing"),
            "sequence": unsigned("Increasing inside one incarnation"),
            "wiring_revision": unsigned("The last one seen; wiring is left out while it is the current one"),
        }),
        &["agent_id"],
        false,
    )
}

/// The heartbeat's answer.
pub(crate) fn heartbeat_answer() -> Schema {
    let provider = whole(json!({
        "agent_id": text("Who"),
        "endpoint": endpoint(),
        "version": text("Of the capability"),
        "status": live_status(),
    }));
    let wired = whole(json!({
        "capability": text("As the agent needs it"),
        "version": text("As the agent needs it"),
        "tags": texts("As the agent needs it"),
        "total": count("How many provide it"),
        "providers": {
            "type": "array", "items": provider, "maxItems": PROVIDERS, "description": "The best of them",
        },
    }));
    let results = json!([Outcome::Registered, Outcome::Renewed, Outcome::Updated, Outcome::Stale]);
    let mut answer = whole(json!({
        "agent_id": text("Who"),
        "result": one_of(&results),
        "status": status(),
        "epoch": count("How often this id has been registered"),
        "revision": count("Of the whole registry"),
        "heartbeat_interval_ms": count("How often to beat"),
        "degraded_after_ms": count("From this silence on it is degraded"),
        "expires_after_ms": count("From this silence on it is expired"),
        "wiring_revision": count("To be sent with the next heartbeat"),
    }));
    // Left out when the agent has it already, so not required.
    if let Some(properties) = answer.get_mut("properties") {
        properties["wiring"] = json!({
            "type": "array", "items": wired, "description": "One for each dependency, in their order",
        });
    }
    answer
}

/// An agent as views show it.
pub(crate) fn agent() -> Schema {
    let capability = whole(json!({
        "name": text("Its name"),
        "version": text("SemVer 2.0"),
        "tags": texts("Its tags"),
        "description": { "type": ["string", "null"] },
    }));
    let dependency = whole(json!({
        "capability": text("Its name"),
        "version": text("A SemVer requirement"),
        "tags": texts("All must match"),
    }));
    whole(json!({
        "agent_id": text("Who"),
        "agent_type": text("Chooses the timeouts"),
        "status": status(),
        "reason": reason(),
        "epoch": count("How often this id has been registered"),
        "revision": count("When it last changed visibly"),
        "endpoint": endpoint(),
        "capabilities": { "type": "array", "items": capability },
        "dependencies": { "type": "array", "items": dependency },
        "labels": { "type": "object", "additionalProperties": { "type": "string" } },
        "metadata": { "type": "object", "description": "As the agent sent it" },
        "registered_at": text("RFC 3339"),
    }))
}

/// A capability as lists show it.
pub(crate) fn capability() -> Schema {
    let provider = whole(json!({
        "agent_id": text("Who"),
        "endpoint": endpoint(),
        "version": text("In which it provides the capability"),
        "tags": texts("With which it provides it"),
        "status": status(),
    }));
    whole(json!({
        "name": text("Its name"),
        "versions": texts("Those that somebody provides, lowest first"),
        "providers": { "type": "array", "items": provider, "minItems": 1 },
    }))
}

/// A page of a list whose entries are the `member`.
pub(crate) fn list(member: &str, entry: &Value) -> Schema {
    let mut list = whole(json!({
        "store_id": text("Names this history of revisions"),
        "revision": count("Of the whole list"),
        "next_cursor": { "type": ["string", "null"], "description": "Where the list goes on" },
        member: { "type": "array", "items": entry },
    }));
    list.insert("description".into(), "A list, or the first part of one".into());
    list
}

/// What changed in a list.
pub(crate) fn delta(entry: &Value, removed: &str) -> Schema {
    let mut delta = whole(json!({
        "store_id": text("Names this history of revisions"),
        "since": count("As asked for"),
        "revision": count("At which the delta leaves the list"),
        "changed": { "type": "array", "items": entry },
        "removed": texts(removed),
    }));
    delta.insert("description".into(), "What to put into the list of `since`, and what to take out".into());
    delta
}

/// The timeouts of a type.
pub(crate) fn policy() -> Schema {
    let timeouts: Schema =
        TIMEOUTS.into_iter().map(|name| (name.to_owned(), count("In milliseconds"))).collect();
    whole(Value::Object(timeouts))
}

/// An agent's health.
pub(crate) fn health(policy: &Value) -> Schema {
    whole(json!({
        "agent_id": text("Who"),
        "status": status(),
        "reason": reason(),
        "epoch": count("How often this id has been registered"),
        "silence_ms": count("Since the last accepted heartbeat"),
        "degraded_in_ms": count("0 when it is past"),
        "expires_in_ms": count("0 when it is past"),
        "evicted_in_ms": count("0 when it is past"),
        "policy": policy,
    }))
}

/// The kinds of events.
pub(crate) fn kinds() -> Value {
    json!(Kind::ALL.map(Kind::as_str))
}

/// Events, in order.
pub(crate) fn events() -> Schema {
    let nullable = |known: &Value| json!({ "enum": known });
    let mut statuses = vec![Value::Null];
    statuses.extend(Status::ALL.map(|status| json!(status)));
    let mut causes = vec![Value::Null];
    causes.extend(Cause::ALL.map(|cause| json!(cause.as_str())));
    let event = whole(json!({
        "number": count("Grows with every event"),
        "revision": count("The one that it made"),
        "at": text("RFC 3339"),
        "agent_id": text("Whom it is about"),
        "epoch": count("In which epoch"),
        "kind": one_of(&kinds()),
        "from": nullable(&json!(statuses)),
        "to": nullable(&json!(statuses)),
        "reason": nullable(&json!(causes)),
    }));
    whole(json!({
        "events": { "type": "array", "items": event },
        "oldest": { "type": ["integer", "null"], "minimum": 0, "description": "The first that is kept; null if none is" },
    }))
}

/// What a label's key looks like, as part of a longer pattern.
pub(crate) fn label_key() -> &'static str {
    ID.trim_start_matches('^').trim_end_matches('$')
}

/// Policies by type, and the limits.
pub(crate) fn policies(policy: &Value) -> Schema {
    let limits: Schema = crate::http::limits(0)
        .into_keys()
        .map(|name| (name.to_owned(), count("More is refused, or not kept")))
        .collect();
    whole(json!({
        "policies": {
            "type": "object", "required": [AgentType::default()], "additionalProperties": policy,
            "description": "By agent type; a type without one has that of `default`",
        },
        "transition_bound_ms": count("How late events, gauges and waiting calls may be"),
        "limits": whole(Value::Object(limits)),
    }))
}

/// How the registry fares.
pub(crate) fn registry_health() -> Schema {
    let agents = Status::ALL.map(|status| (status.as_str().to_owned(), count("Agents with this status")));
    whole(json!({
        "status": { "enum": ["ok", "store_unavailable"] },
        "version": text("Of the program"),
        "store_id": text("Names this history of revisions"),
        "revision": count("The number of the last visible change"),
        "uptime_ms": count("Since the start"),
        "agents": whole(Value::Object(Schema::from_iter(agents))),
        "passivity": text("What keeps the registry from calling anybody"),
    }))
}

/// An RFC 9457 problem document.
pub(crate) fn problem() -> Schema {
    let fault = whole(json!({
        "pointer": text("Where, as a JSON pointer into the body, or into the query as an object"),
        "detail": text("What is wrong and what is allowed"),
    }));
    let mut problem = whole(json!({
        "type": text("A relative reference whose last segment names the kind"),
        "title": text("The kind in words"),
        "status": count("That of the answer"),
        "detail": text("What happened and what to do"),
    }));
    if let Some(properties) = problem.get_mut("properties") {
        properties["errors"] = json!({ "type": "array", "items": fault, "minItems": 1 });
    }
    problem
}
