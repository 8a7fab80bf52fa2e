//! What registry and harness used, and where.

use serde::{Deserialize, Serialize};

use super::Percentiles;

/// What a process used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ProcessCost {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Peak proportional set size, bytes.
    pub pss_bytes: u64,
    /// Peak number of open descriptors.
    pub fds: u64,
    /// Peak number of threads.
    pub threads: u64,
}

/// The registry under test and its cost.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct TargetReport {
    /// `reference`, `command` or `url`.
    pub kind: String,
    /// The dialect spoken.
    pub dialect: String,
    /// Where it was reached.
    pub url: String,
    /// User and system time, seconds; 0 when the process is not ours to see.
    pub cpu_seconds: f64,
    /// Peak proportional set size, bytes.
    pub pss_bytes: u64,
    /// Peak number of open descriptors.
    pub fds: u64,
    /// Calls answered per second of the registry's CPU; `None` when its CPU is not known.
    pub calls_per_cpu_second: Option<f64>,
}

/// The harness's own cost and how well it kept its plan.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct GeneratorReport {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Peak proportional set size, bytes.
    pub pss_bytes: u64,
    /// Peak number of open descriptors.
    pub fds: u64,
    /// Share of the run's wall time that its threads stood runnable without a core.
    pub run_queue_wait_share: f64,
    /// Lag over all operations, microseconds.
    pub lag_us: Percentiles,
    /// How late a bare 1 ms sleep woke, all run long, microseconds: the host's own floor.
    pub timer_floor_us: Percentiles,
    /// Most calls in flight at one time.
    pub peak_in_flight: u64,
    /// The bound on calls in flight.
    pub in_flight_limit: u64,
    /// History lines lost because the writer fell behind.
    pub lost_history_lines: u64,
    /// Processes that the agents were spread over.
    #[serde(default)]
    pub workers: u64,
    /// Connections that the scenario asks for at one time, 0 where all are shared.
    #[serde(default)]
    pub connections_wanted: u64,
    /// Most connections that agents of their own held at one time.
    #[serde(default)]
    pub connections_held: u64,
}

/// Where it ran.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Environment {
    /// Operating system and kernel.
    pub kernel: String,
    /// Processor model.
    pub processor: String,
    /// Logical processors.
    pub cores: u64,
    /// Memory, bytes.
    pub memory_bytes: u64,
    /// Limit of open descriptors.
    pub fd_limit: u64,
}
