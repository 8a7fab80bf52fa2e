//! `wallflower peers`: one scenario on every registry that is found here, one after the other, and one table.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use reports::peers::{Peer, PeersReport, SCHEMA, State};
use scenarios::model::{Scenario, Target, TargetKind};

use crate::cli::Peers;
use crate::loadtest;
use crate::progress::Show;
use crate::run::{self, Failure, INTERRUPTED, TROUBLE, USAGE};

/// Those that come with the program, from its root folder; the reference first, since it is always there.
const SHIPPED: [&str; 4] = [
    "scenarios/peers/reference.toml",
    "scenarios/peers/mcp-mesh.toml",
    "scenarios/peers/etcd.toml",
    "scenarios/peers/r-nacos.toml",
];

/// What brings the registries of [`SHIPPED`], each by its scenario's name.
pub(crate) const INSTALL: &str = "scenarios/peers/install";

/// A run was invalid, or did not start: the table says nothing of it.
const INVALID: u8 = 3;

pub(crate) fn peers(arguments: &Peers) -> Result<u8, Failure> {
    let files = match arguments.scenarios.is_empty() {
        true => SHIPPED.map(PathBuf::from).to_vec(),
        false => arguments.scenarios.clone(),
    };
    // All are read before anything starts, so that a typing error in the last does not cost the runs before it.
    let mut scenarios = Vec::new();
    for file in files {
        let scenario = crate::scenario::load(&file, &arguments.set)
            .map_err(|error| Failure::diagnostic(USAGE, error))?;
        refuse_twin(&scenarios, &scenario)?;
        scenarios.push((file, scenario));
    }
    let folder = run::output_folder(arguments.out.as_deref(), "peers")?;
    let mut report = PeersReport {
        schema: SCHEMA,
        wallflower: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: humantime::format_rfc3339_seconds(agent_sim::clock::wall_clock()).to_string(),
        command: run::own_command(),
        peers: Vec::new(),
    };
    let mut was_interrupted = false;
    for (file, scenario) in scenarios {
        let (peer, interrupted) = run_one(&file, &scenario, &folder, arguments.quiet);
        report.peers.push(peer);
        // After each, so that what is known survives whatever happens to the next.
        write_files(&report, &folder)?;
        was_interrupted = interrupted;
        if interrupted {
            break;
        }
    }
    print(&report, &folder);
    let says_nothing = |peer: &Peer| matches!(peer.state, State::Invalid | State::NotStarted);
    Ok(match was_interrupted {
        true => INTERRUPTED,
        false if report.peers.iter().any(says_nothing) => INVALID,
        false => 0,
    })
}

/// Two of one name would write into one folder.
fn refuse_twin(scenarios: &[(PathBuf, Scenario)], scenario: &Scenario) -> Result<(), Failure> {
    match scenarios.iter().find(|(_, other)| other.name == scenario.name) {
        None => Ok(()),
        Some((file, _)) => Err(Failure::new(
            USAGE,
            format!(
                "two scenarios have the name `{}`, the first of them in {}; give each registry a name of its own",
                scenario.name,
                file.display()
            ),
        )),
    }
}

/// Runs one, if its registry is here; tells whether the user ended it.
fn run_one(file: &Path, scenario: &Scenario, folder: &Path, quiet: bool) -> (Peer, bool) {
    let without_figures = |state, reason: String| Peer {
        name: scenario.name.clone(),
        scenario: file.display().to_string(),
        dialect: scenario.target.dialect.clone(),
        state,
        reasons: vec![reason],
        figures: None,
    };
    if let Some(program) = missing_program(&scenario.target) {
        let reason = format!("there is no `{program}` on this machine; {}", how_to_get(file, &scenario.name));
        return (without_figures(State::NotFound, reason), false);
    }
    if !quiet {
        let _ = writeln!(std::io::stderr().lock(), "\n{}", scenario.name);
    }
    let folder = folder.join(&scenario.name);
    let not_started = without_figures(State::NotStarted, String::new());
    let ran = run::output_folder(Some(&folder), "")
        .and_then(|folder| {
            let show = if quiet { Show::None } else { Show::Auto };
            loadtest::run_once(scenario, &folder, loadtest::How { show, ..Default::default() }, None)
                .inspect_err(|_| run::discard_empty(&folder))
        })
        .and_then(|(report, _)| {
            reports::write_all(&report, &folder).map_err(|error| Failure::new(TROUBLE, error))?;
            Ok(report)
        });
    match ran {
        Ok(report) => {
            let path = folder.join("report.html").display().to_string();
            (Peer::of(&report, &file.display().to_string(), &path), report.interrupted)
        }
        Err(failure) => (Peer { reasons: vec![failure.words()], ..not_started }, false),
    }
}

/// The program that a target starts, if it is nowhere.
pub(crate) fn missing_program(target: &Target) -> Option<String> {
    let TargetKind::Command(command) = &target.kind else { return None };
    let program = command.command.first()?;
    let is_there = match program.contains('/') {
        true => Path::new(program).exists(),
        false => std::env::var_os("PATH")
            .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).exists())),
    };
    (!is_there).then(|| program.clone())
}

fn how_to_get(file: &Path, name: &str) -> String {
    match SHIPPED.iter().any(|shipped| file == Path::new(shipped)) {
        true => format!("`{INSTALL} {name}` brings it"),
        false => "install it, or correct `target.command`".to_owned(),
    }
}

fn write_files(report: &PeersReport, folder: &Path) -> Result<(), Failure> {
    let mut markdown = Vec::new();
    let json = serde_json::to_vec_pretty(report).map_err(|error| Failure::new(TROUBLE, error))?;
    reports::peers::write_markdown(report, &mut markdown).map_err(|error| Failure::new(TROUBLE, error))?;
    for (name, bytes) in [("peers.json", json), ("peers.md", markdown)] {
        let path = folder.join(name);
        std::fs::write(&path, bytes)
            .map_err(|error| Failure::new(TROUBLE, format!("cannot write {}: {error}", path.display())))?;
    }
    Ok(())
}

fn print(report: &PeersReport, folder: &Path) {
    let mut out = std::io::stdout().lock();
    let printed = reports::peers::write_terminal(report, &mut out)
        .and_then(|()| writeln!(out, "\nreport   {}", folder.join("peers.md").display()));
    // A closed pipe (`| head`) is no fault of the runs.
    drop(printed);
}
