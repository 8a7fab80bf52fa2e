//! What the contract's table says of each call, to the microsecond: the judge of the live suite allows for what it cannot
//! know of a live registry; here everything is known but what a killed registry had done. Each agent is a set of states it
//! may be in; an answer that no state explains is a fault.

use std::ops::RangeInclusive;

use reports::history::{Outcome, Reported, Status};

use crate::schedule::Call;

/// How far silence has gone.
const LIVE: usize = 0;
const MISSED: usize = 1;
const EXPIRED: usize = 2;
const GONE: usize = 3;

/// D, X and Q in microseconds.
pub(crate) type Timeouts = [u64; 3];

/// What a view shows of an agent; `None`: it is gone.
pub(crate) type Shown = Option<(Status, u64, u64)>;

/// What a heartbeat or a deregistration is told: the outcome and, by a heartbeat with a body, the epoch.
pub(crate) type Told = (Outcome, Option<u64>);

#[derive(Debug, Clone, PartialEq)]
struct Lease {
    seen_us: u64,
    /// A pause of the process has moved the lease since, nobody says exactly by how much: its end.
    resumed_us: Option<u64>,
    /// It had expired before a restart.
    ended: bool,
    reported: Reported,
    document: u64,
    incarnation: u64,
    sequence: Option<u64>,
    /// A restart may have lost the last sequence, which came with a mere renewal.
    sequence_may_be_lost: bool,
}

#[derive(Debug, Clone, PartialEq, Default)]
struct State {
    epoch: u64,
    lease: Option<Lease>,
    barred: Option<u64>,
}

/// One agent, as far as it is known.
#[derive(Debug, Clone)]
pub(crate) struct Model {
    timeouts: Timeouts,
    states: Vec<State>,
}

impl Model {
    pub(crate) fn new(timeouts: Timeouts) -> Self {
        Self { timeouts, states: vec![State::default()] }
    }

    /// A call that was answered.
    pub(crate) fn called(
        &mut self,
        at_us: u64,
        call: &Call,
        document: u64,
        told: Told,
    ) -> Result<(), String> {
        let all: Vec<(Told, State)> = self
            .states
            .iter()
            .flat_map(|state| state.expected(&self.timeouts, at_us, call, document))
            .collect();
        let matches = |expected: &Told| {
            expected.0 == told.0 && (told.1.is_none() || expected.1.is_none() || expected.1 == told.1)
        };
        let kept =
            all.iter().filter(|(expected, _)| matches(expected)).map(|(_, state)| state.clone()).collect();
        self.keep(kept, || {
            let expected: Vec<&Told> = all.iter().map(|(told, _)| told).collect();
            format!("{call:?} at {at_us} us was told {told:?}; the contract says {expected:?}")
        })
    }

    /// A call that was cut off by a kill: it counted or not.
    pub(crate) fn cut_off(&mut self, at_us: u64, call: &Call, document: u64) {
        let mut all = self.states.clone();
        for state in &self.states {
            all.extend(
                state.expected(&self.timeouts, at_us, call, document).into_iter().map(|(_, state)| state),
            );
        }
        self.states.clear();
        all.into_iter().for_each(|state| self.add(state));
    }

    /// A view that showed the agent, or that it is not there.
    pub(crate) fn shown(&mut self, at_us: u64, shown: Shown) -> Result<(), String> {
        self.seen(at_us, |expected| *expected == shown, || format!("it was shown as {shown:?}"))
    }

    /// A list that leaves out the expired and the gone.
    pub(crate) fn listed(&mut self, at_us: u64, shown: Shown) -> Result<(), String> {
        let of = |expected: &Shown| expected.filter(|(status, ..)| *status != Status::Expired);
        self.seen(at_us, |expected| of(expected) == shown, || format!("it was listed as {shown:?}"))
    }

    fn seen(
        &mut self,
        at_us: u64,
        is_seen: impl Fn(&Shown) -> bool,
        words: impl Fn() -> String,
    ) -> Result<(), String> {
        let all: Vec<(Shown, State)> = self
            .states
            .iter()
            .flat_map(|state| {
                state.views(&self.timeouts, at_us).into_iter().map(|view| (view, state.clone()))
            })
            .collect();
        let kept = all.iter().filter(|(view, _)| is_seen(view)).map(|(_, state)| state.clone()).collect();
        self.keep(kept, || {
            let expected: Vec<&Shown> = all.iter().map(|(view, _)| view).collect();
            format!("at {at_us} us {}; the contract says {expected:?}", words())
        })
    }

    fn keep(&mut self, kept: Vec<State>, words: impl Fn() -> String) -> Result<(), String> {
        if kept.is_empty() {
            return Err(words());
        }
        self.states.clear();
        kept.into_iter().for_each(|state| self.add(state));
        Ok(())
    }

    fn add(&mut self, state: State) {
        if !self.states.contains(&state) {
            self.states.push(state);
        }
    }

    /// The process stood still until now. Nobody's silence grows by it; nobody's lease shrinks.
    pub(crate) fn resumed(&mut self, now_us: u64) {
        for lease in self.states.iter_mut().filter_map(|state| state.lease.as_mut()) {
            lease.resumed_us = Some(now_us);
        }
    }

    /// It was killed at one instant and started at another: who had not expired gets a full lease.
    pub(crate) fn restarted(&mut self, killed_us: u64, started_us: u64) {
        let mut after = Vec::new();
        for state in &self.states {
            let Some(lease) = &state.lease else {
                after.push(state.clone());
                continue;
            };
            for phase in lease.phases(&self.timeouts, killed_us) {
                let mut lease = lease.clone();
                lease.sequence_may_be_lost |= lease.sequence.is_some();
                if phase <= MISSED {
                    (lease.seen_us, lease.resumed_us) = (started_us, None);
                } else {
                    lease.ended = true;
                }
                let lease = (phase != GONE).then_some(lease);
                after.push(State { lease, ..state.clone() });
            }
        }
        self.states.clear();
        after.into_iter().for_each(|state| self.add(state));
    }
}

impl Lease {
    /// What silence may have made of it by now: one phase, unless a pause or a restart left room.
    fn phases(&self, timeouts: &Timeouts, now_us: u64) -> RangeInclusive<usize> {
        let phase = |since_us: u64| {
            let silence_us = now_us.saturating_sub(since_us);
            timeouts.iter().filter(|timeout| silence_us >= **timeout).count()
        };
        let latest = phase(self.seen_us);
        if self.ended {
            return EXPIRED..=GONE;
        }
        self.resumed_us.map_or(latest, phase)..=latest
    }
}

impl State {
    fn phases(&self, timeouts: &Timeouts, now_us: u64) -> RangeInclusive<usize> {
        self.lease.as_ref().map_or(GONE..=GONE, |lease| lease.phases(timeouts, now_us))
    }

    fn views(&self, timeouts: &Timeouts, now_us: u64) -> Vec<Shown> {
        let view = |phase: usize| {
            let lease = self.lease.as_ref()?;
            let status = match (phase, lease.reported) {
                (LIVE, Reported::Healthy) => Status::Healthy,
                (LIVE, Reported::Degraded) | (MISSED, _) => Status::Degraded,
                (EXPIRED, _) => Status::Expired,
                _ => return None,
            };
            Some((status, self.epoch, lease.document))
        };
        self.phases(timeouts, now_us).map(view).collect()
    }

    /// What a call may be told, and what is then.
    fn expected(&self, timeouts: &Timeouts, now_us: u64, call: &Call, document: u64) -> Vec<(Told, Self)> {
        let phases = self.phases(timeouts, now_us);
        phases.flat_map(|phase| self.expected_in(phase, now_us, call, document)).collect()
    }

    fn expected_in(&self, phase: usize, now_us: u64, call: &Call, document: u64) -> Vec<(Told, Self)> {
        let unchanged = |outcome: Outcome| vec![((outcome, None), self.clone())];
        let (full, status, incarnation, sequence) = match call {
            Call::Leave { .. } => return vec![self.left(phase)],
            Call::Full { status, incarnation, sequence, .. } => (true, *status, *incarnation, *sequence),
            Call::Lean { status, order, .. } => {
                (false, *status, order.map(|order| order.0), order.map(|order| order.1))
            }
            Call::Probe { .. } => (false, None, None, None),
        };
        let is_barred = incarnation.is_some_and(|sent| self.barred.is_some_and(|barred| sent <= barred));
        let anew = || {
            if !full || is_barred {
                return unchanged(Outcome::Unknown);
            }
            let lease = Lease {
                seen_us: now_us,
                resumed_us: None,
                ended: false,
                reported: status.unwrap_or(Reported::Healthy),
                document,
                incarnation: incarnation.unwrap_or(0),
                sequence,
                sequence_may_be_lost: false,
            };
            let state = Self { epoch: self.epoch + 1, lease: Some(lease), barred: self.barred };
            vec![((Outcome::Registered, Some(state.epoch)), state)]
        };
        let Some(lease) = self.lease.as_ref().filter(|_| phase <= MISSED) else { return anew() };
        match incarnation {
            Some(sent) if sent < lease.incarnation => return unchanged(Outcome::Conflict),
            Some(sent) if sent > lease.incarnation => return anew(),
            _ => {}
        }
        let stale = vec![((Outcome::Stale, Some(self.epoch)), self.clone())];
        let is_old = sequence.is_some_and(|sent| lease.sequence.is_some_and(|last| sent <= last));
        if is_old && !lease.sequence_may_be_lost {
            return stale;
        }
        let reported = status.unwrap_or(if full { Reported::Healthy } else { lease.reported });
        let document = if full { document } else { lease.document };
        let same = reported == lease.reported && document == lease.document;
        let renewed = Lease {
            seen_us: now_us,
            resumed_us: None,
            reported,
            document,
            sequence: sequence.or(lease.sequence),
            sequence_may_be_lost: lease.sequence_may_be_lost && sequence.is_none(),
            ..lease.clone()
        };
        let outcome = if same { Outcome::Renewed } else { Outcome::Updated };
        let renewed = ((outcome, Some(self.epoch)), Self { lease: Some(renewed), ..self.clone() });
        if is_old { stale.into_iter().chain([renewed]).collect() } else { vec![renewed] }
    }

    fn left(&self, phase: usize) -> (Told, Self) {
        match &self.lease {
            Some(lease) if phase != GONE => {
                let barred = self.barred.max(Some(lease.incarnation));
                ((Outcome::Left, None), Self { lease: None, barred, ..self.clone() })
            }
            _ => ((Outcome::Unknown, None), self.clone()),
        }
    }
}
