//! `[[faults]]`: what goes wrong on purpose.

use std::time::Duration;

/// Something that goes wrong on purpose.
#[derive(Debug, Clone, PartialEq)]
pub struct InjectedFault {
    /// Unique in the scenario.
    pub name: String,
    /// The phase that it strikes in.
    pub phase: String,
    /// When, counted from that phase's start.
    pub at: Duration,
    /// What goes wrong.
    pub kind: FaultKind,
}

/// What goes wrong. Shares are of the agents that live when the fault strikes, 0 to 1, by lot.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FaultKind {
    /// A share falls silent, spread over `over`; each comes back as a new process `back_after` its own end.
    Crash {
        /// Of those alive.
        share: f64,
        /// 0 is all at once.
        over: Duration,
        /// `None`: not before a phase of kind `recover`.
        back_after: Option<Duration>,
    },
    /// As `Crash`, but each deregisters before it ends.
    Leave {
        /// Of those alive.
        share: f64,
        /// 0 is all at once.
        over: Duration,
        /// `None`: not before a phase of kind `recover`.
        back_after: Option<Duration>,
    },
    /// Agents are replaced one after the other, evenly.
    Churn {
        /// The share of the fleet that is replaced in a minute.
        per_minute: f64,
        /// How long it goes on.
        lasting: Duration,
        /// How long each is away.
        down: Duration,
        /// Whether each deregisters before it ends.
        graceful: bool,
    },
    /// All agents are restarted, a batch after the other, in the order of their numbers.
    Deploy {
        /// How many batches.
        batches: u32,
        /// From one batch to the next.
        every: Duration,
        /// How long each agent is away.
        down: Duration,
        /// Whether each deregisters before it ends.
        graceful: bool,
    },
    /// All agents end at once, and come back in one instant: a thundering herd.
    Herd {
        /// How long they are away.
        down: Duration,
    },
    /// The calls of a share go through a bad network.
    Partition {
        /// Of all agents.
        share: f64,
        /// How long.
        lasting: Duration,
        /// What the network does.
        network: BadNetwork,
    },
    /// The registry is killed (SIGKILL) and started again on the same state.
    Kill {
        /// How long it is away.
        down: Duration,
        /// How often.
        times: u32,
        /// From one kill to the next.
        every: Duration,
    },
    /// The registry is stopped (SIGSTOP) and continued.
    Pause {
        /// How long it stands still.
        lasting: Duration,
        /// How often.
        times: u32,
        /// From one stop to the next.
        every: Duration,
    },
    /// Further connections ask for the whole list and read the answer slowly.
    SlowReaders {
        /// How many.
        connections: u32,
        /// How fast each reads.
        bytes_per_second: u32,
        /// How long.
        lasting: Duration,
    },
    /// Impatient agents: each heartbeat of a share is repeated at once after its answer.
    RetryStorm {
        /// Of all agents.
        share: f64,
        /// How long.
        lasting: Duration,
        /// So many more heartbeats for each.
        retries: u32,
    },
}

impl FaultKind {
    /// The word in the scenario file.
    pub fn name(self) -> &'static str {
        match self {
            Self::Crash { .. } => "crash",
            Self::Leave { .. } => "leave",
            Self::Churn { .. } => "churn",
            Self::Deploy { .. } => "deploy",
            Self::Herd { .. } => "herd",
            Self::Partition { .. } => "partition",
            Self::Kill { .. } => "kill",
            Self::Pause { .. } => "pause",
            Self::SlowReaders { .. } => "slow-readers",
            Self::RetryStorm { .. } => "retry-storm",
        }
    }

    /// How long it goes on, from its first instant until nothing of it is left but its aftermath.
    pub fn length(self) -> Duration {
        let repeated = |times: u32, every: Duration, last: Duration| {
            every.saturating_mul(times.saturating_sub(1)).saturating_add(last)
        };
        match self {
            Self::Crash { over, back_after, .. } | Self::Leave { over, back_after, .. } => {
                over.saturating_add(back_after.unwrap_or_default())
            }
            Self::Churn { lasting, down, .. } => lasting.saturating_add(down),
            Self::Deploy { batches, every, down, .. } => repeated(batches, every, down),
            Self::Herd { down } => down,
            Self::Partition { lasting, .. }
            | Self::SlowReaders { lasting, .. }
            | Self::RetryStorm { lasting, .. } => lasting,
            Self::Kill { down, times, every } => repeated(times, every, down),
            Self::Pause { lasting, times, every } => repeated(times, every, lasting),
        }
    }

    /// Whether the harness must own the registry's process for it.
    pub fn needs_process(self) -> bool {
        matches!(self, Self::Kill { .. } | Self::Pause { .. })
    }
}

/// What a bad network does to the calls that go through it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadNetwork {
    /// Nothing gets through, either way.
    Cut,
    /// Everything comes later.
    Delay {
        /// By so much, each way.
        by: Duration,
    },
    /// Bytes come slowly.
    Trickle {
        /// Each way.
        bytes_per_second: u32,
    },
}
