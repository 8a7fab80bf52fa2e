//! What a conformance run has failed on, as a file that the next run can begin with.

use std::io::Write as _;
use std::path::Path;

use conformance::catalogue::Selection;
use reports::result::{RequirementVerdict, RunReport};
use serde::{Deserialize, Serialize};

use crate::run::{Failure, TROUBLE, USAGE};

/// The file in a run's folder.
const FAILED: &str = "failed.json";

/// A run that failed: its seed gives the same schedules again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailedRun {
    /// The seed that every schedule came from.
    pub(crate) seed: u64,
    /// What failed.
    requirements: Vec<FailedRequirement>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FailedRequirement {
    id: String,
    /// In a sentence.
    detail: String,
    /// What the agent of the worst case did and was told.
    story: Vec<String>,
}

/// Leaves what failed in the run's folder, and says how to run it again; nothing when nothing did.
pub(crate) fn write(report: &RunReport, folder: &Path) -> Result<(), Failure> {
    let failed = report.requirements.iter().filter(|row| row.verdict == RequirementVerdict::Fail);
    let requirements: Vec<FailedRequirement> = failed
        .map(|row| FailedRequirement {
            id: row.id.clone(),
            detail: row.detail.clone(),
            story: row.timeline.clone(),
        })
        .collect();
    if requirements.is_empty() {
        return Ok(());
    }
    let path = folder.join(FAILED);
    let cannot =
        |error: std::io::Error| Failure::new(TROUBLE, format!("cannot write {}: {error}", path.display()));
    let text = serde_json::to_vec_pretty(&FailedRun { seed: report.seed, requirements });
    let text = text.map_err(|error| cannot(error.into()))?;
    std::fs::write(&path, text).map_err(cannot)?;
    // A closed pipe is no fault of the run.
    let _ = writeln!(std::io::stdout(), "replay   add --replay {} to run what failed first", path.display());
    Ok(())
}

/// Reads such a file: the run, and what of it is to be run again.
pub(crate) fn read(path: &Path) -> Result<(FailedRun, Selection), Failure> {
    let shown = path.display();
    let text = std::fs::read(path).map_err(|error| {
        Failure::new(USAGE, format!("cannot read {shown}, which --replay names: {error}"))
    })?;
    let failed: FailedRun = serde_json::from_slice(&text).map_err(|error| {
        let told =
            format!("{shown} is not the {FAILED} of a conformance run: {error}; give one as a run left it");
        Failure::new(USAGE, told)
    })?;
    if failed.requirements.is_empty() {
        return Err(Failure::new(
            USAGE,
            format!("{shown} names no requirement, so there is nothing to replay"),
        ));
    }
    let ids: Vec<String> = failed.requirements.iter().map(|row| row.id.clone()).collect();
    let selection = Selection::parse(None, &ids)
        .map_err(|error| Failure::new(USAGE, format!("{shown}: {error}; remove it from the file")))?;
    Ok((failed, selection))
}
