//! Servers as processes of their own, pinned to the server's core.

use std::fs::File;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::client::Connection;
use crate::clock;
use crate::requests::get;
use crate::trouble::Trouble;

/// How long a server may take until it is ready, and until it has ended.
const PATIENCE: Duration = Duration::from_secs(120);
const READY_PAUSE: Duration = Duration::from_millis(2);
/// How much of what a server said last is told when it fails.
const TOLD_LINES: usize = 5;

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) process: u32,
}

/// What is to be started.
#[derive(Debug)]
pub(crate) struct Program {
    command: Command,
    log: std::path::PathBuf,
    name: String,
}

impl Program {
    /// `program` on these cores, which logs into `folder`.
    pub(crate) fn on(cores: &str, program: &Path, folder: &Path) -> Self {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // taskset becomes the program, so that the process is the server's.
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(program).stdin(Stdio::null()).kill_on_drop(true);
        Self { command, log: folder.join(format!("{name}.log")), name }
    }

    pub(crate) fn args<S: AsRef<std::ffi::OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Starts it, and waits until it says `listening on http://ADDRESS`.
    pub(crate) async fn announced(mut self) -> Result<Server, Trouble> {
        let log = self.log()?;
        self.command.stdout(Stdio::piped()).stderr(log);
        let mut child = self.spawn()?;
        let out = child.stdout.take().ok_or("a server without output")?;
        let mut line = String::new();
        let mut reader = BufReader::new(out);
        let said = tokio::time::timeout(PATIENCE, reader.read_line(&mut line)).await;
        said.map_err(|_| self.not_ready("said nothing within two minutes"))??;
        let address = line.trim().rsplit('/').next().unwrap_or_default().parse();
        let address =
            address.map_err(|_| self.not_ready(&format!("said {line:?} instead of its address")))?;
        Server::of(child, address)
    }

    /// Starts what listens on this port, and waits until `path` is answered with 200.
    pub(crate) async fn ready(mut self, port: u16, path: &str) -> Result<Server, Trouble> {
        let log = self.log()?;
        self.command.stdout(log.try_clone()?).stderr(log);
        let mut child = self.spawn()?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let began = clock::now();
        loop {
            if let Ok(mut connection) = Connection::open(address).await
                && connection.ask(&get(path, "")).await.is_ok_and(|answer| answer.status == 200)
            {
                return Server::of(child, address);
            }
            if let Some(ended) = child.try_wait()? {
                return Err(self.not_ready(&format!("ended ({ended}) before it was ready")));
            }
            if clock::now().duration_since(began) > PATIENCE {
                return Err(self.not_ready("was not ready within two minutes"));
            }
            tokio::time::sleep(READY_PAUSE).await;
        }
    }

    /// Lets it run to its end; the child is the caller's.
    pub(crate) fn start(mut self) -> Result<Child, Trouble> {
        let log = self.log()?;
        self.command.stdout(log.try_clone()?).stderr(log);
        self.spawn()
    }

    fn spawn(&mut self) -> Result<Child, Trouble> {
        self.command.spawn().map_err(|error| format!("cannot start {}: {error}", self.name).into())
    }

    fn log(&self) -> Result<File, Trouble> {
        let opened = File::options().create(true).append(true).open(&self.log);
        opened.map_err(|error| format!("cannot write {}: {error}", self.log.display()).into())
    }

    fn not_ready(&self, what: &str) -> Trouble {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let last = lines.get(lines.len().saturating_sub(TOLD_LINES)..).unwrap_or_default().join(" | ");
        format!("{} {what}; its log ends: {last}", self.name).into()
    }
}

impl Server {
    fn of(child: Child, address: SocketAddr) -> Result<Self, Trouble> {
        let process = child.id().ok_or("a server that has ended")?;
        Ok(Self { child, address, process })
    }

    /// Ends it as an operator does.
    pub(crate) async fn stop(mut self) -> Result<(), Trouble> {
        let process = i32::try_from(self.process).map_err(|_| "a process id beyond i32")?;
        kill(Pid::from_raw(process), Signal::SIGTERM)
            .map_err(|error| format!("cannot end a server: {error}"))?;
        tokio::time::timeout(PATIENCE, self.child.wait())
            .await
            .map_err(|_| "a server does not end at SIGTERM")??;
        Ok(())
    }

    /// The whole answer to one GET, as status and body.
    pub(crate) async fn get(
        &self,
        path: &str,
        headers: &str,
    ) -> Result<(u16, Vec<u8>, Option<String>), Trouble> {
        let mut connection = Connection::open(self.address).await?;
        let answer = connection.ask(&get(path, headers)).await?;
        Ok((answer.status, answer.body.to_vec(), answer.header("etag")))
    }
}

/// A port that nobody listens on just now.
pub(crate) fn free_port() -> Result<u16, Trouble> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Where a program is found: a path as it is, a name on the PATH or in the folders of the system's servers.
pub(crate) fn found(program: &str) -> Option<std::path::PathBuf> {
    if program.contains('/') {
        return Some(program.into()).filter(|path: &std::path::PathBuf| path.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([Path::new("/usr/sbin").to_path_buf()]);
    folders.map(|folder| folder.join(program)).find(|path| path.is_file())
}
