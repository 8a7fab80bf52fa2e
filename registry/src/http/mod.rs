//! Routes, one file per resource.
//!
//! - `heartbeat`: register, renew, update; the leanest renewal
//! - `agents`: list, read one, its health, deregister
//! - `capabilities`: who provides what
//! - `events`: what happened
//! - `status`: policies, health, liveness, metrics
//! - `direct`: heartbeats and polls, past the router
//! - `polls`: what is asked again and again
//! - `files`: the page for people, the OpenAPI document
//! - `query`: query parameters, with all that is wrong with them
//! - `filters`: those that several lists have
//! - `pages`: what lists have in common
//! - `lanes`: what keeps lists from taking what heartbeats need
//! - `fuzz_tests`: any bytes are answered
//! - `waiting`: long-polls
//! - `encoding`: gzip and zstd
//! - `conditional`: entity tags
//! - `access_log`: a line for each request
//! - `problem`: the one place that turns errors into answers

mod access_log;
pub(crate) mod agents;
mod capabilities;
mod conditional;
mod direct;
pub(crate) mod encoding;
mod events;
mod files;
mod filters;
#[cfg(test)]
mod fuzz_tests;
pub(crate) mod heartbeat;
mod lanes;
mod pages;
mod polls;
mod problem;
mod query;
mod status;
mod waiting;

use std::sync::Arc;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

use crate::clock::Stopwatch;
use crate::mcp::Endpoint;
use crate::shared::Shared;
pub(crate) use access_log::Peer;
pub(crate) use agents::LABEL_TESTS;
pub(crate) use direct::{Connection, Direct, HOT_ROUTES, POLLED_ROUTES};
pub(crate) use lanes::{Lanes, ReaderPlace, SHED};
pub(crate) use pages::{DEFAULT_LIMIT, LARGEST_LIMIT};
pub(crate) use polls::Polls;
pub(crate) use problem::Problem;
pub(crate) use status::limits;
pub(crate) use waiting::LONGEST_WAIT_MS;

/// An answer to a heartbeat has no more, unless it tells of providers.
const USUAL_BYTES: usize = 384;

/// Every route; `tools` answers `/mcp`.
pub(crate) fn router(shared: Arc<Shared>, tools: Arc<Endpoint>) -> Router {
    Router::new()
        .merge(heartbeat::router())
        .merge(agents::router())
        .merge(capabilities::router())
        .merge(events::router())
        .merge(status::router())
        .merge(files::router())
        .merge(crate::mcp::router(tools))
        .fallback(|| async { Problem::not_found("there is no such route") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), pass))
        .with_state(shared)
}

/// What every request passes: it is measured, has to have room and a token, and is answered in time. One layer, since
/// each costs a boxed service and a boxed future a call: four of them took a tenth of a heartbeat.
async fn pass(State(shared): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    // The route as it is written, not as it is called: the labels of a metric must be few.
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>().copied();
    let passing = Passing::begin(&shared, request.method(), request.uri(), peer);
    let refused = lanes::keep_room(&shared, &request).or_else(|| crate::auth::check(&shared, &mut request));
    let answer = match refused {
        Some(refusal) => refusal,
        None => in_time(&shared, next.run(request)).await,
    };
    passing.end(&shared, route.as_ref().map_or("none", MatchedPath::as_str), &answer);
    answer
}

/// A request that is being answered: what is counted and logged of it at its end.
struct Passing {
    stopwatch: Stopwatch,
    access: Option<access_log::Access>,
}

impl Passing {
    fn begin(shared: &Shared, method: &Method, uri: &Uri, peer: Option<Peer>) -> Self {
        let access = shared.access_log.then(|| access_log::Access::of(method, uri, peer));
        Self { stopwatch: Stopwatch::start(), access }
    }

    fn end(self, shared: &Shared, route: &str, answer: &Response) {
        let seconds = self.stopwatch.seconds();
        shared.metrics.answered(route, answer.status(), seconds);
        if let Some(access) = self.access {
            access.log(answer.status(), seconds);
        }
    }
}

/// Each thing that an answer waits for has a time limit of its own; this one is for what was not thought of.
async fn in_time(shared: &Shared, answer: impl Future<Output = Response>) -> Response {
    let answer = tokio::time::timeout(shared.limits.answer, answer).await;
    answer.unwrap_or_else(|_| Problem::late().into_response())
}

/// An answer 200 of JSON that is already text.
fn json_text(text: impl Into<axum::body::Body>) -> Response {
    let mut answer = text.into().into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer 200 of something that becomes JSON.
fn json(value: &impl serde::Serialize) -> Response {
    let mut text = Vec::with_capacity(USUAL_BYTES);
    match serde_json::to_writer(&mut text, value) {
        Ok(()) => json_text(text),
        Err(error) => Problem::internal(&error).into_response(),
    }
}
