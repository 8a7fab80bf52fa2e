//! Heartbeats go past the router: they are nine of ten calls, and finding one of two routes takes no router. Measured
//! with `just bench --only lean,head`. Whatever is not plainly one of the two is the router's, and gets the same
//! answer there.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::{Request, Uri};

use super::access_log::Peer;
use super::problem::Problem;
use super::{Passing, heartbeat, in_time};
use crate::auth;
use crate::shared::Shared;

/// The routes, as metrics and tokens name them.
const BEAT: &str = "/heartbeat";
const PROBE: &str = "/heartbeat/{agent_id}";
pub(crate) const HOT_ROUTES: [&str; 2] = [BEAT, PROBE];

/// Which of the two a request is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direct {
    Beat,
    Probe,
}

impl Direct {
    /// `None` for what the router has to look at.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let rest = uri.path().strip_prefix(BEAT)?;
        match (method, rest.strip_prefix('/')) {
            (&Method::POST, None) if rest.is_empty() => Some(Self::Beat),
            (&Method::HEAD, Some(id)) if !id.is_empty() && !id.contains(['/', '%']) => Some(Self::Probe),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Beat => BEAT,
            Self::Probe => PROBE,
        }
    }

    /// The answer, counted and timed as the router's are.
    pub(crate) async fn answer(self, shared: &Shared, peer: Peer, request: Request<Incoming>) -> Response {
        let passing = Passing::begin(shared, request.method(), request.uri(), Some(peer));
        let answer = match auth::caller(shared, request.method(), Some(self.name()), request.headers()) {
            Ok(Some(caller)) => {
                let answer = async { self.call(shared, &caller, request).await.into_response() };
                in_time(shared, answer).await
            }
            // Both routes are for callers only.
            Ok(None) => Problem::not_found("there is no such route").into_response(),
            Err(refusal) => *refusal,
        };
        let answer = if matches!(self, Self::Probe) { bodiless(answer) } else { answer };
        passing.end(shared, self.name(), &answer);
        answer
    }

    async fn call(
        self,
        shared: &Shared,
        caller: &auth::Caller,
        request: Request<Incoming>,
    ) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        match self {
            Self::Beat => heartbeat::beaten(shared, caller, &parts.uri, &parts.headers, body).await,
            Self::Probe => {
                let id = parts.uri.path().get(BEAT.len() + 1..);
                heartbeat::probed(shared, caller, &parts.uri, id).await
            }
        }
    }
}

/// An answer to HEAD says how long the body would be.
fn bodiless(answer: Response) -> Response {
    let (mut head, body) = answer.into_parts();
    if let Some(length) = body.size_hint().exact() {
        head.headers.entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    Response::from_parts(head, Body::empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plainly_a_heartbeat_goes_past_the_router() {
        let of = |method: Method, uri: &str| Direct::of(&method, &uri.parse().unwrap());
        assert!(matches!(of(Method::POST, "/heartbeat?x=1"), Some(Direct::Beat)));
        assert!(matches!(of(Method::HEAD, "/heartbeat/a:b?wiring_revision=1"), Some(Direct::Probe)));
        for (method, uri) in [
            (Method::GET, "/heartbeat"),
            (Method::POST, "/heartbeat/"),
            (Method::POST, "/heartbeats"),
            (Method::HEAD, "/heartbeat"),
            (Method::HEAD, "/heartbeat/"),
            (Method::HEAD, "/heartbeat/a/b"),
            (Method::HEAD, "/heartbeat/a%2Db"),
            (Method::GET, "/heartbeat/a"),
        ] {
            assert!(of(method.clone(), uri).is_none(), "{method} {uri}");
        }
    }
}
