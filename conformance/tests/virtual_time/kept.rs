//! Schedules that failed once, as JSON beside this file: they are replayed before any new one is drawn.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};

use crate::schedule::Schedule;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/virtual_time/failed")
}

/// All that are kept, by name.
pub(crate) fn all() -> Vec<(PathBuf, Schedule)> {
    let Ok(entries) = fs::read_dir(folder()) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let schedule = serde_json::from_str(&text).unwrap_or_else(|error| {
            panic!("{}: {error}; mend the schedule or remove the file", path.display())
        });
        (path, schedule)
    };
    paths.into_iter().map(read).collect()
}

/// Keeps one; gives where.
pub(crate) fn keep(schedule: &Schedule) -> PathBuf {
    let text = serde_json::to_string_pretty(schedule).unwrap();
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    let path = folder().join(format!("{:016x}.json", hasher.finish()));
    fs::create_dir_all(folder()).unwrap();
    fs::write(&path, text + "\n").unwrap();
    path
}
