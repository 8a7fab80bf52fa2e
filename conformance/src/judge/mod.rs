//! The judge: a pure function from a history to a verdict for each requirement.
//!
//! - `evidence`: one pass over the lines, sorted by agent and by filter; `told`: answers that tell what changed.
//! - `lease`: what an agent's calls allow a view to show.
//! - `sighting`: what each view said of an agent, absences included.
//! - `beside`: what was done to the registry, and numbers.
//! - `passive`, `time`, `race`, `deadline`, `view`, `quiet`, `durable`: the checks.
//! - `guard`: what a registry bears: lists beyond its capacity, ids that come and go.
//! - `probe`: what probes recorded, exchange by exchange.
//! - `tally`: what they found, and the verdicts.
//! - `explain`: the timeline of the worst case.
//!
//! No tolerance is given on the early side. On the late side it is W + d. What the evidence cannot decide is
//! undecided, never a pass.

use std::collections::BTreeMap;
use std::path::Path;

use reports::history::{Line, Policy};
use reports::result::{RequirementReport, RequirementVerdict};

use crate::catalogue::{Check, Selection};
use evidence::{AgentRecord, Evidence, Span};
use lease::{Lease, States, Timeouts};
use sighting::Sighting;
use tally::Tallies;

mod beside;
mod deadline;
mod durable;
mod evidence;
mod explain;
mod file;
mod guard;
mod lease;
mod passive;
mod probe;
mod quiet;
mod race;
mod sighting;
mod tally;
mod time;
mod told;
mod view;

/// What is to be judged, and by what.
#[derive(Debug, Clone, Default)]
pub struct Ask {
    /// Which requirements.
    pub selection: Selection,
    /// Timeouts to judge by instead of those in the history.
    pub policies: Option<BTreeMap<String, Policy>>,
    /// W to judge by instead of the one in the history, in milliseconds.
    pub transition_bound_ms: Option<u64>,
    /// So many agents must have had their deadline in the same instant for TIME-4 to pass; 0 asks for no wave.
    pub wave_agents: u64,
    /// The command that reruns one requirement; `{id}` and `{seed}` are filled in. Empty: none is given.
    pub rerun: String,
}

impl Ask {
    fn rerun_of(&self, id: &str, seed: u64) -> String {
        self.rerun.replace("{id}", id).replace("{seed}", &seed.to_string())
    }
}

/// What a history proves.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The selected requirements in the catalogue's order.
    pub requirements: Vec<RequirementReport>,
    /// How many agents the history tells of.
    pub agents: u64,
    /// The seed in the history.
    pub seed: u64,
    /// Ids of the requirements that the run claimed to decide, but for those that do not apply.
    pub claims: Vec<String>,
}

impl Judgement {
    /// Whether anything was proven wrong.
    pub fn failed(&self) -> bool {
        self.any(RequirementVerdict::Fail)
    }

    /// Whether anything could not be decided.
    pub fn undecided(&self) -> bool {
        self.any(RequirementVerdict::Undecided)
    }

    fn any(&self, verdict: RequirementVerdict) -> bool {
        self.requirements.iter().any(|requirement| requirement.verdict == verdict)
    }
}

/// Why a history cannot be judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The file cannot be read.
    #[error("cannot read the history {path}: {source}")]
    Read {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// A line is not one of a history.
    #[error("{path}, line {line}: {reason}")]
    Malformed {
        /// The file.
        path: String,
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// The first line is not a header.
    #[error(
        "the history does not begin with a `run` line; is it a history.jsonl of a load test or a conformance run?"
    )]
    NoHeader,
    /// A header in the middle.
    #[error("the history has a second `run` line; judge one run at a time")]
    TwoHeaders,
    /// Something behind the end.
    #[error("the history goes on behind its `end` line")]
    AfterEnd,
    /// Another version of the format.
    #[error(
        "the history has format {found}, this program reads {known}; judge it with the version that wrote it"
    )]
    Format {
        /// The file's.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// A call that ended before it began.
    #[error("a call ended at {e_us} us, before it began at {s_us} us")]
    Backwards {
        /// Its beginning.
        s_us: u64,
        /// Its end.
        e_us: u64,
    },
    /// Policies without a default.
    #[error("there is no policy `default`; give one, or judge by the policies in the history")]
    NoDefaultPolicy,
}

/// Judges a saved history.
///
/// # Errors
/// When the file cannot be read, or is not a whole history of this version.
pub fn judge_file(path: &Path, ask: &Ask) -> Result<Judgement, JudgeError> {
    judge(file::lines(path)?, ask)
}

/// Judges a history.
///
/// # Errors
/// When the lines are not a history.
pub fn judge(
    lines: impl Iterator<Item = Result<Line, JudgeError>>,
    ask: &Ask,
) -> Result<Judgement, JudgeError> {
    let mut evidence = Evidence::gather(lines)?;
    if let Some(policies) = &ask.policies {
        evidence.header.policies.clone_from(policies);
    }
    if let Some(bound) = ask.transition_bound_ms {
        evidence.header.transition_bound_ms = bound;
    }
    if !evidence.header.policies.contains_key("default") {
        return Err(JudgeError::NoDefaultPolicy);
    }
    let mut tallies = Tallies::default();
    passive::check(&evidence, &mut tallies);
    let mut types = time::ByType::default();
    let mut wave = time::Wave::default();
    for (id, record) in &evidence.agents {
        let Some(subject) = Subject::of(&evidence, id, record) else { continue };
        let mut sightings = sighting::sightings(&evidence, record, &subject.lease);
        time::forget_older(&subject, &mut sightings);
        if time::stepped(&subject) {
            time::judge_stepped(&subject, &sightings, &mut tallies);
            continue;
        }
        judge_agent(&subject, &sightings, &mut tallies);
        types.take(&subject, &sightings);
        wave.take(&subject, &sightings);
    }
    time::check_slack(&evidence, &types, &mut tallies);
    wave.report(ask.wave_agents, tallies.of(Check::Time4));
    tallies.settle_echoes();
    race::settle(&mut tallies);
    types.report(&tallies_of_time(&tallies), tallies.of(Check::Time6));
    view::check_tags(&evidence, tallies.of(Check::View3));
    quiet::check(&evidence, tallies.of(Check::View5));
    quiet::settle(&mut tallies);
    durable::check_whole(&evidence, &mut tallies);
    time::check_hardships(&evidence, &mut tallies);
    probe::check(&evidence, &mut tallies);
    guard::check(&evidence, &mut tallies);
    let requirements: Vec<RequirementReport> = ask
        .selection
        .rows()
        .map(|row| {
            let tally = tallies.take(row.check);
            tally::report(row, &tally, &evidence, ask, |case| explain::timeline(&evidence, case))
        })
        .collect();
    let applies = |id: &String| {
        requirements.iter().any(|row| row.id == *id && row.verdict != RequirementVerdict::NotApplicable)
    };
    let claims = evidence.header.claims.iter().filter(|id| applies(id)).cloned().collect();
    Ok(Judgement { requirements, agents: evidence.agents.len() as u64, seed: evidence.header.seed, claims })
}

/// Whether any of TIME-1 to TIME-4 is broken.
fn tallies_of_time(tallies: &Tallies) -> Vec<&'static str> {
    [(Check::Time1, "TIME-1"), (Check::Time2, "TIME-2"), (Check::Time3, "TIME-3"), (Check::Time4, "TIME-4")]
        .into_iter()
        .filter(|(check, _)| tallies.broken(*check) > 0)
        .map(|(_, id)| id)
        .collect()
}

/// One agent with what it may be judged by.
struct Subject<'a> {
    evidence: &'a Evidence,
    id: &'a str,
    record: &'a AgentRecord,
    agent_type: String,
    timeouts: Timeouts,
    lease: Lease,
    /// W + d.
    late_us: u64,
}

impl<'a> Subject<'a> {
    /// `None` for an agent that nobody here registered, or that changed its type: no one policy is its own.
    fn of(evidence: &'a Evidence, id: &'a str, record: &'a AgentRecord) -> Option<Self> {
        let mut types = record.beats.iter().filter(|beat| beat.full).map(|beat| beat.agent_type.as_deref());
        let agent_type = types.next()?.unwrap_or("default").to_owned();
        if types.any(|other| other.unwrap_or("default") != agent_type) {
            return None;
        }
        let header = &evidence.header;
        let policy = header.policies.get(&agent_type).or_else(|| header.policies.get("default"))?;
        let timeouts = Timeouts::of(policy, &header.abilities);
        Some(Self {
            evidence,
            id,
            record,
            agent_type,
            timeouts,
            lease: Lease::of(record, &timeouts, &evidence.restarts, &header.abilities),
            late_us: late_allowance_us(evidence),
        })
    }

    /// The latest instant at which anything can have renewed the lease; a pause of the process ends like a renewal,
    /// since what had waited in its sockets is served first.
    fn latest_renewal(&self, view: Span) -> Option<u64> {
        let renewal = self.lease.latest_renewal(view)?;
        let before = self.evidence.pauses.iter().filter(|pause| pause.stopped.s < view.e);
        let resumed = before.map(|pause| pause.continued.e).max();
        Some(resumed.map_or(renewal, |resumed| renewal.max(resumed)))
    }

    /// What may be seen of an agent that has left.
    fn after_leave(&self) -> States {
        if self.evidence.header.abilities.evicts { States::GONE } else { States::GONE.or(States::EXPIRED) }
    }

    /// The last restart that lies between a call that had been answered by its kill and a view.
    fn restart_between(&self, call: Span, view: Span) -> Option<usize> {
        let restarts = &self.evidence.restarts;
        restarts.iter().rposition(|restart| restart.killed.s < view.e && call.s < restart.started.s)
    }

    /// The same agent under another policy.
    fn under(&self, policy: &Policy) -> Self {
        let abilities = &self.evidence.header.abilities;
        let timeouts = Timeouts::of(policy, abilities);
        Self {
            evidence: self.evidence,
            id: self.id,
            record: self.record,
            agent_type: self.agent_type.clone(),
            timeouts,
            lease: Lease::of(self.record, &timeouts, &self.evidence.restarts, abilities),
            late_us: self.late_us,
        }
    }
}

fn late_allowance_us(evidence: &Evidence) -> u64 {
    let slack = evidence.end.as_ref().map_or(0, |end| end.slack_us);
    evidence.header.transition_bound_ms.saturating_mul(1000).saturating_add(slack)
}

fn judge_agent(subject: &Subject<'_>, sightings: &[Sighting], tallies: &mut Tallies) {
    let mut memory = view::Memory::default();
    for sighting in sightings {
        time::check_early(subject, sighting, &memory, tallies);
        time::check_late(subject, sighting, tallies);
        view::check(subject, sighting, &mut memory, tallies);
        durable::check(subject, sighting, &mut memory, tallies);
        memory.remember(subject, sighting);
    }
    durable::settle(memory, tallies);
    durable::check_agent(subject, sightings, tallies);
    time::check_pause(subject, sightings, tallies.of(Check::Time9));
    deadline::check(subject, sightings, tallies);
    time::check_order(subject, sightings, tallies.of(Check::Time5));
    time::check_steady(subject, sightings, tallies.of(Check::Time7));
}
