//! The registry as its callers meet it: over a real socket, with a real SQLite file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on must fail; clippy knows only of test functions, not of their helpers"
)]

mod deltas;
mod encoding;
mod events;
mod examples;
mod filters;
mod heartbeats;
mod input;
mod lanes;
mod lists;
mod locked;
mod mcp;
mod mcp_client;
mod mcp_passive;
mod mcp_wire;
mod metrics;
mod raw_bytes;
mod server;
mod slow;
mod store;
mod support;
mod waiting;
