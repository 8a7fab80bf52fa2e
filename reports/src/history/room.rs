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
    /// The registry's own port.
    pub port: u16,
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

impl Room {
    /// Whether the words of its command name an address that is not its own: its store's perhaps, which is not in the
    /// room, and which it may call.
    pub fn may_have_a_store(&self, configured: &[String]) -> bool {
        configured.iter().any(|word| names_another(word, self.port))
    }
}

/// Whether a host with a port other than 0 and the registry's own stands in the word, or a URL with a host alone.
fn names_another(word: &str, own_port: u16) -> bool {
    let with_port = word.match_indices(':').any(|(at, _)| {
        let before = word[..at].chars().next_back();
        let digits: String = word[at + 1..].chars().take_while(char::is_ascii_digit).collect();
        let after = word[at + 1 + digits.len()..].chars().next();
        let host = before.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == ']');
        let ends = !after.is_some_and(|letter| letter.is_ascii_alphanumeric() || letter == ':');
        host && ends && digits.parse::<u16>().is_ok_and(|port| port != 0 && port != own_port)
    });
    let alone = word.match_indices("://").any(|(at, _)| {
        let authority = word[at + 3..].split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit('@').next().unwrap_or_default();
        host.starts_with(|letter: char| letter.is_ascii_alphanumeric()) && !host.contains(':')
    });
    with_port || alone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_went_out_is_what_nobody_else_in_the_room_accounts_for() {
        let counts = Counts {
            opened: 10,
            accepted: 8,
            datagrams: 5,
            unrouted: 1,
            echoes: 1,
            relay_opened: 6,
            relay_accepted: 5,
            canary_accepted: 1,
            canary_datagrams: 3,
            canary_answers: 2,
        };
        let outward = counts.outward();
        // Of ten connections six are the relay's, and two the registry accepted from itself.
        assert_eq!((outward.connections, outward.to_itself), (2, 2));
        assert_eq!((outward.datagrams, outward.total()), (3, 7));
        assert!(!counts.all_was_heard());
        let heard = Counts { opened: 9, unrouted: 0, ..counts };
        assert!(heard.all_was_heard());
        assert_eq!(
            Counts { opened: 6, accepted: 5, relay_opened: 6, relay_accepted: 5, ..Counts::default() }
                .outward()
                .total(),
            0
        );
    }

    #[test]
    fn its_own_address_and_its_files_are_no_store() {
        for own in [
            "127.0.0.1:8000",
            "--listen=0.0.0.0:8000",
            "sqlite://{dir}/a.db",
            "127.0.0.1:0",
            "a=1,2",
            "12:30:00x",
        ] {
            assert!(!names_another(own, 8000), "{own}");
        }
        for other in ["postgres://me@db/agents", "--redis=10.0.0.1:6379", "http://127.0.0.1:1", "[::1]:5432"]
        {
            assert!(names_another(other, 8000), "{other}");
        }
    }
}
