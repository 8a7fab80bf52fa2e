//! What happened.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use registry_core::agent::Status;
use registry_core::document::AgentId;
use registry_core::events::{Event, EventFilter, Kind};
use registry_core::time::Revision;
use serde::Serialize;

use super::problem::Problem;
use super::query::Parameters;
use super::{json, pages};
use crate::shared::Shared;

pub(super) fn router() -> Router<Arc<Shared>> {
    Router::new().route("/events", get(list))
}

#[derive(Debug, Serialize)]
struct Answer<'a> {
    events: Vec<Shown<'a>>,
    oldest: Option<u64>,
}

#[derive(Debug, Serialize)]
struct Shown<'a> {
    number: u64,
    revision: Revision,
    at: String,
    agent_id: &'a AgentId,
    epoch: u64,
    kind: &'static str,
    from: Option<Status>,
    to: Option<Status>,
    reason: Option<&'static str>,
}

async fn list(State(shared): State<Arc<Shared>>, uri: Uri) -> Result<Response, Problem> {
    let mut parameters = Parameters::of(&uri);
    let limit = pages::limit(&mut parameters).unwrap_or(pages::DEFAULT_LIMIT);
    let after = parameters.parsed("after", |text| {
        text.parse::<u64>().map_err(|_| "allowed is the number of an event, or 0".to_owned())
    });
    let agent_id = parameters.one("agent_id");
    let kind = parameters.parsed("kind", |text| {
        let found = Kind::ALL.into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("allowed are {}", Kind::ALL.map(Kind::as_str).join(", ")))
    });
    parameters.finish()?;
    let filter = EventFilter { after: after.unwrap_or(0), agent_id, kind };
    let _turn = shared.lanes.turn("/events").await?;
    let page = shared.with_all_due(|core, moment| core.events(moment, &filter, limit)).await;
    if let Some(last) = page.events.last() {
        shared.shown(last.revision).await;
    }
    let events = page.events.iter().map(shown).collect();
    Ok(json(&Answer { events, oldest: page.oldest }))
}

fn shown(event: &Event) -> Shown<'_> {
    Shown {
        number: event.number,
        revision: event.revision,
        at: event.at.to_rfc3339_ms(),
        agent_id: &event.agent_id,
        epoch: event.epoch,
        kind: event.kind.as_str(),
        from: event.from,
        to: event.to,
        reason: event.cause.map(|cause| cause.as_str()),
    }
}
