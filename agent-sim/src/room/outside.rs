//! The harness's side of a room: whether there can be one, what to start, what was counted.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::process::Command;

use super::{Ask, DOOR, Told, WINDOW};
use crate::clock::Clock;
use crate::process::LaunchSpec;

/// How long trying out a room may take.
const TRIAL: Duration = Duration::from_secs(30);

/// How long a room may take to answer; a look waits for what canaries read.
const ANSWER: Duration = Duration::from_secs(20);

/// A room tells less than this: a thousand touches of a few hundred bytes.
const LONGEST_ANSWER: u64 = 4 << 20;

/// The program that becomes a room's first process by calling [`super::run`] with the words behind `arguments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomProgram {
    /// The program.
    pub program: PathBuf,
    /// What it is told before that.
    pub arguments: Vec<String>,
}

/// Whether there can be a room here: one is made, furnished and left.
///
/// # Errors
/// Why not, in words.
pub async fn can_have(room: &RoomProgram) -> Result<(), String> {
    tried(room, &[]).await
}

/// Whether the program ends well when it is told only these words; if not, what it said.
pub(super) async fn tried(room: &RoomProgram, words: &[String]) -> Result<(), String> {
    let mut command = Command::new(&room.program);
    command.args(&room.arguments).args(words).stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(TRIAL, command.output()).await {
        Ok(Ok(output)) if output.status.success() => Ok(()),
        Ok(Ok(output)) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Ok(Err(error)) => Err(format!("{} cannot be run: {error}", room.program.display())),
        Err(_) => Err(format!("a namespace was not made within {TRIAL:?}")),
    }
}

/// The same registry in a room.
pub fn in_room(spec: &LaunchSpec, room: &RoomProgram, clock: Clock) -> LaunchSpec {
    let mut arguments = room.arguments.clone();
    arguments.extend(["{dir}".to_owned(), "{port}".to_owned(), clock.origin_ns().to_string()]);
    arguments.push(spec.program.display().to_string());
    arguments.extend(spec.arguments.iter().cloned());
    LaunchSpec {
        program: room.program.clone(),
        arguments,
        door: Some(format!("{{dir}}/{DOOR}")),
        ..spec.clone()
    }
}

/// What the room of the registry with this folder has counted so far. A call that is just under way may be missing.
///
/// # Errors
/// When it does not answer.
pub async fn glance(folder: &Path) -> std::io::Result<Told> {
    ask(folder, Ask::Glance).await
}

/// The same exactly, with what the canaries heard since the last look. To be asked while nobody calls.
///
/// # Errors
/// When it does not answer.
pub async fn look(folder: &Path) -> std::io::Result<Told> {
    ask(folder, Ask::Look).await
}

async fn ask(folder: &Path, ask: Ask) -> std::io::Result<Told> {
    let asking = async {
        let mut stream = UnixStream::connect(folder.join(WINDOW)).await?;
        let line = serde_json::to_string(&ask)?;
        stream.write_all(format!("{line}\n").as_bytes()).await?;
        let mut text = Vec::new();
        stream.take(LONGEST_ANSWER).read_to_end(&mut text).await?;
        Ok(serde_json::from_slice(&text)?)
    };
    tokio::time::timeout(ANSWER, asking).await.map_err(|_| std::io::ErrorKind::TimedOut)?
}
