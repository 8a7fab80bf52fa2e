//! The layer in front of every route: no token, no answer; and what a route needs, before anything is read of a body.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};

use super::caller::{Caller, Denied};
use super::tokens::{Scope, Token, Tokens};
use crate::http::Problem;
use crate::shared::Shared;

/// Why a request was denied, as the metric has it.
pub(crate) const DENIED_REASONS: [&str; 4] = ["no_token", "wrong_token", "scope", "foreign_agent"];

/// What a route asks of its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Nothing: it tells nothing of anybody.
    Nothing,
    /// Any token; what it is worth is decided later, or nothing is there to be had.
    Token,
    /// A token with this scope.
    Scope(Scope),
}

impl Need {
    /// A route that is not known here is for readers, and for administrators alone if it does anything.
    fn of(method: &Method, route: Option<&str>) -> Self {
        let is_read = method == Method::GET || method == Method::HEAD;
        match (route, is_read) {
            (Some("/" | "/page.css" | "/page.js" | "/livez" | "/readyz"), true) => Self::Nothing,
            (Some("/mcp") | None, _) => Self::Token,
            (Some("/heartbeat"), _) | (Some("/heartbeat/{agent_id}"), _) => Self::Scope(Scope::Agent),
            (Some("/agents/{agent_id}"), false) => Self::Scope(Scope::Agent),
            (Some(_), true) => Self::Scope(Scope::Read),
            (Some(_), false) => Self::Scope(Scope::Admin),
        }
    }
}

/// Whether a registry that has tokens asks for one there. The method in any case.
pub(crate) fn needs_token(method: &str, route: &str) -> bool {
    let method = method.to_ascii_uppercase().parse().unwrap_or(Method::GET);
    Need::of(&method, Some(route)) != Need::Nothing
}

/// Puts the caller into the request. `None` when it may go on; otherwise this is its answer.
pub(crate) fn check(shared: &Shared, request: &mut Request) -> Option<Response> {
    let route = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    match caller(shared, request.method(), route, request.headers()) {
        Ok(Some(caller)) => {
            request.extensions_mut().insert(caller);
            None
        }
        Ok(None) => None,
        Err(refusal) => Some(*refusal),
    }
}

/// Who calls that route, if it matters there; or the answer to whoever may not.
pub(crate) fn caller(
    shared: &Shared,
    method: &Method,
    route: Option<&str>,
    headers: &HeaderMap,
) -> Result<Option<Caller>, Box<Response>> {
    let Some(tokens) = shared.protection.tokens() else { return Ok(Some(Caller::Anyone)) };
    let need = Need::of(method, route);
    if need == Need::Nothing {
        return Ok(None);
    }
    let caller = match bearer(headers, &tokens) {
        Ok(token) => Caller::Bearer(token),
        Err(unknown) => return Err(Box::new(unauthorized(shared, &unknown))),
    };
    if let Need::Scope(scope) = need
        && let Err(refused) = caller.may(scope)
    {
        return Err(Box::new(denied(shared, &refused).into_response()));
    }
    Ok(Some(caller))
}

/// Counts a refusal and says it as a problem document.
pub(crate) fn denied(shared: &Shared, refused: &Denied) -> Problem {
    shared.metrics.denied.with_label_values(&[refused.reason()]).inc();
    Problem::forbidden(refused.detail())
}

/// Why nobody knows the caller.
#[derive(Debug, Clone, Copy)]
enum Unknown {
    NoToken,
    WrongToken,
}

fn bearer(headers: &HeaderMap, tokens: &Tokens) -> Result<Arc<Token>, Unknown> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Unknown::NoToken)?;
    if values.next().is_some() {
        return Err(Unknown::WrongToken);
    }
    let (scheme, secret) =
        value.to_str().ok().and_then(|text| text.split_once(' ')).ok_or(Unknown::NoToken)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(Unknown::NoToken);
    }
    tokens.find(secret.trim()).ok_or(Unknown::WrongToken)
}

fn unauthorized(shared: &Shared, unknown: &Unknown) -> Response {
    let (reason, challenge, detail) = match unknown {
        Unknown::NoToken => {
            ("no_token", "Bearer", "send a token: `Authorization: Bearer TOKEN`. Nothing changed.")
        }
        Unknown::WrongToken => (
            "wrong_token",
            "Bearer error=\"invalid_token\"",
            "this token is not known, or no longer: ask the operator for another. Nothing changed.",
        ),
    };
    shared.metrics.denied.with_label_values(&[reason]).inc();
    let mut answer = Problem::unauthorized(detail).into_response();
    answer.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_that_nobody_thought_of_is_not_open() {
        let need = |method, route| Need::of(&method, route);
        assert_eq!(need(Method::GET, Some("/livez")), Need::Nothing);
        assert_eq!(need(Method::POST, Some("/livez")), Need::Scope(Scope::Admin));
        assert_eq!(need(Method::GET, Some("/new")), Need::Scope(Scope::Read));
        assert_eq!(need(Method::POST, Some("/new")), Need::Scope(Scope::Admin));
        assert_eq!(need(Method::GET, None), Need::Token);
        assert_eq!(need(Method::HEAD, Some("/agents/{agent_id}")), Need::Scope(Scope::Read));
        assert_eq!(need(Method::HEAD, Some("/heartbeat/{agent_id}")), Need::Scope(Scope::Agent));
        assert_eq!(need(Method::DELETE, Some("/agents/{agent_id}")), Need::Scope(Scope::Agent));
    }
}
