//! RACE-1: a heartbeat at the deadline has one outcome, and all views agree on it.
//!
//! Judged by pairs of heartbeats of one agent: an accepted one, and the next, which reached the registry about X behind
//! it. Whatever cannot be told apart by them (something uncertain, a restart, two in flight at once) decides nothing.

use super::evidence::{Beat, Span};
use super::lease::States;
use super::settle::{Horizon, Kept};
use super::sighting::{Lane, Sighting};
use super::tally::{Case, Tally, milliseconds};
use super::{Check, Subject, Tallies};

/// Heartbeats are sent so far from their deadline at the most.
const NEAR_US: u64 = 5_000;

/// The harness's own lag makes more of it, but no more than this: what comes later is no race with a deadline.
const LAG_US: u64 = 20_000;

/// What was said to a heartbeat, or what else touched the lease.
#[derive(Clone, Copy)]
enum Act<'a> {
    Taken(&'a Beat),
    /// A lean one was told that nobody knows the agent.
    Gone(Span),
    /// It may have acted, now or later; or it ended the lease.
    Other(Span),
}

impl Act<'_> {
    fn span(&self) -> Span {
        match self {
            Self::Taken(beat) => beat.span,
            Self::Gone(span) | Self::Other(span) => *span,
        }
    }
}

/// Judges each heartbeat of an agent that came at a deadline.
pub(super) fn check(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    kept: &mut Kept,
    horizon: Horizon,
    tallies: &mut Tallies,
) {
    let was_judged = kept.raced_until;
    kept.raced_until = horizon.until;
    let acts = acts(subject);
    let slack_us = subject.evidence.end.as_ref().map_or(0, |end| end.slack_us);
    let near_us = NEAR_US + slack_us.min(LAG_US);
    let tally = tallies.of(Check::Race1);
    for (position, pair) in acts.windows(2).enumerate() {
        let [Act::Taken(last), now] = pair else { continue };
        let (from, at) = (last.span, now.span());
        if at.s < was_judged {
            continue;
        }
        if at.s >= horizon.until && !horizon.last {
            break;
        }
        let deadline = subject.timeouts.expires_us;
        let earliest = at.s.saturating_sub(from.e);
        let latest = at.e.saturating_sub(from.s);
        if last.restart || earliest > deadline + near_us || latest + near_us < deadline {
            continue;
        }
        let next = acts.get(position + 2);
        let until = next.map_or(u64::MAX, |next| next.span().s);
        // What comes next is not known yet, nor all that is seen until then. Without a next act a race stays open for
        // as long as the lease that it gave.
        let open = until.min(at.s.saturating_add(deadline.saturating_mul(2)));
        if open >= horizon.until && !horizon.last {
            kept.raced_until = at.s;
            break;
        }
        let restarted = subject
            .evidence
            .restarts
            .iter()
            .any(|restart| restart.killed.s < at.e && from.s < restart.started.e);
        let alone = from.e <= at.s && at.e <= until && !restarted;
        let race = Race { subject, sightings, last, at, until };
        let verdict = match now {
            Act::Taken(beat) if alone && !beat.restart => race.taken(beat),
            Act::Gone(_) if alone => race.gone(next),
            _ => Verdict::Nothing,
        };
        match verdict {
            Verdict::Nothing => tally.sample(),
            Verdict::Agree => {
                tally.decide(Some(earliest.saturating_sub(deadline).max(deadline.saturating_sub(latest))))
            }
            Verdict::Clash(case) => {
                tally.decide(None);
                tally.break_with(*case);
            }
        }
    }
    remark(tally);
}

fn remark(tally: &mut Tally) {
    let decided = tally.decided;
    tally.remark_best(decided, |decided| format!("{decided} heartbeats at their deadline"));
}

fn acts<'a>(subject: &'a Subject<'_>) -> Vec<Act<'a>> {
    let beats = subject.lease.beats.iter();
    let mut acts: Vec<Act<'a>> =
        beats.map(|beat| if beat.certain { Act::Taken(beat) } else { Act::Other(beat.span) }).collect();
    acts.extend(subject.lease.leaves.iter().map(|leave| Act::Other(leave.span)));
    let told = subject.record.answers.iter().filter(|answer| answer.to_heartbeat);
    acts.extend(told.map(|answer| Act::Gone(answer.span)));
    acts.sort_by_key(|act| act.span().s);
    acts
}

enum Verdict {
    Nothing,
    Agree,
    Clash(Box<Case>),
}

/// One heartbeat at its deadline.
struct Race<'a> {
    subject: &'a Subject<'a>,
    sightings: &'a [Sighting],
    /// The one accepted before.
    last: &'a Beat,
    at: Span,
    /// When the next one began.
    until: u64,
}

impl Race<'_> {
    fn taken(&self, beat: &Beat) -> Verdict {
        let began = beat.full && beat.outcome == reports::history::Outcome::Registered;
        let epochs = self.last.epoch.zip(beat.epoch);
        match epochs {
            Some((before, now)) if began && now != before + 1 => {
                return self.clash(
                    self.at,
                    &format!("It was told to have registered with epoch {now} after {before}."),
                );
            }
            Some((before, now)) if !began && now != before => {
                return self.clash(
                    self.at,
                    &format!("It was told to be renewed, but with epoch {now} after {before}."),
                );
            }
            _ => {}
        }
        let mut seen = epochs.is_some();
        // A new epoch ends the old one's silence, a renewal has had none.
        let from = if began { self.at.e } else { self.last.span.e };
        let end = self.until.min(self.at.s.saturating_add(self.subject.timeouts.expires_us));
        for sighting in self.views(from, end) {
            seen = true;
            if sighting.seen.within(States::EXPIRED.or(States::GONE)) {
                let what = if began { "registered again" } else { "renewed" };
                let words = format!(
                    "The heartbeat was told to be {what}, and a view shows {}.",
                    sighting.seen.words()
                );
                return self.clash(sighting.span, &words);
            }
        }
        if began && epochs.is_none() {
            // Without epochs a registry need not tell a registration from a renewal.
            return if seen { Verdict::Agree } else { Verdict::Nothing };
        }
        match self.wrong_epoch(beat.epoch.or(self.last.epoch), self.at.e, self.until) {
            Some(clash) => clash,
            None if seen => Verdict::Agree,
            None => Verdict::Nothing,
        }
    }

    fn gone(&self, next: Option<&Act<'_>>) -> Verdict {
        let mut seen = false;
        for sighting in self.views(self.at.e, self.until) {
            seen = true;
            if sighting.seen.within(States::LIVE) {
                let words = format!(
                    "The heartbeat was told that nobody knows the agent, and a later view shows {}.",
                    sighting.seen.words()
                );
                return self.clash(sighting.span, &words);
            }
        }
        if let Some(Act::Taken(back)) = next
            && back.full
            && !back.restart
            && let Some((before, now)) = self.last.epoch.zip(back.epoch)
        {
            seen = true;
            if now != before + 1 {
                let words = format!(
                    "The heartbeat was told that nobody knows the agent, but it came back with epoch {now} after {before}."
                );
                return self.clash(back.span, &words);
            }
        }
        if seen { Verdict::Agree } else { Verdict::Nothing }
    }

    /// The views that began and ended in between.
    fn views(&self, from: u64, end: u64) -> impl Iterator<Item = &Sighting> {
        let first = self.sightings.partition_point(|sighting| sighting.span.s < from);
        let begun = self.sightings[first..].iter().take_while(move |sighting| sighting.span.s < end);
        begun.filter(move |sighting| {
            sighting.span.e <= end && matches!(sighting.lane, Lane::Read | Lane::List(_) | Lane::Changes(_))
        })
    }

    /// A view behind the heartbeat that shows another epoch.
    fn wrong_epoch(&self, wanted: Option<u64>, from: u64, end: u64) -> Option<Verdict> {
        let wanted = wanted?;
        let answers = self.subject.record.answers.iter().filter(|answer| !answer.to_heartbeat);
        let mut shown = answers
            .filter(|answer| answer.span.s >= from && answer.span.e <= end)
            .filter_map(|answer| Some((answer.span, answer.shown.as_ref()?.epoch?)));
        let (span, epoch) = shown.find(|(_, epoch)| *epoch != wanted)?;
        Some(self.clash(span, &format!("A later view shows epoch {epoch} instead of {wanted}.")))
    }

    fn clash(&self, view: Span, words: &str) -> Verdict {
        let after_us = self.at.s.saturating_sub(self.last.span.s);
        let sentence = format!(
            "A heartbeat came {} ms after the last one, where X is {} ms. {words}",
            milliseconds(after_us),
            milliseconds(self.subject.timeouts.expires_us)
        );
        let agent = Some(self.subject.id.to_owned());
        Verdict::Clash(Box::new(Case { agent, view, wrong: view, by_us: 0, sentence }))
    }
}
