//! Addresses that agents declare and nobody must call.
//!
//! Every agent has an address of its own in 127.64.0.0/10; one TCP and one UDP socket on 0.0.0.0 with the same port
//! listen behind all of them, and the destination address of what comes names the agent.

use std::net::SocketAddr;

use reports::history::Touch;

use crate::clock::Clock;

/// The listeners behind every declared endpoint.
#[derive(Debug)]
pub struct Tripwire {}

impl Tripwire {
    /// Opens the two sockets and listens until dropped.
    ///
    /// # Errors
    /// When no port is free for both.
    pub async fn open(_clock: Clock) -> std::io::Result<Self> {
        todo!()
    }

    /// The endpoint of the agent with this number (below 2^22), which from now on belongs to `agent_id`.
    pub fn assign(&self, _number: u32, _agent_id: &str) -> SocketAddr {
        todo!()
    }

    /// What came since the last time, at most 1,000 touches (the number beyond is in `touch_count`).
    pub fn take_touches(&self) -> Vec<Touch> {
        todo!()
    }

    /// How many touches came in all.
    pub fn touch_count(&self) -> u64 {
        todo!()
    }

    /// Whether both listeners still accept: it calls itself by TCP and UDP at an address that no agent has.
    pub async fn works(&self) -> bool {
        todo!()
    }
}
