//! The MCP endpoint: streamable HTTP, stateless, by the profile `pull-only/1`. Every POST is answered with JSON at
//! once; nothing is ever sent that no request asked for.
//!
//! - `endpoint`: one POST: what comes in, and that only JSON goes out
//! - `handler`: what rmcp asks of a server; everything but tools is refused
//! - `tools`: the six tools: what they are called, say of themselves, and do
//! - `arguments`: the arguments of a tool as the query of the route that answers it
//! - `schemas`: what only the tools take and answer
//! - `figures`: counts, rates and latencies

mod arguments;
mod endpoint;
mod figures;
mod handler;
mod schemas;
mod tools;

use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::routing::post;

use crate::shared::Shared;
pub(crate) use endpoint::Endpoint;

/// The one route. Whatever is no POST gets 405 with `Allow: POST` from the router.
pub(crate) fn router(endpoint: Arc<Endpoint>) -> Router<Arc<Shared>> {
    Router::new().route("/mcp", post(async move |request: Request| endpoint.answer(request).await))
}
