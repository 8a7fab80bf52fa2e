//! Who provides what, and which providers a dependency gets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use semver::Version;
use serde::Serialize;

use crate::agent::Status;
use crate::document::{AgentId, CapabilityName, Dependency, Document};
use crate::time::Revision;

/// The most providers that a dependency is told; `total` says how many there are.
pub const PROVIDERS: usize = 16;
/// How many different requirements on one capability have their providers remembered.
const REMEMBERED: usize = 64;

/// A dependency and who can meet it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Wired {
    /// What is needed.
    pub capability: CapabilityName,
    /// In which versions, as declared.
    pub version: String,
    /// With which tags.
    pub tags: Vec<String>,
    /// How many live agents other than the asker meet it.
    pub total: usize,
    /// The first of them: healthy before degraded, then the higher version, then by id.
    pub providers: Vec<Provider>,
}

/// An agent that meets a dependency.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Provider {
    /// Who.
    pub agent_id: AgentId,
    /// Where it said it can be reached.
    pub endpoint: Option<Arc<str>>,
    /// The highest of its versions that meets the dependency.
    pub version: String,
    /// Healthy or degraded.
    pub status: Status,
}

/// All capabilities that somebody provides or needs.
#[derive(Debug, Default)]
pub(crate) struct Index {
    capabilities: BTreeMap<CapabilityName, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    /// Live agents only.
    providers: BTreeMap<AgentId, Offer>,
    /// The same, together with those who offer the same in the same status: a fleet of many agents has few such sorts,
    /// so that the best are found without looking at each agent.
    sorts: BTreeMap<Sort, BTreeSet<AgentId>>,
    /// How many dependencies name it. It is kept while there are any, for `changed_at`.
    needed: usize,
    changed_at: Revision,
    /// The best providers of a requirement, whoever asks, until the next change.
    best: HashMap<(String, Vec<String>), Best>,
}

/// An agent's document with the status that views show of it.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    pub(crate) document: Arc<Document>,
    pub(crate) status: Status,
}

/// What decides whether a provider meets a dependency, and before whom it comes, but for its id.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Sort {
    status: Status,
    /// The versions of the capability, each with its tags.
    offered: Vec<(Version, Vec<String>)>,
}

#[derive(Debug, Clone)]
struct Best {
    total: usize,
    /// One more than anybody is told, since the asker may be among them.
    providers: Vec<Provider>,
}

impl Index {
    /// Puts what an agent is now in the place of what it was; `None` when it is gone.
    pub(crate) fn replace(
        &mut self,
        agent_id: &AgentId,
        before: Option<(&Arc<Document>, Status)>,
        after: Option<(&Arc<Document>, Status)>,
        revision: Revision,
    ) {
        let same_document =
            matches!((before, after), (Some((before, _)), Some((after, _))) if Arc::ptr_eq(before, after));
        let (status_before, status_after) =
            (before.map(|(_, status)| status), after.map(|(_, status)| status));
        if same_document && status_before == status_after {
            return;
        }
        // New needs come before the old ones go, so that an entry needed by both keeps its history.
        if let Some((document, _)) = after.filter(|_| !same_document) {
            self.need(document);
        }
        let live = |side: Option<(&Arc<Document>, Status)>| {
            side.filter(|(_, status)| status.is_live())
                .map(|(document, status)| Offer { document: Arc::clone(document), status })
        };
        let (before_offer, after_offer) = (live(before), live(after));
        let offers = [&before_offer, &after_offer];
        let names: BTreeSet<&CapabilityName> = offers.into_iter().flatten().flat_map(Offer::names).collect();
        for name in names {
            let offered = |offer: &Option<Offer>| {
                offer.clone().filter(|offer| offer.names().any(|other| other == name))
            };
            self.replace_offer(
                agent_id,
                name,
                offered(&before_offer).as_ref(),
                offered(&after_offer),
                revision,
            );
        }
        if let Some((document, _)) = before.filter(|_| !same_document) {
            self.no_longer_need(document);
        }
    }

    /// When a provider of it last came, went or changed.
    pub(crate) fn changed_at(&self, capability: &CapabilityName) -> Revision {
        self.capabilities.get(capability).map_or(Revision::default(), |entry| entry.changed_at)
    }

    /// The live agents that provide a capability, by id.
    pub(crate) fn providers(&self, capability: &str) -> impl Iterator<Item = (&AgentId, &Offer)> {
        self.capabilities.get(capability).into_iter().flat_map(|entry| &entry.providers)
    }

    /// The capabilities that somebody live provides, by name.
    pub(crate) fn provided(&self) -> impl Iterator<Item = &CapabilityName> {
        self.capabilities.iter().filter(|(_, entry)| !entry.providers.is_empty()).map(|(name, _)| name)
    }

    /// Who meets a dependency of `asker`.
    pub(crate) fn wire(&mut self, asker: &AgentId, needed: &Dependency) -> Wired {
        let mut wired = Wired {
            capability: needed.capability.clone(),
            version: needed.version.as_str().to_owned(),
            tags: needed.tags.clone(),
            total: 0,
            providers: Vec::new(),
        };
        let Some(entry) = self.capabilities.get_mut(&needed.capability) else { return wired };
        let asker_meets_it = entry.providers.get(asker).is_some_and(|offer| offer.meets(needed));
        let best = entry.best(needed);
        wired.total = best.total - usize::from(asker_meets_it);
        let others = best.providers.iter().filter(|provider| provider.agent_id != *asker);
        wired.providers = others.take(PROVIDERS).cloned().collect();
        wired
    }

    fn replace_offer(
        &mut self,
        agent_id: &AgentId,
        name: &CapabilityName,
        before: Option<&Offer>,
        after: Option<Offer>,
        revision: Revision,
    ) {
        let sort_before = before.map(|offer| offer.sort(name));
        let sort_after = after.as_ref().map(|offer| offer.sort(name));
        let endpoint = |offer: Option<&Offer>| offer.and_then(|offer| offer.document.endpoint.clone());
        let is_as_before = sort_before == sort_after && endpoint(before) == endpoint(after.as_ref());
        let entry = self.capabilities.entry(name.clone()).or_default();
        match after {
            Some(offer) => entry.providers.insert(agent_id.clone(), offer),
            None => entry.providers.remove(agent_id),
        };
        if sort_before != sort_after {
            entry.move_between(agent_id, sort_before, sort_after);
        }
        if !is_as_before {
            entry.changed_at = revision;
            entry.best.clear();
        }
        self.drop_if_idle(name);
    }

    fn need(&mut self, document: &Document) {
        for needed in document.dependencies.iter() {
            self.capabilities.entry(needed.capability.clone()).or_default().needed += 1;
        }
    }

    fn no_longer_need(&mut self, document: &Document) {
        for needed in document.dependencies.iter() {
            if let Some(entry) = self.capabilities.get_mut(&needed.capability) {
                entry.needed = entry.needed.saturating_sub(1);
            }
            self.drop_if_idle(&needed.capability);
        }
    }

    /// Nobody will ask when such an entry last changed: who needs it later registers at a higher revision.
    fn drop_if_idle(&mut self, capability: &CapabilityName) {
        if self
            .capabilities
            .get(capability)
            .is_some_and(|entry| entry.needed == 0 && entry.providers.is_empty())
        {
            self.capabilities.remove(capability);
        }
    }
}

impl Offer {
    fn names(&self) -> impl Iterator<Item = &CapabilityName> {
        self.document.capabilities.iter().map(|capability| &capability.name)
    }

    fn meets(&self, needed: &Dependency) -> bool {
        self.document.capabilities.iter().any(|capability| needed.is_met_by(capability))
    }

    fn sort(&self, name: &CapabilityName) -> Sort {
        let named = self.document.capabilities.iter().filter(|capability| capability.name == *name);
        let offered = named.map(|capability| (capability.version.clone(), capability.tags.clone()));
        Sort { status: self.status, offered: offered.collect() }
    }
}

impl Sort {
    /// The highest version by which a provider of this sort meets a dependency on its capability.
    fn meets(&self, needed: &Dependency) -> Option<&Version> {
        let meeting = self.offered.iter().filter(|(version, tags)| needed.is_met_in(version, tags));
        meeting.map(|(version, _)| version).max()
    }
}

impl Entry {
    fn best(&mut self, needed: &Dependency) -> &Best {
        let key = (needed.version.as_str().to_owned(), needed.tags.clone());
        if !self.best.contains_key(&key) && self.best.len() >= REMEMBERED {
            self.best.clear();
        }
        let Self { best, sorts, providers, .. } = self;
        best.entry(key).or_insert_with(|| find_best(sorts, providers, needed))
    }

    fn move_between(&mut self, agent_id: &AgentId, before: Option<Sort>, after: Option<Sort>) {
        if let Some(before) = before
            && let Some(same) = self.sorts.get_mut(&before)
        {
            same.remove(agent_id);
            if same.is_empty() {
                self.sorts.remove(&before);
            }
        }
        if let Some(after) = after {
            self.sorts.entry(after).or_default().insert(agent_id.clone());
        }
    }
}

fn find_best(
    sorts: &BTreeMap<Sort, BTreeSet<AgentId>>,
    providers: &BTreeMap<AgentId, Offer>,
    needed: &Dependency,
) -> Best {
    type Rank<'a> = (Status, Reverse<&'a Version>);
    let mut ranks: BTreeMap<Rank<'_>, Vec<&BTreeSet<AgentId>>> = BTreeMap::new();
    for (sort, agents) in sorts {
        if let Some(version) = sort.meets(needed) {
            ranks.entry((sort.status, Reverse(version))).or_default().push(agents);
        }
    }
    let total = ranks.values().flatten().map(|agents| agents.len()).sum();
    let mut best = Vec::new();
    for ((status, Reverse(version)), sorts) in ranks {
        let left = PROVIDERS + 1 - best.len();
        // No more of one sort can be among the first of all.
        let mut first: Vec<&AgentId> =
            sorts.into_iter().flat_map(|agents| agents.iter().take(left)).collect();
        first.sort();
        best.extend(first.into_iter().take(left).map(|agent_id| Provider {
            agent_id: agent_id.clone(),
            endpoint: providers.get(agent_id).and_then(|offer| offer.document.endpoint.clone()),
            version: version.to_string(),
            status,
        }));
        if best.len() > PROVIDERS {
            break;
        }
    }
    Best { total, providers: best }
}
