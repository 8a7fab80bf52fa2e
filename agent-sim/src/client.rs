//! Sends calls and makes the history's records of them.
//!
//! - `wire`: plain requests; `errors`: why there is no answer.
//! - `steps`: the requests of one call.
//! - `kept`: what went over the wire, for people who are shown a failure.

mod errors;
mod kept;
mod steps;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use reports::history::{AgentSeen, CallRecord, KeptCall, Outcome};
use scenarios::model::Protocol;

pub use self::errors::SendError;
pub use self::wire::{WholeAnswer, Wire};
use crate::clock::Clock;
use crate::dialect::{Call, Dialect, Reading, WireAnswer, WireRequest};
use kept::Keeping;

pub(crate) use steps::MAX_STEPS;

/// Largest answer that is read; what is longer counts as broken off.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024 * 1024;

/// Most pages of one list: with pages of 10,000, ten times the agents that a registry holds by default.
pub(crate) const MAX_PAGES: usize = 1_000;

/// A client of one registry, shared by many agents; calls in flight are bounded by the caller.
#[derive(Debug, Clone)]
pub struct Client {
    wire: Wire,
    dialect: Arc<dyn Dialect>,
    /// For the agents that call MCP tools; the same as `dialect` where the registry has none.
    mcp: Arc<dyn Dialect>,
    clock: Clock,
}

/// A call's record with what only the caller needs.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The record for the history.
    pub record: CallRecord,
    /// The wiring revision that a heartbeat's answer named.
    pub wiring_revision: Option<u64>,
    /// Whether a renewal's answer said that the wiring has changed ([`Reading::wiring_changed`]).
    pub wiring_changed: bool,
    /// The store that a list's revision belongs to.
    pub store_id: Option<String>,
}

impl Client {
    /// A client of the registry at `base_url` (`http://127.0.0.1:8000`).
    ///
    /// # Errors
    /// When the URL cannot be one of a registry.
    pub fn new(
        base_url: &str,
        dialect: Arc<dyn Dialect>,
        clock: Clock,
        timeout: Duration,
    ) -> Result<Self, SendError> {
        let mcp = dialect.over_mcp().unwrap_or_else(|| Arc::clone(&dialect));
        Ok(Self { wire: Wire::new(base_url, timeout)?, dialect, mcp, clock })
    }

    /// See [`Wire::with_token`].
    ///
    /// # Errors
    /// When no header can hold it.
    pub fn with_token(mut self, token: &str) -> Result<Self, SendError> {
        self.wire = self.wire.with_token(token)?;
        Ok(self)
    }

    /// Plain requests to the same registry with the same token, each given up after `timeout`.
    pub fn wire(&self, timeout: Duration) -> Wire {
        self.wire.within(timeout)
    }

    /// The address of the registry, `http://host:port` and perhaps a path.
    pub(crate) fn url(&self) -> &str {
        self.wire.url()
    }

    /// What goes along as `Authorization`, if anything.
    pub(crate) fn authorization(&self) -> Option<&[u8]> {
        self.wire.authorization()
    }

    /// Sends one call (every page of a list) and waits for its end. Never fails: failures are outcomes. A list of
    /// several pages gives one record from the first page's beginning to the last one's end; pages that are not all
    /// of one revision leave it without a revision, with a note.
    pub async fn call(&self, call: &Call, planned_us: Option<u64>) -> Answered {
        self.call_by(Protocol::Http, call, planned_us).await
    }

    /// [`Client::call`], with what went over the wire.
    pub async fn call_kept(&self, call: &Call, planned_us: Option<u64>) -> (Answered, KeptCall) {
        let mut kept = Keeping::on();
        let answered = self.call_keeping(&mut kept, Protocol::Http, call, planned_us).await;
        let kept = kept.of(&answered.record);
        (answered, kept)
    }

    /// [`Client::call`] by the protocol of an agent's fleet.
    pub async fn call_by(&self, protocol: Protocol, call: &Call, planned_us: Option<u64>) -> Answered {
        self.call_keeping(&mut Keeping::off(), protocol, call, planned_us).await
    }

    async fn call_keeping(
        &self,
        kept: &mut Keeping,
        protocol: Protocol,
        call: &Call,
        planned_us: Option<u64>,
    ) -> Answered {
        let dialect = match protocol {
            Protocol::Http => self.dialect.as_ref(),
            Protocol::Mcp => self.mcp.as_ref(),
        };
        let request = dialect.request(call);
        let s_us = self.clock.now_us();
        let end = match request {
            None => no_such_call(dialect, call, s_us),
            Some(request) => self.pages(dialect, call, request, kept).await,
        };
        let reading = end.reading;
        let note = match call {
            Call::Provoke { request, .. } => Some(provoked(request, reading.note)),
            _ => reading.note,
        };
        Answered {
            record: CallRecord {
                agent: call.agent_id().map(str::to_owned),
                op: call.operation(),
                planned_us,
                s_us,
                e_us: end.e_us,
                outcome: reading.outcome,
                http: end.http,
                sent: call.sent(),
                seen: reading.seen,
                note,
            },
            wiring_revision: reading.wiring_revision,
            wiring_changed: reading.wiring_changed,
            store_id: reading.store_id,
        }
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: &WireRequest) -> Result<WireAnswer, SendError> {
        self.wire.send(request).await
    }

    async fn pages(&self, dialect: &dyn Dialect, call: &Call, first: WireRequest, kept: &mut Keeping) -> End {
        let mut whole = self.page(dialect, call, &first, kept).await;
        let mut next = whole.reading.next_page.take();
        let mut pages = 1;
        while let Some(request) = next {
            if pages == MAX_PAGES {
                let note = format!("the list did not end after {MAX_PAGES} pages");
                return End { reading: Reading::of(Outcome::Failed).noting(note), ..whole };
            }
            let mut page = self.page(dialect, call, &request, kept).await;
            pages += 1;
            if page.reading.outcome != Outcome::Shown {
                let why = page.reading.note.as_deref().unwrap_or("no list");
                let note = format!("page {pages}: {why}");
                return End { reading: Reading { seen: None, ..page.reading }.noting(note), ..page };
            }
            next = page.reading.next_page.take();
            append(&mut whole.reading, page.reading);
            whole.e_us = page.e_us;
        }
        whole
    }
}

fn no_such_call(dialect: &dyn Dialect, call: &Call, e_us: u64) -> End {
    let note = format!("the dialect {} has no such call as this {}", dialect.name(), call.operation().name());
    End { reading: Reading::of(Outcome::NotSent).noting(note), http: None, e_us }
}

/// How a call, or a page of it, ended.
struct End {
    reading: Reading,
    http: Option<u16>,
    /// Taken before the answer is read, so that the harness's own work counts for nobody.
    e_us: u64,
}

/// Adds a further page to what the pages before it showed.
pub(crate) fn append(whole: &mut Reading, page: Reading) {
    let (Some(seen), Some(more)) = (&mut whole.seen, page.seen) else { return };
    if seen.revision != more.revision && whole.note.is_none() {
        whole.note = Some(format!("the pages show revisions {:?} and {:?}", seen.revision, more.revision));
    }
    if whole.note.is_some() {
        seen.revision = None;
    }
    let agents: &mut Vec<AgentSeen> = seen.agents.get_or_insert_default();
    agents.extend(more.agents.unwrap_or_default());
}

/// The route that was provoked, with what went wrong.
fn provoked(request: &WireRequest, note: Option<String>) -> String {
    let route = format!("{} {}", request.method, request.path);
    match note {
        Some(note) => format!("{route}: {note}"),
        None => route,
    }
}
