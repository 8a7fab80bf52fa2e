//! The judge: a pure function from a history to a verdict for each requirement.
//!
//! - `source`: where the lines come from, and what must be known before they are judged.
//! - `evidence`: what they tell, sorted by agent and by filter; `gather` fills it, `tags` knows the bodies of tags,
//!   `told` what answers are that tell changes only.
//! - `settle`: piece by piece, judges what can be decided; `prune` forgets what no later view can need.
//! - `lease`: what an agent's calls allow a view to show.
//! - `sighting`: what each view said of an agent, absences included.
//! - `beside`: what was done to the registry, and numbers.
//! - `passive`, `time`, `race`, `deadline`, `view`, `quiet`, `durable`: the checks.
//! - `guard`: what a registry bears: lists beyond its capacity, ids that come and go.
//! - `probe`: what probes recorded, exchange by exchange.
//! - `tally`: what they found, and the verdicts.
//! - `explain`: the timeline of the worst case.
//! - `freshness`: how late views showed what had changed.
//!
//! Memory grows with the agents alive and with how long a view can stay undecided (the longest open calls and a few
//! leases), not with the history: what is settled is counted and forgotten.
//!
//! No tolerance is given on the early side. On the late side it is W + d. What the evidence cannot decide is
//! undecided, never a pass.

use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

use agent_sim::measure::Durations;
use reports::history::{Line, LineRef, Policy};
use reports::result::{FreshnessReport, RequirementReport, RequirementVerdict};

use crate::catalogue::{Check, Requirement, Selection};
use evidence::{AgentRecord, Evidence, Span};
use gather::Gathering;
use lease::{Lease, States, Timeouts};
use settle::{Agent, Settling};
use source::{Source, Survey};
use tally::{Case, Tallies, Tally};

mod beside;
mod deadline;
mod durable;
mod evidence;
mod explain;
mod freshness;
mod gather;
mod guard;
mod lease;
mod passive;
mod probe;
mod prune;
mod quiet;
mod race;
mod settle;
mod sighting;
mod source;
mod tags;
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
    /// What was read is settled whenever so many lines and agents in lists have come; 0: half a million.
    pub settle_every: usize,
    /// The command that reruns one requirement; `{id}` and `{seed}` are filled in. Empty: none is given.
    pub rerun: String,
}

impl Ask {
    fn rerun_of(&self, id: &str, seed: u64) -> String {
        self.rerun.replace("{id}", id).replace("{seed}", &seed.to_string())
    }
}

/// What a history proves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Judgement {
    /// The selected requirements in the catalogue's order.
    pub requirements: Vec<RequirementReport>,
    /// How many agents the history tells of.
    pub agents: u64,
    /// The seed in the history.
    pub seed: u64,
    /// The dialect in the history.
    pub dialect: String,
    /// Ids of the requirements that the run claimed to decide, but for those that do not apply.
    pub claims: Vec<String>,
    /// How late views showed what had changed.
    pub freshness: Vec<FreshnessReport>,
    /// The same in full, by name.
    pub freshness_durations: BTreeMap<&'static str, Durations>,
    /// How late they showed it at the worst, by tenth of a second in which it was seen: its beginning on the history's
    /// clock, and the lateness, microseconds.
    pub freshness_worst_us: Vec<(u64, u64)>,
    /// Views that showed an agent as expired or gone although its lease surely ran (TIME-2, the expiries of RACE-2,
    /// DURABLE-2 and TIME-9), 304s left out.
    pub wrong_expiries: u64,
    /// When the first [`WRONG_EXPIRY_INSTANTS`] of them ended, in microseconds of the run.
    pub wrong_expiry_instants_us: Vec<u64>,
    /// The most heartbeats, answers and lists that were kept at one time.
    pub kept_peak: u64,
}

/// So many instants of wrong expiries are kept.
pub const WRONG_EXPIRY_INSTANTS: usize = 10_000;

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
    judge_source(&Source::File(path), ask)
}

/// Judges a history, all of which is held in memory.
///
/// # Errors
/// When the lines are not a history.
pub fn judge(
    lines: impl Iterator<Item = Result<Line, JudgeError>>,
    ask: &Ask,
) -> Result<Judgement, JudgeError> {
    let lines: Vec<Line> = lines.collect::<Result<_, _>>()?;
    judge_source(&Source::Lines(&lines), ask)
}

fn judge_source(source: &Source<'_>, ask: &Ask) -> Result<Judgement, JudgeError> {
    let survey = source.survey()?;
    let mut settling = Settling::new(&survey, ask);
    let evidence = gather(source, &survey, ask, |_| true, &mut |gathering| settling.take(gathering))?;
    let mut tallies = settling.finish(evidence);
    let evidence = &tallies.evidence;
    let rows: Vec<(&Requirement, Tally)> =
        ask.selection.rows().map(|row| (row, tallies.tallies.take(row.check))).collect();
    let failed = |(row, tally): &(&Requirement, Tally)| {
        let told = tally.conversation.is_empty()
            && tally::verdict(row, tally, evidence).0 == RequirementVerdict::Fail;
        tally.worst.clone().filter(|_| told)
    };
    let cases: Vec<Case> = rows.iter().filter_map(failed).collect();
    let around = explain::Around::of(&cases, evidence);
    let told = if cases.is_empty() {
        None
    } else {
        let keep = |line: &LineRef<'_>| around.wants(line);
        Some(gather(source, &survey, ask, keep, &mut |_| {})?)
    };
    let timeline =
        |case: &Case| told.as_ref().map(|told| explain::timeline(&told.evidence, case)).unwrap_or_default();
    let requirements: Vec<RequirementReport> =
        rows.iter().map(|(row, tally)| tally::report(row, tally, evidence, ask, timeline)).collect();
    let applies = |id: &String| {
        requirements.iter().any(|row| row.id == *id && row.verdict != RequirementVerdict::NotApplicable)
    };
    let claims = evidence.header.claims.iter().filter(|id| applies(id)).cloned().collect();
    let wrong = &tallies.tallies.wrong_expiries;
    Ok(Judgement {
        requirements,
        agents: evidence.agents.len() as u64,
        seed: evidence.header.seed,
        dialect: evidence.header.dialect.clone(),
        claims,
        freshness: tallies.freshness.reports(),
        freshness_durations: tallies.freshness.durations(),
        freshness_worst_us: tallies.freshness.worst_us(),
        wrong_expiries: wrong.count,
        wrong_expiry_instants_us: wrong.instants_us.clone(),
        kept_peak: tallies.kept_peak,
    })
}

/// Reads the lines that `keep` wants, with `ask`'s policies and bound in place of the history's.
fn gather(
    source: &Source<'_>,
    survey: &Survey,
    ask: &Ask,
    keep: impl Fn(&LineRef<'_>) -> bool,
    each: &mut dyn FnMut(&mut Gathering),
) -> Result<Gathering, JudgeError> {
    let mut gathering = None;
    source.read(&mut |line| {
        let Some(gathering) = &mut gathering else {
            let LineRef::Other(Line::Run(mut header)) = line else { return Err(JudgeError::NoHeader) };
            if let Some(policies) = &ask.policies {
                header.policies.clone_from(policies);
            }
            if let Some(bound) = ask.transition_bound_ms {
                header.transition_bound_ms = bound;
            }
            gathering = Some(Gathering::new(header, survey)?);
            return Ok(());
        };
        if keep(&line) {
            gathering.take(line)?;
            each(gathering);
        }
        Ok(())
    })?;
    let gathering = gathering.ok_or(JudgeError::NoHeader)?;
    if !gathering.evidence.header.policies.contains_key("default") {
        return Err(JudgeError::NoDefaultPolicy);
    }
    Ok(gathering)
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
    agent_type: &'a str,
    timeouts: Timeouts,
    lease: Rc<Lease>,
    /// W + d.
    late_us: u64,
}

impl<'a> Subject<'a> {
    /// `None` for an agent that nobody here registered, or that changed its type: no one policy is its own.
    fn of(evidence: &'a Evidence, record: &'a AgentRecord) -> Option<Self> {
        let agent_type = record.first_declared.as_ref()?.type_name();
        if record.other_type_from.is_some() {
            return None;
        }
        let header = &evidence.header;
        let policy = header.policies.get(agent_type).or_else(|| header.policies.get("default"))?;
        let timeouts = Timeouts::of(policy, &header.abilities);
        Some(Self {
            evidence,
            id: &record.id,
            record,
            agent_type,
            timeouts,
            lease: Rc::new(Lease::of(record, &timeouts, &evidence.restarts, &header.abilities)),
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
            agent_type: self.agent_type,
            timeouts,
            // What lived at a restart depends on the policy, everything else on the calls alone.
            lease: if self.evidence.restarts.is_empty() {
                Rc::clone(&self.lease)
            } else {
                Rc::new(Lease::of(self.record, &timeouts, &self.evidence.restarts, abilities))
            },
            late_us: self.late_us,
        }
    }
}

fn late_allowance_us(evidence: &Evidence) -> u64 {
    let slack = evidence.end.as_ref().map_or(0, |end| end.slack_us);
    evidence.header.transition_bound_ms.saturating_mul(1000).saturating_add(slack)
}
