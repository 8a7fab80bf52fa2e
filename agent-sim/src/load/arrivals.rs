//! Calls that become due, by tenths of a second: shows a herd, and whether jitter works.

/// So many tenths are told apart at one time; an older one that comes later than that is left out.
const TENTHS: usize = 32;

/// The length of a tenth, microseconds.
pub(super) const TENTH_US: u64 = 100_000;

/// The last tenths of a second, each with its number since the run began and its count.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    tenths: [(u64, u64); TENTHS],
}

impl Arrivals {
    /// Counts a call due at this instant; tells how many were due in its tenth so far.
    pub(super) fn count(&mut self, at_us: u64) -> u64 {
        let number = at_us / TENTH_US;
        let place = usize::try_from(number).unwrap_or_default() % TENTHS;
        let Some((held, count)) = self.tenths.get_mut(place) else { return 0 };
        match number.cmp(held) {
            std::cmp::Ordering::Less => return 0,
            std::cmp::Ordering::Greater => (*held, *count) = (number, 1),
            std::cmp::Ordering::Equal => *count += 1,
        }
        *count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_in_the_tenth_that_they_were_due_in_whatever_the_order() {
        let mut arrivals = Arrivals::default();
        let instants = [5, 99_999, 100_000, 70_000, 3_200_000, 60_000, 3_299_999];
        let counts = instants.map(|at_us| arrivals.count(at_us));
        // The last of the first tenth comes after that was given up.
        assert_eq!(counts, [1, 2, 1, 3, 1, 0, 2]);
    }
}
