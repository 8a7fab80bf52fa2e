//! What may have changed when. VIEW-5: renewals, any number, change neither entity tag nor revision. VIEW-3: no 304 to a
//! tag that the views before and behind it had left. `changes` knows where nothing can have changed.

use std::rc::Rc;

use reports::history::Outcome;

use super::Subject;
use super::evidence::{AgentRecord, Evidence, ListView, Span};
use super::settle::Horizon;
use super::tally::{Case, Tallies, Tally, milliseconds};
use crate::catalogue::Check;

mod changes;

pub(super) use changes::{ALL_NOTED, notable};
use changes::{Changes, Renewals, note};

/// 304s that wait for the next whole answer are kept one by one up to this many; then those that wait for the same are
/// counted together.
const WAITING: usize = 1_000;

/// What agents' calls add, piece by piece.
#[derive(Debug, Default)]
pub(super) struct QuietAgents {
    spans: Vec<Span>,
    timers: Vec<Span>,
    renewals: Vec<Span>,
    /// Somebody acts whose deadlines nobody knows.
    unknown: bool,
}

impl QuietAgents {
    /// Notes what an agent's calls and deadlines may have changed.
    pub(super) fn take(&mut self, subject: &Subject<'_>, horizon: Horizon) {
        note(subject, horizon, &mut self.spans, &mut self.timers);
        self.renewals.extend(
            subject
                .lease
                .beats
                .iter()
                .filter(|beat| beat.certain && beat.outcome == Outcome::Renewed && !beat.restart)
                .map(|beat| beat.span)
                .filter(|span| span.s >= horizon.from && span.s < horizon.begun),
        );
    }

    /// Notes an agent that no policy is known of.
    pub(super) fn judge_nobody(&mut self, record: &AgentRecord) {
        self.unknown |= !(record.beats.is_empty() && record.leaves.is_empty());
    }
}

/// Lists of one filter, as far as they are settled.
#[derive(Debug, Default)]
struct OfFilter {
    /// The first of a stretch without a possible change, and the earliest end of a renewal behind it.
    anchor: Option<(ListView, Option<u64>)>,
    /// Whole answers that a 304 may come behind, by end.
    whole: Vec<Rc<Whole>>,
    /// 304s that wait for the next whole answer.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Whole {
    span: Span,
    etag: Option<Rc<str>>,
    revision: Option<u64>,
}

/// 304s behind one whole answer.
#[derive(Debug)]
struct Waiting {
    before: Rc<Whole>,
    /// When the last of them ended.
    until: u64,
    count: u64,
    /// How many named another tag than the whole answer before, and the first of them.
    wrong: u64,
    first: Option<(Span, Rc<str>)>,
}

/// What holds where nothing can have changed.
#[derive(Debug, Default)]
pub(super) struct Quiet {
    changes: Changes,
    renewals: Renewals,
    filters: Vec<OfFilter>,
    view_5: Tally,
    /// VIEW-3 as far as revisions decide it, and as far as it rests on what can have changed.
    by_revision: Tally,
    by_silence: Tally,
    any_304: bool,
    unknown: bool,
}

impl Quiet {
    /// What the agents are asked at the next piece.
    pub(super) fn agents(&mut self, evidence: &Evidence) -> QuietAgents {
        self.changes.restarts(evidence);
        QuietAgents::default()
    }

    /// Judges these lists, the next by their beginnings.
    pub(super) fn settle(
        &mut self,
        evidence: &Evidence,
        agents: QuietAgents,
        lists: &[ListView],
        horizon: Horizon,
    ) {
        self.unknown |= agents.unknown || evidence.strangers;
        if evidence.known_before {
            self.changes
                .doubt_until(evidence.longest_us().saturating_add(super::late_allowance_us(evidence)));
        }
        self.changes.add(agents.spans, agents.timers, whole_lists(evidence, lists), horizon);
        self.renewals.add(agents.renewals);
        self.filters.resize_with(evidence.filters.len(), OfFilter::default);
        for view in lists {
            let Some(of_filter) = self.filters.get_mut(view.filter as usize) else { continue };
            if view.unchanged {
                self.any_304 = true;
                let tally = &mut self.by_revision;
                of_filter.wait(view, tally);
                continue;
            }
            of_filter.answer_waiting(view, &self.changes, &mut self.by_revision, &mut self.by_silence);
            of_filter.whole.push(Rc::new(Whole {
                span: view.span,
                etag: view.etag.clone(),
                revision: view.revision,
            }));
            of_filter.whole.sort_by_key(|whole| whole.span.e);
            of_filter.forget_whole(view.span.s);
            of_filter.check_renewals(view, &self.changes, &self.renewals, &mut self.view_5);
        }
        for of_filter in &mut self.filters {
            if let Some((anchor, renewed)) = &mut of_filter.anchor {
                *renewed = [*renewed, self.renewals.earliest_end(anchor.span.e)].into_iter().flatten().min();
            }
        }
        self.renewals.forget(horizon.until);
        let oldest = self.filters.iter().filter_map(OfFilter::oldest).min();
        self.changes.forget(oldest.unwrap_or(horizon.until).min(horizon.until));
    }

    /// Gives what was found to VIEW-3 and VIEW-5.
    pub(super) fn report(self, tallies: &mut Tallies) {
        let Self { filters, mut by_revision, mut by_silence, mut view_5, unknown, .. } = self;
        let waiting = filters.iter().flat_map(|of_filter| &of_filter.waiting);
        by_revision.samples += waiting.map(|waiting| waiting.count).sum::<u64>();
        if unknown {
            // Others may have changed anything at any time.
            by_silence = by_silence.undecided();
            view_5 = view_5.undecided();
        }
        tallies.of(Check::View3).add(by_revision);
        tallies.of(Check::View3).add(by_silence);
        tallies.of(Check::View5).add(view_5);
        settle(tallies);
    }
}

/// Beginnings of whole lists of everybody.
fn whole_lists(evidence: &Evidence, lists: &[ListView]) -> Vec<u64> {
    let of_all = |view: &&ListView| {
        evidence.filters.get(view.filter as usize).is_some_and(|it| {
            let filter = &it.filter;
            filter.capability.is_none() && filter.agent_type.is_none() && filter.label.is_none()
        })
    };
    lists.iter().filter(|view| !view.unchanged).filter(of_all).map(|view| view.span.s).collect()
}

impl OfFilter {
    fn oldest(&self) -> Option<u64> {
        let anchor = self.anchor.as_ref().map(|(anchor, _)| anchor.span.s);
        let whole = self.whole.iter().map(|whole| whole.span.s);
        let waiting = self.waiting.iter().map(|waiting| waiting.before.span.s);
        anchor.into_iter().chain(whole).chain(waiting).min()
    }

    /// Of the whole answers that had ended before `begun` only the last can come before a later 304.
    fn forget_whole(&mut self, begun: u64) {
        let ended = self.whole.partition_point(|whole| whole.span.e < begun);
        self.whole.drain(..ended.saturating_sub(1));
    }

    fn wait(&mut self, view: &ListView, tally: &mut Tally) {
        let before = self.whole.partition_point(|whole| whole.span.e < view.span.s).checked_sub(1);
        let Some(before) = before.map(|index| Rc::clone(&self.whole[index])) else {
            tally.sample();
            return;
        };
        let wrong = view.etag != before.etag;
        let first = wrong.then(|| (view.span, view.etag.clone().unwrap_or_else(|| "none".into())));
        self.waiting.push(Waiting { before, until: view.span.e, count: 1, wrong: u64::from(wrong), first });
        if self.waiting.len() > WAITING {
            self.count_together(view.span.s);
        }
    }

    /// Those that had ended by `begun` wait for the same whole answer, whichever comes next.
    fn count_together(&mut self, begun: u64) {
        let mut together: Vec<Waiting> = Vec::new();
        for one in std::mem::take(&mut self.waiting) {
            let same = together
                .iter_mut()
                .find(|other| other.until.max(one.until) < begun && Rc::ptr_eq(&other.before, &one.before));
            match same {
                Some(other) => {
                    other.count += one.count;
                    other.wrong += one.wrong;
                    other.until = other.until.max(one.until);
                    other.first = other.first.take().or(one.first);
                }
                None => together.push(one),
            }
        }
        self.waiting = together;
    }

    fn answer_waiting(
        &mut self,
        after: &ListView,
        changes: &Changes,
        by_revision: &mut Tally,
        by_silence: &mut Tally,
    ) {
        for waiting in std::mem::take(&mut self.waiting) {
            if after.span.s <= waiting.until {
                self.waiting.push(waiting);
                continue;
            }
            let Waiting { before, count, wrong, first, .. } = waiting;
            // Equal tags alone do not prove that nothing changed there and back in between.
            let same = before.revision.is_some() && before.revision == after.revision;
            let between = Span { s: before.span.s, e: after.span.e };
            let still = same || !changes.may_fall_in(between);
            if before.etag.is_none() || before.etag != after.etag || !still {
                by_revision.samples += count;
                continue;
            }
            let tally = if same { &mut *by_revision } else { &mut *by_silence };
            tally.samples += count;
            tally.decided += count;
            let Some((span, named)) = first else { continue };
            let carried = before.etag.as_deref().unwrap_or("none");
            tally.break_with(Case {
                agent: None,
                view: span,
                wrong: span,
                by_us: 0,
                sentence: format!(
                    "A 304 at {} ms confirmed the entity tag {named}, though the whole answers before and behind it \
                     carry {carried}.",
                    milliseconds(span.s)
                ),
            });
            tally.broken += wrong - 1;
        }
    }

    /// Within each stretch without a possible change all views must carry one tag and one revision.
    fn check_renewals(&mut self, view: &ListView, changes: &Changes, renewals: &Renewals, tally: &mut Tally) {
        if view.etag.is_none() && view.revision.is_none() {
            return;
        }
        let quiet = self
            .anchor
            .as_ref()
            .filter(|(anchor, _)| !changes.may_fall_in(Span { s: anchor.span.s, e: view.span.e }));
        let bare = || ListView { body: None, ..view.clone() };
        let Some((first, renewed)) = quiet else {
            tally.sample();
            self.anchor = Some((bare(), None));
            return;
        };
        let renewed = [*renewed, renewals.earliest_end(first.span.e)].into_iter().flatten().min();
        if first.span.e >= view.span.s || renewed.is_none_or(|end| end > view.span.s) {
            tally.sample();
            return;
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
            self.anchor = Some((bare(), None));
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
fn settle(tallies: &mut Tallies) {
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
