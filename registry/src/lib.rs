//! The reference registry: HTTP, store and metrics around `registry-core`. It is passive: agents call it, it calls
//! nobody, and nothing in its dependencies could.
//!
//! - [`config`]: settings from flags, environment and a file, with errors that say what to mend
//! - [`auth`]: who may do what, by bearer tokens
//! - [`tls`]: the listener's certificate and the handshake
//! - [`protection`]: both together, checked and read anew
//! - [`logging`]: where logs go
//! - [`server`]: opens the store, listens, serves, stops gracefully
//! - [`connections`]: accepts connections and serves each, within bounds of number and time
//! - `clock`: the one place that reads time, and notices when the process was paused
//! - `shared`: the core behind its lock, and waiting until the store has a change
//! - `progress`: how far the store has come, and who waits for it
//! - `timers`: makes due transitions while nobody asks
//! - `store`: what keeps the changes: the interface, the SQLite file that fills it, the one writer, and [`backup`]
//! - `http`: routes, one file per resource
//! - [`openapi`]: the document that describes the routes
//! - `schemas`: what goes in and comes out, over HTTP and as MCP tools
//! - `mcp`: the same as tools of the Model Context Protocol
//! - `metrics`: what Prometheus reads
//! - `testing`: a registry without sockets and without a store, for tests
//! - `virtual_time`: a whole registry without sockets whose time is moved by hand, for the conformance tests; not built
//!   unless asked for
//! - [`seal`]: holds the process to calling nobody, by the kernel

pub mod auth;
mod clock;
pub mod config;
pub mod connections;
mod http;
pub mod logging;
mod mcp;
mod metrics;
pub mod openapi;
mod progress;
pub mod protection;
mod schemas;
pub mod seal;
pub mod server;
mod shared;
mod store;
#[cfg(test)]
mod testing;
mod timers;
pub mod tls;
#[cfg(feature = "virtual-time")]
pub mod virtual_time;

pub use store::backup;
