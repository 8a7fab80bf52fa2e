//! TIME-9: the process is stopped for X + 1 s and continued. Some agents go on calling meanwhile, so that their
//! heartbeats wait in its sockets; the others call again well behind the resume.

use std::sync::Arc;

use agent_sim::dialect::Call;
use reports::history::Line;
use tokio::task::JoinSet;

use super::super::actor::Actor;
use super::super::readers::every_status;
use super::Stages;
use crate::generate::Act;

/// Agents that call during the pause, and that do not.
const CALLING: u32 = 12;
const WAITING: u32 = 12;

/// What comes to X.
const BEYOND_US: u64 = 1_000_000;

/// When those that did not call meanwhile call again, in per cent of X behind the resume.
const BACK_PERCENT: u64 = 40;

impl Stages {
    /// Registers, renews, stops, continues, looks.
    pub(super) async fn pause(&mut self) {
        let policy = self.policy("default");
        let (lease_us, gap_us) = (policy.expires_after_ms * 1000, policy.heartbeat_interval_ms * 1000);
        self.say(format!("stopped for {} ms", (lease_us + BEYOND_US) / 1000));
        let from_us = self.recorder.clock.now_us() + 50_000;
        let actors: Vec<Actor> =
            (0..CALLING + WAITING).map(|_| self.actor("paused", "default").reading(false, 0)).collect();
        let mut running = JoinSet::new();
        for mut actor in actors {
            running.spawn(async move {
                actor.register_at(from_us).await;
                actor.act(Act::Renew, from_us + gap_us).await;
                actor
            });
        }
        let mut actors = running.join_all().await;
        let Some(process) = &mut self.target.process else { return };
        let Some(paused) = process.pause().await else { return };
        self.recorder.write(&Line::Process(paused.clone()));
        let waiting = actors.split_off(CALLING as usize);
        let mut running = JoinSet::new();
        // They send while it stands, and wait for the answer.
        for mut actor in actors {
            let due_us = paused.e_us + gap_us;
            running.spawn(async move {
                actor.act(Act::Renew, due_us).await;
                actor
            });
        }
        let list = Call::List { filter: every_status(), if_none_match: None };
        let mut lists = JoinSet::new();
        {
            let (recorder, list) = (Arc::clone(&self.recorder), list.clone());
            let due_us = paused.e_us + lease_us + BEYOND_US / 2;
            lists.spawn(async move { drop(recorder.call_at(due_us, &list).await) });
        }
        self.recorder.sleep_until(paused.e_us + lease_us + BEYOND_US).await;
        let Some(process) = &mut self.target.process else { return };
        let Some(continued) = process.resume().await else { return };
        self.recorder.write(&Line::Process(continued.clone()));
        for look in 0..4 {
            let (recorder, list) = (Arc::clone(&self.recorder), list.clone());
            let due_us = continued.e_us + look * lease_us / 16;
            lists.spawn(async move { drop(recorder.call_at(due_us, &list).await) });
        }
        for mut actor in waiting {
            let due_us = continued.s_us + lease_us * BACK_PERCENT / 100;
            running.spawn(async move {
                actor.act(Act::Renew, due_us).await;
                actor
            });
        }
        let actors = running.join_all().await;
        while lists.join_next().await.is_some() {}
        self.recorder.call_now(&list).await;
        self.part(actors).await;
    }
}
