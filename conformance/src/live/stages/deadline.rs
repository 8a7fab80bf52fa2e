//! The heartbeats of RACE-1: hundreds of agents side by side, each again and again at its own deadline.

use std::sync::Arc;

use agent_sim::dialect::{Call, Document};
use reports::history::{CallRecord, Outcome};
use tokio::task::JoinSet;

use super::super::readers;
use super::super::recorder::Recorder;
use super::Stages;
use crate::generate::{self, AtDeadline, Kind};

/// How long the rounds may take together.
const BUDGET_US: u64 = 8_000_000;

/// The most deadlines of one agent.
const ROUNDS: u64 = 9;

/// A heartbeat that is sent so much later than planned meets no deadline: the machine is too busy.
const LATE_US: u64 = 10_000;

/// One in so many agents goes on however late it is; the others make room.
const KEEN: u64 = 8;

impl Stages {
    /// Every agent meets several deadlines, with a view beside and one behind each.
    pub(super) async fn deadlines(&self) {
        let quickest = self.pace.types.iter().min_by_key(|name| self.policy(name).expires_after_ms).cloned();
        let agent_type = quickest.unwrap_or_else(|| "default".to_owned());
        let lease_us = self.policy(&agent_type).expires_after_ms * 1000;
        let rounds = (BUDGET_US / lease_us.max(1)).clamp(1, ROUNDS);
        let abilities = self.target.dialect.abilities();
        let count = 2 * self.pace.agents;
        self.say(format!("{count} agents at the deadline of {} ms, {rounds} times each", lease_us / 1000));
        let drawn = generate::at_deadlines(self.seed, count as usize, rounds as usize);
        let from_us = self.recorder.clock.now_us() + 50_000;
        let end_us = from_us + (rounds + 2) * lease_us;
        let readers = if abilities.single_read {
            Vec::new()
        } else {
            readers::readers(self.pace.list_period_us, abilities.conditional_lists, &self.pace.types)
        };
        let mut reading = readers::start(&self.recorder, readers, from_us, end_us);
        let mut running = JoinSet::new();
        let mut actors = Vec::new();
        for (number, rounds) in (0_u64..).zip(drawn) {
            let actor = self.actor("deadline", &agent_type);
            let racer = Racer {
                recorder: Arc::clone(&self.recorder),
                document: actor.document().clone(),
                lease_us,
                reads: abilities.single_read,
                keen: number.is_multiple_of(KEEN),
            };
            actors.push(actor);
            // Spread over a lease, so that the registry is never asked by all of them at once.
            running.spawn(racer.race(from_us + number * lease_us / u64::from(count.max(1)), rounds));
        }
        while running.join_next().await.is_some() {}
        while reading.join_next().await.is_some() {}
        self.part(actors).await;
    }
}

struct Racer {
    recorder: Arc<Recorder>,
    document: Document,
    lease_us: u64,
    reads: bool,
    keen: bool,
}

impl Racer {
    async fn race(self, start_us: u64, rounds: Vec<AtDeadline>) {
        let register = Call::Register(self.document.clone());
        let Some(mut last) = self.recorder.call_at(start_us, &register).await else { return };
        for round in rounds {
            let Some((next, late)) = self.meet(&last, round).await else { return };
            if late && !self.keen {
                return;
            }
            last = next;
        }
    }

    /// One deadline; gives the heartbeat that the next one is counted from, and whether this one was late.
    async fn meet(&self, from: &CallRecord, round: AtDeadline) -> Option<(CallRecord, bool)> {
        // The registry acted somewhere in between.
        let deadline_us = from.s_us.midpoint(from.e_us) + self.lease_us;
        let agent_id = self.document.agent_id.clone();
        let beat = match round.kind {
            Kind::Lean => Call::Renew { agent_id, status: None, order: None, wiring_revision: None },
            Kind::Leanest => Call::Probe { agent_id, wiring_revision: None },
            Kind::Whole => Call::Register(self.document.clone()),
        };
        let at = |offset_us: i64| deadline_us.saturating_add_signed(offset_us);
        let beside = async {
            if self.reads {
                self.read(at(round.view_us)).await;
            }
        };
        let (answer, ()) = tokio::join!(self.recorder.call_at(at(round.beat_us), &beat), beside);
        let answer = answer?;
        let late = answer.s_us > at(round.beat_us) + LATE_US;
        if self.reads {
            self.read(self.recorder.clock.now_us()).await;
        }
        if answer.outcome.renews() {
            return Some((answer, late));
        }
        let back = self.recorder.call_now(&Call::Register(self.document.clone())).await?;
        if self.reads && answer.outcome == Outcome::Unknown {
            self.read(self.recorder.clock.now_us()).await;
        }
        Some((back, late))
    }

    async fn read(&self, due_us: u64) {
        let call = Call::Read { agent_id: self.document.agent_id.clone() };
        self.recorder.call_at(due_us, &call).await;
    }
}
