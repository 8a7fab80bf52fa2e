//! Long lists in steps, so that nobody else has to wait for one: what may be in it is gathered from the registry some
//! agents at a time, and searched and written down without it.
//!
//! An agent that changes after it was gathered stands in the log of changes, and is gathered anew. So when everybody has
//! been looked at and nothing is left in the log, everything gathered is as it is at that revision.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::agent::{Agent, Status};
use crate::capabilities::{self, Side, names_of};
use crate::document::{AgentId, CapabilityName, Document};
use crate::filter::{AgentFilter, CapabilityFilter, View};
use crate::listing::{Page, PageRequest};
use crate::registry::Registry;
use crate::snapshots::Snapshot;
use crate::time::{Moment, Revision};
use crate::views;

/// A list of so few providers is made at one go.
pub(crate) const FEW_PROVIDERS: usize = 500;

/// Who may be in a list.
#[derive(Debug)]
pub struct Candidates {
    view: View,
    question: u64,
    /// Every change up to this one has been looked at.
    revision: Revision,
    /// The last agent that has been looked at.
    last: Option<AgentId>,
    /// Those of them that may be in the list, by id.
    agents: Vec<(AgentId, Now)>,
}

/// What views show of an agent now.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) document: Arc<Document>,
    pub(crate) status: Status,
    /// Its entry; of lists of agents only.
    pub(crate) entry: Option<Arc<str>>,
}

/// A whole list.
#[derive(Debug)]
pub struct Found {
    revision: Revision,
    question: u64,
    entries: Arc<[Arc<str>]>,
}

impl Registry {
    /// Who may be in a list: nobody yet, to be handed to [`Self::gather_candidates`] until it is whole. `None` when
    /// [`Registry::list`] answers at once, because the list is kept or an index leads to it.
    pub fn candidates(&mut self, moment: Moment, view: &View, page: &PageRequest) -> Option<Candidates> {
        if self.is_kept(moment, view, page) || self.is_found_by_index(view) {
            return None;
        }
        Some(self.everybody(view))
    }

    pub(crate) fn everybody(&self, view: &View) -> Candidates {
        let (revision, question) = (self.revision, self.question(view));
        Candidates { view: view.clone(), question, revision, last: None, agents: Vec::new() }
    }

    /// Looks at `most` more agents, at least. True when everybody has been looked at: what has been gathered is then
    /// whole, and belongs to this revision.
    pub fn gather_candidates(&mut self, moment: Moment, candidates: &mut Candidates, most: usize) -> bool {
        self.advance(moment);
        if candidates.revision < self.changes.floor_of(&candidates.view) {
            // So much has changed meanwhile that the log does not tell it.
            (candidates.last, candidates.revision) = (None, self.revision);
            candidates.agents.clear();
        }
        let mut left = most;
        for (revision, agent_id, _) in self.changes.all_after(candidates.revision).take(most) {
            // Who comes later is looked at later.
            if candidates.last.as_ref().is_some_and(|last| agent_id <= last) {
                candidates.look_again(agent_id, self.agents.get(agent_id));
            }
            candidates.revision = revision;
            left -= 1;
        }
        let last = candidates.last.clone();
        let mut rest = self.agents.after(last.as_ref());
        for (agent_id, agent) in rest.by_ref().take(left) {
            if let Some(now) = Now::of(&candidates.view, agent_id, agent) {
                candidates.agents.push((agent_id.clone(), now));
            }
            candidates.last = Some(agent_id.clone());
        }
        let is_whole = rest.next().is_none() && self.changes_since(candidates.revision) == 0;
        if is_whole {
            candidates.revision = self.revision;
        }
        is_whole
    }

    /// A page of what was found, with its tag. Its other pages are kept as those of every list.
    pub fn list_found(&mut self, found: Found, page: &PageRequest) -> (String, Page) {
        let Found { revision, question, entries } = found;
        let end = page.limit.min(entries.len());
        let snapshot = Snapshot { revision, question, taken: self.now, entries: Arc::clone(&entries) };
        self.snapshots.keep(snapshot, end < entries.len());
        (self.tag_of(revision, question, 0, page.limit), Page::cut(revision, question, entries, 0..end))
    }

    /// The index knows the live ones only.
    fn is_found_by_index(&self, view: &View) -> bool {
        let (name, statuses, query) = match view {
            View::Agents(filter) => (&filter.capability, &filter.statuses, &filter.query),
            View::Capabilities(filter) => (&filter.name, &filter.statuses, &filter.query),
        };
        let is_indexed = query.is_none() && !statuses.contains(&Status::Expired);
        name.as_ref().is_some_and(|name| is_indexed && self.index.count_of(name) <= FEW_PROVIDERS)
    }
}

impl Now {
    /// `None` when it surely is not in such a list.
    pub(crate) fn of(view: &View, agent_id: &AgentId, agent: &Agent) -> Option<Self> {
        let status = agent.status()?;
        let entry = match view {
            View::Agents(filter) if !filter.frame_fits(&agent.document, status) => return None,
            View::Agents(_) => Some(views::entry(agent_id, agent)?),
            View::Capabilities(filter) if !filter.status_fits(status) => return None,
            View::Capabilities(_) => None,
        };
        Some(Self { document: Arc::clone(&agent.document), status, entry })
    }
}

impl Candidates {
    pub(crate) fn sides(&self) -> impl Iterator<Item = Side<'_>> {
        self.agents.iter().map(|(agent_id, now)| (agent_id, &now.document, now.status))
    }

    /// How many there are.
    pub fn agents(&self) -> usize {
        self.agents.len()
    }

    /// Whether it is searched for best matches, which takes some microseconds for each.
    pub fn is_search(&self) -> bool {
        match &self.view {
            View::Agents(filter) => filter.query.is_some(),
            View::Capabilities(_) => true,
        }
    }

    /// The list. Takes time.
    pub fn search(self) -> Found {
        let entries = match &self.view {
            View::Agents(filter) if filter.query.is_some() => search_agents(filter, &self.agents),
            View::Agents(_) => self.agents.iter().filter_map(|(_, now)| now.entry.clone()).collect(),
            View::Capabilities(filter) => search_capabilities(filter, self.sides()),
        };
        Found { revision: self.revision, question: self.question, entries: entries.into() }
    }

    fn look_again(&mut self, agent_id: &AgentId, agent: Option<&Agent>) {
        let now = agent.and_then(|agent| Now::of(&self.view, agent_id, agent));
        match (self.agents.binary_search_by(|(other, _)| other.cmp(agent_id)), now) {
            (Ok(position), Some(now)) => {
                if let Some((_, held)) = self.agents.get_mut(position) {
                    *held = now;
                }
            }
            (Ok(position), None) => drop(self.agents.remove(position)),
            (Err(position), Some(now)) => self.agents.insert(position, (agent_id.clone(), now)),
            (Err(_), None) => {}
        }
    }
}

fn search_agents(filter: &AgentFilter, agents: &[(AgentId, Now)]) -> Vec<Arc<str>> {
    let mut found: Vec<_> = agents
        .iter()
        .filter_map(|(agent_id, now)| Some((filter.rank(agent_id, &now.document)?, now.entry.as_ref()?)))
        .collect();
    // Stable: equals stay in the order of their ids.
    found.sort_by_key(|(rank, _)| *rank);
    found.into_iter().map(|(_, entry)| Arc::clone(entry)).collect()
}

fn search_capabilities<'a>(
    filter: &CapabilityFilter,
    candidates: impl Iterator<Item = Side<'a>>,
) -> Vec<Arc<str>> {
    let mut sides: BTreeMap<&CapabilityName, Vec<Side<'_>>> = BTreeMap::new();
    for side in candidates {
        for name in names_of(side.1).into_iter().filter(|name| filter.name_fits(name.as_str())) {
            sides.entry(name).or_default().push(side);
        }
    }
    capabilities::entries(filter, &sides)
}
