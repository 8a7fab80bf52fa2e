//! One second of a run, few figures of it: hours of them are kept.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Percentiles;

/// So many kinds of errors are told apart in one second.
pub const MAX_ERROR_KINDS: usize = 20;

/// The name of all further kinds together.
pub const OTHER_KINDS: &str = "other";

/// One second of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Interval {
    /// Its start since the run began, seconds.
    pub second: u64,
    /// Agents registered at its end, as far as their own answers told.
    pub agents: u64,
    /// Calls due.
    pub planned: u64,
    /// Calls sent.
    pub sent: u64,
    /// Calls that failed.
    pub errors: u64,
    /// Misses.
    pub misses: u64,
    /// Response of all operations, microseconds.
    pub response_us: Percentiles,
    /// 99 % lag, microseconds.
    pub lag_p99_us: u64,
    /// 99 % response of each operation that ended in it, microseconds.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub response_p99_us: BTreeMap<String, u64>,
    /// The calls that failed, by HTTP status, `timeout`, `failed`, ...; the kinds beyond the first 20 are one, `other`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Lists and long-polls that the registry answered.
    #[serde(default)]
    pub polls: u64,
    /// Those of `polls` whose answer was that nothing has changed.
    #[serde(default)]
    pub polls_unchanged: u64,
    /// The worst lateness of what views showed for the first time in it, microseconds; 0 where nothing was.
    #[serde(default)]
    pub freshness_max_us: u64,
    /// Most calls in flight.
    pub in_flight: u64,
    /// Most calls that became due in 100 ms of it.
    #[serde(default)]
    pub peak_100ms: u64,
    /// The registry's CPU, in cores.
    pub target_cores: f64,
    /// The registry's proportional set size, bytes.
    pub target_pss_bytes: u64,
    /// The registry's open descriptors.
    #[serde(default)]
    pub target_fds: u64,
    /// The harness's CPU, in cores.
    pub generator_cores: f64,
    /// The harness's open descriptors.
    #[serde(default)]
    pub generator_fds: u64,
    /// How long threads of the harness stood runnable without a core, seconds per second over all of them.
    #[serde(default)]
    pub generator_wait: f64,
}
