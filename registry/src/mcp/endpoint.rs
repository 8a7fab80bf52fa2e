//! One POST: what comes in, and that only JSON goes out.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::http::{HeaderValue, Request, StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry_core::intake::BODY_BYTES;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde_json::{Value, json};

use super::handler::Handler;
use crate::http::heartbeat;
use crate::shared::Shared;

/// What JSON-RPC and the `_meta` of a request need around the arguments of a tool.
const ENVELOPE_BYTES: usize = 16 * 1024;
/// The most that is read of a text of rmcp's own that refuses a request.
const REFUSAL_BYTES: usize = 4 * 1024;
/// Names that cannot be rebound to this machine by somebody else.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// JSON-RPC 2.0, section 5.1.
const PARSE_ERROR: i32 = -32_700;
const INVALID_REQUEST: i32 = -32_600;
const INTERNAL_ERROR: i32 = -32_603;

/// What answers `/mcp`.
pub(crate) struct Endpoint {
    service: StreamableHttpService<Handler, NeverSessionManager>,
    body_limit: Duration,
}

impl Endpoint {
    /// `allowed_hosts` are the names that it answers to besides the loopback ones.
    pub(crate) fn new(shared: &Arc<Shared>, allowed_hosts: &[String]) -> Arc<Self> {
        let config = StreamableHttpServerConfig::default()
            // rmcp's defaults hand out sessions and open event streams.
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_max_request_body_bytes(BODY_BYTES + ENVELOPE_BYTES)
            .with_allowed_hosts(LOOPBACK.into_iter().chain(allowed_hosts.iter().map(String::as_str)))
            .with_allowed_origins(origins(allowed_hosts))
            .enforce_origin_validation();
        let body_limit = shared.limits.body;
        let handler = Handler::new(Arc::clone(shared));
        let factory = move || Ok(handler.clone());
        let sessions = Arc::new(NeverSessionManager::default());
        Arc::new(Self { service: StreamableHttpService::new(factory, sessions, config), body_limit })
    }

    /// Every answer with a body is one JSON object, whatever the client declares or asks.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response
    where
        B: HttpBody<Data = Bytes> + Unpin,
        B::Error: Display,
    {
        let (parts, body) = request.into_parts();
        let body = match heartbeat::read_in_time(body, BODY_BYTES + ENVELOPE_BYTES, self.body_limit).await {
            Ok(body) => body,
            Err(problem) => return refusal(problem.status(), INVALID_REQUEST, problem.detail(), None),
        };
        let says_json = heartbeat::is_json(&parts.headers);
        let answer = self.service.handle(Request::from_parts(parts, Body::from(body.clone()))).await;
        let status = answer.status();
        if status == StatusCode::ACCEPTED || has_type(&answer, "application/json") {
            return answer.map(Body::new);
        }
        if status.is_success() {
            // rmcp falls back to an event stream when a handler speaks before it answers, which none of ours does.
            let detail = "the answer would not have been one JSON object";
            return refusal(StatusCode::INTERNAL_SERVER_ERROR, INTERNAL_ERROR, detail, None);
        }
        let text =
            axum::body::to_bytes(Body::new(answer.into_body()), REFUSAL_BYTES).await.unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let message = if text.is_empty() { status.canonical_reason().unwrap_or("refused") } else { &text };
        if status != StatusCode::UNSUPPORTED_MEDIA_TYPE || !says_json {
            return refusal(status, INVALID_REQUEST, message, None);
        }
        // rmcp says 415 of every body that it cannot read; the specification has words for why.
        match serde_json::from_slice::<Value>(&body) {
            Err(error) => {
                refusal(StatusCode::BAD_REQUEST, PARSE_ERROR, &format!("Parse error: {error}"), None)
            }
            Ok(value) => {
                let detail = "Invalid Request: one JSON-RPC 2.0 request or notification is allowed, with an id that \
                    is a string or an integer";
                refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, detail, value.get("id"))
            }
        }
    }
}

/// The web pages that may call: those of the names that may be called.
fn origins(allowed_hosts: &[String]) -> Vec<String> {
    let names =
        ["localhost", "127.0.0.1", "[::1]"].into_iter().chain(allowed_hosts.iter().map(String::as_str));
    let origins = names.flat_map(|name| {
        let host = name.parse::<axum::http::uri::Authority>();
        let host = host.as_ref().map_or(name, axum::http::uri::Authority::host);
        ["http", "https"].map(|scheme| format!("{scheme}://{host}:*"))
    });
    origins.collect()
}

fn has_type(answer: &axum::http::Response<impl Sized>, wanted: &str) -> bool {
    let content_type = answer.headers().get(header::CONTENT_TYPE);
    content_type.is_some_and(|value| value.as_bytes().starts_with(wanted.as_bytes()))
}

/// A JSON-RPC error. As the specification has it, the id is left out where it cannot be read.
fn refusal(status: StatusCode, code: i32, message: &str, id: Option<&Value>) -> Response {
    let mut document = json!({ "jsonrpc": "2.0", "error": { "code": code, "message": message } });
    if let (Some(id), Some(members)) =
        (id.filter(|id| id.is_string() || id.is_i64()), document.as_object_mut())
    {
        members.insert("id".to_owned(), id.clone());
    }
    let mut answer = (status, document.to_string()).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}
