//! Every agent's instants, merged lazily in their order: one entry in a calendar and one small cursor an agent, whatever
//! the length of the run.

use std::sync::Arc;

use scenarios::model::Fleet;

use super::calendar::Calendar;
use super::chance::{Draws, Question};
use super::lives::{Life, part_of};
use super::share::Share;
use super::{Plan, micros};

/// An agent's first heartbeat follows its registration by this share of the period at least, so that the plan
/// itself makes no misses.
const FIRST_BEAT_SHARE: f64 = 0.1;

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// A process starts: the agent registers.
    Register {
        /// 1 for the first process of this agent.
        incarnation: u32,
    },
    /// A heartbeat.
    Beat {
        /// The how-manieth of this life, from 0.
        number: u32,
    },
    /// A discovery call.
    Poll {
        /// The how-manieth of this life, from 0.
        number: u32,
    },
    /// The process ends without a word.
    Crash,
    /// The process ends, and deregisters before.
    Leave,
    /// The harness itself reads the whole list.
    Observe,
}

/// An action with its instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When it is due, microseconds since the run began.
    pub instant_us: u64,
    /// Whose it is; `None` for the harness's own.
    pub agent: Option<u32>,
    /// What is due.
    pub action: Action,
}

/// The instants of one agent, in order, before the end of the run.
#[derive(Debug, Clone)]
struct Cursor {
    /// The one that it is in, or waits for; `None` after the last.
    life: Option<Life>,
    /// Lives already behind it.
    lives_over: u32,
    started: bool,
    beat: u32,
    poll: u32,
    /// Where in the period this life's heartbeats lie, as a share of it.
    beat_offset: f64,
    /// The same for polls.
    poll_offset: f64,
    next_beat_us: u64,
    /// `u64::MAX`: it never asks.
    next_poll_us: u64,
}

impl Cursor {
    /// Before the first life that starts at `from_us` or later, with `lives_over` behind it.
    fn before_life(plan: &Plan, agent: u32, from_us: u64, lives_over: u32) -> Self {
        Self {
            life: plan.next_life(agent, from_us),
            lives_over,
            started: false,
            beat: 0,
            poll: 0,
            beat_offset: 0.0,
            poll_offset: 0.0,
            next_beat_us: 0,
            next_poll_us: u64::MAX,
        }
    }

    /// When it is due next; `None` after its last instant.
    fn due_us(&self, plan: &Plan) -> Option<u64> {
        let life = self.life?;
        let instant_us = if self.started {
            self.next_beat_us.min(self.next_poll_us).min(life.crash_us.unwrap_or(u64::MAX))
        } else {
            life.start_us
        };
        (instant_us < plan.end_us()).then_some(instant_us)
    }

    /// Takes what is due next and moves on. The end of a life comes before anything else of its instant.
    fn take(&mut self, plan: &Plan, agent: u32) -> Option<Action> {
        let instant_us = self.due_us(plan)?;
        let life = self.life?;
        let (index, fleet, member) = plan.fleet_of(agent)?;
        let rhythm = Rhythm {
            draws: Draws { seed: plan.seed, fleet: index, agent: member },
            fleet,
            part: self.lives_over,
        };
        if !self.started {
            self.started = true;
            self.beat = 0;
            self.poll = 0;
            self.beat_offset = rhythm.offset(Question::BeatOffset);
            self.poll_offset = rhythm.offset(Question::PollOffset);
            self.next_beat_us = rhythm.beat_us(&life, 0, self.beat_offset);
            self.next_poll_us = rhythm.poll_us(&life, 0, self.poll_offset);
            return Some(Action::Register { incarnation: self.lives_over + 1 });
        }
        if life.crash_us == Some(instant_us) {
            *self = Self::before_life(plan, agent, instant_us + 1, self.lives_over + 1);
            return Some(if life.leaves { Action::Leave } else { Action::Crash });
        }
        if self.next_beat_us == instant_us {
            let number = self.beat;
            self.beat += 1;
            self.next_beat_us = rhythm.beat_us(&life, self.beat, self.beat_offset);
            return Some(Action::Beat { number });
        }
        let number = self.poll;
        self.poll += 1;
        self.next_poll_us = rhythm.poll_us(&life, self.poll, self.poll_offset);
        Some(Action::Poll { number })
    }
}

/// Where in time the heartbeats and polls of one life lie.
struct Rhythm<'a> {
    draws: Draws,
    fleet: &'a Fleet,
    part: u32,
}

impl Rhythm<'_> {
    /// Where in the period the instants lie, as a share of it.
    fn offset(&self, question: Question) -> f64 {
        let least = self.reach() + FIRST_BEAT_SHARE;
        least + self.draws.share(question, self.part, 0) * (1.0 - least)
    }

    /// How far an instant may be moved either way, as a share of the period.
    fn reach(&self) -> f64 {
        self.fleet.jitter.clamp(0.0, 0.5)
    }

    fn beat_us(&self, life: &Life, number: u32, offset: f64) -> u64 {
        self.instant_us(life, micros(self.fleet.heartbeat), number, offset, Question::BeatJitter)
    }

    fn poll_us(&self, life: &Life, number: u32, offset: f64) -> u64 {
        self.fleet.poll.map_or(u64::MAX, |period| {
            self.instant_us(life, micros(period), number, offset, Question::PollJitter)
        })
    }

    /// start + (number + offset + jitter) * period: the grid never drifts, each instant is moved by itself.
    fn instant_us(&self, life: &Life, period_us: u64, number: u32, offset: f64, jitter: Question) -> u64 {
        let moved = self.reach() * (2.0 * self.draws.share(jitter, self.part, number) - 1.0);
        life.start_us + part_of(period_us.max(1), f64::from(number) + offset + moved)
    }
}

/// Agents' actions in the order of their instants; those of one instant by the agent's number, the harness last.
#[derive(Debug)]
pub struct Schedule {
    plan: Arc<Plan>,
    /// Whose actions, beside the harness's.
    share: Share,
    /// By their places in the share.
    cursors: Vec<Cursor>,
    /// The next instant of each; [`OBSERVER`] stands for the harness.
    due: Calendar,
}

const OBSERVER: u32 = u32::MAX;

impl Schedule {
    /// Of all agents and the harness, from the beginning.
    pub fn new(plan: Arc<Plan>) -> Self {
        let mut schedule = Self::of_agents(plan, Share::WHOLE);
        schedule.observe_after(0);
        schedule
    }

    /// Of a share of the agents, without the harness.
    pub fn of_agents(plan: Arc<Plan>, share: Share) -> Self {
        let agents = || share.agents(plan.agents());
        let cursors: Vec<Cursor> = agents().map(|agent| Cursor::before_life(&plan, agent, 0, 0)).collect();
        let due_of = |(agent, cursor): (u32, &Cursor)| Some((cursor.due_us(&plan)?, agent));
        let mut due = Calendar::default();
        due.extend(agents().zip(&cursors).filter_map(due_of));
        Self { plan, share, cursors, due }
    }

    /// Of the harness alone.
    pub fn of_harness(plan: Arc<Plan>) -> Self {
        let mut schedule = Self::of_agents(plan, Share::NOBODY);
        schedule.observe_after(0);
        schedule
    }

    fn observe_after(&mut self, instant_us: u64) {
        self.due.extend(self.plan.observation_after(instant_us).map(|next_us| (next_us, OBSERVER)));
    }

    /// When the next action is due.
    pub fn next_us(&self) -> Option<u64> {
        self.due.next_us()
    }
}

impl Iterator for Schedule {
    type Item = Planned;

    fn next(&mut self) -> Option<Planned> {
        let (instant_us, agent) = self.due.pop()?;
        if agent == OBSERVER {
            self.observe_after(instant_us);
            return Some(Planned { instant_us, agent: None, action: Action::Observe });
        }
        let cursor = self.cursors.get_mut(self.share.place(agent)?)?;
        let action = cursor.take(&self.plan, agent)?;
        self.due.extend(cursor.due_us(&self.plan).map(|next_us| (next_us, agent)));
        Some(Planned { instant_us, agent: Some(agent), action })
    }
}
