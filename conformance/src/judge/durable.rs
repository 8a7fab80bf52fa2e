//! DURABLE-1 and DURABLE-2: what was acknowledged before a kill is there behind it, and so is who lived. DURABLE-3 and
//! DURABLE-4 are in `restarts`, DURABLE-5 and DURABLE-6 in `trouble`.

use std::collections::BTreeMap;

use super::evidence::Evidence;
use super::lease::States;
use super::settle::Horizon;
use super::sighting::{Lane, Sighting};
use super::tally::{Case, Tallies, milliseconds};
use super::time::case;
use super::{Subject, view};
use crate::catalogue::Check;

mod restarts;
mod trouble;

pub(super) use restarts::Stays;

/// What views behind each restart had told of an agent.
#[derive(Debug, Default, Clone)]
pub(super) struct Memory {
    restarts: BTreeMap<usize, Told>,
}

#[derive(Debug, Default, Clone)]
struct Told {
    /// It was counted for DURABLE-1.
    counted: bool,
    /// It was shown, in whatever state.
    present: bool,
    /// It is known whether it was lost or expired.
    explained: bool,
    /// The worst absence from a view that leaves out both the lost and the expired.
    unexplained: Option<Case>,
}

/// Judges a view behind a restart by what had been acknowledged before the kill.
pub(super) fn check(
    subject: &Subject<'_>,
    sighting: &Sighting,
    memory: &mut view::Memory,
    tallies: &mut Tallies,
) {
    if subject.evidence.restarts.is_empty() {
        return;
    }
    check_left(subject, sighting, tallies);
    check_document(subject, sighting, tallies);
    check_status(subject, sighting, tallies);
    check_lived(subject, sighting, &mut memory.durable, tallies);
    check_kept(subject, sighting, &mut memory.durable, tallies);
    restarts::check_mortal(subject, sighting, tallies);
}

/// What takes all views of an agent together.
pub(super) fn check_agent(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    stays: &mut Stays,
    horizon: Horizon,
    tallies: &mut Tallies,
) {
    restarts::check_stays(subject, sightings, stays, tallies.of(Check::Durable4));
    trouble::check_agent(subject, sightings, horizon, tallies.of(Check::Durable5));
}

fn check_left(subject: &Subject<'_>, sighting: &Sighting, tallies: &mut Tallies) {
    let view = sighting.span;
    let Some(leave) = subject.lease.surely_left(view) else { return };
    if subject.restart_between(leave.span, view).is_none() {
        return;
    }
    let tally = tallies.owned(sighting.lane, Check::Durable1);
    tally.decide(None);
    if !sighting.seen.meets(subject.after_leave()) {
        let sentence = format!(
            "{} was back as {} behind a restart although its deregistration had been acknowledged at {} ms.",
            subject.id,
            sighting.seen.words(),
            milliseconds(leave.span.e)
        );
        tally.break_with(case(subject, view, view.s - leave.span.e, sentence));
    }
}

fn check_document(subject: &Subject<'_>, sighting: &Sighting, tallies: &mut Tallies) {
    let view = sighting.span;
    let Some((acknowledged, sentence)) = view::wrong_document(subject, sighting) else { return };
    if subject.restart_between(acknowledged, view).is_some() {
        let late = view.s.saturating_sub(acknowledged.e);
        let sentence = format!("Behind a restart, {sentence}");
        tallies.owned(sighting.lane, Check::Durable1).break_with(case(subject, view, late, sentence));
    }
}

/// A report of `degraded` that had been acknowledged must not turn into `healthy`, as far as silence is surely not the
/// cause.
fn check_status(subject: &Subject<'_>, sighting: &Sighting, tallies: &mut Tallies) {
    let view = sighting.span;
    let (last, allowed) = subject.lease.in_force(view, false);
    let degraded = Some(reports::history::Reported::Degraded);
    let Some(last) = last.filter(|_| allowed.iter().all(|beat| beat.reported == degraded)) else { return };
    let Some(restart) = subject.restart_between(last.span, view) else { return };
    let started = subject.evidence.restarts[restart].started;
    let silent_since = subject.lease.surest(view, true).map(|index| subject.lease.beats[index].span.s);
    let young = subject.timeouts.degraded_us.is_some_and(|degraded_us| {
        silent_since.is_some_and(|since| since >= started.s && view.e < since.saturating_add(degraded_us))
    });
    if young && sighting.seen == States::HEALTHY {
        let sentence = format!(
            "Behind a restart {} was healthy although its report of degraded had been acknowledged at {} ms.",
            subject.id,
            milliseconds(last.span.e)
        );
        let late = view.s.saturating_sub(last.span.e);
        tallies.owned(sighting.lane, Check::Durable1).break_with(case(subject, view, late, sentence));
    }
}

/// DURABLE-2: who lived at the kill has its full lease behind the restart.
fn check_lived(subject: &Subject<'_>, sighting: &Sighting, memory: &mut Memory, tallies: &mut Tallies) {
    let view = sighting.span;
    let Some(index) = subject.lease.surest(view, true) else { return };
    let lease = subject.lease.beats[index].span;
    let restart = if subject.lease.beats[index].restart {
        subject.evidence.restarts.iter().rposition(|restart| restart.started == lease)
    } else {
        subject.restart_between(lease, view)
    };
    let Some(restart) = restart else { return };
    let deadline = lease.s.saturating_add(subject.timeouts.expires_us);
    let tally = tallies.owned(sighting.lane, Check::Durable2);
    if view.e >= deadline {
        tally.sample();
        return;
    }
    tally.decide(Some(deadline - view.e));
    if sighting.seen.meets(States::LIVE) {
        memory.restarts.entry(restart).or_default().present |= sighting.present;
        return;
    }
    let sentence = format!(
        "{} lived when the registry was killed and was {} behind the restart, {} ms before its full lease ended.",
        subject.id,
        sighting.seen.words(),
        milliseconds(deadline - view.e)
    );
    let case = case(subject, view, deadline - view.e, sentence);
    tallies.expired_wrongly(sighting.lane, view);
    let told = memory.restarts.entry(restart).or_default();
    if matches!(sighting.lane, Lane::Unchanged(_)) {
        tallies.owned(sighting.lane, Check::Durable2).break_with(case);
    } else if sighting.present {
        told.explained = true;
        told.present = true;
        tallies.of(Check::Durable2).break_with(case);
    } else if sighting.shows_all && !told.present {
        told.explained = true;
        tallies.of(Check::Durable1).break_with(case);
    } else if told.unexplained.as_ref().is_none_or(|worst| case.by_us > worst.by_us) {
        told.unexplained = Some(case);
    }
}

/// DURABLE-1, presence: counted once for each agent and restart; where nobody is ever evicted, an absence from a view
/// of all is a loss at any time.
fn check_kept(subject: &Subject<'_>, sighting: &Sighting, memory: &mut Memory, tallies: &mut Tallies) {
    let view = sighting.span;
    if matches!(sighting.lane, Lane::Unchanged(_)) || !(sighting.present || sighting.shows_all) {
        return;
    }
    let Some(call) = subject.lease.acknowledged_registration(view) else { return };
    let Some(restart) = subject.restart_between(call, view) else { return };
    let told = memory.restarts.entry(restart).or_default();
    let never_evicts = !subject.evidence.header.abilities.evicts;
    let lives = subject.lease.surest(view, true).is_some_and(|index| {
        view.e < subject.lease.beats[index].span.s.saturating_add(subject.timeouts.expires_us)
    });
    if !(sighting.present || lives || never_evicts) {
        return;
    }
    let tally = tallies.of(Check::Durable1);
    if told.counted {
        tally.sample();
    } else {
        told.counted = true;
        tally.decide(None);
    }
    if never_evicts && sighting.seen == States::GONE {
        told.explained = true;
        let sentence = format!(
            "{} was gone behind a restart although its registration had been acknowledged at {} ms.",
            subject.id,
            milliseconds(call.e)
        );
        tally.break_with(case(subject, view, view.s.saturating_sub(call.e), sentence));
    }
}

/// Absences that no other view explains as a loss count as expiries.
pub(super) fn settle(memory: view::Memory, tallies: &mut Tallies) {
    for told in memory.durable.restarts.into_values() {
        if let (Some(case), false) = (told.unexplained, told.explained) {
            tallies.of(Check::Durable2).break_with(case);
        }
    }
}

/// What is no one agent's. Without a restart there is nothing to decide.
pub(super) fn check_whole(evidence: &Evidence, tallies: &mut Tallies) {
    restarts::check_numbers(evidence, tallies.of(Check::Durable4));
    trouble::check_answers(evidence, tallies.of(Check::Durable5));
    trouble::check_refusals(evidence, tallies);
    if evidence.restarts.is_empty() {
        for check in [Check::Durable1, Check::Durable2, Check::Durable3, Check::Durable4] {
            let tally = tallies.of(check);
            tally.decided = 0;
            tally.hindrance = Some("the registry was not killed and started again in this run".to_owned());
        }
    }
}
