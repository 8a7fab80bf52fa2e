//! The judgement: what a pull-based registry must prove, and whether it does.
//!
//! - [`catalogue`]: the requirements as data.
//! - [`judge`]: a pure function from a history to a verdict for each requirement.
//! - [`generate`]: schedules from a seed.
//! - [`live`]: runs them against a registry, records, has the history judged.
//! - `probe`: scripted conversations with it over its own wire.

pub mod catalogue;
pub mod generate;
pub mod judge;
pub mod live;
mod probe;
