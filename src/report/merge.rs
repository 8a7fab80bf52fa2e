//! `wallflower report merge`: one report of all shards of a run, as if one generator had made it.

use std::path::{Path, PathBuf};

use agent_sim::load::{PartOfRun, put_together};
use reports::result::RunReport;
use reports::shards;
use scenarios::model::Scenario;

use crate::cli::ReportMerge;
use crate::loadtest::{decided, report_of};
use crate::run::{self, Failure, USAGE};

pub(crate) fn merge(arguments: &ReportMerge) -> Result<u8, Failure> {
    let read = |folder: &PathBuf| Ok((folder.display().to_string(), super::read(folder)?));
    let reports: Vec<(String, RunReport)> = arguments.folders.iter().map(read).collect::<Result<_, _>>()?;
    let parts = shards::in_order(&reports, env!("CARGO_PKG_VERSION")).map_err(|faults| {
        Failure::new(USAGE, format!("these are not the shards of one run:\n  {}", faults.join("\n  ")))
    })?;
    let Some(first) = parts.first() else {
        return Err(Failure::new(USAGE, "name the folders of all shards"));
    };
    let scenario = scenario_of(first.report)?;
    apart_from_shards(arguments)?;
    let folder = run::output_folder(arguments.out.as_deref(), &format!("{}-merged", scenario.name))?;
    let (report, code) = merged(&scenario, &parts, &folder).inspect_err(|_| run::discard_empty(&folder))?;
    run::close(&report, &folder)?;
    Ok(code)
}

fn merged(
    scenario: &Scenario,
    parts: &[shards::Part<'_>],
    folder: &Path,
) -> Result<(RunReport, u8), Failure> {
    let run: Vec<PartOfRun<'_>> = parts
        .iter()
        .map(|part| PartOfRun { folder: Path::new(part.folder), report: part.report, shard: part.shard })
        .collect();
    let (mut outcome, freshness) =
        put_together(scenario, &run, folder).map_err(|error| Failure::new(USAGE, error))?;
    let merged = shards::merged(parts);
    let mut invalid = std::mem::take(&mut outcome.invalid);
    invalid.extend(shards::not_together(&merged));
    let ended = parts.iter().filter(|part| part.report.interrupted);
    invalid.extend(ended.map(|part| format!("shard {}: it was ended early by its user", part.shard.number)));
    let failed = std::mem::take(&mut outcome.failed);
    let report = RunReport {
        environment: shards::environment(parts),
        merged: Some(merged),
        requirements: shards::requirements(parts),
        freshness,
        ..report_of(scenario, outcome)
    };
    Ok(decided(report, scenario, &failed, &invalid))
}

/// The scenario as the shards ran it.
fn scenario_of(report: &RunReport) -> Result<Scenario, Failure> {
    let parse = |set: &[String]| scenarios::parse("the scenario of the shards", &report.scenario_text, set);
    // A dialect's description may be on the shards' machines only; nothing is called any more.
    let read = parse(&[]).or_else(|_| parse(&["target.dialect=wallflower".to_owned()]));
    read.map_err(|error| Failure::diagnostic(USAGE, error))
}

/// What is written must not replace what is read.
fn apart_from_shards(arguments: &ReportMerge) -> Result<(), Failure> {
    let Some(out) = arguments.out.as_deref().and_then(|out| out.canonicalize().ok()) else { return Ok(()) };
    let same =
        arguments.folders.iter().find(|folder| folder.canonicalize().is_ok_and(|folder| folder == out));
    match same {
        None => Ok(()),
        Some(folder) => Err(Failure::new(
            USAGE,
            format!("{} is one of the shards: choose another folder with --out", folder.display()),
        )),
    }
}
