//! What a run leaves behind: `bench.json` with every round, `table.md`, and if wanted the README's table.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Serialize;

use crate::machine::Machine;
use crate::row::Row;
use crate::table;
use crate::trouble::Trouble;

/// The version of this shape.
const SCHEMA: u32 = 1;

#[derive(Debug, Serialize)]
pub(crate) struct Record {
    schema: u32,
    /// RFC 3339.
    pub(crate) started_at: String,
    /// With ` (changed)` where the tree had changes; `unknown` without git.
    commit: String,
    command: String,
    /// The program that was measured.
    wallflower: PathBuf,
    rounds: usize,
    machine: Machine,
    pub(crate) rows: Vec<Row>,
}

impl Record {
    pub(crate) fn new(started_at: String, wallflower: &Path, rounds: usize) -> Result<Self, Trouble> {
        Ok(Self {
            schema: SCHEMA,
            started_at,
            commit: commit(),
            command: std::env::args().collect::<Vec<_>>().join(" "),
            wallflower: wallflower.to_path_buf(),
            rounds,
            machine: Machine::look()?,
            rows: Vec::new(),
        })
    }

    /// Date, machine and commit, then the table.
    pub(crate) fn markdown(&self) -> String {
        let Machine { processor, cores, memory_bytes, kernel } = &self.machine;
        format!(
            "{}, commit {}; {processor}, {cores} cores, {:.0} GB of memory, Linux {kernel}.\n\n{}",
            self.started_at,
            self.commit,
            *memory_bytes as f64 / 1e9,
            table::markdown(&self.rows)
        )
    }

    /// Writes both files; again after every line, so that what is known survives whatever happens to the next.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), Trouble> {
        std::fs::create_dir_all(folder)
            .map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
        for (name, text) in
            [("bench.json", serde_json::to_string_pretty(self)?), ("table.md", self.markdown())]
        {
            let path = folder.join(name);
            std::fs::write(&path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }

    pub(crate) fn write_readme(&self, readme: &Path) -> Result<(), Trouble> {
        let text = std::fs::read_to_string(readme).map_err(|error| {
            format!("cannot read {}: {error}; run it from the root of the repository", readme.display())
        })?;
        let changed = table::replaced(&text, &self.markdown())?;
        std::fs::write(readme, changed)
            .map_err(|error| format!("cannot write {}: {error}", readme.display()).into())
    }
}

fn commit() -> String {
    let git = |arguments: &[&str]| {
        let output =
            Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short=12", "HEAD"]) else { return "unknown".to_owned() };
    match git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.is_empty()) {
        true => commit,
        false => format!("{commit} (changed)"),
    }
}
