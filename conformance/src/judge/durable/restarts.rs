//! DURABLE-3 and DURABLE-4: what restarts do not prolong, do not undo and do not count anew.

use super::super::Subject;
use super::super::evidence::{Evidence, Span};
use super::super::lease::States;
use super::super::sighting::{Lane, Sighting};
use super::super::tally::{Case, Tallies, Tally, milliseconds};
use super::super::time::case;
use crate::catalogue::Check;

/// DURABLE-3: however often the registry is restarted, each restart gives a silent agent one lease at most.
pub(super) fn check_mortal(subject: &Subject<'_>, sighting: &Sighting, tallies: &mut Tallies) {
    let view = sighting.span;
    let calls = subject.lease.beats.iter().filter(|beat| !beat.restart && beat.span.s < view.e);
    let Some(latest) = calls.map(|beat| beat.act_by).max() else { return };
    if latest > view.s || subject.lease.surely_left(view).is_some() {
        return;
    }
    // A pause of the process is nobody's silence: it ends like a renewal.
    let before = subject.evidence.pauses.iter().filter(|pause| pause.stopped.s < view.e);
    let latest = before.map(|pause| pause.continued.e).fold(latest, u64::max);
    // A restart that overlaps the view or the call may count or not: it counts in favour of the registry.
    let restarts: Vec<_> = subject
        .evidence
        .restarts
        .iter()
        .filter(|restart| restart.started.e > latest && restart.killed.s < view.e)
        .collect();
    let Some(last) = restarts.last() else { return };
    let downtime: u64 = restarts.iter().map(|restart| restart.started.e - restart.killed.s).sum();
    let leases = subject.timeouts.expires_us.saturating_mul(restarts.len() as u64 + 1);
    let due = latest.saturating_add(leases).saturating_add(downtime).saturating_add(subject.late_us);
    let tally = tallies.owned(sighting.lane, Check::Durable3);
    // Only a view to which a fresh lease would still show tells a mortal agent from an immortal one.
    if view.s > due && view.e < last.started.s.saturating_add(subject.timeouts.expires_us) {
        tally.decide(Some(view.s - due));
    } else {
        tally.sample();
    }
    if view.s > due && sighting.seen.within(States::LIVE) {
        let sentence = format!(
            "{} was still shown as {} although it was silent since {} ms; {} restarts, the downtime, W and d allow it \
             to live until {} ms.",
            subject.id,
            sighting.seen.words(),
            milliseconds(latest),
            restarts.len(),
            milliseconds(due)
        );
        tally.break_with(case(subject, view, view.s - due, sentence));
    }
}

/// For each restart the view that showed the agent as expired or gone, ended before the kill and was nearest to it.
pub(in crate::judge) type Stays = Vec<Option<(Span, States)>>;

/// DURABLE-4: who was shown expired or gone before a kill is not there behind it without a call of its own.
pub(super) fn check_stays(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    stays: &mut Stays,
    tally: &mut Tally,
) {
    let ended = States::EXPIRED.or(States::GONE);
    let restarts = &subject.evidence.restarts;
    stays.resize(restarts.len(), None);
    for (restart, nearest) in restarts.iter().zip(stays) {
        let before = sightings
            .iter()
            .filter(|seen| !matches!(seen.lane, Lane::Unchanged(_)) && seen.seen.within(ended))
            .filter(|seen| seen.span.e <= restart.killed.s)
            .max_by_key(|seen| seen.span.e);
        if let Some(before) = before
            && nearest.is_none_or(|(known, _)| before.span.e >= known.e)
        {
            *nearest = Some((before.span, before.seen));
        }
        let Some((before, before_seen)) = *nearest else { continue };
        let behind = sightings.iter().filter(|seen| seen.span.s >= restart.started.s);
        for seen in behind.filter(|seen| !matches!(seen.lane, Lane::Unchanged(_))) {
            let acted = |act_by: u64, begun: u64| act_by > before.s && begun < seen.span.e;
            let called =
                subject.lease.beats.iter().any(|beat| !beat.restart && acted(beat.act_by, beat.span.s));
            // Who comes back after it had left is DURABLE-1's.
            let left = subject.lease.leaves.iter().any(|leave| leave.span.s < seen.span.e);
            if called || left {
                continue;
            }
            tally.decide(None);
            if seen.present && seen.seen.within(States::LIVE) {
                let sentence = format!(
                    "{} was {} behind a restart although a view that ended at {} ms, before the kill, had shown it as \
                     {} and it had not called since.",
                    subject.id,
                    seen.seen.words(),
                    milliseconds(before.e),
                    before_seen.words()
                );
                tally.break_with(case(subject, seen.span, seen.span.s - before.e, sentence));
            }
        }
    }
}

/// DURABLE-4: revisions and event numbers behind a restart are not below those before the kill.
pub(super) fn check_numbers(evidence: &Evidence, tally: &mut Tally) {
    let mut pairs = 0;
    for (restart, revisions) in evidence.restarts.iter().zip(&evidence.beside.revisions) {
        let before = |span: Span| span.e <= restart.killed.s;
        if let [Some(highest), Some(lowest)] = revisions {
            pairs += 1;
            tally.decide(None);
            if lowest.1 < highest.1 {
                tally.break_with(fallen("revision", *highest, *lowest));
            }
        }
        let of_events = evidence.beside.events.iter();
        let numbers = of_events.flat_map(|seen| seen.numbers.iter().map(move |number| (seen, *number)));
        // Events of an agent that first called behind the restart are new ones.
        let is_new = |agent: &String| {
            let first = evidence.agent(agent).and_then(|agent| agent.record.born);
            first.is_some_and(|first| first >= restart.started.s)
        };
        let highest = numbers.clone().filter(|(seen, _)| before(seen.span)).max_by_key(|(_, number)| *number);
        let lowest = numbers.filter(|(seen, _)| is_new(&seen.agent)).min_by_key(|(_, number)| *number);
        if let (Some((old, highest)), Some((new, lowest))) = (highest, lowest) {
            tally.decide(None);
            if lowest <= highest {
                tally.break_with(fallen("event number", (old.span, highest), (new.span, lowest)));
            }
        }
    }
    if pairs > 0 {
        tally.remark = Some(format!("numbers were compared across {pairs} restarts"));
    }
}

fn fallen(what: &str, before: (Span, u64), behind: (Span, u64)) -> Case {
    Case {
        agent: None,
        view: behind.0,
        wrong: Span { s: before.0.s, e: behind.0.e },
        by_us: 0,
        sentence: format!(
            "The {what} was {} at {} ms and, behind a restart, {} at {} ms: it must never fall.",
            before.1,
            milliseconds(before.0.e),
            behind.1,
            milliseconds(behind.0.s)
        ),
    }
}
