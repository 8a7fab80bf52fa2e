//! What keeps the registry's changes: the interface, and what fills it. Core and handlers know neither.
//!
//! - `sqlite`: one file: opening, loading, saving, and the backup of it
//! - `writer`: the task that takes batches from the core and tells when the store has them

mod sqlite;
pub(crate) mod writer;

#[cfg(test)]
mod seam_tests;

use std::error::Error;
use std::fmt::Debug;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use registry_core::saving::{Batch, Saved};
use registry_core::time::Revision;

pub use sqlite::{OpenError, backup};

/// What a store is asked for, under way.
pub(crate) type Pending<'a> = Pin<Box<dyn Future<Output = Result<(), StoreError>> + Send + 'a>>;

/// An open store. It has one user, the writer: nobody reads after the start.
///
/// Opening gives everything in it ([`Opened`]) and promises a block of revisions to this run alone: until the block is
/// raised, none above it may be shown, so that after a crash the numbering goes on above all that anybody has seen,
/// saved or not. [`Saved::revision`] is the first of the block, and [`Saved::next_event`] above every event of before.
pub(crate) trait Store: Debug + Send {
    /// Writes a batch, whole or not at all, and raises the block of revisions ahead of [`Batch::revision`] where it
    /// runs short. When it says yes, the batch survives the loss of power. When it fails, a later state of the same
    /// agents comes again with the same events.
    fn commit<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a>;

    /// Ends its use. The revisions above `shown` are given back; with `None` nobody can tell what has been shown, and
    /// the whole block counts as used.
    fn close(self: Box<Self>, shown: Option<Revision>) -> Pending<'static>;
}

/// What is known at the start.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Box<dyn Store>,
    /// Names the history of revisions.
    pub(crate) store_id: Arc<str>,
    pub(crate) saved: Saved,
}

/// Opens the store that the settings name, or makes it where there is none, and reads everything in it.
pub(crate) async fn open(database: &Path) -> Result<Opened, OpenError> {
    sqlite::open(database).await
}

/// Why a store refused something.
#[derive(Debug, thiserror::Error)]
#[error("{source}")]
pub struct StoreError {
    kind: Failing,
    source: Box<dyn Error + Send + Sync>,
}

/// What is to be expected of the next try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failing {
    /// It may succeed: the store is held by somebody, full, or out of reach.
    ForNow,
    /// It fails too, until somebody mends the store: it is damaged, or not what it must be.
    UntilMended,
}

impl StoreError {
    pub(crate) fn new(kind: Failing, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { kind, source: source.into() }
    }

    pub(crate) fn kind(&self) -> Failing {
        self.kind
    }
}
