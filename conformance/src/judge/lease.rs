//! What one agent's calls allow a view to show: the lease model, written from the contract and from nothing else.

use reports::history::{Abilities, Policy, Reported, Status};

use super::evidence::{AgentRecord, Beat, Forgotten, Leave, Restart, Span};

/// What a view may have seen of an agent, as a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct States(u8);

impl States {
    pub(crate) const HEALTHY: Self = Self(1);
    pub(crate) const DEGRADED: Self = Self(2);
    pub(crate) const EXPIRED: Self = Self(4);
    pub(crate) const GONE: Self = Self(8);
    pub(crate) const LIVE: Self = Self(3);
    pub(crate) const NONE: Self = Self(0);
    pub(crate) const ANY: Self = Self(15);

    pub(crate) fn of(status: Status) -> Self {
        match status {
            Status::Healthy => Self::HEALTHY,
            Status::Degraded => Self::DEGRADED,
            Status::Expired => Self::EXPIRED,
        }
    }

    pub(crate) fn reported(reported: Reported) -> Self {
        match reported {
            Reported::Healthy => Self::HEALTHY,
            Reported::Degraded => Self::DEGRADED,
        }
    }

    pub(crate) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    pub(crate) fn except(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    pub(crate) fn meets(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    pub(crate) fn within(self, other: Self) -> bool {
        self.0 & !other.0 == 0
    }

    /// The earliest state of the order healthy, degraded, expired, gone that it may be.
    pub(crate) fn first_rank(self) -> u32 {
        self.0.trailing_zeros()
    }

    /// The latest state of that order that it may be.
    pub(crate) fn last_rank(self) -> u32 {
        7 - self.0.leading_zeros().min(7)
    }

    /// In words.
    pub(crate) fn words(self) -> String {
        let names = [
            (Self::HEALTHY, "healthy"),
            (Self::DEGRADED, "degraded"),
            (Self::EXPIRED, "expired"),
            (Self::GONE, "gone"),
        ];
        let words: Vec<_> =
            names.iter().filter(|(state, _)| self.meets(*state)).map(|(_, word)| *word).collect();
        words.join(" or ")
    }
}

/// The timeouts of a policy in microseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Timeouts {
    /// D, where the registry knows a degraded state.
    pub(crate) degraded_us: Option<u64>,
    pub(crate) expires_us: u64,
    /// Q, where an expired agent goes away.
    pub(crate) evicted_us: Option<u64>,
}

impl Timeouts {
    pub(crate) fn of(policy: &Policy, abilities: &Abilities) -> Self {
        let to_us = |ms: u64| ms.saturating_mul(1000);
        Self {
            degraded_us: policy.degraded_after_ms.filter(|_| abilities.degraded).map(to_us),
            expires_us: to_us(policy.expires_after_ms),
            evicted_us: policy.evict_after_ms.filter(|_| abilities.evicts).map(to_us),
        }
    }

    /// The shortest time from one deadline to the next, the heartbeat itself counted as the first.
    pub(crate) fn shortest_gap_us(&self) -> u64 {
        let mut last = 0;
        let deadlines = [self.degraded_us, Some(self.expires_us), self.evicted_us].into_iter().flatten();
        deadlines
            .map(|deadline| deadline.saturating_sub(std::mem::replace(&mut last, deadline)))
            .min()
            .unwrap_or(0)
    }

    /// Silence from which an agent is no longer shown as it reported: D, or X where there is no D.
    pub(crate) fn steady_us(&self) -> u64 {
        self.degraded_us.unwrap_or(self.expires_us)
    }
}

/// An agent's heartbeats and deregistrations, indexed by time.
#[derive(Debug)]
pub(crate) struct Lease {
    /// By `s`, the restarts' leases among them.
    pub(crate) beats: Vec<Beat>,
    /// By `s`.
    pub(crate) leaves: Vec<Leave>,
    /// The certain ones as (`e`, the index of the one with the greatest `s` up to here), by `e`; calls only.
    called_by_end: Vec<(u64, usize)>,
    /// The same with the restarts' leases.
    any_by_end: Vec<(u64, usize)>,
    /// The same without those that raced with another one.
    calm_by_end: Vec<(u64, usize)>,
    /// For each of `beats` the greatest `act_by` up to it.
    latest_act: Vec<u64>,
    /// Indices of the beats that carry a status or a document, by `s`.
    carriers: Vec<usize>,
    /// Ends of the lives of a process whose leases do not outlive it.
    lives: Vec<Span>,
    /// What was before all of these.
    forgotten: Forgotten,
    /// The longest accepted heartbeat took this long.
    longest_us: u64,
    /// When acknowledged changes (registrations, updates, deregistrations) had been answered.
    changes: Vec<u64>,
}

impl Lease {
    pub(crate) fn of(
        record: &AgentRecord,
        timeouts: &Timeouts,
        restarts: &[Restart],
        abilities: &Abilities,
    ) -> Self {
        let mut beats = record.beats.clone();
        let mut leaves = record.leaves.clone();
        leaves.sort_by_key(|leave| leave.span.s);
        let full_lease = abilities.durable && abilities.lease_after_restart;
        for restart in restarts.iter().skip(record.forgotten.restarts) {
            let lived = full_lease && surely_lived(&beats, &leaves, restart, timeouts);
            let born_before = record.born.is_some_and(|born| born < restart.killed.e);
            if abilities.durable && born_before {
                beats.push(restart_beat(restart, lived));
            }
        }
        beats.sort_by_key(|beat| beat.span.s);
        let lives = if full_lease {
            Vec::new()
        } else {
            restarts.iter().map(|restart| Span { s: restart.killed.s, e: restart.started.s }).collect()
        };
        let mut latest = 0;
        let latest_act = beats
            .iter()
            .map(|beat| {
                latest = beat.act_by.max(latest);
                latest
            })
            .collect();
        mark_racing(&mut beats);
        mark_runs(&mut beats, timeouts.steady_us());
        let longest = beats.iter().filter(|beat| beat.certain).map(|beat| beat.span.e - beat.span.s).max();
        Self {
            calm_by_end: by_end(&beats, |index| beats[index].certain && !beats[index].raced),
            called_by_end: by_end(&beats, |index| beats[index].certain && !beats[index].restart),
            any_by_end: by_end(&beats, |index| beats[index].certain),
            latest_act,
            carriers: (0..beats.len()).filter(|&index| beats[index].reported.is_some()).collect(),
            lives,
            changes: acknowledged_changes(&beats, &leaves),
            leaves,
            longest_us: longest.unwrap_or(0).max(record.forgotten.longest_us),
            forgotten: record.forgotten,
            beats,
        }
    }

    /// The accepted heartbeat with the greatest `s` that had been acknowledged before `view` began and that no
    /// deregistration and no forgetful restart may have undone; `leases`: restarts' full leases count too.
    pub(crate) fn surest(&self, view: Span, leases: bool) -> Option<usize> {
        let ends = if leases { &self.any_by_end } else { &self.called_by_end };
        let index = surest_by(ends, view.s)?;
        let from = self.beats[index].span.s;
        let undone = self.leaves.iter().any(|leave| leave.act_by > from && leave.span.s < view.e)
            || self.lives.iter().any(|life| from < life.e && life.s < view.e);
        (!undone).then_some(index)
    }

    /// The latest instant at which anything that may have renewed the lease before `view` ended can have acted;
    /// `None` when nothing has.
    pub(crate) fn latest_renewal(&self, view: Span) -> Option<u64> {
        let begun = self.beats.partition_point(|beat| beat.span.s < view.e);
        begun.checked_sub(1).map(|last| self.latest_act[last])
    }

    /// Whether the last thing that can have renewed the lease before `view` ended surely did.
    pub(crate) fn surely_renewed(&self, view: Span) -> bool {
        let begun = self.beats.partition_point(|beat| beat.span.s < view.e);
        let last = self.beats[..begun].iter().max_by_key(|beat| beat.act_by);
        last.is_some_and(|beat| beat.certain)
    }

    /// The deregistration that surely ended the agent before `view` began, unless it may have come back since.
    pub(crate) fn surely_left(&self, view: Span) -> Option<&Leave> {
        let leave = self
            .leaves
            .iter()
            .filter(|leave| leave.certain && leave.span.e <= view.s)
            .max_by_key(|leave| leave.span.s)?;
        let back =
            self.beats.iter().any(|beat| !beat.restart && beat.act_by > leave.span.s && beat.span.s < view.e);
        (!back).then_some(leave)
    }

    /// The heartbeats whose reported status (or, with `full`, whose document) `view` may show: those that had begun
    /// and that no later one had surely replaced; the last acknowledged one comes with them.
    pub(crate) fn in_force(&self, view: Span, full: bool) -> (Option<&Beat>, Vec<&Beat>) {
        let begun = self.carriers.partition_point(|&index| self.beats[index].span.s < view.e);
        let carriers = self.carriers[..begun].iter().map(|&index| &self.beats[index]);
        let carriers = carriers.filter(|beat| !full || beat.full);
        let last = carriers
            .clone()
            .filter(|beat| beat.certain && beat.span.e <= view.s)
            .max_by_key(|beat| beat.span.s);
        let from = last.map_or(0, |beat| beat.span.s);
        (last, carriers.filter(|beat| beat.act_by > from).collect())
    }

    /// How many accepted heartbeats were in flight together with the one at `index`, itself among them, and when the
    /// first of them had begun.
    pub(crate) fn race_of(&self, index: usize) -> (usize, u64) {
        let mut first = self.beats[index].span.s;
        let mut count = 1;
        for beat in self.beats[..index].iter().rev() {
            if beat.span.s.saturating_add(self.longest_us) <= first {
                break;
            }
            if beat.certain && !beat.restart && beat.span.e > first {
                first = beat.span.s;
                count += 1;
            }
        }
        // One that began later and had not been answered when the view began was in the race as well.
        let end = self.beats[index].span.e;
        let later = self.beats[index + 1..].iter().take_while(|beat| beat.span.s < end);
        count += later.filter(|beat| beat.certain && !beat.restart).count();
        (count, first)
    }

    /// The accepted heartbeat with the greatest `s` that had been acknowledged by then, whatever may have undone it.
    pub(crate) fn surest_by(&self, instant: u64, leases: bool) -> Option<usize> {
        surest_by(if leases { &self.any_by_end } else { &self.called_by_end }, instant)
    }

    /// Its place, of those that raced with no other one.
    pub(crate) fn calmest_index_before(&self, instant: u64) -> Option<usize> {
        surest_by(&self.calm_by_end, instant)
    }

    /// The start of the surest heartbeat that had been answered before `instant`.
    pub(crate) fn surest_before(&self, instant: u64) -> Option<u64> {
        surest_by(&self.any_by_end, instant).map(|index| self.beats[index].span.s)
    }

    /// The same, of those that raced with no other one.
    pub(crate) fn calmest_before(&self, instant: u64) -> Option<u64> {
        surest_by(&self.calm_by_end, instant).map(|index| self.beats[index].span.s)
    }

    /// How many changes had been acknowledged by then.
    pub(crate) fn changes_before(&self, instant: u64) -> usize {
        self.forgotten.changes + self.changes.partition_point(|end| *end <= instant)
    }

    /// The last acknowledged full heartbeat before `view`, unless a deregistration may have followed it.
    pub(crate) fn acknowledged_registration(&self, view: Span) -> Option<Span> {
        let (last, _) = self.in_force(view, true);
        let from = last?.span;
        let left = self.leaves.iter().any(|leave| leave.act_by > from.s && leave.span.s < view.e);
        (!left).then_some(from)
    }

    /// A number that two views share when no heartbeat, restart or deregistration can have acted from the start of
    /// the one to the end of the other; `None` while one may.
    pub(crate) fn silence_number(&self, view: Span) -> Option<(usize, usize)> {
        let begun = self.beats.partition_point(|beat| beat.span.s < view.e);
        let settled = begun == 0 || self.latest_act[begun - 1] <= view.s;
        let left = self.leaves.iter().filter(|leave| leave.span.s < view.e);
        let leaving = left.clone().any(|leave| leave.act_by > view.s);
        let number = (begun + self.forgotten.beats, left.count() + self.forgotten.leaves);
        (settled && !leaving && begun > 0).then_some(number)
    }
}

fn by_end(beats: &[Beat], counts: impl Fn(usize) -> bool) -> Vec<(u64, usize)> {
    let mut ends: Vec<(u64, usize)> =
        (0..beats.len()).filter(|&index| counts(index)).map(|index| (beats[index].span.e, index)).collect();
    ends.sort_unstable();
    let mut best: Option<usize> = None;
    for (_, index) in &mut ends {
        let better = best.is_none_or(|best| beats[*index].span.s >= beats[best].span.s);
        if better {
            best = Some(*index);
        }
        *index = best.unwrap_or(*index);
    }
    ends
}

fn surest_by(ends: &[(u64, usize)], by_us: u64) -> Option<usize> {
    let position = ends.partition_point(|(end, _)| *end <= by_us);
    position.checked_sub(1).map(|last| ends[last].1)
}

/// Notes which accepted calls were in flight together with another one.
fn mark_racing(beats: &mut [Beat]) {
    let mut latest: Option<usize> = None;
    for index in 0..beats.len() {
        if !beats[index].certain || beats[index].restart {
            continue;
        }
        if let Some(other) = latest
            && beats[other].span.e > beats[index].span.s
        {
            beats[other].raced = true;
            beats[index].raced = true;
        }
        if latest.is_none_or(|other| beats[index].span.e > beats[other].span.e) {
            latest = Some(index);
        }
    }
}

/// For each accepted heartbeat: how many came in a row up to it at gaps provably below `steady_us`, and the widest gap
/// of theirs. What is known of an earlier one stays.
fn mark_runs(beats: &mut [Beat], steady_us: u64) {
    let mut previous: Option<(u64, usize, u64)> = None;
    for beat in beats.iter_mut().filter(|beat| beat.certain && !beat.restart) {
        let run = match (beat.run, previous) {
            (Some(known), _) => known,
            (None, Some((s, length, widest))) if beat.span.e.saturating_sub(s) < steady_us => {
                (length + 1, widest.max(beat.span.e - s))
            }
            _ => (1, 0),
        };
        beat.run = Some(run);
        previous = Some((beat.span.s, run.0, run.1));
    }
}

fn acknowledged_changes(beats: &[Beat], leaves: &[Leave]) -> Vec<u64> {
    let beats = beats.iter().filter(|beat| beat.is_change()).map(|beat| beat.span.e);
    let leaves = leaves.iter().filter(|leave| leave.certain).map(|leave| leave.span.e);
    let mut changes: Vec<u64> = beats.chain(leaves).collect();
    changes.sort_unstable();
    changes
}

/// Whether the agent surely lived when the process was killed. A heartbeat acknowledged by then counts.
fn surely_lived(beats: &[Beat], leaves: &[Leave], restart: &Restart, timeouts: &Timeouts) -> bool {
    let surest = beats
        .iter()
        .filter(|beat| beat.certain && beat.span.e <= restart.killed.e)
        .map(|beat| beat.span.s)
        .max();
    surest.is_some_and(|from| {
        from.saturating_add(timeouts.expires_us) > restart.killed.e
            && !leaves.iter().any(|leave| leave.act_by > from && leave.span.s < restart.started.e)
    })
}

fn restart_beat(restart: &Restart, lived: bool) -> Beat {
    Beat {
        span: restart.started,
        op: reports::history::Operation::Renew,
        outcome: reports::history::Outcome::Renewed,
        act_by: restart.started.e,
        certain: lived,
        restart: true,
        epoch: None,
        full: false,
        reported: None,
        document: None,
        declared: None,
        raced: false,
        run: None,
        noted: 0,
    }
}
