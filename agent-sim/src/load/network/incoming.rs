//! What comes of the calls under way: bytes, the end of a connection, or nothing for too long.

use super::connection::{State, Step, UnderWay};
use super::deadlines::Entry;
use super::http::Progress;
use super::{Fault, Network};
use crate::clock::Clock;

impl<F> Network<F> {
    /// A connection can be written, read or both. `ends`: more than what it holds now will not come.
    pub(super) fn ready(&mut self, index: usize, ends: bool, clock: Clock) {
        let Some(connection) = self.connection_mut(index) else { return };
        let was_open = connection.state == State::Open;
        match connection.connected() {
            Step::Broken(error) => return self.fail(index, clock, &error.to_string()),
            Step::Later => return,
            Step::Moved(_) | Step::Ended => {}
        }
        let is_own = connection.owner.is_some();
        let step = connection.write_on();
        if is_own && !was_open {
            self.own_open += 1;
            self.peak_own = self.peak_own.max(self.own_open);
        }
        if let Step::Broken(error) = step {
            return self.fail(index, clock, &error.to_string());
        }
        self.read(index, ends, clock);
    }

    fn read(&mut self, index: usize, ends: bool, clock: Clock) {
        let mut inbox = std::mem::take(&mut self.inbox);
        while let Some(connection) = self.connection_mut(index) {
            let length = match connection.read(&mut inbox) {
                Step::Moved(length) => length,
                Step::Later => break,
                Step::Ended => {
                    let progress = connection.reader.end();
                    self.progress(index, progress, true, clock);
                    break;
                }
                Step::Broken(error) => {
                    self.fail(index, clock, &error.to_string());
                    break;
                }
            };
            let Some(under_way) = &connection.under_way else {
                // Nobody asked.
                self.close(index);
                break;
            };
            let is_head = under_way.is_head;
            let mut spare = self.spare.pop().unwrap_or_default();
            let Some(connection) = self.connection_mut(index) else { break };
            let bytes = inbox.get(..length).unwrap_or_default();
            let progress = connection.reader.feed(bytes, is_head, &mut spare);
            self.recycle(spare);
            let is_partial = progress == Progress::Partial;
            self.progress(index, progress, ends, clock);
            // Less than there was room for: the socket is empty, and the poller tells when it is no longer.
            if !is_partial || (length < inbox.len() && !ends) {
                break;
            }
        }
        self.inbox = inbox;
    }

    /// What an answer has come to.
    fn progress(&mut self, index: usize, progress: Progress, ends: bool, clock: Clock) {
        match progress {
            Progress::Partial => {}
            Progress::Broken(cause) => self.fail(index, clock, &cause),
            Progress::Done { answer, reusable } => {
                let e_us = clock.now_us();
                let Some(connection) = self.connection_mut(index) else { return };
                let is_over = connection.is_over || ends || !reusable;
                let (route, owner) = (connection.route, connection.owner);
                let under_way = if is_over { self.close(index) } else { connection.under_way.take() };
                if !is_over && owner.is_none() {
                    self.idle.get_mut(usize::from(route)).into_iter().for_each(|idle| idle.push(index));
                }
                if let Some(UnderWay { flight, .. }) = under_way {
                    self.end(flight, owner.is_none(), e_us, Ok(answer));
                }
            }
        }
    }

    /// Closes a broken connection and ends its call.
    fn fail(&mut self, index: usize, clock: Clock, cause: &str) {
        let is_shared = self.connection(index).is_some_and(|connection| connection.owner.is_none());
        if let Some(UnderWay { flight, has_sent, .. }) = self.close(index) {
            let fault =
                if has_sent { Fault::Failed(cause.to_owned()) } else { Fault::NotSent(cause.to_owned()) };
            self.end(flight, is_shared, clock.now_us(), Err(fault));
        }
    }

    /// Gives up what took too long.
    pub(super) fn expire(&mut self, now_us: u64) {
        loop {
            let connections = &self.connections;
            let is_over = |entry: Entry| {
                let connection = connections.get(entry.connection).and_then(Option::as_ref);
                !connection.is_some_and(|connection| {
                    connection.number == entry.number && connection.under_way.is_some()
                })
            };
            let Some(entry) = self.deadlines.take(now_us, is_over) else { return };
            let is_shared = self.connection(entry.connection).is_some_and(|one| one.owner.is_none());
            if let Some(UnderWay { flight, .. }) = self.close(entry.connection) {
                self.end(flight, is_shared, now_us, Err(Fault::TimedOut));
            }
        }
    }
}
