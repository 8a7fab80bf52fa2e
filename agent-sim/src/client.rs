//! Sends calls and makes the history's records of them.

mod errors;
mod steps;

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use reports::history::{AgentSeen, CallRecord, Outcome};
use scenarios::model::Protocol;

pub use self::errors::SendError;
use crate::clock::Clock;
use crate::dialect::{Call, Dialect, Reading, WireAnswer, WireRequest};

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

/// Plain requests to one base URL over warm HTTP/1.1 connections: no proxy, no redirect, no second try.
#[derive(Debug, Clone)]
pub struct Wire {
    http: reqwest::Client,
    base_url: String,
    /// What goes along as `Authorization`; shown by nothing.
    bearer: Option<reqwest::header::HeaderValue>,
    timeout: Duration,
}

/// An HTTP answer with all that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WholeAnswer {
    /// The status code.
    pub status: u16,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as it was encoded.
    pub body: Vec<u8>,
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
        Wire { timeout, ..self.wire.clone() }
    }

    /// The address of the registry, `http://host:port` and perhaps a path.
    pub(crate) fn url(&self) -> &str {
        &self.wire.base_url
    }

    /// What goes along as `Authorization`, if anything.
    pub(crate) fn authorization(&self) -> Option<&[u8]> {
        self.wire.bearer.as_ref().map(reqwest::header::HeaderValue::as_bytes)
    }

    /// Sends one call (every page of a list) and waits for its end. Never fails: failures are outcomes. A list of
    /// several pages gives one record from the first page's beginning to the last one's end; pages that are not all
    /// of one revision leave it without a revision, with a note.
    pub async fn call(&self, call: &Call, planned_us: Option<u64>) -> Answered {
        self.call_by(Protocol::Http, call, planned_us).await
    }

    /// [`Client::call`] by the protocol of an agent's fleet.
    pub async fn call_by(&self, protocol: Protocol, call: &Call, planned_us: Option<u64>) -> Answered {
        let dialect = match protocol {
            Protocol::Http => self.dialect.as_ref(),
            Protocol::Mcp => self.mcp.as_ref(),
        };
        let request = dialect.request(call);
        let s_us = self.clock.now_us();
        let end = match request {
            None => no_such_call(dialect, call, s_us),
            Some(request) => self.pages(dialect, call, request).await,
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

    async fn pages(&self, dialect: &dyn Dialect, call: &Call, first: WireRequest) -> End {
        let mut whole = self.page(dialect, call, &first).await;
        let mut next = whole.reading.next_page.take();
        let mut pages = 1;
        while let Some(request) = next {
            if pages == MAX_PAGES {
                let note = format!("the list did not end after {MAX_PAGES} pages");
                return End { reading: Reading::of(Outcome::Failed).noting(note), ..whole };
            }
            let mut page = self.page(dialect, call, &request).await;
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

impl Wire {
    /// Requests to `base_url`, each given up after `timeout`.
    ///
    /// # Errors
    /// When the URL is not one of plain HTTP.
    pub fn new(base_url: &str, timeout: Duration) -> Result<Self, SendError> {
        Self::built(base_url, None, timeout)
    }

    /// The same over a socket of UNIX.
    ///
    /// # Errors
    /// When the URL is not one of plain HTTP.
    pub fn through(base_url: &str, socket: &Path, timeout: Duration) -> Result<Self, SendError> {
        Self::built(base_url, Some(socket), timeout)
    }

    fn built(base_url: &str, socket: Option<&Path>, timeout: Duration) -> Result<Self, SendError> {
        let refused = |cause: String| SendError::NotSent { url: base_url.to_owned(), cause };
        let url = reqwest::Url::parse(base_url)
            .map_err(|error| refused(format!("{error}; write it as http://127.0.0.1:8000")))?;
        if url.scheme() != "http" {
            return Err(refused(format!(
                "the harness speaks plain http only, not {}; put a proxy that ends TLS in front",
                url.scheme()
            )));
        }
        if url.host_str().is_none() || url.query().is_some() || url.fragment().is_some() {
            return Err(refused("it must be host and port, at most with a path".to_owned()));
        }
        // One idle connection for every call that was ever in flight: no connection is made twice.
        let builder = reqwest::Client::builder();
        let builder = match socket {
            Some(socket) => builder.unix_socket(socket),
            None => builder,
        };
        let http = builder
            .http1_only()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(usize::MAX)
            .pool_idle_timeout(None)
            .build()
            .map_err(|error| refused(causes(&error)))?;
        Ok(Self { http, base_url: url.as_str().trim_end_matches('/').to_owned(), timeout, bearer: None })
    }

    /// Where it goes, without a slash at the end.
    pub fn url(&self) -> &str {
        &self.base_url
    }

    /// Sends this token with every request. It stands in no error and no record.
    ///
    /// # Errors
    /// When no header can hold it.
    pub fn with_token(mut self, token: &str) -> Result<Self, SendError> {
        let value = reqwest::header::HeaderValue::from_str(&format!("Bearer {token}"));
        let mut bearer = value.map_err(|_| SendError::NotSent {
            url: self.base_url.clone(),
            cause: "the token holds letters that no header may; give it as `wallflower token new` printed it"
                .to_owned(),
        })?;
        bearer.set_sensitive(true);
        self.bearer = Some(bearer);
        Ok(self)
    }

    /// Sends a request as it is and reads the whole answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, request: &WireRequest) -> Result<WireAnswer, SendError> {
        self.send_within(request, self.timeout).await
    }

    async fn send_within(&self, request: &WireRequest, timeout: Duration) -> Result<WireAnswer, SendError> {
        match tokio::time::timeout(timeout, self.exchange(request)).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(request, timeout)),
        }
    }

    /// As [`Wire::send`], with all headers of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_whole(&self, request: &WireRequest) -> Result<WholeAnswer, SendError> {
        match tokio::time::timeout(self.timeout, self.whole(request)).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(request, self.timeout)),
        }
    }

    fn timed_out(&self, request: &WireRequest, timeout: Duration) -> SendError {
        SendError::TimedOut {
            url: format!("{}{}", self.base_url, request.path),
            timeout_ms: timeout.as_millis(),
        }
    }

    async fn exchange(&self, request: &WireRequest) -> Result<WireAnswer, SendError> {
        let (response, url) = self.begin(request).await?;
        let header = |name: &str| {
            response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
        };
        let (etag, retry_after) = (header("etag"), header("retry-after"));
        let status = response.status().as_u16();
        Ok(WireAnswer { status, etag, retry_after, body: read_body(response, &url).await? })
    }

    async fn whole(&self, request: &WireRequest) -> Result<WholeAnswer, SendError> {
        let (response, url) = self.begin(request).await?;
        let text =
            |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let headers = headers.collect();
        let status = response.status().as_u16();
        Ok(WholeAnswer { status, headers, body: read_body(response, &url).await? })
    }

    async fn begin(&self, request: &WireRequest) -> Result<(reqwest::Response, String), SendError> {
        let url = format!("{}{}", self.base_url, request.path);
        let failed = |cause: String| SendError::Failed { url: url.clone(), cause };
        let not_sent = |cause: String| SendError::NotSent { url: url.clone(), cause };
        let method = reqwest::Method::from_bytes(request.method.as_bytes())
            .map_err(|error| not_sent(error.to_string()))?;
        let mut builder = self.http.request(method, &url);
        if let Some(bearer) = &self.bearer {
            builder = builder.header("authorization", bearer.clone());
        }
        for (name, value) in &request.headers {
            builder = builder.header(*name, value);
        }
        if !request.body.is_empty() {
            builder = builder.body(request.body.clone());
        }
        let response = builder.send().await.map_err(|error| {
            let surely_unsent = error.is_connect() || error.is_builder();
            if surely_unsent { not_sent(causes(&error)) } else { failed(causes(&error)) }
        })?;
        Ok((response, url))
    }
}

async fn read_body(mut response: reqwest::Response, url: &str) -> Result<Vec<u8>, SendError> {
    let failed = |cause: String| SendError::Failed { url: url.to_owned(), cause };
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| failed(causes(&error)))? {
        if body.len() + chunk.len() > MAX_BODY_BYTES {
            return Err(failed(format!("the answer is longer than {MAX_BODY_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
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

/// An error with all that caused it, since reqwest names only the outermost.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
