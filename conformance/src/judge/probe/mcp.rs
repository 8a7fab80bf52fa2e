//! PASSIVE-5 and MCP-1 to MCP-4.
//!
//! - `rules`: named rules inside one requirement, and messages as they are read.
//! - `pull`: PULL-001 to PULL-015, of which PASSIVE-5 is a part.
//! - `demands`: MCP-101 to MCP-116.
//! - `tools`: the six tools, and HTTP beside them.

mod demands;
mod pull;
mod rules;
mod tools;

pub(super) use demands::mcp_4;
pub(super) use pull::{mcp_3, passive_5};
pub(super) use tools::{mcp_1, mcp_2};
