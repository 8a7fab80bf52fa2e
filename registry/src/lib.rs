//! The reference registry: HTTP, store and metrics around `registry-core`. It is passive: agents call it, it calls
//! nobody, and nothing in its dependencies could.
//!
//! - [`config`]: settings from flags, environment and a file, with errors that say what to mend
//! - [`logging`]: where logs go
//! - [`server`]: opens the store, listens, serves, stops gracefully
//! - `clock`: the one place that reads time, and notices when the process was paused
//! - `shared`: the core behind its lock, and waiting until the store has a change
//! - `timers`: makes due transitions while nobody asks
//! - `store`: what keeps the changes: the interface, the SQLite file that fills it, the one writer, and [`backup`]
//! - `http`: routes, one file per resource
//! - `mcp`: the same as tools of the Model Context Protocol
//! - `metrics`: what Prometheus reads
//! - [`seal`]: holds the process to calling nobody, by the kernel

mod clock;
pub mod config;
mod http;
pub mod logging;
mod mcp;
mod metrics;
pub mod seal;
pub mod server;
mod shared;
mod store;
mod timers;

pub use store::backup;
