//! Why there is no answer.

use reports::history::Outcome;

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

impl SendError {
    /// How a call ended by it.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent { .. } => Outcome::NotSent,
            Self::Failed { .. } => Outcome::Failed,
            Self::TimedOut { .. } => Outcome::TimedOut,
        }
    }
}
