//! The life of the registry process.

use serde::{Deserialize, Serialize};

/// The registry process was started, killed, stopped or continued by the harness, or ended by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEvent {
    /// What happened.
    pub event: ProcessChange,
    /// The instant before which it surely had not happened.
    pub s_us: u64,
    /// The instant by which it surely had happened (started: the registry was ready).
    pub e_us: u64,
}

/// What happened to the registry process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProcessChange {
    /// Started and ready.
    Started,
    /// Killed by the harness, and waited for.
    Killed,
    /// Stopped (SIGSTOP).
    Paused,
    /// Continued (SIGCONT).
    Continued,
    /// Ended without the harness's doing.
    Died,
}
