//! A line of the table: what was measured, beside what, and whether the goal is met. Pure.

use serde::Serialize;

use crate::figures::{Ratio, Round, Spread, spread, telling};
use crate::trouble::Trouble;

/// What a goal is about.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Of {
    /// The ratio of ours and the yardstick.
    Ratio(Ratio),
    /// The figure itself; a yardstick is only shown beside it.
    Figure,
}

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Goal {
    pub(crate) of: Of,
    pub(crate) at_least: bool,
    pub(crate) limit: f64,
}

impl Goal {
    /// So many calls for one of the yardstick's, by CPU time.
    pub(crate) const fn calls_per_cpu(limit: f64) -> Self {
        Self { of: Of::Ratio(Ratio::YardstickOverOurs), at_least: true, limit }
    }

    /// At most so many times what the yardstick takes.
    pub(crate) const fn times_the_cost(limit: f64) -> Self {
        Self { of: Of::Ratio(Ratio::OursOverYardstick), at_least: false, limit }
    }

    /// At least so many times the yardstick's rate.
    pub(crate) const fn times_the_rate(limit: f64) -> Self {
        Self { of: Of::Ratio(Ratio::OursOverYardstick), at_least: true, limit }
    }

    pub(crate) const fn at_least(limit: f64) -> Self {
        Self { of: Of::Figure, at_least: true, limit }
    }

    pub(crate) const fn at_most(limit: f64) -> Self {
        Self { of: Of::Figure, at_least: false, limit }
    }

    fn is_met(self, value: f64) -> bool {
        if self.at_least { value >= self.limit } else { value <= self.limit }
    }
}

/// Whether the goal is met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Met,
    Missed,
    /// With the reason.
    NotMeasured(String),
}

/// What is known of a line before it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Line {
    /// By which `--only` asks for it.
    pub(crate) id: &'static str,
    pub(crate) what: &'static str,
    /// Of the figures, not of the ratio.
    pub(crate) unit: &'static str,
    pub(crate) goal: Goal,
}

/// A line, measured or not.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Row {
    #[serde(flatten)]
    pub(crate) line: Line,
    pub(crate) ours: Option<Spread>,
    pub(crate) yardstick: Option<Spread>,
    /// Of the rounds' own ratios.
    pub(crate) ratio: Option<Spread>,
    pub(crate) state: State,
    /// All rounds were noisy: the figure is there, but says little.
    pub(crate) noisy: bool,
    /// What else has to be known to read it; empty where nothing.
    pub(crate) note: String,
    /// What a server comes to that does nothing but answer, where the yardstick does less.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) bound: Option<Bound>,
    /// Everything that was measured, quiet or not.
    pub(crate) rounds: Vec<Round>,
}

/// A server that does nothing but answer as ours does, in the place of ours: what is left to gain lies between the two.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Bound {
    /// Which server.
    pub(crate) of: &'static str,
    /// Its ratio with the line's yardstick.
    pub(crate) ratio: Spread,
    pub(crate) rounds: Vec<Round>,
}

impl Row {
    pub(crate) fn measured(line: Line, rounds: Vec<Round>) -> Self {
        let telling = telling(&rounds);
        let ours = spread(telling.iter().map(|round| round.ours));
        let yardstick = spread(telling.iter().filter_map(|round| round.yardstick));
        let ratio_of = |ratio: Ratio| spread(telling.iter().filter_map(|round| ratio.of(round)));
        let ratio = if let Of::Ratio(ratio) = line.goal.of { ratio_of(ratio) } else { None };
        let judged = if matches!(line.goal.of, Of::Figure) { ours } else { ratio };
        let state = match judged {
            Some(judged) if line.goal.is_met(judged.median) => State::Met,
            Some(_) => State::Missed,
            None => State::NotMeasured("no round gave a figure".to_owned()),
        };
        let noisy = rounds.iter().all(|round| round.noisy);
        Self { line, ours, yardstick, ratio, state, noisy, note: String::new(), bound: None, rounds }
    }

    /// Measured, or why not: what one line meets does not keep the next from being measured.
    pub(crate) fn of(line: Line, rounds: Result<Vec<Round>, Trouble>) -> Self {
        match rounds {
            Ok(rounds) => Self::measured(line, rounds),
            Err(trouble) => Self::not_measured(line, trouble.to_string()),
        }
    }

    pub(crate) fn not_measured(line: Line, reason: impl Into<String>) -> Self {
        let state = State::NotMeasured(reason.into());
        let rounds = Vec::new();
        Self {
            line,
            ours: None,
            yardstick: None,
            ratio: None,
            state,
            noisy: false,
            note: String::new(),
            bound: None,
            rounds,
        }
    }

    pub(crate) fn noting(mut self, note: impl Into<String>) -> Self {
        self.note = note.into();
        self
    }

    /// Beside what that server came to in the place of ours, with the same yardstick; where it was not measured, why.
    pub(crate) fn bounded(mut self, of: &'static str, rounds: Result<Vec<Round>, Trouble>) -> Self {
        match (rounds, self.line.goal.of) {
            (Ok(rounds), Of::Ratio(ratio)) => {
                let ratios = spread(telling(&rounds).into_iter().filter_map(|round| ratio.of(round)));
                self.bound = ratios.map(|ratio| Bound { of, ratio, rounds });
            }
            (Ok(_), Of::Figure) => {}
            (Err(trouble), _) => {
                let more = format!("{of}: not measured, {trouble}");
                self.note = if self.note.is_empty() { more } else { format!("{}; {more}", self.note) };
            }
        }
        self
    }

    /// Whether it is on the wrong side of half its goal: what a quick run fails for.
    pub(crate) fn is_below_half(&self) -> bool {
        let judged = if matches!(self.line.goal.of, Of::Figure) { self.ours } else { self.ratio };
        let limit =
            if self.line.goal.at_least { self.line.goal.limit / 2.0 } else { self.line.goal.limit * 2.0 };
        judged.is_some_and(|judged| !Goal { limit, ..self.line.goal }.is_met(judged.median))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Sample;

    const LINE: Line = Line { id: "x", what: "a call", unit: "us", goal: Goal::calls_per_cpu(0.75) };

    fn rounds(pairs: &[(f64, f64)]) -> Vec<Round> {
        let sample = |value| Sample { value, wall_seconds: 1.0, ..Sample::default() };
        pairs.iter().map(|(ours, theirs)| Round::of(sample(*ours), Some(sample(*theirs)), 1)).collect()
    }

    #[test]
    fn the_ratio_is_the_median_of_the_rounds_ratios_and_not_the_ratio_of_medians() {
        let row = Row::measured(LINE, rounds(&[(10.0, 8.0), (20.0, 18.0), (40.0, 20.0)]));
        assert_eq!(row.ratio, Some(Spread { median: 0.8, least: 0.5, most: 0.9 }));
        assert_eq!((row.state, row.noisy), (State::Met, false));
    }

    #[test]
    fn a_goal_is_missed_on_its_wrong_side_only() {
        assert_eq!(Row::measured(LINE, rounds(&[(10.0, 7.4)])).state, State::Missed);
        let line = Line { goal: Goal::times_the_cost(1.3), ..LINE };
        assert_eq!(Row::measured(line, rounds(&[(12.0, 10.0)])).state, State::Met);
        assert_eq!(Row::measured(line, rounds(&[(14.0, 10.0)])).state, State::Missed);
        let line = Line { goal: Goal::at_most(250.0), ..LINE };
        assert_eq!(Row::measured(line, vec![Round::absolute(250.0)]).state, State::Met);
        assert_eq!(Row::measured(line, vec![Round::absolute(251.0)]).state, State::Missed);
    }

    #[test]
    fn what_has_no_figure_is_not_measured() {
        assert!(matches!(Row::measured(LINE, vec![]).state, State::NotMeasured(_)));
        assert!(matches!(Row::measured(LINE, vec![Round::absolute(1.0)]).state, State::NotMeasured(_)));
        assert!(!Row::not_measured(LINE, "why").is_below_half());
    }

    #[test]
    fn half_of_a_goal_is_further_off_than_the_goal() {
        assert!(!Row::measured(LINE, rounds(&[(10.0, 4.0)])).is_below_half());
        assert!(Row::measured(LINE, rounds(&[(10.0, 3.7)])).is_below_half());
        let line = Line { goal: Goal::times_the_cost(1.3), ..LINE };
        assert!(!Row::measured(line, rounds(&[(25.0, 10.0)])).is_below_half());
        assert!(Row::measured(line, rounds(&[(27.0, 10.0)])).is_below_half());
    }
}
