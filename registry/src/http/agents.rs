//! List, read one, its health, deregister.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use registry_core::Registry;
use registry_core::document::AgentId;
use registry_core::listing::{AgentFilter, LabelTest, View};
use registry_core::time::Moment;

use super::problem::Problem;
use super::query::{self, Parameters};
use super::{conditional, filters, json, json_text, pages};
use crate::auth::{self, Caller};
use crate::shared::Shared;

/// The most label tests of one list.
pub(crate) const LABEL_TESTS: usize = 64;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/agents", get(list))
        .route("/agents/{agent_id}", get(read).delete(deregister))
        .route("/agents/{agent_id}/health", get(health))
}

pub(crate) async fn list(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    pages::list(&shared, &uri, &headers, "agents", |parameters| View::Agents(filter(parameters))).await
}

fn filter(parameters: &mut Parameters) -> AgentFilter {
    let filter = AgentFilter {
        agent_type: parameters.one("type"),
        statuses: filters::statuses(parameters),
        capability: parameters.one("capability"),
        version: filters::version(parameters),
        tags: filters::tags(parameters),
        labels: labels(parameters),
        query: filters::query(parameters),
    };
    if filter.version.is_some() && filter.capability.is_none() {
        parameters.fault("version", "goes with `capability` only: it is that capability's version");
    }
    filter
}

fn labels(parameters: &mut Parameters) -> BTreeSet<LabelTest> {
    let texts = parameters.all("label");
    if texts.len() > LABEL_TESTS {
        parameters
            .fault("label", format!("is given {} times, at most {LABEL_TESTS} are allowed", texts.len()));
    }
    let mut labels = BTreeSet::new();
    for text in texts.into_iter().take(LABEL_TESTS) {
        match LabelTest::parse(&text) {
            Some(test) => {
                labels.insert(test);
            }
            None => parameters.fault("label", format!("is {text:?}; allowed are k=v, k!=v, k and !k")),
        }
    }
    labels
}

async fn read(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    headers: HeaderMap,
    agent_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let agent_id = id(agent_id)?;
    let found = look(&shared, &agent_id, |core, moment| core.read(moment, &agent_id)).await;
    let (entry, tag) = found.ok_or_else(not_there)?;
    if conditional::is_known(&headers, &tag) {
        return Ok(conditional::not_modified(&tag));
    }
    Ok(conditional::tagged(json_text(entry.to_string()), &tag))
}

pub(crate) async fn health(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    agent_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let agent_id = id(agent_id)?;
    let found = look(&shared, &agent_id, |core, moment| core.health(moment, &agent_id)).await;
    found.map(|health| json(&health)).ok_or_else(not_there)
}

async fn deregister(
    State(shared): State<Arc<Shared>>,
    Extension(caller): Extension<Caller>,
    uri: Uri,
    agent_id: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    query::none(&uri)?;
    let agent_id = id(agent_id)?;
    caller.may_act_for(&agent_id).map_err(|refused| auth::denied(&shared, &refused))?;
    let decision = shared.with_core(|core, moment| core.deregister(moment, &agent_id));
    shared.settled(&decision).await?;
    if decision.outcome { Ok(StatusCode::NO_CONTENT.into_response()) } else { Err(not_there()) }
}

/// What there is of an agent, or that there is nothing, when the store has its last change.
async fn look<T>(
    shared: &Shared,
    agent_id: &AgentId,
    call: impl FnOnce(&mut Registry, Moment) -> Option<T>,
) -> Option<T> {
    let (found, changed) = shared.with_core(|core, moment| (call(core, moment), core.changed(agent_id)));
    if let Some(changed) = changed {
        shared.shown(changed).await;
    }
    found
}

/// What cannot be an id is not there.
fn id(text: Result<Path<String>, PathRejection>) -> Result<AgentId, Problem> {
    text.ok().and_then(|Path(text)| AgentId::parse(&text).ok()).ok_or_else(not_there)
}

fn not_there() -> Problem {
    Problem::not_found("there is no such agent: it was never registered, or it is gone")
}
