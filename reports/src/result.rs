//! The outcome of a run, the shape of `report.json`. Members that gates rely on are fixed; others may be added.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

mod cost;
mod interval;
mod shard;

pub use cost::{Environment, GeneratorReport, ProcessCost, TargetReport};
pub use interval::{Interval, MAX_ERROR_KINDS, OTHER_KINDS};
pub use shard::{MergedReport, MergedShard, PackedDurations, Shard};

/// The version of this shape.
pub const SCHEMA: u32 = 1;

/// Everything that a run leaves behind, but for its history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RunReport {
    /// The version of this shape: 1.
    pub schema: u32,
    /// The program's version.
    pub wallflower: String,
    /// `loadtest`, `conformance` or `judge`.
    pub kind: Kind,
    /// The one word.
    pub verdict: Verdict,
    /// Why, in sentences, the weightiest first. Empty when all passed.
    pub reasons: Vec<String>,
    /// Whether the run was ended early by the user.
    pub interrupted: bool,
    /// The scenario's name, or `conformance`.
    pub scenario: String,
    /// One sentence on what the scenario is for.
    pub description: String,
    /// The seed of every plan and schedule.
    pub seed: u64,
    /// SHA-256 of the plan, in hex; the same seed and scenario give the same.
    pub plan_hash: String,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The command that repeats it.
    pub command: String,
    /// How many agents.
    pub agents: AgentCounts,
    /// All phases that are judged, by operation.
    pub calls: BTreeMap<String, CallStats>,
    /// Phase by phase, in order.
    pub phases: Vec<PhaseReport>,
    /// Each threshold with its value.
    pub thresholds: Vec<ThresholdReport>,
    /// Each requirement with its verdict.
    pub requirements: Vec<RequirementReport>,
    /// What the registry cost.
    pub target: TargetReport,
    /// What the harness itself cost.
    pub generator: GeneratorReport,
    /// One entry a second.
    pub intervals: Vec<Interval>,
    /// Where it ran.
    pub environment: Environment,
    /// The scenario as it was run, `--set` applied; empty for other kinds.
    pub scenario_text: String,
    /// What went wrong on purpose, and how it was got over, in the order of time.
    #[serde(default)]
    pub faults: Vec<FaultReport>,
    /// How late views showed what had changed; empty where no history was judged.
    #[serde(default)]
    pub freshness: Vec<FreshnessReport>,
    /// What the run was held against with `--baseline`, for the percentile plot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<BaselineReport>,
    /// Which part of a larger run it is; `None`: it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The parts that it was put together from; `None`: one generator made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged: Option<MergedReport>,
}

/// The run that this one was held against; the last of several.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BaselineReport {
    /// Its folder.
    pub name: String,
    /// Its response times by operation, as (share of calls not above it, microseconds).
    pub response_curves: BTreeMap<String, Vec<(f64, u64)>>,
}

/// A fault and its aftermath.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FaultReport {
    /// Its name in the scenario.
    pub name: String,
    /// `crash`, `kill`, `partition`, ...
    pub kind: String,
    /// The phase that it struck in.
    pub phase: String,
    /// When it began, milliseconds since the run began.
    pub start_ms: u64,
    /// When it was over, milliseconds since the run began.
    pub end_ms: u64,
    /// From its end to the first answer after it that renewed or registered, milliseconds; `None`: there was none.
    pub first_success_ms: Option<u64>,
    /// From its end until 99 % of the agents that should live were registered again, milliseconds; `None`: never.
    pub live_ms: Option<u64>,
    /// Most registrations in one second, from its beginning until the next fault.
    pub peak_registrations_per_second: u64,
    /// Agents that were shown as expired or gone from its beginning until the next fault, though their lease still ran.
    pub wrong_expiries: u64,
}

/// How late views showed a kind of change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct FreshnessReport {
    /// `registered_to_visible`, `crashed_to_expired`, ...
    pub name: String,
    /// From what to what, in words.
    pub what: String,
    /// How many changes were seen.
    pub count: u64,
    /// How late, microseconds; not finer than the views came.
    pub lateness_us: Percentiles,
}

/// Which command made the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A load test.
    Loadtest,
    /// A conformance run.
    Conformance,
    /// A saved history judged again.
    Judge,
}

/// The verdict of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything held.
    Pass,
    /// A threshold or a requirement was broken.
    Fail,
    /// The harness could not keep its plan or get its evidence: the run says nothing.
    Invalid,
}

/// How many agents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct AgentCounts {
    /// Planned by the scenario.
    pub planned: u64,
    /// The most that were registered at one time, as far as their own answers told.
    pub peak: u64,
}

/// One operation's figures. Durations are microseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct CallStats {
    /// Calls that were due.
    pub planned: u64,
    /// Calls that ended, errors included.
    pub count: u64,
    /// Those that failed or were refused.
    pub errors: u64,
    /// Due calls that found the agent's last one still unanswered.
    pub misses: u64,
    /// Calls cut off by the end of the run.
    pub cut_off: u64,
    /// Answers by HTTP status, `timeout`, `failed` or `not_sent`.
    pub by_result: BTreeMap<String, u64>,
    /// Answered - planned.
    pub response_us: Percentiles,
    /// Answered - really sent.
    pub service_us: Percentiles,
    /// Really sent - planned.
    pub lag_us: Percentiles,
    /// Response times as (share of calls not above it, microseconds), for the percentile plot.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response_curve: Vec<(f64, u64)>,
}

/// Percentiles in microseconds, from an HDR histogram of 3 digits; all 0 when nothing was recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Percentiles {
    /// Half are not above.
    pub p50: u64,
    /// 90 %.
    pub p90: u64,
    /// 99 %.
    pub p99: u64,
    /// 99.9 %.
    pub p999: u64,
    /// The worst of all.
    pub max: u64,
}

/// One phase.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PhaseReport {
    /// Its name in the scenario.
    pub name: String,
    /// `ramp`, `hold`, `crash` or `recover`.
    pub kind: String,
    /// Planned start since the run began, milliseconds.
    pub start_ms: u64,
    /// Planned end since the run began, milliseconds.
    pub end_ms: u64,
    /// Calls due in it, per second.
    pub planned_per_second: f64,
    /// Calls really sent in it, per second.
    pub sent_per_second: f64,
    /// Figures by operation.
    pub calls: BTreeMap<String, CallStats>,
    /// What the registry process used in it.
    pub target: ProcessCost,
}

/// A threshold and what was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ThresholdReport {
    /// The phase that it judges.
    pub phase: String,
    /// The metric, as in the scenario: `renew.response.p99`.
    pub metric: String,
    /// The limit, with its unit as written.
    pub limit: String,
    /// The value, in the limit's unit; empty when there was nothing to measure.
    pub value: String,
    /// Value divided by limit (for the margin bar); `None` when it cannot be formed.
    pub ratio: Option<f64>,
    /// Whether it held.
    pub ok: bool,
    /// When it first broke, milliseconds since the run began.
    pub first_breach_ms: Option<u64>,
    /// It was judged over every stretch of this length, milliseconds, the worst of which is the value; `None`: over the
    /// phase as a whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
    /// So much of the phase's start was not judged, milliseconds.
    #[serde(default)]
    pub grace_ms: u64,
}

/// A requirement and its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct RequirementReport {
    /// `TIME-2`.
    pub id: String,
    /// `MUST` or `SHOULD`.
    pub level: String,
    /// The requirement's text.
    pub text: String,
    /// What the evidence says.
    pub verdict: RequirementVerdict,
    /// How many samples decided something.
    pub decided: u64,
    /// How many samples there were.
    pub samples: u64,
    /// How many samples broke it.
    #[serde(default)]
    pub broken: u64,
    /// One sentence: what was broken, or why it is undecided or not applicable.
    pub detail: String,
    /// The timeline of the worst case, line by line; empty unless it failed.
    #[serde(default)]
    pub timeline: Vec<String>,
    /// The command that reruns just this.
    #[serde(default)]
    pub rerun: String,
    /// The call that proved the worst case; `None` unless it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<Proof>,
}

/// The call that proved a requirement broken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Proof {
    /// The agent that it was about.
    pub agent: Option<String>,
    /// When it was sent, microseconds of the run.
    pub s_us: u64,
    /// When its answer had come, microseconds of the run.
    pub e_us: u64,
    /// What was asked, as it went over the wire: first line, headers, body. Empty where the call is not known.
    pub request: String,
    /// What came back, as it went over the wire: status, headers, and at most the first 4,096 bytes of the body.
    pub answer: String,
    /// What the harness read of the answer; of a list, what it says of the agent.
    #[serde(default)]
    pub read: String,
    /// Why request and answer are rebuilt from the history instead; empty where they are as they went over the wire.
    #[serde(default)]
    pub rebuilt: String,
    /// A command that asks the same.
    pub curl: String,
}

/// The verdict on a requirement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RequirementVerdict {
    /// Held wherever the evidence decides.
    Pass,
    /// Broken for certain.
    Fail,
    /// Broken for certain, which was known before and is put up with.
    ExpectedFail,
    /// The evidence decides nothing.
    Undecided,
    /// Depends on an ability that this kind of registry lacks.
    NotApplicable,
}
