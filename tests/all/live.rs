//! The live view on a real pseudo-terminal, and what comes where there is no terminal.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, PtySize, native_pty_system};

use crate::loadtest::small;
use crate::program::{code, report, wallflower};

/// The view comes with the run's first second; minutes are for a machine that is busy beyond use.
const LONGEST_WAIT: Duration = Duration::from_secs(120);

const LEAVES_THE_OTHER_SCREEN: &[u8] = b"\x1b[?1049l";

/// A program on a terminal of 80 columns and 24 rows.
struct OnTerminal {
    child: Box<dyn Child + Send + Sync>,
    keys: Box<dyn std::io::Write + Send>,
    came: Receiver<Vec<u8>>,
    /// All that came.
    bytes: Vec<u8>,
    /// What a terminal shows of it.
    terminal: vt100::Parser,
    _master: Box<dyn portable_pty::MasterPty + Send>,
}

impl OnTerminal {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_program(crate::program::path(), arguments, environment)
    }

    fn start_program(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let size = PtySize { rows: 24, cols: 80, ..PtySize::default() };
        let pair = native_pty_system().openpty(size).unwrap();
        let mut command = CommandBuilder::new(program);
        command.args(arguments);
        command.cwd(env!("CARGO_MANIFEST_DIR"));
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        environment.iter().for_each(|(name, value)| command.env(name, value));
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let (sender, came) = channel();
        let mut reader = pair.master.try_clone_reader().unwrap();
        std::thread::spawn(move || {
            let mut buffer = [0; 4_096];
            while let Ok(read @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        let keys = pair.master.take_writer().unwrap();
        let terminal = vt100::Parser::new(24.try_into().unwrap(), 80.try_into().unwrap(), 0);
        Self { child, keys, came, bytes: Vec::new(), terminal, _master: pair.master }
    }

    /// Takes what comes until the screen is as wanted; false when the program's output has ended before.
    fn shows(&mut self, wanted: impl Fn(&vt100::Screen) -> bool) -> bool {
        let begun = Instant::now();
        while !wanted(self.terminal.screen()) {
            let left = LONGEST_WAIT.saturating_sub(begun.elapsed());
            match self.came.recv_timeout(left) {
                Ok(bytes) => {
                    self.terminal.process(&bytes);
                    self.bytes.extend(bytes);
                }
                Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    panic!("it never came; the screen:\n{}", self.terminal.screen().contents())
                }
            }
        }
        true
    }

    fn end(mut self) -> (u32, Vec<u8>, vt100::Parser) {
        assert!(!self.shows(|_| false));
        (self.child.wait().unwrap().exit_code(), self.bytes, self.terminal)
    }
}

fn loadtest(folder: &Path, out: &Path) -> Vec<String> {
    ["loadtest", &small(folder), "--out", out.to_str().unwrap()].map(str::to_owned).to_vec()
}

#[test]
fn on_a_terminal_the_run_is_seen_and_q_ends_it_with_its_report_and_the_terminal_as_it_was() {
    ended_by(b"q", "q");
}

#[test]
fn on_a_terminal_ctrl_c_does_the_same() {
    ended_by(b"\x03", "ctrl-c");
}

fn ended_by(keys: &[u8], name: &str) {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = loadtest(folder.path(), &out);
    let mut run = OnTerminal::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &[]);
    let in_view = |screen: &vt100::Screen| {
        screen.alternate_screen()
            && screen.contents().contains("small")
            && screen.contents().contains("q or ctrl-c")
    };
    assert!(run.shows(in_view), "{name}: {}", run.terminal.screen().contents());
    let seen = run.terminal.screen().contents();
    for word in ["steady", "calls", "generator  lag p99", "registry", "heartbeat", "errors", "faults"] {
        assert!(seen.contains(word), "{word:?} is not in\n{seen}");
    }
    assert!(seen.lines().all(|line| line.chars().count() <= 80), "{seen}");
    run.keys.write_all(keys).unwrap();
    run.keys.flush().unwrap();
    let (code, bytes, terminal) = run.end();
    let screen = terminal.screen();
    assert_eq!(code, 130, "{name}: {}", screen.contents());
    assert!(!screen.alternate_screen() && !screen.hide_cursor(), "{name}: the terminal is not given back");
    assert!(bytes.windows(LEAVES_THE_OTHER_SCREEN.len()).any(|window| window == LEAVES_THE_OTHER_SCREEN));
    assert!(screen.contents().contains("report.html"), "the summary stands on it: {}", screen.contents());
    assert_eq!(report(&out)["interrupted"], true);
}

#[test]
fn a_terminal_that_cannot_move_its_cursor_gets_lines_and_no_colour_where_none_is_wanted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = loadtest(folder.path(), &out);
    let environment = [("TERM", "dumb"), ("NO_COLOR", "1")];
    let mut run = OnTerminal::start(&arguments.iter().map(String::as_str).collect::<Vec<_>>(), &environment);
    assert!(run.shows(|screen| screen.contents().contains("calls/s")));
    let (_, bytes, _) = run.end();
    assert!(!bytes.contains(&0x1b), "{}", String::from_utf8_lossy(&bytes));
}

#[test]
fn without_a_terminal_there_are_plain_lines_and_live_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = loadtest(folder.path(), &out);
    let output = wallflower().args(&arguments).output().unwrap();
    let lines = String::from_utf8(output.stderr).unwrap();
    assert!(lines.contains("of 10 s") && lines.contains("calls/s") && lines.contains("lag p99"), "{lines}");
    assert!(!lines.contains('\x1b') && !output.stdout.contains(&0x1b), "{lines:?}");

    let refused = wallflower().args(&arguments).args(["--progress", "live"]).output().unwrap();
    let words = String::from_utf8(refused.stderr.clone()).unwrap();
    assert_eq!(code(&refused), 4, "{words}");
    assert!(words.contains("standard error is no terminal") && words.contains("--progress plain"), "{words}");
}

/// Writes the README's picture of the live view, while the fault of a run strikes; `just pictures` asks for it.
#[test]
#[ignore = "it writes README.md"]
fn the_readme_shows_the_live_view() {
    const MARKS: [&str; 2] = ["<!-- live:begin -->\n", "<!-- live:end -->\n"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = tempfile::tempdir().unwrap();
    let program = std::env::var("WALLFLOWER");
    let mut run = OnTerminal::start_program(
        program.as_deref().unwrap_or(crate::program::path()),
        &["loadtest", "tests/browser/strict-pause.toml", "--out", folder.path().to_str().unwrap()],
        &[],
    );
    assert!(run.shows(|screen| {
        let text = screen.contents();
        text.contains("over       standstill") && text.contains("(limit ") && text.contains("timeout")
    }));
    let screen = run.terminal.screen().contents();
    run.keys.write_all(b"q").unwrap();
    run.keys.flush().unwrap();
    run.end();
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let [begin, end] = MARKS.map(|mark| readme.find(mark).unwrap());
    let lines: Vec<&str> = screen.trim_end().lines().map(str::trim_end).collect();
    let (before, after) = (&readme[..begin + MARKS[0].len()], &readme[end..]);
    std::fs::write(root.join("README.md"), format!("{before}```text\n{}\n```\n{after}", lines.join("\n")))
        .unwrap();
}
