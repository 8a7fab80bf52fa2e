//! How late views showed what had changed.
//!
//! Every figure is taken from what callers saw, so none is finer than they looked: between two views of an agent its
//! state is unknown. Views are lists and single reads; a 304 counts as the list that it confirms. What a view showed is
//! dated by its end, and what tells changes counts
//! from then on: a long-poll may have begun before what it tells of. An upper bound comes with a lower one (`..._at_least`), taken from the last view that still
//! showed what was before, dated by its beginning; the truth lies between.

use std::collections::{BTreeMap, VecDeque};
use std::iter::Peekable;

use agent_sim::measure::Durations;
use reports::history::{Outcome, Reported};
use reports::result::FreshnessReport;

use super::evidence::{Beat, Span};
use super::settle::Horizon;
use super::sighting::{Lane, Sighting};
use super::{States, Subject, Timeouts};

/// So many pollers of one change are told apart.
const POLLERS: usize = 256;

/// Names of the figures and what they are.
const FIGURES: [(&str, &str); 8] = [
    (
        "registered_to_visible",
        "from the end of an accepted registration to the end of the first view begun behind its start that shows the agent",
    ),
    (
        "crashed_to_degraded",
        "from D behind the end of the last accepted heartbeat to the end of the first view that shows the agent as degraded",
    ),
    (
        "crashed_to_degraded_at_least",
        "from D behind the end of the last accepted heartbeat to the beginning of the last view that showed the agent as healthy",
    ),
    (
        "crashed_to_expired",
        "from X behind the end of the last accepted heartbeat to the end of the first view that shows the agent as expired, or no longer",
    ),
    (
        "crashed_to_expired_at_least",
        "from X behind the end of the last accepted heartbeat to the beginning of the last view that showed the agent as living",
    ),
    (
        "crashed_to_gone",
        "from Q behind the end of the last accepted heartbeat to the end of the first view of every state that lacks the agent",
    ),
    (
        "crashed_to_gone_at_least",
        "from Q behind the end of the last accepted heartbeat to the beginning of the last view that showed the agent as expired",
    ),
    (
        "change_to_seen",
        "from the end of an accepted update of an agent's document or reported status to the end of each poller's first view that shows it, begun behind its start, or its long-poll that was open then",
    ),
];

/// Figures of all agents.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    figures: [Durations; 8],
    /// The worst upper bound of what was first seen in each tenth of a second of the history's clock, microseconds.
    worst_us: BTreeMap<u64, u64>,
}

/// The worst is kept for stretches of this length, microseconds.
const STRETCH_US: u64 = 100_000;

impl Freshness {
    /// A figure whose name does not end in `_at_least`, of what was seen at this instant.
    fn record_seen(&mut self, figure: usize, us: u64, seen_us: u64) {
        self.record(figure, us);
        let worst = self.worst_us.entry(seen_us / STRETCH_US).or_default();
        *worst = us.max(*worst);
    }

    /// The worst by stretch, as (its beginning on the history's clock, how late), microseconds.
    pub(super) fn worst_us(&self) -> Vec<(u64, u64)> {
        self.worst_us.iter().map(|(stretch, us)| (stretch * STRETCH_US, *us)).collect()
    }

    fn record(&mut self, figure: usize, us: u64) {
        if let Some(durations) = self.figures.get_mut(figure) {
            durations.record(us);
        }
    }

    /// All that was measured, by name.
    pub(super) fn durations(&self) -> BTreeMap<&'static str, Durations> {
        let measured = FIGURES.iter().zip(&self.figures).filter(|(_, durations)| durations.count() > 0);
        measured.map(|((name, _), durations)| (*name, durations.clone())).collect()
    }

    /// Those that something was measured for.
    pub(super) fn reports(&self) -> Vec<FreshnessReport> {
        let figures = FIGURES.iter().zip(&self.figures).filter(|(_, durations)| durations.count() > 0);
        figures
            .map(|((name, what), durations)| FreshnessReport {
                name: (*name).to_owned(),
                what: (*what).to_owned(),
                count: durations.count(),
                lateness_us: durations.percentiles(),
            })
            .collect()
    }
}

/// What of one agent is not seen yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// Beginning and end of a registration that no view has shown.
    registered: Option<(u64, u64)>,
    change: Option<Change>,
    /// What answers that tell changes said, by end.
    held_back: VecDeque<HeldBack>,
    silence: Silence,
}

/// What is known of an answer that tells changes, which counts at its end only.
#[derive(Debug)]
struct HeldBack {
    sighting: Sighting,
    /// What it showed was not there before.
    not_before: u64,
    silent: Option<Silent>,
}

#[derive(Debug)]
struct Change {
    began: u64,
    ended: u64,
    document: Option<u64>,
    /// Where only the status changed.
    status: Option<Reported>,
    seen_by: Vec<(Lane, u64)>,
}

/// The silence in which a view fell.
#[derive(Debug)]
struct Silent {
    number: (usize, usize),
    /// The heartbeat that it surely began with; `None` where that was a restart or is not known.
    since: Option<Span>,
    reported_healthy: bool,
}

/// What views of one silence showed.
#[derive(Debug, Default)]
struct Silence {
    number: Option<(usize, usize)>,
    /// For degraded, expired and gone: when the last view that showed what was before began, and whether it was shown.
    stages: [(Option<u64>, bool); 3],
}

impl Pending {
    /// Goes through heartbeats and sightings in the order in which they began, or ended where they tell changes.
    pub(super) fn take(
        &mut self,
        subject: &Subject<'_>,
        sightings: &[Sighting],
        horizon: Horizon,
        to: &mut Freshness,
    ) {
        let now = horizon.from..horizon.until;
        let beats = subject.lease.beats.iter().filter(|beat| now.contains(&beat.span.s));
        let mut changes = beats.filter(|beat| beat.certain && beat.is_change()).peekable();
        let changed = sightings.iter().filter(|sighting| matches!(sighting.lane, Lane::Changes(_)));
        self.held_back.extend(changed.map(|sighting| HeldBack {
            sighting: *sighting,
            not_before: sent_by(subject, sighting).unwrap_or(0).max(sighting.span.s),
            silent: Silent::of(subject, sighting),
        }));
        let timeouts = &subject.timeouts;
        self.held_back.make_contiguous().sort_by_key(|it| it.sighting.span.e);
        for sighting in sightings {
            self.catch_up(sighting.span.s, &mut changes, timeouts, to);
            if !matches!(sighting.lane, Lane::Heartbeat | Lane::Changes(_)) {
                let silent = Silent::of(subject, sighting);
                self.see(sighting, sighting.span.s, silent.as_ref(), timeouts, to);
            }
        }
        self.catch_up(horizon.until.saturating_sub(1), &mut changes, timeouts, to);
    }

    /// Takes the changes that had begun by then, and what tells changes and had ended, one after another.
    fn catch_up<'a>(
        &mut self,
        instant: u64,
        changes: &mut Peekable<impl Iterator<Item = &'a Beat>>,
        timeouts: &Timeouts,
        to: &mut Freshness,
    ) {
        loop {
            let ended = self.held_back.front().map(|it| it.sighting.span.e).filter(|end| *end <= instant);
            if let Some(beat) = changes.next_if(|beat| beat.span.s <= ended.unwrap_or(instant)) {
                self.changed(beat);
            } else if ended.is_some()
                && let Some(HeldBack { sighting, not_before, silent }) = self.held_back.pop_front()
            {
                self.see(&sighting, not_before, silent.as_ref(), timeouts, to);
            } else {
                return;
            }
        }
    }

    /// What was seen cannot be older than `not_before`.
    fn see(
        &mut self,
        sighting: &Sighting,
        not_before: u64,
        silent: Option<&Silent>,
        timeouts: &Timeouts,
        to: &mut Freshness,
    ) {
        self.see_registration(sighting, to);
        self.see_change(sighting, not_before, to);
        if let Some(silent) = silent {
            self.silence.see(silent, timeouts, sighting, to);
        }
    }

    fn changed(&mut self, beat: &Beat) {
        if beat.outcome == Outcome::Registered {
            self.registered = Some((beat.span.s, beat.span.e));
            self.change = None;
            return;
        }
        let document = beat.document.filter(|_| beat.full);
        let status = beat.reported.filter(|_| document.is_none());
        let seen = document.is_some() || status.is_some();
        self.change = seen.then(|| Change {
            began: beat.span.s,
            ended: beat.span.e,
            document,
            status,
            seen_by: Vec::new(),
        });
    }

    fn see_registration(&mut self, sighting: &Sighting, to: &mut Freshness) {
        if let Some((began, ended)) = self.registered
            && sighting.present
            && sighting.span.s >= began
        {
            to.record_seen(0, sighting.span.e.saturating_sub(ended), sighting.span.e);
            self.registered = None;
        }
    }

    fn see_change(&mut self, sighting: &Sighting, not_before: u64, to: &mut Freshness) {
        let Some(change) = &mut self.change else { return };
        let lane = match sighting.lane {
            Lane::Unchanged(filter) | Lane::Changes(filter) => Lane::List(filter),
            lane => lane,
        };
        let poller = (lane, sighting.poller);
        let shows = match (change.document, change.status) {
            (Some(document), _) => sighting.document == Some(document),
            (None, Some(status)) => sighting.seen == States::reported(status),
            (None, None) => false,
        };
        let first = !change.seen_by.contains(&poller) && change.seen_by.len() < POLLERS;
        if shows && first && not_before >= change.began {
            change.seen_by.push(poller);
            to.record_seen(7, sighting.span.e.saturating_sub(change.ended), sighting.span.e);
        }
    }
}

/// When the first heartbeat began that the document shown can have come with.
fn sent_by(subject: &Subject<'_>, sighting: &Sighting) -> Option<u64> {
    let document = sighting.document?;
    let (_, may_be_shown) = subject.lease.in_force(sighting.span, true);
    let of_document = may_be_shown.iter().filter(|beat| beat.document == Some(document));
    of_document.map(|beat| beat.span.s).min()
}

impl Silent {
    /// `None` where a heartbeat may have ended the silence, or may have begun it later than the last that surely did.
    fn of(subject: &Subject<'_>, sighting: &Sighting) -> Option<Self> {
        let view = sighting.span;
        let lease = &subject.lease;
        let number = lease.silence_number(view)?;
        let last = &lease.beats[lease.surest(view, true)?];
        let healthy = |beat: &&Beat| beat.reported == Some(Reported::Healthy);
        Some(Self {
            number,
            since: (!last.restart && lease.latest_renewal(view) == Some(last.span.e)).then_some(last.span),
            reported_healthy: lease.in_force(view, false).1.iter().all(healthy),
        })
    }
}

impl Silence {
    fn see(&mut self, silent: &Silent, timeouts: &Timeouts, sighting: &Sighting, to: &mut Freshness) {
        let view = sighting.span;
        if self.number != Some(silent.number) {
            *self = Self { number: Some(silent.number), ..Self::default() };
        }
        let Some(last) = silent.since else { return };
        let deadlines = [timeouts.degraded_us, Some(timeouts.expires_us), timeouts.evicted_us];
        let first = [States::DEGRADED, States::EXPIRED.or(States::GONE), States::GONE];
        for (stage, ((before, shown), timeout)) in self.stages.iter_mut().zip(deadlines).enumerate() {
            let Some(timeout) = timeout.filter(|_| !*shown && (stage > 0 || silent.reported_healthy)) else {
                continue;
            };
            let deadline = last.e.saturating_add(timeout);
            let rank = u32::try_from(stage).unwrap_or(u32::MAX);
            if sighting.seen.last_rank() <= rank {
                *before = (*before).max(Some(view.s));
            } else if sighting.seen.first_rank() > rank {
                *shown = true;
                // Whoever was not looked at in this state is not measured for it.
                let over = deadlines.get(stage + 1).copied().flatten();
                let in_time = over.is_none_or(|over| view.s < last.s.saturating_add(over));
                if sighting.seen.within(first[stage]) && in_time {
                    to.record_seen(2 * stage + 1, view.e.saturating_sub(deadline), view.e);
                    to.record(2 * stage + 2, before.map_or(0, |before| before.saturating_sub(deadline)));
                }
            }
        }
    }
}
