//! The SQLite file.
//!
//! - `open`: refuses what is not ours or is damaged, before anything is written to it
//! - `backup`: a copy while it runs, which becomes a history of its own
//! - `load`: reads everything, once
//! - `record`: what stands in the rows
//! - `save`: one transaction per batch

pub mod backup;
mod load;
mod open;
mod record;
mod save;

use std::fs::File;
use std::path::PathBuf;

use registry_core::saving::Batch;
use registry_core::time::Revision;
use sqlx::{Connection, SqliteConnection};

use super::{Failing, Pending, Store, StoreError};

pub(super) use open::open;

/// An open file. There is one connection, since there is one writer.
#[derive(Debug)]
struct SqliteStore {
    connection: SqliteConnection,
    /// The end of the block of revisions that is promised to this run.
    ceiling: Revision,
    /// Held for as long as the store is open: two registries on one file would overwrite each other.
    _lock: File,
}

impl Store for SqliteStore {
    fn commit<'a>(&'a mut self, batch: &'a Batch) -> Pending<'a> {
        Box::pin(async { self.save(batch).await.map_err(failing) })
    }

    fn close(mut self: Box<Self>, shown: Option<Revision>) -> Pending<'static> {
        Box::pin(async move {
            if let Some(shown) = shown {
                save::set_ceiling(&mut self.connection, shown).await.map_err(failing)?;
            }
            self.connection.close().await.map_err(failing)
        })
    }
}

/// SQLite's primary result codes of what may be otherwise at the next try: PERM, BUSY, LOCKED, NOMEM, READONLY, IOERR,
/// FULL, CANTOPEN and PROTOCOL.
const PASSING: [u32; 9] = [3, 5, 6, 7, 8, 10, 13, 14, 15];

fn failing(error: sqlx::Error) -> StoreError {
    let kind = match &error {
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().and_then(|code| code.parse::<u32>().ok());
            // The low byte is the primary code.
            let is_passing = code.is_some_and(|code| PASSING.contains(&(code & 0xff)));
            if is_passing { Failing::ForNow } else { Failing::UntilMended }
        }
        sqlx::Error::Io(_) => Failing::ForNow,
        _ => Failing::UntilMended,
    };
    StoreError::new(kind, error)
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
