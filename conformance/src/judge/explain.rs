//! The timeline of a case: heartbeats, views and deadlines of one agent on one axis.

use reports::history::{Line, LineRef, Operation};

use super::beside::TroubleKind;
use super::evidence::{Evidence, Span};
use super::lease::Lease;
use super::sighting::{self, Lane};
use super::tally::{Case, milliseconds};
use super::{Subject, late_allowance_us};

/// The most lines that a timeline has.
const LINES: usize = 40;

/// What the line that proves a case ends with.
const WRONG: &str = "  <== WRONG";

/// So long before a case, and so long behind it, its timeline may tell of.
const BEHIND_US: u64 = 5_000_000;

/// The calls that timelines are told from.
pub(super) struct Around {
    agents: Vec<Option<String>>,
    spans: Vec<Span>,
}

impl Around {
    /// Of these cases.
    pub(super) fn of(cases: &[Case], evidence: &Evidence) -> Self {
        let policies = evidence.header.policies.values();
        let longest = policies.map(|it| it.evict_after_ms.unwrap_or(0).max(it.expires_after_ms)).max();
        let before = longest.unwrap_or(0).saturating_mul(1000).saturating_add(late_allowance_us(evidence));
        let spans = cases.iter().map(|case| Span {
            s: case.wrong.s.min(case.view.s).saturating_sub(before.saturating_add(BEHIND_US)),
            e: case.view.e.saturating_add(BEHIND_US),
        });
        Self { agents: cases.iter().map(|case| case.agent.clone()).collect(), spans: spans.collect() }
    }

    /// Whether a line belongs to one of them: what an agent declared always does.
    pub(super) fn wants(&self, line: &LineRef<'_>) -> bool {
        let LineRef::Call(call) = line else {
            return !matches!(line, LineRef::Other(Line::Exchange(_)));
        };
        let near = |span: &Span| call.s_us <= span.e && call.e_us >= span.s;
        if matches!(call.op, Operation::List | Operation::Watch) {
            return self.spans.iter().any(near);
        }
        let id = call.agent.as_ref().map(|agent| agent.0.as_ref());
        let mut own = self.agents.iter().zip(&self.spans).filter(|(agent, _)| agent.as_deref() == id);
        own.any(|(_, span)| near(span) || call.op == Operation::Register)
    }
}

/// What happened around a case, line by line.
pub(super) fn timeline(evidence: &Evidence, case: &Case) -> Vec<String> {
    let agent = case.agent.as_ref().and_then(|id| evidence.agent(id));
    let subject = agent.and_then(|agent| Subject::of(evidence, &agent.record));
    let mut events: Vec<(u64, String)> = Vec::new();
    let mut views: Vec<(u64, String)> = Vec::new();
    let mut from = case.wrong.s;
    if let Some(subject) = &subject {
        from = add_deadlines(subject, case.view, &mut events);
        add_calls(subject, case, &mut events);
        add_sightings(subject, case, &mut views);
    } else {
        add_lists(evidence, case, &mut views);
    }
    add_surroundings(evidence, case, &mut events);
    let other = events.into_iter().map(|(at, words)| Event { at, words, is_view: false });
    let views = views.into_iter().map(|(at, words)| Event { at, words, is_view: true });
    let mut events: Vec<Event> = other.chain(views).collect();
    // What proves it may be a call that neither renews nor shows anything, such as a refusal.
    if !events.is_empty() && !events.iter().any(|event| event.words.contains(WRONG)) {
        let died = evidence.beside.deaths.contains(&case.view);
        let what = if died { "the end that proves it, seen" } else { "the call that proves it, answered" };
        let words = format!("{what} at {} ms{WRONG}", milliseconds(case.view.e));
        events.push(Event { at: case.view.s, words, is_view: false });
    }
    events.sort_by_key(|event| event.at);
    let last = events.iter().rposition(|event| event.at <= case.view.e).unwrap_or(0);
    events.truncate(last + 3);
    events.retain(|event| event.at >= from);
    leave_views_out(&mut events);
    let first = events.len().saturating_sub(LINES);
    let shown = events.iter().skip(first);
    shown.map(|event| format!("{:>12} ms  {}", milliseconds(event.at), event.words)).collect()
}

/// A line of a timeline.
struct Event {
    at: u64,
    words: String,
    is_view: bool,
}

/// Where there are too many lines, the earliest views make room for the heartbeats that the case is about.
fn leave_views_out(events: &mut Vec<Event>) {
    let excess = (events.len() + 1).saturating_sub(LINES);
    if excess < 2 {
        return;
    }
    let views = events.iter().filter(|event| event.is_view).count();
    let mut left = excess.min(views);
    let Some(first) = events.iter().position(|event| event.is_view) else { return };
    let words = format!("({left} views are left out from here on)");
    let at = events[first].at;
    events.retain(|event| {
        let goes = event.is_view && left > 0;
        left -= usize::from(goes);
        !goes
    });
    events.insert(first, Event { at, words, is_view: false });
}

/// Adds the deadlines that the view is held to; gives the instant from which the story is told.
fn add_deadlines(subject: &Subject<'_>, view: Span, events: &mut Vec<(u64, String)>) -> u64 {
    let lease = &subject.lease;
    let timeouts = [
        ("D", subject.timeouts.degraded_us),
        ("X", Some(subject.timeouts.expires_us)),
        ("Q", subject.timeouts.evicted_us),
    ];
    let surest = lease.surest(view, true).map(|index| lease.beats[index].span.s);
    let late_us = late_allowance_us(subject.evidence);
    for (name, timeout) in timeouts {
        let Some(timeout) = timeout else { continue };
        if let Some(from) = surest {
            events.push((from.saturating_add(timeout), format!("| {name} is reached at the earliest")));
        }
        if let Some(latest) = subject.latest_renewal(view).filter(|latest| *latest < u64::MAX) {
            let due = latest.saturating_add(timeout).saturating_add(late_us);
            events.push((due, format!("| {name} must show by now (W + d are {} ms)", milliseconds(late_us))));
        }
    }
    let from = surest.or_else(|| last_call_before(lease, view)).unwrap_or(view.s);
    // Two heartbeats of history behind the one that counts, so that a race can be seen.
    let index = lease.beats.partition_point(|beat| beat.span.s < from);
    lease.beats.get(index.saturating_sub(2)).map_or(from, |beat| beat.span.s.min(from))
}

fn last_call_before(lease: &Lease, view: Span) -> Option<u64> {
    lease.beats.iter().rfind(|beat| beat.span.s < view.e).map(|beat| beat.span.s)
}

/// What a call is followed by if it is the one that proves the case.
fn mark(span: Span, case: &Case) -> &'static str {
    if span == case.view { WRONG } else { "" }
}

fn add_calls(subject: &Subject<'_>, case: &Case, events: &mut Vec<(u64, String)>) {
    for beat in subject.lease.beats.iter().filter(|beat| !beat.restart) {
        let outcome = format!("{:?}", beat.outcome).to_lowercase();
        let document = beat.document.map(|document| format!(", document {document}")).unwrap_or_default();
        let words = format!(
            "{} {outcome}, answered at {} ms{document}{}",
            beat.op.name(),
            milliseconds(beat.span.e),
            mark(beat.span, case)
        );
        events.push((beat.span.s, words));
    }
    for leave in &subject.lease.leaves {
        let outcome = if leave.certain { "left" } else { "without a clear answer" };
        let (answered, wrong) = (milliseconds(leave.span.e), mark(leave.span, case));
        events.push((leave.span.s, format!("leave {outcome}, answered at {answered} ms{wrong}")));
    }
}

fn add_sightings(subject: &Subject<'_>, case: &Case, events: &mut Vec<(u64, String)>) {
    for seen in sighting::of_lists(subject.evidence, subject.record, &subject.lease) {
        let lane = match seen.lane {
            Lane::Read => "read",
            Lane::Heartbeat => "heartbeat answered 'unknown'",
            Lane::List(_) => "list",
            Lane::Changes(_) => "what changed in a list",
            Lane::Unchanged(_) => "304, its body",
        };
        let document = seen.document.map(|document| format!(", document {document}")).unwrap_or_default();
        let mark = mark(seen.span, case);
        let words = format!(
            "{lane} shows {}{document}, answered at {} ms{mark}",
            seen.seen.words(),
            milliseconds(seen.span.e)
        );
        events.push((seen.span.s, words));
    }
}

fn add_lists(evidence: &Evidence, case: &Case, events: &mut Vec<(u64, String)>) {
    let near = |span: Span| span.e >= case.wrong.s.saturating_sub(100_000) && span.s <= case.wrong.e;
    for view in evidence.lists.iter().filter(|view| near(view.span)) {
        let mark = mark(view.span, case);
        let kind = if view.unchanged { "304 to" } else { "list with" };
        let words = format!(
            "{kind} tag {}, revision {}, answered at {} ms{mark}",
            view.etag.as_deref().unwrap_or("none"),
            view.revision.map_or_else(|| "none".to_owned(), |revision| revision.to_string()),
            milliseconds(view.span.e)
        );
        events.push((view.span.s, words));
    }
}

fn add_surroundings(evidence: &Evidence, case: &Case, events: &mut Vec<(u64, String)>) {
    for restart in &evidence.restarts {
        events.push((restart.killed.s, "| the registry was killed or died".to_owned()));
        events.push((restart.started.s, "| the registry was started again".to_owned()));
        events.push((restart.started.e, "| the registry was ready".to_owned()));
    }
    for pause in &evidence.pauses {
        events.push((pause.stopped.s, "| the registry was stopped".to_owned()));
        events.push((pause.continued.s, "| the registry was continued".to_owned()));
    }
    for trouble in &evidence.beside.troubles {
        let (begun, over) = match trouble.kind {
            TroubleKind::Locked => ("store was locked", "store was given back"),
            TroubleKind::FullDisk => ("disk was filled", "disk had room again"),
        };
        events.push((trouble.held.s, format!("| the registry's {begun}")));
        events.push((trouble.freed.s, format!("| the registry's {over}")));
    }
    for (step, offset) in &evidence.beside.steps {
        events.push((step.s, format!("| the wall clock was set {offset} s from the true one")));
    }
    for provocation in evidence.provocations.iter().filter(|provocation| provocation.agent == case.agent) {
        events.push((provocation.span.s, format!("provoked: {}", provocation.route)));
    }
    for touch in evidence.touches.iter().filter(|touch| touch.agent == case.agent) {
        let words = format!(
            "{} call from {} to {}: {:?}{WRONG}",
            touch.protocol, touch.from, touch.address, touch.first_bytes
        );
        events.push((touch.at_us, words));
    }
}
