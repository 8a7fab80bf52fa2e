//! Starts the registries that the suite itself is tested on; each is an example program of this crate.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use agent_sim::room::RoomProgram;

use scenarios::model::{Policy, Target, TargetCommand, TargetKind};

/// Breaks what its fault says.
pub(crate) const BROKEN: Stub =
    Stub { program: "broken_registry", data: "changes.jsonl", unit: "", ready_path: "/health" };

/// X of the wave in these tests: it is small.
pub(crate) const WAVE_LEASE: Duration = Duration::from_secs(3);

/// What becomes the first process of a network namespace.
pub(crate) fn room() -> RoomProgram {
    RoomProgram { program: example("room"), arguments: Vec::new() }
}

fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().unwrap().with_file_name("examples").join(name)
}

/// One of them.
pub(crate) struct Stub {
    pub(crate) program: &'static str,
    /// The file that it stores in.
    pub(crate) data: &'static str,
    /// What stands behind the milliseconds of a policy on its command line.
    pub(crate) unit: &'static str,
    pub(crate) ready_path: &'static str,
}

impl Stub {
    /// As the target of a run, with this fault.
    pub(crate) fn target(&self, fault: &str, policies: &BTreeMap<String, Policy>) -> Target {
        let program = example(self.program);
        let data = format!("{{dir}}/{}", self.data);
        let mut command = vec![program.display().to_string()];
        for argument in ["--listen", "127.0.0.1:{port}", "--data", &data, "--fault", fault] {
            command.push(argument.to_owned());
        }
        for (name, policy) in policies {
            let timeouts = [
                Some(policy.heartbeat_interval),
                policy.degraded_after,
                Some(policy.expires_after),
                policy.evict_after,
            ];
            let timeouts = timeouts.into_iter().flatten();
            let ms: Vec<String> =
                timeouts.map(|timeout| format!("{}{}", timeout.as_millis(), self.unit)).collect();
            command.extend(["--policy".to_owned(), format!("{name}={}", ms.join(","))]);
        }
        Target {
            kind: TargetKind::Command(TargetCommand {
                command,
                environment: BTreeMap::new(),
                ready_path: self.ready_path.to_owned(),
                // How fast it starts is judged nowhere.
                ready_timeout: Duration::from_secs(300),
            }),
            dialect: "wallflower".to_owned(),
            policies: policies.clone(),
            transition_bound: Duration::from_millis(50),
        }
    }
}
