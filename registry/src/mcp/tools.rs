//! The six tools: what they are called, say of themselves, and do. Each asks what the route of the same purpose asks.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, Uri};
use axum::response::{IntoResponse, Response};
use registry_core::intake::{BODY_BYTES, Fault};
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::Serialize;
use serde_json::{Value, json};

use super::arguments::{Query, Renamed, required_text};
use super::{figures, schemas};
use crate::auth::{self, Caller, Scope};
use crate::http::{Problem, agents, heartbeat};
use crate::shared::Shared;

/// The answer, or the problem document that HTTP would give, each as JSON.
pub(super) type Outcome = Result<Value, Value>;

const AGENT_FILTERS: [Renamed; 9] = [
    ("capability", "capability"),
    ("version", "version"),
    ("tag", "tag"),
    ("type", "type"),
    ("status", "status"),
    ("label", "label"),
    ("q", "q"),
    ("limit", "limit"),
    ("cursor", "cursor"),
];
const PROVIDER_FILTERS: [Renamed; 5] = [
    ("capability", "capability"),
    ("version", "version"),
    ("tags", "tag"),
    ("limit", "limit"),
    ("cursor", "cursor"),
];

const NAMES: [&str; 6] = [
    "agent_heartbeat",
    "list_available_agents",
    "get_capability_providers",
    "get_agent_health_status",
    "get_registry_metrics",
    "export_prometheus_metrics",
];

/// What clients are told of the tools, always in the same order.
pub(super) fn described() -> Vec<Tool> {
    vec![
        tool(
            "agent_heartbeat",
            "Register, renew or update an agent",
            "With `capabilities` (an empty array counts) it declares the whole agent: it registers it, or replaces \
             what it had declared. Without, it renews the lease and may change `status` only. The answer says how \
             often to beat, and who provides each dependency. The registry keeps `endpoint` and hands it out; it \
             never calls it.",
            (crate::schemas::heartbeat(), crate::schemas::heartbeat_answer()),
        )
        // A full heartbeat replaces the agent's former document. The same again only begins the lease anew.
        .annotate(hints(false).destructive(true)),
        tool(
            "list_available_agents",
            "List agents",
            "The agents for which all filters hold, healthy and degraded ones unless `status` says otherwise.",
            (schemas::agent_filters(), schemas::agent_list()),
        )
        .annotate(hints(true)),
        tool(
            "get_capability_providers",
            "Find who provides a capability",
            "The healthy and degraded agents that provide a capability, if wanted by version requirement and tags.",
            (schemas::provider_filters(), schemas::agent_list()),
        )
        .annotate(hints(true)),
        tool(
            "get_agent_health_status",
            "Read an agent's health",
            "The status of one agent, how long it has been silent, and how long until it is degraded, expired and \
             evicted.",
            (schemas::agent_id(), schemas::health()),
        )
        .annotate(hints(true)),
        tool(
            "get_registry_metrics",
            "Read the registry's figures",
            "Counts, mean rates since the start, and latencies.",
            (schemas::nothing(), schemas::figures()),
        )
        .annotate(hints(true)),
        tool(
            "export_prometheus_metrics",
            "Export the metrics for Prometheus",
            "All metrics in the Prometheus text exposition format, as GET /metrics gives them.",
            (schemas::nothing(), schemas::exposition()),
        )
        .annotate(hints(true)),
    ]
}

fn tool(
    name: &'static str,
    title: &'static str,
    description: &'static str,
    (input, output): (JsonObject, JsonObject),
) -> Tool {
    Tool::new(name, description, input).with_title(title).with_raw_output_schema(Arc::new(output))
}

/// No tool reaches beyond the registry, and none does more when it is called twice.
fn hints(is_read_only: bool) -> ToolAnnotations {
    ToolAnnotations::new().read_only(is_read_only).destructive(false).idempotent(true).open_world(false)
}

/// Calls a tool; `None` when there is none of this name.
pub(super) async fn call(
    shared: &Arc<Shared>,
    caller: &Caller,
    name: &str,
    arguments: JsonObject,
) -> Option<Outcome> {
    // Over HTTP the routes have their scope checked before they are asked.
    let needed = if name == "agent_heartbeat" { Scope::Agent } else { Scope::Read };
    if NAMES.contains(&name)
        && let Err(refused) = caller.may(needed)
    {
        return Some(Err(json(&auth::denied(shared, &refused))));
    }
    Some(match name {
        "agent_heartbeat" => beat(shared, caller, arguments).await,
        "list_available_agents" => list(shared, Query::of(arguments, &AGENT_FILTERS)).await,
        "get_capability_providers" => providers(shared, arguments).await,
        "get_agent_health_status" => health(shared, arguments).await,
        "get_registry_metrics" => {
            shared.with_all_due(|_, _| ()).await;
            without_arguments(arguments, || Ok(figures::of(shared)))
        }
        "export_prometheus_metrics" => {
            shared.with_all_due(|_, _| ()).await;
            without_arguments(arguments, || exposition(shared))
        }
        _ => return None,
    })
}

async fn beat(shared: &Shared, caller: &Caller, arguments: JsonObject) -> Outcome {
    let body = Value::Object(arguments).to_string();
    if body.len() > BODY_BYTES {
        return Err(json(&Problem::too_large()));
    }
    match heartbeat::accept(shared, caller, body.as_bytes()).await {
        Ok(answer) => Ok(json(&answer)),
        Err(problem) => Err(json(&problem)),
    }
}

/// What `GET /agents` answers to this query.
async fn list(shared: &Arc<Shared>, query: Query) -> Outcome {
    let (uri, faults) = query.finish("/agents");
    let answer = agents::list(State(Arc::clone(shared)), uri, HeaderMap::new()).await;
    let outcome = document(answer.into_response()).await;
    if faults.is_empty() { outcome } else { Err(with_faults(faults, outcome)) }
}

async fn providers(shared: &Arc<Shared>, arguments: JsonObject) -> Outcome {
    let is_named = arguments.contains_key("capability");
    let mut query = Query::of(arguments, &PROVIDER_FILTERS);
    if !is_named {
        query.fault("capability", "is missing");
    }
    list(shared, query).await.map_err(|mut problem| {
        for error in problem["errors"].as_array_mut().into_iter().flatten() {
            if error["pointer"] == "/tag" {
                error["pointer"] = "/tags".into();
            }
        }
        problem
    })
}

async fn health(shared: &Arc<Shared>, mut arguments: JsonObject) -> Outcome {
    let agent_id = required_text(&mut arguments, "agent_id");
    let mut faults = Query::of(arguments, &[]).faults;
    match agent_id {
        Ok(agent_id) if faults.is_empty() => {
            let path = Ok(Path(agent_id));
            let answer = agents::health(State(Arc::clone(shared)), Uri::default(), path).await;
            document(answer.into_response()).await
        }
        agent_id => {
            faults.extend(agent_id.err());
            Err(json(&Problem::invalid_query(faults)))
        }
    }
}

fn without_arguments(arguments: JsonObject, answer: impl FnOnce() -> Outcome) -> Outcome {
    let faults = Query::of(arguments, &[]).faults;
    if faults.is_empty() { answer() } else { Err(json(&Problem::invalid_query(faults))) }
}

fn exposition(shared: &Shared) -> Outcome {
    match shared.metrics.render(shared) {
        Ok(text) => Ok(json!({
            "content_type": prometheus::TEXT_FORMAT,
            "text": String::from_utf8_lossy(&text),
        })),
        Err(error) => Err(json(&Problem::internal(&error))),
    }
}

/// The body of an answer that a route made.
async fn document(answer: Response) -> Outcome {
    let is_success = answer.status().is_success();
    // The routes bound what they answer, and it is in memory already.
    let read =
        axum::body::to_bytes(answer.into_body(), usize::MAX).await.map_err(|error| internal(&error))?;
    let document = serde_json::from_slice(&read).map_err(|error| internal(&error))?;
    if is_success { Ok(document) } else { Err(document) }
}

/// All that is wrong with the arguments: what a query cannot express, and what the route found.
fn with_faults(faults: Vec<Fault>, outcome: Outcome) -> Value {
    let mut problem = json(&Problem::invalid_query(faults));
    let others = outcome.err().map(|mut other| other["errors"].take());
    if let (Some(Value::Array(others)), Some(errors)) = (others, problem["errors"].as_array_mut()) {
        errors.extend(others);
        let count = errors.len();
        problem["detail"] = format!("the query has {count} faults").into();
    }
    problem
}

fn internal(error: &dyn std::error::Error) -> Value {
    json(&Problem::internal(error))
}

fn json(value: &impl Serialize) -> Value {
    // Plain data with text keys: this cannot fail.
    serde_json::to_value(value).unwrap_or_default()
}
