//! Register, renew, update; the leanest renewal.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{head, post};
use axum::{Extension, Router};
use http_body_util::BodyExt;
use registry_core::Registry;
use registry_core::document::AgentId;
use registry_core::heartbeat::{Answer, Outcome, Refusal};
use registry_core::intake::{self, BODY_BYTES};
use registry_core::time::Moment;

use super::problem::Problem;
use super::query::{self, Parameters};
use crate::auth::{self, Caller};
use crate::shared::Shared;

/// A body that is too large is still read up to here and thrown away, since a client that is cut off while it sends
/// does not see the answer.
const DRAINED_BYTES: usize = 4 * 1024 * 1024;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/heartbeat", post(beat)).route("/heartbeat/{agent_id}", head(probe))
}

async fn beat(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let body = read_in_time(body, BODY_BYTES, shared.limits.body).await?;
    beaten(&shared, &caller, &uri, &headers, &body).await
}

/// The same, for whoever comes past the router, and has read the body.
pub(super) async fn beaten(
    shared: &Shared,
    caller: &Caller,
    uri: &Uri,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Response, Problem> {
    query::none(uri)?;
    if !is_json(headers) {
        return Err(Problem::not_json());
    }
    accept(shared, caller, body).await.map(|answer| super::json(&answer))
}

/// Takes the JSON of a heartbeat and answers when the store has what the answer rests upon.
pub(crate) async fn accept(shared: &Shared, caller: &Caller, body: &[u8]) -> Result<Answer, Problem> {
    let heartbeat = intake::heartbeat(body).map_err(|faults| {
        count(shared, "invalid");
        Problem::invalid_heartbeat(faults)
    })?;
    caller.may_act_for(&heartbeat.agent_id).map_err(|refused| auth::denied(shared, &refused))?;
    let (agent_id, full) = (heartbeat.agent_id.clone(), heartbeat.full());
    let needs_all = |core: &Registry, moment: Moment| core.rests_on_others(moment, &agent_id, full);
    let decision = shared.with_due(needs_all, |core, moment| core.heartbeat(moment, heartbeat)).await;
    shared.settled(&decision).await.inspect_err(|_| count(shared, "store_unavailable"))?;
    match decision.outcome {
        Ok(answer) => {
            count(shared, answer.result.as_str());
            Ok(answer)
        }
        Err(refusal) => {
            count(shared, refusal_name(refusal));
            Err(refusal.into())
        }
    }
}

async fn probe(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    agent_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let agent_id = agent_id.ok().map(|Path(text)| text);
    probed(&shared, &caller, &uri, agent_id.as_deref()).await
}

/// The same, for whoever comes past the router.
pub(super) async fn probed(
    shared: &Shared,
    caller: &Caller,
    uri: &Uri,
    agent_id: Option<&str>,
) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(uri);
    let known_wiring = parameters.parsed("wiring_revision", |text| {
        text.parse::<u64>().map_err(|_| "allowed is an unsigned integer".to_owned())
    });
    parameters.finish()?;
    // What cannot be an id is not known.
    let agent_id = agent_id.and_then(|text| AgentId::parse(text).ok());
    let agent_id = agent_id.ok_or(Refusal::UnknownAgent)?;
    caller.may_act_for(&agent_id).map_err(|refused| auth::denied(shared, &refused))?;
    let needs_all = |core: &Registry, moment: Moment| core.rests_on_others(moment, &agent_id, None);
    let probe = |core: &mut Registry, moment: Moment| core.probe(moment, &agent_id, known_wiring);
    let decision = shared.with_due(needs_all, probe).await;
    shared.settled(&decision).await.inspect_err(|_| count(shared, "store_unavailable"))?;
    let wiring_changed = decision.outcome.inspect_err(|refusal| count(shared, refusal_name(*refusal)))?;
    count(shared, Outcome::Renewed.as_str());
    Ok(if wiring_changed { StatusCode::ACCEPTED } else { StatusCode::OK }.into_response())
}

/// Reads a body, in bounded memory and time.
pub(crate) async fn read_in_time<B>(body: B, most_bytes: usize, limit: Duration) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    let read = tokio::time::timeout(limit, read(body, most_bytes)).await;
    read.unwrap_or_else(|_| Err(Problem::body_timeout()))
}

/// Reads a body, in bounded memory.
pub(super) async fn read<B>(mut body: B, most_bytes: usize) -> Result<Bytes, Problem>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Display,
{
    // Nearly every body comes in one piece, which is then not copied.
    let mut first = Bytes::new();
    let mut kept = Vec::new();
    let mut seen_bytes = 0_usize;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Problem::unreadable_body(error.to_string()))?;
        let Ok(data) = frame.into_data() else { continue };
        seen_bytes = seen_bytes.saturating_add(data.len());
        if seen_bytes > DRAINED_BYTES {
            break;
        }
        if seen_bytes > most_bytes {
            continue;
        }
        if seen_bytes == data.len() {
            first = data;
            continue;
        }
        if kept.is_empty() {
            kept.extend_from_slice(&first);
        }
        kept.extend_from_slice(&data);
    }
    match seen_bytes {
        seen if seen > most_bytes => Err(Problem::too_large()),
        seen if seen == first.len() => Ok(first),
        _ => Ok(kept.into()),
    }
}

pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default();
    essence.trim().eq_ignore_ascii_case("application/json")
}

fn count(shared: &Shared, result: &str) {
    shared.metrics.beaten(result);
}

fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::UnknownAgent => "unknown_agent",
        Refusal::LowerIncarnation { .. } => "lower_incarnation",
        Refusal::Full { .. } => "registry_full",
    }
}
