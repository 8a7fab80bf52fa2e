//! Lines read without a copy of their text: a history has tens of millions of them, and nearly all are calls.

use std::borrow::Cow;

use serde::Deserialize;

use super::{CALL_LINE, CallRecord, Line, Operation, Outcome, Seen, Sent, Status};

/// A line whose texts still stand in the buffer that it was read from.
#[derive(Debug)]
pub enum LineRef<'a> {
    /// One call of an agent or of the harness.
    Call(CallRef<'a>),
    /// Anything else.
    Other(Line),
}

impl<'a> LineRef<'a> {
    /// Reads one line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &'a [u8]) -> Result<Self, serde_json::Error> {
        if text.starts_with(CALL_LINE) {
            return serde_json::from_slice(text).map(Self::Call);
        }
        serde_json::from_slice(text).map(Self::Other)
    }
}

/// A text of a line, copied only where it has escapes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// A [`CallRecord`] as it stands in its line, but for when it was planned.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CallRef<'a> {
    /// As in [`CallRecord::agent`].
    #[serde(default, borrow)]
    pub agent: Option<Text<'a>>,
    /// As in [`CallRecord::op`].
    pub op: Operation,
    /// As in [`CallRecord::s_us`].
    pub s_us: u64,
    /// As in [`CallRecord::e_us`].
    pub e_us: u64,
    /// As in [`CallRecord::outcome`].
    pub outcome: Outcome,
    /// As in [`CallRecord::http`].
    #[serde(default)]
    pub http: Option<u16>,
    /// As in [`CallRecord::sent`].
    #[serde(default)]
    pub sent: Option<Sent>,
    /// As in [`CallRecord::seen`].
    #[serde(default, borrow)]
    pub seen: Option<SeenRef<'a>>,
    /// As in [`CallRecord::note`].
    #[serde(default, borrow)]
    pub note: Option<Text<'a>>,
}

/// A [`Seen`] as it stands in its line.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct SeenRef<'a> {
    /// As in [`Seen::revision`].
    pub revision: Option<u64>,
    /// As in [`Seen::epoch`].
    pub epoch: Option<u64>,
    /// As in [`Seen::etag`].
    #[serde(borrow)]
    pub etag: Option<Text<'a>>,
    /// As in [`Seen::agents`].
    #[serde(borrow)]
    pub agents: Option<Vec<AgentRef<'a>>>,
    /// As in [`Seen::removed`].
    #[serde(borrow)]
    pub removed: Vec<Text<'a>>,
    /// As in [`Seen::full`].
    pub full: bool,
    /// As in [`Seen::events`].
    pub events: Option<Vec<u64>>,
    /// As in [`Seen::retry_after`].
    #[serde(borrow)]
    pub retry_after: Option<Text<'a>>,
}

/// An [`AgentSeen`](super::AgentSeen) as it stands in its line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AgentRef<'a> {
    /// As in [`AgentSeen::id`](super::AgentSeen::id).
    #[serde(borrow)]
    pub id: Cow<'a, str>,
    /// As in [`AgentSeen::status`](super::AgentSeen::status).
    pub status: Status,
    /// As in [`AgentSeen::epoch`](super::AgentSeen::epoch).
    #[serde(default)]
    pub epoch: Option<u64>,
    /// As in [`AgentSeen::document`](super::AgentSeen::document).
    #[serde(default)]
    pub document: Option<u64>,
}

impl<'a> From<&'a CallRecord> for CallRef<'a> {
    fn from(call: &'a CallRecord) -> Self {
        Self {
            agent: call.agent.as_deref().map(text),
            op: call.op,
            s_us: call.s_us,
            e_us: call.e_us,
            outcome: call.outcome,
            http: call.http,
            sent: call.sent.clone(),
            seen: call.seen.as_ref().map(SeenRef::from),
            note: call.note.as_deref().map(text),
        }
    }
}

impl<'a> From<&'a Seen> for SeenRef<'a> {
    fn from(seen: &'a Seen) -> Self {
        let agents = seen.agents.as_ref().map(|agents| {
            let one = |agent: &'a super::AgentSeen| AgentRef {
                id: Cow::Borrowed(&agent.id),
                status: agent.status,
                epoch: agent.epoch,
                document: agent.document,
            };
            agents.iter().map(one).collect()
        });
        Self {
            revision: seen.revision,
            epoch: seen.epoch,
            etag: seen.etag.as_deref().map(text),
            agents,
            removed: seen.removed.iter().map(|id| text(id)).collect(),
            full: seen.full,
            events: seen.events.clone(),
            retry_after: seen.retry_after.as_deref().map(text),
        }
    }
}

fn text(text: &str) -> Text<'_> {
    Text(Cow::Borrowed(text))
}
