//! Piece by piece: judges what can be decided, keeps what later views may need, forgets the rest.
//!
//! Let f be the instant up to which every call that had ended is read. A call not read yet began behind f less the
//! longest that any call was open, so that a view that had ended by then is judged with all that can have mattered.

use super::evidence::{AgentRecord, Evidence, ListView, Span};
use super::freshness::{self, Freshness};
use super::gather::Gathering;
use super::quiet::{Quiet, QuietAgents};
use super::sighting::{self, Sighting};
use super::source::Survey;
use super::tally::Tallies;
use super::{
    Ask, Subject, deadline, durable, guard, passive, probe, prune, race, tallies_of_time, time, view,
};
use crate::catalogue::Check;

/// Settled whenever so many lines and agents in lists have come.
const SETTLE_EVERY: usize = 500_000;

/// An agent that was silent for so long behind its last deadline is let go.
const LET_GO_US: u64 = 60_000_000;

/// An agent and what was found of it so far.
#[derive(Debug, Default)]
pub(super) struct Agent {
    pub(super) record: AgentRecord,
    pub(super) carry: Carry,
}

impl Agent {
    pub(super) fn new(id: &str) -> Self {
        Self { record: AgentRecord { id: id.to_owned(), ..AgentRecord::default() }, carry: Carry::default() }
    }
}

/// What the checks carry from one piece to the next.
#[derive(Debug, Default)]
pub(super) struct Carry {
    pub(super) memory: view::Memory,
    pub(super) order: time::Order,
    pub(super) types: view::Memory,
    pub(super) wave: Option<u64>,
    pub(super) stays: durable::Stays,
    pub(super) fresh: freshness::Pending,
    pub(super) kept: Kept,
}

/// Views and acts that a check needs for longer.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Sightings that RACE-1 and TIME-9 may still ask for.
    pub(super) sightings: Vec<Sighting>,
    /// Acts that began before this were judged by RACE-1.
    pub(super) raced_until: u64,
    /// So many pauses were judged by TIME-9.
    pub(super) pauses: usize,
}

/// Up to where to judge.
#[derive(Debug, Clone, Copy)]
pub(super) struct Horizon {
    /// Views that began in between are judged now.
    pub(super) from: u64,
    pub(super) until: u64,
    /// Every call that began before this is read.
    pub(super) begun: u64,
    /// Nothing more will come.
    pub(super) last: bool,
}

/// What was settled, and what is open.
pub(super) struct Settling {
    survey: Survey,
    every: usize,
    wave_agents: u64,
    from: u64,
    tallies: Tallies,
    types: time::ByType,
    wave: time::Wave,
    quiet: Quiet,
    freshness: Freshness,
    kept_peak: u64,
}

/// All that was found.
pub(super) struct Settled {
    pub(super) evidence: Evidence,
    pub(super) tallies: Tallies,
    pub(super) freshness: Freshness,
    pub(super) kept_peak: u64,
}

impl Settling {
    pub(super) fn new(survey: &Survey, ask: &Ask) -> Self {
        Self {
            survey: survey.clone(),
            every: if ask.settle_every == 0 { SETTLE_EVERY } else { ask.settle_every },
            wave_agents: ask.wave_agents,
            from: 0,
            tallies: Tallies::default(),
            types: time::ByType::default(),
            wave: time::Wave::default(),
            quiet: Quiet::default(),
            freshness: Freshness::default(),
            kept_peak: 0,
        }
    }

    /// Settles what can be, when enough has come.
    pub(super) fn take(&mut self, gathering: &mut Gathering) {
        if gathering.volume < self.every {
            return;
        }
        gathering.volume = 0;
        let read = gathering.latest_us.saturating_sub(self.survey.disorder_us);
        let begun = read.saturating_sub(self.survey.longest_act_us);
        let until = begun.saturating_sub(self.survey.longest_view_us.max(self.survey.longest_act_us));
        let horizon = Horizon { from: self.from, until, begun, last: false };
        self.settle(&mut gathering.evidence, horizon);
    }

    /// Settles the rest, and what is no one agent's.
    pub(super) fn finish(mut self, gathering: Gathering) -> Settled {
        let mut evidence = gathering.evidence;
        let horizon = Horizon { from: self.from, until: u64::MAX, begun: u64::MAX, last: true };
        self.settle(&mut evidence, horizon);
        let Self { mut tallies, types, wave, quiet, .. } = self;
        passive::check(&evidence, &mut tallies);
        time::check_slack(&evidence, &types, &mut tallies);
        wave.report(self.wave_agents, tallies.of(Check::Time4));
        tallies.settle_echoes();
        race::settle(&mut tallies);
        types.report(&tallies_of_time(&tallies), tallies.of(Check::Time6));
        view::check_clashes(&evidence, tallies.of(Check::View3));
        quiet.report(&mut tallies);
        durable::check_whole(&evidence, &mut tallies);
        time::check_hardships(&evidence, &mut tallies);
        probe::check(&evidence, &mut tallies);
        guard::check(&evidence, &mut tallies);
        Settled { evidence, tallies, freshness: self.freshness, kept_peak: self.kept_peak }
    }

    fn settle(&mut self, evidence: &mut Evidence, horizon: Horizon) {
        self.kept_peak = self.kept_peak.max(kept(evidence));
        let lists = take_lists(evidence, horizon.until);
        sighting::distribute(evidence, &lists);
        let mut changes = self.quiet.agents(evidence);
        for number in 0..evidence.agents.len() {
            let Some(mut agent) = evidence.agents[number].take() else { continue };
            let alive = self.settle_agent(evidence, &lists, &mut agent, horizon, &mut changes);
            if alive {
                evidence.agents[number] = Some(agent);
            } else {
                evidence.numbers.remove(&agent.record.id);
            }
        }
        self.quiet.settle(evidence, changes, &lists, horizon);
        self.from = self.from.max(horizon.until);
    }

    /// Judges one agent's views; says whether it is to be kept.
    fn settle_agent(
        &mut self,
        evidence: &mut Evidence,
        lists: &[ListView],
        agent: &mut Agent,
        horizon: Horizon,
        changes: &mut QuietAgents,
    ) -> bool {
        let Agent { record, carry } = agent;
        record.answers.sort_by_key(|answer| answer.span.s);
        if record.born.is_none() && record.was_shown(horizon.until) {
            match evidence.gone.due(&record.id) {
                Some(due) => time::check_long_gone(evidence, record, lists, due, horizon, &mut self.tallies),
                None => evidence.strangers = true,
            }
        }
        let Some(subject) = Subject::of(evidence, record) else {
            changes.judge_nobody(record);
            record.forget_views(horizon.until);
            return true;
        };
        let mut sightings = sighting::sightings(evidence, lists, record, &subject.lease, horizon.until);
        changes.take(&subject, horizon);
        time::forget_older(&subject, &mut sightings);
        if time::stepped(&subject) {
            let mut apart = Tallies::default();
            judge_agent(&subject, &sightings, carry, horizon, &mut apart);
            apart.hand_over_stepped(&mut self.tallies);
        } else {
            judge_agent(&subject, &sightings, carry, horizon, &mut self.tallies);
            self.types.take(&subject, &sightings, &mut carry.types);
            self.wave.take(&subject, &sightings, &mut carry.wave);
        }
        carry.fresh.take(&subject, &sightings, horizon, &mut self.freshness);
        if horizon.last {
            return true;
        }
        let gone_by = gone_by(&subject, horizon);
        let lease = std::rc::Rc::clone(&subject.lease);
        let timeouts = subject.timeouts;
        drop(subject);
        if let Some(due) = gone_by {
            evidence.gone.insert(&record.id, due);
            durable::settle(std::mem::take(&mut carry.memory), &mut self.tallies);
            return false;
        }
        prune::prune(evidence, record, carry, &lease, &timeouts, horizon);
        true
    }
}

/// When an agent that is silent for long must have been gone, if it is to be let go.
fn gone_by(subject: &Subject<'_>, horizon: Horizon) -> Option<u64> {
    let now = Span { s: horizon.until, e: horizon.until };
    let lease = &subject.lease;
    let latest = subject.latest_renewal(now)?;
    // A call without an answer may act for ever, so that no view of it can be late any more.
    let called = if latest == u64::MAX { lease.beats.iter().map(|beat| beat.span.e).max()? } else { latest };
    let last = subject.timeouts.evicted_us.unwrap_or(subject.timeouts.expires_us);
    let due = called.saturating_add(last).saturating_add(subject.late_us);
    let silent = lease.beats.iter().all(|beat| beat.span.s < horizon.until)
        && subject.record.told.iter().all(|told| told.span.s < horizon.until);
    let long = due.saturating_add(LET_GO_US) < horizon.until;
    (silent && long).then_some(if latest == u64::MAX { u64::MAX } else { due })
}

fn judge_agent(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    carry: &mut Carry,
    horizon: Horizon,
    tallies: &mut Tallies,
) {
    let memory = &mut carry.memory;
    for sighting in sightings {
        time::check_early(subject, sighting, memory, tallies);
        time::check_late(subject, sighting, tallies);
        view::check(subject, sighting, memory, tallies);
        durable::check(subject, sighting, memory, tallies);
        memory.remember(subject, sighting);
    }
    if horizon.last {
        durable::settle(std::mem::take(memory), tallies);
    }
    durable::check_agent(subject, sightings, &mut carry.stays, horizon, tallies);
    let mut both;
    let with_kept = if carry.kept.sightings.is_empty() {
        sightings
    } else {
        both = std::mem::take(&mut carry.kept.sightings);
        both.extend_from_slice(sightings);
        &both[..]
    };
    time::check_pause(subject, with_kept, &mut carry.kept, horizon, tallies);
    deadline::check(subject, with_kept, &mut carry.kept, horizon, tallies);
    prune::keep_sightings(subject, with_kept, &mut carry.kept, horizon);
    time::check_order(subject, sightings, &mut carry.order, tallies.of(Check::Time5));
    time::check_steady(subject, sightings, tallies.of(Check::Time7));
    tallies.settle_wrong_expiries();
}

/// Takes the lists that began before `until` out, by their beginnings.
fn take_lists(evidence: &mut Evidence, until: u64) -> Vec<ListView> {
    let all = std::mem::take(&mut evidence.lists);
    let (mut now, later): (Vec<ListView>, Vec<ListView>) =
        all.into_iter().partition(|view| view.span.s < until);
    evidence.lists = later;
    now.sort_by_key(|view| view.span.s);
    now
}

fn kept(evidence: &Evidence) -> u64 {
    let of_agents = evidence.agents.iter().flatten().map(|agent| {
        let record = &agent.record;
        let views = record.answers.len() + record.told.len() + agent.carry.kept.sightings.len();
        record.beats.len() + record.leaves.len() + views
    });
    (of_agents.sum::<usize>() + evidence.lists.len()) as u64
}
