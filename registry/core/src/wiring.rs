//! Who provides what, and which providers a dependency gets.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::Serialize;

use crate::agent::Status;
use crate::document::{AgentId, Capability, CapabilityName, Dependency, Document};
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
        let asker_meets_it =
            entry.providers.get(asker).is_some_and(|offer| meets(&offer.document, needed).is_some());
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
        let is_as_before = match (before, &after) {
            (Some(before), Some(after)) => before.shows_the_same(after, name),
            _ => false,
        };
        let entry = self.capabilities.entry(name.clone()).or_default();
        match after {
            Some(offer) => entry.providers.insert(agent_id.clone(), offer),
            None => entry.providers.remove(agent_id),
        };
        if !is_as_before {
            entry.changed_at = revision;
            entry.best.clear();
        }
        self.drop_if_idle(name);
    }

    fn need(&mut self, document: &Document) {
        for needed in &document.dependencies {
            self.capabilities.entry(needed.capability.clone()).or_default().needed += 1;
        }
    }

    fn no_longer_need(&mut self, document: &Document) {
        for needed in &document.dependencies {
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

    /// Whether those who need the capability see no difference.
    fn shows_the_same(&self, other: &Self, name: &CapabilityName) -> bool {
        let offered = |document: &Document| -> Vec<(semver::Version, Vec<String>)> {
            let named = document.capabilities.iter().filter(|capability| capability.name == *name);
            named.map(|capability| (capability.version.clone(), capability.tags.clone())).collect()
        };
        self.status == other.status
            && self.document.endpoint == other.document.endpoint
            && (Arc::ptr_eq(&self.document, &other.document)
                || offered(&self.document) == offered(&other.document))
    }
}

impl Entry {
    fn best(&mut self, needed: &Dependency) -> &Best {
        let key = (needed.version.as_str().to_owned(), needed.tags.clone());
        if !self.best.contains_key(&key) && self.best.len() >= REMEMBERED {
            self.best.clear();
        }
        self.best.entry(key).or_insert_with(|| find_best(&self.providers, needed))
    }
}

fn find_best(providers: &BTreeMap<AgentId, Offer>, needed: &Dependency) -> Best {
    let mut matching: Vec<(&AgentId, &Offer, &Capability)> = providers
        .iter()
        .filter_map(|(agent_id, offer)| Some((agent_id, offer, meets(&offer.document, needed)?)))
        .collect();
    matching
        .sort_by_key(|(agent_id, offer, capability)| (offer.status, Reverse(&capability.version), *agent_id));
    let providers = matching.iter().take(PROVIDERS + 1).map(|(agent_id, offer, capability)| Provider {
        agent_id: (*agent_id).clone(),
        endpoint: offer.document.endpoint.clone(),
        version: capability.version.to_string(),
        status: offer.status,
    });
    Best { total: matching.len(), providers: providers.collect() }
}

/// The capability of the highest version by which a document meets a dependency.
fn meets<'a>(document: &'a Document, needed: &Dependency) -> Option<&'a Capability> {
    let meeting = document.capabilities.iter().filter(|capability| needed.is_met_by(capability));
    meeting.max_by(|one, other| one.version.cmp(&other.version))
}
