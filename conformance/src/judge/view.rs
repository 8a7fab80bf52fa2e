//! VIEW-2: read your write. VIEW-3: one tag, one body; which 304s it allows is in `quiet`.

use std::collections::BTreeMap;

use reports::history::{Outcome, Reported};

use super::Subject;
use super::evidence::{Evidence, Span};
use super::lease::States;
use super::sighting::{Lane, Sighting};
use super::tally::{Case, Tallies, Tally, milliseconds};
use super::time::case;
use crate::catalogue::Check;

/// What earlier views of an agent had shown, lane by lane.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory {
    lanes: BTreeMap<Lane, Shown>,
    seen_anywhere_us: Option<u64>,
    pub(super) durable: super::durable::Memory,
}

#[derive(Debug, Default, Clone, Copy)]
struct Shown {
    /// The last view that showed it began then.
    present_us: Option<u64>,
    /// The last view that showed it as healthy, and as degraded, began then.
    status_us: [Option<u64>; 2],
    /// So many changes had been acknowledged before the last view.
    changes: usize,
}

impl Memory {
    /// Notes a view after it was judged.
    pub(super) fn remember(&mut self, subject: &Subject<'_>, sighting: &Sighting) {
        let start = sighting.span.s;
        let shown = self.lanes.entry(sighting.lane).or_default();
        shown.changes = shown.changes.max(subject.lease.changes_before(start));
        if sighting.present {
            shown.present_us = Some(start);
            self.seen_anywhere_us = Some(start);
        }
        if sighting.seen == States::HEALTHY {
            shown.status_us[0] = Some(start);
        } else if sighting.seen == States::DEGRADED {
            shown.status_us[1] = Some(start);
        }
    }

    fn lane(&self, lane: Lane) -> Shown {
        self.lanes.get(&lane).copied().unwrap_or_default()
    }

    fn present_us(&self, lane: Lane) -> Option<u64> {
        match lane {
            Lane::Heartbeat => self.seen_anywhere_us,
            lane => self.lane(lane).present_us,
        }
    }
}

/// VIEW-2: a view begun after an acknowledged registration, update, change of status or leave shows it.
pub(super) fn check(subject: &Subject<'_>, sighting: &Sighting, memory: &mut Memory, tallies: &mut Tallies) {
    let view = sighting.span;
    let changes = subject.lease.changes_before(view.s);
    if changes > memory.lane(sighting.lane).changes {
        tallies.owned(sighting.lane, Check::View2).decide(None);
    } else {
        tallies.of(Check::View2).sample();
    }
    let broken = check_left(subject, sighting)
        .or_else(|| check_document(subject, sighting))
        .or_else(|| check_registered(subject, sighting, memory))
        .or_else(|| check_status(subject, sighting, memory));
    if let Some(case) = broken {
        tallies.owned(sighting.lane, Check::View2).break_with(case);
    }
}

fn check_left(subject: &Subject<'_>, sighting: &Sighting) -> Option<Case> {
    let view = sighting.span;
    let leave = subject.lease.surely_left(view)?;
    if sighting.seen.meets(subject.after_leave()) || subject.restart_between(leave.span, view).is_some() {
        return None;
    }
    let sentence = format!(
        "{} was shown as {} although its deregistration had been acknowledged at {} ms.",
        subject.id,
        sighting.seen.words(),
        milliseconds(leave.span.e)
    );
    Some(case(subject, view, view.s - leave.span.e, sentence))
}

fn check_document(subject: &Subject<'_>, sighting: &Sighting) -> Option<Case> {
    let view = sighting.span;
    let (last, sentence) = wrong_document(subject, sighting)?;
    let restarted = subject.restart_between(last, view).is_some();
    (!restarted).then(|| case(subject, view, view.s.saturating_sub(last.e), sentence))
}

/// A document was shown that had surely been replaced, or that nobody sent: by which acknowledged call, in words.
pub(super) fn wrong_document(subject: &Subject<'_>, sighting: &Sighting) -> Option<(Span, String)> {
    let shown = sighting.document?;
    let (last, allowed) = subject.lease.in_force(sighting.span, true);
    let last = last?;
    if allowed.iter().any(|beat| beat.document.is_none_or(|document| document == shown)) {
        return None;
    }
    let sentence = format!(
        "{} was shown with document {shown} although document {} had been acknowledged at {} ms.",
        subject.id,
        last.document.unwrap_or_default(),
        milliseconds(last.span.e)
    );
    Some((last.span, sentence))
}

/// It is missing from the first views behind its registration: read-your-write is broken, not the lease.
pub(super) fn is_unseen(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> bool {
    unseen_since(subject, sighting, memory).is_some()
}

fn unseen_since(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> Option<Span> {
    let view = sighting.span;
    if sighting.seen.meets(States::LIVE) {
        return None;
    }
    subject.lease.surest(view, false)?;
    let registered = subject
        .lease
        .beats
        .iter()
        .rfind(|beat| beat.certain && beat.outcome == Outcome::Registered && beat.span.e <= view.s)?;
    // Later it may have expired before its time instead.
    let young = view.e < registered.span.s.saturating_add(subject.timeouts.steady_us());
    let unseen = memory.present_us(sighting.lane).is_none_or(|seen| seen < registered.span.s);
    let whole = subject.restart_between(registered.span, view).is_none();
    (young && unseen && whole).then_some(registered.span)
}

fn check_registered(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> Option<Case> {
    let registered = unseen_since(subject, sighting, memory)?;
    let view = sighting.span;
    let sentence = format!(
        "{} was {} although its registration had been acknowledged at {} ms and no such view had shown it yet.",
        subject.id,
        sighting.seen.words(),
        milliseconds(registered.e)
    );
    Some(case(subject, view, view.s - registered.e, sentence))
}

/// It is shown with the status that it reported before the last change, which no such view had shown yet.
pub(super) fn is_old_status(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> bool {
    old_status_since(subject, sighting, memory).is_some()
}

fn old_status_since(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> Option<(Span, Reported)> {
    let view = sighting.span;
    let degraded_us = subject.timeouts.degraded_us?;
    let surest = &subject.lease.beats[subject.lease.surest(view, false)?];
    let (last, allowed) = subject.lease.in_force(view, false);
    let last = last?;
    let reported = last.reported?;
    let settled = allowed.iter().all(|beat| beat.reported == Some(reported));
    let young = view.e < surest.span.s.saturating_add(degraded_us);
    if !settled || !young || !sighting.seen.within(States::LIVE) {
        return None;
    }
    // The change is the first report of this status since another one.
    let reports: Vec<_> = subject
        .lease
        .beats
        .iter()
        .filter(|beat| beat.reported.is_some() && beat.span.s <= last.span.s)
        .collect();
    let other = reports.iter().rposition(|beat| beat.reported != Some(reported))?;
    let change = reports.get(other + 1)?;
    if change.outcome == Outcome::Registered || subject.restart_between(change.span, view).is_some() {
        return None;
    }
    let status = usize::from(reported == Reported::Degraded);
    let shown = memory.lane(sighting.lane).status_us[status].is_some_and(|shown| shown > change.span.s);
    let old = reports[other].reported.map(States::reported)?;
    (!shown && sighting.seen == old).then_some((change.span, reported))
}

fn check_status(subject: &Subject<'_>, sighting: &Sighting, memory: &Memory) -> Option<Case> {
    let (changed, reported) = old_status_since(subject, sighting, memory)?;
    let view = sighting.span;
    let sentence = format!(
        "{} was still shown as {} although its report of {} had been acknowledged at {} ms.",
        subject.id,
        sighting.seen.words(),
        States::reported(reported).words(),
        milliseconds(changed.e)
    );
    Some(case(subject, view, view.s.saturating_sub(changed.e), sentence))
}

/// VIEW-3: one tag, one body.
pub(super) fn check_clashes(evidence: &Evidence, tally: &mut Tally) {
    for clash in &evidence.clashes {
        tally.break_with(Case {
            agent: None,
            view: clash.second,
            wrong: Span { s: clash.first.s, e: clash.second.e },
            by_us: 0,
            sentence: format!(
                "The entity tag {} was given at {} ms and again at {} ms, to different bodies.",
                clash.etag,
                milliseconds(clash.first.e),
                milliseconds(clash.second.e)
            ),
        });
    }
    tally.broken += evidence.more_clashes;
}
