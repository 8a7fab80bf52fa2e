//! `wallflower conformance-page`: every registry that is found here judged by profile core, and one page of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use conformance::catalogue::{Profile, Selection};
use reports::conformance::page::{Peer, write};

use super::asked::{Asked, shipped};
use super::{Once, run_once};
use crate::cli::ConformancePage;
use crate::peers::{INSTALL, missing_program};
use crate::run::{self, Failure, INTERRUPTED, TROUBLE, USAGE};

/// A run was invalid, or did not start: the page says nothing of it.
const INVALID: u8 = 3;

pub(crate) fn page(arguments: &ConformancePage) -> Result<u8, Failure> {
    let files = if arguments.targets.is_empty() { shipped() } else { arguments.targets.clone() };
    // All are read before anything starts.
    refuse_twins(&files)?;
    let asked: Vec<Asked> = files.iter().map(|file| Asked::of_file(file)).collect::<Result<_, _>>()?;
    let folder = run::output_folder(arguments.out.as_deref(), "conformance-page")?;
    let selection = Selection { profile: Some(Profile::Core), only: Vec::new() };
    let mut peers = Vec::new();
    let mut code = 0;
    for (file, asked) in files.iter().zip(&asked) {
        let (peer, ended) = run_one(file, asked, &selection, arguments, &folder);
        peers.push(peer);
        match ended {
            // Half a run is no page.
            INTERRUPTED => return Ok(INTERRUPTED),
            INVALID => code = INVALID,
            // What is broken stands on the page.
            _ => {}
        }
    }
    let now = humantime::format_rfc3339_seconds(agent_sim::clock::wall_clock()).to_string();
    let date = now.get(..10).unwrap_or(&now);
    let requirements: Vec<(&str, &str)> = selection.rows().map(|row| (row.id, row.text)).collect();
    let mut text = Vec::new();
    write(&peers, &run::own_command(), date, &requirements, &mut text)
        .and_then(|()| std::fs::write(&arguments.page, text))
        .map_err(|error| {
            Failure::new(TROUBLE, format!("cannot write {}: {error}", arguments.page.display()))
        })?;
    let _ = writeln!(std::io::stdout().lock(), "page     {}", arguments.page.display());
    Ok(code)
}

/// Two of one name would write into one folder.
fn refuse_twins(files: &[PathBuf]) -> Result<(), Failure> {
    let mut known = BTreeSet::new();
    match files.iter().find(|file| !known.insert(file.file_stem())) {
        None => Ok(()),
        Some(file) => {
            let told = format!("two target files are called {}; give each a name of its own", file.display());
            Err(Failure::new(USAGE, told))
        }
    }
}

fn run_one(
    file: &Path,
    asked: &Asked,
    selection: &Selection,
    arguments: &ConformancePage,
    folder: &Path,
) -> (Peer, u8) {
    let name = asked.registry.name.clone();
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    if let Some(program) = missing_program(&asked.registry.target) {
        let remedy = match shipped().iter().any(|shipped| shipped == file) {
            true => format!("`{INSTALL} {stem}` brings it"),
            false => format!("install it, or correct `command` in {}", file.display()),
        };
        let reason = format!("there was no `{program}` on the machine; {remedy}");
        return (Peer::NotRun { name, reason }, 0);
    }
    if !arguments.quiet {
        let _ = writeln!(std::io::stderr().lock(), "\n{name}");
    }
    let folder = folder.join(stem.as_ref());
    let ran = run::output_folder(Some(&folder), "").and_then(|folder| {
        let once = Once { selection, seed: arguments.seed, replay: Vec::new() };
        let ran = run_once(asked, once, &folder, arguments.quiet)?;
        reports::write_all(&ran.report, &folder).map_err(|error| Failure::new(TROUBLE, error))?;
        Ok(ran)
    });
    match ran {
        Ok(ran) => (Peer::Judged(Box::new(ran.to_show)), ran.code),
        Err(failure) => {
            run::discard_empty(&folder);
            (Peer::NotRun { name, reason: failure.words() }, INVALID)
        }
    }
}
