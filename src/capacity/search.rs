//! The search for the most that holds, without a run in it: told how a step ended, it says what to try next.
//!
//! It doubles until a step breaks (or halves until one holds), bisects until what holds and what breaks lie close enough,
//! and then tries what held once more: that confirms it, or the search steps down and confirms again.

use serde::Serialize;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    /// All thresholds and requirements held.
    Held,
    /// One broke.
    Broke,
    /// The generator could not keep its plan.
    Invalid,
}

/// A run to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct Step {
    /// How much, in the search's own unit.
    pub(crate) level: u64,
    /// Whether it confirms what was found.
    pub(crate) confirms: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    /// Make this run.
    Try(Step),
    /// It is over.
    Done(End),
}

/// How a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "end")]
pub(crate) enum End {
    /// The most that held, twice; `broke` is the least that broke above it, `None` when the bound of what can be asked
    /// for held.
    Found {
        /// What held.
        level: u64,
        /// What broke.
        broke: Option<u64>,
    },
    /// The least that can be asked for broke.
    NothingHolds {
        /// What broke.
        broke: u64,
    },
    /// The generator could not keep its plan twice: its limit, not the registry's.
    GeneratorsLimit {
        /// What held before, if anything: a lower bound.
        level: Option<u64>,
        /// Where the generator was at its end.
        at: u64,
    },
    /// The steps were used up.
    OutOfSteps {
        /// The most that held, not confirmed.
        level: Option<u64>,
        /// The least that broke.
        broke: Option<u64>,
    },
}

/// A search under way.
#[derive(Debug, Clone)]
pub(crate) struct Search {
    least: u64,
    most: u64,
    resolution: f64,
    steps_left: u32,
    held: Option<u64>,
    broke: Option<u64>,
    present: Step,
    was_invalid: bool,
}

impl Search {
    /// Begins at `start`; nothing below `least` or above `most` is tried. `resolution` is how close what holds and what
    /// breaks must lie, as a share of what holds; at most `max_steps` runs are made, one at least.
    pub(crate) fn new(start: u64, (least, most): (u64, u64), resolution: f64, max_steps: u32) -> Self {
        let level = start.clamp(least, most.max(least));
        Self {
            least,
            most: most.max(least),
            resolution,
            steps_left: max_steps.max(1),
            held: None,
            broke: None,
            present: Step { level, confirms: false },
            was_invalid: false,
        }
    }

    /// The first run.
    pub(crate) fn first(&self) -> Step {
        self.present
    }

    /// Takes how the present run ended.
    pub(crate) fn after(&mut self, outcome: Outcome) -> Next {
        self.steps_left = self.steps_left.saturating_sub(1);
        let Step { level, confirms } = self.present;
        let next = match outcome {
            Outcome::Invalid if self.was_invalid => {
                return Next::Done(End::GeneratorsLimit { level: self.held, at: level });
            }
            Outcome::Invalid => {
                self.was_invalid = true;
                return self.go_on(self.present);
            }
            Outcome::Held if confirms => return Next::Done(End::Found { level, broke: self.broke }),
            Outcome::Held => {
                self.held = Some(level);
                self.after_held(level)
            }
            Outcome::Broke => {
                self.broke = Some(level);
                if level <= self.least {
                    return Next::Done(End::NothingHolds { broke: level });
                }
                if confirms { self.step_down(level) } else { self.after_broke(level) }
            }
        };
        self.was_invalid = false;
        self.go_on(next)
    }

    /// What is known when the search is ended from outside.
    pub(crate) fn bounds(&self) -> (Option<u64>, Option<u64>) {
        (self.held, self.broke)
    }

    fn go_on(&mut self, step: Step) -> Next {
        if self.steps_left == 0 {
            return Next::Done(End::OutOfSteps { level: self.held, broke: self.broke });
        }
        self.present = step;
        Next::Try(step)
    }

    fn after_held(&self, level: u64) -> Step {
        match self.broke {
            Some(broke) => self.between(level, broke),
            None if level >= self.most => Step { level, confirms: true },
            None => Step { level: level.saturating_mul(2).min(self.most), confirms: false },
        }
    }

    fn after_broke(&self, level: u64) -> Step {
        match self.held {
            Some(held) => self.between(held, level),
            None => Step { level: (level / 2).max(self.least), confirms: false },
        }
    }

    /// Half-way, or what holds once more when the two are close enough.
    #[allow(clippy::cast_precision_loss, reason = "a step is far below 2^53")]
    fn between(&self, held: u64, broke: u64) -> Step {
        let gap = broke.saturating_sub(held);
        if gap <= 1 || gap as f64 <= held as f64 * self.resolution {
            Step { level: held, confirms: true }
        } else {
            Step { level: held + gap / 2, confirms: false }
        }
    }

    /// What held once did not hold again: a resolution lower.
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a step is far below 2^53"
    )]
    fn step_down(&mut self, level: u64) -> Step {
        self.held = None;
        let lower = (level as f64 * (1.0 - self.resolution)).floor() as u64;
        Step { level: lower.min(level.saturating_sub(1)).max(self.least), confirms: true }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a search against a registry that says of each level how it goes.
    fn search(mut search: Search, mut answer: impl FnMut(u64) -> Outcome) -> (End, Vec<Step>) {
        let mut steps = vec![search.first()];
        let mut step = search.first();
        loop {
            match search.after(answer(step.level)) {
                Next::Try(next) => {
                    step = next;
                    steps.push(next);
                }
                Next::Done(end) => return (end, steps),
            }
        }
    }

    fn up_to(limit: u64) -> impl FnMut(u64) -> Outcome {
        move |level| if level <= limit { Outcome::Held } else { Outcome::Broke }
    }

    #[test]
    fn it_doubles_bisects_and_confirms() {
        let (end, steps) = search(Search::new(100, (1, 1_000_000), 0.1, 20), up_to(530));
        let levels: Vec<_> = steps.iter().map(|step| (step.level, step.confirms)).collect();
        assert_eq!(
            levels,
            [
                (100, false),
                (200, false),
                (400, false),
                (800, false),
                (600, false),
                (500, false),
                (550, false),
                (500, true)
            ]
        );
        assert_eq!(end, End::Found { level: 500, broke: Some(550) });
    }

    #[test]
    fn it_goes_down_where_the_first_step_breaks_and_says_when_nothing_holds() {
        let (end, _) = search(Search::new(100, (1, 1_000), 0.05, 20), up_to(12));
        assert_eq!(end, End::Found { level: 12, broke: Some(13) });
        let (end, _) = search(Search::new(100, (25, 1_000), 0.05, 20), up_to(12));
        assert_eq!(end, End::NothingHolds { broke: 25 });
    }

    #[test]
    fn it_ends_where_no_more_can_be_asked_for() {
        let (end, _) = search(Search::new(100, (1, 350), 0.05, 20), up_to(10_000));
        assert_eq!(end, End::Found { level: 350, broke: None });
    }

    #[test]
    fn what_does_not_hold_again_is_not_found() {
        let mut tried = 0;
        let (end, steps) = search(Search::new(100, (1, 1_000), 0.1, 20), |level| {
            tried += 1;
            // Holds at the first try, breaks when it is to be confirmed.
            if level >= 190 || (level > 170 && tried > 5) { Outcome::Broke } else { Outcome::Held }
        });
        let End::Found { level, .. } = end else { panic!("{end:?} {steps:?}") };
        assert!(level <= 170, "{steps:?}");
        assert!(steps.iter().filter(|step| step.confirms).count() > 1, "{steps:?}");
    }

    #[test]
    fn an_invalid_step_is_tried_once_more_and_then_it_is_the_generators_limit() {
        let (end, steps) = search(Search::new(100, (1, 1_000_000), 0.05, 20), |level| {
            if level > 300 { Outcome::Invalid } else { Outcome::Held }
        });
        assert_eq!(end, End::GeneratorsLimit { level: Some(200), at: 400 });
        assert_eq!(steps.iter().filter(|step| step.level == 400).count(), 2);
        let mut stumbled = false;
        let (end, _) = search(Search::new(100, (1, 1_000), 0.05, 20), |level| {
            if level == 200 && !std::mem::replace(&mut stumbled, true) {
                return Outcome::Invalid;
            }
            up_to(400)(level)
        });
        assert!(matches!(end, End::Found { level: 380..=400, .. }), "{end:?}");
    }

    #[test]
    fn it_stops_when_the_steps_are_used_up_and_says_what_is_known() {
        let (end, steps) = search(Search::new(100, (1, 1_000_000), 0.05, 4), up_to(530));
        assert_eq!((end, steps.len()), (End::OutOfSteps { level: Some(400), broke: Some(800) }, 4));
    }

    proptest! {
        #[test]
        fn the_limit_of_any_monotone_registry_is_found_within_the_resolution(
            start in 1_u64..100_000,
            limit in 1_u64..10_000_000,
            resolution in 0.01_f64..0.5,
        ) {
            let (end, _) = search(Search::new(start, (1, 1_000_000_000), resolution, 200), up_to(limit));
            let End::Found { level, broke: Some(broke) } = end else { panic!("{end:?}") };
            prop_assert!(level <= limit && broke > limit, "{end:?}");
            let gap = (broke - level) as f64;
            prop_assert!(gap <= 1.0 || gap <= level as f64 * resolution, "{end:?}");
        }

        #[test]
        fn it_ends_for_any_registry_at_all(
            start in 0_u64..100_000,
            most in 0_u64..1_000_000,
            answers in proptest::collection::vec(0_u8..3, 1..50),
            max_steps in 0_u32..40,
        ) {
            let mut answers = answers.into_iter().cycle();
            let (end, steps) = search(Search::new(start, (1, most), 0.05, max_steps), |_| {
                match answers.next() {
                    Some(0) => Outcome::Held,
                    Some(1) => Outcome::Broke,
                    _ => Outcome::Invalid,
                }
            });
            prop_assert!(steps.len() <= usize::try_from(max_steps.max(1)).unwrap());
            prop_assert!(steps.iter().all(|step| step.level >= 1 && step.level <= most.max(1)));
            if let End::Found { level, .. } = end {
                prop_assert!(steps.iter().any(|step| step.level == level && step.confirms));
            }
        }
    }
}
