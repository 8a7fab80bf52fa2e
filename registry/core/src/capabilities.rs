//! Capabilities as lists show them: who provides what, under a filter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::agent::Status;
use crate::document::{AgentId, Capability, CapabilityName, Document};
use crate::filter::CapabilityFilter;
use crate::registry::Registry;

/// A capability as lists show it.
#[derive(Debug, Serialize)]
struct Entry<'a> {
    name: &'a CapabilityName,
    versions: BTreeSet<&'a semver::Version>,
    providers: Vec<Shown<'a>>,
}

/// A provider as the entry of a capability shows it.
#[derive(Debug, PartialEq, Serialize)]
struct Shown<'a> {
    agent_id: &'a AgentId,
    endpoint: Option<&'a str>,
    version: &'a semver::Version,
    tags: &'a [String],
    status: Status,
}

/// An agent with the document and the status that views show of it, or did.
pub(crate) type Side<'a> = (&'a AgentId, &'a Arc<Document>, Status);

/// A side that is kept while the registry goes on.
pub(crate) type Held = (AgentId, Arc<Document>, Status);

impl Registry {
    /// The entries that pass a filter: by name, or best first when something is searched for.
    pub(crate) fn capability_entries(&self, filter: &CapabilityFilter) -> Vec<Arc<str>> {
        let sides = match &filter.name {
            Some(name) => self.sides_of(filter, |other| other.as_str() == name),
            None => self.sides_of(filter, |_| true),
        };
        entries(filter, &sides)
    }

    /// Who provides some capabilities, as far as their names pass a filter.
    pub(crate) fn providers_of(
        &self,
        filter: &CapabilityFilter,
        names: &BTreeSet<CapabilityName>,
    ) -> BTreeMap<CapabilityName, Vec<Held>> {
        let sides = self.sides_of(filter, |name| names.contains(name)).into_iter();
        let held = |(agent_id, document, status): Side<'_>| (agent_id.clone(), Arc::clone(document), status);
        sides.map(|(name, sides)| (name.clone(), sides.into_iter().map(held).collect())).collect()
    }

    /// Who provides each capability, by name and then by id. The index knows the live ones only.
    fn sides_of(
        &self,
        filter: &CapabilityFilter,
        is_asked_for: impl Fn(&CapabilityName) -> bool,
    ) -> BTreeMap<&CapabilityName, Vec<Side<'_>>> {
        let fits = |name: &CapabilityName| is_asked_for(name) && filter.name_fits(name.as_str());
        if !filter.statuses.contains(&Status::Expired) {
            let names = self.index.provided().filter(|name| fits(name));
            return names.map(|name| (name, self.index.providers(name.as_str()))).collect();
        }
        let mut sides: BTreeMap<&CapabilityName, Vec<Side<'_>>> = BTreeMap::new();
        for (agent_id, agent) in self.agents.iter() {
            let Some(status) = agent.status() else { continue };
            for name in names_of(&agent.document).into_iter().filter(|name| fits(name)) {
                sides.entry(name).or_default().push((agent_id, &agent.document, status));
            }
        }
        sides
    }
}

/// The entries of what these sides offer: by name, or best first when something is searched for.
pub(crate) fn entries(
    filter: &CapabilityFilter,
    sides: &BTreeMap<&CapabilityName, Vec<Side<'_>>>,
) -> Vec<Arc<str>> {
    let mut entries: Vec<_> = sides
        .iter()
        .filter_map(|(name, sides)| {
            let best = sides.iter().filter_map(|side| best_rank(filter, name, *side)).min();
            Some((best, entry(filter, name, sides)?))
        })
        .collect();
    // Stable: equals stay in the order of their names.
    entries.sort_by_key(|(best, _)| *best);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

/// The names of what a document offers, each once.
pub(crate) fn names_of(document: &Document) -> BTreeSet<&CapabilityName> {
    document.capabilities.iter().map(|capability| &capability.name).collect()
}

/// The names under which a filter shows two sides of an agent differently.
pub(crate) fn differing_names<'a>(
    filter: &CapabilityFilter,
    before: Option<Side<'a>>,
    after: Option<Side<'a>>,
) -> impl Iterator<Item = &'a CapabilityName> {
    let sides = [before, after];
    let names: BTreeSet<_> = sides.iter().flatten().flat_map(|(_, document, _)| names_of(document)).collect();
    names.into_iter().filter(move |name| {
        let [before, after] =
            sides.map(|side| side.map_or_else(Vec::new, |side| shown(filter, name, side).collect()));
        before != after
    })
}

fn admitted<'a>(
    filter: &CapabilityFilter,
    name: &CapabilityName,
    (_, document, status): Side<'a>,
) -> impl Iterator<Item = &'a Capability> {
    let named = document.capabilities.iter().filter(move |capability| capability.name == *name);
    named.filter(move |capability| filter.admits(capability, status))
}

fn shown<'a>(
    filter: &CapabilityFilter,
    name: &CapabilityName,
    side: Side<'a>,
) -> impl Iterator<Item = Shown<'a>> {
    let (agent_id, document, status) = side;
    admitted(filter, name, side).map(move |capability| Shown {
        agent_id,
        endpoint: document.endpoint.as_deref(),
        version: &capability.version,
        tags: &capability.tags,
        status,
    })
}

fn best_rank(
    filter: &CapabilityFilter,
    name: &CapabilityName,
    side: Side<'_>,
) -> Option<crate::search::Rank> {
    admitted(filter, name, side).filter_map(|capability| filter.rank(capability)).min()
}

/// The entry of one capability; `None` when nobody who passes provides it.
pub(crate) fn entry(
    filter: &CapabilityFilter,
    name: &CapabilityName,
    sides: &[Side<'_>],
) -> Option<Arc<str>> {
    let providers: Vec<_> = sides.iter().flat_map(|side| shown(filter, name, *side)).collect();
    let versions = providers.iter().map(|provider| provider.version).collect();
    let entry = Entry { name, versions, providers };
    (!entry.providers.is_empty()).then(|| serde_json::to_string(&entry).ok().map(Into::into)).flatten()
}
