//! Searches in two steps, so that nobody else has to wait for the long one: what is to be searched is taken from the
//! registry at one instant, and searched without it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::Status;
use crate::capabilities::{self, Side, names_of};
use crate::document::{AgentId, CapabilityName, Document};
use crate::filter::{AgentFilter, CapabilityFilter, View};
use crate::listing::{Page, PageRequest};
use crate::registry::Registry;
use crate::snapshots::Snapshot;
use crate::time::{Moment, Revision};
use crate::views;

/// What is to be searched, as it was at one revision.
#[derive(Debug)]
pub struct Candidates {
    revision: Revision,
    question: u64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// With their entries.
    Agents(AgentFilter, Vec<(AgentId, Arc<Document>, Arc<str>)>),
    Capabilities(CapabilityFilter, Vec<(AgentId, Arc<Document>, Status)>),
}

/// What was found, best first.
#[derive(Debug)]
pub struct Found {
    revision: Revision,
    question: u64,
    entries: Arc<[Arc<str>]>,
}

impl Registry {
    /// What is to be searched for a list. `None` when nothing is, or when it has been searched already: then
    /// [`Registry::list`] answers at once.
    pub fn candidates(&mut self, moment: Moment, view: &View, page: &PageRequest) -> Option<Candidates> {
        self.advance(moment);
        let (revision, question) = (self.revision, self.question(view));
        if page.cursor.is_some() || self.snapshots.find(self.now, revision, question).is_some() {
            return None;
        }
        let kind = match view {
            View::Agents(filter) if filter.query.is_some() => {
                let agents = self.agents.iter_mut().filter_map(|(agent_id, agent)| {
                    let status = agent.status()?;
                    let entry =
                        filter.frame_fits(&agent.document, status).then(|| views::entry(agent_id, agent));
                    Some((agent_id.clone(), Arc::clone(&agent.document), entry??))
                });
                Kind::Agents(filter.clone(), agents.collect())
            }
            View::Capabilities(filter) if filter.name.is_none() || filter.query.is_some() => {
                let sides = self.agents.iter().filter_map(|(agent_id, agent)| {
                    let status = agent.status().filter(|status| filter.status_fits(*status))?;
                    Some((agent_id.clone(), Arc::clone(&agent.document), status))
                });
                Kind::Capabilities(filter.clone(), sides.collect())
            }
            _ => return None,
        };
        Some(Candidates { revision, question, kind })
    }

    /// The first page of what was found. Its other pages are kept as those of every list.
    pub fn list_found(&mut self, moment: Moment, found: Found, page: &PageRequest) -> Page {
        self.advance(moment);
        let Found { revision, question, entries } = found;
        let end = page.limit.min(entries.len());
        let snapshot = Snapshot { revision, question, taken: self.now, entries: Arc::clone(&entries) };
        self.snapshots.keep(snapshot, end < entries.len());
        Page::cut(revision, question, entries, 0..end)
    }
}

impl Candidates {
    /// Looks at each of them. Takes time: some microseconds for each agent.
    pub fn search(self) -> Found {
        let entries = match &self.kind {
            Kind::Agents(filter, agents) => search_agents(filter, agents),
            Kind::Capabilities(filter, sides) => search_capabilities(filter, sides),
        };
        Found { revision: self.revision, question: self.question, entries: entries.into() }
    }
}

fn search_agents(filter: &AgentFilter, agents: &[(AgentId, Arc<Document>, Arc<str>)]) -> Vec<Arc<str>> {
    let mut found: Vec<_> = agents
        .iter()
        .filter_map(|(agent_id, document, entry)| Some((filter.rank(agent_id, document)?, entry)))
        .collect();
    // Stable: equals stay in the order of their ids.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, entry)| Arc::clone(entry)).collect()
}

fn search_capabilities(
    filter: &CapabilityFilter,
    candidates: &[(AgentId, Arc<Document>, Status)],
) -> Vec<Arc<str>> {
    let mut sides: BTreeMap<&CapabilityName, Vec<Side<'_>>> = BTreeMap::new();
    for (agent_id, document, status) in candidates {
        for name in names_of(document).into_iter().filter(|name| filter.name_fits(name.as_str())) {
            sides.entry(name).or_default().push((agent_id, document, *status));
        }
    }
    capabilities::entries(filter, &sides)
}
