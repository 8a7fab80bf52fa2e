//! How a run is run, how it goes, and what prevents one.

use std::path::PathBuf;

use tokio::sync::watch;

use super::gang::WorkerError;
use super::progress::Progress;
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
    /// Becomes true when the user wants the run to end.
    pub interrupt: watch::Receiver<bool>,
    /// Is told once a second how it goes; closed when the run is over.
    pub progress: watch::Sender<Progress>,
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
