//! The load's parts against real sockets and real processes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test says what went wrong by panicking, and what it had nothing to run on by printing"
)]

mod client;
mod dialects;
mod load;
mod plan;
mod process;
mod tripwire;
