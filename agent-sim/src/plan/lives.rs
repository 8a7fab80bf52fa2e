//! When each agent starts, ends and comes back.

use scenarios::model::{FaultKind, Fleet, PhaseKind};

use super::chance::{Draws, Question, rank, share};
use super::churn::{Churn, NOBODY};
use super::faults::PlannedFault;
use super::share::Share;
use super::{PhaseSpan, micros};

/// A stretch in which an agent's process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it starts, microseconds since the run began.
    pub start_us: u64,
    /// When it falls silent; `None`: it outlives the run.
    pub crash_us: Option<u64>,
    /// Whether it deregisters at its end.
    pub leaves: bool,
}

/// The lives of all agents, side by side. A churn cuts them into more, which are worked out when asked for.
#[derive(Debug)]
pub(super) struct Lives {
    lives: Vec<Stored>,
    /// Where each agent's lives begin in `lives`, with the end of all as its last entry.
    first: Vec<u32>,
    churns: Vec<Churn>,
    /// All starts of the agents that are counted, in order, and all ends.
    starts: Vec<u64>,
    ends: Vec<u64>,
}

/// A life in 16 bytes.
#[derive(Debug, Clone, Copy)]
struct Stored {
    start_us: u64,
    /// Twice the end, and one more where it deregisters; [`u64::MAX`]: it outlives the run.
    end: u64,
}

impl Stored {
    fn of(life: Life) -> Self {
        let end = life.crash_us.map_or(u64::MAX, |end_us| (end_us << 1) | u64::from(life.leaves));
        Self { start_us: life.start_us, end }
    }

    fn end_us(self) -> u64 {
        if self.end == u64::MAX { u64::MAX } else { self.end >> 1 }
    }

    /// The life, from another start.
    fn from(self, start_us: u64) -> Life {
        let crash_us = Some(self.end_us()).filter(|end_us| *end_us != u64::MAX);
        Life { start_us, crash_us, leaves: crash_us.is_some() && self.end & 1 == 1 }
    }
}

/// An agent while its lives are worked out.
struct Member {
    draws: Draws,
    members: u32,
    lives: Vec<Life>,
}

impl Member {
    /// Whether it lives at an instant that lies after all that was planned for it so far.
    fn lives_at(&self, instant_us: u64) -> bool {
        self.lives.last().is_some_and(|life| life.crash_us.is_none() && life.start_us <= instant_us)
    }

    /// Lets it end; it comes back as a new process after a while, if at all.
    fn end(&mut self, instant_us: u64, leaves: bool, back_after_us: Option<u64>) {
        let Some(life) = self.lives.last_mut() else { return };
        let end_us = instant_us.max(life.start_us + 1);
        (life.crash_us, life.leaves) = (Some(end_us), leaves);
        if let Some(after_us) = back_after_us {
            let start_us = end_us.saturating_add(after_us.max(1));
            self.lives.push(Life { start_us, crash_us: None, leaves: false });
        }
    }
}

impl Lives {
    /// All lives: everybody starts in the first ramp (or at once where there is none); each crash phase takes an
    /// exact share of those alive, by lot; each recover phase brings back all that have crashed; faults that end agents
    /// strike between them, in the order of their instants.
    pub(super) fn new(seed: u64, fleets: &[Fleet], phases: &[PhaseSpan], faults: &[PlannedFault]) -> Self {
        let mut members = Vec::new();
        for (index, fleet) in fleets.iter().enumerate() {
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            members.extend((0..fleet.agents).map(|agent| Member {
                draws: Draws { seed, fleet: index, agent },
                members: fleet.agents,
                lives: Vec::new(),
            }));
        }
        let ramp = phases.iter().position(|phase| phase.kind == PhaseKind::Ramp);
        start_all(&mut members, ramp.and_then(|index| phases.get(index)));
        let mut churns = Vec::new();
        let mut waiting = (0_u32..).zip(faults).peekable();
        for (part, phase) in (0_u32..).zip(phases) {
            // What strikes before this phase begins has struck before its own wave.
            while let Some((number, fault)) = waiting.next_if(|(_, fault)| fault.start_us < phase.start_us) {
                churns.extend(strike(&mut members, number, fault));
            }
            match phase.kind {
                PhaseKind::Ramp | PhaseKind::Hold => {}
                PhaseKind::Crash { share, over } => {
                    crash_some(&mut members, part, phase, share, micros(over));
                }
                PhaseKind::Recover { over } => bring_back(&mut members, part, phase, micros(over)),
            }
        }
        for (number, fault) in waiting {
            churns.extend(strike(&mut members, number, fault));
        }
        Self::flat(members, churns)
    }

    /// The first life of an agent that starts at `from_us` or later.
    pub(super) fn next(&self, agent: u32, from_us: u64) -> Option<Life> {
        let agent = usize::try_from(agent).ok()?;
        self.of(agent).iter().find_map(|life| {
            let within = |churn: &&Churn| life.start_us <= churn.start_us && churn.start_us < life.end_us();
            let back = || self.churns.iter().filter(within).filter_map(|churn| churn.back_us(agent, from_us));
            let start_us = if life.start_us >= from_us { life.start_us } else { back().min()? };
            let cut = |churn: &Churn| Some((churn.cut_us(agent, start_us + 1)?, churn.leaves));
            let whole = life.from(start_us);
            Some(match self.churns.iter().filter(within).filter_map(cut).min() {
                Some((cut_us, leaves)) => Life { crash_us: Some(cut_us), leaves, ..whole },
                None => whole,
            })
        })
    }

    /// Lets only these agents count in [`Self::alive_at`].
    pub(super) fn count_only(&mut self, share: Share) {
        let counted = |agent: &usize| u32::try_from(*agent).is_ok_and(|agent| share.has(agent));
        let own = (0..self.first.len()).filter(counted).flat_map(|agent| self.of(agent));
        let (starts, ends) = edges(own);
        (self.starts, self.ends) = (starts, ends);
        self.churns.iter_mut().for_each(|churn| churn.count_only(share));
    }

    /// How many of the agents that are counted live at an instant.
    pub(super) fn alive_at(&self, instant_us: u64) -> u64 {
        let until = |instants: &[u64]| instants.partition_point(|one| *one <= instant_us) as u64;
        let away: u64 = self.churns.iter().map(|churn| churn.away(instant_us)).sum();
        (until(&self.starts) - until(&self.ends)).saturating_sub(away)
    }

    fn of(&self, agent: usize) -> &[Stored] {
        let (Some(from), Some(to)) = (self.first.get(agent), self.first.get(agent.saturating_add(1))) else {
            return &[];
        };
        usize::try_from(*from)
            .ok()
            .zip(usize::try_from(*to).ok())
            .and_then(|(from, to)| self.lives.get(from..to))
            .unwrap_or(&[])
    }

    fn flat(members: Vec<Member>, churns: Vec<Churn>) -> Self {
        let mut lives = Vec::with_capacity(members.len());
        let mut first = Vec::with_capacity(members.len() + 1);
        for member in members {
            first.push(u32::try_from(lives.len()).unwrap_or(u32::MAX));
            lives.extend(member.lives.into_iter().map(Stored::of));
        }
        first.push(u32::try_from(lives.len()).unwrap_or(u32::MAX));
        let (starts, ends) = edges(&lives);
        Self { lives, first, churns, starts, ends }
    }
}

/// When lives start, in order, and when they end.
fn edges<'l>(lives: impl IntoIterator<Item = &'l Stored>) -> (Vec<u64>, Vec<u64>) {
    let (mut starts, mut ends) = (Vec::new(), Vec::new());
    for life in lives {
        starts.push(life.start_us);
        ends.extend(Some(life.end_us()).filter(|end_us| *end_us != u64::MAX));
    }
    starts.sort_unstable();
    ends.sort_unstable();
    (starts, ends)
}

/// What a fault does to the lives of agents; `number` is its place among all faults.
fn strike(members: &mut [Member], number: u32, fault: &PlannedFault) -> Option<Churn> {
    let start_us = fault.start_us;
    match fault.kind {
        FaultKind::Crash { share, over, back_after } | FaultKind::Leave { share, over, back_after } => {
            let leaves = matches!(fault.kind, FaultKind::Leave { .. });
            let (lots, over_us) = (lots(members, number, start_us), micros(over));
            let count = rounded_share(lots.len(), share);
            for (_, index, delay) in lots.into_iter().take(count) {
                let instant_us = start_us + part_of(over_us, delay);
                if let Some(member) = members.get_mut(index) {
                    member.end(instant_us, leaves, back_after.map(micros));
                }
            }
        }
        FaultKind::Herd { down } => {
            let alive = members.iter_mut().filter(|member| member.lives_at(start_us));
            // One microsecond later, so that an agent that has just started ends with all others.
            alive.for_each(|member| member.end(start_us + 1, false, Some(micros(down))));
        }
        FaultKind::Deploy { batches, every, down, graceful } => {
            let alive = members.iter().filter(|member| member.lives_at(start_us)).count() as u64;
            let in_turn = (0_u64..).zip(members.iter_mut().filter(|member| member.lives_at(start_us)));
            for (place, member) in in_turn {
                let batch = place * u64::from(batches) / alive.max(1);
                member.end(start_us + batch * micros(every), graceful, Some(micros(down)));
            }
        }
        FaultKind::Churn { per_minute, lasting, down, graceful } => {
            let lots = lots(members, number, start_us);
            let mut ranks = vec![NOBODY; members.len()];
            for (rank, (_, index, _)) in (0_u32..).zip(&lots) {
                if let Some(place) = ranks.get_mut(*index) {
                    *place = rank;
                }
            }
            let total = whole_part(lots.len(), per_minute * lasting.as_secs_f64() / 60.0);
            return Some(Churn::new(start_us, micros(lasting), micros(down), total, graceful, ranks));
        }
        _ => {}
    }
    None
}

/// The living in the order of their lots, each with a share of its own.
fn lots(members: &[Member], number: u32, instant_us: u64) -> Vec<(u64, usize, f64)> {
    let mut lots = Vec::new();
    for (index, member) in members.iter().enumerate().filter(|(_, member)| member.lives_at(instant_us)) {
        let mut generator = member.draws.generator(Question::Strike, number, 0);
        lots.push((rank(&mut generator), index, share(&mut generator)));
    }
    lots.sort_unstable_by_key(|(lot, index, _)| (*lot, *index));
    lots
}

/// Spreads the starts of each fleet evenly over the ramp: a slot for each agent, and chance within the slot.
fn start_all(members: &mut [Member], ramp: Option<&PhaseSpan>) {
    let (start_us, length_us) = ramp.map_or((0, 0), |phase| (phase.start_us, phase.end_us - phase.start_us));
    for member in members {
        let slot = f64::from(member.draws.agent) + member.draws.share(Question::Start, 0, 0);
        let start_us = start_us + part_of(length_us, slot / f64::from(member.members.max(1)));
        member.lives.push(Life { start_us, crash_us: None, leaves: false });
    }
}

/// Lets exactly `wanted` of the living fall silent: those that drew the lowest lots.
fn crash_some(members: &mut [Member], part: u32, phase: &PhaseSpan, wanted: f64, over_us: u64) {
    let mut lots = Vec::new();
    for (index, member) in members.iter().enumerate() {
        let alive =
            member.lives.last().is_some_and(|life| life.crash_us.is_none() && life.start_us < phase.end_us);
        if alive {
            let mut generator = member.draws.generator(Question::Crash, part, 0);
            lots.push((rank(&mut generator), index, share(&mut generator)));
        }
    }
    lots.sort_unstable_by_key(|(lot, index, _)| (*lot, *index));
    let count = rounded_share(lots.len(), wanted);
    for (_, index, delay) in lots.into_iter().take(count) {
        if let Some(life) = members.get_mut(index).and_then(|member| member.lives.last_mut()) {
            let instant_us = phase.start_us + part_of(over_us, delay);
            life.crash_us = Some(instant_us.max(life.start_us + 1));
        }
    }
}

fn bring_back(members: &mut [Member], part: u32, phase: &PhaseSpan, over_us: u64) {
    for member in members {
        let Some(crash_us) = member.lives.last().and_then(|life| life.crash_us) else { continue };
        let delay = member.draws.share(Question::Return, part, 0);
        let start_us = (phase.start_us + part_of(over_us, delay)).max(crash_us + 1);
        member.lives.push(Life { start_us, crash_us: None, leaves: false });
    }
}

/// A share of a length, rounded down.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "runs are far shorter than 2^53 us, and shares are not negative"
)]
pub(super) fn part_of(length_us: u64, share: f64) -> u64 {
    (length_us as f64 * share) as u64
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "agents are far fewer than 2^53, and shares lie between 0 and 1"
)]
pub(super) fn rounded_share(count: usize, share: f64) -> usize {
    (count as f64 * share.clamp(0.0, 1.0)).round() as usize
}

/// So many times a number, rounded.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "agents are far fewer than 2^53, and replacements too"
)]
fn whole_part(count: usize, times: f64) -> u64 {
    (count as f64 * times.max(0.0)).round() as u64
}
