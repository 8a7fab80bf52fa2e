//! The probes of the MCP interface: a client that speaks JSON-RPC over plain sockets and baits.
//!
//! - `socket`: one connection, and what comes over it, asked for or not.
//! - `client`: messages of both revisions, and their exchanges.
//! - `bait`: PASSIVE-5 and MCP-3.
//! - `demands`: MCP-4.
//! - `tools`: MCP-1 and MCP-2.

mod bait;
mod client;
mod demands;
mod socket;
mod tools;

pub(super) use bait::bait;
pub(super) use demands::mcp_4;
pub(super) use tools::{mcp_1, mcp_2};
