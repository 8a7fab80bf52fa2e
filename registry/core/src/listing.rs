//! Lists, pages of one revision, entity tags.
//!
//! A list is taken as a snapshot: the serialised entries, shared with the agents. The pages of one cursor chain are
//! cut from one snapshot, and askers of the same question at the same revision share it.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

use crate::agent::{Agent, Status};
use crate::document::AgentId;
use crate::registry::Registry;
use crate::search::Rank;
use crate::snapshots::Snapshot;
use crate::time::{Moment, Revision};
use crate::views;

pub use crate::filter::{AgentFilter, CapabilityFilter, LabelTest, View};

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
    /// A part of a whole list.
    pub(crate) fn cut(
        revision: Revision,
        question: u64,
        entries: Arc<[Arc<str>]>,
        range: Range<usize>,
    ) -> Self {
        let cursor = Cursor { revision, question, offset: range.end };
        let next_cursor = (range.end < entries.len()).then(|| cursor.to_text());
        Self { revision, next_cursor, entries, range }
    }

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
        Ok(self.tag_of(revision, question, offset, page.limit))
    }

    /// A page of a list. (A long one is better made by [`Registry::candidates`], which holds nobody up.)
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
        Ok(Page::cut(revision, question, entries, offset.min(end)..end))
    }

    /// Whether the list is kept, so that [`Registry::list`] answers at once.
    pub fn is_kept(&mut self, moment: Moment, view: &View, page: &PageRequest) -> bool {
        self.advance(moment);
        let (revision, question) = (self.revision, self.question(view));
        page.cursor.is_some() || self.snapshots.find(self.now, revision, question).is_some()
    }

    pub(crate) fn tag_of(&self, revision: Revision, question: u64, offset: usize, limit: usize) -> String {
        let store_id = &self.setup.store_id;
        format!("\"{store_id}-{}-{question:016x}-{offset}-{limit}\"", revision.0)
    }

    fn entries(&mut self, view: &View) -> Arc<[Arc<str>]> {
        match view {
            View::Agents(filter) => self.matching(filter).into(),
            View::Capabilities(filter) => self.capability_entries(filter).into(),
        }
    }

    fn matching(&mut self, filter: &AgentFilter) -> Vec<Arc<str>> {
        let is_indexed = filter.capability.is_some() && !filter.statuses.contains(&Status::Expired);
        if filter.query.is_none() && !is_indexed {
            let agents = self.agents.iter().filter(|(id, agent)| filter.matches(id, agent));
            return agents.filter_map(|(id, agent)| views::entry(id, agent)).collect();
        }
        let mut ids: Vec<_> = match &filter.capability {
            // The index knows the live ones only.
            Some(name) if !filter.statuses.contains(&Status::Expired) => {
                let providers = self.index.providers(name).into_iter();
                let offering = providers.filter_map(|(id, ..)| Some((id, self.agents.get(id)?)));
                ranked(filter, offering).collect()
            }
            _ => ranked(filter, self.agents.iter()).collect(),
        };
        // Stable: equals stay in the order of their ids.
        ids.sort_by_key(|(rank, _)| *rank);
        ids.into_iter().filter_map(|(_, id)| views::entry(&id, self.agents.get(&id)?)).collect()
    }

    pub(crate) fn question(&self, view: &View) -> u64 {
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

/// Those that match, each with how well the query finds it.
fn ranked<'a>(
    filter: &AgentFilter,
    agents: impl Iterator<Item = (&'a AgentId, &'a Agent)>,
) -> impl Iterator<Item = (Option<Rank>, AgentId)> {
    agents
        .filter(|(id, agent)| filter.matches(id, agent))
        .map(|(id, agent)| (filter.rank(id, &agent.document), id.clone()))
}
