//! Locks the registry's store, so that it cannot be written: what a backup program or a second process that hangs does
//! to it. The kernel gives the locks back when they are dropped, and when the harness ends in whatever way.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

/// The byte that SQLite locks in the file beside its database before it writes to a write-ahead log.
const LOG_WRITER: libc::off_t = 120;

/// The byte that SQLite locks in its database before it writes to it without such a log.
const FILE_WRITER: libc::off_t = 0x4000_0001;

/// How often a lock that the registry itself has is asked for, and how many times.
const PERIOD: Duration = Duration::from_millis(1);
const TRIES: u32 = 10_000;

/// A store that the registry cannot write to until this is dropped.
#[derive(Debug)]
pub struct StoreHold {
    _files: Vec<File>,
}

impl StoreHold {
    /// Locks the file as SQLite's writers do, with the locks of `fcntl`, and as a whole with that of `flock`, which
    /// SQLite does not know.
    ///
    /// # Errors
    /// When it cannot be opened, or somebody else keeps it locked.
    pub async fn take(store: &Path) -> Result<Self, Error> {
        let mut beside = store.as_os_str().to_owned();
        beside.push("-shm");
        let beside = PathBuf::from(beside);
        let whole = OpenOptions::new().read(true).write(true).open(store)?;
        let mut files = Vec::new();
        if beside.exists() {
            let file = OpenOptions::new().read(true).write(true).open(&beside)?;
            patiently(|| lock_byte(&file, LOG_WRITER)).await?;
            files.push(file);
        }
        patiently(|| lock_byte(&whole, FILE_WRITER)).await?;
        patiently(|| {
            whole.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => Error::from(std::io::ErrorKind::WouldBlock),
                TryLockError::Error(error) => error,
            })
        })
        .await?;
        files.push(whole);
        Ok(Self { _files: files })
    }
}

async fn patiently(lock: impl Fn() -> Result<(), Error>) -> Result<(), Error> {
    for _ in 1..TRIES {
        match lock() {
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => tokio::time::sleep(PERIOD).await,
            other => return other,
        }
    }
    lock()
}

fn lock_byte(file: &File, byte: libc::off_t) -> Result<(), Error> {
    let lock = libc::flock {
        l_type: libc::F_WRLCK as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: byte,
        l_len: 1,
        l_pid: 0,
    };
    fcntl(file, FcntlArg::F_SETLK(&lock)).map(drop).map_err(Error::from)
}
