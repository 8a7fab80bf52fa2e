//! How an agent speaks to a kind of registry: a pure mapping from calls to HTTP requests and from answers to
//! outcomes. No I/O here; [`crate::client`] sends.

use std::net::SocketAddr;

use reports::history::{Abilities, Filter, Operation, Outcome, Reported, Seen, Sent};

/// What an agent declares of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Lower-case letters, digits and `-`, at most 63, so that every dialect can carry it.
    pub agent_id: String,
    /// Chooses the policy.
    pub agent_type: String,
    /// The status to report.
    pub status: Option<Reported>,
    /// The tripwire address that the agent declares.
    pub endpoint: SocketAddr,
    /// Capability names with versions.
    pub capabilities: Vec<(String, String)>,
    /// Names of capabilities that it depends on (any version).
    pub dependencies: Vec<String>,
    /// Further labels (the dialect adds its own for `document`).
    pub labels: Vec<(String, String)>,
    /// A number of the harness's own that views show again ([`Sent::document`]).
    pub document: u64,
    /// One per process start, if sent.
    pub incarnation: Option<u64>,
    /// Increasing inside an incarnation, if sent.
    pub sequence: Option<u64>,
}

/// A call in the harness's words.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// A full heartbeat.
    Register(Document),
    /// A lean heartbeat of the agent.
    Renew {
        /// Who.
        agent_id: String,
        /// The status to report, if any.
        status: Option<Reported>,
        /// Increasing inside an incarnation, if sent, with its incarnation.
        order: Option<(u64, u64)>,
        /// The last wiring revision seen.
        wiring_revision: Option<u64>,
    },
    /// The leanest renewal.
    Probe {
        /// Who.
        agent_id: String,
        /// The last wiring revision seen.
        wiring_revision: Option<u64>,
    },
    /// Deregistration.
    Leave {
        /// Who.
        agent_id: String,
    },
    /// A list; all pages of it.
    List {
        /// Which agents.
        filter: Filter,
        /// The entity tag that the asker holds.
        if_none_match: Option<String>,
    },
    /// One agent.
    Read {
        /// Who.
        agent_id: String,
    },
    /// A route that might make the registry call somebody.
    Provoke {
        /// What to send.
        request: WireRequest,
        /// The agent whose address it names.
        agent_id: String,
    },
}

impl Call {
    /// Its operation in histories.
    pub fn operation(&self) -> Operation {
        match self {
            Self::Register(_) => Operation::Register,
            Self::Renew { .. } => Operation::Renew,
            Self::Probe { .. } => Operation::Probe,
            Self::Leave { .. } => Operation::Leave,
            Self::List { .. } => Operation::List,
            Self::Read { .. } => Operation::Read,
            Self::Provoke { .. } => Operation::Provoke,
        }
    }

    /// The agent that calls or is asked about.
    pub fn agent_id(&self) -> Option<&str> {
        match self {
            Self::Register(document) => Some(&document.agent_id),
            Self::Renew { agent_id, .. }
            | Self::Probe { agent_id, .. }
            | Self::Leave { agent_id }
            | Self::Read { agent_id }
            | Self::Provoke { agent_id, .. } => Some(agent_id),
            Self::List { .. } => None,
        }
    }

    /// What the history says was declared.
    pub fn sent(&self) -> Option<Sent> {
        match self {
            Self::Register(document) => Some(Sent {
                agent_type: Some(document.agent_type.clone()),
                status: document.status,
                capabilities: Some(document.capabilities.iter().map(|(name, _)| name.clone()).collect()),
                document: Some(document.document),
                incarnation: document.incarnation,
                sequence: document.sequence,
                ..Sent::default()
            }),
            Self::Renew { status, order, .. } if status.is_some() || order.is_some() => Some(Sent {
                status: *status,
                incarnation: order.map(|(incarnation, _)| incarnation),
                sequence: order.map(|(_, sequence)| sequence),
                ..Sent::default()
            }),
            Self::List { filter, if_none_match } => Some(Sent {
                filter: Some(filter.clone()),
                if_none_match: if_none_match.clone(),
                ..Sent::default()
            }),
            _ => None,
        }
    }
}

/// An HTTP request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers beside host and length.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireAnswer {
    /// The status code.
    pub status: u16,
    /// The entity tag, if any.
    pub etag: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// How the call ended.
    pub outcome: Outcome,
    /// What was seen.
    pub seen: Option<Seen>,
    /// The wiring revision that a heartbeat's answer named.
    pub wiring_revision: Option<u64>,
    /// The request for the next page of a list, if there is one.
    pub next_page: Option<WireRequest>,
    /// The refusal in words.
    pub note: Option<String>,
}

/// A kind of registry.
pub trait Dialect: Send + Sync + std::fmt::Debug {
    /// The name on the command line.
    fn name(&self) -> &'static str;

    /// What this kind of registry can do at all.
    fn abilities(&self) -> Abilities;

    /// The request for a call, or `None` where this kind of registry has no such call.
    fn request(&self, call: &Call) -> Option<WireRequest>;

    /// What an answer to `call` means. An answer that cannot be read is `Refused` with a note.
    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading;

    /// Requests that might make a registry of this kind call the agent, in order; each answer may be an error. A
    /// later request may need a value from an earlier answer (a job's id): it is handed all answers so far and gives
    /// the next request, or `None` at the end.
    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest>;

    /// Where the policies can be asked for, if anywhere.
    fn policies_path(&self) -> Option<&'static str>;
}
