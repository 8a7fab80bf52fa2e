//! The load: how agents speak, when they call, what is measured.
//!
//! - [`clock`]: the run's monotonic clock, the one place that reads time.
//! - [`dialect`]: how an agent speaks to a kind of registry; a pure mapping in a small file each.
//! - [`client`]: sends a dialect's call and makes the history's record of it.
//! - [`tripwire`]: an address with a listener for every agent, which nobody must ever call.
//! - [`process`]: the registry under test as a child process.

pub mod client;
pub mod clock;
pub mod dialect;
pub mod process;
pub mod tripwire;
