//! A valid scenario. Only this crate's reader makes one, so that the driver need not check again.

use std::collections::BTreeMap;
use std::time::Duration;

pub use crate::faults::{BadNetwork, FaultKind, InjectedFault};

/// What to run against which registry, and what must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct Scenario {
    /// `quickstart`; names the output folder.
    pub name: String,
    /// One sentence on what it is for.
    pub description: String,
    /// Where every plan comes from; `--seed` overrides it.
    pub seed: u64,
    /// The registry under test.
    pub target: Target,
    /// The agents.
    pub fleets: Vec<Fleet>,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
    /// What goes wrong on purpose, in the order of the file.
    pub faults: Vec<InjectedFault>,
    /// What must hold.
    pub thresholds: Vec<Threshold>,
    /// Ids of requirements that this scenario claims to decide; one left undecided makes the run invalid.
    pub requirements: Vec<String>,
    /// How long an agent waits for an answer.
    pub call_timeout: Duration,
    /// Most calls in flight at one time.
    pub max_in_flight: u32,
    /// Over so many addresses of this machine (127.0.0.1, 127.0.0.2, ...) connections go out; 0: as many as they need.
    pub source_addresses: u32,
    /// Over so many processes the agents are spread; 0: as many as their connections need.
    pub workers: u32,
    /// The conformance profile whose requirements the answers are judged by; `None`: all of the catalogue.
    pub profile: Option<String>,
    /// The text as read, `--set` applied.
    pub text: String,
}

/// The registry under test.
#[derive(Debug, Clone, PartialEq)]
pub struct Target {
    /// How it is had.
    pub kind: TargetKind,
    /// `wallflower` or `mcp-mesh`.
    pub dialect: String,
    /// Its timeouts by agent type, `default` always among them. Empty: ask `GET /policies` (a URL with the
    /// wallflower dialect).
    pub policies: BTreeMap<String, Policy>,
    /// W: how late it may be in showing a timer's effect.
    pub transition_bound: Duration,
}

/// How the registry under test is had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TargetKind {
    /// The reference registry of this program, started as a child with [`Target::policies`].
    Reference,
    /// A command of the user's, started and stopped by the harness.
    Command(TargetCommand),
    /// Something that runs already.
    Url(String),
}

/// A registry that the harness starts. `{port}` and `{dir}` (a temporary folder of the run's own) are filled in
/// everywhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TargetCommand {
    /// Program and arguments; a relative program path is looked up from the working directory, a bare name in PATH.
    pub command: Vec<String>,
    /// Environment variables beside the inherited ones.
    pub environment: BTreeMap<String, String>,
    /// The path that answers 200 when it is ready.
    pub ready_path: String,
    /// How long it may take to get ready.
    pub ready_timeout: Duration,
}

/// Timeouts, each from the last accepted heartbeat: H < D < X < Q.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// H.
    pub heartbeat_interval: Duration,
    /// D; `None` where the registry knows no degraded state.
    pub degraded_after: Option<Duration>,
    /// X.
    pub expires_after: Duration,
    /// Q; `None` where an expired agent is kept for longer than any run.
    pub evict_after: Option<Duration>,
}

/// Agents of one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Ids are `<name>-000001` and so on; lower case, digits and `-`.
    pub name: String,
    /// How many.
    pub agents: u32,
    /// Their type, which chooses the policy.
    pub agent_type: String,
    /// The period of each agent's heartbeat.
    pub heartbeat: Duration,
    /// The period of each agent's discovery call; `None`: it never asks.
    pub poll: Option<Duration>,
    /// Each instant is moved by up to this share of the period, either way; 0 to 0.5.
    pub jitter: f64,
    /// How many different capabilities the fleet shares; names are `<fleet>.cap-<number>`.
    pub capability_pool: u32,
    /// How many of them each agent has.
    pub capabilities_per_agent: u32,
    /// How many capabilities of the pool each agent depends on (and polls for, in turn).
    pub dependencies_per_agent: u32,
    /// How capabilities of the pool are chosen, offered ones and wanted ones.
    pub popularity: Popularity,
    /// What its calls go over.
    pub connections: Connections,
    /// What its calls are.
    pub protocol: Protocol,
    /// How it polls.
    pub discovery: Discovery,
}

/// How capabilities of a pool are chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Popularity {
    /// Each as often as any other.
    #[default]
    Uniform,
    /// The k-th with a weight of 1 / k^exponent (Zipf's law).
    Zipf {
        /// Above 0, at most 4.
        exponent: f64,
    },
}

/// What the calls of a fleet go over.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Connections {
    /// A pool that the whole fleet shares.
    #[default]
    Shared,
    /// One of its own for each agent, held as long as the agent lives.
    Own,
}

/// What the calls of a fleet are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// Plain HTTP.
    #[default]
    Http,
    /// The same as calls of MCP tools, over HTTP.
    Mcp,
}

/// How a fleet polls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Discovery {
    /// The whole answer each time.
    List,
    /// Conditional on the entity tag of the last answer.
    #[default]
    Conditional,
    /// What changed since the revision of the last answer.
    Delta,
    /// As `Delta`, and the registry holds the answer back until something changes.
    LongPoll {
        /// For at most so long.
        wait: Duration,
    },
}

/// A stretch of the run.
#[derive(Debug, Clone, PartialEq)]
pub struct Phase {
    /// Unique in the scenario.
    pub name: String,
    /// What happens in it.
    pub kind: PhaseKind,
    /// How long it lasts.
    pub duration: Duration,
}

/// What happens in a phase. In every kind the agents that live go on with heartbeats and polls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PhaseKind {
    /// All agents start, spread evenly over the phase.
    Ramp,
    /// Nothing but steady life.
    Hold,
    /// A share of the living agents falls silent for good, spread over `over` from the phase's start.
    Crash {
        /// 0 to 1.
        share: f64,
        /// 0 is all at once.
        over: Duration,
    },
    /// All agents that crashed come back as new processes, spread over `over` from the phase's start.
    Recover {
        /// 0 is all at once.
        over: Duration,
    },
}

impl PhaseKind {
    /// The word in the scenario file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ramp => "ramp",
            Self::Hold => "hold",
            Self::Crash { .. } => "crash",
            Self::Recover { .. } => "recover",
        }
    }
}

/// What must hold in a phase.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// A phase's name.
    pub phase: String,
    /// What is measured.
    pub metric: Metric,
    /// The most that it may be.
    pub limit: Limit,
    /// Judged over every stretch of this length in the phase, the worst of which must hold; `None`: over the phase as a
    /// whole.
    pub window: Option<Duration>,
    /// So much of the phase's start is not judged.
    pub grace: Duration,
    /// On a host whose timers are worse than the limit times this, the limit is so many times the 99.9 % lateness of a
    /// bare sleep of 1 ms in the same phase; `None`: the limit is the limit.
    pub floor_times: Option<u32>,
}

/// What a threshold measures, written `renew.response.p99`, `list.errors`, `all.misses`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// `register`, `renew`, `probe`, `leave`, `list`, ..., `heartbeat` (register, renew and probe together) or `all`.
    pub operation: &'static str,
    /// What of it.
    pub figure: Figure,
}

/// What of an operation a threshold measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Figure {
    /// A percentile of a duration.
    Duration {
        /// `response`, `service` or `lag`.
        which: Which,
        /// `p50`, `p90`, `p99`, `p999` or `max`.
        percentile: Percentile,
    },
    /// Share of the calls that failed.
    Errors,
    /// Share of the due calls that found the last one unanswered.
    Misses,
    /// How late views showed a change, over the whole run.
    Freshness {
        /// `registered_to_visible`, `crashed_to_degraded`, `crashed_to_expired`, `crashed_to_gone` or `change_to_seen`.
        what: &'static str,
        /// `p50`, `p90`, `p99`, `p999` or `max`.
        percentile: Percentile,
    },
    /// How the worst of the phase's faults was got over.
    Recovery(RecoveryFigure),
    /// How fast the registry's memory grows over the phase.
    MemorySlope,
    /// Most calls that became due in 100 ms, over the phase's mean.
    PeakOverMean,
}

/// What of a recovery a threshold measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryFigure {
    /// From the fault's end to the first answer after it that renewed or registered.
    FirstSuccess,
    /// From the fault's end until 99 % of the agents that should live are registered again.
    Live,
    /// Most registrations in one second.
    PeakRegistrations,
}

/// One of the three durations of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// Answered - planned.
    Response,
    /// Answered - sent.
    Service,
    /// Sent - planned.
    Lag,
}

/// A percentile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Percentile {
    /// 50 %.
    P50,
    /// 90 %.
    P90,
    /// 99 %.
    P99,
    /// 99.9 %.
    P999,
    /// The worst.
    Max,
}

/// A limit with its unit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Limit {
    /// For durations.
    Duration(Duration),
    /// For errors and misses, 0 to 1; written as `"0.1%"`.
    Share(f64),
    /// For ratios and counts; written as a number.
    Number(f64),
    /// For growth, bytes a minute; written as `"1MiB/min"`.
    BytesPerMinute(f64),
}
