//! The history format, the verdict and the renderers from outside.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

mod compared;
mod files;
mod github;
mod history;
mod hostile;
mod intervals;
mod page;
mod sample;
mod schema;
mod shards;
mod terminal;
mod verdict;
