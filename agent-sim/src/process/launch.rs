//! What to start: the reference registry or a command of the user's, on a free port.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use scenarios::model::{Policy, TargetCommand};

/// How to start a registry. `{port}` and `{dir}` in arguments, environment and files are filled in.
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
    /// The socket of UNIX through which it is reached, where it has a network of its own.
    pub door: Option<String>,
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
        /// With what; `None` when a signal ended it.
        code: Option<i32>,
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

impl LaunchError {
    pub(super) fn io(what: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let what = what.into();
        |source| Self::Io { what, source }
    }

    /// Whether the child said that its port belongs to somebody else.
    pub(super) fn is_port_in_use(&self) -> bool {
        matches!(self, Self::Ended { output, .. } if says_port_in_use(output))
    }
}

/// How long the reference registry may take to get ready. It takes milliseconds; a starved host needs more.
const REFERENCE_READY_TIME: Duration = Duration::from_secs(300);

/// How the reference registry of this program is started with these policies.
pub fn reference_launch(program: PathBuf, policies: &BTreeMap<String, Policy>) -> LaunchSpec {
    let arguments = [
        "serve",
        "--listen",
        "127.0.0.1:{port}",
        "--database",
        "sqlite://{dir}/registry.db",
        "--config",
        "{dir}/registry.toml",
        "--stop-with-stdin",
    ];
    LaunchSpec {
        program,
        arguments: arguments.map(str::to_owned).to_vec(),
        environment: BTreeMap::new(),
        files: BTreeMap::from([("registry.toml".to_owned(), policies_toml(policies))]),
        ready: Ready::ListeningLine,
        ready_timeout: REFERENCE_READY_TIME,
        door: None,
    }
}

/// How a command of the user's is started.
pub fn command_launch(target: &TargetCommand) -> LaunchSpec {
    let mut words = target.command.iter().cloned();
    LaunchSpec {
        program: words.next().unwrap_or_default().into(),
        arguments: words.collect(),
        environment: target.environment.clone(),
        files: BTreeMap::new(),
        ready: Ready::Path(target.ready_path.clone()),
        ready_timeout: target.ready_timeout,
        door: None,
    }
}

/// The text with `{port}` and `{dir}` filled in.
pub(super) fn filled(text: &str, folder: &Path, port: u16) -> String {
    text.replace("{port}", &port.to_string()).replace("{dir}", &folder.to_string_lossy())
}

/// Writes the files of the specification into the folder.
pub(super) fn write_files(spec: &LaunchSpec, folder: &Path, port: u16) -> Result<(), LaunchError> {
    for (name, content) in &spec.files {
        let path = folder.join(name);
        std::fs::write(&path, filled(content, folder, port))
            .map_err(LaunchError::io(format!("cannot write {}", path.display())))?;
    }
    Ok(())
}

/// Whether a program's last words say that its port belongs to somebody else.
fn says_port_in_use(output: &str) -> bool {
    let output = output.to_lowercase();
    ["address in use", "port is in use", "eaddrinuse", "already in use"]
        .iter()
        .any(|words| output.contains(words))
}

/// A port of 127.0.0.1 that nobody listens on right now, below the range from which the kernel takes the source ports
/// of outgoing connections: while the registry is down, a client that keeps calling such a port could otherwise
/// happen to be given it as its own, and so be connected to itself.
pub(super) fn free_port() -> std::io::Result<u16> {
    const FIRST: u16 = 10_000;
    const STRIDE: u32 = 7;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let end = range.split_whitespace().next().and_then(|port| port.parse().ok()).unwrap_or(FIRST);
    let count = u32::from(end.saturating_sub(FIRST));
    for _ in 0..count {
        // Several harnesses at one time begin at places of their own.
        let place = std::process::id()
            .wrapping_mul(131)
            .wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed).wrapping_mul(STRIDE))
            % count;
        let port = FIRST + u16::try_from(place).unwrap_or_default();
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => return Ok(port),
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    // No such range, or none of it free: any port that the kernel has.
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr().map(|address| address.port())
}

/// The configuration file of the reference registry.
fn policies_toml(policies: &BTreeMap<String, Policy>) -> String {
    let mut text = String::new();
    for (agent_type, policy) in policies {
        // A string of JSON is one of TOML too.
        text.push_str(&format!("[policies.{}]\n", serde_json::json!(agent_type)));
        let values = [
            ("heartbeat_interval", Some(policy.heartbeat_interval)),
            ("degraded_after", policy.degraded_after),
            ("expires_after", Some(policy.expires_after)),
            ("evict_after", policy.evict_after),
        ];
        for (key, value) in values {
            if let Some(value) = value {
                text.push_str(&format!("{key} = \"{}ms\"\n", value.as_millis()));
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_written_as_the_reference_registry_reads_them() {
        let policy = Policy {
            heartbeat_interval: Duration::from_secs(5),
            degraded_after: Some(Duration::from_millis(10_500)),
            expires_after: Duration::from_secs(20),
            evict_after: None,
        };
        let policies = BTreeMap::from([("default".to_owned(), policy), ("gpu.worker:1".to_owned(), policy)]);
        let values =
            "heartbeat_interval = \"5000ms\"\ndegraded_after = \"10500ms\"\nexpires_after = \"20000ms\"\n";
        let expected = format!("[policies.\"default\"]\n{values}[policies.\"gpu.worker:1\"]\n{values}");
        assert_eq!(policies_toml(&policies), expected);
    }

    #[test]
    fn placeholders_are_filled_in_everywhere() {
        assert_eq!(filled("{dir}/x?p={port}&q={port}", Path::new("/tmp/a"), 80), "/tmp/a/x?p=80&q=80");
    }

    #[test]
    fn a_free_port_is_one_that_can_be_bound_and_no_source_port() {
        let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
        let first_source_port: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
        let ports: Vec<u16> = (0..20).map(|_| free_port().unwrap()).collect();
        for port in &ports {
            assert!(*port < first_source_port || first_source_port <= 10_000, "{port}");
        }
        assert!(ports.windows(2).all(|pair| pair[0] != pair[1]), "{ports:?}");
    }
}
