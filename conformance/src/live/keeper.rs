//! Keeps what went over the wire beside a history, by a thread of its own: nobody ever waits for it. What comes too fast,
//! or when the file has reached its bound, is left out and counted; no verdict depends on it.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use reports::history::{KeptCall, KeptEnd, KeptLine};

/// Calls that may wait to be written.
const QUEUE: usize = 4096;

/// The most bytes of a file, its last line left aside: some ten times what a whole run of the reference leaves.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A file that is being written.
#[derive(Debug)]
pub(super) struct Keeper {
    queue: Option<SyncSender<KeptCall>>,
    thread: Option<JoinHandle<Tail>>,
    lost: u64,
}

/// What the thread leaves.
#[derive(Debug)]
struct Tail {
    file: BufWriter<File>,
    end: KeptEnd,
}

impl Keeper {
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        Self::bounded(path, QUEUE, MOST_BYTES)
    }

    fn bounded(path: &Path, queue: usize, most_bytes: u64) -> std::io::Result<Self> {
        let file = BufWriter::with_capacity(1 << 18, File::create(path)?);
        let (queue, calls) = sync_channel(queue);
        let thread = std::thread::Builder::new()
            .name("exchanges".to_owned())
            .spawn(move || write_all(file, &calls, most_bytes))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), lost: 0 })
    }

    /// Adds a call; never waits.
    pub(super) fn keep(&mut self, call: KeptCall) {
        if let Some(queue) = &self.queue
            && queue.try_send(call).is_err()
        {
            self.lost += 1;
        }
    }

    /// Writes what waits, and the last line. What cannot be written is nobody's verdict: a reader finds no last line.
    pub(super) fn close(&mut self) {
        self.queue = None;
        let Some(Tail { mut file, mut end }) = self.thread.take().and_then(|thread| thread.join().ok())
        else {
            return;
        };
        end.lost += self.lost;
        let written = serde_json::to_writer(&mut file, &KeptLine::End(end));
        drop(
            written
                .map_err(std::io::Error::from)
                .and_then(|()| file.write_all(b"\n"))
                .and_then(|()| file.flush()),
        );
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.close();
    }
}

/// Writes until nobody can send any more.
fn write_all(mut file: BufWriter<File>, calls: &Receiver<KeptCall>, most_bytes: u64) -> Tail {
    let mut end = KeptEnd::default();
    let mut bytes = 0_u64;
    let mut line = Vec::new();
    while let Ok(call) = calls.recv() {
        line.clear();
        if serde_json::to_writer(&mut line, &KeptLine::Call(call)).is_err() {
            end.lost += 1;
            continue;
        }
        line.push(b'\n');
        let length = line.len() as u64;
        if bytes + length > most_bytes {
            end.beyond_bound += 1;
        } else if file.write_all(&line).is_err() {
            end.lost += 1;
        } else {
            bytes += length;
            end.kept += 1;
        }
    }
    Tail { file, end }
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::history::{CallRecord, Operation, Outcome, find_kept};

    fn call(s_us: u64) -> CallRecord {
        CallRecord {
            agent: Some("a".to_owned()),
            op: Operation::Read,
            planned_us: None,
            s_us,
            e_us: s_us + 1,
            outcome: Outcome::Shown,
            http: Some(200),
            sent: None,
            seen: None,
            note: None,
        }
    }

    fn kept(call: &CallRecord) -> KeptCall {
        KeptCall {
            s_us: call.s_us,
            e_us: call.e_us,
            agent: call.agent.clone(),
            op: call.op,
            requests: Vec::new(),
            more_requests: 0,
        }
    }

    #[test]
    fn what_is_kept_is_found_again_and_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.exchanges.jsonl");
        let mut keeper = Keeper::create(&path).expect("a file");
        (0..100).for_each(|s_us| keeper.keep(kept(&call(s_us))));
        keeper.close();
        let other = CallRecord { op: Operation::Renew, ..call(7) };
        let (found, end) = find_kept(&path, &[call(7), other, call(100), call(99)]).expect("it is read");
        assert_eq!(found, [Some(kept(&call(7))), None, None, Some(kept(&call(99)))]);
        assert_eq!(end, Some(KeptEnd { kept: 100, beyond_bound: 0, lost: 0 }));
    }

    #[test]
    fn what_is_beyond_the_bound_or_too_fast_is_counted() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.exchanges.jsonl");
        let mut keeper = Keeper::bounded(&path, 1, 1_000).expect("a file");
        (0..10_000).for_each(|s_us| keeper.keep(kept(&call(s_us))));
        keeper.close();
        let (found, end) = find_kept(&path, &[call(0)]).expect("it is read");
        let end = end.expect("a last line");
        assert!(found[0].is_some() && end.kept > 0, "{end:?}");
        assert_eq!(end.kept + end.beyond_bound + end.lost, 10_000, "{end:?}");
        assert!(std::fs::metadata(&path).expect("a file").len() < 1_200, "{end:?}");
    }
}
