//! Sends calls and makes the history's records of them.

use std::sync::Arc;
use std::time::Duration;

use reports::history::CallRecord;

use crate::clock::Clock;
use crate::dialect::{Call, Dialect, WireAnswer, WireRequest};

/// A client of one registry, shared by many agents; calls in flight are bounded by the caller.
#[derive(Debug, Clone)]
pub struct Client {}

/// Why a plain request got no answer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SendError {
    /// Nothing was sent.
    #[error("could not connect to {url}: {cause}")]
    NotSent {
        /// Where to.
        url: String,
        /// Why.
        cause: String,
    },
    /// The connection broke.
    #[error("no whole answer from {url}: {cause}")]
    Failed {
        /// Where to.
        url: String,
        /// Why.
        cause: String,
    },
    /// No answer in time.
    #[error("no answer from {url} within {timeout_ms} ms")]
    TimedOut {
        /// Where to.
        url: String,
        /// How long it was waited for.
        timeout_ms: u128,
    },
}

/// A call's record with what only the caller needs.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The record for the history.
    pub record: CallRecord,
    /// The wiring revision that a heartbeat's answer named.
    pub wiring_revision: Option<u64>,
}

impl Client {
    /// A client of the registry at `base_url` (`http://127.0.0.1:8000`).
    ///
    /// # Errors
    /// When the URL cannot be one of a registry.
    pub fn new(
        _base_url: &str,
        _dialect: Arc<dyn Dialect>,
        _clock: Clock,
        _timeout: Duration,
    ) -> Result<Self, SendError> {
        todo!()
    }

    /// Sends one call (every page of a list) and waits for its end. Never fails: failures are outcomes.
    pub async fn call(&self, _call: &Call, _planned_us: Option<u64>) -> Answered {
        todo!()
    }

    /// Sends a request as it is.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn send(&self, _request: &WireRequest) -> Result<WireAnswer, SendError> {
        todo!()
    }
}
