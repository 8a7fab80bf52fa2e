//! Heartbeats, polls and calls of tools go past the router: they are nearly all calls, and finding one of five routes
//! takes no router. Measured with `just bench`. Whatever is not plainly one of the five is the router's, and gets the
//! same answer there.

use std::pin::pin;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::State;
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::{Request, Uri};
use registry_core::intake::BODY_BYTES;

use super::access_log::Peer;
use super::problem::Problem;
use super::{Passing, ReaderPlace, agents, capabilities, heartbeat, lanes};
use crate::auth;
use crate::connections::Deadlines;
use crate::mcp::Endpoint;
use crate::shared::Shared;

/// The routes, as metrics and tokens name them.
const BEAT: &str = "/heartbeat";
const PROBE: &str = "/heartbeat/{agent_id}";
const AGENTS: &str = "/agents";
const CAPABILITIES: &str = "/capabilities";
const TOOLS: &str = "/mcp";
pub(crate) const HOT_ROUTES: [&str; 5] = [BEAT, PROBE, AGENTS, CAPABILITIES, TOOLS];

/// Those of them whose answers have tags.
pub(crate) const POLLED_ROUTES: [&str; 2] = [AGENTS, CAPABILITIES];

/// Which of the five a request is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Direct {
    Beat,
    Probe,
    Agents,
    Capabilities,
    Tools,
}

/// What a connection has for all its requests, one after the other.
pub(crate) struct Connection {
    /// Who is at its other end.
    pub(crate) peer: Peer,
    /// Its place among those that read.
    pub(crate) reader: ReaderPlace,
    /// Its timer.
    pub(crate) deadlines: Deadlines,
    /// What answers calls of tools.
    pub(crate) tools: Arc<Endpoint>,
}

impl Direct {
    /// `None` for what the router has to look at.
    pub(crate) fn of(method: &Method, uri: &Uri) -> Option<Self> {
        let path = uri.path();
        if method == Method::GET && path == AGENTS {
            return Some(Self::Agents);
        }
        if method == Method::GET && path == CAPABILITIES {
            return Some(Self::Capabilities);
        }
        if method == Method::POST && path == TOOLS {
            return Some(Self::Tools);
        }
        let rest = path.strip_prefix(BEAT)?;
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
            Self::Agents => AGENTS,
            Self::Capabilities => CAPABILITIES,
            Self::Tools => TOOLS,
        }
    }

    /// The answer, counted and timed as the router's are. Its future is small, since a thousand may wait for the store at
    /// once: nothing that it awaits is moved into it, and what only lists and tools await is in boxes.
    pub(crate) async fn answer(
        self,
        shared: &Arc<Shared>,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> Response {
        let passing = Passing::begin(shared, request.method(), request.uri(), Some(connection.peer));
        let answer = match self.admitted(shared, connection, &request) {
            Ok(caller) => {
                let answer = pin!(self.call(shared, &caller, connection, request));
                match connection.deadlines.within(shared.limits.answer, answer).await {
                    Some(answer) => answer.into_response(),
                    None => Problem::late().into_response(),
                }
            }
            Err(refusal) => *refusal,
        };
        let answer = if matches!(self, Self::Probe) { bodiless(answer) } else { answer };
        passing.end(shared, self.name(), &answer);
        answer
    }

    fn admitted(
        self,
        shared: &Shared,
        connection: &Connection,
        request: &Request<Incoming>,
    ) -> Result<auth::Caller, Box<Response>> {
        if let Self::Agents | Self::Capabilities = self
            && let Some(refusal) = lanes::have_place(shared, self.name(), &connection.reader)
        {
            return Err(Box::new(refusal));
        }
        let caller = auth::caller(shared, request.method(), Some(self.name()), request.headers())?;
        // All five routes are for callers only.
        caller.ok_or_else(|| Box::new(Problem::not_found("there is no such route").into_response()))
    }

    async fn call(
        self,
        shared: &Arc<Shared>,
        caller: &auth::Caller,
        connection: &Connection,
        request: Request<Incoming>,
    ) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        match self {
            Self::Beat => {
                let body = {
                    let reading = pin!(heartbeat::read(body, BODY_BYTES));
                    connection.deadlines.within(shared.limits.body, reading).await
                };
                let body = body.unwrap_or_else(|| Err(Problem::body_timeout()))?;
                heartbeat::beaten(shared, caller, &parts.uri, &parts.headers, &body).await
            }
            Self::Probe => {
                let id = parts.uri.path().get(BEAT.len() + 1..);
                heartbeat::probed(shared, caller, &parts.uri, id).await
            }
            Self::Agents => Box::pin(agents::list(State(Arc::clone(shared)), parts.uri, parts.headers)).await,
            Self::Capabilities => {
                Box::pin(capabilities::list(State(Arc::clone(shared)), parts.uri, parts.headers)).await
            }
            Self::Tools => {
                let mut request = Request::from_parts(parts, body);
                request.extensions_mut().insert(caller.clone());
                Ok(Box::pin(connection.tools.answer(request)).await)
            }
        }
    }
}

/// An answer to HEAD says how long the body would be.
fn bodiless(mut answer: Response) -> Response {
    if let Some(length) = answer.body().size_hint().exact() {
        answer.headers_mut().entry(header::CONTENT_LENGTH).or_insert(HeaderValue::from(length));
    }
    *answer.body_mut() = Body::empty();
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_plainly_a_heartbeat_or_a_poll_goes_past_the_router() {
        let of = |method: Method, uri: &str| Direct::of(&method, &uri.parse().unwrap());
        assert!(matches!(of(Method::POST, "/heartbeat?x=1"), Some(Direct::Beat)));
        assert!(matches!(of(Method::HEAD, "/heartbeat/a:b?wiring_revision=1"), Some(Direct::Probe)));
        assert!(matches!(of(Method::GET, "/agents?limit=1"), Some(Direct::Agents)));
        assert!(matches!(of(Method::GET, "/capabilities"), Some(Direct::Capabilities)));
        for (method, uri) in [
            (Method::GET, "/heartbeat"),
            (Method::POST, "/heartbeat/"),
            (Method::POST, "/heartbeats"),
            (Method::HEAD, "/heartbeat"),
            (Method::HEAD, "/heartbeat/"),
            (Method::HEAD, "/heartbeat/a/b"),
            (Method::HEAD, "/heartbeat/a%2Db"),
            (Method::GET, "/heartbeat/a"),
            (Method::HEAD, "/agents"),
            (Method::GET, "/agents/"),
            (Method::GET, "/agents/a"),
            (Method::GET, "/capabilitiesx"),
        ] {
            assert!(of(method.clone(), uri).is_none(), "{method} {uri}");
        }
    }
}
