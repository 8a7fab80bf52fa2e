//! `wallflower conformance`: generated schedules against a live registry, the judge, a report.
//!
//! - [`asked`]: which registry, from flags or a target file, and what it is asked for.
//! - [`list`]: the catalogue as a table.
//! - [`expected`]: failures that are known.
//! - [`proof`]: the call that proved a failure.
//! - [`version`]: what a registry says of its version.
//! - [`page`]: `wallflower conformance-page`.

use std::io::Write as _;
use std::path::Path;

use agent_sim::room::RoomProgram;
use agent_sim::system_clock::KeeperProgram;
use clap::ValueEnum as _;
use conformance::catalogue::{Check, REQUIREMENTS, Selection};
use conformance::generate::Schedule;
use conformance::live::{Outcome, RunError, RunOptions, Shrunk};
use reports::conformance::{Beside, ConformanceReport, Registry};
use reports::result::{AgentCounts, Kind, RequirementReport, RequirementVerdict, RunReport};
use reports::verdict::{Findings, decide};
use scenarios::model::TargetKind;
use tokio::sync::watch;

use crate::cli::{CLOCK_KEEPER, Conformance, ROOM};
use crate::replay::{self, FailedRun};
use crate::run::{self, Failure, HISTORY, TROUBLE, USAGE};
use asked::Asked;
use proof::Spoken;

mod asked;
mod expected;
mod list;
pub(crate) mod page;
pub(crate) mod proof;
mod version;

pub(crate) fn conformance(arguments: &Conformance) -> Result<u8, Failure> {
    let profile = arguments.profile.to_possible_value();
    let profile = profile.as_ref().map(clap::builder::PossibleValue::get_name);
    let selection = Selection::parse(profile, &arguments.only).map_err(|error| Failure::new(USAGE, error))?;
    if arguments.list {
        list::print(&selection);
        return Ok(0);
    }
    let asked = Asked::of(arguments)?;
    let failed = arguments.replay.as_deref().map(replay::read).transpose()?;
    let folder = run::output_folder(arguments.out.as_deref(), "conformance")?;
    if let Some(((failed, failed_only), path)) = failed.zip(arguments.replay.as_deref()) {
        let folder = run::output_folder(Some(&folder.join("replay")), "replay")?;
        let once = Once { selection: &failed_only, seed: failed.seed, replay: failed.schedules() };
        let ran = run_once(&asked, once, &folder, arguments.quiet)?;
        if ran.code != 0 {
            return closed(&ran, Some(&failed), &folder);
        }
        replay::mark_passed(failed, ran.report.started_at, path)?;
    }
    let once = Once { selection: &selection, seed: arguments.seed, replay: Vec::new() };
    let ran =
        run_once(&asked, once, &folder, arguments.quiet).inspect_err(|_| run::discard_empty(&folder))?;
    closed(&ran, None, &folder)
}

/// Prints the closing lines, and leaves what failed to be replayed.
fn closed(ran: &Ran, replayed: Option<&FailedRun>, folder: &Path) -> Result<u8, Failure> {
    run::close(&ran.report, folder)?;
    replay::write(&ran.report, &ran.shrunk, replayed, folder)?;
    let (json, badge) = (folder.join("conformance.json"), folder.join("badge.json"));
    // A closed pipe is no fault of the run.
    let _ = writeln!(
        std::io::stdout().lock(),
        "to show  {}, conformance.md, {}",
        json.display(),
        badge.display()
    );
    Ok(ran.code)
}

/// What one run is asked.
struct Once<'s> {
    selection: &'s Selection,
    seed: u64,
    /// What failed before, and is run before all else.
    replay: Vec<(Check, Schedule)>,
}

/// What a run came to.
struct Ran {
    report: RunReport,
    to_show: ConformanceReport,
    shrunk: Vec<Shrunk>,
    code: u8,
}

/// Runs what applies to the registry, has it judged, and writes what is to be shown of it into the folder.
fn run_once(asked: &Asked, once: Once<'_>, folder: &Path, quiet: bool) -> Result<Ran, Failure> {
    let Once { selection, seed, replay } = once;
    let (applying, not_asked) = asked.split(selection)?;
    let reference_program = run::own_program()?;
    let room = room()?;
    let system_clock = asked.step_system_clock.then(keeper).transpose()?;
    let (progress, shown) = watch::channel(String::new());
    let outcome = run::interruptible(|interrupt| async move {
        let printer = tokio::spawn(crate::progress::show_stages(shown, quiet));
        let routes = asked.registry.provoke.iter();
        let options = RunOptions {
            target: asked.registry.target.clone(),
            reference_program,
            store: asked.registry.store.clone(),
            selection: applying,
            seed,
            history: folder.join(HISTORY),
            rerun: asked.rerun(),
            lacks: asked.lacking_abilities(),
            room: Some(room),
            system_clock,
            explain: asked.explain,
            routes: routes.map(|route| (route.method, route.path.clone())).collect(),
            agents: None,
            wave_agents: None,
            replay,
            shrinks: true,
            interrupt: interrupt.subscribe(),
            progress,
        };
        let outcome = conformance::live::run(options).await;
        let _ = printer.await;
        outcome
    })?
    .map_err(|error| {
        let code =
            if matches!(error, RunError::History { .. } | RunError::Judge(_)) { TROUBLE } else { USAGE };
        Failure::new(code, error)
    })?;
    let requirements = requirements(asked, &outcome, not_asked, folder)?;
    let ran = report(asked, selection, seed, outcome, requirements);
    reports::conformance::write_all(&ran.to_show, folder).map_err(|error| Failure::new(TROUBLE, error))?;
    Ok(ran)
}

/// This program becomes the first process of a network namespace by its own sub-command.
fn room() -> Result<RoomProgram, Failure> {
    Ok(RoomProgram { program: run::own_program()?, arguments: vec![ROOM.to_owned()] })
}

/// And what keeps the machine's clock by another.
fn keeper() -> Result<KeeperProgram, Failure> {
    Ok(KeeperProgram { program: run::own_program()?, arguments: vec![CLOCK_KEEPER.to_owned()] })
}

/// What was judged and what was not asked, in the catalogue's order, with the calls that proved failures.
fn requirements(
    asked: &Asked,
    outcome: &Outcome,
    not_asked: Vec<RequirementReport>,
    folder: &Path,
) -> Result<Vec<RequirementReport>, Failure> {
    let mut rows = outcome.judgement.requirements.clone();
    rows.extend(not_asked);
    rows.sort_by_key(|row| REQUIREMENTS.iter().position(|known| known.id == row.id));
    let dialect = run::dialect(&asked.registry.target.dialect)?;
    let spoken = Spoken { dialect: Some(dialect.as_ref()), url: &outcome.target.url };
    let history = folder.join(HISTORY);
    proof::fill(&mut rows, &history, spoken);
    // The calls of what was shrunk stand in a history of their own.
    if let Some(first) = outcome.shrunk.first() {
        proof::fill(&mut rows, &first.history, spoken);
    }
    if !rows.iter().any(|row| row.proof.is_some()) {
        proof::discard_kept(&history);
    }
    Ok(rows)
}

fn report(
    asked: &Asked,
    selection: &Selection,
    seed: u64,
    outcome: Outcome,
    mut requirements: Vec<RequirementReport>,
) -> Ran {
    let stale = expected::settle(&asked.expected, &mut requirements);
    let decision = decide(&Findings {
        interrupted: outcome.interrupted,
        failed: &outcome.failed,
        invalid: &outcome.invalid,
        requirements: &requirements,
        claimed: &claimed(&requirements),
        stale: &stale.iter().map(expected::stale_sentence).collect::<Vec<_>>(),
        ..Findings::default()
    });
    let report = RunReport {
        verdict: decision.verdict,
        reasons: decision.reasons,
        interrupted: outcome.interrupted,
        scenario: "conformance".into(),
        description: "Generated schedules, judged by the requirements of a pull-based registry.".into(),
        seed,
        started_at: outcome.started_at,
        duration_ms: outcome.duration_ms,
        plan_hash: outcome.plan_hash,
        calls: outcome.calls,
        agents: AgentCounts { planned: outcome.agents, peak: outcome.agents },
        requirements,
        target: outcome.target,
        generator: outcome.generator,
        ..run::blank_report(Kind::Conformance)
    };
    let version = match asked.registry.target.kind {
        TargetKind::Reference => Some(env!("CARGO_PKG_VERSION").to_owned()),
        _ => asked.registry.version_command.as_deref().and_then(version::ask),
    };
    let beside = Beside {
        registry: Registry {
            name: asked.registry.name.clone(),
            version,
            kind: report.target.kind.clone(),
            dialect: report.target.dialect.clone(),
            url: report.target.url.clone(),
        },
        profile: selection.profile.map_or("all", |profile| profile.name()).to_owned(),
        expected: &asked.expected,
        stale,
    };
    let profile_of = |id: &str| {
        let row = REQUIREMENTS.iter().find(|row| row.id == id);
        row.map(|row| row.profile.name().to_owned()).unwrap_or_default()
    };
    let to_show = ConformanceReport::of(&report, beside, profile_of);
    Ran { report, to_show, shrunk: outcome.shrunk, code: decision.exit_code }
}

/// Everything that was selected must be decided, but for what this kind of registry cannot do.
pub(crate) fn claimed(requirements: &[RequirementReport]) -> Vec<String> {
    let applies = |row: &&RequirementReport| row.verdict != RequirementVerdict::NotApplicable;
    requirements.iter().filter(applies).map(|row| row.id.clone()).collect()
}
