//! The one place that turns errors into answers: RFC 9457 problem documents.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use registry_core::changes::Resync;
use registry_core::heartbeat::Refusal;
use registry_core::intake::{BODY_BYTES, Fault};
use registry_core::listing::CursorFault;
use serde::Serialize;

use crate::shared::StoreUnavailable;

/// An error as its caller sees it. `type` is a relative reference whose last segment names the kind.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    detail: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    fn new(kind: &'static str, status: StatusCode, title: &'static str, detail: impl Into<String>) -> Self {
        Self { kind, title, status, detail: detail.into(), errors: Vec::new(), retry_after_seconds: None }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(&self) -> &str {
        &self.detail
    }

    pub(super) fn invalid_heartbeat(errors: Vec<Fault>) -> Self {
        let detail = format!("{}. Nothing changed.", faults_of("the heartbeat", errors.len()));
        let problem =
            Self::new("/problems/invalid-heartbeat", StatusCode::BAD_REQUEST, "Invalid heartbeat", detail);
        Self { errors, ..problem }
    }

    /// The pointers take the query for an object whose members are the parameters.
    pub(crate) fn invalid_query(errors: Vec<Fault>) -> Self {
        let detail = faults_of("the query", errors.len());
        let problem = Self::new("/problems/invalid-query", StatusCode::BAD_REQUEST, "Invalid query", detail);
        Self { errors, ..problem }
    }

    pub(super) fn unreadable_body(detail: String) -> Self {
        Self::new("/problems/unreadable-body", StatusCode::BAD_REQUEST, "The body could not be read", detail)
    }

    pub(super) fn body_timeout() -> Self {
        let detail = "the body did not arrive in time. Nothing changed.";
        Self::new("/problems/body-timeout", StatusCode::REQUEST_TIMEOUT, "The body came too slowly", detail)
    }

    pub(crate) fn too_large() -> Self {
        let detail = format!("a heartbeat has {BODY_BYTES} bytes at most. Nothing changed.");
        Self::new("/problems/too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large", detail)
    }

    pub(super) fn not_json() -> Self {
        let detail = "send it with `content-type: application/json`. Nothing changed.";
        Self::new("/problems/not-json", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body is not JSON", detail)
    }

    pub(super) fn not_found(detail: &str) -> Self {
        Self::new("/problems/not-found", StatusCode::NOT_FOUND, "Not found", detail)
    }

    /// axum adds which methods are allowed.
    pub(super) fn method_not_allowed() -> Self {
        let detail = "the header `allow` says which methods this route has";
        Self::new(
            "/problems/method-not-allowed",
            StatusCode::METHOD_NOT_ALLOWED,
            "Method not allowed",
            detail,
        )
    }

    pub(crate) fn unauthorized(detail: &str) -> Self {
        Self::new("/problems/unauthorized", StatusCode::UNAUTHORIZED, "A token is needed", detail)
    }

    pub(crate) fn forbidden(detail: String) -> Self {
        Self::new("/problems/forbidden", StatusCode::FORBIDDEN, "This token may not do that", detail)
    }

    pub(super) fn too_many_waiters() -> Self {
        let detail = "as many calls as may wait are waiting already: ask again later, or without `wait_ms`";
        let title = "Too many wait";
        let problem = Self::new("/problems/too-many-waiters", StatusCode::TOO_MANY_REQUESTS, title, detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    pub(super) fn overloaded() -> Self {
        let detail = "as many lists as may be made at once are being made, or wait to be read: ask again later. \
            Heartbeats are not concerned.";
        let title = "Too many lists at once";
        let problem = Self::new("/problems/overloaded", StatusCode::TOO_MANY_REQUESTS, title, detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    pub(super) fn no_room() -> Self {
        let detail = "three quarters of all connections ask for lists already; the rest is for heartbeats. This one \
            ends here: ask again later.";
        let title = "Too many connections ask for lists";
        let problem = Self::new("/problems/overloaded", StatusCode::TOO_MANY_REQUESTS, title, detail);
        Self { retry_after_seconds: Some(1), ..problem }
    }

    pub(super) fn late() -> Self {
        let detail = "the answer took too long and was given up. Whether a change took effect is not known: repeat the \
            call.";
        let title = "The answer took too long";
        Self::new("/problems/answer-timeout", StatusCode::INTERNAL_SERVER_ERROR, title, detail)
    }

    pub(crate) fn internal(error: &dyn std::error::Error) -> Self {
        tracing::error!(%error, "an answer could not be made");
        let title = "The answer could not be made";
        Self::new("/problems/internal", StatusCode::INTERNAL_SERVER_ERROR, title, error.to_string())
    }
}

fn faults_of(whole: &str, count: usize) -> String {
    if count == 1 { format!("{whole} has 1 fault") } else { format!("{whole} has {count} faults") }
}

impl From<StoreUnavailable> for Problem {
    fn from(StoreUnavailable: StoreUnavailable) -> Self {
        let detail = "the store does not take changes at present. The change is kept in memory and tried again, so it \
            may still take effect; do not register anew, repeat the call.";
        let problem = Self::new(
            "/problems/store-unavailable",
            StatusCode::SERVICE_UNAVAILABLE,
            "The store is unavailable",
            detail,
        );
        Self { retry_after_seconds: Some(1), ..problem }
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::UnknownAgent => Self::new(
                "/problems/unknown-agent",
                StatusCode::GONE,
                "Unknown agent",
                "this agent holds no lease: send a full heartbeat, of a higher incarnation if it has deregistered. \
                 Nothing changed.",
            ),
            Refusal::LowerIncarnation { held, sent } => Self::new(
                "/problems/lower-incarnation",
                StatusCode::CONFLICT,
                "A later process of this agent is registered",
                format!("incarnation {held} is registered, {sent} came. Nothing changed."),
            ),
            Refusal::Full { max_agents } => Self::new(
                "/problems/registry-full",
                StatusCode::INSUFFICIENT_STORAGE,
                "The registry is full",
                format!("it holds its {max_agents} agents (`max_agents`). Renewals go on. Nothing changed."),
            ),
        }
    }
}

impl From<CursorFault> for Problem {
    fn from(fault: CursorFault) -> Self {
        match fault {
            CursorFault::TooOld => Self::new(
                "/problems/cursor-expired",
                StatusCode::GONE,
                "The cursor is too old",
                "the list that it points into is no longer kept: begin again without a cursor",
            ),
            CursorFault::OtherQuestion => Self::invalid_query(vec![Fault {
                pointer: "/cursor".into(),
                detail: "belongs to a list with other filters; send those, or none".into(),
            }]),
        }
    }
}

impl From<Resync> for Problem {
    fn from(resync: Resync) -> Self {
        let detail = match resync {
            Resync::TooOld => "what changed since that revision is not known any more",
            Resync::FromTheFuture => "there has been no such revision yet",
            Resync::OtherStore => "the revision belongs to another store than this registry's",
        };
        let detail = format!("{detail}: read the whole list again, without `since`");
        Self::new("/problems/resync", StatusCode::GONE, "The delta cannot be told", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        // Strings and numbers only: this cannot fail, and an empty body would still carry the status.
        let body = serde_json::to_string(&self).unwrap_or_default();
        let mut answer = (self.status, body).into_response();
        let headers = answer.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after_seconds {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}
