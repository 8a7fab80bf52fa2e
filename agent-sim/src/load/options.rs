//! How a run is run, how it goes, and what prevents one.

use std::path::PathBuf;
use std::time::SystemTime;

use tokio::sync::watch;

use super::gang::WorkerError;
use super::progress::Progress;
use crate::plan::share::Share;
use crate::target::TargetError;

/// How a run is run, beside its scenario.
#[derive(Debug)]
pub struct LoadOptions {
    /// Where the plan comes from.
    pub seed: u64,
    /// This program, which serves the reference registry.
    pub reference_program: PathBuf,
    /// The file that the history is written to; one that is there is replaced. The log of latencies goes beside it.
    pub history: PathBuf,
    /// Whether each call carries a `traceparent`.
    pub traceparent: bool,
    /// Which part of a run it is; `None`: it is whole.
    pub part: Option<Part>,
    /// Becomes true when the user wants the run to end.
    pub interrupt: watch::Receiver<bool>,
    /// Is told once a second how it goes; closed when the run is over.
    pub progress: watch::Sender<Progress>,
}

/// A part of a run of which other processes, perhaps on other machines, make the other parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Which part, from 1.
    pub number: u32,
    /// How many parts there are.
    pub of: u32,
    /// Its share of the agents.
    pub share: Share,
    /// When the plan begins; `None`: as soon as all is ready.
    pub start: Option<SystemTime>,
}

impl Part {
    /// The part of this number, from 1, of so many; `None` where there is no such part.
    pub fn new(number: u32, of: u32, start: Option<SystemTime>) -> Option<Self> {
        Some(Self { number, of, share: Share::of(number, of)?, start })
    }
}

/// What prevents a run.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no registry to test.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The agents' addresses have no listener.
    #[error(
        "cannot listen behind the agents' addresses (one port of 0.0.0.0, TCP and UDP): {source}; free a port, or \
         raise the limit of open files (`ulimit -n`)"
    )]
    Tripwire {
        /// Why.
        source: std::io::Error,
    },
    /// The history cannot be written.
    #[error("cannot create the history {}: {source}; choose an output folder that can be written", path.display())]
    History {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The log of latencies cannot be written.
    #[error(
        "cannot create the log of latencies {}: {source}; choose an output folder that can be written",
        path.display()
    )]
    Latencies {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What the parts of a run are put together from cannot be written.
    #[error(
        "cannot create the events of this shard beside {}: {source}; choose an output folder that can be written",
        path.display()
    )]
    Kept {
        /// Beside which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The plan was to begin before all was ready.
    #[error(
        "this shard was ready {late_ms} ms too late for its start; nothing was called: begin all shards again, with a \
         later --start-at"
    )]
    Late {
        /// By so much, milliseconds.
        late_ms: u64,
    },
    /// The registry's address leads nowhere.
    #[error("cannot find out where {url} is: {cause}; is the name right?")]
    Address {
        /// As given.
        url: String,
        /// Why not.
        cause: String,
    },
    /// The system gives no poller or no timer.
    #[error("cannot make the sockets' poller: {source}; raise the limit of open files (`ulimit -n`)")]
    Poller {
        /// Why.
        source: std::io::Error,
    },
    /// The processes over which the agents are to be spread cannot be had.
    #[error("the agents cannot be spread over several processes: {0}")]
    Worker(#[from] WorkerError),
    /// The thread that makes the calls has ended before its time.
    #[error("the thread that makes the calls broke down; its last words are above")]
    BrokenDown,
    /// The system gives no thread.
    #[error("cannot start the thread that {what}: {source}; raise the limit of processes (`ulimit -u`)")]
    Thread {
        /// What it is for.
        what: &'static str,
        /// Why.
        source: std::io::Error,
    },
}
