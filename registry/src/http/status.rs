//! Policies, health, liveness, metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use registry_core::document::AgentType;
use registry_core::policy::Policy;
use registry_core::time::Revision;
use registry_core::{changes, events, intake, search};
use serde::Serialize;
use serde_json::json;

use super::problem::Problem;
use super::{pages, query, waiting};
use crate::connections;
use crate::shared::Shared;
use crate::timers::TRANSITION_BOUND_MS;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/policies", get(policies))
        .route("/health", get(health))
        .route("/livez", get(alive))
        .route("/readyz", get(alive))
        .route("/metrics", get(metrics))
}

/// Members as the contract orders them, which a map would not keep.
#[derive(Debug, Serialize)]
struct PoliciesAnswer<'a> {
    policies: &'a BTreeMap<AgentType, Policy>,
    transition_bound_ms: u64,
    limits: Limits,
}

type Limits = BTreeMap<&'static str, usize>;

async fn policies(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let setup = shared.with_core(|core, _| core.setup().clone());
    Ok(super::json(&PoliciesAnswer {
        policies: setup.policies.all(),
        transition_bound_ms: TRANSITION_BOUND_MS,
        limits: limits(setup.max_agents),
    }))
}

/// What is refused beyond, or not kept.
pub(crate) fn limits(max_agents: usize) -> Limits {
    BTreeMap::from([
        ("max_agents", max_agents),
        ("header_bytes", connections::HEADER_BYTES),
        ("headers", connections::HEADERS),
        ("body_bytes", intake::BODY_BYTES),
        ("endpoint_bytes", intake::ENDPOINT_BYTES),
        ("capabilities", intake::CAPABILITIES),
        ("dependencies", intake::DEPENDENCIES),
        ("tags", intake::TAGS),
        ("tag_bytes", intake::TAG_BYTES),
        ("description_bytes", intake::DESCRIPTION_BYTES),
        ("labels", intake::LABELS),
        ("label_value_bytes", intake::LABEL_VALUE_BYTES),
        ("metadata_bytes", intake::METADATA_BYTES),
        ("version_bytes", intake::VERSION_BYTES),
        ("page_entries", pages::LARGEST_LIMIT),
        ("wait_ms", usize::try_from(waiting::LONGEST_WAIT_MS).unwrap_or(usize::MAX)),
        ("query_bytes", search::QUERY_BYTES),
        ("query_words", search::QUERY_WORDS),
        ("events", events::KEPT),
        ("changes", changes::MOST_CHANGES),
        ("wiring_providers", registry_core::wiring::PROVIDERS),
    ])
}

/// Members as the contract orders them.
#[derive(Debug, Serialize)]
struct HealthAnswer<'a> {
    status: &'static str,
    version: &'static str,
    store_id: &'a str,
    revision: Revision,
    uptime_ms: u64,
    agents: AgentCounts,
    passivity: String,
}

#[derive(Debug, Serialize)]
struct AgentCounts {
    healthy: usize,
    degraded: usize,
    expired: usize,
}

async fn health(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let counts = shared.with_all_due(|core, moment| core.counts(moment)).await;
    let is_failing = shared.progress.now().is_failing;
    Ok(super::json(&HealthAnswer {
        status: if is_failing { "store_unavailable" } else { "ok" },
        version: env!("CARGO_PKG_VERSION"),
        store_id: &shared.store_id,
        revision: counts.revision,
        uptime_ms: u64::try_from(shared.uptime().as_millis()).unwrap_or(u64::MAX),
        agents: AgentCounts { healthy: counts.healthy, degraded: counts.degraded, expired: counts.expired },
        passivity: shared.seal.describe(),
    }))
}

/// Listening begins when everything is loaded, and a failing store stops no renewal: whoever gets an answer here is
/// alive and ready.
async fn alive(uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    Ok(super::json(&json!({ "status": "ok" })))
}

async fn metrics(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    shared.with_all_due(|_, _| ()).await;
    let text = shared.metrics.render(&shared).map_err(|error| Problem::internal(&error))?;
    let mut answer = text.into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT));
    Ok(answer)
}
