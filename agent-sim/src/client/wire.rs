//! Plain requests, as they go over the wire.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use super::{MAX_BODY_BYTES, SendError};
use crate::dialect::{WireAnswer, WireRequest};

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
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: &'static str,
    /// The status code.
    pub status: u16,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as it was encoded.
    pub body: Vec<u8>,
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

    /// The same, each given up after `timeout`.
    pub(super) fn within(&self, timeout: Duration) -> Self {
        Self { timeout, ..self.clone() }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// What goes along as `Authorization`, if anything.
    pub(super) fn authorization(&self) -> Option<&[u8]> {
        self.bearer.as_ref().map(reqwest::header::HeaderValue::as_bytes)
    }

    /// Path and query of a request as they stand in its first line, and the host that it names.
    pub(super) fn target_of(&self, request: &WireRequest) -> Option<(String, String)> {
        let url = reqwest::Url::parse(&format!("{}{}", self.base_url, request.path)).ok()?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        Some((format!("{}{query}", url.path()), format!("{}{port}", url.host_str()?)))
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
        self.send_whole(request).await.map(WireAnswer::from)
    }

    /// As [`Wire::send`], with all headers of the answer.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send_whole(&self, request: &WireRequest) -> Result<WholeAnswer, SendError> {
        self.send_within(request, self.timeout).await
    }

    pub(super) async fn send_within(
        &self,
        request: &WireRequest,
        timeout: Duration,
    ) -> Result<WholeAnswer, SendError> {
        match tokio::time::timeout(timeout, self.whole(request)).await {
            Ok(result) => result,
            Err(_) => Err(self.timed_out(request, timeout)),
        }
    }

    fn timed_out(&self, request: &WireRequest, timeout: Duration) -> SendError {
        SendError::TimedOut {
            url: format!("{}{}", self.base_url, request.path),
            timeout_ms: timeout.as_millis(),
        }
    }

    async fn whole(&self, request: &WireRequest) -> Result<WholeAnswer, SendError> {
        let (response, url) = self.begin(request).await?;
        let text =
            |value: &reqwest::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let headers = response.headers().iter().map(|(name, value)| (name.as_str().to_owned(), text(value)));
        let headers = headers.collect();
        let status = response.status().as_u16();
        let is_old = response.version() == reqwest::Version::HTTP_10;
        let version = if is_old { "HTTP/1.0" } else { "HTTP/1.1" };
        Ok(WholeAnswer { version, status, headers, body: read_body(response, &url).await? })
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

impl From<WholeAnswer> for WireAnswer {
    fn from(answer: WholeAnswer) -> Self {
        let header = |wanted: &str| {
            answer.headers.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.clone())
        };
        let (etag, retry_after) = (header("etag"), header("retry-after"));
        Self { status: answer.status, etag, retry_after, body: answer.body }
    }
}
