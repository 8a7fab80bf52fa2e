//! A run made in parts, on several machines.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Environment, GeneratorReport, Verdict};

/// A part of a run: every so-many-th agent. What the parts are put together from is here, in the rest of the report, and
/// in the files `shard.events-*` beside it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Shard {
    /// Which part, from 1.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
    /// When its plan began by the wall clock of its machine, microseconds since 1970.
    pub began_unix_us: u64,
    /// The same instant on the clock of its history, microseconds.
    pub history_begin_us: u64,
    /// Whether that instant was given (`--start-at`).
    pub start_was_given: bool,
    /// How long its plan was followed, microseconds.
    pub followed_us: u64,
    /// Why its generator's figures say nothing, in sentences; empty when they do.
    pub invalid: Vec<String>,
    /// What failed beside thresholds and requirements, in sentences.
    pub failed: Vec<String>,
    /// How late a bare 1 ms sleep woke on its machine, all run long.
    pub timer_floor: PackedDurations,
    /// The same in each phase.
    pub timer_floor_by_phase: Vec<PackedDurations>,
    /// How late views showed a kind of change, by the name that the report has for it.
    pub freshness: BTreeMap<String, PackedDurations>,
}

/// Durations without loss.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PackedDurations {
    /// HdrHistogram's V2 format, deflated, in base64: microseconds, three digits; empty where nothing was recorded.
    pub histogram: String,
    /// The worst, exact, microseconds.
    pub max_us: u64,
}

/// What a report was put together from.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MergedReport {
    /// The parts, by number.
    pub shards: Vec<MergedShard>,
    /// How far apart their plans began, each by the wall clock of its own machine, microseconds.
    pub starts_apart_us: u64,
    /// What cannot be known of the whole, or only with doubt, in sentences.
    pub notes: Vec<String>,
}

/// A part of a run that was put together with others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct MergedShard {
    /// Which part, from 1.
    pub number: u32,
    /// The folder that it was read from.
    pub folder: String,
    /// What it came to by itself.
    pub verdict: Verdict,
    /// When its plan began by the wall clock of its machine, RFC 3339.
    pub began_at: String,
    /// Its agents.
    pub agents: u64,
    /// Calls of all phases that ended.
    pub calls: u64,
    /// Where it reached the registry.
    pub url: String,
    /// What its harness cost.
    pub generator: GeneratorReport,
    /// Where it ran.
    pub environment: Environment,
    /// The command that repeats it.
    pub command: String,
}
