//! Runs generated schedules against a live registry, records them, and has them judged.
//!
//! - `recorder`: sends calls in bounded number and writes the history while the run goes on; `keeper` keeps what went
//!   over the wire beside it.
//! - `pace`: how many agents and how often, by what the registry can do and how slow its policies are.
//! - `actor`: one agent living its story.
//! - `readers`: the lists beside the agents.
//! - `stages`: quiet, story, deadlines, probes, guard, clock, pause, trouble, kills, restarts, wave, provocation,
//!   watched.
//! - `rounds`: schedules side by side, each judged by itself; `shrink`: the smallest that shows a failure.
//! - `cost`: what the registry and the harness used.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use agent_sim::clock::{Clock, wall_clock};
use agent_sim::dialect::lacking::Lacking;
use agent_sim::process::LaunchError;
use agent_sim::room::RoomProgram;
use agent_sim::system_clock::{KeeperProgram, SystemClock};
use agent_sim::target::{Target, TargetError};
use agent_sim::tripwire::Tripwire;
use reports::history::{Line, RunEnd, RunHeader};
use reports::result::{CallStats, GeneratorReport, TargetReport};
use scenarios::model::{self, TargetKind};
use tokio::sync::watch;

use crate::catalogue::{Check, Profile, Selection, SelectionError, row};
use crate::generate::{self, Schedule};
use crate::judge::{self, Ask, JudgeError, Judgement};
use recorder::Recorder;
use stages::Stages;

mod actor;
mod cost;
mod keeper;
mod pace;
mod readers;
pub(crate) mod recorder;
mod rounds;
mod shrink;
mod stages;

pub use shrink::Shrunk;

/// How long a call waits for its answer.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// X of the agents of the wave: registering them must not take longer.
const WAVE_LEASE: Duration = Duration::from_secs(12);

/// How much slower than the fastest policies those of the reference are: what a busy machine of two cores keeps up
/// with.
const STRETCH: u64 = 2;

/// What to run.
#[derive(Debug, Clone)]
pub struct RunOptions {
    /// The registry. The reference gets generated policies whatever it says.
    pub target: model::Target,
    /// This program, which serves the reference registry.
    pub reference_program: PathBuf,
    /// The file in which a command's registry keeps its store, `{dir}` standing for its folder; the reference's is known.
    /// Without it DURABLE-5 and DURABLE-6 do not apply.
    pub store: Option<String>,
    /// Which requirements.
    pub selection: Selection,
    /// Where every schedule comes from.
    pub seed: u64,
    /// Where the history is written.
    pub history: PathBuf,
    /// The command that reruns one requirement; `{id}` and `{seed}` are filled in.
    pub rerun: String,
    /// Abilities, by name, that this registry lacks although its dialect has them.
    pub lacks: Vec<String>,
    /// What becomes the first process of a network namespace; `None`: a registry is not put into one.
    pub room: Option<RoomProgram>,
    /// What keeps the machine's own wall clock while that is stepped for TIME-8; `None`: another is shown to the registry.
    pub system_clock: Option<KeeperProgram>,
    /// Let strace tell who called, beside the kernel's counters.
    pub explain: bool,
    /// Routes to provoke beside those of its OpenAPI document, as methods and paths.
    pub routes: Vec<(&'static str, String)>,
    /// Agents side by side in the main window; `None`: as many as the registry's kind bears.
    pub agents: Option<u32>,
    /// Agents with a deadline in the same instant (TIME-4); `None`: 10,000. Only where the harness restarts it.
    pub wave_agents: Option<u32>,
    /// What failed in an earlier run: it is run before all else, and nothing else is if it fails again.
    pub replay: Vec<(Check, Schedule)>,
    /// Whether what fails is run again, smaller.
    pub shrinks: bool,
    /// `true` ends the run early; what was seen is judged all the same.
    pub interrupt: watch::Receiver<bool>,
    /// What is being done, in words.
    pub progress: watch::Sender<String>,
}

impl RunOptions {
    fn store(&self) -> Option<String> {
        let of_reference =
            || (self.target.kind == TargetKind::Reference).then(|| "{dir}/registry.db".to_owned());
        self.store.clone().or_else(of_reference)
    }
}

/// What a run found.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Requirement by requirement.
    pub judgement: Judgement,
    /// What a smaller schedule shows as well; the judgement tells that one's story.
    pub shrunk: Vec<Shrunk>,
    /// The registry and its cost.
    pub target: TargetReport,
    /// The harness's own cost.
    pub generator: GeneratorReport,
    /// Agents that registered.
    pub agents: u64,
    /// Figures by operation.
    pub calls: BTreeMap<String, CallStats>,
    /// SHA-256 of the generated policies and schedules, in hex.
    pub plan_hash: String,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// It was ended early.
    pub interrupted: bool,
    /// Why the run as a whole proves nothing; empty when it does.
    pub invalid: Vec<String>,
    /// That the registry ended by itself, or did not come back after a kill; empty when it did neither.
    pub failed: Vec<String>,
}

/// Why there was no run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Nothing to check.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// The machine's clock was to be stepped, and cannot be.
    #[error("the machine's clock cannot be stepped: {0}; or leave --step-system-clock out")]
    SystemClock(String),
    /// A kill was asked for, but the process is not ours.
    #[error(
        "profile `durable` needs a registry that the harness starts and kills itself; {url} is only reached: leave \
         --target out, or give a command"
    )]
    NotOurs {
        /// Its address.
        url: String,
    },
    /// No registry.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// It did not come back after a kill.
    #[error("the registry did not start again after a kill: {0}")]
    Restart(#[source] LaunchError),
    /// Its store cannot be spoilt and put back.
    #[error("cannot read or write the registry's store {path}: {source}")]
    Store {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// No listeners for the agents' endpoints.
    #[error("cannot listen behind the agents' endpoints: {0}")]
    Tripwire(#[source] std::io::Error),
    /// The history cannot be written.
    #[error("cannot write the history {path}: {source}")]
    History {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The history cannot be judged.
    #[error(transparent)]
    Judge(#[from] JudgeError),
}

/// Runs the stages that the selection needs, then judges. Nothing that it started is alive when it returns.
///
/// # Errors
/// When the run cannot begin, or cannot go on.
pub async fn run(options: RunOptions) -> Result<Outcome, RunError> {
    let clock = Clock::start();
    let started_at = humantime::format_rfc3339_seconds(wall_clock()).to_string();
    let selection = selection_for(&options)?;
    if selection != options.selection {
        let told = "the registry is only reached, not started here: what needs a kill (DURABLE) is left out";
        options.progress.send_replace(told.to_owned());
    }
    if let Some(keeper) = options.system_clock.as_ref().filter(|_| selection.wants(Check::Time8)) {
        let clock = SystemClock::take(keeper).await.map_err(RunError::SystemClock)?;
        clock.give_back().await.map_err(|error| RunError::SystemClock(error.to_string()))?;
    }
    let mut asked = options.target.clone();
    if asked.kind == TargetKind::Reference {
        asked.policies = generate::policies(options.seed, STRETCH, WAVE_LEASE);
    }
    let tripwire = Tripwire::open(clock).await.map_err(RunError::Tripwire)?;
    let mut target = Target::open(&asked, &options.reference_program, clock, CALL_TIMEOUT).await?;
    target.dialect = Lacking::of(target.dialect, &options.lacks);
    let header = RunHeader {
        format: reports::history::FORMAT,
        name: "conformance".to_owned(),
        seed: options.seed,
        started_at: started_at.clone(),
        dialect: target.dialect.name().to_owned(),
        abilities: target.dialect.abilities(),
        policies: target.policies.clone(),
        transition_bound_ms: target.transition_bound_ms,
        claims: selection.rows().map(|row| row.id.to_owned()).collect(),
    };
    let io = |source| RunError::History { path: options.history.clone(), source };
    let recorder = Recorder::open(&options.history, target.client.clone(), clock, options.interrupt.clone());
    let recorder = Arc::new(recorder.map_err(io)?);
    recorder.write(&Line::Run(header.clone()));
    let meter = cost::Meter::start();
    let mut stages =
        Stages::new(&options, selection.clone(), Arc::clone(&recorder), (target, tripwire), header);
    let floor = tokio::spawn(recorder::timer_floor(Arc::clone(&recorder)));
    let plan_hash = stages.plan_hash();
    let ran = stages.run().await;
    floor.abort();
    let tripwire = stages.look_at_listeners().await;
    let end = RunEnd {
        at_us: clock.now_us(),
        slack_us: recorder.slack_us(),
        lost_lines: recorder.lost_lines(),
        tripwire,
    };
    recorder.write(&Line::End(end));
    let judged = async {
        recorder.close().map_err(io)?;
        let ask = Ask {
            selection,
            wave_agents: stages.wave_agents(),
            rerun: options.rerun.clone(),
            ..Ask::default()
        };
        let path = options.history.clone();
        let judged = tokio::task::spawn_blocking(move || judge::judge_file(&path, &ask)).await;
        let mut judgement = judged.map_err(|error| io(std::io::Error::other(error)))??;
        // The registry lives until then: what failed is run again, smaller.
        let shrunk = if ran.is_ok() && options.shrinks {
            stages.shrink(&mut judgement, &options).await?
        } else {
            Vec::new()
        };
        Ok::<_, RunError>((judgement, shrunk))
    }
    .await;
    let finished = stages.finish().await;
    let mut failed = finished.failed;
    match ran {
        // It is the registry's failure, and what was seen until then is judged like any other history.
        Err(error @ RunError::Restart(_)) => failed.push(error.to_string()),
        other => other?,
    }
    let (judgement, shrunk) = judged?;
    let mut invalid = finished.invalid;
    invalid.extend(recorder.complaint());
    Ok(Outcome {
        judgement,
        shrunk,
        target: finished.target.report(recorder.calls()),
        generator: meter.report(&recorder),
        agents: finished.agents,
        calls: recorder.stats(),
        plan_hash,
        started_at,
        duration_ms: clock.now_us() / 1000,
        interrupted: *options.interrupt.borrow(),
        invalid,
        failed,
    })
}

/// A registry that is only reached cannot be killed: what needs that is left out unless it was asked for by name.
fn selection_for(options: &RunOptions) -> Result<Selection, RunError> {
    let mut selection = options.selection.clone();
    if let TargetKind::Url(url) = &options.target.kind {
        let needs_kill = |check: &Check| row(*check).is_some_and(|row| row.profile == Profile::Durable);
        if selection.profile == Some(Profile::Durable) || selection.only.iter().any(needs_kill) {
            return Err(RunError::NotOurs { url: url.clone() });
        }
        if selection.profile.is_none() && selection.only.is_empty() {
            selection.profile = Some(Profile::Contract);
        }
    }
    Ok(selection)
}
