//! What to run: the scenario language and its validation.
//!
//! - [`model`]: a scenario that cannot be wrong, as the driver takes it.

pub mod model;
