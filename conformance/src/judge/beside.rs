//! What a history tells beside heartbeats and views: hardships, numbers, what calls got while the store was locked.

use reports::history::{CallRecord, Flood, Hardship, LeftOut, Operation, Outcome, SpoiltStore, Turnover};

use super::evidence::{Restart, Span};

/// The process stood still.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pause {
    pub(crate) stopped: Span,
    pub(crate) continued: Span,
}

/// The store was locked from the one to the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) held: Span,
    pub(crate) freed: Span,
}

/// A call around a lock of the store.
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
    /// Revisions that answers named.
    pub(crate) revisions: Vec<(Span, u64)>,
    pub(crate) events: Vec<EventNumbers>,
    held: Option<Span>,
}

impl Beside {
    pub(super) fn take_hardship(&mut self, hardship: Hardship) {
        match hardship {
            Hardship::StoreHeld { s_us, e_us, .. } => self.held = Some(Span { s: s_us, e: e_us }),
            Hardship::StoreFreed { s_us, e_us } => {
                if let Some(held) = self.held.take() {
                    self.troubles.push(Trouble { held, freed: Span { s: s_us, e: e_us } });
                }
            }
            Hardship::ClockStepped { offset_seconds, s_us, e_us } => {
                self.steps.push((Span { s: s_us, e: e_us }, offset_seconds));
            }
            Hardship::SpoiltStore(spoilt) => self.spoilt.push(spoilt),
            Hardship::Flood(flood) => self.floods.push(flood),
            Hardship::Turnover(turnover) => self.turnovers.push(turnover),
        }
    }

    pub(super) fn take_call(&mut self, call: &CallRecord) {
        let span = Span { s: call.s_us, e: call.e_us };
        let seen = call.seen.as_ref();
        let visible = call.op == Operation::List || call.outcome != Outcome::Renewed;
        if let Some(revision) = seen.and_then(|seen| seen.revision).filter(|_| visible) {
            self.revisions.push((span, revision));
        }
        let Some(agent) = call.agent.clone() else { return };
        if let Some(numbers) = seen.and_then(|seen| seen.events.clone()) {
            self.events.push(EventNumbers { agent, span, numbers });
            return;
        }
        // What is accepted while the store is locked counts as well; later only what is not.
        let around = self.held.is_some() || !self.troubles.is_empty();
        let refused = matches!(call.outcome, Outcome::Unknown | Outcome::Unavailable);
        if around && (refused || self.held.is_some() || call.op == Operation::Register) {
            self.troubled.push(Troubled {
                agent,
                op: call.op,
                span,
                outcome: call.outcome,
                http: call.http,
                retry_after: seen.and_then(|seen| seen.retry_after.clone()),
            });
        }
    }

    /// Why this requirement cannot be decided in this run, if it was left out.
    pub(super) fn left_out(&self, id: &str) -> Option<&str> {
        let found = self.left_out.iter().find(|left_out| left_out.requirement == id);
        found.map(|left_out| left_out.reason.as_str())
    }
}

/// When a call without an answer can have acted at the latest: one that had ended before the next process was ready
/// died with the old one, any other may act as long as the run lasts.
pub(super) fn latest_act(span: Span, restarts: &[Restart]) -> u64 {
    restarts
        .iter()
        .find(|restart| span.s < restart.killed.e && span.e < restart.started.s)
        .map_or(u64::MAX, |restart| restart.killed.e)
}
