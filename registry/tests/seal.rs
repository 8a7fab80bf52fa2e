//! The seal, tried on real processes. Each attempt is made in a sealed process and in an unsealed one, against targets
//! that listen: a test in which nothing could ever arrive would prove nothing.
//!
//! The process is `examples/sealed_probe.rs`, which a plain `cargo test -p registry` builds too.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "helpers of tests fail by panicking, and say what a machine could not show"
)]

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, SystemTime};

use landlock::{AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use registry::seal::status::{self_status, status_of, threads_of};
use tempfile::TempDir;

/// Far above what any machine needs: it only turns a hang into a failure.
const PATIENCE: Duration = Duration::from_secs(120);
const THREADS: [&str; 4] = ["main", "new", "older", "worker"];

#[derive(Clone, Copy, PartialEq)]
enum Arrives {
    Tcp,
    Udp,
    Nowhere,
}

/// What is tried, what it comes to unsealed, where it arrives then, and whether some machines shut it off for everybody
/// (containers, sysctl), so that there it shows nothing.
const ATTEMPTS: &[(&str, &str, Arrives, bool)] = &[
    ("connect", "ok", Arrives::Tcp, false),
    ("connect-async", "ok", Arrives::Tcp, false),
    ("udp-send-to", "ok", Arrives::Udp, false),
    ("udp-connect", "ok", Arrives::Udp, false),
    ("run-a-child", "ok", Arrives::Tcp, false),
    ("listen", "ok", Arrives::Nowhere, false),
    ("pair", "ok", Arrives::Nowhere, false),
    ("fast-open", "ok", Arrives::Tcp, true),
    ("connect-mptcp", "ok", Arrives::Tcp, true),
    ("ring", "ok", Arrives::Nowhere, true),
    ("trace", "ESRCH", Arrives::Nowhere, true),
    ("read-memory", "ok", Arrives::Nowhere, true),
    ("take-descriptor", "ok", Arrives::Nowhere, true),
];

/// Where calls would arrive.
struct Targets {
    tcp: TcpListener,
    udp: UdpSocket,
}

impl Targets {
    fn new() -> Self {
        let targets = Self {
            tcp: TcpListener::bind("127.0.0.1:0").unwrap(),
            udp: UdpSocket::bind("127.0.0.1:0").unwrap(),
        };
        targets.tcp.set_nonblocking(true).unwrap();
        targets.udp.set_read_timeout(Some(PATIENCE)).unwrap();
        targets
    }

    /// Takes one arrival; the kernel may still be carrying it.
    fn take(&self, arrives: Arrives) {
        match arrives {
            Arrives::Tcp => {
                self.tcp.set_nonblocking(false).unwrap();
                self.tcp.accept().expect("a connection arrives");
                self.tcp.set_nonblocking(true).unwrap();
            }
            Arrives::Udp => {
                self.udp.recv(&mut [0; 8]).expect("a datagram arrives");
            }
            Arrives::Nowhere => {}
        }
    }

    fn assert_untouched(&self) {
        assert_eq!(self.tcp.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "a connection arrived");
        self.udp.set_nonblocking(true).unwrap();
        assert_eq!(
            self.udp.recv(&mut [0; 8]).unwrap_err().kind(),
            ErrorKind::WouldBlock,
            "a datagram arrived"
        );
    }
}

/// A running `sealed_probe`. It ends with its input.
struct Probe {
    child: Child,
    input: Option<ChildStdin>,
    output: Receiver<String>,
    address: SocketAddr,
    /// `sealed: ...` or `refused: ...`
    verdict: String,
    _folder: TempDir,
}

impl Probe {
    fn start(mode: &str, targets: &Targets, left_open: &[&str]) -> Self {
        Self::start_with(Command::new(program()), mode, targets, left_open, TempDir::new().unwrap())
    }

    fn start_with(
        mut command: Command,
        mode: &str,
        targets: &Targets,
        left_open: &[&str],
        folder: TempDir,
    ) -> Self {
        let mut child = command
            .arg(mode)
            .arg(targets.tcp.local_addr().unwrap().to_string())
            .arg(targets.udp.local_addr().unwrap().to_string())
            .arg(folder.path())
            .args(left_open)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (lines, output) = channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| lines.send(line)));
        let next = || output.recv_timeout(PATIENCE).expect("the probe says something");
        let address = next().strip_prefix("listening ").expect("an address first").parse().unwrap();
        let verdict = next();
        Self { input: child.stdin.take(), child, address, verdict, output, _folder: folder }
    }

    fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    fn attempt(&mut self, name: &str, thread: &str) -> String {
        writeln!(self.input.as_mut().unwrap(), "{name} {thread}").unwrap();
        self.output.recv_timeout(PATIENCE).expect("an answer to the attempt")
    }

    fn exit_code(mut self) -> Option<i32> {
        drop(self.input.take());
        self.child.wait().unwrap().code()
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One HTTP call, which writes a row; the row's number.
fn call(address: SocketAddr) -> u64 {
    let mut connection = TcpStream::connect(address).unwrap();
    connection.set_read_timeout(Some(PATIENCE)).unwrap();
    connection.write_all(b"GET / HTTP/1.1\r\nhost: probe\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer.rsplit_once("row ").expect("a row").1.trim().parse().unwrap()
}

/// The probe's path; a missing or an old one is a failure, since it would prove something else.
fn program() -> PathBuf {
    const BUILD_IT: &str = "run `cargo build -p registry --example sealed_probe`";
    let tests = std::env::current_exe().unwrap();
    let path = tests.ancestors().nth(2).unwrap().join("examples/sealed_probe");
    let built = changed_at(&path).unwrap_or_else(|error| panic!("{}: {error}; {BUILD_IT}", path.display()));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    let seal = std::fs::read_dir(sources.join("src/seal")).unwrap().map(|entry| entry.unwrap().path());
    for source in seal.chain([sources.join("examples/sealed_probe.rs")]) {
        assert!(
            changed_at(&source).unwrap() <= built,
            "{} is newer than the probe; {BUILD_IT}",
            source.display()
        );
    }
    path
}

fn changed_at(path: &Path) -> std::io::Result<SystemTime> {
    path.metadata()?.modified()
}

#[test]
fn every_attempt_fails_sealed_and_arrives_unsealed() {
    let (unseen, seen) = (Targets::new(), Targets::new());
    let mut sealed = Probe::start("require", &unseen, &[]);
    assert!(sealed.verdict.starts_with("sealed: enforced by the kernel (seccomp"), "{}", sealed.verdict);
    let mut open = Probe::start("off", &seen, &[]);
    assert_eq!(open.verdict, "sealed: by construction only: sealing is off");

    for &(name, expected, arrives, may_be_shut_off) in ATTEMPTS {
        for thread in THREADS {
            assert_eq!(sealed.attempt(name, thread), "EPERM", "{name} on thread {thread}");
            let outcome = open.attempt(name, thread);
            if may_be_shut_off && outcome != expected {
                eprintln!("not shown on this machine: {name}, which answers {outcome} unsealed");
                continue;
            }
            assert_eq!(outcome, expected, "{name} on thread {thread}, unsealed");
            seen.take(arrives);
        }
    }
    unseen.assert_untouched();
    assert!(call(sealed.address) > 0, "it still serves");
}

#[test]
fn a_sealed_process_serves_stores_and_stops_as_before() {
    let targets = Targets::new();
    let mut probe = Probe::start("require", &targets, &[]);
    let first = call(probe.address);
    for thread in THREADS {
        assert_eq!(probe.attempt("file", thread), "ok");
        assert_eq!(probe.attempt("connect", thread), "EPERM");
    }
    assert_eq!(probe.attempt("database", "main"), "ok", "a database opened after sealing");
    let address = probe.address;
    let callers: Vec<_> = (0..16).map(|_| thread::spawn(move || call(address))).collect();
    let rows: BTreeSet<u64> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
    assert_eq!(rows, (first + 1..=first + 16).collect(), "every call was written once");

    kill(Pid::from_raw(probe.pid()), Signal::SIGTERM).unwrap();
    assert_eq!(probe.output.recv_timeout(PATIENCE).unwrap(), "terminated");
    assert_eq!(probe.exit_code(), Some(0));
}

#[test]
fn the_kernel_shows_the_seal_on_every_thread() {
    let targets = Targets::new();
    let sealed = Probe::start("require", &targets, &[]);
    assert!(status_of(sealed.pid()).unwrap().is_sealed());
    let threads = threads_of(sealed.pid()).unwrap();
    assert!(threads.len() >= 4, "main, two workers and the older one: {threads:?}");
    assert!(threads.iter().all(|(_, status)| status.is_sealed()), "{threads:?}");

    // Only asked for, not applied: whether this kernel has the second layer.
    let ruleset = Ruleset::default().set_compatibility(CompatLevel::HardRequirement);
    let has_landlock = ruleset.handle_access(AccessNet::BindTcp).and_then(Ruleset::create).is_ok();
    assert_eq!(sealed.verdict.contains("Landlock"), has_landlock, "{}", sealed.verdict);

    let open = Probe::start("off", &targets, &[]);
    assert_eq!(status_of(open.pid()).unwrap(), self_status().unwrap(), "as it was started");
    let pid = open.pid();
    assert_eq!(open.exit_code(), Some(0));
    assert_eq!(status_of(pid).unwrap_err().kind(), ErrorKind::NotFound);
}

#[test]
fn require_refuses_what_was_left_open_and_names_it() {
    let targets = Targets::new();
    let folder = TempDir::new().unwrap();
    let _server = UnixListener::bind(folder.path().join("server.sock")).unwrap();
    let mut unsealed = Probe::start("off", &targets, &[]);
    let has_rings = unsealed.attempt("ring", "main") == "ok";
    let tcp_target = format!("to {}", targets.tcp.local_addr().unwrap());
    let udp_target = format!("to {}", targets.udp.local_addr().unwrap());

    let mut cases = vec![
        ("connected-tcp", "a TCP socket, 127.0.0.1:", tcp_target.as_str()),
        ("bound-tcp", "a socket that is not bound, or of a kind", ""),
        ("tcp", "a socket that is not bound, or of a kind", ""),
        ("udp", "a UDP socket, 127.0.0.1:", "not connected"),
        ("connected-udp", "a UDP socket, 127.0.0.1:", udp_target.as_str()),
    ];
    if has_rings {
        cases.push(("ring", "an io_uring", ""));
    }
    for (left_open, what, ends) in cases {
        let probe = Probe::start("require", &targets, &[left_open]);
        let verdict = probe.verdict.clone();
        assert!(
            verdict.starts_with("refused: open already, and a message could leave by it: descriptor "),
            "{verdict}"
        );
        assert!(verdict.contains(what) && verdict.contains(ends), "{left_open}: {verdict}");
        assert_eq!(probe.exit_code(), Some(3));
    }

    let named = format!("a Unix socket to {}", folder.path().join("server.sock").display());
    let probe = Probe::start_with(Command::new(program()), "require", &targets, &["unix"], folder);
    assert!(probe.verdict.starts_with("refused: ") && probe.verdict.contains(&named), "{}", probe.verdict);
}

#[test]
fn require_accepts_listeners_pairs_of_its_own_and_a_log_on_a_unix_socket_but_no_inherited_one() {
    let targets = Targets::new();
    let probe = Probe::start("require", &targets, &["unix-pair", "unix-listener"]);
    assert!(probe.verdict.starts_with("sealed: enforced by the kernel"), "{}", probe.verdict);

    // As a service manager gives the log to a service.
    let (log, _reader) = UnixStream::pair().unwrap();
    let mut command = Command::new(program());
    command.stderr(Stdio::from(OwnedFd::from(log)));
    let probe = Probe::start_with(command, "require", &targets, &[], TempDir::new().unwrap());
    assert!(probe.verdict.starts_with("sealed: enforced by the kernel"), "{}", probe.verdict);

    // The same socket moved to descriptor 5, as something other than a log.
    let (channel, _other_end) = UnixStream::pair().unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec 5>&2 2>/dev/null; exec \"$0\" \"$@\""]).arg(program());
    command.stderr(Stdio::from(OwnedFd::from(channel)));
    let probe = Probe::start_with(command, "require", &targets, &[], TempDir::new().unwrap());
    assert!(probe.verdict.contains("descriptor 5: a Unix socket that was inherited"), "{}", probe.verdict);
}

#[test]
fn try_seals_around_what_was_left_open_and_says_so() {
    let (unseen, seen) = (Targets::new(), Targets::new());
    let left_open = ["tcp", "bound-tcp", "udp"];
    let mut sealed = Probe::start("try", &unseen, &left_open);
    assert!(
        sealed.verdict.contains("except for what was open before: descriptor "),
        "what cannot be taken back is said: {}",
        sealed.verdict
    );
    let mut open = Probe::start("off", &seen, &left_open);
    for (name, arrives) in [
        ("left-udp-send-to", Arrives::Udp),
        ("left-udp-sendmsg", Arrives::Udp),
        ("left-udp-connect", Arrives::Nowhere),
        ("left-tcp-listen", Arrives::Nowhere),
        ("left-tcp-bind", Arrives::Nowhere),
        ("left-tcp-connect", Arrives::Tcp),
    ] {
        for thread in THREADS {
            assert_eq!(sealed.attempt(name, thread), "EPERM", "{name} on thread {thread}");
        }
        assert_eq!(open.attempt(name, "older"), "ok", "{name}, unsealed");
        seen.take(arrives);
    }
    assert_eq!(sealed.attempt("left-tcp-fast-open", "main"), "EPERM");
    unseen.assert_untouched();
    assert!(call(sealed.address) > 0, "it still serves");
}

#[test]
fn try_admits_that_a_connected_socket_goes_on_sending() {
    let targets = Targets::new();
    let mut probe = Probe::start("try", &targets, &["connected-udp"]);
    assert!(probe.verdict.contains("except for what was open before"), "{}", probe.verdict);
    assert_eq!(probe.attempt("left-connected-udp-send", "main"), "ok");
    targets.take(Arrives::Udp);
    assert_eq!(probe.attempt("udp-send-to", "main"), "EPERM");
}

#[test]
fn a_ring_made_before_sealing_is_dead_after_it() {
    let targets = Targets::new();
    let mut open = Probe::start("off", &targets, &[]);
    if open.attempt("ring", "main") != "ok" {
        eprintln!("not shown on this machine: it has no io_uring");
        return;
    }
    let mut open = Probe::start("off", &targets, &["ring"]);
    assert_eq!(open.attempt("left-ring-submit", "main"), "ok");
    let mut sealed = Probe::start("try", &targets, &["ring"]);
    assert_eq!(sealed.attempt("left-ring-submit", "main"), "EPERM");
}

#[test]
fn a_filter_that_the_kernel_cannot_lay_over_every_thread_is_no_seal() {
    let targets = Targets::new();
    let refused = Probe::start("require", &targets, &["odd-thread"]);
    assert!(
        refused.verdict.starts_with("refused: the kernel did not take the seccomp filter: "),
        "{}",
        refused.verdict
    );
    let mut tried = Probe::start("try", &targets, &["odd-thread"]);
    assert!(
        tried.verdict.starts_with("sealed: by construction only: not sealed, the kernel did not take"),
        "{}",
        tried.verdict
    );
    assert_eq!(tried.attempt("udp-send-to", "main"), "ok", "and it does not claim to be one");
}
