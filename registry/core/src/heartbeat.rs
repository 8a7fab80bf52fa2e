//! Register, renew, update, deregister: the table of section 4.1.

use std::cell::OnceCell;
use std::sync::Arc;

use serde::Serialize;

use crate::agent::{Agent, Phase, Status};
use crate::document::{AgentId, Document, HasDependencies, Heartbeat, Reported};
use crate::events::{Cause, Kind};
use crate::figures::End;
use crate::registry::Registry;
use crate::time::{Moment, Revision};
use crate::wiring::Wired;

/// What became of an accepted heartbeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// A new epoch began.
    Registered,
    /// The lease was renewed.
    Renewed,
    /// The lease was renewed, and something visible changed.
    Updated,
    /// It came too late: nothing changed, the lease neither.
    Stale,
}

impl Outcome {
    /// As the contract writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Renewed => "renewed",
            Self::Updated => "updated",
            Self::Stale => "stale",
        }
    }
}

/// The answer 200 to a heartbeat.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Answer {
    /// Who.
    pub agent_id: AgentId,
    /// What became of it.
    pub result: Outcome,
    /// What views show of the agent now.
    pub status: Status,
    /// How often it has been registered.
    pub epoch: u64,
    /// Of the whole registry.
    pub revision: Revision,
    /// When to beat next, in milliseconds: H, or less for a while after a restart.
    pub heartbeat_interval_ms: u64,
    /// From this silence on it is degraded, in milliseconds.
    pub degraded_after_ms: u64,
    /// From this silence on it is expired, in milliseconds.
    pub expires_after_ms: u64,
    /// To be sent with the next heartbeat.
    pub wiring_revision: Revision,
    /// The providers of each dependency; left out when the agent has it already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wiring: Option<Vec<Wired>>,
}

/// Why a heartbeat was not accepted. Nothing changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 410: it needs a full heartbeat, or its incarnation has deregistered for good.
    UnknownAgent,
    /// 409: a later process of this agent is registered.
    LowerIncarnation {
        /// The registered one.
        held: u64,
        /// The one that came.
        sent: u64,
    },
    /// 507: there is no room for another agent.
    Full {
        /// How many are held.
        max_agents: usize,
    },
}

/// An outcome, and the changes that the store must have before anybody may be told of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<T> {
    /// What to tell.
    pub outcome: T,
    /// The change that the outcome acknowledges: without it the outcome is not true. `None` when the store has it.
    pub ticket: Option<Revision>,
    /// A change by others, or by a timer, that the outcome tells of: the store should have it, but while it fails the
    /// outcome may be told all the same, as views are. `None` when the store has it.
    pub shows: Option<Revision>,
}

impl Registry {
    /// Whether the answer to a heartbeat tells of others: of the providers that an agent needs, or whether there is room
    /// for one more. If not, only what is due of the agent itself is made before it is answered, however much else
    /// is: a hundred thousand deadlines in one instant then hold nobody up who only renews. `full` is of a full one.
    /// Nor does it hold up whoever needs what nobody provides: no deadline makes a provider.
    pub fn rests_on_others(&self, moment: Moment, agent_id: &AgentId, full: Option<HasDependencies>) -> bool {
        if self.next_deadline().is_none_or(|deadline| deadline > self.now.max(moment.now)) {
            return false;
        }
        let agent = self.agents.get(agent_id).filter(|agent| agent.is_live());
        match (agent, full) {
            (Some(agent), None) => {
                let mut needs = agent.document.dependencies.iter();
                needs.any(|needed| self.index.is_provided(&needed.capability))
            }
            // Should it turn out to be expired, it registers.
            (Some(agent), Some(HasDependencies(false))) => {
                agent.armed.is_some_and(|armed| armed <= self.now.max(moment.now))
            }
            (Some(_), Some(HasDependencies(true))) => true,
            (None, full) => full.is_some(),
        }
    }

    /// `POST /heartbeat`.
    pub fn heartbeat(&mut self, moment: Moment, beat: Heartbeat) -> Decision<Result<Answer, Refusal>> {
        self.make_due(moment, &beat.agent_id, beat.full());
        let agent_id = beat.agent_id.clone();
        let known = beat.wiring_revision;
        let outcome = self.accept(moment, beat).and_then(|result| self.answer(&agent_id, result, known));
        let shows = match &outcome {
            Ok(answer) => answer.wiring.as_ref().and_then(|_| self.unsaved.waiting(answer.wiring_revision)),
            Err(refusal) => self.shown_by(*refusal, &agent_id),
        };
        Decision { outcome, ticket: self.waiting(&agent_id), shows }
    }

    /// `HEAD /heartbeat/{agent_id}`: renews, and tells whether the wiring is another than the one known.
    pub fn probe(
        &mut self,
        moment: Moment,
        agent_id: &AgentId,
        known_wiring: Option<u64>,
    ) -> Decision<Result<bool, Refusal>> {
        self.make_due(moment, agent_id, None);
        let beat = Heartbeat {
            agent_id: agent_id.clone(),
            status: None,
            document: None,
            incarnation: None,
            sequence: None,
            wiring_revision: known_wiring,
        };
        let outcome = self.accept(moment, beat).map(|_| {
            let current = self.agents.get(agent_id).map(|agent| self.wiring_revision(agent));
            known_wiring.is_some_and(|known| Some(Revision(known)) != current)
        });
        let shows = outcome.as_ref().err().and_then(|refusal| self.shown_by(*refusal, agent_id));
        Decision { outcome, ticket: self.waiting(agent_id), shows }
    }

    /// `DELETE /agents/{agent_id}`: true when it was there.
    pub fn deregister(&mut self, moment: Moment, agent_id: &AgentId) -> Decision<bool> {
        self.advance_one(moment, agent_id);
        let held = self.agents.get(agent_id).filter(|agent| agent.phase != Phase::Gone);
        if let Some(agent) = held.filter(|agent| agent.is_live()) {
            self.figures.lease_ended(&self.setup.policies, &agent.document.agent_type, End::Deregistered);
        }
        let was_there = held.is_some();
        if was_there {
            let now = self.now;
            let change = self.change(agent_id, |agent, _| {
                agent.phase = Phase::Gone;
                agent.last_seen = now;
                agent.barred = agent.barred.max(Some(agent.incarnation));
            });
            if let Some(change) = change {
                self.tell(moment, agent_id, &change, Kind::Deregistered, None);
                self.promise(agent_id, change.revision);
            }
        }
        let shows = self.changed(agent_id).and_then(|changed| self.unsaved.waiting(changed));
        Decision { outcome: was_there, ticket: self.waiting(agent_id), shows }
    }

    fn make_due(&mut self, moment: Moment, agent_id: &AgentId, full: Option<HasDependencies>) {
        if self.rests_on_others(moment, agent_id, full) {
            self.advance(moment);
        } else {
            self.advance_one(moment, agent_id);
        }
    }

    fn accept(&mut self, moment: Moment, beat: Heartbeat) -> Result<Outcome, Refusal> {
        match judge(self.agents.get(&beat.agent_id), &beat) {
            Verdict::Refused(refusal) => Err(refusal),
            Verdict::Stale => Ok(Outcome::Stale),
            Verdict::Renews => Ok(self.renew(moment, beat)),
            Verdict::Registers => self.register(moment, beat),
        }
    }

    fn register(&mut self, moment: Moment, beat: Heartbeat) -> Result<Outcome, Refusal> {
        let max_agents = self.setup.max_agents;
        let known = self.agents.get(&beat.agent_id);
        // The gone that must still be remembered take room too: without a bound of theirs, registering and
        // deregistering ever new ids would fill the memory.
        let no_room = match known {
            Some(agent) => agent.phase == Phase::Gone && self.held() >= max_agents,
            None => self.held() >= max_agents || self.agents.len() >= max_agents.saturating_mul(2),
        };
        if no_room {
            return Err(Refusal::Full { max_agents });
        }
        let agent_id = beat.agent_id;
        if let Some(agent) = known.filter(|agent| agent.is_live()) {
            self.figures.lease_ended(&self.setup.policies, &agent.document.agent_type, End::Replaced);
        }
        if known.is_none() {
            let blank = self.blank_agent();
            self.agents.insert(agent_id.clone(), blank);
        }
        let now = self.now;
        let mut document = beat.document.unwrap_or_default();
        self.common.share(&mut document);
        let document = Arc::new(document);
        let change = self.change(&agent_id, |agent, revision| {
            agent.document = document;
            agent.reported = beat.status.unwrap_or(Reported::Healthy);
            agent.phase = Phase::Live;
            agent.former = None;
            agent.epoch += 1;
            agent.incarnation = beat.incarnation.unwrap_or(0);
            agent.sequence = beat.sequence;
            agent.registered_at = moment.wall;
            agent.last_seen = now;
            agent.wiring_since = revision;
        });
        if let Some(change) = change {
            self.tell(moment, &agent_id, &change, Kind::Registered, None);
            self.promise(&agent_id, change.revision);
        }
        Ok(Outcome::Registered)
    }

    fn renew(&mut self, moment: Moment, beat: Heartbeat) -> Outcome {
        let agent_id = beat.agent_id;
        let now = self.now;
        let Some(agent) = self.agents.get_mut(&agent_id) else { return Outcome::Stale };
        self.figures.renewed_after(now.us_since(agent.last_seen));
        agent.last_seen = agent.last_seen.max(now);
        let changes_over = agent.former.take().is_some();
        agent.sequence = beat.sequence.or(agent.sequence);

        let reported = match (&beat.document, beat.status) {
            (_, Some(status)) => status,
            (Some(_), None) => Reported::Healthy,
            (None, None) => agent.reported,
        };
        let reports_another = reported != agent.reported;
        let mut document = beat.document.filter(|document| !agent.document.says_the_same_as(document));
        if let Some(document) = &mut document {
            self.common.share(document);
        }
        let declares_another = document.is_some();
        let recovers = agent.phase == Phase::Missed;
        if !reports_another && !declares_another && !recovers {
            if changes_over {
                // The only renewal that may bring a deadline forward.
                self.arm(&agent_id);
            }
            return Outcome::Renewed;
        }
        let change = self.change(&agent_id, |agent, revision| {
            agent.phase = Phase::Live;
            agent.reported = reported;
            if let Some(document) = document {
                if document.dependencies != agent.document.dependencies {
                    agent.wiring_since = revision;
                }
                agent.document = Arc::new(document);
            }
        });
        let Some(change) = change else { return Outcome::Stale };
        if reports_another {
            let kind = if reported == Reported::Degraded { Kind::Degraded } else { Kind::Recovered };
            self.tell(moment, &agent_id, &change, kind, Some(Cause::Reported));
        } else if recovers {
            self.tell(moment, &agent_id, &change, Kind::Recovered, Some(Cause::Heartbeat));
        }
        if declares_another {
            self.tell(moment, &agent_id, &change, Kind::Updated, None);
        }
        if !reports_another && !declares_another {
            return Outcome::Renewed;
        }
        self.promise(&agent_id, change.revision);
        Outcome::Updated
    }

    fn answer(&mut self, agent_id: &AgentId, result: Outcome, known: Option<u64>) -> Result<Answer, Refusal> {
        let agent = self.agents.get(agent_id).ok_or(Refusal::UnknownAgent)?;
        let status = agent.status().ok_or(Refusal::UnknownAgent)?;
        let policy = agent.policy(&self.setup.policies);
        let wiring_revision = self.wiring_revision(agent);
        let (epoch, document) = (agent.epoch, Arc::clone(&agent.document));
        let wiring = (known != Some(wiring_revision.0)).then(|| {
            document.dependencies.iter().map(|needed| self.index.wire(agent_id, &document, needed)).collect()
        });
        Ok(Answer {
            agent_id: agent_id.clone(),
            result,
            status,
            epoch,
            revision: self.revision,
            heartbeat_interval_ms: self.interval_ms(agent_id, policy),
            degraded_after_ms: policy.degraded_after_ms(),
            expires_after_ms: policy.expires_after_ms(),
            wiring_revision,
            wiring,
        })
    }

    /// When the agent's wiring may last have changed: it declared other dependencies, or a provider of a capability
    /// that it needs came, went or changed.
    fn wiring_revision(&self, agent: &Agent) -> Revision {
        let changes =
            agent.document.dependencies.iter().map(|needed| self.index.changed_at(&needed.capability));
        changes.fold(agent.wiring_since, Revision::max)
    }

    fn promise(&mut self, agent_id: &AgentId, change: Revision) {
        if let Some(agent) = self.agents.get_mut(agent_id) {
            agent.promised = change;
        }
    }

    /// Who is not known has expired or is gone, and is told so.
    fn shown_by(&self, refusal: Refusal, agent_id: &AgentId) -> Option<Revision> {
        let changed = self.changed(agent_id).filter(|_| refusal == Refusal::UnknownAgent)?;
        self.unsaved.waiting(changed)
    }

    /// Whatever is told of this agent rests upon its last promised change, also when another call had made it.
    fn waiting(&self, agent_id: &AgentId) -> Option<Revision> {
        self.agents.get(agent_id).and_then(|agent| self.unsaved.waiting(agent.promised))
    }

    fn blank_agent(&mut self) -> Agent {
        let key = self.next_key;
        self.next_key += 1;
        Agent {
            key,
            document: Arc::new(Document::default()),
            reported: Reported::Healthy,
            phase: Phase::Gone,
            former: None,
            epoch: 0,
            incarnation: 0,
            sequence: None,
            barred: None,
            registered_at: crate::time::WallTime(0),
            last_seen: self.now,
            armed: None,
            changed: self.revision,
            wiring_since: self.revision,
            unsaved: None,
            document_unsaved: true,
            promised: Revision::default(),
            entry: OnceCell::new(),
        }
    }
}

enum Verdict {
    Refused(Refusal),
    Stale,
    Renews,
    Registers,
}

/// The rows of the table: what a heartbeat is to an agent in this situation.
fn judge(agent: Option<&Agent>, beat: &Heartbeat) -> Verdict {
    let starts_anew =
        || if beat.document.is_some() { Verdict::Registers } else { Verdict::Refused(Refusal::UnknownAgent) };
    let Some(agent) = agent else { return starts_anew() };
    let is_barred = beat.incarnation.is_some_and(|sent| agent.barred.is_some_and(|barred| sent <= barred));
    if !agent.is_live() {
        return if is_barred { Verdict::Refused(Refusal::UnknownAgent) } else { starts_anew() };
    }
    match beat.incarnation {
        Some(sent) if sent < agent.incarnation => {
            Verdict::Refused(Refusal::LowerIncarnation { held: agent.incarnation, sent })
        }
        Some(sent) if sent > agent.incarnation && is_barred => Verdict::Refused(Refusal::UnknownAgent),
        Some(sent) if sent > agent.incarnation => starts_anew(),
        _ if beat.sequence.is_some_and(|sent| agent.sequence.is_some_and(|last| sent <= last)) => {
            Verdict::Stale
        }
        _ => Verdict::Renews,
    }
}
