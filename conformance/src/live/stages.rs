//! The stages of a run, in order: quiet, story, deadlines, probes, guard, clock, pause, trouble, kills, restarts, spoilt
//! store, wave, provocation, watched. Each is run if a selected requirement needs it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use agent_sim::room::RoomProgram;
use agent_sim::system_clock::KeeperProgram;
use agent_sim::target::Target;
use agent_sim::tripwire::Tripwire;
use reports::history::{Line, Policy, RunHeader};
use sha2::{Digest as _, Sha256};
use tokio::task::JoinSet;

use super::actor::Actor;
use super::cost::TargetCost;
use super::pace::Pace;
use super::recorder::Recorder;
use super::rounds::{TRIALS, Trial};
use super::{RunError, RunOptions, readers};
use crate::catalogue::{Check, Selection};
use crate::generate::{self, Schedule};

mod clock;
mod deadline;
mod guard;
mod kills;
mod moments;
mod pause;
mod probes;
mod provoke;
mod quiet;
mod restarts;
mod torn;
mod trouble;
mod watched;
mod wave;

/// Deadlines in the same instant that TIME-4 asks for.
const WAVE_AGENTS: u32 = 10_000;

/// Why nothing is done to a process.
const ONLY_REACHED: &str = "the registry is only reached, not started here, so its process cannot be touched";

/// Why types are not told apart.
const ONE_POLICY: &str =
    "it is set up with one policy only; give a second agent type its own to have this decided";

/// The run's state.
pub(super) struct Stages {
    selection: Selection,
    pub(super) recorder: Arc<Recorder>,
    pub(super) target: Target,
    likeness: guard::Likeness,
    pub(super) tripwire: Tripwire,
    pub(super) pace: Pace,
    pub(super) header: RunHeader,
    /// Who of the main window lived by which schedule.
    cast: Mutex<HashMap<String, Schedule>>,
    seed: u64,
    progress: tokio::sync::watch::Sender<String>,
    cost: TargetCost,
    wanted_wave: u32,
    /// Where the registry keeps its store, if known; `{dir}` stands for its folder.
    store: Option<String>,
    room: Option<RoomProgram>,
    system_clock: Option<KeeperProgram>,
    explain: bool,
    /// Routes to provoke beside those that are known.
    routes: Vec<(&'static str, String)>,
    /// What failed before, and is run before all else.
    replayed: Vec<(Check, Schedule)>,
    history: PathBuf,
    next_number: AtomicU32,
    invalid: Vec<String>,
    failed: Vec<String>,
}

/// What is left when all is stopped.
pub(super) struct Finished {
    pub(super) target: TargetCost,
    pub(super) agents: u64,
    pub(super) invalid: Vec<String>,
    pub(super) failed: Vec<String>,
}

impl Stages {
    pub(super) fn new(
        options: &RunOptions,
        selection: Selection,
        recorder: Arc<Recorder>,
        (target, tripwire): (Target, Tripwire),
        header: RunHeader,
    ) -> Self {
        let abilities = target.dialect.abilities();
        let pace = Pace::of(&abilities, &target.policies, target.transition_bound_ms, options.agents);
        let one_deadline = target.process.is_some() && abilities.lease_after_restart && abilities.durable;
        Self {
            cost: TargetCost::of(&options.target.kind, &target),
            wanted_wave: if one_deadline { options.wave_agents.unwrap_or(WAVE_AGENTS) } else { 0 },
            store: options.store(),
            room: options.room.clone(),
            system_clock: options.system_clock.clone(),
            explain: options.explain,
            routes: options.routes.clone(),
            likeness: guard::Likeness {
                kind: options.target.kind.clone(),
                reference_program: options.reference_program.clone(),
            },
            pace,
            selection,
            recorder,
            target,
            tripwire,
            header,
            cast: Mutex::default(),
            replayed: options.replay.clone(),
            history: options.history.clone(),
            seed: options.seed,
            progress: options.progress.clone(),
            next_number: AtomicU32::new(0),
            invalid: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// SHA-256 of what each agent does when, and by which timeouts, in hex.
    pub(super) fn plan_hash(&self) -> String {
        let stories =
            generate::stories(self.seed, self.pace.agents as usize, &self.target.dialect.abilities());
        let kills = generate::kill_instants(self.seed, 1, u64::MAX);
        let plan = format!("{:?}", (&self.target.policies, stories, kills));
        Sha256::digest(plan).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Runs what the selection needs.
    pub(super) async fn run(&mut self) -> Result<(), RunError> {
        if let Some(process) = &self.target.process {
            self.recorder.write(&Line::Process(process.started()));
        }
        let selection = self.selection.clone();
        let wants = |checks: &[Check]| checks.iter().any(|check| selection.wants(*check));
        let quiet = wants(&[Check::View5]);
        let story = wants(&[
            Check::Passive1,
            Check::Time1,
            Check::Time2,
            Check::Time3,
            Check::Time4,
            Check::Time5,
            Check::Time6,
            Check::Time7,
            Check::Race2,
            Check::View2,
            Check::View3,
        ]);
        let ours = self.target.process.is_some();
        let kills = ours && wants(&[Check::Durable1, Check::Durable2]);
        let wave = wants(&[Check::Time4]);
        let provoke = wants(&[Check::Passive1]);
        let watched = wants(&[Check::Passive2, Check::Passive3, Check::Passive4]);
        if wants(&[Check::Time6]) && self.target.policies.len() < 2 {
            self.leave_out(Check::Time6, ONE_POLICY);
        }
        if !self.replayed.is_empty() && self.replay().await? {
            // What failed before still fails: that is what is to be mended first.
            return Ok(());
        }
        if let Some(words) = self.pace.warning() {
            self.say(words);
        }
        if quiet && self.goes_on() {
            self.quiet().await;
        }
        let deadlines = self.selection.wants(Check::Race1);
        // A wave without a kill is nothing but more agents.
        let wave_beside = wave && self.pace.unhurried && self.wanted_wave == 0;
        if self.goes_on() {
            self.side_by_side(story, deadlines, wave_beside).await;
        }
        if deadlines && !self.pace.unhurried && self.goes_on() {
            self.deadlines().await;
        }
        if self.wants_probes() && self.goes_on() {
            self.probes().await;
        }
        if wants(&[Check::Guard1, Check::Guard2, Check::Guard3]) && self.goes_on() {
            self.guard().await;
        }
        if wants(&[Check::Time8]) && self.goes_on() {
            if ours { self.clock().await? } else { self.leave_out(Check::Time8, ONLY_REACHED) }
        }
        if wants(&[Check::Time9]) && self.goes_on() {
            if ours { self.pause().await } else { self.leave_out(Check::Time9, ONLY_REACHED) }
        }
        if ours && wants(&[Check::Durable5]) && self.goes_on() {
            self.trouble().await?;
        }
        if kills && self.goes_on() {
            self.kills().await?;
        }
        if ours && wants(&[Check::Durable3, Check::Durable4]) && self.goes_on() {
            self.restarts().await?;
        }
        if ours && wants(&[Check::Durable6]) && self.goes_on() {
            self.spoilt().await?;
        }
        if wave && !wave_beside && self.goes_on() {
            self.wave().await?;
        }
        if provoke && self.goes_on() {
            self.provoke().await;
        }
        if watched && self.goes_on() {
            self.watched().await;
        }
        self.goes_on();
        Ok(())
    }

    /// The main window and, where its policies leave time, the deadlines and the wave in it: their agents are others,
    /// each is judged by its own calls, and all that they do together is to wait. Quick policies leave no time: beside
    /// hundreds of others no heartbeat meets its deadline within milliseconds, and no list is as old as it says.
    ///
    /// What else there is stays behind: VIEW-5 needs a registry in which nothing changes, provocations may call a
    /// route that takes everybody's registration, and kills end all that was under way.
    async fn side_by_side(&self, story: bool, deadlines: bool, wave: bool) {
        tokio::join!(
            async {
                if story {
                    self.story().await;
                }
            },
            async {
                if deadlines && self.pace.unhurried {
                    self.deadlines().await;
                }
            },
            async {
                if wave {
                    self.wave_without_kill().await;
                }
            },
        );
    }

    /// Runs what failed before; whether any of it fails again.
    async fn replay(&self) -> Result<bool, RunError> {
        let trial =
            |(check, schedule): &(Check, Schedule)| Trial { check: *check, schedule: schedule.clone() };
        let trials: Vec<Trial> = self.replayed.iter().map(trial).collect();
        let mut fails = false;
        for trials in trials.chunks(TRIALS) {
            self.say(format!("replaying {} schedules that failed before", trials.len()));
            let proven = self.round("replayed", trials, (&self.recorder, &self.history)).await?;
            fails |= proven.iter().any(Option::is_some);
        }
        Ok(fails)
    }

    /// Who lived by which schedule.
    pub(super) fn cast(&self) -> MutexGuard<'_, HashMap<String, Schedule>> {
        self.cast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// So many agents are to have a deadline at once.
    pub(super) fn wave_agents(&self) -> u64 {
        u64::from(self.wanted_wave)
    }

    /// Looks at the listeners a last time; whether they work still.
    pub(super) async fn look_at_listeners(&mut self) -> bool {
        let tripwire_works = self.tripwire.works().await;
        self.tripwire.settle().await;
        let touches = self.tripwire.take_touches();
        for touch in touches {
            self.recorder.write(&Line::Touch(touch));
        }
        if !tripwire_works {
            self.invalid.push("the listeners behind the agents' endpoints do not answer any more".to_owned());
        }
        tripwire_works
    }

    /// Stops the registry.
    pub(super) async fn finish(mut self) -> Finished {
        self.cost.look(self.target.process.as_ref());
        if let Some(process) = self.target.process.take() {
            process.stop().await;
        }
        Finished {
            target: self.cost,
            agents: u64::from(self.next_number.into_inner()),
            invalid: self.invalid,
            failed: self.failed,
        }
    }

    /// Whether the next stage can begin: nobody ended the run, and the registry is there.
    pub(super) fn goes_on(&mut self) -> bool {
        self.cost.look(self.target.process.as_ref());
        if let Some(process) = &mut self.target.process
            && let Some(event) = process.check()
        {
            self.recorder.write(&Line::Process(event));
            self.failed.push(format!(
                "the registry process ended by itself; its last output: {}",
                process.last_output().trim()
            ));
        }
        self.invalid.is_empty() && self.failed.is_empty() && !self.recorder.stopped()
    }

    pub(super) fn say(&self, words: String) {
        self.progress.send_replace(words);
    }

    pub(super) fn policy(&self, agent_type: &str) -> Policy {
        let policies = &self.target.policies;
        policies.get(agent_type).or_else(|| policies.get("default")).copied().unwrap_or(Policy {
            heartbeat_interval_ms: 5_000,
            degraded_after_ms: None,
            expires_after_ms: 20_000,
            evict_after_ms: None,
        })
    }

    /// A number that no agent has yet, from 1.
    pub(super) fn next_number(&self) -> u32 {
        self.next_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// An agent with an address of its own.
    fn actor(&self, name: &str, agent_type: &str) -> Actor {
        let number = self.next_number();
        let id = format!("{name}-{number:06}");
        let endpoint = self.tripwire.assign(number, &id);
        let abilities = self.target.dialect.abilities();
        Actor::new(&self.recorder, id, agent_type, endpoint, self.policy(agent_type))
            .reading(abilities.single_read, self.target.transition_bound_ms * 1000)
    }

    /// Deregisters agents that are not needed any more, so that their deadlines change no later view.
    async fn part(&self, actors: Vec<Actor>) {
        let mut leaving = JoinSet::new();
        for actor in actors {
            let recorder = Arc::clone(&self.recorder);
            let call = agent_sim::dialect::Call::Leave { agent_id: actor.id().to_owned() };
            leaving.spawn(async move { recorder.call_now(&call).await });
        }
        while leaving.join_next().await.is_some() {}
    }

    /// Hundreds of generated agents side by side.
    async fn story(&self) {
        let abilities = self.target.dialect.abilities();
        let stories = generate::stories(self.seed, self.pace.agents as usize, &abilities);
        let window_us = self.pace.window_us();
        self.say(format!("{} agents side by side, for {} s", stories.len(), window_us.div_ceil(1_000_000)));
        let from_us = self.recorder.clock.now_us() + 100_000;
        let (act_until_us, end_us) = (from_us + self.pace.acting_us, from_us + window_us);
        let types = self.pace.types.clone();
        let readers = readers::readers(self.pace.list_period_us, abilities.conditional_lists, &types);
        let mut running = readers::start(&self.recorder, readers, from_us, end_us);
        for (number, story) in stories.into_iter().enumerate() {
            let Some(agent_type) = types.get(number % types.len().max(1)) else { break };
            let actor = self.actor("story", agent_type);
            let timeouts = self.timeouts_us(agent_type);
            let schedule = Schedule::of(agent_type, &story, timeouts, (self.pace.acting_us, window_us));
            self.cast().insert(actor.id().to_owned(), schedule);
            let start_us = from_us + story.start_permille * self.pace.acting_us / 10_000;
            running.spawn(actor.live(story, start_us, act_until_us, end_us));
        }
        while running.join_next().await.is_some() {}
    }
}
