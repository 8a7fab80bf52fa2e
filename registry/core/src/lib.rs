//! The registry's rules: pure. No clock, no chance, no I/O; `now` goes in, the next deadline comes out.
//!
//! - [`time`]: instants of a monotonic clock, dates of the wall clock, revisions
//! - [`policy`]: the timeouts of an agent type
//! - [`document`]: what an agent declares, as types that cannot be wrong
//! - [`intake`]: from the bytes of a heartbeat to such a document, or to all that is wrong with them
//! - [`agent`]: one agent's record: lease, epoch, order, and the status that follows from them
//! - [`registry`]: all agents, their timers and the one place where a visible change is made
//! - `roster`: finds an agent's record
//! - `common`: parts of documents that many agents declare alike, held once
//! - [`reload`]: other policies while agents live
//! - [`timers`]: what silence does, and what a pause of the process does not
//! - [`heartbeat`]: register, renew, update, deregister: the table of section 4.1
//! - `spread`: the interval that is handed out after a restart
//! - [`wiring`]: who provides what, and which providers a dependency gets
//! - [`filter`]: what a list is asked for
//! - [`search`]: `q`, which forgives typing errors and puts the best first
//! - [`candidates`]: long lists in steps, searched without the registry
//! - [`listing`]: lists, pages of one revision, entity tags
//! - `capabilities`: the entries of `GET /capabilities`
//! - `snapshots`: the lists that cursors point into, bounded
//! - [`changes`]: what changed since a revision
//! - [`deltas`]: what that makes of a list, in steps
//! - [`views`]: single entries, health, counts
//! - [`events`]: what happened, in order
//! - [`figures`]: what operators count
//! - [`saving`]: what the store must write, and how a registry comes back from it

pub mod agent;
pub mod candidates;
mod capabilities;
pub mod changes;
mod common;
pub mod deltas;
pub mod document;
pub mod events;
pub mod figures;
pub mod filter;
pub mod heartbeat;
pub mod intake;
pub mod listing;
pub mod policy;
pub mod registry;
pub mod reload;
mod roster;
pub mod saving;
pub mod search;
mod snapshots;
mod spread;
pub mod time;
pub mod timers;
pub mod views;
pub mod wiring;

pub use document::Heartbeat;
pub use registry::{Registry, Setup};
pub use time::{Instant, Moment, Revision, WallTime};
