//! The load's parts against real sockets and real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test says what went wrong by panicking"
)]

mod client;
mod dialects;
mod faults;
mod load;
mod offered;
mod plan;
mod plan_faults;
mod process;
mod proxy;
mod tripwire;
