//! The rules, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail; clippy knows only of test functions, not of their helpers"
)]

mod changes;
mod events;
mod herd;
mod lists;
mod memory;
mod model;
mod pause;
mod reload;
mod saving;
mod steps;
mod support;
mod table;
mod time;
mod wiring;
