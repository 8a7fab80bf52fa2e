//! Nothing but renewals: what VIEW-5 needs.

use tokio::task::JoinSet;

use super::super::readers;
use super::Stages;
use crate::generate::Act;

impl Stages {
    /// Registers, renews, looks.
    pub(super) async fn quiet(&self) {
        self.say(format!("only renewals, for {} ms", self.pace.quiet_us / 1000));
        let policy = self.policy("default");
        let gap_us = policy.heartbeat_interval_ms * 1000;
        let from_us = self.recorder.clock.now_us() + 100_000;
        let end_us = from_us + self.pace.quiet_us;
        let conditional = self.target.dialect.abilities().conditional_lists;
        let all = readers::readers(self.pace.list_period_us, conditional, &self.pace.types);
        let mut reading = readers::start(&self.recorder, all, from_us, end_us);
        let mut agents = JoinSet::new();
        for number in 0..self.pace.quiet_agents {
            let mut actor = self.actor("quiet", "default").reading(false, 0);
            agents.spawn(async move {
                let start_us = from_us + u64::from(number) * 2_000;
                actor.register_at(start_us).await;
                actor.repeat(Act::Renew, gap_us, start_us, end_us).await;
                actor
            });
        }
        let actors = agents.join_all().await;
        while reading.join_next().await.is_some() {}
        self.part(actors).await;
    }
}
