//! VIEW-2: read your write. VIEW-3: what a 304 stands for.

use std::collections::BTreeMap;

use reports::history::{Outcome, Reported};

use super::Subject;
use super::evidence::{Evidence, ListView, Span};
use super::lease::States;
use super::quiet::Changes;
use super::sighting::{Lane, Sighting};
use super::tally::{Case, Tallies, Tally, milliseconds};
use super::time::case;
use crate::catalogue::Check;

/// What earlier views of an agent had shown, lane by lane.
#[derive(Debug, Default)]
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

/// VIEW-3: one tag, one body; and no 304 to a tag that the views before and behind it had left.
pub(super) fn check_tags(evidence: &Evidence, tally: &mut Tally) {
    for clash in &evidence.clashes {
        let (first, second) = (&evidence.lists[clash.first as usize], &evidence.lists[clash.second as usize]);
        tally.break_with(Case {
            agent: None,
            view: second.span,
            wrong: Span { s: first.span.s, e: second.span.e },
            by_us: 0,
            sentence: format!(
                "The entity tag {} was given at {} ms and again at {} ms, to different bodies.",
                clash.etag,
                milliseconds(first.span.e),
                milliseconds(second.span.e)
            ),
        });
    }
    if evidence.lists.iter().any(|view| view.unchanged) {
        let changes = Changes::of(evidence);
        for filter in 0..evidence.filters.len() {
            check_sandwiches(evidence, filter, &changes, tally);
        }
    }
}

fn check_sandwiches(evidence: &Evidence, filter: usize, changes: &Changes, tally: &mut Tally) {
    let of_filter = || evidence.lists.iter().filter(|view| view.filter as usize == filter);
    let mut whole: Vec<&ListView> = of_filter().filter(|view| !view.unchanged).collect();
    whole.sort_by_key(|view| view.span.s);
    let mut by_end = whole.clone();
    by_end.sort_by_key(|view| view.span.e);
    for view in of_filter().filter(|view| view.unchanged) {
        let before = by_end.partition_point(|other| other.span.e < view.span.s).checked_sub(1);
        let after = whole.get(whole.partition_point(|other| other.span.s <= view.span.e));
        let (Some(before), Some(after)) = (before.map(|index| by_end[index]), after) else {
            tally.sample();
            continue;
        };
        let between = Span { s: before.span.s, e: after.span.e };
        // Equal tags alone do not prove that nothing changed there and back in between.
        let still =
            (before.revision.is_some() && before.revision == after.revision) || !changes.may_fall_in(between);
        if before.etag.is_none() || before.etag != after.etag || !still {
            tally.sample();
            continue;
        }
        tally.decide(None);
        if view.etag != before.etag {
            tally.break_with(Case {
                agent: None,
                view: view.span,
                wrong: view.span,
                by_us: 0,
                sentence: format!(
                    "A 304 at {} ms confirmed the entity tag {}, though the whole answers before and behind it carry {}.",
                    milliseconds(view.span.s),
                    view.etag.as_deref().unwrap_or("none"),
                    before.etag.as_deref().unwrap_or("none")
                ),
            });
        }
    }
}
