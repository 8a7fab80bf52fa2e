//! Deltas in steps, so that nobody else has to wait for one over many changes: what changed is gathered some changes at
//! a time, and compared without the registry.
//!
//! An agent that changes again after it was gathered stands in the log again, behind what has been looked at, and is
//! gathered anew. So when nothing is left in the log, everything gathered is as it is at that revision, however many
//! steps it took.

use std::collections::BTreeSet;
use std::collections::btree_map::{BTreeMap, Entry};
use std::sync::Arc;

use crate::agent::{Agent, Status};
use crate::candidates::{Candidates, FEW_PROVIDERS, Now};
use crate::capabilities::{self, Held, Side, differing_names, names_of};
use crate::changes::{Before, Delta, Resync};
use crate::document::{AgentId, CapabilityName, Document};
use crate::filter::{AgentFilter, CapabilityFilter, View};
use crate::registry::Registry;
use crate::time::{Moment, Revision};

/// A delta in the making.
#[derive(Debug)]
pub struct Gathering {
    view: View,
    /// Every change up to this one has been looked at.
    revision: Revision,
    agents: BTreeMap<AgentId, Difference>,
    /// Of a list of capabilities, those that may differ, and in the end who provides them.
    names: BTreeSet<CapabilityName>,
    providers: BTreeMap<CapabilityName, Vec<Held>>,
    /// All agents, when those capabilities have too many providers to be looked up at one go.
    everybody: Option<Candidates>,
}

#[derive(Debug)]
struct Difference {
    was: Before<(Arc<Document>, Status)>,
    is: Option<Now>,
}

impl Registry {
    /// What changed in a list since a revision of a store.
    pub fn delta(
        &mut self,
        moment: Moment,
        view: &View,
        store_id: &str,
        since: Revision,
    ) -> Result<Delta, Resync> {
        let mut gathering = self.begin_delta(moment, view, store_id, since)?;
        self.gather(moment, &mut gathering, usize::MAX)?;
        Ok(gathering.compare())
    }

    /// The same in steps: to be handed to [`Self::gather`] until it is whole.
    pub fn begin_delta(
        &mut self,
        moment: Moment,
        view: &View,
        store_id: &str,
        since: Revision,
    ) -> Result<Gathering, Resync> {
        self.advance(moment);
        if *self.setup.store_id != *store_id {
            return Err(Resync::OtherStore);
        }
        if since > self.revision {
            return Err(Resync::FromTheFuture);
        }
        Ok(Gathering {
            view: view.clone(),
            revision: since,
            agents: BTreeMap::new(),
            names: BTreeSet::new(),
            providers: BTreeMap::new(),
            everybody: None,
        })
    }

    /// Looks at `most` changes that have not been looked at. True when there were no more: then what has been gathered
    /// is whole, and belongs to this revision.
    pub fn gather(&mut self, moment: Moment, gathering: &mut Gathering, most: usize) -> Result<bool, Resync> {
        self.advance(moment);
        if gathering.revision < self.changes.floor_of(&gathering.view) {
            return Err(Resync::TooOld);
        }
        for (revision, agent_id, before) in self.changes.all_after(gathering.revision).take(most) {
            gathering.note(agent_id, before, self.agents.get(agent_id));
            gathering.revision = revision;
        }
        if self.changes_since(gathering.revision) > 0 {
            return Ok(false);
        }
        gathering.revision = self.revision;
        Ok(self.gather_providers(moment, gathering, most))
    }

    fn gather_providers(&mut self, moment: Moment, gathering: &mut Gathering, most: usize) -> bool {
        let View::Capabilities(filter) = &gathering.view else { return true };
        if let Some(everybody) = &mut gathering.everybody {
            return self.gather_candidates(moment, everybody, most);
        }
        if self.are_few(filter, &gathering.names) {
            gathering.providers = self.providers_of(filter, &gathering.names);
            return true;
        }
        let everybody = gathering.everybody.insert(self.everybody(&gathering.view));
        self.gather_candidates(moment, everybody, most)
    }

    /// The index knows the live ones only.
    fn are_few(&self, filter: &CapabilityFilter, names: &BTreeSet<CapabilityName>) -> bool {
        let providers: usize = names.iter().map(|name| self.index.count_of(name.as_str())).sum();
        !filter.statuses.contains(&Status::Expired) && providers <= FEW_PROVIDERS
    }
}

impl Gathering {
    /// How many agents will be looked at.
    pub fn agents(&self) -> usize {
        self.agents.len() + self.everybody.as_ref().map_or(0, Candidates::agents)
    }

    /// What differs. Takes time: some microseconds for each agent.
    pub fn compare(self) -> Delta {
        let (changed, removed) = match &self.view {
            View::Agents(filter) => self.compare_agents(filter),
            View::Capabilities(filter) => self.compare_capabilities(filter),
        };
        Delta { revision: self.revision, changed, removed }
    }

    fn note(&mut self, agent_id: &AgentId, before: Before<&(Arc<Document>, Status)>, agent: Option<&Agent>) {
        let is = agent.and_then(|agent| Now::of(&self.view, agent_id, agent));
        if let View::Capabilities(_) = &self.view {
            let was = match before {
                Before::Known(before) => before.map(|(document, _)| document),
                Before::Unknown => None,
            };
            for document in was.into_iter().chain(is.as_ref().map(|is| &is.document)) {
                self.names.extend(names_of(document).into_iter().cloned());
            }
        }
        match self.agents.entry(agent_id.clone()) {
            Entry::Occupied(held) => held.into_mut().is = is,
            Entry::Vacant(place) => {
                let was = match before {
                    Before::Known(before) => Before::Known(before.cloned()),
                    Before::Unknown => Before::Unknown,
                };
                place.insert(Difference { was, is });
            }
        }
    }

    fn compare_agents(&self, filter: &AgentFilter) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        for (agent_id, difference) in &self.agents {
            let is = difference.is.as_ref().filter(|is| filter.admits(agent_id, &is.document, is.status));
            let may_have_been_there = || match &difference.was {
                Before::Known(was) => {
                    was.as_ref().is_some_and(|(document, status)| filter.admits(agent_id, document, *status))
                }
                Before::Unknown => true,
            };
            if let Some(entry) = is.and_then(|is| is.entry.as_ref()) {
                changed.push(Arc::clone(entry));
            } else if may_have_been_there() {
                removed.push(agent_id.as_str().into());
            }
        }
        (changed, removed)
    }

    fn compare_capabilities(&self, filter: &CapabilityFilter) -> (Vec<Arc<str>>, Vec<Arc<str>>) {
        let mut differing = BTreeSet::new();
        for (agent_id, difference) in &self.agents {
            // Above the floor everything is known.
            let Before::Known(was) = &difference.was else { continue };
            let was: Option<Side<'_>> = was.as_ref().map(|(document, status)| (agent_id, document, *status));
            let is = difference.is.as_ref().map(|is| (agent_id, &is.document, is.status));
            differing.extend(differing_names(filter, was, is));
        }
        let (mut changed, mut removed) = (Vec::new(), Vec::new());
        let mut sides: BTreeMap<&CapabilityName, Vec<Side<'_>>> = BTreeMap::new();
        for (name, held) in &self.providers {
            let held = held.iter().map(|(agent_id, document, status)| (agent_id, document, *status));
            sides.insert(name, held.collect());
        }
        for side in self.everybody.iter().flat_map(Candidates::sides) {
            for name in names_of(side.1).into_iter().filter(|name| differing.contains(name)) {
                sides.entry(name).or_default().push(side);
            }
        }
        for name in differing {
            let sides = sides.get(name).map_or(&[][..], Vec::as_slice);
            match capabilities::entry(filter, name, sides) {
                Some(entry) => changed.push(entry),
                // Whoever makes a difference and is not shown now was shown then.
                None => removed.push(name.as_str().into()),
            }
        }
        (changed, removed)
    }
}
