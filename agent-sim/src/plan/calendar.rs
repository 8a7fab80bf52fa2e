//! What is due next, of very many: entries wait unsorted in slots of time, and only those of the slot that is open are
//! kept in order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

/// The length of a slot as a power of two, 16 ms: at 20,000 instants a second it holds some 300, which stay in the
/// processor's cache. One heap of 100,000 entries took three to four times as long an instant.
const SLOT_BITS: u32 = 14;

/// Most emptied slots whose memory is kept for others.
const SPARE_SLOTS: usize = 64;

/// An instant, in microseconds, and whose it is.
type Entry = (u64, u32);

/// Gives entries back in the order of their instants, those of one instant by their number.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    /// The number of the slot that is open. What is put into it, or before it, is in `open`.
    slot: u64,
    open: BinaryHeap<Reverse<Entry>>,
    /// The slots after it that hold something.
    later: BTreeMap<u64, Vec<Reverse<Entry>>>,
    spare: Vec<Vec<Reverse<Entry>>>,
}

impl Calendar {
    /// Puts an entry in its place.
    fn push(&mut self, entry: Entry) {
        let slot = entry.0 >> SLOT_BITS;
        if slot <= self.slot {
            self.open.push(Reverse(entry));
        } else {
            let spare = &mut self.spare;
            let entries = self.later.entry(slot).or_insert_with(|| spare.pop().unwrap_or_default());
            entries.push(Reverse(entry));
        }
    }

    /// Takes the first entry.
    pub(super) fn pop(&mut self) -> Option<Entry> {
        let Reverse(entry) = self.open.pop()?;
        self.open_next();
        Some(entry)
    }

    /// The first instant.
    pub(super) fn next_us(&self) -> Option<u64> {
        self.open.peek().map(|Reverse((instant_us, _))| *instant_us)
    }

    /// Opens the next slot that holds something, once the open one is empty: there the first entry is looked for.
    fn open_next(&mut self) {
        if !self.open.is_empty() {
            return;
        }
        let Some((slot, entries)) = self.later.pop_first() else { return };
        self.slot = slot;
        let emptied = std::mem::replace(&mut self.open, entries.into()).into_vec();
        if self.spare.len() < SPARE_SLOTS {
            self.spare.push(emptied);
        }
    }
}

impl Extend<Entry> for Calendar {
    fn extend<T: IntoIterator<Item = Entry>>(&mut self, entries: T) {
        entries.into_iter().for_each(|entry| self.push(entry));
        self.open_next();
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn entries_come_in_the_order_of_one_heap_whatever_was_put_in_when() {
        let mut generator = ChaCha8Rng::seed_from_u64(7);
        for longest_us in [3, 20_000, 5_000_000, u64::MAX >> 1] {
            let (mut calendar, mut heap) = (Calendar::default(), BinaryHeap::new());
            let mut now_us = 0;
            for round in 0..20_000 {
                // More come than go, then more go than come; some lie before what was already taken.
                if generator.random_range(0..5) < if round < 10_000 { 3 } else { 2 } {
                    let instant_us = (now_us / 2) + generator.random_range(0..longest_us);
                    let entry = (instant_us, generator.random_range(0..5));
                    calendar.extend([entry]);
                    heap.push(Reverse(entry));
                } else {
                    let taken = calendar.pop();
                    assert_eq!(taken, heap.pop().map(|Reverse(entry)| entry), "round {round}");
                    now_us = taken.map_or(now_us, |(instant_us, _)| instant_us);
                }
                assert_eq!(calendar.next_us(), heap.peek().map(|Reverse((instant_us, _))| *instant_us));
            }
        }
    }
}
