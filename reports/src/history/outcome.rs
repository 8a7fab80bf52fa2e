//! How calls end.

use serde::{Deserialize, Serialize};

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// A heartbeat that began a new epoch, or may have (a dialect that cannot tell says this for every full one
    /// that it knows to have registered, else `renewed`).
    Registered,
    /// A heartbeat that renewed and changed nothing visible.
    Renewed,
    /// A heartbeat that renewed and changed something visible.
    Updated,
    /// A heartbeat with an old sequence: nothing changed, the lease neither.
    Stale,
    /// Deregistered.
    Left,
    /// A view with a body.
    Shown,
    /// A conditional view: 304.
    Unchanged,
    /// The registry does not know the agent (404, 410), or no longer what changed since the revision asked for (410).
    Unknown,
    /// 409: an older incarnation. Nothing changed.
    Conflict,
    /// Refused as invalid or unwanted (another 4xx). Nothing changed.
    Refused,
    /// 5xx. It may have acted.
    Unavailable,
    /// No answer in time. It may have acted, then or later.
    TimedOut,
    /// The connection broke after something had been sent. It may have acted.
    Failed,
    /// Nothing was sent (connection refused). It surely did not act.
    NotSent,
    /// Cut off by the end of the run. It may have acted.
    CutOff,
}

impl Outcome {
    /// The name in histories.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Registered => "registered",
            Self::Renewed => "renewed",
            Self::Updated => "updated",
            Self::Stale => "stale",
            Self::Left => "left",
            Self::Shown => "shown",
            Self::Unchanged => "unchanged",
            Self::Unknown => "unknown",
            Self::Conflict => "conflict",
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::TimedOut => "timed_out",
            Self::Failed => "failed",
            Self::NotSent => "not_sent",
            Self::CutOff => "cut_off",
        }
    }

    /// Whether the registry said that it accepted a heartbeat (so that the lease was renewed).
    pub fn renews(self) -> bool {
        matches!(self, Self::Registered | Self::Renewed | Self::Updated)
    }

    /// Whether it is unknown what the registry did.
    pub fn is_uncertain(self) -> bool {
        matches!(self, Self::Unavailable | Self::TimedOut | Self::Failed | Self::CutOff)
    }

    /// Whether a report counts the call as an error.
    pub fn is_error(self) -> bool {
        matches!(self, Self::Refused | Self::Conflict | Self::NotSent)
            || (self.is_uncertain() && self != Self::CutOff)
    }
}
