//! VIEW-5: renewals, any number, change neither entity tag nor revision.

use reports::history::Outcome;

use super::evidence::{Evidence, ListView, Span};
use super::tally::{Case, Tallies, Tally, milliseconds};
use super::{Subject, late_allowance_us};
use crate::catalogue::Check;

/// When something visible may have changed; outside of these spans nothing can have.
#[derive(Debug)]
pub(super) struct Changes {
    /// Apart from each other, by start.
    spans: Vec<Span>,
}

impl Changes {
    /// From every agent's calls and deadlines, both sides' allowances included.
    pub(super) fn of(evidence: &Evidence) -> Self {
        let mut spans = Vec::new();
        let mut timers = Vec::new();
        if evidence.strangers {
            spans.push(Span { s: 0, e: u64::MAX });
        }
        for restart in &evidence.restarts {
            spans.push(Span { s: restart.killed.s, e: restart.started.e });
        }
        for (id, record) in &evidence.agents {
            match Subject::of(evidence, id, record) {
                Some(subject) => add_changes(&subject, &mut spans, &mut timers),
                None if record.beats.is_empty() && record.leaves.is_empty() => {}
                None => spans.push(Span { s: 0, e: u64::MAX }),
            }
        }
        extend_to_next_list(evidence, &mut timers);
        spans.extend(timers);
        spans.sort_by_key(|span| span.s);
        let mut apart: Vec<Span> = Vec::new();
        for span in spans {
            match apart.last_mut() {
                Some(last) if span.s <= last.e => last.e = last.e.max(span.e),
                _ => apart.push(span),
            }
        }
        Self { spans: apart }
    }

    /// Whether a change may fall into this span.
    pub(super) fn may_fall_in(&self, span: Span) -> bool {
        let next = self.spans.partition_point(|change| change.e < span.s);
        self.spans.get(next).is_some_and(|change| change.s <= span.e)
    }
}

fn add_changes(subject: &Subject<'_>, spans: &mut Vec<Span>, timers: &mut Vec<Span>) {
    let lease = &subject.lease;
    let timeouts = &subject.timeouts;
    let late_us = late_allowance_us(subject.evidence);
    spans.extend(lease.leaves.iter().map(|leave| Span { s: leave.span.s, e: leave.act_by }));
    for (index, beat) in lease.beats.iter().enumerate() {
        let before = lease.surest_before(beat.span.s);
        let awake = before.is_some_and(|before| beat.span.e < before.saturating_add(timeouts.steady_us()));
        if beat.outcome != Outcome::Renewed || !awake {
            spans.push(Span { s: beat.span.s, e: beat.act_by });
        }
        // A heartbeat that was surely renewed in time has no deadline of its own.
        let renewed_by = lease.beats[index + 1..]
            .iter()
            .find(|later| later.certain && later.span.s > beat.span.s)
            .map_or(u64::MAX, |later| later.span.e);
        let deadlines =
            [timeouts.degraded_us, Some(timeouts.expires_us), timeouts.evicted_us].into_iter().flatten();
        for timeout in deadlines {
            let earliest = beat.span.s.saturating_add(timeout);
            if renewed_by >= earliest {
                let latest = beat.act_by.saturating_add(timeout).saturating_add(late_us);
                timers.push(Span { s: earliest, e: latest });
            }
        }
    }
}

/// A timer's transition takes its revision at the latest when an answer first shows it: until the first whole list
/// behind a deadline begins, the change may still be to come.
fn extend_to_next_list(evidence: &Evidence, timers: &mut [Span]) {
    let of_all = |view: &&ListView| {
        let filter = &evidence.filters[view.filter as usize];
        filter.capability.is_none() && filter.agent_type.is_none() && filter.label.is_none()
    };
    let mut lists: Vec<Span> =
        evidence.lists.iter().filter(|view| !view.unchanged).filter(of_all).map(|view| view.span).collect();
    lists.sort_by_key(|span| span.s);
    for change in timers.iter_mut().filter(|change| change.e < u64::MAX) {
        let next = lists.partition_point(|list| list.s <= change.e);
        change.e = lists.get(next).map_or(u64::MAX, |list| list.s - 1);
    }
}

/// Within each stretch without a possible change all views of a filter must carry one tag and one revision.
pub(super) fn check(evidence: &Evidence, tally: &mut Tally) {
    let changes = Changes::of(evidence);
    let renewals = Renewals::of(evidence);
    for filter in 0..evidence.filters.len() {
        let mut views: Vec<&ListView> = evidence
            .lists
            .iter()
            .filter(|view| view.filter as usize == filter && !view.unchanged)
            .filter(|view| view.etag.is_some() || view.revision.is_some())
            .collect();
        views.sort_by_key(|view| view.span.s);
        let mut anchor: Option<&ListView> = None;
        for view in views {
            let quiet =
                anchor.filter(|anchor| !changes.may_fall_in(Span { s: anchor.span.s, e: view.span.e }));
            let Some(first) = quiet else {
                tally.sample();
                anchor = Some(view);
                continue;
            };
            if first.span.e >= view.span.s || !renewals.any_within(first.span.e, view.span.s) {
                tally.sample();
                continue;
            }
            tally.decide(None);
            if let Some(difference) = difference(first, view) {
                tally.break_with(Case {
                    agent: None,
                    view: view.span,
                    wrong: Span { s: first.span.s, e: view.span.e },
                    by_us: 0,
                    sentence: format!(
                        "Between two lists at {} and {} ms there were only renewals, and yet {difference}.",
                        milliseconds(first.span.s),
                        milliseconds(view.span.s)
                    ),
                });
                // Each further change is a case of its own.
                anchor = Some(view);
            }
        }
    }
}

fn difference(first: &ListView, second: &ListView) -> Option<String> {
    if let (Some(before), Some(after)) = (first.revision, second.revision)
        && before != after
    {
        return Some(format!("the revision went from {before} to {after}"));
    }
    match (&first.etag, &second.etag) {
        (Some(before), Some(after)) if before != after => {
            Some(format!("the entity tag went from {before} to {after}"))
        }
        _ => None,
    }
}

/// Which changes can have fallen where rests on the timers and on read-your-write: where these are broken, a change
/// between two lists need not be the renewals' doing.
pub(super) fn settle(tallies: &mut Tallies) {
    let grounds = [
        (Check::Time1, "TIME-1"),
        (Check::Time2, "TIME-2"),
        (Check::Time3, "TIME-3"),
        (Check::Time4, "TIME-4"),
        (Check::Time5, "TIME-5"),
        (Check::Race2, "RACE-2"),
        (Check::View2, "VIEW-2"),
    ];
    let broken: Vec<&str> =
        grounds.into_iter().filter(|(check, _)| tallies.broken(*check) > 0).map(|(_, id)| id).collect();
    let tally = tallies.of(Check::View5);
    if tally.broken > 0 && !broken.is_empty() {
        tally.hindrance = Some(format!(
            "something changed between lists with nothing but renewals between them, but with {} broken the renewals \
             need not be the cause",
            broken.join(" and ")
        ));
        tally.broken = 0;
        tally.worst = None;
    }
}

/// Accepted renewals by start, with the earliest end from each on.
struct Renewals {
    starts: Vec<u64>,
    earliest_ends: Vec<u64>,
}

impl Renewals {
    fn of(evidence: &Evidence) -> Self {
        let mut spans: Vec<Span> = evidence
            .agents
            .values()
            .flat_map(|agent| &agent.beats)
            .filter(|beat| beat.certain && beat.outcome == Outcome::Renewed)
            .map(|beat| beat.span)
            .collect();
        spans.sort_by_key(|span| span.s);
        let mut earliest_ends: Vec<u64> = spans.iter().map(|span| span.e).collect();
        for index in (1..earliest_ends.len()).rev() {
            earliest_ends[index - 1] = earliest_ends[index - 1].min(earliest_ends[index]);
        }
        Self { starts: spans.iter().map(|span| span.s).collect(), earliest_ends }
    }

    fn any_within(&self, from: u64, to: u64) -> bool {
        let first = self.starts.partition_point(|start| *start < from);
        self.earliest_ends.get(first).is_some_and(|end| *end <= to)
    }
}
