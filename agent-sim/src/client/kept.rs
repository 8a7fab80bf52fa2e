//! What went over the wire in a call, as far as it is kept.

use reports::history::{
    Answer, Body, CallRecord, ExchangeOutcome, KEPT_CALL_BODY_BYTES, KEPT_REQUESTS, KeptCall, KeptRequest,
};

use super::{SendError, WholeAnswer, Wire};
use crate::dialect::WireRequest;

/// What stands in the place of a secret.
const HIDDEN: &str = "(not kept)";

/// Headers whose values are secrets.
const SECRET_HEADERS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The requests of a call while it goes on.
pub(super) struct Keeping {
    is_on: bool,
    requests: Vec<KeptRequest>,
    more_requests: u64,
}

impl Keeping {
    pub(super) fn on() -> Self {
        Self { is_on: true, requests: Vec::new(), more_requests: 0 }
    }

    pub(super) fn off() -> Self {
        Self { is_on: false, ..Self::on() }
    }

    pub(super) fn keep(
        &mut self,
        wire: &Wire,
        request: &WireRequest,
        result: &Result<WholeAnswer, SendError>,
    ) {
        if !self.is_on {
            return;
        }
        if self.requests.len() == KEPT_REQUESTS {
            self.more_requests += 1;
            return;
        }
        let (target, host) = wire.target_of(request).unwrap_or_else(|| (request.path.clone(), String::new()));
        let secret = Secret::of(wire);
        let (version, outcome) = match result {
            Ok(answer) => (answer.version.to_owned(), secret.answer(answer)),
            Err(error) => {
                let cause = secret.hidden(&error.to_string());
                (String::new(), ExchangeOutcome::Failed { outcome: error.outcome(), cause })
            }
        };
        self.requests.push(KeptRequest {
            method: request.method.to_owned(),
            target,
            headers: headers(wire, request, host),
            body: (!request.body.is_empty()).then(|| secret.body(&request.body)),
            version,
            outcome,
        });
    }

    pub(super) fn of(self, call: &CallRecord) -> KeptCall {
        KeptCall {
            s_us: call.s_us,
            e_us: call.e_us,
            agent: call.agent.clone(),
            op: call.op,
            requests: self.requests,
            more_requests: self.more_requests,
        }
    }
}

/// All headers of a request: those that the HTTP library adds as well, which a test holds.
fn headers(wire: &Wire, request: &WireRequest, host: String) -> Vec<(String, String)> {
    let mut headers = Vec::new();
    if wire.authorization().is_some() {
        headers.push(("authorization".to_owned(), HIDDEN.to_owned()));
    }
    for (name, value) in &request.headers {
        let is_secret = SECRET_HEADERS.contains(&name.to_ascii_lowercase().as_str());
        let value = if is_secret { HIDDEN } else { value };
        headers.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    if !headers.iter().any(|(name, _)| name == "accept") {
        headers.push(("accept".to_owned(), "*/*".to_owned()));
    }
    headers.push(("host".to_owned(), host));
    if !request.body.is_empty() {
        headers.push(("content-length".to_owned(), request.body.len().to_string()));
    }
    headers
}

/// The token of a wire, which a registry may echo.
struct Secret(Option<String>);

impl Secret {
    fn of(wire: &Wire) -> Self {
        let value = wire.authorization().map(|value| String::from_utf8_lossy(value).into_owned());
        let token = value.and_then(|value| value.strip_prefix("Bearer ").map(str::to_owned));
        Self(token.filter(|token| !token.is_empty()))
    }

    fn hidden(&self, text: &str) -> String {
        match &self.0 {
            // As long as it is, so that what stands behind a bound stays there.
            Some(token) => text.replace(token, &"*".repeat(token.len())),
            None => text.to_owned(),
        }
    }

    fn answer(&self, answer: &WholeAnswer) -> ExchangeOutcome {
        let headers = answer.headers.iter().map(|(name, value)| {
            let is_secret = name == "set-cookie";
            (name.clone(), if is_secret { HIDDEN.to_owned() } else { self.hidden(value) })
        });
        ExchangeOutcome::Answered(Answer {
            status: answer.status,
            headers: headers.collect(),
            body: self.body(&answer.body),
        })
    }

    fn body(&self, bytes: &[u8]) -> Body {
        // A token that is cut in two by the bound would be found in no part.
        let beyond = self.0.as_ref().map_or(0, String::len);
        let near = bytes.get(..KEPT_CALL_BODY_BYTES + beyond).unwrap_or(bytes);
        let mut text = self.hidden(&String::from_utf8_lossy(near));
        if bytes.len() > KEPT_CALL_BODY_BYTES {
            text.truncate(text.floor_char_boundary(KEPT_CALL_BODY_BYTES));
        }
        Body { text, length: bytes.len() as u64, sha256: None }
    }
}
