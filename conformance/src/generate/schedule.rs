//! One agent's part written out act by act: what a failure is shrunk to, kept as, and replayed from. Gaps are shares of
//! timeouts, so a schedule means the same under other policies.

use std::collections::HashSet;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Act, Gap, Role, Step, Story, Unit};

/// Gaps of a racer, in per cent of D.
pub(crate) const RACER_PERCENT: u64 = 80;

/// The most steps of a schedule; what a story has is far less.
const MOST_STEPS: usize = 200;

/// The longest gap, in thousandths of a timeout.
const LONGEST_PERMILLE: u64 = 10_000;

/// The most renewals in one instant.
const MOST_TOGETHER: u32 = 64;

/// Registers, does the steps, falls silent.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// Which policy holds for the agent.
    pub agent_type: String,
    /// What follows the registration.
    pub steps: Vec<Step>,
}

/// Why a schedule that was read cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("step {step}: {reason}")]
pub struct ScheduleError {
    /// Counted from 1.
    step: usize,
    /// What is wrong, and what may be.
    reason: String,
}

impl Schedule {
    /// A story's acts within `acting_us`, and those of a steady agent within `window_us`, under a D and an X in
    /// microseconds.
    pub(crate) fn of(
        agent_type: &str,
        story: &Story,
        (degraded_us, expires_us): (u64, u64),
        (acting_us, window_us): (u64, u64),
    ) -> Self {
        let again = |percent: u64, act: Act, until_us: u64| {
            let gap = Gap { unit: Unit::DegradedAfter, permille: percent * 10 };
            let count = until_us / gap.us(degraded_us, expires_us).max(1);
            let count = usize::try_from(count).unwrap_or(MOST_STEPS).min(MOST_STEPS);
            vec![Step { gap, act }; count]
        };
        let steps = match &story.role {
            Role::Steady { percent } => again(*percent, Act::Renew, window_us),
            Role::Racer { together } => again(RACER_PERCENT, Act::Race(*together), acting_us),
            Role::Script(steps) => steps.clone(),
        };
        Self { agent_type: agent_type.to_owned(), steps }
    }

    /// Heartbeats and other calls that it makes, the registration among them.
    pub fn calls(&self) -> u64 {
        let of_step = |step: &Step| match step.act {
            Act::Race(together) => u64::from(together),
            _ => 1,
        };
        1 + self.steps.iter().map(of_step).sum::<u64>()
    }

    /// How long it takes from the registration to the last act, in microseconds.
    pub(crate) fn length_us(&self, degraded_us: u64, expires_us: u64) -> u64 {
        self.steps.iter().map(|step| step.gap.us(degraded_us, expires_us)).fold(0, u64::saturating_add)
    }

    /// What makes one schedule simpler than another: fewer calls, then plainer ones, then shorter waits.
    pub(crate) fn weight(&self) -> (u64, usize, u64) {
        let plain = |step: &&Step| matches!(step.act, Act::Renew | Act::Race(_));
        let permille = self.steps.iter().map(|step| step.gap.permille).fold(0, u64::saturating_add);
        (self.calls(), self.steps.len() - self.steps.iter().filter(plain).count(), permille)
    }

    /// At most `most` schedules that are simpler, those that leave out most first.
    pub(crate) fn smaller(&self, most: usize) -> Vec<Self> {
        let with = |steps: Vec<Step>| Self { agent_type: self.agent_type.clone(), steps };
        let steps = &self.steps;
        let mut all = vec![with(Vec::new())];
        all.extend(steps.iter().map(|step| with(vec![*step])));
        for length in (1..steps.len()).rev() {
            all.push(with(steps[..length].to_vec()));
            all.push(with(steps[steps.len() - length..].to_vec()));
        }
        for place in 0..steps.len() {
            let mut fewer = steps.clone();
            fewer.remove(place);
            all.push(with(fewer));
            for act in plainer(steps[place].act) {
                let mut other = steps.clone();
                other[place].act = act;
                all.push(with(other));
            }
        }
        let own = self.weight();
        let mut seen = HashSet::new();
        all.retain(|schedule| schedule.weight() < own && seen.insert(schedule.clone()));
        all.sort_by_key(Self::weight);
        thinned(all, most)
    }

    /// Refuses what no run has left, such as a file that somebody has changed.
    ///
    /// # Errors
    /// When there are too many steps, or a step takes too long or does too much.
    pub fn check(&self) -> Result<(), ScheduleError> {
        let error = |step: usize, reason: String| Err(ScheduleError { step, reason });
        if self.steps.len() > MOST_STEPS {
            return error(MOST_STEPS + 1, format!("there may be {MOST_STEPS} at the most"));
        }
        for (number, step) in (1..).zip(&self.steps) {
            if step.gap.permille > LONGEST_PERMILLE {
                let told = format!("its gap is longer than {LONGEST_PERMILLE} thousandths of a timeout");
                return error(number, told);
            }
            if matches!(step.act, Act::Race(together) if together == 0 || together > MOST_TOGETHER) {
                return error(number, format!("a race is of 1 to {MOST_TOGETHER} heartbeats"));
            }
        }
        Ok(())
    }

    /// In words: what is done, and when.
    pub fn words(&self) -> String {
        let mut words = "register".to_owned();
        for Step { gap, act } in &self.steps {
            let unit = match gap.unit {
                Unit::DegradedAfter => "D",
                Unit::ExpiresAfter => "X",
            };
            let act = match act {
                Act::Renew => "renew".to_owned(),
                Act::Probe => "renew by HEAD".to_owned(),
                Act::Report(status) => format!("report {status:?}").to_lowercase(),
                Act::Repeat => "register with the same document".to_owned(),
                Act::Declare => "register with another document".to_owned(),
                Act::Race(together) => format!("renew {together} times at once"),
                Act::Leave => "leave and come back".to_owned(),
            };
            // Writing to a text cannot fail.
            let _ = write!(words, ", {}.{:03} {unit} later {act}", gap.permille / 1000, gap.permille % 1000);
        }
        format!("{words}, then nothing more")
    }
}

/// What may stand for an act and says less.
fn plainer(act: Act) -> Vec<Act> {
    match act {
        Act::Renew => Vec::new(),
        Act::Race(together) if together > 2 => vec![Act::Race(2), Act::Race(together - 1), Act::Renew],
        _ => vec![Act::Renew],
    }
}

/// Every so-maniest, if there are too many; the first always.
fn thinned(all: Vec<Schedule>, most: usize) -> Vec<Schedule> {
    let every = all.len().div_ceil(most.max(1)).max(1);
    all.into_iter().step_by(every).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(acts: &[Act]) -> Schedule {
        let gap = Gap { unit: Unit::DegradedAfter, permille: 800 };
        Schedule {
            agent_type: "default".to_owned(),
            steps: acts.iter().map(|act| Step { gap, act: *act }).collect(),
        }
    }

    #[test]
    fn what_is_smaller_is_simpler_is_there_once_and_holds_the_smallest() {
        let whole = schedule(&[Act::Declare, Act::Renew, Act::Race(4), Act::Renew, Act::Leave]);
        let smaller = whole.smaller(100);
        assert!(smaller.iter().all(|one| one.weight() < whole.weight()), "{smaller:#?}");
        assert_eq!(smaller.iter().collect::<HashSet<_>>().len(), smaller.len());
        for wanted in [&[][..], &[Act::Race(4)], &[Act::Declare, Act::Renew, Act::Race(4)]] {
            assert!(smaller.contains(&schedule(wanted)), "{wanted:?}");
        }
        assert_eq!(whole.smaller(5)[0], schedule(&[]), "the smallest is tried whatever the room");
        assert!(whole.smaller(5).len() <= 5);
    }

    #[test]
    fn shrinking_ends_with_the_race_that_a_fault_needs() {
        // A registry that is wrong if two heartbeats or more come at once.
        let fails = |one: &Schedule| one.steps.iter().any(|step| matches!(step.act, Act::Race(2..)));
        let mut least =
            schedule(&[Act::Renew, Act::Race(5), Act::Report(reports::history::Reported::Healthy)]);
        while let Some(next) = least.smaller(40).into_iter().find(fails) {
            least = next;
        }
        assert_eq!(least, schedule(&[Act::Race(2)]));
        assert_eq!(least.words(), "register, 0.800 D later renew 2 times at once, then nothing more");
    }

    #[test]
    fn a_story_is_written_out_as_long_as_its_window_lasts() {
        let story = |role| Story { start_permille: 0, role };
        let of = |role| Schedule::of("brisk", &story(role), (100, 200), (500, 900));
        assert_eq!(of(Role::Steady { percent: 90 }).steps.len(), 10);
        assert_eq!(of(Role::Racer { together: 3 }).steps, schedule(&[Act::Race(3); 6]).steps);
        assert_eq!(of(Role::Script(Vec::new())).calls(), 1);
    }

    #[test]
    fn a_schedule_is_read_as_it_was_written_and_a_senseless_one_is_refused() {
        let whole = schedule(&[Act::Race(3), Act::Report(reports::history::Reported::Degraded)]);
        let text = serde_json::to_string(&whole).unwrap();
        assert_eq!(serde_json::from_str::<Schedule>(&text).unwrap(), whole);
        assert_eq!(whole.check(), Ok(()));
        let error = schedule(&[Act::Renew, Act::Race(65)]).check().unwrap_err();
        assert_eq!(error.to_string(), "step 2: a race is of 1 to 64 heartbeats");
        assert!(schedule(&[Act::Renew; 201]).check().is_err());
    }
}
