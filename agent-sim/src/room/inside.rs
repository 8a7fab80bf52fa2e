//! The process in the room: it starts the registry, relays calls to it and hears what it sends out.

use std::ffi::OsString;
use std::fs::read_to_string;
use std::io::{ErrorKind, Read as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::getpgrp;
use reports::history::Counts;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::process::Command;
use tokio::signal::unix::{SignalKind, signal};

use super::{Ask, DISK_WORD, DOOR, Told, WINDOW, counters, disk, enter, resolver};
use crate::clock::Clock;
use crate::tripwire::Tripwire;

/// The room cannot be had.
const REFUSED: i32 = 125;

/// Longest question at the window.
const LONGEST_ASK: u64 = 64;

/// Enters a room and stays until the registry that it starts there has ended, or until its standard input is closed.
/// `words` are `FOLDER PORT ORIGIN_NS PROGRAM [ARGUMENT...]`; without any the room is only tried. `disk FOLDER BYTES
/// [PROGRAM [ARGUMENT...]]` makes the folder a small disk instead and becomes the program. To be called while the process
/// has one thread. Gives the registry's exit code, or 125 with a reason on standard error.
pub fn run(words: Vec<OsString>) -> i32 {
    let ended = match words.split_first() {
        Some((first, words)) if first == DISK_WORD => disk::run(words).map(|()| 0),
        _ => enter::enter().and_then(|unhidden| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.map_err(|error| error.to_string())?.block_on(live(words, unhidden))
        }),
    };
    ended.unwrap_or_else(|reason| {
        use std::io::Write as _;
        // A closed pipe is nobody who could be told.
        let _ = writeln!(std::io::stderr(), "{reason}");
        REFUSED
    })
}

/// What stands in the room beside the registry.
struct Room {
    port: u16,
    tripwire: Tripwire,
    resolver: Arc<resolver::Heard>,
    unhidden: Vec<String>,
    before: Counts,
    /// Calls of our own to the canaries since then, each a connection and a datagram.
    trials: AtomicU64,
    relay_opened: AtomicU64,
    relay_accepted: AtomicU64,
}

async fn live(words: Vec<OsString>, unhidden: Vec<String>) -> Result<i32, String> {
    let mut words = words.into_iter();
    let (Some(folder), Some(port), Some(origin), Some(program)) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        furnished(0, Clock::start(), unhidden).await?;
        return Ok(0);
    };
    let number = |word: &OsString| word.to_str().and_then(|word| word.parse::<u64>().ok());
    let (port, origin) = number(&port)
        .and_then(|port| u16::try_from(port).ok())
        .zip(number(&origin))
        .ok_or("the room needs FOLDER PORT ORIGIN_NS PROGRAM; it is the harness that calls it")?;
    let room = Arc::new(furnished(port, Clock::of_origin(origin), unhidden).await?);
    let folder = PathBuf::from(folder);
    let (door, window) = (opened(&folder, DOOR)?, opened(&folder, WINDOW)?);
    tokio::spawn(serve(door, Arc::clone(&room), relay));
    tokio::spawn(serve(window, Arc::clone(&room), tell));
    // The whole group is told to end; the registry does so in its own way and time.
    let mut told_to_end = signal(SignalKind::terminate()).map_err(|error| error.to_string())?;
    let mut registry = Command::new(&program)
        .args(words)
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start {}: {error}", program.display()))?;
    // Kept open as long as this process lives, as the harness keeps ours.
    let _stdin = registry.stdin.take();
    end_with_stdin();
    loop {
        tokio::select! {
            status = registry.wait() => return status.map(code).map_err(|error| error.to_string()),
            _ = told_to_end.recv() => {}
        }
    }
}

/// The canaries, each tried, and the counters as they are before the registry comes.
async fn furnished(port: u16, clock: Clock, unhidden: Vec<String>) -> Result<Room, String> {
    let tripwire = Tripwire::open(clock).await.map_err(|error| format!("no canary can listen: {error}"))?;
    let resolver = resolver::open().await.map_err(|error| format!("no resolver can listen: {error}"))?;
    if !tripwire.works().await {
        return Err("a canary does not hear what is sent to it".to_owned());
    }
    Ok(Room {
        port,
        tripwire,
        resolver,
        unhidden,
        before: kernel()?,
        trials: AtomicU64::new(0),
        relay_opened: AtomicU64::new(0),
        relay_accepted: AtomicU64::new(0),
    })
}

fn kernel() -> Result<Counts, String> {
    let snmp = read_to_string("/proc/self/net/snmp")
        .map_err(|error| format!("/proc/self/net/snmp cannot be read: {error}"))?;
    counters::read(&snmp, &read_to_string("/proc/self/net/snmp6").unwrap_or_default())
}

fn opened(folder: &Path, name: &str) -> Result<UnixListener, String> {
    let path = folder.join(name);
    // An earlier life of the same registry has left its own.
    let _ = std::fs::remove_file(&path);
    UnixListener::bind(&path).map_err(|error| format!("cannot listen at {}: {error}", path.display()))
}

async fn serve<F: Future<Output = ()> + Send + 'static>(
    listener: UnixListener,
    room: Arc<Room>,
    answer: fn(UnixStream, Arc<Room>) -> F,
) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => drop(tokio::spawn(answer(stream, Arc::clone(&room)))),
            // Out of descriptors, say: whoever calls waits.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
        }
    }
}

/// One connection to the registry, counted before the kernel counts it: what is subtracted is never too little.
async fn relay(mut caller: UnixStream, room: Arc<Room>) {
    room.relay_opened.fetch_add(1, Ordering::SeqCst);
    match TcpStream::connect((Ipv4Addr::LOCALHOST, room.port)).await {
        Ok(mut registry) => {
            room.relay_accepted.fetch_add(1, Ordering::SeqCst);
            // Either side may hang up: then both are.
            let _ = copy_bidirectional(&mut caller, &mut registry).await;
        }
        // The kernel counts what it has sent, and only these say that it had.
        Err(error) if is_answer(error.kind()) => {}
        Err(_) => drop(room.relay_opened.fetch_sub(1, Ordering::SeqCst)),
    }
}

fn is_answer(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset | ErrorKind::TimedOut)
}

async fn tell(stream: UnixStream, room: Arc<Room>) {
    let mut line = String::new();
    let mut stream = BufReader::new(stream);
    if (&mut stream).take(LONGEST_ASK).read_line(&mut line).await.is_err() {
        return;
    }
    let Ok(ask) = serde_json::from_str::<Ask>(&line) else { return };
    let Ok(told) = room.told(ask).await else { return };
    let text = serde_json::to_vec(&told).unwrap_or_default();
    // Whoever asked and went away needs no answer.
    let _ = stream.write_all(&text).await;
}

impl Room {
    /// Calls them once by TCP and once by UDP.
    async fn try_canaries(&self) -> bool {
        let work = self.tripwire.works().await;
        if work {
            self.trials.fetch_add(1, Ordering::SeqCst);
        }
        work
    }

    /// The kernel is asked first: what came meanwhile is rather subtracted too much than counted against the registry,
    /// and is seen at the next look.
    fn counts(&self) -> Result<Counts, String> {
        let kernel = kernel()?;
        let (canary_accepted, touched) = self.tripwire.touch_counts();
        let trials = self.trials.load(Ordering::SeqCst);
        let counts = Counts {
            opened: kernel.opened.saturating_sub(trials),
            accepted: kernel.accepted.saturating_sub(trials),
            datagrams: kernel.datagrams.saturating_sub(trials),
            relay_opened: self.relay_opened.load(Ordering::SeqCst),
            relay_accepted: self.relay_accepted.load(Ordering::SeqCst),
            canary_accepted,
            canary_datagrams: touched + self.resolver.datagrams.load(Ordering::SeqCst),
            canary_answers: self.resolver.answers.load(Ordering::SeqCst),
            ..kernel
        };
        Ok(counters::since(&self.before, &counts))
    }

    async fn told(&self, ask: Ask) -> Result<Told, String> {
        let mut told =
            Told { canary_port: self.tripwire.port(), unhidden: self.unhidden.clone(), ..Told::default() };
        if ask == Ask::Look {
            // What came before the trial has been counted by the canaries when they hear it.
            told.canaries_work = self.try_canaries().await;
            self.tripwire.settle().await;
        }
        told.counts = self.counts()?;
        if ask == Ask::Glance {
            return Ok(told);
        }
        told.touches = self.tripwire.take_touches();
        told.questions = self.resolver.questions();
        Ok(told)
    }
}

/// The harness is gone: nobody is left to end the registry, so its whole group goes.
fn end_with_stdin() {
    std::thread::spawn(|| {
        let mut stdin = std::io::stdin();
        let mut byte = [0];
        while matches!(stdin.read(&mut byte), Ok(1..)) {}
        let _ = killpg(getpgrp(), Signal::SIGKILL);
    });
}

fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or(REFUSED)
}
