//! What the harness did to the registry beside calling, killing and pausing it.

use serde::{Deserialize, Serialize};

use super::guard::{Flood, Turnover};

/// Something that the harness made hard for the registry, or easy again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Hardship {
    /// The registry's store was locked by the harness: nothing can be written to it.
    StoreHeld {
        /// The file.
        file: String,
        /// The instant before which it surely was not locked.
        s_us: u64,
        /// The instant by which it surely was.
        e_us: u64,
    },
    /// The lock was given back.
    StoreFreed {
        /// The instant until which it surely was locked.
        s_us: u64,
        /// The instant by which it surely was free.
        e_us: u64,
    },
    /// The disk that the registry's folder lies on was filled by the harness: nothing more can be written to it.
    DiskFilled {
        /// The folder.
        folder: String,
        /// Bytes that were taken.
        bytes: u64,
        /// The instant before which the disk surely had room.
        s_us: u64,
        /// The instant by which it surely had none.
        e_us: u64,
    },
    /// The room was given back.
    DiskFreed {
        /// The instant until which there surely was none.
        s_us: u64,
        /// The instant by which there surely was some.
        e_us: u64,
    },
    /// The files of a killed registry were torn, as a stop in the middle of a write leaves them: nothing that was committed
    /// is lost by it.
    TornPages {
        /// The store.
        file: String,
        /// Pages of it of which one half is rubbish.
        pages: u64,
        /// What stands behind the last commit in its log, half a page that belongs to none.
        log_bytes: u64,
    },
    /// The wall clock that the registry sees was set.
    ClockStepped {
        /// How far it now is from the true one.
        offset_seconds: i64,
        /// The instant before which it surely was not.
        s_us: u64,
        /// The instant by which it surely was.
        e_us: u64,
    },
    /// The registry was started on a store that is not its own or not whole.
    SpoiltStore(SpoiltStore),
    /// Lists beyond its capacity.
    Flood(Flood),
    /// Ids that came and went.
    Turnover(Turnover),
}

/// What the registry made of a store that is not its own or not whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoiltStore {
    /// `torn` or `foreign`.
    pub kind: String,
    /// The file.
    pub file: String,
    /// Just before the start.
    pub s_us: u64,
    /// When it had ended, or was ready.
    pub e_us: u64,
    /// It became ready: it took the file.
    pub ready: bool,
    /// With what it ended; `None` when a signal ended it, or nothing did.
    pub exit_code: Option<i32>,
    /// The end of what it printed.
    pub output: String,
    /// SHA-256 of the file before the start, in hex.
    pub before: String,
    /// The same behind it.
    pub after: String,
}

/// A requirement that this run cannot decide, whatever it shows; or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// Its id.
    pub requirement: String,
    /// What of it was not tried; `None`: nothing was, and it does not apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<String>,
    /// Why.
    pub reason: String,
}
