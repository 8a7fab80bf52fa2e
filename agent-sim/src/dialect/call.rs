//! What agents ask, in the harness's words.

use std::time::Duration;

use reports::history::{Filter, Operation, Reported, Sent};

use super::{Document, WireRequest};

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
    /// What changed in a list since an earlier answer to the same question.
    Changes {
        /// Which agents.
        filter: Filter,
        /// The revision of that answer.
        since: u64,
        /// The store that the revision belongs to, as that answer named it.
        store_id: String,
        /// The registry holds the answer back until something changes, for at most so long; `None`: it does not.
        wait: Option<Duration>,
    },
    /// One agent.
    Read {
        /// Who.
        agent_id: String,
    },
    /// The events of one agent.
    Events {
        /// Whose.
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
            Self::Changes { wait: Some(_), .. } => Operation::Watch,
            Self::List { .. } | Self::Changes { .. } => Operation::List,
            Self::Read { .. } => Operation::Read,
            Self::Events { .. } => Operation::Events,
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
            | Self::Events { agent_id }
            | Self::Provoke { agent_id, .. } => Some(agent_id),
            Self::List { .. } | Self::Changes { .. } => None,
        }
    }

    /// How long the registry may hold the answer back, beyond what an answer takes: the wait that was asked for, with
    /// the contract's jitter of a sixteenth.
    pub fn held_for(&self) -> Duration {
        match self {
            Self::Changes { wait: Some(wait), .. } => *wait + *wait / 16,
            _ => Duration::ZERO,
        }
    }

    /// [`Call::agent_id`] of a call that is over.
    pub fn into_agent_id(self) -> Option<String> {
        match self {
            Self::Register(document) => Some(document.agent_id),
            Self::Renew { agent_id, .. }
            | Self::Probe { agent_id, .. }
            | Self::Leave { agent_id }
            | Self::Read { agent_id }
            | Self::Events { agent_id }
            | Self::Provoke { agent_id, .. } => Some(agent_id),
            Self::List { .. } | Self::Changes { .. } => None,
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
            Self::Changes { filter, since, .. } => {
                Some(Sent { filter: Some(filter.clone()), since: Some(*since), ..Sent::default() })
            }
            _ => None,
        }
    }
}
