//! The registry as its callers meet it: over a real socket, with a real SQLite file.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on must fail; clippy knows only of test functions, not of their helpers"
)]

mod auth;
mod deltas;
mod encoding;
mod events;
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
#[path = "../../../tests/all/not_judged.rs"]
mod not_judged;
mod old_store;
mod openapi;
mod page;
mod raw_bytes;
mod server;
mod slow;
mod store;
mod support;
mod tls;
mod waiting;
