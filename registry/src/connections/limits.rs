//! How long a peer may take, and how much of the server one kind of call may have. Fixed: `docs/operating.md` says them.
//! Tests take shorter ones.

use std::time::Duration;

/// The bounds that protect heartbeats from everything else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// From a connection's begin to its first byte.
    pub first_byte: Duration,
    /// From the first byte of a request to the end of its headers.
    pub headers: Duration,
    /// From one request to the next, headers included.
    pub idle: Duration,
    /// From the end of the headers to the end of the body.
    pub body: Duration,
    /// From the end of the headers to the answer. Longer than all that an answer may wait for together.
    pub answer: Duration,
    /// While an answer waits to be read, the peer takes [`Self::stall_bytes`] in this time, or the rest of it.
    pub stall: Duration,
    /// See [`Self::stall`].
    pub stall_bytes: usize,
    /// How many lists are made at once.
    pub reads_at_once: usize,
    /// How many more wait for their turn.
    pub reads_queued: usize,
    /// How long they wait.
    pub queue: Duration,
    /// How many bytes of large answers may wait in memory to be read, all together.
    pub answer_bytes: usize,
    /// One address may have one in so many of `max_connections`.
    pub peer_share: usize,
    /// Whether that does not hold for loopback addresses, where proxies and load tests are.
    pub spares_loopback: bool,
}

impl Default for Limits {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            first_byte: Duration::from_secs(30),
            headers: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            body: Duration::from_secs(30),
            answer: Duration::from_secs(120),
            stall: Duration::from_secs(30),
            stall_bytes: 128 * 1024,
            reads_at_once: cores,
            reads_queued: 64,
            queue: Duration::from_secs(1),
            answer_bytes: 256 * 1024 * 1024,
            peer_share: 4,
            spares_loopback: true,
        }
    }
}
