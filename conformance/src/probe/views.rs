//! The probes of the views.
//!
//! - `population`: agents with versions, tags and labels from the seed.
//! - `pages`: VIEW-7.
//! - `filters`: VIEW-9 and VIEW-6.
//! - `tags`: VIEW-4.
//! - `wiring`: VIEW-10.
//! - `waiting`: VIEW-8.
//! - `events`: VIEW-11.
//! - `agreement`: VIEW-1.

mod agreement;
mod events;
mod filters;
mod pages;
mod population;
mod tags;
mod waiting;
mod wiring;

pub(super) use agreement::view_1;
pub(super) use events::view_11;
pub(super) use filters::{view_6, view_9};
pub(super) use pages::view_7;
pub(super) use tags::view_4;
pub(super) use waiting::view_8;
pub(super) use wiring::view_10;
