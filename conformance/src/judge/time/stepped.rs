//! TIME-8: an agent that lives while the wall clock is stepped is judged as any other, and what it shows counts for
//! TIME-8 instead of TIME-1 to TIME-5.

use super::super::Subject;
use super::super::evidence::Evidence;
use super::super::sighting::Sighting;
use super::super::tally::Tallies;
use crate::catalogue::Check;

/// Whether it first called in a life of the process in which the clock was stepped.
pub(in crate::judge) fn stepped(subject: &Subject<'_>) -> bool {
    let evidence = subject.evidence;
    let Some(first) = subject.record.beats.iter().map(|beat| beat.span.s).min() else { return false };
    let restarts = &evidence.restarts;
    let life = restarts.partition_point(|restart| restart.started.s <= first);
    let mut steps = evidence.beside.steps.iter();
    steps.any(|(step, _)| restarts.partition_point(|restart| restart.started.s <= step.s) == life)
}

/// What an agent of an earlier life shows from the stepped one on is left out: a wrong clock would be held against
/// requirements of restarts.
pub(in crate::judge) fn forget_older(subject: &Subject<'_>, sightings: &mut Vec<Sighting>) {
    let restarts = &subject.evidence.restarts;
    let Some((step, _)) = subject.evidence.beside.steps.first() else { return };
    let Some(begun) = restarts.iter().rfind(|restart| restart.started.s <= step.s) else { return };
    if subject.record.beats.iter().any(|beat| beat.span.s < begun.killed.s) {
        sightings.retain(|seen| seen.span.e <= begun.killed.s);
    }
}

/// What was not done in this run decides nothing.
pub(in crate::judge) fn check_hardships(evidence: &Evidence, tallies: &mut Tallies) {
    let offsets = || evidence.beside.steps.iter().map(|(_, offset)| *offset);
    if !(offsets().any(|offset| offset >= 3_600) && offsets().any(|offset| offset <= -3_600)) {
        let tally = tallies.of(Check::Time8);
        tally.hindrance = Some("the wall clock was not stepped by an hour either way in this run".to_owned());
    }
    if evidence.pauses.is_empty() {
        let tally = tallies.of(Check::Time9);
        tally.hindrance = Some("the registry was not stopped and continued in this run".to_owned());
    }
}
