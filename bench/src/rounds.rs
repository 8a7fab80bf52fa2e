//! Ours, the yardstick, ours, ...: what interleaving is.

use crate::figures::{QUIET_CORES, Round, Sample};
use crate::trouble::Trouble;

/// A round in which others took the cores is made again, so often in all.
const ATTEMPTS: u32 = 3;

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Ours,
    Yardstick,
}

/// Measures both sides by turns; the first turn of each is for warming up. `turn` gets a number that is never the same.
pub(crate) async fn interleaved(
    rounds: usize,
    mut turn: impl AsyncFnMut(Side, usize) -> Result<Sample, Trouble>,
) -> Result<Vec<Round>, Trouble> {
    turn(Side::Yardstick, 0).await?;
    turn(Side::Ours, 0).await?;
    let (mut number, mut kept) = (0, Vec::new());
    for round in 0..rounds {
        let mut best: Option<Round> = None;
        for attempt in 1..=ATTEMPTS {
            number += 1;
            // The first to go changes, so that a drift within rounds favours nobody.
            let pair = if round % 2 == 0 {
                let ours = turn(Side::Ours, number).await?;
                (ours, turn(Side::Yardstick, number).await?)
            } else {
                let yardstick = turn(Side::Yardstick, number).await?;
                (turn(Side::Ours, number).await?, yardstick)
            };
            let made = Round::of(pair.0, Some(pair.1), attempt);
            let disturbance = |round: &Round| round.foreign_cores + round.steal_cores;
            let is_better = best.as_ref().is_none_or(|best| disturbance(&made) < disturbance(best));
            match &mut best {
                Some(best) if !is_better => best.attempts = attempt,
                best => *best = Some(made),
            }
            if best.as_ref().is_some_and(|best| disturbance(best) <= QUIET_CORES) {
                break;
            }
        }
        kept.extend(best);
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(foreign: &'static [f64]) -> (Vec<Round>, Vec<(Side, usize)>) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut turns = Vec::new();
        let rounds = runtime.block_on(interleaved(2, async |side, number: usize| {
            turns.push((side, number));
            let foreign_cores = number.checked_sub(1).map_or(9.0, |at| foreign[at]);
            Ok(Sample { value: number as f64, wall_seconds: 1.0, foreign_cores, ..Sample::default() })
        }));
        (rounds.unwrap(), turns)
    }

    #[test]
    fn sides_go_by_turns_after_a_warm_up_and_the_first_to_go_changes() {
        let (rounds, turns) = run(&[0.0, 0.0]);
        use Side::{Ours, Yardstick};
        let wanted = [(Yardstick, 0), (Ours, 0), (Ours, 1), (Yardstick, 1), (Yardstick, 2), (Ours, 2)];
        assert_eq!(turns, wanted);
        assert!(rounds.iter().all(|round| !round.noisy && round.attempts == 1));
    }

    #[test]
    fn a_noisy_round_is_made_again_and_the_quietest_is_kept() {
        let (rounds, _) = run(&[0.9, 0.1, 0.8, 0.5, 0.7]);
        assert_eq!((rounds[0].ours, rounds[0].attempts, rounds[0].noisy), (2.0, 2, false));
        assert_eq!((rounds[1].ours, rounds[1].attempts, rounds[1].noisy), (4.0, 3, true));
    }
}
