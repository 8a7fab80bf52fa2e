//! `wallflower loadtest`: a scenario, a run, the judge, a report.

use std::path::Path;

use agent_sim::load::{LoadOptions, LoadOutcome, Progress};
use conformance::catalogue::Selection;
use conformance::judge::{Ask, judge_file};
use reports::result::{Kind, RequirementReport, RequirementVerdict, RunReport};
use reports::verdict::{Findings, decide};
use scenarios::model::{Scenario, TargetKind};
use tokio::sync::watch;

use crate::cli::Loadtest;
use crate::run::{self, Failure, HISTORY, TROUBLE, USAGE};

pub(crate) fn loadtest(arguments: &Loadtest) -> Result<u8, Failure> {
    let scenario = scenario(arguments)?;
    let folder = run::output_folder(arguments.out.as_deref(), &scenario.name)?;
    let history = folder.join(HISTORY);
    let outcome = drive(&scenario, &history, arguments.quiet).inspect_err(|_| run::discard_empty(&folder))?;
    let requirements = judged(&scenario, &history)?;
    let decision = decide(&Findings {
        interrupted: outcome.interrupted,
        failed: &outcome.failed,
        invalid: &outcome.invalid,
        thresholds: &outcome.thresholds,
        requirements: &requirements,
        claimed: &scenario.requirements,
    });
    let report = RunReport {
        verdict: decision.verdict,
        reasons: decision.reasons,
        interrupted: outcome.interrupted,
        scenario: scenario.name,
        description: scenario.description,
        seed: scenario.seed,
        plan_hash: outcome.plan_hash,
        started_at: outcome.started_at,
        duration_ms: outcome.duration_ms,
        agents: outcome.agents,
        calls: outcome.calls,
        phases: outcome.phases,
        thresholds: outcome.thresholds,
        requirements,
        target: outcome.target,
        generator: outcome.generator,
        intervals: outcome.intervals,
        faults: outcome.faults,
        scenario_text: scenario.text,
        ..run::blank_report(Kind::Loadtest)
    };
    run::close(&report, &folder)?;
    Ok(decision.exit_code)
}

fn scenario(arguments: &Loadtest) -> Result<Scenario, Failure> {
    let mut set = arguments.set.clone();
    set.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    if arguments.target.is_none() {
        set.extend(arguments.dialect.as_ref().map(|dialect| format!("target.dialect={dialect}")));
    }
    let mut scenario = crate::scenario::load(&arguments.scenario, &set)
        .map_err(|error| Failure::diagnostic(USAGE, error))?;
    if let Some(url) = &arguments.target {
        aim(&mut scenario, url, arguments.dialect.as_deref())?;
    }
    Ok(scenario)
}

/// Points a scenario at a registry that runs already.
fn aim(scenario: &mut Scenario, url: &str, dialect: Option<&str>) -> Result<(), Failure> {
    if let Some(fault) = scenario.faults.iter().find(|fault| fault.kind.needs_process()) {
        return Err(Failure::new(
            USAGE,
            format!(
                "the fault `{}` strikes the registry's process, which the harness does not own at {url}: leave out \
                 `--target`, or take a scenario without faults of kind `{}`",
                fault.name,
                fault.kind.name()
            ),
        ));
    }
    let target = &mut scenario.target;
    let was_ours = !matches!(target.kind, TargetKind::Url(_));
    target.kind = TargetKind::Url(url.to_owned());
    if let Some(name) = dialect {
        name.clone_into(&mut target.dialect);
    }
    let dialect = run::dialect(&target.dialect)?;
    // The scenario's timeouts were those of the registry that it would have started; this one tells its own if it can.
    if was_ours && dialect.policies_path().is_some() {
        target.policies.clear();
    }
    Ok(())
}

fn drive(scenario: &Scenario, history: &Path, quiet: bool) -> Result<LoadOutcome, Failure> {
    let reference_program = run::own_program()?;
    let (progress, shown) = watch::channel(Progress::default());
    let outcome = run::interruptible(|interrupt| async {
        let printer = tokio::spawn(crate::progress::show_load(shown, quiet));
        let history = history.to_path_buf();
        let options = LoadOptions { seed: scenario.seed, reference_program, history, interrupt, progress };
        let outcome = agent_sim::load::run(scenario, options).await;
        let _ = printer.await;
        outcome
    })?;
    outcome.map_err(|error| Failure::new(USAGE, error))
}

/// What the scenario claims to decide, and whatever else the history proves.
fn judged(scenario: &Scenario, history: &Path) -> Result<Vec<RequirementReport>, Failure> {
    let selection =
        Selection::parse(scenario.profile.as_deref(), &[]).map_err(|error| Failure::new(USAGE, error))?;
    let ask = Ask { selection, rerun: run::own_command(), ..Ask::default() };
    let judgement = judge_file(history, &ask).map_err(|error| Failure::new(TROUBLE, error))?;
    let says_something = |row: &RequirementReport| {
        matches!(row.verdict, RequirementVerdict::Pass | RequirementVerdict::Fail)
            || scenario.requirements.contains(&row.id)
    };
    Ok(judgement.requirements.into_iter().filter(says_something).collect())
}
