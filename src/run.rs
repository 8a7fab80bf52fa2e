//! What load test, conformance run and judge have in common: the output folder, interruption, progress, the closing
//! lines and the exit code.

use std::future::Future;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent_sim::dialect::{Dialect, DialectError};
use reports::result::{Kind, RunReport, SCHEMA, Verdict};
use reports::terminal::Looks;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// A wrong command line or scenario.
pub(crate) const USAGE: u8 = 4;
/// The program could not do its work for a reason outside (a port, a file).
pub(crate) const TROUBLE: u8 = 1;
/// Ended by the user.
pub(crate) const INTERRUPTED: u8 = 130;

/// The name of the history in an output folder.
pub(crate) const HISTORY: &str = "history.jsonl";

/// What `main` prints, and the code that it ends with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    text: String,
}

impl Failure {
    /// An error in words.
    pub(crate) fn new(code: u8, error: impl std::fmt::Display) -> Self {
        Self { code, text: format!("error: {error}") }
    }

    /// An error that shows where it is: file, line, caret, remedy.
    pub(crate) fn diagnostic(code: u8, error: impl miette::Diagnostic + Send + Sync + 'static) -> Self {
        Self { code, text: format!("{:?}", miette::Report::new(error)) }
    }

    /// What is printed.
    pub(crate) fn words(&self) -> String {
        let text = self.text.trim();
        text.strip_prefix("error: ").unwrap_or(text).to_owned()
    }

    /// To standard error.
    pub(crate) fn print(&self) {
        let _ = writeln!(std::io::stderr().lock(), "{}", self.text.trim_end());
    }
}

/// The folder of a run, made.
pub(crate) fn output_folder(wanted: Option<&Path>, name: &str) -> Result<PathBuf, Failure> {
    let folder = wanted.map_or_else(
        || {
            let now = humantime::format_rfc3339_seconds(agent_sim::clock::wall_clock()).to_string();
            Path::new("reports/runs").join(format!("{name}-{}", now.replace([':', '-'], "")))
        },
        Path::to_path_buf,
    );
    std::fs::create_dir_all(&folder).map_err(|error| {
        Failure::new(
            USAGE,
            format!("cannot make the output folder {}: {error}; choose another with --out", folder.display()),
        )
    })?;
    Ok(folder)
}

/// Takes back the folder of a run that never began; what is in it stays.
pub(crate) fn discard_empty(folder: &Path) {
    let _ = std::fs::remove_dir(folder);
}

/// The dialect of this name, or that of the file of this name.
pub(crate) fn dialect(name: &str) -> Result<Arc<dyn Dialect>, Failure> {
    agent_sim::dialect::open(name).map_err(|error| match error {
        DialectError::Description(error) => Failure::diagnostic(USAGE, *error),
        unknown => Failure::new(USAGE, unknown),
    })
}

/// This program, which starts itself as the reference registry.
pub(crate) fn own_program() -> Result<PathBuf, Failure> {
    std::env::current_exe()
        .map_err(|error| Failure::new(TROUBLE, format!("cannot tell where this program is: {error}")))
}

/// The command line as it was typed, to be printed as the command that repeats the run.
pub(crate) fn own_command() -> String {
    command_line(std::env::args().skip(1))
}

/// A command line of this program as a shell reads it.
pub(crate) fn command_line(arguments: impl Iterator<Item = String>) -> String {
    std::iter::once("wallflower".to_owned())
        .chain(arguments)
        .map(|word| {
            let plain = !word.is_empty()
                && word.chars().all(|c| c.is_ascii_alphanumeric() || "-_./:=,%@+".contains(c));
            if plain { word } else { format!("'{}'", word.replace('\'', r"'\''")) }
        })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Runs `work` to its end with a flag that ctrl-c or SIGTERM sets, and `work` may set; a second signal ends the program
/// at once.
pub(crate) fn interruptible<T, F>(work: impl FnOnce(watch::Sender<bool>) -> F) -> Result<T, Failure>
where
    F: Future<Output = T>,
{
    // One thread for all agents: every hand-over between threads is a wake-up, which costs more than most calls, and
    // the registry needs the other cores.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(TROUBLE, format!("cannot start the runtime: {error}")))?;
    runtime.block_on(async {
        let flag = watch::Sender::new(false);
        let set = flag.clone();
        let signals = tokio::spawn(async move {
            for count in 0.. {
                end_signal().await;
                if count > 0 {
                    give_up();
                }
                set.send_replace(true);
            }
        });
        let result = work(flag).await;
        signals.abort();
        Ok(result)
    })
}

/// Ends the program at once; the terminal is left as it was found.
pub(crate) fn give_up() -> ! {
    crate::live::leave();
    std::process::exit(i32::from(INTERRUPTED))
}

/// Runs what is done with one short call after the other.
pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(TROUBLE, format!("cannot start the runtime: {error}")))?;
    Ok(runtime.block_on(work))
}

/// Ctrl-c and SIGTERM, listened to from its making on: what comes before anybody waits is not lost.
pub(crate) struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    /// Listens. Belongs into a runtime.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let deaf = |error| Failure::new(TROUBLE, format!("cannot listen to signals: {error}"));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(deaf)?,
            terminate: signal(SignalKind::terminate()).map_err(deaf)?,
        })
    }

    /// Resolves when one comes.
    pub(crate) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

/// Resolves at ctrl-c or SIGTERM.
pub(crate) async fn end_signal() {
    match signal(SignalKind::terminate()) {
        Ok(mut terminate) => tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        },
        // Without a handler the default action of SIGTERM ends the program, which is what was asked.
        Err(_) => {
            let _ = tokio::signal::ctrl_c().await;
        }
    }
}

/// Whether the user lets programs colour what they write (<https://no-color.org>).
pub(crate) fn is_colour_welcome() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|name| name == "dumb");
    !is_dumb && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// How closing lines are to look on standard output.
pub(crate) fn looks() -> Looks {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return Looks::default();
    }
    let columns = rustix::termios::tcgetwinsize(&out).map_or(0, |size| usize::from(size.ws_col));
    Looks { coloured: is_colour_welcome(), width: (columns > 0).then_some(columns) }
}

/// A report with nothing in it but what is known of every run.
pub(crate) fn blank_report(kind: Kind) -> RunReport {
    RunReport {
        schema: SCHEMA,
        wallflower: env!("CARGO_PKG_VERSION").into(),
        kind,
        verdict: Verdict::Invalid,
        reasons: Vec::new(),
        interrupted: false,
        scenario: String::new(),
        description: String::new(),
        seed: 0,
        plan_hash: String::new(),
        started_at: String::new(),
        duration_ms: 0,
        command: own_command(),
        agents: reports::result::AgentCounts::default(),
        calls: std::collections::BTreeMap::new(),
        phases: Vec::new(),
        thresholds: Vec::new(),
        requirements: Vec::new(),
        target: reports::result::TargetReport::default(),
        generator: reports::result::GeneratorReport::default(),
        intervals: Vec::new(),
        environment: agent_sim::process::environment(),
        scenario_text: String::new(),
        faults: Vec::new(),
        freshness: Vec::new(),
        baseline: None,
        shard: None,
        merged: None,
    }
}

/// Writes the files of a finished run and prints its closing lines.
pub(crate) fn close(report: &RunReport, folder: &Path) -> Result<(), Failure> {
    reports::write_all(report, folder).map_err(|error| Failure::new(TROUBLE, error))?;
    let mut out = std::io::stdout().lock();
    let printed = reports::terminal::write(report, looks(), &mut out)
        .and_then(|()| writeln!(out, "\nreport   {}", folder.join("report.html").display()));
    // A closed pipe (`| head`) is no fault of the run.
    drop(printed);
    drop(out);
    crate::github::tell(report);
    Ok(())
}
