//! `wallflower compare`: load tests beside one another. What is compared, and how far it can be trusted, is decided in
//! `reports::compare`; this finds the runs, refuses those on other terms, and prints.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reports::compare::{
    Comparison, Runs, Terms, compare, differing_seeds, differing_terms, unfit, write, write_page,
};
use reports::result::RunReport;
use serde_json::json;

use crate::cli::Compare;
use crate::report::{REPORT, read};
use crate::run::{self, Failure, TROUBLE, USAGE};

/// Most runs of one side.
const MAX_RUNS: usize = 100;

/// The runs of one side, as they were found on disk.
#[derive(Debug)]
pub(crate) struct Side {
    name: String,
    folders: Vec<PathBuf>,
    reports: Vec<RunReport>,
}

impl Side {
    /// For the comparison.
    pub(crate) fn runs(&self) -> Runs<'_> {
        Runs { name: &self.name, reports: &self.reports }
    }

    /// The last of the runs: percentiles of several cannot be averaged.
    pub(crate) fn last(&self) -> Option<(&Path, &RunReport)> {
        self.folders.last().map(PathBuf::as_path).zip(self.reports.last())
    }

    fn seeds(&self) -> Vec<u64> {
        self.reports.iter().map(|report| report.seed).collect()
    }
}

pub(crate) fn compare_runs(arguments: &Compare) -> Result<u8, Failure> {
    let sides =
        arguments.folders.iter().map(|folder| load(folder)).collect::<Result<Vec<Side>, Failure>>()?;
    let Some((base, others)) = sides.split_first() else {
        return Err(Failure::new(USAGE, "nothing to compare; name two folders or more"));
    };
    for other in others {
        refuse_other_terms(base, other)?;
    }
    let comparisons: Vec<Comparison> =
        others.iter().map(|other| compare(base.runs(), other.runs())).collect();
    let document = json!({ "schema": reports::compare::SCHEMA, "comparisons": comparisons });
    if let Some(file) = &arguments.out {
        std::fs::write(file, format!("{document:#}\n"))
            .map_err(|error| Failure::new(TROUBLE, format!("cannot write {}: {error}", file.display())))?;
    }
    if let Some(file) = &arguments.html {
        let mut page = Vec::new();
        write_page(&comparisons, &mut page)
            .and_then(|()| std::fs::write(file, page))
            .map_err(|error| Failure::new(TROUBLE, format!("cannot write {}: {error}", file.display())))?;
    }
    let mut out = std::io::stdout().lock();
    // A closed pipe (`| head`) is no fault of the runs.
    let _ = if arguments.json {
        writeln!(out, "{document:#}")
    } else {
        let looks = run::looks();
        comparisons.iter().enumerate().try_for_each(|(index, comparison)| {
            if index > 0 {
                writeln!(out)?;
            }
            write(comparison, looks, &mut out)
        })
    };
    Ok(0)
}

/// The runs of a side: the folder's own, or those of the folders in it.
///
/// # Errors
/// No run, one that cannot be read, and one that says nothing or was made on other terms than the first.
pub(crate) fn load(folder: &Path) -> Result<Side, Failure> {
    let folders = run_folders(folder)?;
    let reports = folders.iter().map(|folder| read(folder)).collect::<Result<Vec<_>, Failure>>()?;
    for (folder, report) in folders.iter().zip(&reports) {
        if let Some(why) = unfit(report) {
            return Err(refused(&format!("{}: {why}", folder.display())));
        }
    }
    let side = Side { name: folder.display().to_string(), folders, reports };
    if let Some(first) = side.reports.first() {
        refuse_terms(&side, Terms::from(first), &side.name)?;
    }
    Ok(side)
}

/// Refuses to compare runs on other terms: scenario, seeds, host.
fn refuse_other_terms(base: &Side, other: &Side) -> Result<(), Failure> {
    if let Some(first) = base.reports.first() {
        refuse_terms(other, Terms::from(first), &base.name)?;
    }
    match differing_seeds(&base.seeds(), &other.seeds()) {
        Some(differing) => Err(refused(&format!("{} and {}: {differing}", base.name, other.name))),
        None => Ok(()),
    }
}

/// Refuses a side whose runs were not made on these terms.
///
/// # Errors
/// What differs in the first run that does.
pub(crate) fn refuse_terms(side: &Side, terms: Terms<'_>, whose: &str) -> Result<(), Failure> {
    for (folder, report) in side.folders.iter().zip(&side.reports) {
        let differing = differing_terms(terms, Terms::from(report));
        if !differing.is_empty() {
            return Err(refused(&format!("{whose} and {}: {}", folder.display(), differing.join("; "))));
        }
    }
    Ok(())
}

/// Refuses a baseline that was not run with this seed.
///
/// # Errors
/// Both seeds.
pub(crate) fn refuse_seed(side: &Side, seed: u64) -> Result<(), Failure> {
    match differing_seeds(&[seed], &side.seeds()) {
        Some(differing) => Err(refused(&format!("this run and {}: {differing}", side.name))),
        None => Ok(()),
    }
}

fn refused(why: &str) -> Failure {
    let remedy = "compare valid, whole load tests of one scenario, with the same seeds, on one kind of machine; \
                  only the name and the target may differ";
    Failure::new(USAGE, format!("these runs cannot be compared: {why}\n  {remedy}"))
}

fn run_folders(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    if folder.join(REPORT).is_file() {
        return Ok(vec![folder.to_path_buf()]);
    }
    let entries = std::fs::read_dir(folder).map_err(|error| {
        Failure::new(USAGE, format!("cannot read the folder {}: {error}", folder.display()))
    })?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join(REPORT).is_file())
        .take(MAX_RUNS + 1)
        .collect();
    found.sort();
    match found.len() {
        0 => Err(Failure::new(
            USAGE,
            format!(
                "no {REPORT} in {} nor in the folders in it; name what a load test has left",
                folder.display()
            ),
        )),
        1..=MAX_RUNS => Ok(found),
        _ => Err(Failure::new(
            USAGE,
            format!("more than {MAX_RUNS} runs in {}; compare fewer", folder.display()),
        )),
    }
}
