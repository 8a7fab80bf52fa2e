//! What a history tells beside heartbeats and views: hardships, numbers, what calls got while the store was in trouble.

use reports::history::{CallRef, Flood, Hardship, LeftOut, Operation, Outcome, SpoiltStore, Turnover};

use super::evidence::{Restart, Span};
use super::source::Survey;

/// The process stood still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) stopped: Span,
    pub(crate) continued: Span,
}

/// What keeps a store from being written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TroubleKind {
    Locked,
    FullDisk,
}

/// The store could not be written to from the one to the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) kind: TroubleKind,
    pub(crate) held: Span,
    pub(crate) freed: Span,
}

impl TroubleKind {
    /// As in `when the store was locked`.
    pub(crate) fn sentence(self) -> &'static str {
        match self {
            Self::Locked => "the store was locked",
            Self::FullDisk => "the disk was full",
        }
    }

    /// As in `behind a locked store`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Locked => "a locked store",
            Self::FullDisk => "a full disk",
        }
    }
}

/// A call around trouble of the store.
#[derive(Debug, Clone)]
pub(crate) struct Troubled {
    pub(crate) agent: String,
    pub(crate) op: Operation,
    pub(crate) span: Span,
    pub(crate) outcome: Outcome,
    pub(crate) http: Option<u16>,
    pub(crate) retry_after: Option<String>,
}

/// The numbers of an agent's events.
#[derive(Debug, Clone)]
pub(crate) struct EventNumbers {
    pub(crate) agent: String,
    pub(crate) span: Span,
    pub(crate) numbers: Vec<u64>,
}

/// All of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    pub(crate) troubles: Vec<Trouble>,
    pub(crate) troubled: Vec<Troubled>,
    /// When the clock was stepped, and what its offset was from then on.
    pub(crate) steps: Vec<(Span, i64)>,
    pub(crate) spoilt: Vec<SpoiltStore>,
    pub(crate) floods: Vec<Flood>,
    pub(crate) turnovers: Vec<Turnover>,
    pub(crate) left_out: Vec<LeftOut>,
    /// For each restart the highest revision that an answer before it named, and the lowest behind it.
    pub(crate) revisions: Vec<[Option<(Span, u64)>; 2]>,
    restarts: Vec<Restart>,
    pub(crate) events: Vec<EventNumbers>,
    /// When the process ended by itself.
    pub(crate) deaths: Vec<Span>,
    held: Option<(TroubleKind, Span)>,
}

impl Beside {
    pub(super) fn new(survey: &Survey) -> Self {
        Self {
            steps: survey.steps.clone(),
            revisions: vec![[None; 2]; survey.restarts.len()],
            restarts: survey.restarts.clone(),
            deaths: survey.deaths.clone(),
            ..Self::default()
        }
    }

    pub(super) fn take_hardship(&mut self, hardship: Hardship) {
        match hardship {
            Hardship::StoreHeld { s_us, e_us, .. } => {
                self.held = Some((TroubleKind::Locked, Span { s: s_us, e: e_us }));
            }
            Hardship::DiskFilled { s_us, e_us, .. } => {
                self.held = Some((TroubleKind::FullDisk, Span { s: s_us, e: e_us }));
            }
            Hardship::StoreFreed { s_us, e_us } | Hardship::DiskFreed { s_us, e_us } => {
                if let Some((kind, held)) = self.held.take() {
                    self.troubles.push(Trouble { kind, held, freed: Span { s: s_us, e: e_us } });
                }
            }
            // The survey has them.
            Hardship::ClockStepped { .. } => {}
            // Nothing is excused by it.
            Hardship::TornPages { .. } => {}
            Hardship::SpoiltStore(spoilt) => self.spoilt.push(spoilt),
            Hardship::Flood(flood) => self.floods.push(flood),
            Hardship::Turnover(turnover) => self.turnovers.push(turnover),
        }
    }

    pub(super) fn take_call(&mut self, call: &CallRef<'_>) {
        let span = Span { s: call.s_us, e: call.e_us };
        let seen = call.seen.as_ref();
        let visible = call.op == Operation::List || call.outcome != Outcome::Renewed;
        if let Some(revision) = seen.and_then(|seen| seen.revision).filter(|_| visible) {
            self.take_revision(span, revision);
        }
        let Some(agent) = call.agent.as_ref() else { return };
        if let Some(numbers) = seen.and_then(|seen| seen.events.clone()) {
            self.events.push(EventNumbers { agent: agent.0.clone().into_owned(), span, numbers });
            return;
        }
        // What is accepted while the store is in trouble counts as well; later only what is not.
        let around = self.held.is_some() || !self.troubles.is_empty();
        let refused = matches!(call.outcome, Outcome::Unknown | Outcome::Unavailable);
        if around && (refused || self.held.is_some() || call.op == Operation::Register) {
            self.troubled.push(Troubled {
                agent: agent.0.clone().into_owned(),
                op: call.op,
                span,
                outcome: call.outcome,
                http: call.http,
                retry_after: seen.and_then(|seen| seen.retry_after.clone()).map(|time| time.0.into_owned()),
            });
        }
    }

    fn take_revision(&mut self, span: Span, revision: u64) {
        for (restart, [highest, lowest]) in self.restarts.iter().zip(&mut self.revisions) {
            if span.e <= restart.killed.s && highest.is_none_or(|(_, known)| revision >= known) {
                *highest = Some((span, revision));
            }
            if span.s >= restart.started.s && lowest.is_none_or(|(_, known)| revision < known) {
                *lowest = Some((span, revision));
            }
        }
    }

    /// The trouble that a call came in or behind.
    pub(super) fn trouble_of(&self, call: Span) -> Option<TroubleKind> {
        let over = self.troubles.iter().map(|trouble| (trouble.kind, trouble.held));
        let mut begun = over.chain(self.held).filter(|(_, held)| held.s <= call.s);
        begun.next_back().map(|(kind, _)| kind)
    }

    /// Why this requirement cannot be decided in this run, if it was left out.
    pub(super) fn left_out(&self, id: &str) -> Option<&str> {
        let mut whole = self.left_out.iter().filter(|left_out| left_out.part.is_none());
        let found = whole.find(|left_out| left_out.requirement == id);
        found.map(|left_out| left_out.reason.as_str())
    }

    /// What of this requirement was not tried, each part with the reason.
    pub(super) fn left_out_parts(&self, id: &str) -> impl Iterator<Item = (&str, &str)> {
        let of_it = self.left_out.iter().filter(move |left_out| left_out.requirement == id);
        of_it.filter_map(|left_out| Some((left_out.part.as_deref()?, left_out.reason.as_str())))
    }
}
