//! What silence does, and what a pause of the process does not.

use crate::agent::Phase;
use crate::document::AgentId;
use crate::events::{Cause, Kind};
use crate::figures::End;
use crate::registry::Registry;
use crate::roster::Seat;
use crate::time::{Instant, Moment};

/// How many gone agents are remembered beyond their Q, so that their next epoch is counted on. Bounds the memory.
pub const REMEMBERED: usize = 20_000;

impl Registry {
    /// Makes every transition that is due, each with a revision and an event of its own.
    pub fn advance(&mut self, moment: Moment) {
        self.advance_some(moment, usize::MAX);
    }

    /// As [`Self::advance`], but looks at `most` timers only, so that the caller can let others in between. True when
    /// more are due.
    pub fn advance_some(&mut self, moment: Moment, most: usize) -> bool {
        self.now = self.now.max(moment.now);
        for _ in 0..most {
            if !self.is_due() {
                return false;
            }
            if let Some((_, seat)) = self.timers.pop_first() {
                self.fire(moment, seat);
            }
        }
        self.is_due()
    }

    /// Makes what is due of one agent only. Other agents' transitions keep their order; what tells nothing of them need not
    /// wait for them.
    pub(crate) fn advance_one(&mut self, moment: Moment, agent_id: &AgentId) {
        self.now = self.now.max(moment.now);
        let Some(seat) = self.agents.seat(agent_id) else { return };
        let armed = |registry: &Self| registry.agents.at(seat).and_then(|(_, agent)| agent.armed);
        while let Some(due) = armed(self).filter(|armed| *armed <= self.now) {
            self.timers.remove(&(due, seat));
            self.fire(moment, seat);
        }
    }

    /// When [`Self::advance`] may next have something to do. It may turn out to be too early, never too late.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.timers.first().map(|(deadline, _)| *deadline)
    }

    /// To be called, before anything else, when the process did not run for `gap_us` microseconds until `now`: that
    /// time is nobody's silence, since heartbeats waited in the sockets meanwhile. Every lease moves by the gap, and
    /// lasts for H at least so that those heartbeats come first; after a gap of X or more, in which every lease
    /// would have run out, it lasts for a full X. No status goes backwards by itself.
    pub fn resume(&mut self, now: Instant, gap_us: u64) {
        for agent in self.agents.agents_mut() {
            let policy = *agent.policy(&self.setup.policies);
            let moved = agent.last_seen.plus_us(gap_us);
            let expires_after_ms = policy.expires_after_ms();
            let rest_ms = if gap_us / 1_000 >= expires_after_ms {
                expires_after_ms
            } else {
                policy.heartbeat_interval_ms()
            };
            agent.last_seen = match agent.phase {
                Phase::Live | Phase::Missed => moved.max(now.minus_ms(expires_after_ms - rest_ms)),
                Phase::Expired | Phase::Gone => moved,
            };
        }
        self.now = self.now.max(now);
    }

    fn is_due(&self) -> bool {
        self.next_deadline().is_some_and(|deadline| deadline <= self.now)
    }

    fn fire(&mut self, moment: Moment, seat: Seat) {
        let Some((agent_id, agent)) = self.agents.at_mut(seat) else { return };
        let deadline = agent.deadline(agent.policy(&self.setup.policies));
        if deadline > self.now {
            agent.armed = Some(deadline);
            self.timers.insert((deadline, seat));
            return;
        }
        agent.armed = None;
        let agent_id = &agent_id.clone();
        let lag_us = self.now.us_since(deadline);
        let (phase, kind) = match agent.phase {
            Phase::Live => (Phase::Missed, Kind::Degraded),
            Phase::Missed => (Phase::Expired, Kind::Expired),
            Phase::Expired => (Phase::Gone, Kind::Evicted),
            Phase::Gone => {
                self.forgettable.push_back((agent_id.clone(), agent.epoch));
                self.forget_oldest();
                return;
            }
        };
        let change = self.change(agent_id, |agent, _| {
            agent.phase = phase;
            if phase == Phase::Gone {
                agent.last_seen = deadline;
            }
        });
        self.figures.fired_after(lag_us);
        if let Some(change) = change {
            if phase == Phase::Expired
                && let Some(agent) = self.agents.get(agent_id)
            {
                self.figures.lease_ended(&self.setup.policies, &agent.document.agent_type, End::Expired);
            }
            self.tell(moment, agent_id, &change, kind, Some(Cause::MissedHeartbeat));
        }
    }

    fn forget_oldest(&mut self) {
        while self.forgettable.len() > REMEMBERED {
            let Some((agent_id, epoch)) = self.forgettable.pop_front() else { return };
            let is_still_gone = |agent: &crate::agent::Agent| {
                agent.phase == Phase::Gone && agent.epoch == epoch && agent.armed.is_none()
            };
            if !self.agents.get(&agent_id).is_some_and(is_still_gone) {
                continue;
            }
            if let Some(agent) = self.agents.remove(&agent_id) {
                self.unsaved.mark(&agent_id, agent.key, agent.unsaved, self.revision);
            }
        }
    }
}
