//! Lists that are kept as they were at one revision.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::time::{Instant, Revision};

/// How many snapshots are kept for the cursors that point into them.
const CHAINS: usize = 64;
/// How many snapshots are kept that no cursor points into.
const WHOLE: usize = 8;
/// How many entries each kind may hold together, the newest snapshot aside.
const SNAPSHOT_ENTRIES: usize = 1_000_000;
/// How long a cursor is good for, in milliseconds.
const CURSOR_AGE_MS: u64 = 60_000;

/// The lists that are kept.
#[derive(Debug)]
pub(crate) struct Snapshots {
    /// Cursors may still point into these.
    chains: Kept,
    /// These fitted one page; the next asker of the same at the same revision saves the work.
    whole: Kept,
}

impl Default for Snapshots {
    fn default() -> Self {
        Self { chains: Kept::new(CHAINS), whole: Kept::new(WHOLE) }
    }
}

impl Snapshots {
    pub(crate) fn find(
        &mut self,
        now: Instant,
        revision: Revision,
        question: u64,
    ) -> Option<Arc<[Arc<str>]>> {
        self.chains.find(now, revision, question).or_else(|| self.whole.find(now, revision, question))
    }

    pub(crate) fn keep(&mut self, snapshot: Snapshot, has_next_page: bool) {
        if has_next_page { self.chains.keep(snapshot) } else { self.whole.keep(snapshot) }
    }
}

#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: Revision,
    pub(crate) question: u64,
    pub(crate) taken: Instant,
    pub(crate) entries: Arc<[Arc<str>]>,
}

/// Snapshots, oldest first, each at most once.
#[derive(Debug)]
struct Kept {
    snapshots: VecDeque<Snapshot>,
    entries: usize,
    most: usize,
}

impl Kept {
    fn new(most: usize) -> Self {
        Self { snapshots: VecDeque::new(), entries: 0, most }
    }

    fn find(&mut self, now: Instant, revision: Revision, question: u64) -> Option<Arc<[Arc<str>]>> {
        while self.snapshots.front().is_some_and(|oldest| oldest.taken.plus_ms(CURSOR_AGE_MS) <= now) {
            self.drop_oldest();
        }
        let is_it = |snapshot: &&Snapshot| snapshot.revision == revision && snapshot.question == question;
        self.snapshots.iter().find(is_it).map(|snapshot| Arc::clone(&snapshot.entries))
    }

    /// One that is there already begins its time anew.
    fn keep(&mut self, snapshot: Snapshot) {
        let is_it =
            |other: &Snapshot| other.revision == snapshot.revision && other.question == snapshot.question;
        if let Some(position) = self.snapshots.iter().position(is_it) {
            self.snapshots.remove(position);
        } else {
            self.entries += snapshot.entries.len();
        }
        self.snapshots.push_back(snapshot);
        let is_over = |kept: &Self| {
            kept.snapshots.len() > kept.most || (kept.entries > SNAPSHOT_ENTRIES && kept.snapshots.len() > 1)
        };
        while is_over(self) {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.snapshots.pop_front() {
            self.entries -= oldest.entries.len();
        }
    }
}
