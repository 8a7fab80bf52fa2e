//! What a conformance run has failed on, as a file that the next run can begin with.

use std::io::{Read as _, Write as _};
use std::path::Path;

use conformance::catalogue::{Check, Selection};
use conformance::generate::Schedule;
use conformance::live::Shrunk;
use reports::result::{RequirementVerdict, RunReport};
use serde::{Deserialize, Serialize};

use crate::run::{Failure, TROUBLE, USAGE};

/// The file in a run's folder.
const FAILED: &str = "failed.json";

/// The longest file that is read; what a run leaves is far shorter.
const MOST_BYTES: u64 = 16 << 20;

/// A run that failed: its seed gives the same schedules again.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct FailedRun {
    /// The seed that every schedule came from.
    pub(crate) seed: u64,
    /// When a replay passed, RFC 3339; absent as long as none has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    passed_at: Option<String>,
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
    /// The smallest schedule of one agent that shows it, where there is one. It is run first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schedule: Option<Schedule>,
    /// What it was before it was shrunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    found: Option<Found>,
}

/// A failure as it was found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    detail: String,
    story: Vec<String>,
    schedule: Schedule,
}

impl FailedRequirement {
    fn of(
        row: &reports::result::RequirementReport,
        shrunk: Option<&Shrunk>,
        before: Option<&FailedRun>,
    ) -> Self {
        let found = shrunk.map(|shrunk| Found {
            detail: shrunk.found.detail.clone(),
            story: shrunk.found.timeline.clone(),
            schedule: shrunk.found_by.clone(),
        });
        // What was replayed and fails still is kept as it was.
        let known = before.and_then(|before| before.requirements.iter().find(|known| known.id == row.id));
        let schedule = shrunk.map(|shrunk| shrunk.schedule.clone());
        Self {
            id: row.id.clone(),
            detail: row.detail.clone(),
            story: row.timeline.clone(),
            schedule: schedule.or_else(|| known.and_then(|known| known.schedule.clone())),
            found,
        }
    }
}

impl FailedRun {
    /// The schedules that are to be run first.
    pub(crate) fn schedules(&self) -> Vec<(Check, Schedule)> {
        let schedule = |row: &FailedRequirement| {
            let selection = Selection::parse(None, std::slice::from_ref(&row.id)).ok()?;
            Some((*selection.only.first()?, row.schedule.clone()?))
        };
        self.requirements.iter().filter_map(schedule).collect()
    }
}

/// Leaves what failed in the run's folder, and says how to run it again; nothing when nothing did. `before` is what was
/// replayed.
pub(crate) fn write(
    report: &RunReport,
    shrunk: &[Shrunk],
    before: Option<&FailedRun>,
    folder: &Path,
) -> Result<(), Failure> {
    let failed = report.requirements.iter().filter(|row| row.verdict == RequirementVerdict::Fail);
    let shrunk = |id: &str| shrunk.iter().find(|shrunk| shrunk.id == id);
    let requirements: Vec<FailedRequirement> =
        failed.map(|row| FailedRequirement::of(row, shrunk(&row.id), before)).collect();
    if requirements.is_empty() {
        return Ok(());
    }
    let path = folder.join(FAILED);
    save(&FailedRun { seed: report.seed, passed_at: None, requirements }, &path)?;
    // A closed pipe is no fault of the run.
    let _ = writeln!(std::io::stdout(), "replay   add --replay {} to run what failed first", path.display());
    Ok(())
}

/// Marks a file whose replay has passed, and says that it is not needed any more.
pub(crate) fn mark_passed(mut failed: FailedRun, at: String, path: &Path) -> Result<(), Failure> {
    failed.passed_at = Some(at);
    save(&failed, path)?;
    let _ = writeln!(std::io::stdout(), "replay   what {} names holds now; it is marked so", path.display());
    Ok(())
}

fn save(failed: &FailedRun, path: &Path) -> Result<(), Failure> {
    let cannot =
        |error: std::io::Error| Failure::new(TROUBLE, format!("cannot write {}: {error}", path.display()));
    let text = serde_json::to_vec_pretty(failed).map_err(|error| cannot(error.into()))?;
    std::fs::write(path, text).map_err(cannot)
}

/// Reads such a file: the run, and what of it is to be run again.
pub(crate) fn read(path: &Path) -> Result<(FailedRun, Selection), Failure> {
    let shown = path.display();
    let usage = |told: String| Failure::new(USAGE, told);
    let cannot = |error| usage(format!("cannot read {shown}, which --replay names: {error}"));
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(cannot)?;
    file.take(MOST_BYTES + 1).read_to_end(&mut text).map_err(cannot)?;
    if text.len() as u64 > MOST_BYTES {
        return Err(usage(format!(
            "{shown} is not the {FAILED} of a conformance run: it is over {MOST_BYTES} bytes"
        )));
    }
    let failed: FailedRun = serde_json::from_slice(&text).map_err(|error| {
        usage(format!("{shown} is not the {FAILED} of a conformance run: {error}; give one as a run left it"))
    })?;
    if failed.requirements.is_empty() {
        return Err(usage(format!("{shown} names no requirement, so there is nothing to replay")));
    }
    let ids: Vec<String> = failed.requirements.iter().map(|row| row.id.clone()).collect();
    let selection = Selection::parse(None, &ids)
        .map_err(|error| usage(format!("{shown}: {error}; remove it from the file")))?;
    for row in &failed.requirements {
        let checked = row.schedule.as_ref().map_or(Ok(()), Schedule::check);
        checked.map_err(|error| {
            usage(format!(
                "{shown}: the schedule of {} cannot be run, {error}; remove it from the file",
                row.id
            ))
        })?;
    }
    Ok((failed, selection))
}
