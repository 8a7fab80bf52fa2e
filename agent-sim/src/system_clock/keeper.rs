//! The process that sets the machine's clock. It does what its standard input asks, sets the true time as soon as that is
//! closed, which the kernel does for whoever was killed, and when nothing is asked for too long.

use std::io::{self, BufRead as _, Write as _};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use nix::sys::signal::{SigSet, Signal};
use serde::{Deserialize, Serialize};

use super::{Kept, Machine, WallClock};

/// What it says once it knows that it may set the clock.
pub(super) const READY: &str = "ready";

/// What it says when it has done what was asked.
pub(super) const DONE: &str = "done";

/// The clock cannot be set, or could not be set right.
const REFUSED: i32 = 125;

/// What it is asked, one line of JSON each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ask {
    /// So far from the true time it is to be set.
    pub(super) offset_seconds: i64,
    /// If nothing else is asked for so long, the true time is set.
    pub(super) at_most_ms: u64,
}

/// Keeps the clock until standard input is closed. To be called while the process has one thread. Gives 0 once the true
/// time is set, or 125 with a reason on standard error.
pub fn keep() -> i32 {
    // Whoever ends the harness may end this process with it: it goes by its input alone, and then at once.
    let mut deaf = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGPIPE] {
        deaf.add(signal);
    }
    let _ = deaf.thread_block();
    let (asks, asked) = channel();
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if asks.send(line).is_err() {
                break;
            }
        }
    });
    let answer = |words: &str| {
        let mut out = io::stdout().lock();
        writeln!(out, "{words}").and_then(|()| out.flush())
    };
    match live(Kept::of(Machine), &asked, answer) {
        Ok(()) => 0,
        Err(reason) => {
            // A closed pipe is nobody who could be told.
            let _ = writeln!(io::stderr(), "{reason}");
            REFUSED
        }
    }
}

/// Answers until nobody asks any more. However it ends, the true time is set.
fn live<C: WallClock>(
    mut kept: Kept<C>,
    asked: &Receiver<String>,
    mut answer: impl FnMut(&str) -> io::Result<()>,
) -> Result<(), String> {
    kept.set(0).map_err(|error| {
        let error = error.kind();
        format!(
            "the kernel does not let this process set the machine's clock ({error}). It takes the capability CAP_SYS_TIME \
             outside of every container's user namespace: run it as root on a machine of your own"
        )
    })?;
    let gone = |error: io::Error| format!("the harness does not listen: {error}");
    let wrong = |error: io::Error| format!("the machine's clock could not be set: {error}");
    answer(READY).map_err(gone)?;
    let mut at_most = None;
    loop {
        let line = match at_most {
            Some(time) => asked.recv_timeout(time),
            None => asked.recv().map_err(RecvTimeoutError::from),
        };
        match line {
            Ok(line) => {
                let ask: Ask = serde_json::from_str(&line).map_err(|error| format!("`{line}`: {error}"))?;
                kept.set(ask.offset_seconds).map_err(wrong)?;
                at_most = (ask.offset_seconds != 0).then_some(Duration::from_millis(ask.at_most_ms));
                answer(DONE).map_err(gone)?;
            }
            Err(RecvTimeoutError::Disconnected) => return kept.set(0).map_err(wrong),
            Err(RecvTimeoutError::Timeout) => {
                kept.set(0).map_err(wrong)?;
                return Err(
                    "the harness let the machine's clock be wrong for too long: it was set right".into()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::fake::Fake;
    use super::*;

    fn ask(offset_seconds: i64, at_most_ms: u64) -> String {
        serde_json::to_string(&Ask { offset_seconds, at_most_ms }).unwrap()
    }

    #[test]
    fn the_true_time_is_set_when_nobody_asks_any_more() {
        let clock = Fake::right();
        let (asks, asked) = channel();
        asks.send(ask(3_600, 60_000)).unwrap();
        asks.send(ask(-3_600, 60_000)).unwrap();
        drop(asks);
        let mut answers = Vec::new();
        let ended = live(Kept::of(clock.clone()), &asked, |words| {
            answers.push(words.to_owned());
            Ok(())
        });
        assert_eq!(ended, Ok(()));
        assert_eq!(answers, [READY, DONE, DONE]);
        // The first of all shows that it may be set.
        assert_eq!(clock.offsets_seconds(), [0, 3_600, -3_600, 0]);
    }

    #[test]
    fn the_true_time_is_set_when_the_harness_overruns_or_asks_nonsense_or_does_not_listen() {
        let clock = Fake::right();
        let (asks, asked) = channel();
        asks.send(ask(3_600, 1)).unwrap();
        let ended = live(Kept::of(clock.clone()), &asked, |_| Ok(()));
        assert!(ended.unwrap_err().contains("for too long"));
        assert_eq!(clock.offsets_seconds(), [0, 3_600, 0]);

        let clock = Fake::right();
        asks.send(ask(3_600, 60_000)).unwrap();
        asks.send("an hour, please".to_owned()).unwrap();
        assert!(live(Kept::of(clock.clone()), &asked, |_| Ok(())).unwrap_err().contains("an hour, please"));
        assert_eq!(clock.offsets_seconds(), [0, 3_600, 0]);

        let clock = Fake::right();
        asks.send(ask(3_600, 60_000)).unwrap();
        let ended = live(Kept::of(clock.clone()), &asked, |words| match words {
            DONE => Err(io::ErrorKind::BrokenPipe.into()),
            _ => Ok(()),
        });
        assert!(ended.unwrap_err().contains("does not listen"));
        assert_eq!(clock.offsets_seconds(), [0, 3_600, 0]);
    }

    #[test]
    fn who_may_not_set_the_clock_is_told_what_it_takes() {
        let (_asks, asked) = channel();
        let told =
            live(Kept::of(Fake::right().refusing(true)), &asked, |_| panic!("nothing to say")).unwrap_err();
        assert!(told.contains("CAP_SYS_TIME") && told.contains("permission denied"), "{told}");
    }
}
