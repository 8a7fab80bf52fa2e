//! When something visible may have changed; outside of these spans nothing can have.

use std::collections::VecDeque;

use reports::history::Outcome;

use super::super::Subject;
use super::super::evidence::{Evidence, Span};
use super::super::lease::{Lease, Timeouts};
use super::super::settle::Horizon;

/// A heartbeat of which everything is noted: itself and its three deadlines.
pub(in crate::judge) const ALL_NOTED: u8 = 0b1111;

/// So many stretches in which something may have changed are kept; what was before the oldest counts as changed.
const KEPT: usize = 200_000;

/// Which changes of a heartbeat can be told when every call that began before `begun` is known, one bit each.
pub(in crate::judge) fn notable(lease: &Lease, timeouts: &Timeouts, index: usize, begun: u64) -> u8 {
    let beat = &lease.beats[index];
    if beat.span.s >= begun {
        return 0;
    }
    // A heartbeat that was surely renewed has no deadline that is still to come.
    if next_certain(lease, index).is_some_and(|next| next.s < begun) {
        return ALL_NOTED;
    }
    let mut bits = 1;
    for (number, timeout) in deadlines(timeouts).into_iter().enumerate() {
        if timeout.is_none_or(|timeout| beat.span.s.saturating_add(timeout) < begun) {
            bits |= 2 << number;
        }
    }
    bits
}

fn deadlines(timeouts: &Timeouts) -> [Option<u64>; 3] {
    [timeouts.degraded_us, Some(timeouts.expires_us), timeouts.evicted_us]
}

fn next_certain(lease: &Lease, index: usize) -> Option<Span> {
    let from = lease.beats[index].span.s;
    let mut later = lease.beats[index + 1..].iter();
    later.find(|later| later.certain && later.span.s > from).map(|later| later.span)
}

/// Notes what an agent's calls and deadlines may have changed, each once.
pub(super) fn note(subject: &Subject<'_>, horizon: Horizon, spans: &mut Vec<Span>, timers: &mut Vec<Span>) {
    let lease = &subject.lease;
    let timeouts = &subject.timeouts;
    let leaves = lease.leaves.iter().filter(|leave| leave.span.s < horizon.begun);
    spans.extend(leaves.map(|leave| Span { s: leave.span.s, e: leave.act_by }));
    for (index, beat) in lease.beats.iter().enumerate() {
        if beat.noted == ALL_NOTED {
            continue;
        }
        let now = notable(lease, timeouts, index, horizon.begun) & !beat.noted;
        if now & 1 != 0 {
            let before = lease.surest_before(beat.span.s);
            let awake =
                before.is_some_and(|before| beat.span.e < before.saturating_add(timeouts.steady_us()));
            if beat.outcome != Outcome::Renewed || !awake {
                spans.push(Span { s: beat.span.s, e: beat.act_by });
            }
        }
        if now & !1 == 0 {
            continue;
        }
        // A heartbeat that was surely renewed in time has no deadline of its own.
        let renewed_by = next_certain(lease, index).map_or(u64::MAX, |next| next.e);
        for (number, timeout) in deadlines(timeouts).into_iter().enumerate() {
            let Some(timeout) = timeout.filter(|_| now & (2 << number) != 0) else { continue };
            let earliest = beat.span.s.saturating_add(timeout);
            if renewed_by >= earliest {
                let due = |since: u64| since.saturating_add(timeout).saturating_add(subject.late_us);
                // A pause of the process moves what was still to come.
                let pauses = subject.evidence.pauses.iter().filter(|pause| pause.continued.e > beat.span.s);
                let latest = pauses.fold(due(beat.act_by), |latest, pause| {
                    if pause.stopped.s < latest { latest.max(due(pause.continued.e)) } else { latest }
                });
                timers.push(Span { s: earliest, e: latest });
            }
        }
    }
}

/// Spans in which something may have changed.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// Apart from each other, by start.
    spans: Vec<Span>,
    /// Timers whose change may be still to come: by start, apart from each other.
    open: Vec<Span>,
    /// Beginnings of whole lists behind them.
    whole: VecDeque<u64>,
    restarts: usize,
    forgotten_until: u64,
}

impl Changes {
    /// Adds what is known of the process.
    pub(super) fn restarts(&mut self, evidence: &Evidence) {
        for restart in evidence.restarts.iter().skip(self.restarts) {
            self.spans.push(Span { s: restart.killed.s, e: restart.started.e });
        }
        self.restarts = evidence.restarts.len();
    }

    /// Adds spans, timers, and the beginnings of whole lists of everybody, which come in order.
    ///
    /// A timer's transition takes its revision at the latest when an answer first shows it: until the first whole list
    /// behind a deadline begins, the change may be still to come.
    pub(super) fn add(&mut self, spans: Vec<Span>, timers: Vec<Span>, whole: Vec<u64>, horizon: Horizon) {
        self.whole.extend(whole);
        self.spans.extend(spans);
        let mut open = std::mem::take(&mut self.open);
        open.extend(timers);
        for timer in open {
            let next = self.whole.partition_point(|list| *list <= timer.e);
            match self.whole.get(next) {
                Some(list) => self.spans.push(Span { s: timer.s, e: list - 1 }),
                None => self.open.push(timer),
            }
        }
        // An open one reaches as far as anything that is known.
        apart(&mut self.open);
        apart(&mut self.spans);
        // A timer that is noted later may have been due a little before; it ends behind all lists of long ago.
        let kept = self.whole.partition_point(|list| *list < horizon.from);
        self.whole.drain(..kept);
    }

    /// Anything may change until then.
    pub(super) fn doubt_until(&mut self, until: u64) {
        self.forgotten_until = self.forgotten_until.max(until);
    }

    /// Whether a change may fall into this span.
    pub(super) fn may_fall_in(&self, span: Span) -> bool {
        let next = self.spans.partition_point(|change| change.e < span.s);
        span.s < self.forgotten_until
            || self.spans.get(next).is_some_and(|change| change.s <= span.e)
            || self.open.first().is_some_and(|change| change.s <= span.e)
    }

    /// Nobody asks for anything before `begun` any more.
    pub(super) fn forget(&mut self, begun: u64) {
        let mut kept = self.spans.partition_point(|change| change.e < begun);
        if self.spans.len() - kept > KEPT {
            kept = self.spans.len() - KEPT / 2;
            self.forgotten_until = self.spans[kept].s;
        }
        self.spans.drain(..kept);
    }
}

fn apart(spans: &mut Vec<Span>) {
    spans.sort_by_key(|span| span.s);
    let mut apart: Vec<Span> = Vec::with_capacity(spans.len());
    for span in spans.drain(..) {
        match apart.last_mut() {
            Some(last) if span.s <= last.e => last.e = last.e.max(span.e),
            _ => apart.push(span),
        }
    }
    *spans = apart;
}

/// Accepted renewals by start, with the earliest end from each on.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    /// Those that no later one ends before.
    spans: Vec<Span>,
}

impl Renewals {
    pub(super) fn add(&mut self, spans: Vec<Span>) {
        self.spans.extend(spans);
        self.spans.sort_by_key(|span| (span.s, std::cmp::Reverse(span.e)));
        let mut earliest = u64::MAX;
        let mut kept: Vec<Span> = Vec::new();
        for span in self.spans.iter().rev() {
            if span.e < earliest {
                earliest = span.e;
                kept.push(*span);
            }
        }
        kept.reverse();
        self.spans = kept;
    }

    /// The earliest end of those that began at `from` or later.
    pub(super) fn earliest_end(&self, from: u64) -> Option<u64> {
        self.spans.get(self.spans.partition_point(|span| span.s < from)).map(|span| span.e)
    }

    /// Nobody asks from before `begun` any more.
    pub(super) fn forget(&mut self, begun: u64) {
        let kept = self.spans.partition_point(|span| span.s < begun);
        self.spans.drain(..kept);
    }
}
