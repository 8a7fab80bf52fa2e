//! `wallflower conformance`: generated schedules against a live registry, the judge, a report.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use clap::ValueEnum as _;
use conformance::catalogue::{REQUIREMENTS, Selection};
use conformance::live::{Outcome, RunError, RunOptions};
use reports::result::{AgentCounts, Kind, RequirementReport, RequirementVerdict, RunReport};
use reports::verdict::{Findings, decide};
use scenarios::model::{Target, TargetKind};
use tokio::sync::watch;

use crate::cli::Conformance;
use crate::replay;
use crate::run::{self, Failure, HISTORY, TROUBLE, USAGE};

pub(crate) fn conformance(arguments: &Conformance) -> Result<u8, Failure> {
    if arguments.list {
        list();
        return Ok(0);
    }
    let profile = arguments.profile.to_possible_value();
    let profile = profile.as_ref().map(clap::builder::PossibleValue::get_name);
    let selection = Selection::parse(profile, &arguments.only).map_err(|error| Failure::new(USAGE, error))?;
    let failed = arguments.replay.as_deref().map(replay::read).transpose()?;
    let folder = run::output_folder(arguments.out.as_deref(), "conformance")?;
    if let Some((failed, selection)) = failed {
        let folder = run::output_folder(Some(&folder.join("replay")), "replay")?;
        let code = run_once(arguments, selection, failed.seed, &folder)?;
        if code != 0 {
            return Ok(code);
        }
    }
    run_once(arguments, selection, arguments.seed, &folder)
}

/// One run into one folder; what failed is left there to be replayed.
fn run_once(arguments: &Conformance, selection: Selection, seed: u64, folder: &Path) -> Result<u8, Failure> {
    let target = target(arguments)?;
    let reference_program = run::own_program()?;
    let (progress, shown) = watch::channel(String::new());
    let outcome = run::interruptible(|interrupt| async {
        let printer = tokio::spawn(crate::progress::show_stages(shown, arguments.quiet));
        let options = RunOptions {
            target,
            reference_program,
            store: None,
            selection,
            seed,
            history: folder.join(HISTORY),
            rerun: rerun(arguments),
            agents: None,
            wave_agents: None,
            interrupt,
            progress,
        };
        let outcome = conformance::live::run(options).await;
        let _ = printer.await;
        outcome
    })?
    .map_err(|error| {
        run::discard_empty(folder);
        let code =
            if matches!(error, RunError::History { .. } | RunError::Judge(_)) { TROUBLE } else { USAGE };
        Failure::new(code, error)
    })?;

    let (report, code) = report(seed, outcome);
    run::close(&report, folder)?;
    replay::write(&report, folder)?;
    Ok(code)
}

fn report(seed: u64, outcome: Outcome) -> (RunReport, u8) {
    let requirements = outcome.judgement.requirements;
    let decision = decide(&Findings {
        interrupted: outcome.interrupted,
        failed: &outcome.failed,
        invalid: &outcome.invalid,
        requirements: &requirements,
        claimed: &claimed(&requirements),
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
    (report, decision.exit_code)
}

/// Everything that was selected must be decided, but for what this kind of registry cannot do.
pub(crate) fn claimed(requirements: &[RequirementReport]) -> Vec<String> {
    let applies = |row: &&RequirementReport| row.verdict != RequirementVerdict::NotApplicable;
    requirements.iter().filter(applies).map(|row| row.id.clone()).collect()
}

fn list() {
    let mut out = std::io::stdout().lock();
    for row in REQUIREMENTS {
        let line = format!("{:<10} {:<6} {:<8} {}", row.id, row.level.name(), row.profile, row.text);
        if writeln!(out, "{line}").is_err() {
            return;
        }
    }
}

/// The registry that the command line names.
fn target(arguments: &Conformance) -> Result<Target, Failure> {
    let name = arguments.dialect.as_str();
    run::dialect(name)?;
    let (policies, transition_bound) = match &arguments.policies {
        Some(path) => scenarios::load_policies(path).map_err(|error| Failure::diagnostic(USAGE, error))?,
        None => (BTreeMap::new(), Duration::from_millis(50)),
    };
    let kind = match &arguments.target {
        Some(url) => TargetKind::Url(url.clone()),
        None if name == "wallflower" => TargetKind::Reference,
        None => {
            let told =
                format!("dialect `{name}` needs --target URL: only the reference registry is started here");
            return Err(Failure::new(USAGE, told));
        }
    };
    Ok(Target { kind, dialect: name.to_owned(), policies, transition_bound })
}

fn rerun(arguments: &Conformance) -> String {
    let mut words = vec!["wallflower conformance".to_owned()];
    if let Some(url) = &arguments.target {
        words.push(format!("--target {url} --dialect {}", arguments.dialect));
    }
    if let Some(path) = &arguments.policies {
        words.push(format!("--policies {}", path.display()));
    }
    words.push("--only {id} --seed {seed}".to_owned());
    words.join(" ")
}
