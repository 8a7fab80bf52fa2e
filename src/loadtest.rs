//! `wallflower loadtest`: a scenario, a run, the judge, a report. [`shard`] is for runs that are a part of one.

mod shard;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::Path;

use agent_sim::load::metrics::MetricsEndpoint;
use agent_sim::load::{
    LoadOptions, LoadOutcome, Part, Progress, fill_freshness, fill_worst_freshness, fill_wrong_expiries,
};
use conformance::catalogue::Selection;
use conformance::judge::{Ask, Judgement, judge_file};
use reports::compare::{Terms, hold_against};
use reports::result::{BaselineReport, CallStats, Kind, RequirementReport, RequirementVerdict, RunReport};
use reports::verdict::{
    EXIT_INTERRUPTED, EXIT_INVALID, EXIT_PASS, EXIT_REQUIREMENT, EXIT_THRESHOLD, Findings, decide,
};
use scenarios::model::{Scenario, TargetKind};
use tokio::sync::watch;

use crate::cli::Loadtest;
use crate::compare::{self, Side};
use crate::conformance::proof::{self, Spoken};
use crate::progress::{self, Show, Way};
use crate::run::{self, Failure, HISTORY, TROUBLE, USAGE};

pub(crate) fn loadtest(arguments: &Loadtest) -> Result<u8, Failure> {
    if let Some(quantity) = arguments.series.find_capacity {
        return crate::capacity::find(arguments, quantity);
    }
    let scenario = scenario(arguments, &[])?;
    let baseline =
        arguments.series.baseline.as_deref().map(|folder| Baseline::load(folder, arguments, &scenario));
    let baseline = baseline.transpose()?;
    let how = How { part: shard::part(arguments, &scenario)?, ..How::of(arguments) };
    let folder = run::output_folder(arguments.out.as_deref(), &scenario.name)?;
    let made = |folder: &Path| {
        let (report, code) = run_once(&scenario, folder, how, baseline.as_ref())
            .inspect_err(|_| run::discard_empty(folder))?;
        run::close(&report, folder)?;
        Ok(code)
    };
    if arguments.series.repeat == 1 {
        return made(&folder);
    }
    let all = folder;
    let mut worst = EXIT_PASS;
    for number in 1..=arguments.series.repeat {
        let folder = run::output_folder(Some(&all.join(format!("run-{number}"))), &scenario.name)?;
        let code = made(&folder).inspect_err(|_| run::discard_empty(&all))?;
        worst = worse(worst, code);
        if code == EXIT_INTERRUPTED {
            break;
        }
    }
    Ok(worst)
}

/// `wallflower loadtest-worker`: some agents of a load test that runs in another process.
pub(crate) fn work() -> Result<u8, Failure> {
    let worked = agent_sim::load::work(std::io::stdin(), std::io::stdout());
    worked.map(|()| 0).map_err(|error| Failure::new(TROUBLE, format!("a worker of a load test: {error}")))
}

/// Of two exit codes the one that says more: ended by the user, broken, invalid, passed.
fn worse(a: u8, b: u8) -> u8 {
    const BY_WEIGHT: [u8; 5] = [EXIT_PASS, EXIT_INVALID, EXIT_THRESHOLD, EXIT_REQUIREMENT, EXIT_INTERRUPTED];
    let weight = |code: u8| BY_WEIGHT.iter().position(|known| *known == code);
    if weight(b) > weight(a) { b } else { a }
}

/// How a run is made, beside its scenario.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct How {
    /// What is shown before its end.
    pub(crate) show: Show,
    /// Whether each call carries a `traceparent`.
    pub(crate) traceparent: bool,
    /// Where Prometheus reads the generator's own figures.
    pub(crate) metrics: Option<SocketAddr>,
    /// Which part of a run it is, where it is one.
    pub(crate) part: Option<Part>,
}

impl How {
    pub(crate) fn of(arguments: &Loadtest) -> Self {
        let show = if arguments.quiet { Show::None } else { arguments.progress };
        Self { show, traceparent: arguments.traceparent, metrics: arguments.metrics_listen, part: None }
    }
}

/// What a run is held against.
#[derive(Debug)]
pub(crate) struct Baseline {
    side: Side,
    max_regression: f64,
}

impl Baseline {
    /// Refuses, before anything runs, what could not be compared afterwards.
    fn load(folder: &Path, arguments: &Loadtest, scenario: &Scenario) -> Result<Self, Failure> {
        let side = compare::load(folder)?;
        let environment = agent_sim::process::environment();
        let terms = Terms { scenario_text: &scenario.text, environment: &environment };
        compare::refuse_terms(&side, terms, "this run")?;
        compare::refuse_seed(&side, scenario.seed)?;
        Ok(Self { side, max_regression: arguments.series.max_regression })
    }
}

/// What the percentile plot shows of a run.
fn curves_of(name: &Path, report: &RunReport) -> BaselineReport {
    let curve = |(operation, stats): (&String, &CallStats)| (operation.clone(), stats.response_curve.clone());
    let response_curves = report.calls.iter().map(curve).collect();
    BaselineReport { name: name.display().to_string(), response_curves }
}

/// One run and its judgement; what it writes but the history is left to the caller. Answers the exit code, too.
///
/// # Errors
/// When the registry cannot be had or the history cannot be judged.
pub(crate) fn run_once(
    scenario: &Scenario,
    folder: &Path,
    how: How,
    baseline: Option<&Baseline>,
) -> Result<(RunReport, u8), Failure> {
    let history = folder.join(HISTORY);
    let mut outcome = drive(scenario, &history, how)?;
    let mut judgement = match judged(scenario, &history) {
        // A history that was cut off proves nothing, and the run says already why it is.
        Err(_) if !outcome.invalid.is_empty() => Judgement::default(),
        judged => judged?,
    };
    let dialect = run::dialect(&scenario.target.dialect).ok();
    let spoken = Spoken { dialect: dialect.as_deref(), url: &outcome.target.url };
    proof::fill(&mut judgement.requirements, &history, spoken);
    fill_wrong_expiries(&mut outcome.faults, outcome.begin_us, &judgement.wrong_expiry_instants_us);
    fill_freshness(&scenario.thresholds, &mut outcome.thresholds, &judgement.freshness);
    fill_worst_freshness(&mut outcome.intervals, outcome.begin_us, &judgement.freshness_worst_us);
    if let Some(shard) = &mut outcome.shard {
        let packed = judgement.freshness_durations.iter();
        shard.freshness = packed.map(|(name, late)| ((*name).to_owned(), late.packed())).collect();
    }
    let (mut invalid, failed) = (std::mem::take(&mut outcome.invalid), std::mem::take(&mut outcome.failed));
    let mut report = RunReport {
        requirements: judgement.requirements,
        freshness: judgement.freshness,
        ..report_of(scenario, outcome)
    };
    // Half a run is no match for a whole one.
    if let Some(baseline) = baseline.filter(|_| !report.interrupted && failed.is_empty()) {
        report.baseline = baseline.side.last().map(|(name, report)| curves_of(name, report));
        let gate = hold_against(baseline.side.runs(), &report, baseline.max_regression);
        report.thresholds.extend(gate.thresholds);
        invalid.extend(gate.undecided);
    }
    Ok(decided(report, scenario, &failed, &invalid))
}

/// The report with its verdict, and the exit code.
pub(crate) fn decided(
    mut report: RunReport,
    scenario: &Scenario,
    failed: &[String],
    invalid: &[String],
) -> (RunReport, u8) {
    let decision = decide(&Findings {
        stale: &[],
        interrupted: report.interrupted,
        failed,
        invalid,
        thresholds: &report.thresholds,
        requirements: &report.requirements,
        claimed: &scenario.requirements,
    });
    (report.verdict, report.reasons) = (decision.verdict, decision.reasons);
    (report, decision.exit_code)
}

/// What a run found, as far as its loop knows; judged and decided it is by others.
pub(crate) fn report_of(scenario: &Scenario, outcome: LoadOutcome) -> RunReport {
    RunReport {
        interrupted: outcome.interrupted,
        scenario: scenario.name.clone(),
        description: scenario.description.clone(),
        seed: scenario.seed,
        plan_hash: outcome.plan_hash,
        started_at: outcome.started_at,
        duration_ms: outcome.duration_ms,
        agents: outcome.agents,
        calls: outcome.calls,
        phases: outcome.phases,
        thresholds: outcome.thresholds,
        target: outcome.target,
        generator: outcome.generator,
        intervals: outcome.intervals,
        faults: outcome.faults,
        scenario_text: scenario.text.clone(),
        shard: outcome.shard,
        ..run::blank_report(Kind::Loadtest)
    }
}

/// The scenario of the command line; `more` is set beside what the user sets.
///
/// # Errors
/// Every fault of the file.
pub(crate) fn scenario(arguments: &Loadtest, more: &[String]) -> Result<Scenario, Failure> {
    let mut set = arguments.set.clone();
    set.extend(arguments.seed.map(|seed| format!("seed={seed}")));
    if arguments.target.is_none() {
        set.extend(arguments.dialect.as_ref().map(|dialect| format!("target.dialect={dialect}")));
    }
    set.extend_from_slice(more);
    let mut scenario = crate::scenario::load(&arguments.scenario, &set)
        .map_err(|error| Failure::diagnostic(USAGE, error))?;
    if let Some(url) = &arguments.target {
        aim(&mut scenario, url, arguments.dialect.as_deref())?;
    }
    Ok(scenario)
}

/// The command that makes one run with `more` set.
pub(crate) fn command(arguments: &Loadtest, more: &[String]) -> String {
    let mut words = vec!["loadtest".to_owned(), arguments.scenario.display().to_string()];
    let mut add = |flag: &str, value: String| words.extend([flag.to_owned(), value]);
    arguments.target.iter().for_each(|url| add("--target", url.clone()));
    arguments.dialect.iter().for_each(|dialect| add("--dialect", dialect.clone()));
    arguments.seed.iter().for_each(|seed| add("--seed", seed.to_string()));
    arguments.set.iter().chain(more).for_each(|assignment| add("--set", assignment.clone()));
    run::command_line(words.into_iter())
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

fn drive(scenario: &Scenario, history: &Path, how: How) -> Result<LoadOutcome, Failure> {
    let reference_program = run::own_program()?;
    let way = progress::way(how.show)?;
    let (told, shown) = watch::channel(Progress::default());
    let metrics = how.metrics.map(|address| metrics_at(address, shown.clone())).transpose()?;
    if let Some(metrics) = metrics.as_ref().filter(|_| way != Way::Silent) {
        let _ = writeln!(std::io::stderr().lock(), "metrics at {}", metrics.url());
    }
    let outcome = run::interruptible(|interrupt| async move {
        let printer = tokio::spawn(progress::show_load(shown, way, interrupt.clone()));
        let interrupt = interrupt.subscribe();
        let history = history.to_path_buf();
        let (seed, traceparent, part) = (scenario.seed, how.traceparent, how.part);
        let options =
            LoadOptions { seed, reference_program, history, traceparent, part, interrupt, progress: told };
        let outcome = agent_sim::load::run(scenario, options).await;
        let _ = printer.await;
        outcome
    })?;
    outcome.map_err(|error| Failure::new(USAGE, error))
}

fn metrics_at(address: SocketAddr, shown: watch::Receiver<Progress>) -> Result<MetricsEndpoint, Failure> {
    MetricsEndpoint::start(address, shown).map_err(|error| {
        let words =
            format!("cannot listen at {address}: {error}; choose another address with --metrics-listen");
        Failure::new(USAGE, words)
    })
}

/// What the scenario claims to decide, and whatever else the history proves: a requirement that is broken is never left
/// out, so that a wrong expiry fails any run.
fn judged(scenario: &Scenario, history: &Path) -> Result<Judgement, Failure> {
    let selection =
        Selection::parse(scenario.profile.as_deref(), &[]).map_err(|error| Failure::new(USAGE, error))?;
    let ask = Ask { selection, rerun: run::own_command(), ..Ask::default() };
    let mut judgement = judge_file(history, &ask).map_err(|error| Failure::new(TROUBLE, error))?;
    let says_something = |row: &RequirementReport| {
        matches!(row.verdict, RequirementVerdict::Pass | RequirementVerdict::Fail)
            || scenario.requirements.contains(&row.id)
    };
    judgement.requirements.retain(says_something);
    Ok(judgement)
}
