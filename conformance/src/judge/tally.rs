//! What the checks found, requirement by requirement, and the verdicts that follow.

use std::collections::BTreeMap;

use reports::result::{Proof, RequirementReport, RequirementVerdict};

use super::Ask;
use super::evidence::{Evidence, Span};
use super::sighting::Lane;
use crate::catalogue::{Check, Requirement};

/// A slack of the harness from which it is told as the cause of too few decisive samples.
const BUSY_US: u64 = 50_000;

/// Something that a view or a listener proved wrong.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    pub(crate) agent: Option<String>,
    /// The call that proved it.
    pub(crate) view: Span,
    /// When the registry must have been wrong, and by how much at least.
    pub(crate) wrong: Span,
    pub(crate) by_us: u64,
    /// One sentence.
    pub(crate) sentence: String,
}

/// What is known of one requirement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tally {
    pub(crate) samples: u64,
    pub(crate) decided: u64,
    pub(crate) broken: u64,
    /// The decisive sample nearest to its deadline was this far from it.
    pub(crate) nearest_us: Option<u64>,
    /// The case that was wrong by most.
    pub(crate) worst: Option<Case>,
    /// Why it cannot be decided, whatever the samples say.
    pub(crate) hindrance: Option<String>,
    /// Why it could not be asked here at all: then it is not applicable.
    pub(crate) absent: Option<String>,
    /// What else the report is to say of a pass.
    pub(crate) remark: Option<String>,
    /// The exchanges around the worst case of a probe, line by line.
    pub(crate) conversation: Vec<String>,
    /// The greatest figure that a remark was made of.
    best: u64,
}

impl Tally {
    /// Makes the remark of the greatest figure.
    pub(crate) fn remark_best(&mut self, figure: u64, words: impl FnOnce(u64) -> String) {
        if figure >= self.best {
            self.best = figure;
            self.remark = Some(words(figure));
        }
    }

    pub(crate) fn sample(&mut self) {
        self.samples += 1;
    }

    /// A sample that decided something, and how far it was from the deadline that it proves.
    pub(crate) fn decide(&mut self, distance_us: Option<u64>) {
        self.samples += 1;
        self.decided += 1;
        if let Some(distance) = distance_us {
            self.nearest_us = Some(self.nearest_us.map_or(distance, |nearest| nearest.min(distance)));
        }
    }

    /// As if nothing had been decided.
    pub(crate) fn undecided(self) -> Self {
        Self { samples: self.samples, ..Self::default() }
    }

    pub(crate) fn add(&mut self, other: Self) {
        let more = other.broken;
        self.samples += other.samples;
        self.decided += other.decided;
        if let Some(case) = other.worst {
            self.break_with(case);
            self.broken += more - 1;
        }
        let nearest = [self.nearest_us, other.nearest_us].into_iter().flatten().min();
        self.nearest_us = nearest;
    }

    pub(crate) fn break_with(&mut self, case: Case) {
        self.broken += 1;
        if self.worst.as_ref().is_none_or(|worst| case.by_us > worst.by_us) {
            self.worst = Some(case);
        }
    }
}

/// A tally for every check.
#[derive(Debug, Default)]
pub(crate) struct Tallies {
    by_check: BTreeMap<Check, Tally>,
    /// What 304s confirmed although the check of this name forbids it.
    echoes: BTreeMap<Check, Tally>,
    /// Of the agent at hand.
    wrong_now: Vec<Span>,
    pub(crate) wrong_expiries: WrongExpiries,
}

/// Views that showed an agent as expired or gone although its lease surely ran.
#[derive(Debug, Default)]
pub(crate) struct WrongExpiries {
    pub(crate) count: u64,
    /// When they ended, for the first of them.
    pub(crate) instants_us: Vec<u64>,
}

impl WrongExpiries {
    fn add(&mut self, instant_us: u64) {
        self.count += 1;
        if self.instants_us.len() < super::WRONG_EXPIRY_INSTANTS {
            self.instants_us.push(instant_us);
        }
    }
}

impl Tallies {
    /// The tally that a view of this lane counts for: what a 304 confirms is held against the 304, not the lease.
    pub(crate) fn owned(&mut self, lane: Lane, check: Check) -> &mut Tally {
        match lane {
            Lane::Unchanged(_) => self.echoes.entry(check).or_default(),
            _ => self.of(check),
        }
    }

    /// Notes a view that showed an agent as expired or gone before its time. What 304s confirm counts where it was said.
    pub(crate) fn expired_wrongly(&mut self, lane: Lane, view: Span) {
        if !matches!(lane, Lane::Unchanged(_)) && !self.wrong_now.contains(&view) {
            self.wrong_now.push(view);
        }
    }

    /// Counts each such view of the agent once, however many requirements it breaks.
    pub(crate) fn settle_wrong_expiries(&mut self) {
        for view in self.wrong_now.drain(..) {
            self.wrong_expiries.add(view.e);
        }
    }

    /// VIEW-3 answers for what 304s confirmed, but for what whole answers have wrong as well: there the 304 was true to
    /// the registry, and the registry wrong.
    pub(crate) fn settle_echoes(&mut self) {
        for (check, echo) in std::mem::take(&mut self.echoes) {
            let whole_wrong = self.broken(check) > 0;
            let tally = self.of(Check::View3);
            tally.samples += echo.samples;
            tally.decided += echo.decided;
            if let (Some(case), false) = (echo.worst, whole_wrong) {
                tally.break_with(Case {
                    sentence: format!("A 304 confirmed this: {}", case.sentence),
                    ..case
                });
                tally.broken += echo.broken - 1;
            }
        }
    }

    /// What these tallies have of silence and its deadlines counts for TIME-8 there. The rest is left out: what a wrong
    /// clock did to it would be held against another requirement.
    pub(crate) fn hand_over_stepped(self, to: &mut Self) {
        use Check::{Race2, Time1, Time2, Time3, Time4, Time5, Time7, Time8, View2};
        // One that no view has shown yet counts as unseen, whatever the clock did to it.
        let of_time = [Time1, Time2, Time3, Time4, Time5, Time7, Race2, View2];
        for instant_us in &self.wrong_expiries.instants_us {
            to.wrong_expiries.add(*instant_us);
        }
        for (_, tally) in self.by_check.into_iter().filter(|(check, _)| of_time.contains(check)) {
            to.of(Time8).add(tally);
        }
    }

    pub(crate) fn of(&mut self, check: Check) -> &mut Tally {
        self.by_check.entry(check).or_default()
    }

    pub(crate) fn broken(&self, check: Check) -> u64 {
        self.by_check.get(&check).map_or(0, |tally| tally.broken)
    }

    pub(crate) fn take(&mut self, check: Check) -> Tally {
        self.by_check.remove(&check).unwrap_or_default()
    }
}

/// The report of one requirement.
pub(crate) fn report(
    row: &Requirement,
    tally: &Tally,
    evidence: &Evidence,
    ask: &Ask,
    timeline: impl FnOnce(&Case) -> Vec<String>,
) -> RequirementReport {
    let (verdict, detail) = verdict(row, tally, evidence);
    let failed = verdict == RequirementVerdict::Fail;
    RequirementReport {
        id: row.id.to_owned(),
        level: row.level.name().to_owned(),
        text: row.text.to_owned(),
        verdict,
        decided: tally.decided,
        samples: tally.samples,
        broken: if failed { tally.broken } else { 0 },
        detail,
        timeline: match &tally.worst {
            Some(_) if failed && !tally.conversation.is_empty() => tally.conversation.clone(),
            Some(case) if failed => timeline(case),
            _ => Vec::new(),
        },
        rerun: ask.rerun_of(row.id, evidence.header.seed),
        // A conversation tells its exchanges itself.
        proof: tally.worst.as_ref().filter(|_| failed && tally.conversation.is_empty()).map(|case| Proof {
            agent: case.agent.clone(),
            s_us: case.view.s,
            e_us: case.view.e,
            ..Proof::default()
        }),
    }
}

/// What the tally of a requirement says, and why.
pub(crate) fn verdict(row: &Requirement, tally: &Tally, evidence: &Evidence) -> (RequirementVerdict, String) {
    let lacking = row.need.lacking(&evidence.header.abilities);
    let whole = wholeness(evidence);
    let left_out = evidence.beside.left_out(row.id).filter(|_| tally.worst.is_none());
    if let Some(lacking) = lacking {
        (RequirementVerdict::NotApplicable, format!("this kind of registry is not asked: {lacking}"))
    } else if let Some(reason) = left_out {
        (RequirementVerdict::NotApplicable, reason.to_owned())
    } else if let Some(reason) = whole {
        (RequirementVerdict::Undecided, reason)
    } else if let Some(case) = &tally.worst {
        (RequirementVerdict::Fail, broken_sentence(case, tally))
    } else if let Some(absent) = &tally.absent {
        (RequirementVerdict::NotApplicable, absent.clone())
    } else if let Some(hindrance) = &tally.hindrance {
        (RequirementVerdict::Undecided, hindrance.clone())
    } else if tally.decided < row.enough {
        let decided = tally.decided;
        let enough = row.enough;
        let samples = tally.samples;
        let slack_us = evidence.end.as_ref().map_or(0, |end| end.slack_us);
        let busy = if slack_us >= BUSY_US {
            format!(
                ". The machine was busy, so that the harness itself woke up to {} ms late: run it again when there is less \
                 to do",
                milliseconds(slack_us)
            )
        } else {
            String::new()
        };
        (
            RequirementVerdict::Undecided,
            format!("{decided} of {samples} samples decided something; a pass needs at least {enough}{busy}"),
        )
    } else {
        (RequirementVerdict::Pass, pass_sentence(tally))
    }
}

/// Why a history as a whole proves nothing, if it does not.
fn wholeness(evidence: &Evidence) -> Option<String> {
    match &evidence.end {
        None => Some(
            "the history is cut off: it has no `end` line, so calls in flight at its end are missing from it"
                .to_owned(),
        ),
        Some(end) if end.lost_lines > 0 => Some(format!(
            "{} lines of the history were lost because its writer fell behind; what they said cannot be known",
            end.lost_lines
        )),
        Some(_) => None,
    }
}

fn broken_sentence(case: &Case, tally: &Tally) -> String {
    let wrong = if case.by_us > 0 {
        format!(
            " The registry was wrong somewhere from {} to {} ms, by at least {} ms.",
            milliseconds(case.wrong.s),
            milliseconds(case.wrong.e),
            milliseconds(case.by_us)
        )
    } else {
        String::new()
    };
    let more = match tally.broken {
        1 => String::new(),
        broken => format!(" It is the worst of {broken} such cases."),
    };
    format!("{}{wrong}{more}", case.sentence)
}

fn pass_sentence(tally: &Tally) -> String {
    let mut sentence = format!("held in {} decisive of {} samples", tally.decided, tally.samples);
    if let Some(nearest) = tally.nearest_us {
        sentence.push_str(&format!("; the nearest was {} ms from its deadline", milliseconds(nearest)));
    }
    if let Some(remark) = &tally.remark {
        sentence.push_str("; ");
        sentence.push_str(remark);
    }
    sentence
}

/// Microseconds as milliseconds with three digits behind the point.
pub(crate) fn milliseconds(us: u64) -> String {
    format!("{}.{:03}", us / 1000, us % 1000)
}
