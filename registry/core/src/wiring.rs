//! Who provides what, and which providers a dependency gets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use semver::Version;
use serde::Serialize;

use crate::agent::Status;
use crate::capabilities::Side;
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
    /// Live agents only; together those who offer the same in the same status. A fleet of many agents has few such sorts,
    /// so that the best are found without looking at each agent. (A second tree of all, by id, cost a registration a
    /// third more.)
    sorts: BTreeMap<Sort, BTreeMap<AgentId, Arc<Document>>>,
    /// How many dependencies name it. It is kept while there are any, for `changed_at`.
    needed: usize,
    changed_at: Revision,
    /// The best providers of a requirement, whoever asks, until the next change.
    best: HashMap<(String, Vec<String>), Best>,
}

/// What decides whether a provider meets a dependency, and before whom it comes, but for its id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
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
    pub(crate) fn replace<'a>(
        &mut self,
        agent_id: &AgentId,
        before: Option<(&'a Arc<Document>, Status)>,
        after: Option<(&'a Arc<Document>, Status)>,
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
        let live = |side: Option<(&'a Arc<Document>, Status)>| side.filter(|(_, status)| status.is_live());
        let (before_live, after_live) = (live(before), live(after));
        for name in names_of([before_live, after_live]) {
            self.replace_offer(agent_id, name, before_live, after_live, revision);
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
    pub(crate) fn providers(&self, capability: &str) -> Vec<Side<'_>> {
        let sorts = self.capabilities.get(capability).into_iter().flat_map(|entry| &entry.sorts);
        let all = sorts.flat_map(|(sort, agents)| {
            agents.iter().map(|(agent_id, document)| (agent_id, document, sort.status))
        });
        let mut all: Vec<_> = all.collect();
        // They come in runs that are in order, which costs it hardly more than looking at each.
        all.sort_by_key(|(agent_id, ..)| *agent_id);
        all
    }

    /// How many there are of those.
    pub(crate) fn count_of(&self, capability: &str) -> usize {
        let entry = self.capabilities.get(capability);
        entry.map_or(0, |entry| entry.sorts.values().map(BTreeMap::len).sum())
    }

    /// Whether somebody live does.
    pub(crate) fn is_provided(&self, capability: &CapabilityName) -> bool {
        self.capabilities.get(capability).is_some_and(|entry| !entry.sorts.is_empty())
    }

    /// The capabilities that somebody live provides, by name.
    pub(crate) fn provided(&self) -> impl Iterator<Item = &CapabilityName> {
        self.capabilities.iter().filter(|(_, entry)| !entry.sorts.is_empty()).map(|(name, _)| name)
    }

    /// Who meets a dependency of `asker`, a live agent that has declared `offers`.
    pub(crate) fn wire(&mut self, asker: &AgentId, offers: &Document, needed: &Dependency) -> Wired {
        let mut wired = Wired {
            capability: needed.capability.clone(),
            version: needed.version.as_str().to_owned(),
            tags: needed.tags.clone(),
            total: 0,
            providers: Vec::new(),
        };
        let Some(entry) = self.capabilities.get_mut(&needed.capability) else { return wired };
        let asker_meets_it = offers.capabilities.iter().any(|capability| needed.is_met_by(capability));
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
        before: Option<(&Arc<Document>, Status)>,
        after: Option<(&Arc<Document>, Status)>,
        revision: Revision,
    ) {
        let sort = |side: Option<(&Arc<Document>, Status)>| {
            side.and_then(|(document, status)| Sort::of(document, status, name))
        };
        let (sort_before, sort_after) = (sort(before), sort(after));
        let [endpoint_before, endpoint_after] =
            [before, after].map(|side| side.and_then(|(document, _)| document.endpoint.as_deref()));
        let is_as_before = sort_before == sort_after && endpoint_before == endpoint_after;
        if !self.capabilities.contains_key(name) {
            self.capabilities.insert(name.clone(), Entry::default());
        }
        let Some(entry) = self.capabilities.get_mut(name) else { return };
        if let Some(sort) = sort_before
            && sort_after.as_ref() != Some(&sort)
        {
            entry.leave(&sort, agent_id);
        }
        if let (Some(sort), Some((document, _))) = (sort_after, after) {
            entry.sorts.entry(sort).or_default().insert(agent_id.clone(), Arc::clone(document));
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
        if self.capabilities.get(capability).is_some_and(|entry| entry.needed == 0 && entry.sorts.is_empty())
        {
            self.capabilities.remove(capability);
        }
    }
}

/// The capabilities that these offer, each once.
fn names_of(sides: [Option<(&Arc<Document>, Status)>; 2]) -> impl Iterator<Item = &CapabilityName> {
    let documents = match sides {
        [Some((one, _)), Some((other, _))] if Arc::ptr_eq(one, other) => [Some(one), None],
        _ => sides.map(|side| side.map(|(document, _)| document)),
    };
    let offers = documents.into_iter().flatten().flat_map(|document| document.capabilities.iter());
    let mut names: Vec<&CapabilityName> = offers.map(|capability| &capability.name).collect();
    names.sort();
    names.dedup();
    names.into_iter()
}

impl Sort {
    /// `None` when the document does not offer the capability.
    fn of(document: &Document, status: Status, name: &CapabilityName) -> Option<Self> {
        let named = document.capabilities.iter().filter(|capability| capability.name == *name);
        let offered: Vec<_> =
            named.map(|capability| (capability.version.clone(), capability.tags.clone())).collect();
        (!offered.is_empty()).then_some(Self { status, offered })
    }

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
        let Self { best, sorts, .. } = self;
        best.entry(key).or_insert_with(|| find_best(sorts, needed))
    }

    fn leave(&mut self, sort: &Sort, agent_id: &AgentId) {
        if let Some(same) = self.sorts.get_mut(sort) {
            same.remove(agent_id);
            if same.is_empty() {
                self.sorts.remove(sort);
            }
        }
    }
}

fn find_best(sorts: &BTreeMap<Sort, BTreeMap<AgentId, Arc<Document>>>, needed: &Dependency) -> Best {
    type Rank<'a> = (Status, Reverse<&'a Version>);
    let mut ranks: BTreeMap<Rank<'_>, Vec<&BTreeMap<AgentId, Arc<Document>>>> = BTreeMap::new();
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
        let mut first: Vec<_> = sorts.into_iter().flat_map(|agents| agents.iter().take(left)).collect();
        first.sort_by_key(|(agent_id, _)| *agent_id);
        best.extend(first.into_iter().take(left).map(|(agent_id, document)| Provider {
            agent_id: agent_id.clone(),
            endpoint: document.endpoint.clone(),
            version: version.to_string(),
            status,
        }));
        if best.len() > PROVIDERS {
            break;
        }
    }
    Best { total, providers: best }
}
