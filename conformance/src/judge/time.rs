//! TIME-1 to TIME-5 and TIME-7: what silence does, and when. TIME-6 is in `types`, the wave of TIME-4 in `wave`, TIME-8
//! in `stepped`, TIME-9 in `pause`.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::Subject;
use super::evidence::{AgentRecord, Evidence, ListView, Span};
use super::lease::{States, Timeouts};
use super::race;
use super::settle::Horizon;
use super::sighting::{Lane, Sighting};
use super::tally::{Case, Tallies, Tally, milliseconds};
use super::view::{self, Memory};
use crate::catalogue::Check;

mod pause;
mod stepped;
mod types;
mod wave;

pub(super) use pause::check as check_pause;
pub(super) use stepped::{check_hardships, forget_older, stepped};
pub(super) use types::ByType;
pub(super) use wave::Wave;

/// TIME-1, TIME-2 and RACE-2: nothing happens before its time. Tolerance 0.
pub(super) fn check_early(
    subject: &Subject<'_>,
    sighting: &Sighting,
    memory: &Memory,
    tallies: &mut Tallies,
) {
    let view = sighting.span;
    let Some(index) = subject.lease.surest(view, false) else { return };
    let beat = &subject.lease.beats[index];
    if subject.restart_between(beat.span, view).is_some() {
        return;
    }
    check_not_expired(subject, sighting, index, memory, tallies);
    let Some(degraded_us) = subject.timeouts.degraded_us else { return };
    let deadline = beat.span.s.saturating_add(degraded_us);
    let (_, carriers) = subject.lease.in_force(view, false);
    let allowed = carriers
        .iter()
        .filter_map(|beat| beat.reported)
        .fold(States::NONE, |states, reported| states.or(States::reported(reported)));
    if view.e >= deadline || !sighting.seen.meets(States::LIVE) || allowed == States::NONE {
        tallies.of(Check::Time1).sample();
        return;
    }
    let raced = race::decides(&subject.lease, index, view, degraded_us);
    let check = if raced.is_some() { Check::Race2 } else { Check::Time1 };
    tallies.owned(sighting.lane, check).decide(Some(deadline - view.e));
    if sighting.seen.meets(allowed) || view::is_old_status(subject, sighting, memory) {
        return;
    }
    let sentence = format!(
        "{} was shown as {} {} ms after a heartbeat of {} that reported {}{}; D is {} ms.",
        subject.id,
        sighting.seen.words(),
        milliseconds(view.e - beat.span.s),
        milliseconds(beat.span.s),
        allowed.words(),
        race_words(raced),
        milliseconds(degraded_us)
    );
    tallies.owned(sighting.lane, check).break_with(case(subject, view, deadline - view.e, sentence));
}

fn check_not_expired(
    subject: &Subject<'_>,
    sighting: &Sighting,
    index: usize,
    memory: &Memory,
    tallies: &mut Tallies,
) {
    let view = sighting.span;
    let beat = &subject.lease.beats[index];
    let deadline = beat.span.s.saturating_add(subject.timeouts.expires_us);
    if view.e >= deadline {
        tallies.of(Check::Time2).sample();
        return;
    }
    let raced = race::decides(&subject.lease, index, view, subject.timeouts.expires_us);
    let check = if raced.is_some() { Check::Race2 } else { Check::Time2 };
    tallies.owned(sighting.lane, check).decide(Some(deadline - view.e));
    if sighting.seen.meets(States::LIVE) || view::is_unseen(subject, sighting, memory) {
        return;
    }
    let sentence = format!(
        "{} was {} {} ms after a heartbeat of {} was accepted{}; X is {} ms.",
        subject.id,
        sighting.seen.words(),
        milliseconds(view.e - beat.span.s),
        milliseconds(beat.span.s),
        race_words(raced),
        milliseconds(subject.timeouts.expires_us)
    );
    tallies.expired_wrongly(sighting.lane, view);
    tallies.owned(sighting.lane, check).break_with(case(subject, view, deadline - view.e, sentence));
}

/// TIME-3 and TIME-4: everything happens by its time, W and d allowed.
pub(super) fn check_late(subject: &Subject<'_>, sighting: &Sighting, tallies: &mut Tallies) {
    let view = sighting.span;
    if subject.lease.surely_left(view).is_some() {
        return;
    }
    let Some(latest) = subject.latest_renewal(view) else { return };
    let due = |timeout: u64| latest.saturating_add(timeout).saturating_add(subject.late_us);
    let expired = due(subject.timeouts.expires_us);
    if let Some(degraded) = subject.timeouts.degraded_us.map(due) {
        let tally = tallies.owned(sighting.lane, Check::Time3);
        // Behind X an expired agent proves nothing about D.
        if view.s > degraded && view.s < latest.saturating_add(subject.timeouts.expires_us) {
            tally.decide(Some(view.s - degraded));
        } else {
            tally.sample();
        }
        if view.s > degraded && sighting.seen == States::HEALTHY {
            tally.break_with(late_case(subject, sighting, latest, degraded, "D"));
        }
    }
    if view.s <= expired {
        tallies.of(Check::Time4).sample();
        return;
    }
    let tally = tallies.owned(sighting.lane, Check::Time4);
    tally.decide(Some(view.s - expired));
    let gone = subject.timeouts.evicted_us.map(due).filter(|gone| view.s > *gone);
    match gone {
        Some(gone) if !sighting.seen.meets(States::GONE) => {
            tally.break_with(late_case(subject, sighting, latest, gone, "Q"));
        }
        _ if sighting.seen.within(States::LIVE) || sighting.misplaced => {
            tally.break_with(late_case(subject, sighting, latest, expired, "X"));
        }
        _ => {}
    }
}

fn late_case(subject: &Subject<'_>, sighting: &Sighting, latest: u64, due: u64, which: &str) -> Case {
    let view = sighting.span;
    let sentence = format!(
        "{} was still shown as {} {} ms after the last heartbeat that can have counted ({} ms); {which} with W and d \
         had passed at {} ms.",
        subject.id,
        sighting.seen.words(),
        milliseconds(view.s - latest),
        milliseconds(latest),
        milliseconds(due)
    );
    case(subject, view, view.s - due, sentence)
}

/// TIME-3 and TIME-4 cannot be decided by a harness whose own slack hides half of the time between two deadlines; and
/// one that is so late has hardly looked at steady agents just before their next heartbeat, as TIME-7 needs, nor at
/// expired ones just behind a restart, as DURABLE-4 does.
pub(super) fn check_slack(evidence: &Evidence, types: &ByType, tallies: &mut Tallies) {
    let Some(end) = &evidence.end else { return };
    let policies = &evidence.header.policies;
    let shortest = types
        .names()
        .filter_map(|name| policies.get(name).or_else(|| policies.get("default")))
        .map(|policy| Timeouts::of(policy, &evidence.header.abilities))
        .map(|timeouts| timeouts.shortest_gap_us())
        .min();
    if let Some(shortest) = shortest.filter(|shortest| end.slack_us > shortest / 2) {
        let late = [Check::Time3, Check::Time4, Check::Time7, Check::Time8, Check::Durable3, Check::Durable4];
        for check in late {
            tallies.of(check).hindrance = Some(format!(
                "the harness itself woke up to {} ms late; to tell a late registry from that it must not be later than {} \
                 ms, half of the shortest time between two deadlines: run it again when this machine has less to do, on \
                 a faster one, or with longer timeouts",
                milliseconds(end.slack_us),
                milliseconds(shortest / 2)
            ));
        }
    }
}

/// What views of one silence had shown.
#[derive(Debug, Default)]
pub(super) struct Order {
    silence: Option<(usize, usize)>,
    /// End, state and beginning of views that a later one may have begun within.
    pending: BinaryHeap<Reverse<(u64, u32, u64)>>,
    reached: Option<(u32, Span)>,
}

/// TIME-5: between heartbeats a status never goes back.
pub(super) fn check_order(
    subject: &Subject<'_>,
    sightings: &[Sighting],
    order: &mut Order,
    tally: &mut Tally,
) {
    for sighting in sightings.iter().filter(|sighting| !matches!(sighting.lane, Lane::Unchanged(_))) {
        let view = sighting.span;
        let number = subject.lease.silence_number(view);
        if number.is_none() {
            continue;
        }
        if number != order.silence {
            *order = Order { silence: number, ..Order::default() };
        }
        while let Some(Reverse((end, rank, start))) = order.pending.peek().copied()
            && end < view.s
        {
            order.pending.pop();
            if order.reached.is_none_or(|(highest, _)| rank > highest) {
                order.reached = Some((rank, Span { s: start, e: end }));
            }
        }
        order.pending.push(Reverse((view.e, sighting.seen.first_rank(), view.s)));
        match order.reached {
            Some((rank, _)) if rank > 0 => tally.decide(None),
            _ => tally.sample(),
        }
        if let Some((rank, earlier)) = order.reached
            && sighting.seen.last_rank() < rank
        {
            let sentence = format!(
                "{} was {} at {} ms although a view that ended at {} ms had shown it as {} and no heartbeat came \
                 between.",
                subject.id,
                sighting.seen.words(),
                milliseconds(view.s),
                milliseconds(earlier.e),
                ["healthy", "degraded", "expired", "gone"].get(rank as usize).unwrap_or(&"gone")
            );
            let proven = case(subject, view, view.s - earlier.e, sentence);
            tally.break_with(Case { wrong: Span { s: earlier.s, e: view.e }, ..proven });
        }
    }
}

/// So many heartbeats in a row make an agent steady.
const STEADY_BEATS: usize = 5;

/// TIME-7: steady heartbeats at gaps provably below D never show anything but healthy.
pub(super) fn check_steady(subject: &Subject<'_>, sightings: &[Sighting], tally: &mut Tally) {
    let steady_us = subject.timeouts.steady_us();
    let mut widest = 0;
    for sighting in sightings.iter().filter(|sighting| !matches!(sighting.lane, Lane::Unchanged(_))) {
        let view = sighting.span;
        let Some(index) = subject.lease.surest(view, false) else { continue };
        let beat = &subject.lease.beats[index];
        let Some((length, gap)) = beat.run else { continue };
        let deadline = beat.span.s.saturating_add(steady_us);
        let (_, carriers) = subject.lease.in_force(view, false);
        let healthy = carriers.iter().all(|beat| beat.reported == Some(reports::history::Reported::Healthy));
        if length < STEADY_BEATS
            || view.e >= deadline
            || !healthy
            || race::decides(&subject.lease, index, view, steady_us).is_some()
            || subject.restart_between(beat.span, view).is_some()
        {
            tally.sample();
            continue;
        }
        widest = widest.max(gap);
        tally.decide(None);
        if !sighting.seen.meets(States::HEALTHY) {
            let sentence = format!(
                "{} was {} at {} ms although its last {length} heartbeats came at gaps of at most {} ms; D is {} ms.",
                subject.id,
                sighting.seen.words(),
                milliseconds(view.s),
                milliseconds(gap),
                milliseconds(steady_us)
            );
            tally.break_with(case(subject, view, deadline - view.e, sentence));
        }
    }
    if widest > 0 {
        let share = widest.saturating_mul(100) / steady_us.max(1);
        tally.remark_best(share, |share| format!("the widest gap was {share} % of D"));
    }
}

/// An agent that was let go long ago is not listed again without a call of its own.
pub(super) fn check_long_gone(
    evidence: &Evidence,
    record: &AgentRecord,
    lists: &[ListView],
    due: u64,
    horizon: Horizon,
    tallies: &mut Tallies,
) {
    // A restart may give a full lease to whoever stands in the store.
    let longest = evidence.header.policies.values().map(|policy| policy.expires_after_ms).max().unwrap_or(0);
    let restarted = evidence.restarts.last().map(|restart| restart.started.e);
    let leased = restarted.map_or(0, |at| at.saturating_add(longest.saturating_mul(1000)));
    let listed = record.listed.iter().filter_map(|listed| {
        let view = lists.get(listed.list as usize).filter(|view| !view.unchanged)?;
        Some((view.span, listed.status?))
    });
    let told = record.told.iter().filter(|told| told.span.s < horizon.until);
    for (span, status) in listed.chain(told.filter_map(|told| Some((told.span, told.now?.0)))) {
        if !States::of(status).within(States::LIVE) || span.s <= due.max(leased) {
            continue;
        }
        let sentence = format!(
            "{} was shown as {} although it was silent for so long that it must have been gone at {} ms.",
            record.id,
            States::of(status).words(),
            milliseconds(due)
        );
        tallies.of(Check::Time4).break_with(Case {
            agent: Some(record.id.clone()),
            view: span,
            wrong: span,
            by_us: span.s - due,
            sentence,
        });
    }
}

pub(super) fn case(subject: &Subject<'_>, view: Span, by_us: u64, sentence: String) -> Case {
    Case { agent: Some(subject.id.to_owned()), view, wrong: view, by_us, sentence }
}

fn race_words(raced: Option<usize>) -> String {
    raced.map(|count| format!(", the latest of {count} in flight together")).unwrap_or_default()
}
