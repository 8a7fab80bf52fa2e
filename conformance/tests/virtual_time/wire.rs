//! From calls to requests as they would go over the wire, and from answers to lines of a history.

use agent_sim::dialect::wallflower::Wallflower;
use agent_sim::dialect::{self, Dialect as _, Reading, WireRequest};
use registry::virtual_time::{Answered, Asked};
use reports::history::{Answer, Body, CallRecord, Exchange, ExchangeOutcome};

pub(crate) fn request(call: &dialect::Call) -> Result<Asked, String> {
    let wire = Wallflower.request(call).ok_or_else(|| format!("{call:?} has no request"))?;
    let WireRequest { method, path, headers, body } = wire;
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Ok(Asked { method: method.to_owned(), path, headers, body })
}

pub(crate) fn record(
    call: &dialect::Call,
    span: (u64, u64),
    reading: Reading,
    http: Option<u16>,
) -> CallRecord {
    CallRecord {
        agent: call.agent_id().map(str::to_owned),
        op: call.operation(),
        planned_us: Some(span.0),
        s_us: span.0,
        e_us: span.1,
        outcome: reading.outcome,
        http,
        sent: call.sent(),
        seen: reading.seen,
        note: reading.note,
    }
}

pub(crate) fn exchange(asked: &Asked, answered: &Answered, (sent_us, done_us): (u64, u64)) -> Exchange {
    let text = String::from_utf8_lossy(&answered.body).into_owned();
    let body = Body { length: text.len() as u64, text, sha256: None };
    Exchange {
        requirement: "VIEW-6".to_owned(),
        case: String::new(),
        step: String::new(),
        sent_us,
        done_us,
        method: asked.method.clone(),
        target: asked.path.clone(),
        request_headers: Vec::new(),
        request_body: None,
        outcome: ExchangeOutcome::Answered(Answer { status: answered.status, headers: Vec::new(), body }),
        note: None,
    }
}
