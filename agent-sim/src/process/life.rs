//! One run of the program under test, from start to end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use reports::history::{ProcessChange, ProcessEvent};
use tokio::process::{Child, ChildStdin, Command};

use super::launch::{self, LaunchError, LaunchSpec, Ready};
use super::output::Output;
use crate::client::{SendError, Wire};
use crate::clock::Clock;
use crate::dialect::WireRequest;

/// How often a ready path is asked.
const READY_PERIOD: Duration = Duration::from_millis(20);

/// How long one ask of a ready path may take.
const READY_ASK: Duration = Duration::from_secs(1);

/// How long the kernel may take to end a killed process; longer than this only a process stuck in the kernel takes.
pub(super) const KILL_TIME: Duration = Duration::from_secs(30);

/// One run of the program, from start to end.
#[derive(Debug)]
pub(super) struct Life {
    pub(super) child: Child,
    /// Its process id, and that of its process group.
    pub(super) pid: i32,
    pub(super) output: Output,
    /// Held open until the end: the kernel closes it even when the harness is killed, and a registry that stops with
    /// its standard input does not outlive us.
    _stdin: Option<ChildStdin>,
    /// When it was last known to run.
    pub(super) alive_us: u64,
    /// Set once it has ended and was waited for.
    pub(super) ended: Option<ProcessEvent>,
}

impl Life {
    /// Starts the program and waits until it is ready.
    pub(super) async fn begin(
        spec: &LaunchSpec,
        folder: &Path,
        port: u16,
        clock: Clock,
    ) -> Result<(Self, ProcessEvent), LaunchError> {
        let s_us = clock.now_us();
        let program = || spec.program.clone();
        let mut child = command(spec, folder, port)
            .spawn()
            .map_err(|source| LaunchError::Spawn { program: program(), source })?;
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).unwrap_or_default();
        let output = Output::of(&mut child);
        let stdin = child.stdin.take();
        let mut life = Self { child, pid, output, _stdin: stdin, alive_us: s_us, ended: None };
        match tokio::time::timeout(spec.ready_timeout, life.until_ready(spec, folder, port)).await {
            Ok(Ok(())) => {
                let event = ProcessEvent { event: ProcessChange::Started, s_us, e_us: clock.now_us() };
                life.alive_us = event.e_us;
                Ok((life, event))
            }
            Ok(Err((status, code))) => {
                life.ended = Some(ProcessEvent { event: ProcessChange::Died, s_us, e_us: clock.now_us() });
                let output = life.output.last_text().await;
                Err(LaunchError::Ended { program: program(), status, code, output })
            }
            Err(_) => {
                life.signal(Signal::SIGKILL);
                life.reap().await;
                life.ended = Some(ProcessEvent { event: ProcessChange::Killed, s_us, e_us: clock.now_us() });
                let output = life.output.last_text().await;
                Err(LaunchError::NotReady { program: program(), timeout: spec.ready_timeout, output })
            }
        }
    }

    /// Returns when it is ready, or with how it ended.
    async fn until_ready(
        &mut self,
        spec: &LaunchSpec,
        folder: &Path,
        port: u16,
    ) -> Result<(), (String, Option<i32>)> {
        let ready = async {
            match &spec.ready {
                Ready::ListeningLine => self.output.listening().await,
                Ready::Path(path) => until_answered(wire_of(spec, folder, port, READY_ASK), path).await,
            }
        };
        tokio::select! {
            biased;
            status = self.child.wait() => Err(described(status)),
            () = ready => Ok(()),
        }
    }

    /// To the whole process group. An error means that nobody is left in it.
    pub(super) fn signal(&self, signal: Signal) {
        if self.pid > 0 {
            let _ = killpg(Pid::from_raw(self.pid), signal);
        }
    }

    /// Waits for a killed child. One that the kernel cannot end is left to it.
    pub(super) async fn reap(&mut self) {
        let _ = tokio::time::timeout(KILL_TIME, self.child.wait()).await;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if self.ended.is_none() {
            self.signal(Signal::SIGKILL);
        }
    }
}

/// The command, in a process group of its own: wrappers are killed with what they started, and a ctrl-c in the
/// terminal reaches the harness alone, which then ends the run in order.
fn command(spec: &LaunchSpec, folder: &Path, port: u16) -> Command {
    let mut command = Command::new(&spec.program);
    command
        .args(spec.arguments.iter().map(|argument| launch::filled(argument, folder, port)))
        .envs(spec.environment.iter().map(|(name, value)| (name, launch::filled(value, folder, port))))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    command
}

/// Asks the path again and again until it answers 200.
async fn until_answered(wire: Result<Wire, SendError>, path: &str) {
    let Ok(wire) = wire else { return std::future::pending().await };
    let request = WireRequest::bare("GET", path);
    while !matches!(wire.send(&request).await, Ok(answer) if answer.status == 200) {
        tokio::time::sleep(READY_PERIOD).await;
    }
}

fn described(status: std::io::Result<ExitStatus>) -> (String, Option<i32>) {
    status.map_or_else(|error| (error.to_string(), None), |status| (status.to_string(), status.code()))
}

/// Plain requests to a registry with this folder and port.
pub(super) fn wire_of(
    spec: &LaunchSpec,
    folder: &Path,
    port: u16,
    timeout: Duration,
) -> Result<Wire, SendError> {
    match &spec.door {
        Some(door) => Wire::through(&url_of(port), Path::new(&launch::filled(door, folder, port)), timeout),
        None => Wire::new(&url_of(port), timeout),
    }
}

/// Where a registry on this port is reached.
pub(super) fn url_of(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
