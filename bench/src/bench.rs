//! What every measurement needs: the program under test, cores, a folder on a real disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use crate::client::Pool;
use crate::machine::Cores;
use crate::requests;
use crate::row::Line;
use crate::server::{Program, Server};
use crate::trouble::Trouble;

/// Clients of the closed loops.
pub(crate) const CONNECTIONS: usize = 64;
/// Nobody falls silent during a measurement.
pub(crate) const PATIENT: &str = "default=1h,2h,3h,4h";

pub(crate) struct Bench {
    /// The program that is measured.
    pub(crate) wallflower: PathBuf,
    /// This program, for its yardsticks.
    pub(crate) own: PathBuf,
    pub(crate) cores: Cores,
    pub(crate) rounds: usize,
    pub(crate) churn: Option<Duration>,
    pub(crate) build: bool,
    /// The lines that were asked for.
    pub(crate) wanted: Vec<&'static str>,
    pub(crate) scratch: TempDir,
}

impl Bench {
    /// Whether a line was asked for.
    pub(crate) fn wants(&self, line: &Line) -> bool {
        self.wanted.contains(&line.id)
    }

    /// A new folder on the disk, which lasts as long as the run.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf, Trouble> {
        let folder = self.scratch.path().join(name);
        std::fs::create_dir_all(&folder)?;
        Ok(folder)
    }

    /// The registry with its default configuration, but for timeouts that nobody runs into.
    pub(crate) async fn registry(&self, folder: &Path) -> Result<Server, Trouble> {
        self.registry_with(folder, &[PATIENT]).await
    }

    pub(crate) async fn registry_with(&self, folder: &Path, policies: &[&str]) -> Result<Server, Trouble> {
        let database = format!("sqlite://{}", folder.join("registry.db").display());
        let program = self.program(&self.wallflower, folder);
        let program = program.args(["serve", "--listen", "127.0.0.1:0", "--database", &database]);
        program.args(policies.iter().flat_map(|policy| ["--policy", policy])).announced().await
    }

    pub(crate) async fn yardstick(&self, arguments: &[&str], folder: &Path) -> Result<Server, Trouble> {
        self.program(&self.own, folder).args([["yardstick"].as_slice(), arguments].concat()).announced().await
    }

    /// A program on the server's core.
    pub(crate) fn program(&self, program: &Path, folder: &Path) -> Program {
        Program::on(&self.cores.server.to_string(), program, folder)
    }
}

/// Registers `agent-0` and so on; the wiring revisions that they were told.
pub(crate) async fn register(server: &Server, agents: usize) -> Result<Vec<u64>, Trouble> {
    let (kind, wiring) = requests::registering("default", agents);
    Pool::new(server.address, CONNECTIONS.min(agents)).drive(&kind, 0, agents).await?;
    Ok(wiring.take())
}
