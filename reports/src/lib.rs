//! What a run leaves behind: plain data, and renderers that take it and compute nothing.
//!
//! - [`history`]: one JSON line per call, written while a run goes on, read by the judge.
//! - [`result`]: the whole of a run's outcome, the shape of `report.json`.

pub mod history;
pub mod result;
