//! When a registry under load is killed: at any instant, or at one that is chosen by what becomes of a change.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Stages;

/// A chosen instant that does not come by itself is waited for so long; then it is any.
const PATIENCE_US: u64 = 2_000_000;

/// Files are looked at so often.
const LOOK_PERIOD: Duration = Duration::from_micros(100);
const LOOKS: u64 = PATIENCE_US / 100;

/// The instant of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    /// Drawn from the seed.
    Any,
    /// A change has just left: before its commit.
    Asked,
    /// A change has left, and a file in the registry's folder is written: in a commit.
    Written,
    /// A change has just been acknowledged: behind its commit.
    Answered,
}

impl Moment {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Any => "at any instant",
            Self::Asked => "as a change has left, before its commit",
            Self::Written => "as its store is written, in a commit",
            Self::Answered => "as a change is acknowledged, behind its commit",
        }
    }
}

impl Stages {
    /// Waits for the moment under load.
    pub(super) async fn await_moment(&self, moment: Moment) {
        let patience = self.recorder.sleep_until(self.recorder.clock.now_us() + PATIENCE_US);
        let came = async {
            match moment {
                Moment::Any => {}
                Moment::Asked => self.recorder.changes.asked.notified().await,
                Moment::Answered => self.recorder.changes.answered.notified().await,
                Moment::Written => {
                    let Some(process) = &self.target.process else { return };
                    let folder = process.folder().to_owned();
                    self.recorder.changes.asked.notified().await;
                    // A thread of its own: files are looked at while the agents go on.
                    drop(tokio::task::spawn_blocking(move || wait_for_a_write(&folder)).await);
                }
            }
        };
        tokio::select! {
            () = came => {}
            _ = patience => {}
        }
    }
}

type Files = BTreeMap<PathBuf, (u64, Option<SystemTime>)>;

fn wait_for_a_write(folder: &Path) {
    let before = files(folder);
    for _ in 0..LOOKS {
        if files(folder) != before {
            return;
        }
        std::thread::sleep(LOOK_PERIOD);
    }
}

/// The files of a folder with what tells that they were written. One that cannot be looked at is as if it were not there.
fn files(folder: &Path) -> Files {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let file = |entry: std::fs::DirEntry| {
        let data = entry.metadata().ok()?;
        data.is_file().then(|| (entry.path(), (data.len(), data.modified().ok())))
    };
    entries.filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_of_any_file_is_seen() {
        let folder = tempfile::tempdir().expect("a folder");
        let before = files(folder.path());
        std::fs::write(folder.path().join("store-wal"), "a page").expect("it is written");
        let created = files(folder.path());
        assert_ne!(before, created);
        std::fs::write(folder.path().join("store-wal"), "two pages").expect("it is written");
        assert_ne!(created, files(folder.path()));
    }
}
