//! The wave of TIME-4: thousands of deadlines in the same instant.
//!
//! A restart gives every agent that lives a full new lease, so all of them have one deadline. Where the harness cannot
//! restart the registry, agents register in one burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use agent_sim::dialect::Call;
use reports::history::{Filter, Outcome};
use tokio::task::JoinSet;

use super::super::RunError;
use super::super::actor::Actor;
use super::super::readers::every_status;
use super::Stages;
use crate::generate::WAVE_TYPE;

/// Registrations in flight.
const WORKERS: usize = 48;

/// Lists of a wave are large: one is due so often, and only around the deadline.
const LIST_PERIOD_US: u64 = 150_000;

/// Whole lists behind the deadline and its allowance.
const LISTS_BEHIND: u32 = 3;

/// So many lists behind the deadline at the most, however much the harness's slack has grown meanwhile.
const MOST_LISTS_BEHIND: u32 = 30;

/// Those that were registered for it.
struct Wave {
    /// The list that shows them.
    filter: Filter,
    lease_us: u64,
}

impl Stages {
    /// Registers, gives all one deadline by a kill where that can be, looks around it.
    pub(super) async fn wave(&mut self) -> Result<(), RunError> {
        let wave = self.whole_wave().await;
        if self.wanted_wave > 0 {
            self.kill().await;
            self.start_again().await?;
        }
        self.look_at_wave(&wave).await;
        Ok(())
    }

    /// The same of a registry that is only reached.
    pub(super) async fn wave_without_kill(&self) {
        let wave = self.whole_wave().await;
        self.look_at_wave(&wave).await;
    }

    /// Says what is to come, and registers all.
    async fn whole_wave(&self) -> Wave {
        let has_type =
            self.target.policies.contains_key(WAVE_TYPE) && self.target.dialect.abilities().policies_by_type;
        let agent_type = if has_type { WAVE_TYPE } else { "default" };
        let lease_us = self.policy(agent_type).expires_after_ms * 1000;
        let count = if self.wanted_wave > 0 { self.wanted_wave } else { self.pace.agents };
        self.say(format!("a wave of {count} agents, whose leases of {} ms end at once", lease_us / 1000));
        // All must still live at the kill.
        let budget_us = lease_us * 4 / 5;
        let registered = self.register_wave(count, agent_type, budget_us).await;
        if self.wanted_wave > 0 && registered < count {
            self.say(format!(
                "only {registered} of {count} agents registered within {} ms",
                budget_us / 1000
            ));
        }
        let agent_type = has_type.then(|| agent_type.to_owned());
        Wave { filter: Filter { agent_type, ..Filter::default() }, lease_us }
    }

    /// Who is there now, and who is around the deadline.
    async fn look_at_wave(&self, wave: &Wave) {
        let from_us = self.recorder.clock.now_us();
        // Tells those that were lost from those that expired.
        let everybody = Filter { agent_type: wave.filter.agent_type.clone(), ..every_status() };
        self.recorder.call_now(&Call::List { filter: everybody, if_none_match: None }).await;
        self.look_around(from_us + wave.lease_us, &wave.filter).await;
    }

    async fn register_wave(&self, count: u32, agent_type: &str, budget_us: u64) -> u32 {
        let actors: Arc<[Actor]> =
            (0..count).map(|_| self.actor("wave", agent_type).reading(false, 0)).collect();
        let next = Arc::new(AtomicU32::new(0));
        let until_us = self.recorder.clock.now_us() + budget_us;
        let mut workers = JoinSet::new();
        for _ in 0..WORKERS {
            let (actors, next) = (Arc::clone(&actors), Arc::clone(&next));
            let recorder = Arc::clone(&self.recorder);
            workers.spawn(async move {
                let mut registered = 0;
                while recorder.clock.now_us() < until_us
                    && let Some(actor) = actors.get(next.fetch_add(1, Ordering::Relaxed) as usize)
                {
                    let call = Call::Register(actor.document().clone());
                    match recorder.call_now(&call).await {
                        Some(record) if record.outcome == Outcome::Registered => registered += 1,
                        Some(_) => {}
                        None => break,
                    }
                }
                registered
            });
        }
        workers.join_all().await.into_iter().sum()
    }

    /// Lists just before the deadline, and behind it until the allowance has surely passed.
    async fn look_around(&self, deadline_us: u64, filter: &Filter) {
        let list = Call::List { filter: filter.clone(), if_none_match: None };
        let mut due_us = deadline_us.saturating_sub(2 * LIST_PERIOD_US).max(self.recorder.clock.now_us());
        let mut behind = 0;
        let mut tries = 0;
        while behind < LISTS_BEHIND && tries < MOST_LISTS_BEHIND {
            let Some(record) = self.recorder.call_at(due_us, &list).await else { return };
            let allowed_us =
                deadline_us + self.target.transition_bound_ms * 1000 + self.recorder.slack_us() + 20_000;
            if record.s_us > allowed_us {
                behind += 1;
            }
            if record.s_us > deadline_us {
                tries += 1;
            }
            due_us = record.e_us.max(due_us + LIST_PERIOD_US);
        }
    }
}
