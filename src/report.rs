//! `wallflower report`: the files of a run made again from its data; [`merge`] makes one run of its shards.

mod merge;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reports::result::{RunReport, SCHEMA};

use crate::cli::{Report, ReportCommand};
use crate::run::{Failure, TROUBLE, USAGE};

/// The report of a run in its folder.
pub(crate) const REPORT: &str = "report.json";

/// The longest report that is read: more than a day of seconds.
const MAX_REPORT_BYTES: u64 = 256 << 20;

pub(crate) fn report(arguments: &Report) -> Result<u8, Failure> {
    if let Some(ReportCommand::Merge(arguments)) = &arguments.command {
        return merge::merge(arguments);
    }
    let Some(folder) = &arguments.folder else {
        return Err(Failure::new(USAGE, "name the folder of a run"));
    };
    let report = read(folder)?;
    let written = reports::render_all(&report, folder).map_err(|error| Failure::new(TROUBLE, error))?;
    tell(&written);
    Ok(0)
}

/// A closed pipe is no fault of the run.
fn tell(written: &[PathBuf]) {
    let mut out = std::io::stdout().lock();
    let _ = written.iter().try_for_each(|path| writeln!(out, "{}", path.display()));
}

/// `report.json` of a run's folder.
///
/// # Errors
/// Which file cannot be read, why, and what to do.
pub(crate) fn read(folder: &Path) -> Result<RunReport, Failure> {
    let path = folder.join(REPORT);
    let failed = |why: String| Failure::new(USAGE, format!("cannot read {}: {why}", path.display()));
    let missing = |error: std::io::Error| failed(format!("{error}; name the folder that a run has left"));
    let length = path.metadata().map_err(missing)?.len();
    if length > MAX_REPORT_BYTES {
        return Err(failed(format!("it has {length} bytes, more than any report")));
    }
    let text = std::fs::read(&path).map_err(missing)?;
    let report: RunReport = serde_json::from_slice(&text)
        .map_err(|error| failed(format!("{error}; make the run again with this version")))?;
    if report.schema != SCHEMA {
        let schema = report.schema;
        return Err(failed(format!(
            "its schema is {schema}, this version reads {SCHEMA}; make the run again"
        )));
    }
    Ok(report)
}
