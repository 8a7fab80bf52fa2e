//! How late views showed what had changed.
//!
//! Every figure is taken from what callers saw, so none is finer than they looked: between two views of an agent its
//! state is unknown. Views are lists and single reads; a 304 counts as the list that it confirms. What a view showed is
//! dated by its end. An upper bound comes with a lower one (`..._at_least`), taken from the last view that still
//! showed what was before, dated by its beginning; the truth lies between.

use agent_sim::measure::Durations;
use reports::history::{Outcome, Reported};
use reports::result::FreshnessReport;

use super::evidence::Beat;
use super::settle::Horizon;
use super::sighting::{Lane, Sighting};
use super::{States, Subject};

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
        "from the end of an accepted update of an agent's document or reported status to the end of each poller's first view begun behind its start that shows it",
    ),
];

/// Figures of all agents.
#[derive(Debug, Default)]
pub(super) struct Freshness {
    figures: [Durations; 8],
}

impl Freshness {
    fn record(&mut self, figure: usize, us: u64) {
        if let Some(durations) = self.figures.get_mut(figure) {
            durations.record(us);
        }
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
    silence: Silence,
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

/// What views of one silence showed.
#[derive(Debug, Default)]
struct Silence {
    number: Option<(usize, usize)>,
    /// For degraded, expired and gone: when the last view that showed what was before began, and whether it was shown.
    stages: [(Option<u64>, bool); 3],
}

impl Pending {
    /// Goes through heartbeats and sightings in the order in which they began.
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
        for sighting in sightings {
            while let Some(beat) = changes.next_if(|beat| beat.span.s <= sighting.span.s) {
                self.changed(beat);
            }
            if sighting.lane == Lane::Heartbeat {
                continue;
            }
            self.see_registration(sighting, to);
            self.see_change(sighting, to);
            self.silence.see(subject, sighting, to);
        }
        changes.for_each(|beat| self.changed(beat));
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
            to.record(0, sighting.span.e.saturating_sub(ended));
            self.registered = None;
        }
    }

    fn see_change(&mut self, sighting: &Sighting, to: &mut Freshness) {
        let Some(change) = &mut self.change else { return };
        let lane = match sighting.lane {
            Lane::Unchanged(filter) => Lane::List(filter),
            lane => lane,
        };
        let poller = (lane, sighting.poller);
        let shows = match (change.document, change.status) {
            (Some(document), _) => sighting.document == Some(document),
            (None, Some(status)) => sighting.seen == States::reported(status),
            (None, None) => false,
        };
        let first = !change.seen_by.contains(&poller) && change.seen_by.len() < POLLERS;
        if shows && first && sighting.span.s >= change.began {
            change.seen_by.push(poller);
            to.record(7, sighting.span.e.saturating_sub(change.ended));
        }
    }
}

impl Silence {
    fn see(&mut self, subject: &Subject<'_>, sighting: &Sighting, to: &mut Freshness) {
        let view = sighting.span;
        let lease = &subject.lease;
        let Some(number) = lease.silence_number(view) else { return };
        let Some(last) = lease.surest(view, true).map(|index| &lease.beats[index]) else { return };
        if self.number != Some(number) {
            *self = Self { number: Some(number), ..Self::default() };
        }
        if last.restart || lease.latest_renewal(view) != Some(last.span.e) {
            return;
        }
        let timeouts = &subject.timeouts;
        let deadlines = [timeouts.degraded_us, Some(timeouts.expires_us), timeouts.evicted_us];
        let reported_healthy =
            lease.in_force(view, false).1.iter().all(|beat| beat.reported == Some(Reported::Healthy));
        let first = [States::DEGRADED, States::EXPIRED.or(States::GONE), States::GONE];
        for (stage, ((before, shown), timeout)) in self.stages.iter_mut().zip(deadlines).enumerate() {
            let Some(timeout) = timeout.filter(|_| !*shown && (stage > 0 || reported_healthy)) else {
                continue;
            };
            let deadline = last.span.e.saturating_add(timeout);
            let rank = u32::try_from(stage).unwrap_or(u32::MAX);
            if sighting.seen.last_rank() <= rank {
                *before = Some(view.s);
            } else if sighting.seen.first_rank() > rank {
                *shown = true;
                // Whoever was not looked at in this state is not measured for it.
                let over = deadlines.get(stage + 1).copied().flatten();
                let in_time = over.is_none_or(|over| view.s < last.span.s.saturating_add(over));
                if sighting.seen.within(first[stage]) && in_time {
                    to.record(2 * stage + 1, view.e.saturating_sub(deadline));
                    to.record(2 * stage + 2, before.map_or(0, |before| before.saturating_sub(deadline)));
                }
            }
        }
    }
}
