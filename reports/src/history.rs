//! The history of a run: JSON lines, one per call, in the order in which the calls ended.
//!
//! The first line is [`Line::Run`], the last [`Line::End`]. Instants are microseconds of the harness's monotonic
//! clock since the run began. A judge needs nothing but this file.

mod abilities;
mod borrowed;
mod call_line;
mod exchange;
mod guard;
mod hardship;
mod kept;
mod outcome;
mod process;
mod reader;
mod room;
mod watch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use abilities::Abilities;
pub use borrowed::{AgentRef, CallRef, LineRef, SeenRef, Text};
pub use exchange::{Answer, Body, Exchange, ExchangeOutcome, KEPT_BODY_BYTES};
pub use guard::{Flood, Turnover};
pub use hardship::{Hardship, LeftOut, SpoiltStore};
pub use kept::{
    KEPT_CALL_BODY_BYTES, KEPT_REQUESTS, KeptCall, KeptEnd, KeptLine, KeptRequest, find_calls, find_kept,
    kept_beside,
};
pub use outcome::Outcome;
pub use process::{ProcessChange, ProcessEvent};
pub use reader::{HistoryError, HistoryReader, MAX_LINE_BYTES, write_line};
pub use room::{Counts, Grown, Outward, Room};
pub use watch::{OutwardCall, OutwardKind, Watch};

/// How the line of a call begins: nearly every line does.
const CALL_LINE: &[u8] = b"{\"line\":\"call\",";

/// The version of the format that this crate writes.
pub const FORMAT: u32 = 1;

/// One line of a history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every line is a call; a box would cost each an allocation"
)]
pub enum Line {
    /// What was run, by which policies. The first line.
    Run(RunHeader),
    /// One call of an agent or of the harness.
    Call(CallRecord),
    /// One request of a probe and its answer, as they went over the wire.
    Exchange(Box<Exchange>),
    /// Something reached an address that an agent had declared.
    Touch(Touch),
    /// The registry process was started, killed, stopped or continued.
    Process(ProcessEvent),
    /// The harness made something hard for the registry, or easy again.
    Hardship(Hardship),
    /// A requirement that cannot be decided here, and why.
    LeftOut(LeftOut),
    /// What the kernel told of a registry process that was provoked.
    Watch(Box<Watch>),
    /// How well the harness kept its own plan. The last line; without it the history is cut off.
    End(RunEnd),
}

/// What was run, by which policies.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunHeader {
    /// [`FORMAT`] of the writer.
    pub format: u32,
    /// The scenario's name, or `conformance`.
    pub name: String,
    /// The seed that every plan and schedule came from.
    pub seed: u64,
    /// When the run began, RFC 3339.
    pub started_at: String,
    /// The dialect spoken.
    pub dialect: String,
    /// What this kind of registry can do at all.
    pub abilities: Abilities,
    /// Timeouts by agent type; `default` is always there.
    pub policies: BTreeMap<String, Policy>,
    /// W: how late the registry may be in showing a timer's effect, in milliseconds.
    pub transition_bound_ms: u64,
    /// Ids of the requirements that the run claims to decide: one left undecided makes it invalid.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<String>,
}

/// The timeouts of an agent type, each counted from the last accepted heartbeat, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    /// H.
    pub heartbeat_interval_ms: u64,
    /// D; `None` where the registry knows no degraded state.
    pub degraded_after_ms: Option<u64>,
    /// X.
    pub expires_after_ms: u64,
    /// Q; `None` where an expired agent is kept for longer than any run.
    pub evict_after_ms: Option<u64>,
}

/// What was asked of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// A full heartbeat: declares the document, registers, renews.
    Register,
    /// A lean heartbeat: renews.
    Renew,
    /// The leanest renewal, a HEAD.
    Probe,
    /// Deregistration.
    Leave,
    /// A list of agents, perhaps filtered, perhaps conditional, perhaps only what changed since an earlier one.
    List,
    /// What changed in a list since an earlier one, held back by the registry until something does (a long-poll): how
    /// long it takes is no latency.
    Watch,
    /// One agent by its id.
    Read,
    /// The view by capability.
    Capabilities,
    /// The events of one agent.
    Events,
    /// A route called only to see whether it makes the registry call somebody.
    Provoke,
}

impl Operation {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Register,
        Self::Renew,
        Self::Probe,
        Self::Leave,
        Self::List,
        Self::Watch,
        Self::Read,
        Self::Capabilities,
        Self::Events,
        Self::Provoke,
    ];

    /// The name in reports and thresholds.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::Renew => "renew",
            Self::Probe => "probe",
            Self::Leave => "leave",
            Self::List => "list",
            Self::Watch => "watch",
            Self::Read => "read",
            Self::Capabilities => "capabilities",
            Self::Events => "events",
            Self::Provoke => "provoke",
        }
    }

    /// Whether an accepted call of this kind renews a lease.
    pub fn is_heartbeat(self) -> bool {
        matches!(self, Self::Register | Self::Renew | Self::Probe)
    }
}

/// A status as an agent reports it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reported {
    /// All is well.
    Healthy,
    /// It serves, but not as it should.
    Degraded,
}

/// A status as a view shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Silence below D.
    Healthy,
    /// Reported, or silence from D to X.
    Degraded,
    /// Silence from X to Q.
    Expired,
}

/// One call. `s_us` is taken just before the first byte left, `e_us` just after the last byte came (or when the
/// harness gave up): the registry acted somewhere in between, or, where the outcome is uncertain, from `s_us` on or never.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CallRecord {
    /// The agent that called, or that was asked about; `None` for a list by the harness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// What was asked.
    pub op: Operation,
    /// When the plan wanted it sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub planned_us: Option<u64>,
    /// Just before the first byte left.
    pub s_us: u64,
    /// Just after the last byte came.
    pub e_us: u64,
    /// How it ended.
    pub outcome: Outcome,
    /// The HTTP status, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<u16>,
    /// What was declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Sent>,
    /// What was seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<Seen>,
    /// The error in words, or the route that was provoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// What a call declared: a document, or a filter.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sent {
    /// The agent's type (full heartbeats).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// The status reported (heartbeats that carry one).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Reported>,
    /// Names of the capabilities declared (full heartbeats).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
    /// A number of the harness's own for the document declared; a view that shows the document shows it again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<u64>,
    /// Incarnation, if sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incarnation: Option<u64>,
    /// Sequence, if sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Which agents a view was to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The entity tag of a conditional view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_none_match: Option<String>,
    /// The revision since which changes were asked for. Unless [`Seen::full`], the answer then is no whole view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<u64>,
}

/// Which agents a view is to show; all that is given must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// Agents with a capability of this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capability: Option<String>,
    /// Agents of this type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_type: Option<String>,
    /// Statuses to show; empty means the default of the registry, which leaves expired ones out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub status: Vec<Status>,
    /// Agents whose label of this key has this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<(String, String)>,
}

/// What an answer showed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Seen {
    /// The registry's revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The epoch that a heartbeat's answer named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// The entity tag of a view.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// The agents of a view (`Shown`), or those that changed ([`Sent::since`]). A single read that finds nobody has the
    /// outcome `Unknown` instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agents: Option<Vec<AgentSeen>>,
    /// Ids of the agents that are in the view no longer ([`Sent::since`]).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<String>,
    /// Whether the whole view came although changes had been asked for.
    #[serde(skip_serializing_if = "is_false")]
    pub full: bool,
    /// The numbers of the events shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Vec<u64>>,
    /// What `Retry-After` said (5xx).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over like this")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// An agent as a view showed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentSeen {
    /// Its id.
    pub id: String,
    /// Its status.
    pub status: Status,
    /// Its epoch, where the registry has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// [`Sent::document`] of the document shown, where the dialect can carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<u64>,
}

/// Something reached an address that an agent had declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Touch {
    /// The agent whose address it was, if the address was handed out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// When.
    pub at_us: u64,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The address that was called.
    pub address: String,
    /// Where the call came from.
    pub from: String,
    /// The first bytes that came, printable, at most 200 characters.
    pub first_bytes: String,
}

/// How well the harness kept its own plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunEnd {
    /// When the run ended.
    pub at_us: u64,
    /// d: the harness's own slack, measured: its worst scheduling lag (timer floor included), in microseconds.
    pub slack_us: u64,
    /// Lines that could not be written because the writer fell behind; 0 or the history proves nothing.
    pub lost_lines: u64,
    /// Whether a tripwire listened behind every declared endpoint, TCP and UDP, during the whole run.
    pub tripwire: bool,
}
