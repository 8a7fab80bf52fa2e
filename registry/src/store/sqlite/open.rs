//! Opening the file: first it is looked at without writing, so that what is not ours stays untouched.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::migrate::{Migration, MigrationType, Migrator};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Executor, SqlSafeStr, SqliteConnection};

use super::super::Opened;
use super::{OpenError, SqliteStore, backup, load};

/// "WFLR": marks a file as ours (SQLite's `application_id`).
const APPLICATION_ID: i64 = 0x5746_4c52;
/// The schema that the migrations end with (SQLite's `user_version`).
const SCHEMA_VERSION: i64 = 2;
/// How long a statement waits while somebody else holds the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Opens the file, or makes it where there is none, and reads everything in it.
pub(in crate::store) async fn open(path: &Path) -> Result<Opened, OpenError> {
    let lock = lock(path)?;
    let is_new = !has_content(path)?;
    if !is_new {
        inspect(path).await?;
    }
    let sqlite = |source| OpenError::Sqlite { path: path.to_owned(), source };
    let options = options(path).create_if_missing(is_new);
    let mut connection = options.connect().await.map_err(sqlite)?;
    // The mark goes into the main file before the write-ahead log exists, so that it can be read without the log.
    if is_new {
        run(&mut connection, &format!("PRAGMA application_id = {APPLICATION_ID}")).await.map_err(sqlite)?;
    }
    for pragma in ["journal_mode = WAL", "synchronous = FULL"] {
        run(&mut connection, &format!("PRAGMA {pragma}")).await.map_err(sqlite)?;
    }
    Migrator::with_migrations(migrations())
        .run_direct(None, &mut connection, false)
        .await
        .map_err(|source| OpenError::Migrate { path: path.to_owned(), source })?;
    backup::begin_history(&mut connection).await.map_err(sqlite)?;
    let (store_id, saved) = load::everything(&mut connection, path).await?;
    let mut store = SqliteStore { connection, ceiling: saved.revision, _lock: lock };
    store.raise_ceiling(saved.revision).await.map_err(sqlite)?;
    Ok(Opened { store: Box::new(store), store_id, saved })
}

/// Not `sqlx::migrate!`: for that macro sqlx and SQLite would be compiled a second time, for the compiler's own use.
fn migrations() -> Vec<Migration> {
    let files = [
        (1, "first", include_str!("../../../migrations/0001_first.sql")),
        (2, "documents", include_str!("../../../migrations/0002_documents.sql")),
    ];
    let migration = |(version, description, sql): (i64, &'static str, &'static str)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    };
    files.map(migration).into()
}

pub(super) fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new().filename(path).busy_timeout(BUSY_TIMEOUT).disable_statement_logging()
}

async fn run(connection: &mut SqliteConnection, statement: &str) -> Result<(), sqlx::Error> {
    connection.execute(sqlx::AssertSqlSafe(statement)).await.map(drop)
}

/// The lock has a file of its own: locks on the database file itself belong to SQLite.
fn lock(path: &Path) -> Result<File, OpenError> {
    let mut lock_path = path.as_os_str().to_owned();
    lock_path.push(".lock");
    let io = |source| OpenError::Io { path: path.to_owned(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(PathBuf::from(lock_path))
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path: path.to_owned() }),
        Err(TryLockError::Error(source)) => Err(io(source)),
    }
}

fn has_content(path: &Path) -> Result<bool, OpenError> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(metadata.len() > 0),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(OpenError::Io { path: path.to_owned(), source }),
    }
}

pub(super) async fn inspect(path: &Path) -> Result<(), OpenError> {
    const MAGIC: &[u8; 16] = b"SQLite format 3\0";
    let mut start = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MAGIC.len() as u64).read_to_end(&mut start))
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
    if start != MAGIC {
        return Err(OpenError::Foreign { path: path.to_owned(), found: "no SQLite file".into() });
    }
    let damaged =
        |error: sqlx::Error| OpenError::Damaged { path: path.to_owned(), detail: error.to_string() };
    let mut connection = options(path).read_only(true).connect().await.map_err(damaged)?;
    let verdict = inspect_open(&mut connection, path).await;
    connection.close().await.map_err(damaged)?;
    verdict
}

async fn inspect_open(connection: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let damaged = |detail: String| OpenError::Damaged { path: path.to_owned(), detail };
    let broken = |error: sqlx::Error| damaged(error.to_string());
    let application_id: i64 =
        sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await.map_err(broken)?;
    if application_id != APPLICATION_ID {
        let found = format!("an SQLite file of another program, application_id {application_id:#x}");
        return Err(OpenError::Foreign { path: path.to_owned(), found });
    }
    let found: i64 =
        sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut *connection).await.map_err(broken)?;
    if found > SCHEMA_VERSION {
        return Err(OpenError::Newer { path: path.to_owned(), found, known: SCHEMA_VERSION });
    }
    let check: String =
        sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&mut *connection).await.map_err(broken)?;
    if check == "ok" { Ok(()) } else { Err(damaged(check)) }
}

/// The identity of a store, and what it held, as [`load`] gives them.
pub(super) type Contents = (Arc<str>, registry_core::saving::Saved);
