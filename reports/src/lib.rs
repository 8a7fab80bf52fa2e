//! What a run leaves behind: plain data, and renderers that take it and compute nothing.
//!
//! - [`history`]: one JSON line per call, written while a run goes on, read by the judge.
//! - [`result`]: the whole of a run's outcome, the shape of `report.json`.
//! - [`compare`]: runs beside one another, and against a baseline.
//! - [`shards`]: the parts of a run that several machines made.
//! - [`verdict`]: what findings come to: one word, its reasons, the exit code.
//! - [`terminal`], [`markdown`], [`junit`], [`intervals`], [`html`]: renderers of a [`RunReport`].
//! - [`github`]: what GitHub Actions shows of a run.
//! - [`conformance`]: what a conformance run has to show to others, as JSON, a table and a badge.
//! - [`peers`]: several registries that were put through one scenario, side by side.
//! - `schema`: the JSON Schema of `report.json`.
//! - `chart`: the numbers that the page's charts draw, bounded.
//! - `layout`: text on a terminal of any width.
//! - [`words`]: figures and foreign text as people read them.

pub mod compare;
pub mod conformance;
pub mod github;
pub mod history;
pub mod html;
pub mod intervals;
pub mod junit;
pub mod markdown;
pub mod peers;
pub mod result;
pub mod shards;
pub mod terminal;
pub mod verdict;
pub mod words;

#[cfg(feature = "schema")]
pub mod schema;

mod chart;
mod layout;

use std::io::Write;
use std::path::{Path, PathBuf};

use result::RunReport;
use thiserror::Error;

/// A file of the report that could not be written.
#[derive(Debug, Error)]
#[error("cannot write {}: {cause}", path.display())]
pub struct WriteError {
    /// Which file or folder.
    pub path: PathBuf,
    /// Why.
    pub cause: std::io::Error,
}

type Renderer = fn(&RunReport, &mut dyn Write) -> std::io::Result<()>;

/// The files of a report, in the order in which they are written.
const FILES: [(&str, Renderer); 5] = [
    ("report.json", write_json),
    ("intervals.csv", intervals::write),
    ("junit.xml", junit::write),
    ("summary.md", markdown::write),
    ("report.html", html::write),
];

/// Writes `report.json`, `intervals.csv`, `junit.xml`, `summary.md` and `report.html` into `folder`, which is made if it is missing.
/// Each is there whole or not at all: it is written under another name and then moved.
///
/// # Errors
/// The first file that could not be written; those before it are there.
pub fn write_all(report: &RunReport, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    write_files(report, folder, &FILES)
}

/// Writes what [`write_all`] writes but for `report.json`, from which the report was read.
///
/// # Errors
/// The first file that could not be written; those before it are there.
pub fn render_all(report: &RunReport, folder: &Path) -> Result<Vec<PathBuf>, WriteError> {
    write_files(report, folder, &FILES[1..])
}

fn write_files(
    report: &RunReport,
    folder: &Path,
    files: &[(&str, Renderer)],
) -> Result<Vec<PathBuf>, WriteError> {
    let failed = |path: &Path| {
        let path = path.to_path_buf();
        move |cause| WriteError { path, cause }
    };
    std::fs::create_dir_all(folder).map_err(failed(folder))?;
    let mut written = Vec::new();
    for &(name, render) in files {
        let path = folder.join(name);
        let unfinished = folder.join(format!(".{name}.part"));
        write_file(&unfinished, report, render)
            .and_then(|()| std::fs::rename(&unfinished, &path))
            .map_err(failed(&path))?;
        written.push(path);
    }
    Ok(written)
}

fn write_file(path: &Path, report: &RunReport, render: Renderer) -> std::io::Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    render(report, &mut file)?;
    file.into_inner().map_err(std::io::IntoInnerError::into_error)?.sync_all()
}

/// Writes `report.json`.
///
/// # Errors
/// What `writer` says.
pub fn write_json(report: &RunReport, writer: &mut dyn Write) -> std::io::Result<()> {
    serde_json::to_writer_pretty(&mut *writer, report)?;
    writer.write_all(b"\n")
}
