//! `wallflower conformance-page`: every registry that is found here judged by profile core, and one page of it.

use std::io::Write as _;
use std::path::Path;

use conformance::catalogue::{Profile, Selection};
use reports::conformance::page::{Peer, write};

use super::asked::{Asked, shipped};
use super::run_once;
use crate::cli::ConformancePage;
use crate::peers::{INSTALL, missing_program};
use crate::run::{self, Failure, INTERRUPTED, TROUBLE};

/// A run was invalid, or did not start: the page says nothing of it.
const INVALID: u8 = 3;

pub(crate) fn page(arguments: &ConformancePage) -> Result<u8, Failure> {
    let files = if arguments.targets.is_empty() { shipped() } else { arguments.targets.clone() };
    // All are read before anything starts.
    let asked: Vec<Asked> = files.iter().map(|file| Asked::of_file(file)).collect::<Result<_, _>>()?;
    let folder = run::output_folder(arguments.out.as_deref(), "conformance-page")?;
    let selection = Selection { profile: Some(Profile::Core), only: Vec::new() };
    let mut peers = Vec::new();
    let mut code = 0;
    for (number, asked) in asked.iter().enumerate() {
        let (peer, ended) = run_one(asked, &selection, arguments, &folder.join(format!("{number}")));
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

fn run_one(asked: &Asked, selection: &Selection, arguments: &ConformancePage, folder: &Path) -> (Peer, u8) {
    let name = asked.registry.name.clone();
    if let Some(program) = missing_program(&asked.registry.target) {
        let reason = format!("there is no `{program}` here; `{INSTALL} NAME` brings those that it knows");
        return (Peer::NotRun { name, reason }, 0);
    }
    if !arguments.quiet {
        let _ = writeln!(std::io::stderr().lock(), "\n{name}");
    }
    let ran = run::output_folder(Some(folder), "")
        .and_then(|folder| run_once(asked, selection, arguments.seed, &folder, arguments.quiet));
    match ran {
        Ok(ran) => (Peer::Judged(Box::new(ran.to_show)), ran.code),
        Err(failure) => {
            run::discard_empty(folder);
            (Peer::NotRun { name, reason: failure.words() }, INVALID)
        }
    }
}
