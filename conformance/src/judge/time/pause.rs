//! TIME-9: what a pause of the process does not do.

use super::super::Subject;
use super::super::beside::Pause;
use super::super::evidence::Span;
use super::super::lease::States;
use super::super::settle::{Horizon, Kept};
use super::super::sighting::{Lane, Sighting};
use super::super::tally::{Tallies, milliseconds};
use super::case;
use crate::catalogue::Check;

/// Who lived when the process was stopped, and calls within X of the resume, is never shown expired.
pub(in crate::judge) fn check(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    kept: &mut Kept,
    horizon: Horizon,
    tallies: &mut Tallies,
) {
    while let Some(pause) = subject.evidence.pauses.get(kept.pauses) {
        // Whatever can count for it has begun by then.
        let known = pause.continued.e.saturating_add(subject.timeouts.expires_us);
        if horizon.until <= known && !horizon.last {
            return;
        }
        kept.pauses += 1;
        let Some(first) = first_call(subject, sightings, pause) else { continue };
        // From its answer on the new heartbeat decides, and TIME-2 with it; a refusal of it is judged here.
        let until = pause.continued.s.saturating_add(subject.timeouts.expires_us);
        let within = |seen: &&Sighting| {
            !matches!(seen.lane, Lane::Unchanged(_))
                && seen.span.e > pause.stopped.e
                && seen.span.e < until
                && (seen.span.s < first.e || seen.span == first)
        };
        for seen in sightings.iter().filter(within) {
            tallies.of(Check::Time9).decide(None);
            if !seen.seen.meets(States::LIVE) {
                let sentence = format!(
                    "{} was {} behind a pause of {} ms, although it had lived when the process was stopped and called \
                     {} ms behind the resume; X is {} ms.",
                    subject.id,
                    seen.seen.words(),
                    milliseconds(pause.continued.s - pause.stopped.e.min(pause.continued.s)),
                    milliseconds(first.e.saturating_sub(pause.continued.s)),
                    milliseconds(subject.timeouts.expires_us)
                );
                tallies.expired_wrongly(seen.lane, seen.span);
                let case = case(subject, seen.span, until - seen.span.e, sentence);
                tallies.of(Check::Time9).break_with(case);
            }
        }
    }
}

/// The first heartbeat of one who lived at the stop that was answered, in whatever way, behind the resume and within X
/// of it.
fn first_call(subject: &Subject<'_>, sightings: &[Sighting], pause: &Pause) -> Option<Span> {
    let stopped = pause.stopped;
    let lease = &subject.lease;
    let before = lease.surest(Span { s: stopped.s, e: stopped.e }, true)?;
    let lived = lease.beats[before].span.s.saturating_add(subject.timeouts.expires_us) > stopped.e;
    if !lived {
        return None;
    }
    // A new registration tells nothing of the old lease.
    let accepted =
        lease.beats.iter().filter(|beat| beat.certain && !beat.restart && !beat.full).map(|beat| beat.span);
    let refused = sightings.iter().filter(|seen| seen.lane == Lane::Heartbeat).map(|seen| seen.span);
    let until = pause.continued.s.saturating_add(subject.timeouts.expires_us);
    let first =
        accepted.chain(refused).filter(|span| span.e > pause.continued.s).min_by_key(|span| span.e)?;
    // Nor does anything behind a deregistration.
    let left = lease.leaves.iter().any(|leave| leave.act_by > stopped.s && leave.span.s < first.e);
    (first.e < until && !left).then_some(first)
}
