//! The registry under test as a child process: started, watched, paused, killed, started again, stopped.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use reports::history::ProcessEvent;
use reports::result::ProcessCost;

use crate::clock::Clock;

/// How to start a registry. `{port}` and `{dir}` in arguments and environment are filled in.
#[derive(Debug, Clone)]
pub struct LaunchSpec {
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Variables beside the inherited ones.
    pub environment: BTreeMap<String, String>,
    /// Files to put into `{dir}` before the first start, by name.
    pub files: BTreeMap<String, String>,
    /// How it is known to be ready.
    pub ready: Ready,
    /// How long that may take.
    pub ready_timeout: Duration,
}

/// How a registry is known to be ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Its first line on standard output is `listening on http://ADDR`.
    ListeningLine,
    /// A GET of this path answers 200 on `{port}`.
    Path(String),
}

/// Why a registry could not be started.
#[derive(Debug, thiserror::Error)]
pub enum LaunchError {
    /// The program cannot be run.
    #[error("cannot start {program}: {source}")]
    Spawn {
        /// The program.
        program: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended before it was ready.
    #[error("{program} ended ({status}) before it was ready; its last output: {output}")]
    Ended {
        /// The program.
        program: PathBuf,
        /// How it ended.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// It took too long.
    #[error("{program} was not ready after {timeout:?}; its last output: {output}")]
    NotReady {
        /// The program.
        program: PathBuf,
        /// How long it was waited for.
        timeout: Duration,
        /// The end of what it printed.
        output: String,
    },
    /// Something around it failed (folder, port).
    #[error("{what}: {source}")]
    Io {
        /// What was tried.
        what: String,
        /// Why it failed.
        source: std::io::Error,
    },
}

/// A running registry; killed when dropped.
#[derive(Debug)]
pub struct RegistryProcess {}

impl RegistryProcess {
    /// Starts it in a temporary folder of its own and waits until it is ready. A restart keeps port and folder.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(_spec: LaunchSpec, _clock: Clock) -> Result<Self, LaunchError> {
        todo!()
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        todo!()
    }

    /// Its process id.
    pub fn pid(&self) -> i32 {
        todo!()
    }

    /// Whether it still runs; an end that the harness did not cause is `Some` event.
    pub fn check(&mut self) -> Option<ProcessEvent> {
        todo!()
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(&mut self) -> ProcessEvent {
        todo!()
    }

    /// Starts it again after a kill: same folder, same port.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&mut self) -> Result<ProcessEvent, LaunchError> {
        todo!()
    }

    /// SIGTERM, a while, then SIGKILL; waits for the end and removes the folder.
    pub async fn stop(self) {
        todo!()
    }

    /// CPU, memory, descriptors and threads now (CPU since its start, over restarts).
    pub fn cost(&self) -> ProcessCost {
        todo!()
    }
}
