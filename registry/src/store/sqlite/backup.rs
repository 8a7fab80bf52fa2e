//! A copy of the store while a registry works on it. The copy is marked, so that the first registry that opens it begins
//! a history of its own: its revisions go on from those of the copy and would else be taken for the original's.

use std::fs::File;
use std::path::{Path, PathBuf};

use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::OpenError;
use super::open::{inspect, options};

/// In `meta` of a copy that no registry has opened yet.
const MARK: &str = "INSERT INTO meta VALUES ('is_backup', '1') ON CONFLICT DO NOTHING";
const RENAME: &str = "UPDATE meta SET value = lower(hex(randomblob(16))) WHERE name = 'store_id' \
    AND EXISTS (SELECT 1 FROM meta WHERE name = 'is_backup')";
const UNMARK: &str = "DELETE FROM meta WHERE name = 'is_backup'";

/// What a backup holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backup {
    /// Agents that are not gone.
    pub agents: i64,
    /// The size of the file.
    pub bytes: u64,
}

/// Why there is no backup. Nothing is left of it.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store cannot be copied.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// A backup never overwrites.
    #[error("{} is there already; name another file", .0.display())]
    Exists(PathBuf),
    /// SQLite could not write the copy.
    #[error("the backup {} cannot be written: {source}", .path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        source: sqlx::Error,
    },
    /// The file system refused.
    #[error("the backup {} cannot be written: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Copies the store at `database`, in use or not, to `file`, which must not be there. The copy is that of one instant and
/// has everything that had been acknowledged before the call; `file` appears when it is whole and safe on the disk.
///
/// # Errors
/// See [`BackupError`].
pub async fn run(database: &Path, file: &Path) -> Result<Backup, BackupError> {
    if file.exists() {
        return Err(BackupError::Exists(file.to_owned()));
    }
    inspect(database).await?;
    let mut partial = file.as_os_str().to_owned();
    partial.push(format!(".{}.partial", std::process::id()));
    let partial = PathBuf::from(partial);
    let written = write(database, file, &partial).await;
    if written.is_err() {
        // It may not have come as far as making one.
        let _ = std::fs::remove_file(&partial);
    }
    written
}

async fn write(database: &Path, file: &Path, partial: &Path) -> Result<Backup, BackupError> {
    let agents = copy(database, partial)
        .await
        .map_err(|source| BackupError::Copy { path: file.to_owned(), source })?;
    let io = |source| BackupError::Io { path: file.to_owned(), source };
    let copied = File::open(partial).map_err(io)?;
    copied.sync_all().map_err(io)?;
    let bytes = copied.metadata().map_err(io)?.len();
    // Unlike a rename, a link never overwrites what somebody else has put there meanwhile.
    std::fs::hard_link(partial, file).map_err(io)?;
    std::fs::remove_file(partial).map_err(io)?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(io)?;
    Ok(Backup { agents, bytes })
}

async fn copy(database: &Path, partial: &Path) -> Result<i64, sqlx::Error> {
    let mut source = options(database).read_only(true).connect().await?;
    let target = partial.to_string_lossy();
    sqlx::query("VACUUM INTO ?1").bind(target.as_ref()).execute(&mut source).await?;
    source.close().await?;
    let mut copy = options(partial).connect().await?;
    sqlx::query(MARK).execute(&mut copy).await?;
    let agents = sqlx::query_scalar("SELECT count(*) FROM agents WHERE record ->> 'phase' <> 'gone'");
    let agents = agents.fetch_one(&mut copy).await?;
    copy.close().await?;
    Ok(agents)
}

/// Gives a marked copy a new identity; does nothing to any other store.
pub(super) async fn begin_history(connection: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(RENAME).execute(&mut *transaction).await?;
    sqlx::query(UNMARK).execute(&mut *transaction).await?;
    transaction.commit().await
}
