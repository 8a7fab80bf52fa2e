//! When each agent starts, crashes and comes back.

use scenarios::model::{Fleet, PhaseKind};

use super::chance::{Draws, Question, rank, share};
use super::{PhaseSpan, micros};

/// A stretch in which an agent's process runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Life {
    /// When it starts, microseconds since the run began.
    pub start_us: u64,
    /// When it falls silent; `None`: it outlives the run.
    pub crash_us: Option<u64>,
}

/// The lives of all agents, side by side.
#[derive(Debug)]
pub(super) struct Lives {
    lives: Vec<Life>,
    /// Where each agent's lives begin in `lives`, with the end of all as its last entry.
    first: Vec<u32>,
}

/// An agent while its lives are worked out.
struct Member {
    draws: Draws,
    members: u32,
    lives: Vec<Life>,
}

impl Lives {
    /// All lives: everybody starts in the first ramp (or at once where there is none); each crash phase takes an
    /// exact share of those alive, by lot; each recover phase brings back all that have crashed.
    pub(super) fn new(seed: u64, fleets: &[Fleet], phases: &[PhaseSpan]) -> Self {
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
        for (part, phase) in (0_u32..).zip(phases) {
            match phase.kind {
                PhaseKind::Ramp | PhaseKind::Hold => {}
                PhaseKind::Crash { share, over } => {
                    crash_some(&mut members, part, phase, share, micros(over));
                }
                PhaseKind::Recover { over } => bring_back(&mut members, part, phase, micros(over)),
            }
        }
        Self::flat(members)
    }

    /// The lives of one agent, in order.
    pub(super) fn of(&self, agent: u32) -> &[Life] {
        let index = usize::try_from(agent).unwrap_or(usize::MAX);
        let (Some(from), Some(to)) = (self.first.get(index), self.first.get(index.saturating_add(1))) else {
            return &[];
        };
        usize::try_from(*from)
            .ok()
            .zip(usize::try_from(*to).ok())
            .and_then(|(from, to)| self.lives.get(from..to))
            .unwrap_or(&[])
    }

    fn flat(members: Vec<Member>) -> Self {
        let mut lives = Vec::with_capacity(members.len());
        let mut first = Vec::with_capacity(members.len() + 1);
        for member in members {
            first.push(u32::try_from(lives.len()).unwrap_or(u32::MAX));
            lives.extend(member.lives);
        }
        first.push(u32::try_from(lives.len()).unwrap_or(u32::MAX));
        Self { lives, first }
    }
}

/// Spreads the starts of each fleet evenly over the ramp: a slot for each agent, and chance within the slot.
fn start_all(members: &mut [Member], ramp: Option<&PhaseSpan>) {
    let (start_us, length_us) = ramp.map_or((0, 0), |phase| (phase.start_us, phase.end_us - phase.start_us));
    for member in members {
        let slot = f64::from(member.draws.agent) + member.draws.share(Question::Start, 0, 0);
        let start_us = start_us + part_of(length_us, slot / f64::from(member.members.max(1)));
        member.lives.push(Life { start_us, crash_us: None });
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
        member.lives.push(Life { start_us, crash_us: None });
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
fn rounded_share(count: usize, share: f64) -> usize {
    (count as f64 * share.clamp(0.0, 1.0)).round() as usize
}
