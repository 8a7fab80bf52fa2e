//! Exchanges of probes: requests and answers as they went over the wire.

use serde::{Deserialize, Serialize};

use super::{KEPT_CALL_BODY_BYTES, Outcome};

/// The most bytes of a body that a history keeps whole.
pub const KEPT_BODY_BYTES: usize = 1024 * 1024;

/// One request of a probe and what came of it. The exchanges of one requirement and case are one conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exchange {
    /// The requirement that the probe is for: `VIEW-7`.
    pub requirement: String,
    /// The conversation that it belongs to.
    pub case: String,
    /// What it is in that conversation; the judge goes by this word.
    pub step: String,
    /// Just before the first byte left.
    pub sent_us: u64,
    /// Just after the last byte came, or when the harness gave up.
    pub done_us: u64,
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query.
    pub target: String,
    /// Headers beside host and length.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub request_headers: Vec<(String, String)>,
    /// What was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_body: Option<Body>,
    /// What came of it.
    pub outcome: ExchangeOutcome,
    /// What the probe has to say beside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExchangeOutcome {
    /// A whole answer.
    Answered(Answer),
    /// None.
    Failed {
        /// How the call ended.
        outcome: Outcome,
        /// The error in words.
        cause: String,
    },
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body, as it was encoded.
    pub body: Body,
}

/// A body: whole, or the beginning of one that is too long to keep.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Body {
    /// As text; what is not UTF-8 is replaced.
    pub text: String,
    /// Of the whole body.
    pub length: u64,
    /// SHA-256 of the whole body in hex, where `text` is not all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

impl Body {
    /// Whether `text` is the beginning only, of a body that was kept of an ordinary call.
    pub fn is_cut_in_call(&self) -> bool {
        self.length > KEPT_CALL_BODY_BYTES as u64
    }
}

impl Exchange {
    /// The method of bytes that went over a connection of their own; what they are stands as the target.
    pub const RAW: &str = "RAW";

    /// The answer, if there was one.
    pub fn answer(&self) -> Option<&Answer> {
        match &self.outcome {
            ExchangeOutcome::Answered(answer) => Some(answer),
            ExchangeOutcome::Failed { .. } => None,
        }
    }

    /// The status code of the answer.
    pub fn status(&self) -> Option<u16> {
        self.answer().map(|answer| answer.status)
    }

    /// The value of a header of the answer, by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let headers = &self.answer()?.headers;
        headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The value of a header of the request, by its name in lower case.
    pub fn sent_header(&self, name: &str) -> Option<&str> {
        self.request_headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The text of the answer's body, if it was kept whole.
    pub fn text(&self) -> Option<&str> {
        self.answer().filter(|answer| answer.body.sha256.is_none()).map(|answer| answer.body.text.as_str())
    }
}
