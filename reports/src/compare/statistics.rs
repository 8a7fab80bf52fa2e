//! Differences and how far they can be trusted. Pure: the same values give the same interval.
//!
//! The interval of a difference comes from a bootstrap: what was measured is drawn again, with replacement, 1,000 times,
//! and the middle 95 % of the differences are the interval. Few values scatter less than what they are drawn from, so the
//! interval is widened as Student's t is wider than the normal distribution, times the root of n / (n - 1).

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How often what was measured is drawn again.
const DRAWS: usize = 1_000;

/// Fewer seconds on a side give no interval.
pub(super) const FEWEST_SECONDS: usize = 5;

/// How a difference is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// As a share of the first value, both above 0.
    Ratio,
    /// As it is: for shares, which may be 0.
    Points,
}

impl Scale {
    /// To where differences are sums: the logarithm for ratios.
    fn apart(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Ratio => (b / a).ln(),
            Self::Points => b - a,
        }
    }

    /// And back.
    fn told(self, apart: f64) -> f64 {
        match self {
            Self::Ratio => apart.exp_m1(),
            Self::Points => apart,
        }
    }

    /// A value that lies this far from another one.
    fn moved(self, value: f64, apart: f64) -> f64 {
        match self {
            Self::Ratio => value * apart.exp(),
            Self::Points => value + apart,
        }
    }
}

/// From where to where something lies with 95 % confidence.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Range {
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// What one second of a run adds to a figure, and its weight: the figure is sum by weight.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Second {
    pub(super) sum: f64,
    pub(super) weight: f64,
}

/// The middle value, or the mean of the two middle ones; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    median_of(&mut values.to_vec())
}

fn median_of(values: &mut [f64]) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(*upper);
    }
    values.get(values.len() / 2 - 1).map(|lower| f64::midpoint(*lower, *upper))
}

/// From the median of `a` to that of `b`.
pub(super) fn difference(scale: Scale, a: &[f64], b: &[f64]) -> Option<f64> {
    let told = scale.told(scale.apart(median(a)?, median(b)?));
    told.is_finite().then_some(told)
}

/// The interval of [`difference`] from runs. A side of one run borrows the scatter of the other; `None` when both have
/// one only.
pub(super) fn range_of_runs(scale: Scale, a: &[f64], b: &[f64], stream: u64) -> Option<Range> {
    let (middle_a, middle_b) = (median(a)?, median(b)?);
    let borrowed = |from: &[f64], middle: f64, value: f64| -> Vec<f64> {
        from.iter().map(|other| scale.moved(value, scale.apart(middle, *other))).collect()
    };
    // A single run is one draw of what the other side drew several times.
    let (pool_a, pool_b) = match (a.len(), b.len()) {
        (1, 1) => return None,
        (_, 1) => (a.to_vec(), borrowed(a, middle_a, middle_b)),
        (1, _) => (borrowed(b, middle_b, middle_a), b.to_vec()),
        _ => (a.to_vec(), b.to_vec()),
    };
    let widened = widening_of_runs(a.len(), b.len());
    let mut generator = generator(stream);
    let mut drawn = Vec::new();
    let mut draw = |pool: &[f64], count: usize| {
        drawn.clear();
        drawn.extend((0..count).filter_map(|_| pick(&mut generator, pool).copied()));
        median_of(&mut drawn)
    };
    let centre = scale.apart(middle_a, middle_b);
    let apart =
        (0..DRAWS).filter_map(|_| Some(scale.apart(draw(&pool_a, a.len())?, draw(&pool_b, b.len())?)));
    around(scale, centre, widened, apart.map(|apart| apart - centre).collect())
}

/// How far apart two groups of runs of the same side would be told, by chance alone; `None` of a single run.
pub(super) fn noise_of_runs(scale: Scale, a: &[f64], others: usize, stream: u64) -> Option<Range> {
    if a.len() < 2 {
        return None;
    }
    let mut generator = generator(stream);
    let mut drawn = Vec::new();
    let mut draw = |count: usize| {
        drawn.clear();
        drawn.extend((0..count).filter_map(|_| pick(&mut generator, a).copied()));
        median_of(&mut drawn)
    };
    let apart = (0..DRAWS).filter_map(|_| Some(scale.apart(draw(a.len())?, draw(others)?))).collect();
    around(scale, 0.0, widening_of_runs(a.len(), a.len()), apart)
}

/// The interval of a difference from the seconds of one run a side, whose figure was told apart by `difference`.
/// Seconds that follow one another are alike, so they are drawn in blocks (moving-block bootstrap).
pub(super) fn range_of_seconds(
    scale: Scale,
    difference: f64,
    a: &[Second],
    b: &[Second],
    stream: u64,
) -> Option<Range> {
    if a.len() < FEWEST_SECONDS || b.len() < FEWEST_SECONDS {
        return None;
    }
    let centre = scale.apart(figure(a)?, figure(b)?);
    let mut generator = generator(stream);
    let apart = (0..DRAWS).filter_map(|_| {
        let (a, b) = (blocks(&mut generator, a), blocks(&mut generator, b));
        Some(scale.apart(figure(&a)?, figure(&b)?) - centre)
    });
    let apart = apart.collect();
    let widened = widening_of_blocks(a.len() / block_length(a.len()), b.len() / block_length(b.len()));
    let told = match scale {
        Scale::Ratio => difference.ln_1p(),
        Scale::Points => difference,
    };
    around(scale, told, widened, apart)
}

/// Sum by weight; `None` without weight.
fn figure(seconds: &[Second]) -> Option<f64> {
    let (sum, weight) =
        seconds.iter().fold((0.0, 0.0), |(sum, weight), second| (sum + second.sum, weight + second.weight));
    (weight > 0.0).then(|| sum / weight)
}

/// As many seconds as there are, in blocks that each begin anywhere.
fn blocks(generator: &mut ChaCha8Rng, seconds: &[Second]) -> Vec<Second> {
    let length = block_length(seconds.len());
    let mut drawn = Vec::with_capacity(seconds.len() + length);
    while drawn.len() < seconds.len() {
        let start = generator.random_range(0..=seconds.len() - length);
        drawn.extend(seconds.iter().skip(start).take(length).copied());
    }
    drawn.truncate(seconds.len());
    drawn
}

/// Longer than what one second has to do with the next, short enough that there are several: the root of their number.
fn block_length(seconds: usize) -> usize {
    seconds.isqrt().clamp(1, seconds.max(1))
}

fn generator(stream: u64) -> ChaCha8Rng {
    let mut generator = ChaCha8Rng::seed_from_u64(0x0077_616c_6c66_6c6f);
    generator.set_stream(stream);
    generator
}

fn pick<'v>(generator: &mut ChaCha8Rng, values: &'v [f64]) -> Option<&'v f64> {
    if values.is_empty() { None } else { values.get(generator.random_range(0..values.len())) }
}

/// The middle 95 % of what lies around `centre`, widened.
fn around(scale: Scale, centre: f64, widened: f64, mut apart: Vec<f64>) -> Option<Range> {
    if apart.is_empty() || !centre.is_finite() || apart.iter().any(|value| !value.is_finite()) {
        return None;
    }
    apart.sort_by(f64::total_cmp);
    let at = |share_of_thousand: usize| {
        apart.get((apart.len() * share_of_thousand / 1_000).min(apart.len() - 1)).copied().unwrap_or_default()
    };
    let (low, high) = (scale.told(centre + at(25) * widened), scale.told(centre + at(975) * widened));
    (low.is_finite() && high.is_finite()).then_some(Range { low, high })
}

/// By how much an interval from so many runs a side is too narrow.
fn widening_of_runs(a: usize, b: usize) -> f64 {
    // A single run has no scatter of its own to be too narrow.
    let fewest = if a.min(b) == 1 { a.max(b) } else { a.min(b) };
    widening((a + b).saturating_sub(2).min(2 * fewest.saturating_sub(1)), fewest)
}

/// By how much an interval from so many blocks a side is too narrow. Neighbouring blocks are still alike, so the shorter
/// side alone counts.
fn widening_of_blocks(a: usize, b: usize) -> f64 {
    widening(a.min(b).saturating_sub(1), a.min(b))
}

#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
fn widening(freedom: usize, fewest: usize) -> f64 {
    let fewest = fewest.max(2) as f64;
    student(freedom) / 1.96 * (fewest / (fewest - 1.0)).sqrt()
}

/// The 97.5 % point of Student's t by degrees of freedom.
#[allow(clippy::cast_precision_loss, reason = "far fewer than 2^53 values")]
fn student(freedom: usize) -> f64 {
    const POINTS: [f64; 10] = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228];
    POINTS
        .get(freedom.saturating_sub(1))
        .copied()
        // Off by less than 0.01 from here on.
        .unwrap_or(1.96 + 2.46 / freedom as f64)
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
