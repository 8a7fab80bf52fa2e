//! Schedules run side by side by fresh agents against the same registry, each judged by its own agent's calls alone.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

use reports::history::{CallRecord, HistoryReader, Line, Operation, RunEnd, RunHeader};
use reports::result::{RequirementReport, RequirementVerdict};
use tokio::task::JoinSet;

use super::actor::Actor;
use super::recorder::Recorder;
use super::stages::Stages;
use super::{RunError, readers};
use crate::catalogue::{Check, Selection};
use crate::generate::{Role, Schedule, Story};
use crate::judge::{self, Ask};

/// So many agents run a schedule: a fault that depends on chance shows in one of them.
const COPIES: usize = 2;

/// The most schedules of a round.
pub(super) const TRIALS: usize = 48;

/// Agents begin so far apart, that they do not ask all at once.
const APART_US: u64 = 3_000;

/// What is looked for: a schedule that breaks this requirement.
#[derive(Debug, Clone)]
pub(super) struct Trial {
    pub(super) check: Check,
    pub(super) schedule: Schedule,
}

impl Stages {
    /// D (X where there is none) and X of a type, in microseconds.
    pub(super) fn timeouts_us(&self, agent_type: &str) -> (u64, u64) {
        let policy = self.policy(agent_type);
        let expires_us = policy.expires_after_ms * 1000;
        (policy.degraded_after_ms.map_or(expires_us, |ms| ms * 1000), expires_us)
    }

    /// How long a trial takes, in microseconds: its acts, and the silence that its requirement needs.
    pub(super) fn trial_us(&self, trial: &Trial) -> u64 {
        let agent_type = &trial.schedule.agent_type;
        let (degraded_us, expires_us) = self.timeouts_us(agent_type);
        let evicted_us = self.policy(agent_type).evict_after_ms.map(|ms| ms * 1000);
        let silence_us = match trial.check {
            Check::Time4 | Check::Time5 => evicted_us.unwrap_or(expires_us),
            _ => expires_us + expires_us / 10,
        };
        let allowed_us = self.target.transition_bound_ms * 1000 + 300_000;
        trial.schedule.length_us(degraded_us, expires_us) + silence_us + allowed_us
    }

    /// Runs them side by side; for each, what proves its requirement broken. An undecided one proves nothing.
    pub(super) async fn round(
        &self,
        name: &str,
        trials: &[Trial],
        (recorder, history): (&Arc<Recorder>, &Path),
    ) -> Result<Vec<Option<RequirementReport>>, RunError> {
        let from_us = recorder.clock.now_us() + 100_000;
        let mut agents: HashMap<String, usize> = HashMap::new();
        let mut running = JoinSet::new();
        let mut last_us = from_us;
        for copy in 0..COPIES {
            for (number, trial) in trials.iter().enumerate() {
                let id = format!("{name}-{:06}", self.next_number());
                let start_us = from_us + (copy * trials.len() + number) as u64 * APART_US;
                let end_us = start_us + self.trial_us(trial);
                last_us = last_us.max(end_us);
                let story = Story { start_permille: 0, role: Role::Script(trial.schedule.steps.clone()) };
                running.spawn(self.trial_actor(recorder, &id, trial).live(story, start_us, end_us, end_us));
                agents.insert(id, number);
            }
        }
        let conditional = self.target.dialect.abilities().conditional_lists;
        let lists = readers::readers(self.pace.list_period_us, conditional, &self.pace.types);
        let mut reading = readers::start(recorder, lists, from_us, last_us);
        while running.join_next().await.is_some() {}
        while reading.join_next().await.is_some() {}
        let cannot = |source| RunError::History { path: history.to_owned(), source };
        recorder.flush().map_err(cannot)?;
        let end = RunEnd {
            at_us: recorder.clock.now_us(),
            slack_us: recorder.slack_us(),
            lost_lines: recorder.lost_lines(),
            tripwire: true,
        };
        let (history, header) = (history.to_owned(), self.header.clone());
        let trials = trials.to_vec();
        let judged = tokio::task::spawn_blocking(move || {
            let lines = read(&history, from_us, &agents)?;
            judged(lines, &agents, &trials, (&header, &end))
        });
        judged.await.map_err(|error| cannot(std::io::Error::other(error)))?
    }

    fn trial_actor(&self, recorder: &Arc<Recorder>, id: &str, trial: &Trial) -> Actor {
        let agent_type = &trial.schedule.agent_type;
        let number = self.next_number();
        let endpoint = self.tripwire.assign(number, id);
        let reads = self.target.dialect.abilities().single_read;
        Actor::new(recorder, id.to_owned(), agent_type, endpoint, self.policy(agent_type))
            .reading(reads, self.target.transition_bound_ms * 1000)
    }
}

/// The calls of these agents, and the lists since `from_us`, of which only these agents are kept.
fn read(history: &Path, from_us: u64, agents: &HashMap<String, usize>) -> Result<Vec<CallRecord>, RunError> {
    let cannot = |source| RunError::History { path: history.to_owned(), source };
    let file = File::open(history).map_err(cannot)?;
    let mut kept = Vec::new();
    for line in HistoryReader::new(BufReader::with_capacity(1 << 16, file)) {
        let line = line.map_err(|error| cannot(std::io::Error::other(error)))?;
        let Line::Call(mut call) = line else { continue };
        if call.op == Operation::List && call.agent.is_none() && call.s_us >= from_us {
            if let Some(shown) = call.seen.as_mut().and_then(|seen| seen.agents.as_mut()) {
                shown.retain(|shown| agents.contains_key(&shown.id));
            }
            kept.push(call);
        } else if call.agent.as_ref().is_some_and(|agent| agents.contains_key(agent)) {
            kept.push(call);
        }
    }
    Ok(kept)
}

/// Judges each agent as if nobody else had been there.
fn judged(
    calls: Vec<CallRecord>,
    agents: &HashMap<String, usize>,
    trials: &[Trial],
    (header, end): (&RunHeader, &RunEnd),
) -> Result<Vec<Option<RequirementReport>>, RunError> {
    let mut own: BTreeMap<&str, Vec<Line>> = BTreeMap::new();
    for call in calls {
        match call.agent.as_deref().and_then(|agent| agents.get_key_value(agent)) {
            Some((agent, _)) => own.entry(agent).or_default().push(Line::Call(call)),
            None => {
                for agent in agents.keys() {
                    own.entry(agent).or_default().push(Line::Call(only(&call, agent)));
                }
            }
        }
    }
    let mut proven: Vec<Option<RequirementReport>> = vec![None; trials.len()];
    for (agent, lines) in own {
        let Some((number, trial)) =
            agents.get(agent).and_then(|number| Some((*number, trials.get(*number)?)))
        else {
            continue;
        };
        if proven[number].is_some() {
            continue;
        }
        let first = std::iter::once(Line::Run(RunHeader { claims: Vec::new(), ..header.clone() }));
        let last = std::iter::once(Line::End(end.clone()));
        let ask = Ask { selection: Selection { profile: None, only: vec![trial.check] }, ..Ask::default() };
        let judgement = judge::judge(first.chain(lines).chain(last).map(Ok), &ask)?;
        let fails = |row: &RequirementReport| row.verdict == RequirementVerdict::Fail;
        proven[number] = judgement.requirements.into_iter().find(fails);
    }
    Ok(proven)
}

/// A list, as far as it tells of one agent.
fn only(call: &CallRecord, agent: &str) -> CallRecord {
    let mut call = call.clone();
    if let Some(shown) = call.seen.as_mut().and_then(|seen| seen.agents.as_mut()) {
        shown.retain(|shown| shown.id == agent);
    }
    call
}
