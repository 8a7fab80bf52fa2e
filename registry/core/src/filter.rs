//! What a list is asked for, and whether an agent or a capability is it.

use std::collections::{BTreeMap, BTreeSet};

use crate::agent::{Agent, Status};
use crate::document::{AgentId, Capability, Document, LabelKey, Requirement};
use crate::search::{Query, Rank};

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum View {
    /// `GET /agents`.
    Agents(AgentFilter),
    /// `GET /capabilities`.
    Capabilities(CapabilityFilter),
}

/// The filters of `GET /agents`, all of which must hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct AgentFilter {
    /// The agent's type.
    pub agent_type: Option<String>,
    /// One of these; none given means healthy and degraded.
    pub statuses: BTreeSet<Status>,
    /// The name of a capability that it offers.
    pub capability: Option<String>,
    /// What one version of that capability satisfies. Without `capability`, any capability may be the one.
    pub version: Option<Requirement>,
    /// What that same capability is tagged with, all of them. Without `capability` and `version` each tag may be on
    /// another one.
    pub tags: BTreeSet<String>,
    /// Tests of its labels.
    pub labels: BTreeSet<LabelTest>,
    /// What is searched for; the list is then best first.
    pub query: Option<Query>,
}

/// The filters of `GET /capabilities`. They choose among the providers: a capability without one left is not listed,
/// and its versions are those of the providers that are left.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct CapabilityFilter {
    /// Only this one.
    pub name: Option<String>,
    /// Only those whose name begins so.
    pub prefix: Option<String>,
    /// What a provider tagged it with, all of them.
    pub tags: BTreeSet<String>,
    /// What a provider's version satisfies.
    pub version: Option<Requirement>,
    /// A provider's status is one of these; none given means healthy and degraded.
    pub statuses: BTreeSet<Status>,
    /// What is searched for; the list is then best first.
    pub query: Option<Query>,
}

/// A test of one label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelTest {
    /// `k=v`.
    Is(String, String),
    /// `k!=v`: agents without the label pass.
    IsNot(String, String),
    /// `k`.
    Has(String),
    /// `!k`.
    Lacks(String),
}

impl View {
    pub(crate) fn is_unfiltered(&self) -> bool {
        match self {
            Self::Agents(filter) => *filter == AgentFilter::default(),
            Self::Capabilities(filter) => *filter == CapabilityFilter::default(),
        }
    }
}

impl AgentFilter {
    pub(crate) fn matches(&self, agent_id: &AgentId, agent: &Agent) -> bool {
        agent.status().is_some_and(|status| self.admits(agent_id, &agent.document, status))
    }

    /// Whether an agent is asked for that has this document and status.
    pub(crate) fn admits(&self, agent_id: &AgentId, document: &Document, status: Status) -> bool {
        self.frame_fits(document, status) && (self.query.is_none() || self.rank(agent_id, document).is_some())
    }

    /// Whether everything fits but, perhaps, the query.
    pub(crate) fn frame_fits(&self, document: &Document, status: Status) -> bool {
        status_fits(&self.statuses, status)
            && self.agent_type.as_ref().is_none_or(|wanted| wanted == document.agent_type.as_str())
            && self.capabilities_fit(&document.capabilities)
            && self.labels.iter().all(|test| test.holds(&document.labels))
    }

    /// How well the query finds an agent; `None` when it does not, or when there is no query.
    pub(crate) fn rank(&self, agent_id: &AgentId, document: &Document) -> Option<Rank> {
        self.query.as_ref()?.rank_agent(agent_id, document)
    }

    fn capabilities_fit(&self, capabilities: &[Capability]) -> bool {
        let tagged = |capability: &Capability| self.tags.iter().all(|tag| capability.tags.contains(tag));
        if self.capability.is_none() && self.version.is_none() {
            return self.tags.iter().all(|tag| capabilities.iter().any(|one| one.tags.contains(tag)));
        }
        capabilities.iter().any(|capability| {
            self.capability.as_ref().is_none_or(|wanted| wanted == capability.name.as_str())
                && self.version.as_ref().is_none_or(|wanted| wanted.matches(&capability.version))
                && tagged(capability)
        })
    }
}

impl CapabilityFilter {
    /// Whether a capability of this name may be asked for.
    pub(crate) fn name_fits(&self, name: &str) -> bool {
        self.name.as_ref().is_none_or(|wanted| wanted == name)
            && self.prefix.as_ref().is_none_or(|prefix| name.starts_with(prefix.as_str()))
    }

    /// Whether providers with this status are asked for.
    pub(crate) fn status_fits(&self, status: Status) -> bool {
        status_fits(&self.statuses, status)
    }

    /// Whether a provider with this status is asked for with this capability.
    pub(crate) fn admits(&self, capability: &Capability, status: Status) -> bool {
        status_fits(&self.statuses, status)
            && self.name_fits(capability.name.as_str())
            && self.tags.iter().all(|tag| capability.tags.contains(tag))
            && self.version.as_ref().is_none_or(|wanted| wanted.matches(&capability.version))
            && (self.query.is_none() || self.rank(capability).is_some())
    }

    /// How well the query finds a capability; `None` when it does not, or when there is no query.
    pub(crate) fn rank(&self, capability: &Capability) -> Option<Rank> {
        self.query.as_ref()?.rank_capability(capability)
    }
}

fn status_fits(wanted: &BTreeSet<Status>, status: Status) -> bool {
    if wanted.is_empty() { status.is_live() } else { wanted.contains(&status) }
}

impl LabelTest {
    /// Reads `k=v`, `k!=v`, `k` or `!k`.
    pub fn parse(text: &str) -> Option<Self> {
        let test = match (text.split_once("!="), text.split_once('='), text.strip_prefix('!')) {
            (Some((key, value)), Some((longer_key, _)), _) if key.len() < longer_key.len() => {
                Self::IsNot(key.to_owned(), value.to_owned())
            }
            (_, Some((key, value)), _) => Self::Is(key.to_owned(), value.to_owned()),
            (_, None, Some(key)) => Self::Lacks(key.to_owned()),
            (_, None, None) => Self::Has(text.to_owned()),
        };
        LabelKey::parse(test.key()).is_ok().then_some(test)
    }

    fn key(&self) -> &str {
        match self {
            Self::Is(key, _) | Self::IsNot(key, _) | Self::Has(key) | Self::Lacks(key) => key,
        }
    }

    fn holds(&self, labels: &BTreeMap<LabelKey, String>) -> bool {
        let value = labels.get(self.key());
        match self {
            Self::Is(_, wanted) => value == Some(wanted),
            Self::IsNot(_, unwanted) => value != Some(unwanted),
            Self::Has(_) => value.is_some(),
            Self::Lacks(_) => value.is_none(),
        }
    }
}
