//! A run of `wallflower loadtest`, and what its report says.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::process::Child;

use crate::bench::Bench;
use crate::server::Program;
use crate::trouble::Trouble;

/// No run here takes that long.
const PATIENCE: Duration = Duration::from_secs(600);

/// A load test that runs.
pub(super) struct Run {
    child: Child,
    pub(super) process: u32,
    folder: PathBuf,
}

impl Run {
    pub(super) fn start(bench: &Bench, cores: &str, scenario: &Path, out: &Path) -> Result<Self, Trouble> {
        let program = Program::on(cores, &bench.wallflower, bench.scratch.path());
        let program = program.args(["loadtest", "--quiet", "--out"]).args([out]).args([scenario]);
        // The registry's own limit of connections is below 19,000; the one that the run starts inherits this.
        let child = program.env("WALLFLOWER_MAX_CONNECTIONS", "27000").start()?;
        let process = child.id().ok_or("a load test that has ended")?;
        Ok(Self { child, process, folder: out.to_path_buf() })
    }

    /// Its `report.json`.
    pub(super) async fn report(mut self) -> Result<Value, Trouble> {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await;
        let status = ended.map_err(|_| "a load test did not end within ten minutes")??;
        let file = self.folder.join("report.json");
        let text = std::fs::read(&file)
            .map_err(|error| format!("the load test ended ({status}) without {}: {error}", file.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Why a run says nothing; `None` when it does.
pub(super) fn says_nothing(report: &Value) -> Option<String> {
    (report["verdict"] == "invalid").then(|| format!("the load test was INVALID: {}", reasons(report)))
}

pub(super) fn reasons(report: &Value) -> String {
    let reasons = report["reasons"].as_array().into_iter().flatten();
    reasons.filter_map(Value::as_str).collect::<Vec<_>>().join("; ")
}

/// The phase with this name.
pub(super) fn phase<'a>(report: &'a Value, name: &str) -> Option<&'a Value> {
    report["phases"].as_array()?.iter().find(|phase| phase["name"] == name)
}
