//! What a registry was put through beside its own work: lists beyond its capacity, and ids that come and go.

use serde::{Deserialize, Serialize};

/// Lists at several times the rate that the registry can answer, while agents sent heartbeats.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Flood {
    /// When the lists began.
    pub s_us: u64,
    /// When the last one was due.
    pub e_us: u64,
    /// Lists that it answered in a second, when there were just enough to keep it busy; measured just before.
    pub capacity_per_s: u64,
    /// Lists that fell due.
    pub due: u64,
    /// Those of them that were not sent, because all connections were waiting for the registry's answers.
    pub held_back: u64,
    /// Answered with a list.
    pub shown: u64,
    /// Answered 429.
    pub refused: u64,
    /// Answered 429 without `Retry-After` in whole seconds.
    pub refused_without_time: u64,
    /// Answered anything else.
    pub other: u64,
    /// Not answered.
    pub unanswered: u64,
    /// Most connections that waited for a list at one time.
    pub connections: u64,
    /// How late a heartbeat was sent at the worst: the harness's own lag meanwhile.
    pub worst_lag_us: u64,
}

/// Ids that were registered once and never came back, and what the process that knew them held before and after.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turnover {
    /// When the first id came.
    pub s_us: u64,
    /// When the last look at the memory was taken.
    pub e_us: u64,
    /// Ids that had come and gone before the first look at the memory.
    pub warm_ids: u64,
    /// So many ids were to come between the looks, where nothing less decides; 0: as many as come in a minute.
    #[serde(default)]
    pub wanted_ids: u64,
    /// Ids that came and went between the looks.
    pub ids: u64,
    /// Those of all of them that came within the last ten minutes before the last look.
    pub recent_ids: u64,
    /// Whether a list of all statuses was empty at both looks.
    pub gone: bool,
    /// Proportional set size of the process before, bytes.
    pub before_bytes: u64,
    /// The greatest that was seen between.
    pub peak_bytes: u64,
    /// The least of several looks after the last id had gone.
    pub after_bytes: u64,
}
