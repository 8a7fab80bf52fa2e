//! What rounds come to: medians, ratios, spreads. Pure.

use serde::Serialize;

/// Above so many cores taken by others, a round says little.
pub(crate) const QUIET_CORES: f64 = 0.25;

/// One side of a round: its figure, and what the machine was doing meanwhile.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    pub(crate) value: f64,
    pub(crate) wall_seconds: f64,
    /// CPU time that was neither the server's nor the client's, in cores.
    pub(crate) foreign_cores: f64,
    /// What the host took away, in cores.
    pub(crate) steal_cores: f64,
    /// The client's own CPU time, in cores: near 1, it is the limit, and the server was not busy all the time.
    pub(crate) client_cores: f64,
    /// The server's, in cores.
    pub(crate) server_cores: f64,
}

/// Ours and the yardstick, one right after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Round {
    pub(crate) ours: f64,
    /// Absent where the goal is an absolute one.
    pub(crate) yardstick: Option<f64>,
    pub(crate) foreign_cores: f64,
    pub(crate) steal_cores: f64,
    pub(crate) client_cores: f64,
    pub(crate) server_cores: f64,
    /// How often it was made until it was quiet, or given up.
    pub(crate) attempts: u32,
    pub(crate) noisy: bool,
}

impl Round {
    pub(crate) fn of(ours: Sample, yardstick: Option<Sample>, attempts: u32) -> Self {
        let sides = || [Some(ours), yardstick].into_iter().flatten();
        let seconds: f64 = sides().map(|side| side.wall_seconds).sum();
        let mean = |of: fn(&Sample) -> f64| match seconds > 0.0 {
            true => sides().map(|side| of(&side) * side.wall_seconds).sum::<f64>() / seconds,
            false => 0.0,
        };
        let foreign_cores = mean(|side| side.foreign_cores);
        let steal_cores = mean(|side| side.steal_cores);
        Self {
            ours: ours.value,
            yardstick: yardstick.map(|side| side.value),
            foreign_cores,
            steal_cores,
            client_cores: ours.client_cores,
            server_cores: ours.server_cores,
            attempts,
            noisy: foreign_cores + steal_cores > QUIET_CORES,
        }
    }

    /// An absolute figure of which it is not known what else went on.
    pub(crate) fn absolute(ours: f64) -> Self {
        Self::of(Sample { value: ours, ..Sample::default() }, None, 1)
    }
}

/// Which of the two stands above the line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ratio {
    /// Of rates: more is better. Of costs: less is better.
    OursOverYardstick,
    /// Of costs: how many calls ours makes for one of the yardstick's; more is better.
    YardstickOverOurs,
}

impl Ratio {
    pub(crate) fn of(self, round: &Round) -> Option<f64> {
        let yardstick = round.yardstick?;
        let (above, below) = match self {
            Self::OursOverYardstick => (round.ours, yardstick),
            Self::YardstickOverOurs => (yardstick, round.ours),
        };
        (below > 0.0).then(|| above / below)
    }
}

/// A median with the least and the most of what it is the median of.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) most: f64,
}

/// `None` of nothing.
pub(crate) fn spread(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let (least, most) = (*values.first()?, *values.last()?);
    let middle = values.len() / 2;
    let median = match values.len() % 2 {
        1 => *values.get(middle)?,
        _ => values.get(middle - 1).zip(values.get(middle)).map(|(low, high)| f64::midpoint(*low, *high))?,
    };
    Some(Spread { median, least, most })
}

/// The quiet rounds, or all where none was quiet.
pub(crate) fn telling(rounds: &[Round]) -> Vec<&Round> {
    let quiet: Vec<&Round> = rounds.iter().filter(|round| !round.noisy).collect();
    if quiet.is_empty() { rounds.iter().collect() } else { quiet }
}

/// The smallest value that so large a share (0 to 1) of the values is not above; sorts them. 0 of nothing.
pub(crate) fn quantile(values: &mut [u64], share: f64) -> u64 {
    values.sort_unstable();
    let place = (values.len() as f64 * share).ceil() as usize;
    values.get(place.saturating_sub(1)).copied().unwrap_or_default()
}

/// The straight line's slope through (x, y), by least squares. `None` where x does not differ.
pub(crate) fn slope(points: &[(f64, f64)]) -> Option<f64> {
    let count = points.len() as f64;
    let (x, y) = points.iter().fold((0.0, 0.0), |(x, y), point| (x + point.0, y + point.1));
    let (x, y) = (x / count, y / count);
    let (above, below) = points.iter().fold((0.0, 0.0), |(above, below), point| {
        (above + (point.0 - x) * (point.1 - y), below + (point.0 - x).powi(2))
    });
    (below > 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(value: f64, foreign_cores: f64, wall_seconds: f64) -> Sample {
        Sample { value, foreign_cores, wall_seconds, ..Sample::default() }
    }

    #[test]
    fn a_median_is_the_middle_or_between_the_two_in_the_middle() {
        assert_eq!(spread([3.0, 1.0, 2.0]), Some(Spread { median: 2.0, least: 1.0, most: 3.0 }));
        assert_eq!(spread([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(spread([]), None);
    }

    #[test]
    fn a_ratio_is_of_one_round_and_not_of_nothing() {
        let round = Round::of(sample(20.0, 0.0, 1.0), Some(sample(15.0, 0.0, 1.0)), 1);
        assert_eq!(Ratio::YardstickOverOurs.of(&round), Some(0.75));
        assert_eq!(Ratio::OursOverYardstick.of(&round), Some(20.0 / 15.0));
        assert_eq!(Ratio::OursOverYardstick.of(&Round::absolute(3.0)), None);
        let broken = Round::of(sample(0.0, 0.0, 1.0), Some(sample(1.0, 0.0, 1.0)), 1);
        assert_eq!(Ratio::YardstickOverOurs.of(&broken), None);
    }

    #[test]
    fn a_round_is_noisy_by_the_mean_over_both_sides_time() {
        let quiet = Round::of(sample(1.0, 0.4, 1.0), Some(sample(1.0, 0.0, 3.0)), 1);
        assert!((quiet.foreign_cores - 0.1).abs() < 1e-9 && !quiet.noisy, "{quiet:?}");
        assert!(Round::of(sample(1.0, 0.3, 1.0), Some(sample(1.0, 0.3, 1.0)), 1).noisy);
        let stolen = Sample { steal_cores: 0.2, ..sample(1.0, 0.1, 1.0) };
        assert!(Round::of(stolen, None, 1).noisy);
    }

    #[test]
    fn noisy_rounds_count_only_where_all_are() {
        let round = |noisy| Round { noisy, ..Round::absolute(1.0) };
        assert_eq!(telling(&[round(true), round(false), round(false)]).len(), 2);
        assert_eq!(telling(&[round(true), round(true)]).len(), 2);
    }

    #[test]
    fn quantiles_are_values_that_were_there() {
        let mut values: Vec<u64> = (1..=1000).rev().collect();
        assert_eq!(quantile(&mut values, 0.99), 990);
        assert_eq!(quantile(&mut values, 0.999), 999);
        assert_eq!(quantile(&mut [7], 0.5), 7);
        assert_eq!(quantile(&mut [], 0.5), 0);
    }

    #[test]
    fn a_slope_is_that_of_the_line() {
        let points: Vec<(f64, f64)> = (0..10).map(|x| (f64::from(x), 2.0 * f64::from(x) + 5.0)).collect();
        assert!((slope(&points).unwrap() - 2.0).abs() < 1e-9);
        assert_eq!(slope(&[(1.0, 1.0)]), None);
    }
}
