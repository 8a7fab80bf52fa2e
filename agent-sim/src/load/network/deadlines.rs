//! When calls are given up: a queue for each length of waiting, so that each is in order by itself and no call needs a
//! timer.

use std::collections::VecDeque;

/// A call that will be given up: its connection, and the how-manieth of all it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) at_us: u64,
    pub(super) connection: usize,
    pub(super) number: u64,
}

#[derive(Debug, Default)]
pub(super) struct Deadlines {
    queues: Vec<(u64, VecDeque<Entry>)>,
}

impl Deadlines {
    /// Notes that a call is given up `timeout_us` after `now_us`, which never falls from call to call.
    pub(super) fn push(&mut self, now_us: u64, timeout_us: u64, connection: usize, number: u64) {
        let entry = Entry { at_us: now_us.saturating_add(timeout_us), connection, number };
        match self.queues.iter_mut().find(|(length_us, _)| *length_us == timeout_us) {
            Some((_, queue)) => queue.push_back(entry),
            None => self.queues.push((timeout_us, VecDeque::from([entry]))),
        }
    }

    /// Takes a call whose time is over. Those that `is_over` calls ended are forgotten.
    pub(super) fn take(&mut self, now_us: u64, is_over: impl Fn(Entry) -> bool) -> Option<Entry> {
        for (_, queue) in &mut self.queues {
            while let Some(entry) = queue.front().copied() {
                if is_over(entry) {
                    queue.pop_front();
                } else if entry.at_us <= now_us {
                    return queue.pop_front();
                } else {
                    break;
                }
            }
        }
        None
    }

    /// When the next one may be due.
    pub(super) fn next_us(&self) -> u64 {
        self.queues
            .iter()
            .filter_map(|(_, queue)| queue.front())
            .map(|entry| entry.at_us)
            .min()
            .unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_given_up_in_time_and_ended_ones_are_forgotten() {
        let mut deadlines = Deadlines::default();
        for (now_us, timeout_us, connection) in [(0, 100, 1), (10, 100, 2), (20, 30, 3), (30, 100, 4)] {
            deadlines.push(now_us, timeout_us, connection, 7);
        }
        let is_over = |entry: Entry| entry.connection == 1;
        assert_eq!((deadlines.take(49, is_over), deadlines.next_us()), (None, 50));
        let taken: Vec<_> =
            std::iter::from_fn(|| deadlines.take(120, is_over)).map(|entry| entry.connection).collect();
        assert_eq!((taken, deadlines.next_us()), (vec![2, 3], 130));
    }
}
