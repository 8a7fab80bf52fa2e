//! DURABLE-5: the store is locked, and then its disk is full, while agents renew, change and come; each time it is given
//! back, and the process killed.
//!
//! - `disk`: the full disk.
//! - `spoilt`: DURABLE-6.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_sim::dialect::Call;
use agent_sim::process::StoreHold;
use reports::history::{Filter, Hardship, Line, Outcome};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::RunError;
use super::super::actor::Actor;
use super::super::readers::{self, Reader, every_status};
use super::super::recorder::Recorder;
use super::Stages;
use crate::catalogue::Check;
use crate::generate::Act;

mod disk;
mod spoilt;

/// Agents that only renew, that change, and that come meanwhile and stay.
const STEADY: u32 = 12;
const CHANGING: u32 = 12;
const COMING: u32 = 8;

/// The trouble lasts until so many changes were refused, or so long at the most.
const REFUSALS: u32 = 24;
const LONGEST_US: u64 = 20_000_000;

/// How long a registry may take to accept changes again.
const LONGEST_RECOVERY_US: u64 = 60_000_000;

/// How often that, and the number of refusals, are looked at.
const LOOK_PERIOD_US: u64 = 50_000;

/// Whether a part of a requirement was tried, or why not.
type Tried = Result<(), String>;

/// Agents that call while the store is in trouble.
struct Load {
    running: JoinSet<Actor>,
    refused: Arc<AtomicU32>,
    stop: watch::Sender<bool>,
    from_us: u64,
}

impl Load {
    async fn end(self) -> Vec<Actor> {
        self.stop.send_replace(true);
        self.running.join_all().await
    }
}

/// What an agent does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Renews,
    Changes,
    /// Declares itself until it is accepted, and then renews: what was acknowledged first is what has to be there.
    Comes,
}

impl Stages {
    pub(super) async fn trouble(&mut self) -> Result<(), RunError> {
        let locked = self.locked().await?;
        if !self.goes_on() {
            return Ok(());
        }
        let filled = self.full_disk().await?;
        match (locked, filled) {
            (Ok(()), Ok(())) => {}
            (Err(lock), Err(disk)) => {
                self.leave_out(Check::Durable5, format!("no locked store: {lock}; no full disk: {disk}"));
            }
            (Err(reason), Ok(())) => self.leave_out_part(Check::Durable5, "a locked store", reason),
            (Ok(()), Err(reason)) => self.leave_out_part(Check::Durable5, "a full disk", reason),
        }
        Ok(())
    }

    /// Loads, locks, gives back, waits until it recovers, kills, looks.
    async fn locked(&mut self) -> Result<Tried, RunError> {
        let store = match self.store() {
            Ok(store) => store,
            Err(reason) => return Ok(Err(reason)),
        };
        self.say("its store locked under load".to_owned());
        let mut load = self.load().await;
        let held = self.hold(&store, &mut load).await;
        let tried = held.map_err(|error| format!("{} could not be locked: {error}", store.display()));
        if tried.is_ok() {
            self.until_it_recovers().await;
        }
        self.kill().await;
        let actors = load.end().await;
        self.start_again().await?;
        self.look_briefly(&actors).await;
        self.part(actors).await;
        Ok(tried)
    }

    /// Where the store is, if that is known.
    pub(super) fn store(&self) -> Result<PathBuf, String> {
        let process = self.target.process.as_ref().ok_or("the registry is only reached, not started here")?;
        let store = self.store.as_ref().ok_or("where its store lies is not known to the harness")?;
        Ok(store.replace("{dir}", &process.folder().to_string_lossy()).into())
    }

    /// Agents that renew and change; they are there when it returns.
    async fn load(&self) -> Load {
        let (stop, _) = watch::channel(false);
        let from_us = self.recorder.clock.now_us() + 50_000;
        let mut load = Load { running: JoinSet::new(), refused: Arc::default(), stop, from_us };
        let gap_us = self.pace.churn_period_us;
        for number in 0..STEADY + CHANGING {
            let part = if number < STEADY { Part::Renews } else { Part::Changes };
            self.join(&mut load, part, from_us + u64::from(number) * gap_us / u64::from(STEADY + CHANGING));
        }
        let interval_us = self.policy("default").heartbeat_interval_ms * 1000;
        self.recorder.sleep_until(load.from_us + 3 * interval_us).await;
        load
    }

    fn join(&self, load: &mut Load, part: Part, start_us: u64) {
        let actor = self.actor("troubled", "default").reading(false, 0).wordy();
        let gaps = Gaps {
            renewal_us: self.policy("default").heartbeat_interval_ms * 1000,
            change_us: self.pace.churn_period_us * 2,
        };
        let (recorder, refused) = (Arc::clone(&self.recorder), Arc::clone(&load.refused));
        let stopped = load.stop.subscribe();
        load.running.spawn(live_through(actor, (part, start_us, gaps), recorder, refused, stopped));
    }

    async fn hold(&mut self, store: &Path, load: &mut Load) -> std::io::Result<()> {
        let clock = self.recorder.clock;
        let s_us = clock.now_us();
        let hold = StoreHold::take(store).await?;
        let e_us = clock.now_us();
        let file = store.display().to_string();
        self.recorder.write(&Line::Hardship(Hardship::StoreHeld { file, s_us, e_us }));
        self.endure(load, || {}).await;
        let s_us = clock.now_us();
        drop(hold);
        self.recorder.write(&Line::Hardship(Hardship::StoreFreed { s_us, e_us: clock.now_us() }));
        Ok(())
    }

    /// Until enough changes were refused, it lasted long enough, or the registry has ended. Newcomers come meanwhile.
    async fn endure(&mut self, load: &mut Load, mut at_each_look: impl FnMut()) {
        let clock = self.recorder.clock;
        let until_us = clock.now_us() + LONGEST_US;
        let mut coming = 0..COMING;
        while load.refused.load(Ordering::Relaxed) < REFUSALS && clock.now_us() < until_us {
            if coming.next().is_some() {
                self.join(load, Part::Comes, clock.now_us());
            }
            at_each_look();
            if self.has_ended() || !self.recorder.sleep_until(clock.now_us() + LOOK_PERIOD_US).await {
                break;
            }
        }
    }

    /// Whether the process has ended by itself, which the history then tells.
    fn has_ended(&mut self) -> bool {
        let Some(process) = &mut self.target.process else { return true };
        if let Some(event) = process.check() {
            self.recorder.write(&Line::Process(event));
        }
        !process.is_running()
    }

    /// A new agent calls until it is accepted.
    async fn until_it_recovers(&mut self) {
        let until_us = self.recorder.clock.now_us() + LONGEST_RECOVERY_US;
        let mut actor = self.actor("patient", "default").reading(false, 0);
        while self.recorder.clock.now_us() < until_us && !self.has_ended() {
            let due_us = self.recorder.clock.now_us() + LOOK_PERIOD_US;
            match actor.troubled(Act::Declare, due_us).await {
                Some(record) if !record.outcome.renews() => {}
                _ => break,
            }
        }
        actor.leave_for_good(self.recorder.clock.now_us()).await;
    }

    pub(super) async fn look_briefly(&self, actors: &[Actor]) {
        let from_us = self.recorder.clock.now_us();
        self.recorder.call_now(&Call::List { filter: every_status(), if_none_match: None }).await;
        let until_us = from_us + self.pace.list_period_us * 8;
        let reader =
            Reader { filter: Filter::default(), period_us: self.pace.list_period_us, conditional: false };
        let mut running = readers::start(&self.recorder, vec![reader], from_us, until_us);
        if self.target.dialect.abilities().single_read {
            for actor in actors {
                let recorder = Arc::clone(&self.recorder);
                let call = Call::Read { agent_id: actor.id().to_owned() };
                running.spawn(async move { drop(recorder.call_now(&call).await) });
            }
        }
        while running.join_next().await.is_some() {}
    }

    fn leave_out_part(&self, check: Check, part: &str, reason: String) {
        self.write_left_out(check, Some(part.to_owned()), reason);
    }
}

/// How long an agent waits from call to call.
#[derive(Debug, Clone, Copy)]
struct Gaps {
    renewal_us: u64,
    change_us: u64,
}

/// Calls until it is told to stop.
async fn live_through(
    mut actor: Actor,
    (part, start_us, gaps): (Part, u64, Gaps),
    recorder: Arc<Recorder>,
    refused: Arc<AtomicU32>,
    mut stopped: watch::Receiver<bool>,
) -> Actor {
    let mut accepted = false;
    let mut due_us = start_us;
    while actor.wait_unless(due_us, &mut stopped).await {
        let changes = part == Part::Changes || !accepted;
        let act = if changes { Act::Declare } else { Act::Renew };
        let Some(record) = actor.troubled(act, due_us).await else { break };
        accepted |= record.outcome.renews();
        if record.outcome == Outcome::Unavailable {
            refused.fetch_add(1, Ordering::Relaxed);
        }
        let gap_us = if part == Part::Renews || !changes { gaps.renewal_us } else { gaps.change_us };
        due_us = (due_us + gap_us).max(recorder.clock.now_us());
    }
    actor
}
