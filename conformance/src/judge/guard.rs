//! GUARD-1: lists beyond the registry's capacity turn no heartbeat away. GUARD-3: ids that are gone leave no memory taken.

use reports::history::{Exchange, Flood, Turnover};

use super::evidence::{Evidence, Span};
use super::probe::conversation;
use super::tally::{Case, Tallies, Tally, milliseconds};
use crate::catalogue::Check;

/// Lists must fall due at so many tenths of the capacity: five times, less what the harness's own timer loses.
const LEAST_TENTHS: u64 = 45;

/// A heartbeat without an answer is held against the registry only if the harness itself was never later than this:
/// a machine that keeps the harness waiting keeps the registry waiting too.
const MOST_LAG_US: u64 = 500_000;

/// So many more bytes than 1.2 times before are no growth: allocators keep freed pages in arenas, one for each of a
/// few threads, and take them back in pieces of up to a few MiB.
const ALLOCATOR_BYTES: u64 = 16 * 1024 * 1024;

/// What each id that went within the last ten minutes may still hold. The contract demands that its changes can be
/// asked for that long (registered, degraded, expired and gone, each with what a view had shown before), besides its
/// events, and that a deregistered incarnation is remembered. A registry that keeps the whole agent with its indexes
/// holds several times as much.
const CHANGES_BYTES: u64 = 4 * 1024;

/// So many ids the requirement names.
const MILLION: u64 = 1_000_000;

/// Of those that were to come so many per cent must have come: a registry may turn some away for a moment.
const ENOUGH_PERCENT: u64 = 95;

/// The contract demands so many changes whatever their age.
const LAST_CHANGES: u64 = 10_000;

/// Judges both.
pub(super) fn check(evidence: &Evidence, tallies: &mut Tallies) {
    flooded(evidence, tallies.of(Check::Guard1));
    turned_over(evidence, tallies.of(Check::Guard3));
}

fn flooded(evidence: &Evidence, tally: &mut Tally) {
    let Some(flood) = evidence.beside.floods.last() else {
        tally.hindrance = Some("no lists beyond its capacity were asked for in this run".to_owned());
        return;
    };
    let starved = flood.worst_lag_us > MOST_LAG_US;
    let mut unanswered = 0_u64;
    for beat in heartbeats(evidence, "flood") {
        let wrong = match beat.status() {
            Some(status @ (429 | 408 | 500..)) => format!("was refused with {status}"),
            Some(_) => {
                tally.decide(None);
                continue;
            }
            None if starved => {
                unanswered += 1;
                tally.sample();
                continue;
            }
            None => "got no answer".to_owned(),
        };
        tally.decide(None);
        let sentence = format!(
            "The heartbeat {} {} {wrong}, while lists came at {} times the registry's capacity.",
            beat.method,
            beat.target,
            times(flood)
        );
        if tally.worst.is_none() {
            tally.conversation = conversation(evidence, beat);
        }
        tally.break_with(case(Span { s: beat.sent_us, e: beat.done_us }, sentence));
    }
    if flood.refused_without_time > 0 {
        let sentence = format!(
            "{} of {} lists were turned away with 429 without `Retry-After` in whole seconds.",
            flood.refused_without_time, flood.refused
        );
        tally.break_with(case(Span { s: flood.s_us, e: flood.e_us }, sentence));
    }
    tally.hindrance = if unanswered > 0 {
        Some(format!(
            "{unanswered} heartbeats got no answer, but the harness itself was up to {} ms late",
            milliseconds(flood.worst_lag_us)
        ))
    } else {
        too_little(flood)
    };
    tally.remark = Some(format!(
        "lists came at {} times the {} a second that it answers, {} of {} were turned away; 99 % of the heartbeats were \
         answered within {} ms, before the lists within {} ms (the contract publishes no bound for that)",
        times(flood),
        flood.capacity_per_s,
        flood.refused,
        flood.due - flood.held_back.min(flood.due),
        milliseconds(most(evidence, "flood")),
        milliseconds(most(evidence, "calm")),
    ));
}

/// Why these lists were not five times what the registry can answer, if they were not.
fn too_little(flood: &Flood) -> Option<String> {
    if tenths(flood) < LEAST_TENTHS {
        return Some(format!(
            "lists came at only {} times the registry's capacity: the harness could not ask for more",
            times(flood)
        ));
    }
    // Whoever answers most of five times its capacity has a greater one.
    (flood.shown > flood.due / 2)
        .then(|| "it answered more than half of all lists: its capacity was measured too low".to_owned())
}

fn tenths(flood: &Flood) -> u64 {
    let lasted_us = flood.e_us.saturating_sub(flood.s_us);
    let in_that_time = flood.capacity_per_s.saturating_mul(lasted_us) / 1_000_000;
    flood.due.saturating_mul(10).checked_div(in_that_time).unwrap_or_default()
}

fn times(flood: &Flood) -> String {
    let tenths = tenths(flood);
    format!("{}.{}", tenths / 10, tenths % 10)
}

fn heartbeats<'a>(evidence: &'a Evidence, case: &'a str) -> impl Iterator<Item = &'a Exchange> {
    let of_guard = evidence.exchanges.iter().filter(|exchange| exchange.requirement == "GUARD-1");
    of_guard.filter(move |exchange| exchange.case == case && exchange.step == "heartbeat")
}

/// What 99 of 100 heartbeats of a case did not exceed.
fn most(evidence: &Evidence, case: &str) -> u64 {
    let answered = heartbeats(evidence, case).filter(|beat| beat.status().is_some());
    let mut all: Vec<u64> = answered.map(|beat| beat.done_us - beat.sent_us).collect();
    all.sort_unstable();
    let place = (all.len() * 99).div_ceil(100).saturating_sub(1);
    all.get(place).copied().unwrap_or_default()
}

fn turned_over(evidence: &Evidence, tally: &mut Tally) {
    let Some(turnover) = evidence.beside.turnovers.last() else {
        tally.hindrance = Some("no ids came and went in this run".to_owned());
        return;
    };
    tally.samples = turnover.ids;
    if turnover.before_bytes == 0 || turnover.after_bytes == 0 {
        tally.hindrance = Some("the memory of the registry's process could not be read".to_owned());
        return;
    }
    if !turnover.gone {
        tally.hindrance = Some("not all ids were gone when the memory was looked at".to_owned());
        return;
    }
    if turnover.ids < turnover.wanted_ids / 100 * ENOUGH_PERCENT {
        tally.hindrance = Some(format!(
            "only {} of {} ids came in the time that there was: it has to be run where more come",
            turnover.ids, turnover.wanted_ids
        ));
        return;
    }
    tally.decided = turnover.ids;
    let allowed = allowance(turnover);
    let told = format!(
        "{} of memory before, {} after {} ids had come and gone, {} at the most between; allowed were {}: 1.2 times \
         before, {} for the allocator, and {} for the changes of each of {} ids that the contract demands to be kept",
        size(turnover.before_bytes),
        size(turnover.after_bytes),
        turnover.ids,
        size(turnover.peak_bytes),
        size(allowed),
        size(ALLOCATOR_BYTES),
        size(CHANGES_BYTES),
        kept_ids(turnover)
    );
    if turnover.after_bytes > allowed {
        let span = Span { s: turnover.s_us, e: turnover.e_us };
        tally.break_with(case(span, format!("The process held {told}.")));
    }
    let fewer =
        if turnover.ids < MILLION / 100 * ENOUGH_PERCENT { "; --only GUARD-3 brings a million" } else { "" };
    tally.remark = Some(format!("{told}{fewer}"));
}

fn allowance(turnover: &Turnover) -> u64 {
    let ratio = turnover.before_bytes.saturating_mul(12) / 10;
    let changes = kept_ids(turnover).saturating_mul(CHANGES_BYTES);
    ratio.saturating_add(ALLOCATOR_BYTES).saturating_add(changes)
}

/// What was there before has its changes in the first look already.
fn kept_ids(turnover: &Turnover) -> u64 {
    turnover.recent_ids.max(LAST_CHANGES).min(turnover.ids)
}

fn size(bytes: u64) -> String {
    if bytes < 1024 * 1024 {
        return format!("{} KiB", bytes / 1024);
    }
    let tenths = bytes.saturating_mul(10) / (1024 * 1024);
    format!("{}.{} MiB", tenths / 10, tenths % 10)
}

fn case(span: Span, sentence: String) -> Case {
    Case { agent: None, view: span, wrong: span, by_us: 0, sentence }
}
