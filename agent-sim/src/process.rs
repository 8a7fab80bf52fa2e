//! The registry under test as a child process: started, watched, paused, killed, started again, stopped.
//!
//! - `launch`: what to start: the reference registry or a command of the user's, on a free port.
//! - `life`: one run of the program, from start to end.
//! - `output`: drains what the child prints and keeps the end of it.
//! - `store_hold`: locks the registry's store, so that it cannot be written.
//! - `watch`: a process under the kernel's eye.
//! - `usage`: what the child and the harness itself use.
//! - `host`: what the machine has for a run.

use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use reports::history::{ProcessChange, ProcessEvent};
use reports::result::ProcessCost;
use tempfile::TempDir;

use crate::client::{SendError, Wire};
use crate::clock::Clock;

mod host;
mod launch;
mod life;
mod output;
mod store_hold;
mod usage;
mod watch;

use life::{KILL_TIME, Life, url_of};

pub use host::Host;
pub use launch::{LaunchError, LaunchSpec, Ready, command_launch, reference_launch};
pub use store_hold::StoreHold;
pub use usage::{CONTROL_THREAD, OwnUsage, WAKE_UP_NS, environment, own_fd_limit, own_usage, pss_bytes};
pub(crate) use usage::{own_pss_bytes, own_usage_but_memory};
pub use watch::{can_watch, read_log, watched};

/// How often a start is tried while the port turns out to be in use.
const PORT_TRIES: u32 = 3;

/// How long to wait before a port that must be kept is tried again.
const PORT_PAUSE: Duration = Duration::from_millis(200);

/// How long a registry may take to end by itself after SIGTERM.
const STOP_TIME: Duration = Duration::from_secs(5);

/// How long the kernel may take to stop all threads.
const PAUSE_TIME: Duration = Duration::from_secs(1);

/// How often the state of a process that is to change is looked at.
const STATE_PERIOD: Duration = Duration::from_millis(1);

/// A running registry; killed, with all that it started in its process group, when dropped.
#[derive(Debug)]
pub struct RegistryProcess {
    spec: LaunchSpec,
    clock: Clock,
    /// Stands before the folder, so that it is dropped, and killed, before the folder goes.
    life: Life,
    folder: TempDir,
    port: u16,
    started: ProcessEvent,
    /// User and system time of the lives before this one.
    ended_cpu_seconds: f64,
}

impl RegistryProcess {
    /// Starts it in a temporary folder of its own and waits until it is ready. A restart keeps port and folder.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn start(spec: LaunchSpec, clock: Clock) -> Result<Self, LaunchError> {
        let folder = tempfile::Builder::new()
            .prefix("wallflower-")
            .tempdir()
            .map_err(LaunchError::io("cannot make a temporary folder"))?;
        let mut tries = 1;
        loop {
            let port = launch::free_port().map_err(LaunchError::io("cannot find a free port"))?;
            launch::write_files(&spec, folder.path(), port)?;
            match Life::begin(&spec, folder.path(), port, clock).await {
                Ok((life, started)) => {
                    return Ok(Self { spec, clock, folder, port, life, started, ended_cpu_seconds: 0.0 });
                }
                Err(error) if error.is_port_in_use() && tries < PORT_TRIES => tries += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// `http://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        url_of(self.port)
    }

    /// Plain requests to it, each given up after `timeout`.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn wire(&self, timeout: Duration) -> Result<Wire, SendError> {
        life::wire_of(&self.spec, self.folder.path(), self.port, timeout)
    }

    /// How it was started.
    pub fn spec(&self) -> &LaunchSpec {
        &self.spec
    }

    /// Its process id; the last one while it does not run.
    pub fn pid(&self) -> i32 {
        self.life.pid
    }

    /// Its folder, removed when it is stopped or dropped.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The last start: spawned after `s_us`, ready by `e_us`.
    pub fn started(&self) -> ProcessEvent {
        self.started.clone()
    }

    /// Whether it has not ended, as far as was looked.
    pub fn is_running(&self) -> bool {
        self.life.ended.is_none()
    }

    /// The end of what it printed, at most 16 KiB.
    pub fn last_output(&self) -> String {
        self.life.output.text()
    }

    /// Whether it still runs; an end that the harness did not cause is `Some` event, once.
    pub fn check(&mut self) -> Option<ProcessEvent> {
        if self.life.ended.is_some() {
            return None;
        }
        let now_us = self.clock.now_us();
        if !usage::has_ended(self.life.pid) {
            self.life.alive_us = now_us;
            return None;
        }
        self.clear_up();
        self.life.child.try_wait().ok().flatten()?;
        let event =
            ProcessEvent { event: ProcessChange::Died, s_us: self.life.alive_us, e_us: self.clock.now_us() };
        self.life.ended = Some(event.clone());
        Some(event)
    }

    /// SIGKILL, and waits for the end. Of a process that had ended by itself it gives that end.
    pub async fn kill(&mut self) -> ProcessEvent {
        if let Some(died) = self.check() {
            return died;
        }
        if let Some(ended) = &self.life.ended {
            return ended.clone();
        }
        self.end(Signal::SIGKILL, KILL_TIME).await
    }

    /// SIGTERM, a while, then SIGKILL, and waits for the end; the folder stays, so that it can be started again.
    pub async fn terminate(&mut self) -> ProcessEvent {
        if let Some(ended) = &self.life.ended {
            return ended.clone();
        }
        self.end(Signal::SIGTERM, STOP_TIME).await
    }

    /// Sets a variable of the environment for the starts to come; `None` takes it away.
    pub fn set_variable(&mut self, name: &str, value: Option<String>) {
        match value {
            Some(value) => drop(self.spec.environment.insert(name.to_owned(), value)),
            None => drop(self.spec.environment.remove(name)),
        }
    }

    /// Starts it again after a kill: same folder, same port. One that still runs is killed first.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart(&mut self) -> Result<ProcessEvent, LaunchError> {
        if self.is_running() {
            self.kill().await;
        }
        let mut tries = 1;
        loop {
            match Life::begin(&self.spec, self.folder.path(), self.port, self.clock).await {
                Ok((life, started)) => {
                    self.life = life;
                    self.started = started.clone();
                    return Ok(started);
                }
                Err(error) if error.is_port_in_use() && tries < PORT_TRIES => {
                    tries += 1;
                    tokio::time::sleep(PORT_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// The same, started as `spec` says from now on; what it has put into `{dir}` stays.
    ///
    /// # Errors
    /// When it does not get ready.
    pub async fn restart_as(&mut self, spec: LaunchSpec) -> Result<ProcessEvent, LaunchError> {
        self.spec = spec;
        self.restart().await
    }

    /// SIGSTOP, and waits until all its threads stand; `None` when it does not run or would not stop.
    pub async fn pause(&mut self) -> Option<ProcessEvent> {
        let s_us = self.signal_from(Signal::SIGSTOP)?;
        let pid = self.life.pid;
        wait_until(PAUSE_TIME, || usage::is_stopped(pid)).await.then(|| ProcessEvent {
            event: ProcessChange::Paused,
            s_us,
            e_us: self.clock.now_us(),
        })
    }

    /// SIGCONT; `None` when it does not run.
    pub async fn resume(&mut self) -> Option<ProcessEvent> {
        let s_us = self.signal_from(Signal::SIGCONT)?;
        let pid = self.life.pid;
        wait_until(PAUSE_TIME, || !usage::is_stopped(pid)).await.then(|| ProcessEvent {
            event: ProcessChange::Continued,
            s_us,
            e_us: self.clock.now_us(),
        })
    }

    /// SIGTERM, a while, then SIGKILL; waits for the end and removes the folder.
    pub async fn stop(mut self) {
        if self.is_running() {
            self.life.signal(Signal::SIGTERM);
            // A paused one would not hear it.
            self.end(Signal::SIGCONT, STOP_TIME).await;
        }
        // What is left of the folder is in the system's temporary folder; nothing more can be done about it.
        let _ = self.folder.close();
    }

    /// CPU, memory, descriptors and threads now (CPU since its start, over restarts), of the process itself without
    /// its children.
    pub fn cost(&self) -> ProcessCost {
        ProcessCost { pss_bytes: self.pss_bytes(), ..self.cost_but_memory() }
    }

    /// Its proportional set size, bytes; 0 while it does not run.
    pub(crate) fn pss_bytes(&self) -> u64 {
        if self.is_running() { usage::pss_bytes(self.life.pid) } else { 0 }
    }

    /// [`RegistryProcess::cost`] without the memory, which alone takes long to read.
    pub(crate) fn cost_but_memory(&self) -> ProcessCost {
        let pid = self.life.pid;
        let current = if self.is_running() { usage::but_memory_of(pid) } else { ProcessCost::default() };
        ProcessCost { cpu_seconds: self.ended_cpu_seconds + current.cpu_seconds, ..current }
    }
}

impl RegistryProcess {
    /// Sends the signal if it runs; gives the instant before that.
    fn signal_from(&self, signal: Signal) -> Option<u64> {
        let s_us = self.clock.now_us();
        self.is_running().then(|| self.life.signal(signal)).map(|()| s_us)
    }

    /// Signals, waits for the end for that long, then kills.
    async fn end(&mut self, signal: Signal, time: Duration) -> ProcessEvent {
        let s_us = self.clock.now_us();
        let pid = self.life.pid;
        self.life.signal(signal);
        wait_until(time, || usage::has_ended(pid)).await;
        self.clear_up();
        self.life.reap().await;
        let event = ProcessEvent { event: ProcessChange::Killed, s_us, e_us: self.clock.now_us() };
        self.life.ended = Some(event.clone());
        event
    }

    /// What must be done after the end and before the kernel forgets the process: its CPU time is read, and what it
    /// left in its process group is killed.
    fn clear_up(&mut self) {
        self.ended_cpu_seconds += usage::cpu_seconds(self.life.pid).unwrap_or_default();
        self.life.signal(Signal::SIGKILL);
    }
}

/// Whether it came true within that time.
async fn wait_until(time: Duration, is_so: impl Fn() -> bool) -> bool {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(STATE_PERIOD).await;
        }
    };
    tokio::time::timeout(time, wait).await.is_ok()
}
