//! Policies, health, liveness, metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use registry_core::{changes, events, intake, search};
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

async fn policies(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let setup = shared.with_core(|core, _| core.setup().clone());
    Ok(super::json(&json!({
        "policies": setup.policies.all(),
        "transition_bound_ms": TRANSITION_BOUND_MS,
        "limits": {
            "max_agents": setup.max_agents,
            "header_bytes": connections::HEADER_BYTES,
            "headers": connections::HEADERS,
            "body_bytes": intake::BODY_BYTES,
            "endpoint_bytes": intake::ENDPOINT_BYTES,
            "capabilities": intake::CAPABILITIES,
            "dependencies": intake::DEPENDENCIES,
            "tags": intake::TAGS,
            "tag_bytes": intake::TAG_BYTES,
            "description_bytes": intake::DESCRIPTION_BYTES,
            "labels": intake::LABELS,
            "label_value_bytes": intake::LABEL_VALUE_BYTES,
            "metadata_bytes": intake::METADATA_BYTES,
            "version_bytes": intake::VERSION_BYTES,
            "page_entries": pages::LARGEST_LIMIT,
            "wait_ms": waiting::LONGEST_WAIT_MS,
            "query_bytes": search::QUERY_BYTES,
            "query_words": search::QUERY_WORDS,
            "events": events::KEPT,
            "changes": changes::MOST_CHANGES,
            "wiring_providers": registry_core::wiring::PROVIDERS,
        },
    })))
}

async fn health(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let (store_id, counts) =
        shared.with_core(|core, moment| (Arc::clone(&core.setup().store_id), core.counts(moment)));
    let is_failing = shared.progress.borrow().is_failing;
    Ok(super::json(&json!({
        "status": if is_failing { "store_unavailable" } else { "ok" },
        "version": env!("CARGO_PKG_VERSION"),
        "store_id": store_id,
        "revision": counts.revision,
        "uptime_ms": u64::try_from(shared.uptime().as_millis()).unwrap_or(u64::MAX),
        "agents": { "healthy": counts.healthy, "degraded": counts.degraded, "expired": counts.expired },
        "passivity": shared.seal.describe(),
    })))
}

/// Listening begins when everything is loaded, and a failing store stops no renewal: whoever gets an answer here is
/// alive and ready.
async fn alive(uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    Ok(super::json(&json!({ "status": "ok" })))
}

async fn metrics(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    query::none(&uri)?;
    let text = shared.metrics.render(&shared).map_err(|error| Problem::internal(&error))?;
    let mut answer = text.into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(prometheus::TEXT_FORMAT));
    Ok(answer)
}
