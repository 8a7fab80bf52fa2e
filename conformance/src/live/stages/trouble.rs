//! DURABLE-5: the store is locked while agents renew, change and come; then it is given back, and the process killed.
//! DURABLE-6: the store is torn, or another's.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_sim::dialect::Call;
use agent_sim::process::{LaunchError, RegistryProcess, StoreHold};
use reports::history::{Filter, Hardship, Line, Outcome, SpoiltStore};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::super::RunError;
use super::super::actor::Actor;
use super::super::readers::{self, Reader, every_status};
use super::Stages;
use crate::catalogue::Check;
use crate::generate::Act;

/// Agents that only renew, and agents that change or come.
const STEADY: u32 = 12;
const CHANGING: u32 = 12;

/// The lock lasts until so many changes were refused, or so long at the most.
const REFUSALS: u32 = 24;
const LONGEST_HOLD_US: u64 = 20_000_000;

/// How long a registry may take to accept changes again.
const LONGEST_RECOVERY_US: u64 = 60_000_000;

/// How often that, and the number of refusals, are looked at.
const LOOK_PERIOD_US: u64 = 50_000;

impl Stages {
    /// Loads, locks, gives back, waits until it recovers, kills, looks.
    pub(super) async fn trouble(&mut self) -> Result<(), RunError> {
        let store = match self.store() {
            Ok(store) => store,
            Err(reason) => {
                self.leave_out(Check::Durable5, reason);
                return Ok(());
            }
        };
        self.say("its store locked under load".to_owned());
        let refused = Arc::new(AtomicU32::new(0));
        let (stop, stopped) = watch::channel(false);
        let from_us = self.recorder.clock.now_us() + 50_000;
        let interval_us = self.policy("default").heartbeat_interval_ms * 1000;
        let gap_us = self.pace.churn_period_us;
        let mut running = JoinSet::new();
        for number in 0..STEADY + CHANGING {
            let actor = self.actor("troubled", "default").reading(false, 0);
            let (act, gap_us) =
                if number < STEADY { (Act::Renew, interval_us) } else { (Act::Declare, gap_us * 2) };
            let start_us = from_us + u64::from(number) * gap_us / u64::from(STEADY + CHANGING);
            let refused = Arc::clone(&refused);
            let recorder = Arc::clone(&self.recorder);
            let mut stopped = stopped.clone();
            running.spawn(async move {
                let mut actor = actor;
                actor.register_at(start_us).await;
                let mut due_us = start_us + gap_us;
                while actor.wait_unless(due_us, &mut stopped).await {
                    let Some(record) = actor.troubled(act, due_us).await else { break };
                    if record.outcome == Outcome::Unavailable {
                        refused.fetch_add(1, Ordering::Relaxed);
                    }
                    due_us = (due_us + gap_us).max(recorder.clock.now_us());
                }
                actor
            });
        }
        self.recorder.sleep_until(from_us + 3 * interval_us).await;
        let held = self.hold(&store, &refused).await;
        if let Err(error) = &held {
            let told = format!("its store {} could not be locked: {error}", store.display());
            self.leave_out(Check::Durable5, told);
        } else {
            self.until_it_recovers().await;
        }
        self.kill().await;
        stop.send_replace(true);
        let actors = running.join_all().await;
        self.start_again().await?;
        self.look_briefly(&actors).await;
        self.part(actors).await;
        Ok(())
    }

    /// Where the store is, if that is known.
    pub(super) fn store(&self) -> Result<PathBuf, String> {
        let process = self.target.process.as_ref().ok_or("the registry is only reached, not started here")?;
        let store = self.store.as_ref().ok_or("where its store lies is not known to the harness")?;
        Ok(store.replace("{dir}", &process.folder().to_string_lossy()).into())
    }

    async fn hold(&self, store: &Path, refused: &AtomicU32) -> std::io::Result<()> {
        let clock = self.recorder.clock;
        let s_us = clock.now_us();
        let hold = StoreHold::take(store).await?;
        let e_us = clock.now_us();
        let file = store.display().to_string();
        self.recorder.write(&Line::Hardship(Hardship::StoreHeld { file, s_us, e_us }));
        let until_us = e_us + LONGEST_HOLD_US;
        while refused.load(Ordering::Relaxed) < REFUSALS && clock.now_us() < until_us {
            if !self.recorder.sleep_until(clock.now_us() + LOOK_PERIOD_US).await {
                break;
            }
        }
        let s_us = clock.now_us();
        drop(hold);
        self.recorder.write(&Line::Hardship(Hardship::StoreFreed { s_us, e_us: clock.now_us() }));
        Ok(())
    }

    /// A new agent calls until it is accepted.
    async fn until_it_recovers(&mut self) {
        let until_us = self.recorder.clock.now_us() + LONGEST_RECOVERY_US;
        let mut actor = self.actor("patient", "default").reading(false, 0);
        while self.recorder.clock.now_us() < until_us {
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

    /// Stops it in order, spoils its store, sees whether it starts, puts the store back, starts it again.
    pub(super) async fn spoilt(&mut self) -> Result<(), RunError> {
        let store = match self.store() {
            Ok(store) => store,
            Err(reason) => {
                self.leave_out(Check::Durable6, reason);
                return Ok(());
            }
        };
        self.say("its store torn, and another's in its place".to_owned());
        // What fills the file is there, not gone and its room free.
        let mut actors: Vec<Actor> =
            (0..40).map(|_| self.actor("stored", "default").reading(false, 0).wordy()).collect();
        for actor in &mut actors {
            let now_us = self.recorder.clock.now_us();
            actor.register_at(now_us).await;
        }
        if let Some(process) = &mut self.target.process {
            let event = process.terminate().await;
            self.recorder.write(&Line::Process(event));
            let spoilt = try_spoilt(process, &store, self.recorder.clock).await;
            let looks = spoilt.map_err(|source| RunError::Store { path: store.clone(), source })?;
            for look in looks {
                self.recorder.write(&Line::Hardship(Hardship::SpoiltStore(look)));
            }
        }
        self.start_again().await?;
        self.look_briefly(&actors).await;
        self.part(actors).await;
        Ok(())
    }
}

/// One start on a torn store, one on another program's; the true one is put back in between and behind it.
async fn try_spoilt(
    process: &mut RegistryProcess,
    store: &Path,
    clock: agent_sim::clock::Clock,
) -> std::io::Result<Vec<SpoiltStore>> {
    let whole = std::fs::read(store)?;
    let mut torn = whole.clone();
    // All but the head, since any lesser part of a store may be free room, whose content is nobody's.
    let head = (torn.len() / 2).min(4_096);
    torn[head..].fill(0xa5);
    let log = std::path::PathBuf::from(format!("{}-wal", store.display()));
    if std::fs::metadata(log).is_ok_and(|log| log.len() > 0) {
        // It did not end in order: what is torn here may stand in its log, so that nothing would be decided.
        return Ok(Vec::new());
    }
    let mut looks = Vec::new();
    for (kind, content) in [("torn", torn), ("foreign", b"A diary, and no store of a registry.\n".to_vec())] {
        std::fs::write(store, &content)?;
        let s_us = clock.now_us();
        let started = process.restart().await;
        let e_us = clock.now_us();
        let (ready, exit_code, output) = match started {
            Ok(_) => (true, None, process.last_output()),
            Err(LaunchError::Ended { code, output, .. }) => (false, code, output),
            // It neither refused nor served: that decides nothing.
            Err(_) => (false, None, String::new()),
        };
        let decided = ready || !output.is_empty() || exit_code.is_some();
        if ready {
            process.kill().await;
        }
        let after = std::fs::read(store).unwrap_or_default();
        if decided {
            looks.push(SpoiltStore {
                kind: kind.to_owned(),
                file: store.display().to_string(),
                s_us,
                e_us,
                ready,
                exit_code,
                output,
                before: hash(&content),
                after: hash(&after),
            });
        }
    }
    std::fs::write(store, &whole)?;
    Ok(looks)
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
