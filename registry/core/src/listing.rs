//! Lists, pages of one revision, entity tags.
//!
//! A list is taken as a snapshot: the serialised entries, shared with the agents. The pages of one cursor chain are
//! cut from one snapshot, and askers of the same question at the same revision share it.

use std::collections::BTreeSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;

use crate::agent::Status;
use crate::document::AgentId;
use crate::registry::Registry;
use crate::snapshots::Snapshot;
use crate::time::{Moment, Revision};
use crate::views;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum View {
    /// `GET /agents`.
    Agents(AgentFilter),
    /// `GET /capabilities`.
    Capabilities {
        /// Only this one.
        name: Option<String>,
    },
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
    /// Tests of its labels.
    pub labels: BTreeSet<LabelTest>,
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

/// Which part of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// The most entries, 1 to 10,000.
    pub limit: usize,
    /// Where the last page said that it goes on.
    pub cursor: Option<Cursor>,
}

/// Where a list goes on: the revision of its chain, what had been asked for, and how much has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    revision: Revision,
    question: u64,
    offset: usize,
}

impl Cursor {
    /// `None` when it is none of ours.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let revision = Revision(parts.next()?.parse().ok()?);
        let question = u64::from_str_radix(parts.next()?, 16).ok()?;
        let offset = parts.next()?.parse().ok()?;
        parts.next().is_none().then_some(Self { revision, question, offset })
    }

    fn to_text(self) -> String {
        format!("{}-{:016x}-{}", self.revision.0, self.question, self.offset)
    }
}

/// Why there is no such page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CursorFault {
    /// 410: its snapshot is kept no longer.
    TooOld,
    /// 400: it belongs to another question than the one that came with it.
    OtherQuestion,
}

/// A part of a list at one revision.
#[derive(Debug, Clone)]
pub struct Page {
    /// Of the whole list.
    pub revision: Revision,
    /// Where it goes on; `None` at its end.
    pub next_cursor: Option<String>,
    entries: Arc<[Arc<str>]>,
    range: Range<usize>,
}

impl Page {
    /// Its entries, each as JSON.
    pub fn entries(&self) -> &[Arc<str>] {
        self.entries.get(self.range.clone()).unwrap_or_default()
    }
}

impl Registry {
    /// The strong entity tag of a page, in constant time: the revision stands for all that a list can show.
    pub fn tag(&mut self, moment: Moment, view: &View, page: &PageRequest) -> Result<String, CursorFault> {
        self.advance(moment);
        let question = self.question(view);
        let (revision, offset) = match page.cursor {
            None => (self.revision, 0),
            Some(cursor) => {
                check_question(&cursor, question, view)?;
                self.snapshots.find(self.now, cursor.revision, cursor.question).ok_or(CursorFault::TooOld)?;
                (cursor.revision, cursor.offset)
            }
        };
        let question = page.cursor.map_or(question, |cursor| cursor.question);
        let store_id = &self.setup.store_id;
        Ok(format!("\"{store_id}-{}-{question:016x}-{offset}-{}\"", revision.0, page.limit))
    }

    /// A page of a list.
    pub fn list(&mut self, moment: Moment, view: &View, page: &PageRequest) -> Result<Page, CursorFault> {
        self.advance(moment);
        let question = self.question(view);
        let (revision, question, offset) = match page.cursor {
            None => (self.revision, question, 0),
            Some(cursor) => {
                check_question(&cursor, question, view)?;
                (cursor.revision, cursor.question, cursor.offset)
            }
        };
        let entries = match (self.snapshots.find(self.now, revision, question), page.cursor) {
            (Some(entries), _) => entries,
            (None, Some(_)) => return Err(CursorFault::TooOld),
            (None, None) => self.entries(view),
        };
        let end = offset.saturating_add(page.limit).min(entries.len());
        if page.cursor.is_none() {
            let snapshot = Snapshot { revision, question, taken: self.now, entries: Arc::clone(&entries) };
            self.snapshots.keep(snapshot, end < entries.len());
        }
        let next_cursor = (end < entries.len()).then(|| Cursor { revision, question, offset: end }.to_text());
        Ok(Page { revision, next_cursor, range: offset.min(end)..end, entries })
    }

    fn entries(&mut self, view: &View) -> Arc<[Arc<str>]> {
        match view {
            View::Agents(filter) => self.matching(filter).into(),
            View::Capabilities { name } => self.capability_entries(name.as_deref()).into(),
        }
    }

    fn matching(&mut self, filter: &AgentFilter) -> Vec<Arc<str>> {
        let offered_live = |name: &str| -> Vec<AgentId> {
            self.index.providers(name).map(|(agent_id, _)| agent_id.clone()).collect()
        };
        match &filter.capability {
            // The index knows the live ones only.
            Some(name) if !filter.statuses.contains(&Status::Expired) => {
                let ids = offered_live(name);
                let entries = ids.iter().filter_map(|id| {
                    Some((id, self.agents.get_mut(id)?)).and_then(|(id, agent)| {
                        filter.matches(agent).then(|| views::entry(id, agent)).flatten()
                    })
                });
                entries.collect()
            }
            _ => {
                let agents = self.agents.iter_mut().filter(|(_, agent)| filter.matches(agent));
                agents.filter_map(|(id, agent)| views::entry(id, agent)).collect()
            }
        }
    }

    fn capability_entries(&self, name: Option<&str>) -> Vec<Arc<str>> {
        let names = self.index.provided().filter(|other| name.is_none_or(|name| name == other.as_str()));
        names.filter_map(|name| self.capability_entry(name.as_str())).collect()
    }

    fn capability_entry(&self, name: &str) -> Option<Arc<str>> {
        let mut versions = BTreeSet::new();
        let mut providers = Vec::new();
        for (agent_id, offer) in self.index.providers(name) {
            let document = &offer.document;
            for capability in document.capabilities.iter().filter(|other| other.name.as_str() == name) {
                versions.insert(&capability.version);
                providers.push(CapabilityProvider {
                    agent_id,
                    endpoint: document.endpoint.as_deref(),
                    version: &capability.version,
                    tags: &capability.tags,
                    status: offer.status,
                });
            }
        }
        let versions: Vec<_> = versions.into_iter().collect();
        serde_json::to_string(&CapabilityEntry { name, versions, providers }).ok().map(Into::into)
    }

    fn question(&self, view: &View) -> u64 {
        // Not secret: it only keeps the cursors of different questions and stores apart.
        let mut hasher = DefaultHasher::new();
        (view, &self.setup.store_id).hash(&mut hasher);
        hasher.finish()
    }
}

/// A cursor may come without the filters that it belongs to, but not with others.
fn check_question(cursor: &Cursor, question: u64, view: &View) -> Result<(), CursorFault> {
    if cursor.question == question || view.is_unfiltered() { Ok(()) } else { Err(CursorFault::OtherQuestion) }
}

impl View {
    fn is_unfiltered(&self) -> bool {
        match self {
            Self::Agents(filter) => *filter == AgentFilter::default(),
            Self::Capabilities { name } => name.is_none(),
        }
    }
}

impl AgentFilter {
    fn matches(&self, agent: &crate::agent::Agent) -> bool {
        let Some(status) = agent.status() else { return false };
        let document = &agent.document;
        let status_fits =
            if self.statuses.is_empty() { status.is_live() } else { self.statuses.contains(&status) };
        status_fits
            && self.agent_type.as_ref().is_none_or(|wanted| wanted == document.agent_type.as_str())
            && self.capability.as_ref().is_none_or(|wanted| {
                document.capabilities.iter().any(|capability| wanted == capability.name.as_str())
            })
            && self.labels.iter().all(|test| test.holds(&document.labels))
    }
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
        crate::document::LabelKey::parse(test.key()).is_ok().then_some(test)
    }

    fn key(&self) -> &str {
        match self {
            Self::Is(key, _) | Self::IsNot(key, _) | Self::Has(key) | Self::Lacks(key) => key,
        }
    }

    fn holds(&self, labels: &std::collections::BTreeMap<crate::document::LabelKey, String>) -> bool {
        let value = labels.get(self.key());
        match self {
            Self::Is(_, wanted) => value == Some(wanted),
            Self::IsNot(_, unwanted) => value != Some(unwanted),
            Self::Has(_) => value.is_some(),
            Self::Lacks(_) => value.is_none(),
        }
    }
}

#[derive(Debug, Serialize)]
struct CapabilityEntry<'a> {
    name: &'a str,
    versions: Vec<&'a semver::Version>,
    providers: Vec<CapabilityProvider<'a>>,
}

#[derive(Debug, Serialize)]
struct CapabilityProvider<'a> {
    agent_id: &'a AgentId,
    endpoint: Option<&'a str>,
    version: &'a semver::Version,
    tags: &'a [String],
    status: Status,
}
