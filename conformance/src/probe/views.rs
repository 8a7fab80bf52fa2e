//! The probes of the views.

mod pages;

pub(super) use pages::view_7;
