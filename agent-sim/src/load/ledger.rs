//! What happens in the loop, and who counts it: the loop's own process, or the one that started it. The plan is the same in
//! all processes, so that an event means the same wherever it is counted.

use serde::{Deserialize, Serialize};

use super::collector::{Collector, Series};
use super::kept::Keeper;
use super::merge::{Merge, Message};
use super::recovery::Recovery;
use super::teller::Teller;
use crate::measure::Timed;

/// Something that is counted. Instants of calls are on the run's clock, all others since the run began.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(super) enum Event {
    /// A call became due.
    Due(Series),
    /// A call of an agent became due at this instant.
    Arrived(u64),
    /// A call that became due is missed; named is the agent whose heartbeat it was.
    Missed(Series, Option<u32>),
    /// So many misses were the harness's own fault.
    Blamed(Series, u32),
    /// A call was handed to the network, with so many under way.
    Sent(Series, usize),
    /// A call ended.
    Ended {
        /// Whose, and of which phase.
        series: Series,
        /// How.
        timed: Timed,
        /// The agent that still wanted it.
        agent: Option<u32>,
        /// When, since the run began.
        at_us: u64,
    },
    /// An agent's process has ended.
    Gone(u32),
}

/// How things stand after a turn of the loop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Standing {
    /// Agents registered.
    pub(super) registered: u64,
    /// Calls under way.
    pub(super) in_flight: usize,
    /// Agents' own connections that are open.
    pub(super) own_open: u64,
    /// Lines that the history has lost.
    pub(super) lost_lines: u64,
}

impl Standing {
    /// With another one.
    pub(super) fn and(self, other: Self) -> Self {
        Self {
            registered: self.registered + other.registered,
            in_flight: self.in_flight + other.in_flight,
            own_open: self.own_open + other.own_open,
            lost_lines: self.lost_lines + other.lost_lines,
        }
    }
}

/// All that is counted of a run.
#[derive(Debug)]
pub(super) struct Books {
    pub(super) collector: Collector,
    pub(super) recovery: Recovery,
}

impl Books {
    /// Counts an event.
    pub(super) fn take(&mut self, event: &Event) {
        let Self { collector, recovery } = self;
        match *event {
            Event::Due(series) => collector.due(series),
            Event::Arrived(at_us) => collector.arrived(at_us),
            Event::Missed(series, agent) => {
                if let Some(agent) = agent {
                    recovery.missed(agent);
                }
                collector.missed(series);
            }
            Event::Blamed(series, misses) => collector.blame_misses(series, misses),
            Event::Sent(series, in_flight) => collector.sent(series, in_flight),
            Event::Ended { series, timed, agent, at_us } => {
                collector.ended(series, &timed);
                if let Some(agent) = agent {
                    recovery.ended(agent, &timed, at_us);
                }
            }
            Event::Gone(agent) => recovery.gone(agent),
        }
    }

    /// Takes note of the time and of how things stand.
    pub(super) fn advance(&mut self, now_us: u64, standing: Standing) {
        self.collector.advance(now_us, standing.registered, standing.in_flight);
        self.recovery.advance(now_us);
    }
}

/// Where what happens is counted.
#[derive(Debug)]
pub(super) enum Ledger {
    /// Here.
    Own(Books),
    /// Here, with what other processes tell. What happens here beside that is kept where the run is a part of one.
    Merged(Books, Merge, Option<Keeper>),
    /// In the process that started this one.
    Told(Teller),
}

impl Ledger {
    /// Counts an event of this process.
    pub(super) fn take(&mut self, event: Event) {
        match self {
            Self::Own(books) => books.take(&event),
            // Only the harness's own readings happen beside what other processes tell, and they belong to no second.
            Self::Merged(books, _, kept) => {
                kept.iter_mut().for_each(|kept| kept.keep(event));
                books.take(&event);
            }
            Self::Told(teller) => teller.take(event),
        }
    }

    /// Takes note of the time and of how things stand in this process.
    pub(super) fn advance(&mut self, now_us: u64, standing: Standing) {
        match self {
            Self::Own(books) => books.advance(now_us, standing),
            Self::Merged(books, merge, _) => merge.settle(books),
            Self::Told(teller) => teller.turned(now_us, standing),
        }
    }

    /// The run is over at `now_us`: the last second closes, whole or not.
    pub(super) fn close(&mut self, now_us: u64, standing: Standing) {
        match self {
            Self::Own(books) => {
                books.collector.advance(now_us, standing.registered, 0);
                books.collector.close_second(standing.registered, 0);
            }
            Self::Merged(books, merge, kept) => {
                kept.iter_mut().for_each(|kept| kept.closed(now_us));
                merge.settle(books);
                let registered = merge.standing().registered;
                books.collector.advance(now_us, registered, 0);
                books.collector.close_second(registered, 0);
            }
            Self::Told(teller) => {
                teller.tell(&Message::Turned(now_us, Standing { in_flight: 0, ..standing }))
            }
        }
    }

    /// What is counted here.
    pub(super) fn books(&self) -> Option<&Books> {
        match self {
            Self::Own(books) | Self::Merged(books, ..) => Some(books),
            Self::Told(_) => None,
        }
    }

    /// The same, to be filled in.
    pub(super) fn books_mut(&mut self) -> Option<&mut Books> {
        match self {
            Self::Own(books) | Self::Merged(books, ..) => Some(books),
            Self::Told(_) => None,
        }
    }

    /// What other processes told.
    pub(super) fn merge(&self) -> Option<&Merge> {
        match self {
            Self::Merged(_, merge, _) => Some(merge),
            Self::Own(_) | Self::Told(_) => None,
        }
    }

    /// The same, to take more.
    pub(super) fn merge_mut(&mut self) -> Option<&mut Merge> {
        match self {
            Self::Merged(_, merge, _) => Some(merge),
            Self::Own(_) | Self::Told(_) => None,
        }
    }
}
