//! DURABLE-3 and DURABLE-4: agents stay silent through several restarts, of which each comes when they have expired.

use agent_sim::dialect::Call;
use reports::history::{LeftOut, Line};
use tokio::task::JoinSet;

use super::super::RunError;
use super::super::actor::Actor;
use super::super::readers::every_status;
use super::Stages;
use crate::catalogue::{Check, row};

/// So many restarts.
const RESTARTS: u32 = 3;

/// How long the process runs between two kills, in per cent of X: long enough to expire, too short for Q.
const LIFE_PERCENT: u64 = 130;

/// Agents that stay silent.
const SILENT: u32 = 20;

impl Stages {
    /// Registers, waits until all have expired, kills, starts again, looks; several times.
    pub(super) async fn restarts(&mut self) -> Result<(), RunError> {
        let lease_us = self.policy("default").expires_after_ms * 1000;
        self.say(format!("silent agents through {RESTARTS} restarts"));
        self.call_events().await;
        let silent: Vec<Actor> =
            (0..SILENT).map(|_| self.actor("silent", "default").reading(false, 0)).collect();
        let mut running = JoinSet::new();
        for mut actor in silent {
            let from_us = self.recorder.clock.now_us();
            running.spawn(async move {
                actor.register_at(from_us).await;
                actor
            });
        }
        let silent = running.join_all().await;
        // When a silent agent may be alive at the latest, but for W and d.
        let mut ends_us = self.recorder.clock.now_us() + lease_us;
        let mut up_since_us = self.recorder.clock.now_us();
        for _ in 0..RESTARTS {
            self.recorder.sleep_until(up_since_us + lease_us * LIFE_PERCENT / 100).await;
            self.look_at(&silent).await;
            let down_us = self.recorder.clock.now_us();
            self.kill().await;
            self.start_again().await?;
            up_since_us = self.recorder.clock.now_us();
            ends_us += up_since_us - down_us + lease_us;
            self.look_at(&silent).await;
            self.call_events().await;
            if !self.goes_on() {
                return Ok(());
            }
        }
        // A lease that the last restart gave would show until X behind it.
        let due_us = ends_us + self.target.transition_bound_ms * 1000 + self.recorder.slack_us() + 20_000;
        for look in 0..3 {
            self.recorder.sleep_until(due_us + look * lease_us / 20).await;
            self.look_at(&silent).await;
        }
        Ok(())
    }

    /// Everybody in one list, and each by itself.
    async fn look_at(&self, actors: &[Actor]) {
        self.recorder.call_now(&Call::List { filter: every_status(), if_none_match: None }).await;
        if !self.target.dialect.abilities().single_read {
            return;
        }
        let mut running = JoinSet::new();
        for actor in actors {
            let recorder = std::sync::Arc::clone(&self.recorder);
            let call = Call::Read { agent_id: actor.id().to_owned() };
            running.spawn(async move { recorder.call_now(&call).await });
        }
        while running.join_next().await.is_some() {}
    }

    /// A new agent comes, and its events are asked for: their numbers are new ones.
    async fn call_events(&mut self) {
        let mut actor = self.actor("numbered", "default").reading(false, 0);
        let now_us = self.recorder.clock.now_us();
        actor.register_at(now_us).await;
        let events = Call::Events { agent_id: actor.id().to_owned() };
        if self.target.dialect.request(&events).is_some() {
            self.recorder.call_now(&events).await;
        }
        actor.leave_for_good(self.recorder.clock.now_us()).await;
    }

    /// Says why a requirement that was asked for is not decided, if it was.
    pub(super) fn leave_out(&self, check: Check, reason: impl Into<String>) {
        self.write_left_out(check, None, reason.into());
    }

    /// The same of a part of it, where one is named.
    pub(super) fn write_left_out(&self, check: Check, part: Option<String>, reason: String) {
        if let Some(row) = row(check).filter(|_| self.selection.wants(check)) {
            self.recorder.write(&Line::LeftOut(LeftOut { requirement: row.id.to_owned(), part, reason }));
        }
    }
}
