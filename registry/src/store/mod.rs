//! The SQLite file: opening, loading, and the one writer.
//!
//! - `open`: refuses what is not ours or is damaged, before anything is written to it
//! - `backup`: a copy while it runs, which becomes a history of its own
//! - `load`: reads everything, once
//! - `save`: one transaction per batch
//! - `writer`: the task that takes batches from the core and tells when the store has them

pub mod backup;
mod load;
mod open;
mod save;
pub(crate) mod writer;

use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;

use registry_core::saving::Saved;
use registry_core::time::Revision;
use sqlx::SqliteConnection;

/// Why the database refused something.
pub(crate) use sqlx::Error as StoreError;

/// An open store. There is one connection, since there is one writer and nobody reads after the start.
#[derive(Debug)]
pub(crate) struct Store {
    connection: SqliteConnection,
    /// No revision above it may be shown. It is raised ahead of need, so that after a crash the numbering goes on
    /// above everything that anybody has seen, saved or not.
    ceiling: Revision,
    /// Held for as long as the store is open: two registries on one file would overwrite each other.
    _lock: File,
}

/// What is known at the start.
#[derive(Debug)]
pub(crate) struct Opened {
    pub(crate) store: Store,
    pub(crate) store_id: Arc<str>,
    pub(crate) saved: Saved,
}

/// Why a store cannot be opened. The file was left as it was.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Something else is in the file.
    #[error("{} is not a registry's database ({found}); it was left untouched. Name another file with --database", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it is.
        found: String,
    },
    /// It was written by a later version.
    #[error("{} was written by a later version (schema {found}, this one knows {known}); it was left untouched", .path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The latest that is known here.
        known: i64,
    },
    /// It is torn.
    #[error("{} is damaged ({detail}); it was left untouched. Restore it from a backup, or name another file with --database", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another registry has it.
    #[error("{} is in use by another registry", .path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// The file system refused.
    #[error("{} cannot be opened: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("{} cannot be opened: {source}", .path.display())]
    Sqlite {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("the schema of {} cannot be brought up to date: {source}", .path.display())]
    Migrate {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::migrate::MigrateError,
    },
}
