//! Forgets what no view that is yet to be judged can need of an agent.

use std::rc::Rc;

use super::evidence::{AgentRecord, Beat, Evidence, Leave, Span};
use super::lease::{Lease, States, Timeouts};
use super::settle::{Carry, Horizon, Kept};
use super::sighting::{Lane, Sighting};
use super::{Subject, quiet};

/// Forgets what was settled by `horizon`.
pub(super) fn prune(
    evidence: &Evidence,
    record: &mut AgentRecord,
    carry: &Carry,
    lease: &Lease,
    timeouts: &Timeouts,
    horizon: Horizon,
) {
    record.forget_views(horizon.until);
    for answer in record.answers.iter_mut().filter(|answer| answer.span.s < horizon.until) {
        answer.told = true;
    }
    let mut until = horizon.until;
    for pause in evidence.pauses.iter().skip(carry.kept.pauses) {
        until = until.min(pause.stopped.s);
    }
    // The pair of acts that RACE-1 has not judged begins with the act before.
    let acts =
        lease.beats.iter().map(|beat| beat.span.s).chain(lease.leaves.iter().map(|leave| leave.span.s));
    let told = record.answers.iter().filter(|answer| answer.to_heartbeat).map(|answer| answer.span.s);
    let before = acts.chain(told).filter(|s| *s < carry.kept.raced_until).max();
    until = until.min(before.unwrap_or(carry.kept.raced_until));
    let needed = Needed::of(lease, timeouts, until, horizon.begun);
    record.answers.retain(|answer| !answer.told || answer.span.s >= needed.from);
    let forgotten = &mut record.forgotten;
    for beat in lease.beats.iter().filter(|beat| beat.certain) {
        forgotten.longest_us = forgotten.longest_us.max(beat.span.e - beat.span.s);
    }
    let mut beats = Vec::with_capacity(lease.beats.len());
    let restarts = &evidence.restarts;
    let taken =
        restarts.iter().skip(forgotten.restarts).take_while(|restart| restart.started.e < needed.from);
    let taken = forgotten.restarts + taken.count();
    let open = |beat: &Beat| restarts.iter().skip(taken).any(|restart| restart.started == beat.span);
    for (index, beat) in lease.beats.iter().enumerate() {
        if beat.restart && open(beat) {
            continue;
        }
        if beat.span.s >= needed.from || needed.beats.contains(&index) {
            let settled = beat.span.s < horizon.begun;
            beats.push(Beat {
                run: beat.run.filter(|_| settled),
                noted: beat.noted | quiet::notable(lease, timeouts, index, horizon.begun),
                ..beat.clone()
            });
        } else {
            forgotten.beats += 1;
            forgotten.changes += usize::from(beat.is_change());
        }
    }
    forgotten.restarts = taken;
    record.beats = beats;
    let keep = |leave: &Leave| leave.span.s >= needed.from || needed.leaves.contains(&leave.span);
    forgotten.leaves += lease.leaves.iter().filter(|leave| !keep(leave)).count();
    forgotten.changes += lease.leaves.iter().filter(|leave| !keep(leave) && leave.certain).count();
    record.leaves = lease.leaves.iter().filter(|leave| keep(leave)).copied().collect();
}

/// What must stay.
struct Needed {
    /// Everything from here on, and of what was before:
    from: u64,
    /// These by their places,
    beats: Vec<usize>,
    leaves: Vec<Span>,
}

impl Needed {
    /// For views that begin at `until` or later.
    fn of(lease: &Lease, timeouts: &Timeouts, until: u64, begun: u64) -> Self {
        let (any, called) = (lease.surest_by(until, true), lease.surest_by(until, false));
        // The race that decided the lease, and what had been acknowledged before it.
        let first = called.map_or(0, |called| lease.race_of(called).1);
        let from = any.map_or(0, |any| first.min(lease.beats[any].span.s).min(until));
        let mut beats: Vec<usize> = lease.calmest_index_before(first).into_iter().collect();
        // Changes count from when they were acknowledged: those that are not yet stay.
        let all = || lease.beats.iter().enumerate().take_while(|(_, beat)| beat.span.s < until);
        beats.extend(all().filter(|(_, beat)| beat.span.e > until).map(|(index, _)| index));
        beats.extend(all().max_by_key(|(_, beat)| beat.act_by).map(|(index, _)| index));
        beats.extend(
            all().filter(|(_, beat)| !beat.restart).max_by_key(|(_, it)| it.act_by).map(|(index, _)| index),
        );
        for full in [false, true] {
            let carriers = all().filter(|(_, beat)| beat.reported.is_some() && (!full || beat.full));
            let acknowledged = carriers.clone().filter(|(_, beat)| beat.certain && beat.span.e <= until);
            let last = acknowledged.max_by_key(|(_, beat)| beat.span.s);
            let since = last.map_or(0, |(_, beat)| beat.span.s);
            beats.extend(last.map(|(index, _)| index));
            let mut kept: Vec<&Beat> = Vec::new();
            for (index, beat) in carriers.filter(|(_, beat)| beat.act_by > since) {
                if beat.act_by < u64::MAX || !kept.iter().any(|other| says_the_same(other, beat)) {
                    kept.push(beat);
                    beats.push(index);
                }
            }
            if !full && let Some((place, last)) = last {
                // The change to the status reported last: the last other report, and the first of this one.
                let reports = || all().take(place + 1).filter(|(_, beat)| beat.reported.is_some());
                if let Some((other, _)) = reports().filter(|(_, beat)| beat.reported != last.reported).last()
                {
                    beats.push(other);
                    beats.extend(reports().find(|(index, _)| *index > other).map(|(index, _)| index));
                }
            }
        }
        let registered = all().filter(|(_, beat)| {
            let young = beat.span.s.saturating_add(timeouts.steady_us()) > until;
            beat.certain && beat.outcome == reports::history::Outcome::Registered && young
        });
        beats.extend(registered.last().map(|(index, _)| index));
        // `quiet` has not told all of its changes.
        let noted = |index: usize| lease.beats[index].noted | quiet::notable(lease, timeouts, index, begun);
        beats.extend(all().map(|(index, _)| index).filter(|index| noted(*index) != quiet::ALL_NOTED));
        let certain = lease.leaves.iter().filter(|leave| leave.certain && leave.span.e <= until);
        let latest = lease.leaves.iter().filter(|leave| leave.span.s < until);
        let mut leaves: Vec<Span> =
            certain.max_by_key(|leave| leave.span.s).map(|leave| leave.span).into_iter().collect();
        leaves.extend(latest.clone().max_by_key(|leave| leave.act_by).map(|leave| leave.span));
        leaves.extend(latest.filter(|leave| leave.span.e > until).map(|leave| leave.span));
        Self { from, beats, leaves }
    }
}

fn says_the_same(left: &Beat, right: &Beat) -> bool {
    let declared = match (&left.declared, &right.declared) {
        (Some(left), Some(right)) => Rc::ptr_eq(left, right),
        (left, right) => left.is_none() && right.is_none(),
    };
    declared && (left.reported, left.document, left.act_by) == (right.reported, right.document, right.act_by)
}

/// Keeps the sightings that RACE-1 and TIME-9 may still ask for: all since a pause that is not judged yet, else one of
/// each kind behind the last act.
pub(super) fn keep_sightings(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    kept: &mut Kept,
    horizon: Horizon,
) {
    if horizon.last {
        return;
    }
    let pause = subject.evidence.pauses.get(kept.pauses).map(|pause| pause.stopped.e);
    let before = subject.lease.surest_by(kept.raced_until.min(horizon.until), true);
    let since = before.map_or(0, |index| subject.lease.beats[index].span.e);
    let mut kinds: Vec<States> = Vec::new();
    for sighting in sightings.iter().filter(|seen| !matches!(seen.lane, Lane::Unchanged(_))) {
        let paused = pause.is_some_and(|stopped| sighting.span.e > stopped);
        if paused || (sighting.span.s >= since && !kinds.contains(&sighting.seen)) {
            kinds.push(sighting.seen);
            kept.sightings.push(*sighting);
        }
    }
}
