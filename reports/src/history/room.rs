//! What the kernel counted in a network namespace in which a registry process was alone.

use serde::{Deserialize, Serialize};

/// A registry process that was provoked in a network namespace of its own, with a relay to it and canaries behind every
/// address. Nobody else was in there, so what the kernel counted beyond those is the registry's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// When it had become ready, and nobody had told it anything.
    pub quiet: Counts,
    /// When the provocations, and what could follow of them, had ended.
    pub end: Counts,
    /// Names that it asked for at any resolver's address, at most 200.
    pub questions: Vec<String>,
    /// Behind which provocations what went out had grown: the first 20.
    pub grown: Vec<Grown>,
    /// Folders with sockets of local services, which might look up names for it, that could not be hidden from it.
    pub unhidden: Vec<String>,
    /// The canaries still heard a call of the harness's own at the end.
    pub canaries_work: bool,
}

/// What was counted since just before the registry was started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Connections that anybody in the namespace began to open, refused ones included (Tcp ActiveOpens).
    pub opened: u64,
    /// Connections that were accepted (Tcp PassiveOpens).
    pub accepted: u64,
    /// Datagrams that were sent (Udp and Udp6 OutDatagrams).
    pub datagrams: u64,
    /// Packets that had nowhere to go (Ip and Ip6 OutNoRoutes).
    pub unrouted: u64,
    /// Pings (Icmp OutEchos, and the same of Icmp6).
    pub echoes: u64,
    /// Of the connections opened, the relay's.
    pub relay_opened: u64,
    /// Of these, the ones that the registry took.
    pub relay_accepted: u64,
    /// Of the connections accepted, the canaries'.
    pub canary_accepted: u64,
    /// Datagrams that canaries received.
    pub canary_datagrams: u64,
    /// Of the datagrams sent, the canaries' answers.
    pub canary_answers: u64,
}

/// What the registry sent out, by [`Counts`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Outward {
    /// Connections that it began to open to anybody but itself.
    pub connections: u64,
    /// Connections to itself: it alone can have accepted them.
    pub to_itself: u64,
    /// Datagrams.
    pub datagrams: u64,
    /// Packets that had nowhere to go.
    pub unrouted: u64,
    /// Pings.
    pub echoes: u64,
}

/// Something went out that had not before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grown {
    /// When that was seen.
    pub at_us: u64,
    /// The last provocation before it.
    pub after: String,
}

impl Counts {
    /// What is left for the registry once the relay and the canaries are taken away.
    pub fn outward(&self) -> Outward {
        let to_itself =
            self.accepted.saturating_sub(self.relay_accepted).saturating_sub(self.canary_accepted);
        Outward {
            connections: self.opened.saturating_sub(self.relay_opened).saturating_sub(to_itself),
            to_itself,
            datagrams: self.datagrams.saturating_sub(self.canary_answers),
            unrouted: self.unrouted,
            echoes: self.echoes,
        }
    }

    /// Whether canaries heard all of it, so that what it said is known.
    pub fn all_was_heard(&self) -> bool {
        let outward = self.outward();
        outward.connections == self.canary_accepted
            && outward.datagrams == self.canary_datagrams
            && outward.unrouted == 0
    }
}

impl Outward {
    /// All that went out, calls to itself left aside.
    pub fn total(&self) -> u64 {
        self.connections + self.datagrams + self.unrouted + self.echoes
    }
}
