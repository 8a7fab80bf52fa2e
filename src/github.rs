//! What GitHub Actions is told, where this runs in one of its steps.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;

use reports::github::MAX_SUMMARY_BYTES;
use reports::result::RunReport;

/// Prints annotations and appends the summary to the file that GitHub names. That it cannot is no fault of the run: it is
/// said on standard error.
pub(crate) fn tell(report: &RunReport) {
    if std::env::var_os("GITHUB_ACTIONS").is_some_and(|set| set == "true") {
        // A closed pipe (`| head`) is no fault of the run.
        let _ = reports::github::write(report, &mut std::io::stdout().lock());
    }
    let Some(path) = std::env::var_os("GITHUB_STEP_SUMMARY").filter(|path| !path.is_empty()) else { return };
    let path = Path::new(&path);
    if let Err(error) = append(report, path) {
        let path = path.display();
        let _ = writeln!(
            std::io::stderr().lock(),
            "warning: the summary cannot be added to {path}: {error}; GITHUB_STEP_SUMMARY names it"
        );
    }
}

/// Several runs of a step share the room that GitHub gives.
fn append(report: &RunReport, path: &Path) -> std::io::Result<()> {
    let mut file = File::options().append(true).create(true).open(path)?;
    let taken = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    let summary = reports::github::summary(report, MAX_SUMMARY_BYTES.saturating_sub(taken))?;
    file.write_all(summary.as_bytes())
}
