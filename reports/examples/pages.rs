//! Writes pages for browsers to be tried on: the reports of the tests, or those of runs, from their `report.json`.
//!
//! `cargo run -p reports --example pages -- FOLDER [NAME=report.json...]`

// What the tests say of these reports is not asked here.
#![allow(dead_code, reason = "the tests use all of it")]
#![allow(clippy::print_stderr, reason = "a program for people")]

#[path = "../tests/all/compared.rs"]
mod compared;
#[path = "../tests/all/sample.rs"]
mod sample;

use std::path::Path;
use std::process::ExitCode;

use reports::result::RunReport;

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    match write() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: pages FOLDER [NAME=report.json...]")?;
    let folder = Path::new(&folder);
    std::fs::create_dir_all(folder)?;
    let mut pages: Vec<(String, RunReport)> = vec![
        ("passed".into(), sample::passed()),
        ("failed".into(), sample::failed()),
        ("conformance".into(), sample::conformance()),
        ("enormous".into(), sample::enormous()),
        ("long".into(), sample::long()),
        ("one-phase".into(), sample::one_phase()),
    ];
    for argument in arguments {
        let (name, file) =
            argument.split_once('=').ok_or_else(|| format!("{argument}: NAME=FILE is needed"))?;
        let text = std::fs::read(file).map_err(|error| format!("{file}: {error}"))?;
        let report = serde_json::from_slice(&text).map_err(|error| format!("{file}: {error}"))?;
        pages.push((name.to_owned(), report));
    }
    let compared = compared::before_and_after();
    let mut page = Vec::new();
    reports::compare::write_page(&[compared], &mut page)?;
    std::fs::write(folder.join("compare.html"), page)?;
    for (name, report) in pages {
        let path = folder.join(format!("{name}.html"));
        let mut page = Vec::new();
        reports::html::write(&report, &mut page)?;
        std::fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
