//! The built program, run as a user runs it.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use crate::machine::beside;
use crate::not_judged::not_judged;

/// Where the binary under test is. Who asks is going to run it.
pub(crate) fn path() -> &'static str {
    beside();
    env!("CARGO_BIN_EXE_wallflower")
}

/// The binary under test.
pub(crate) fn wallflower() -> Command {
    let mut command = Command::new(path());
    for variable in ["WALLFLOWER_CONFIG", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"] {
        command.env_remove(variable);
    }
    command.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn run(arguments: &[&str]) -> Output {
    wallflower().args(arguments).output().unwrap()
}

/// Runs a load test or a conformance run, `--out` left to this, until it is judged, at most three times. The verdict
/// INVALID says that the machine let the harness keep no plan, and nothing of what was to be tested: then there is
/// `None`, after a look at what such a run must say and leave behind.
pub(crate) fn judged(test: &str, arguments: &[&str], out: &Path) -> Option<Output> {
    let arguments = [arguments, &["--out", out.to_str().unwrap()]].concat();
    let mut reasons = String::new();
    for _ in 0..3 {
        let output = run(&arguments);
        if code(&output) != 3 {
            return Some(output);
        }
        let report = report(out);
        assert_eq!(report["verdict"], "invalid", "{}", text(&output));
        reasons = report["reasons"][0].as_str().unwrap_or_else(|| panic!("{}", text(&output))).to_owned();
        assert!(text(&output).contains("INVALID"), "{}", text(&output));
    }
    not_judged(test, &reasons);
    None
}

pub(crate) fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", text(output)))
}

/// Everything that it printed.
pub(crate) fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// `report.json` of a run, after it was held to its published schema.
pub(crate) fn report(folder: &Path) -> serde_json::Value {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let text = std::fs::read_to_string(folder.join("report.json")).unwrap();
    let report = serde_json::from_str(&text).unwrap();
    let faults: Vec<String> =
        SCHEMA.iter_errors(&report).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert_eq!(faults, Vec::<String>::new(), "{}", folder.display());
    report
}

/// Nobody degrades while a slow machine gets on with a test.
pub(crate) const PATIENT: [&str; 2] = ["--policy", "default=1h,2h,3h,4h"];

/// A running `wallflower serve`, killed when dropped.
pub(crate) struct Served {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Served {
    pub(crate) fn start(folder: &Path, more: &[&str]) -> Self {
        let database = format!("sqlite://{}", folder.join("registry.db").display());
        let mut command = wallflower();
        command.args(["serve", "--listen", "127.0.0.1:0", "--database", &database]).args(more);
        Self::of(command, folder)
    }

    /// Starts a command that becomes `wallflower serve`. Its log goes to `serve.log` in the folder.
    pub(crate) fn of(mut command: Command, folder: &Path) -> Self {
        let log = std::fs::File::options().create(true).append(true).open(folder.join("serve.log")).unwrap();
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| {
            let log = std::fs::read_to_string(folder.join("serve.log")).unwrap_or_default();
            panic!("first line: {line:?}, log: {log}")
        });
        Self { url: url.to_owned(), child }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(self.child.id(), name);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal by process id.
pub(crate) fn signal(pid: u32, name: &str) {
    assert!(Command::new("kill").args([&format!("-{name}"), &pid.to_string()]).status().unwrap().success());
}

/// The process ids of the children of a process.
pub(crate) fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
        .collect()
}

/// The process id of the registry that a harness has started, once its history tells of calls.
pub(crate) fn registry_of(harness: &Child, out: &Path) -> u32 {
    let history = out.join("history.jsonl");
    wait_for(|| {
        let running = history.metadata().is_ok_and(|file| file.len() > 2_000);
        if running { children(harness.id()).first().copied() } else { None }
    })
}

/// Waits for what must come soon; five minutes are for a machine that is busy beyond use.
pub(crate) fn wait_for<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(300), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}
