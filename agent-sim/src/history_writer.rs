//! Writes the history. Lines are put into a buffer where they are made, and whole buffers are written by a thread of its
//! own. Nobody ever waits for it: a buffer that finds the queue full is lost, its lines are counted, and a run that lost
//! one is invalid.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;

use reports::history::{CallRecord, Line, RunEnd, RunHeader};

/// A buffer of this size is handed over.
const BUFFER_BYTES: usize = 256 * 1024;

/// Buffers that may wait to be written: what the disk may lag behind, 16 MiB.
const QUEUE_BUFFERS: usize = 64;

/// How long lines stay in a buffer that does not fill up, microseconds.
const GATHERING_US: u64 = 100_000;

/// What became of a history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Lines lost because the queue was full or writing failed.
    pub lost_lines: u64,
    /// Why writing failed, if it did.
    pub failure: Option<String>,
}

/// A history that is being written. Dropping it stops the writing and leaves the file without its last line.
#[derive(Debug)]
pub struct HistoryWriter {
    queue: Option<SyncSender<Lines>>,
    /// Buffers that have been written, to be filled again.
    empty: Receiver<Vec<u8>>,
    thread: Option<JoinHandle<Tail>>,
    gathered: Lines,
    buffer_bytes: usize,
    flushed_us: u64,
    lost_lines: u64,
}

/// Some lines as they stand in the file.
#[derive(Debug, Default)]
struct Lines {
    bytes: Vec<u8>,
    count: u64,
}

/// What the thread leaves: the file, and how it went.
struct Tail {
    file: File,
    lost_lines: u64,
    failure: Option<String>,
}

impl HistoryWriter {
    /// Creates the file and writes its first line.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, header: RunHeader) -> std::io::Result<Self> {
        Self::create_with_queue(path, header, QUEUE_BUFFERS, BUFFER_BYTES)
    }

    fn create_with_queue(
        path: &Path,
        header: RunHeader,
        queue_buffers: usize,
        buffer_bytes: usize,
    ) -> std::io::Result<Self> {
        let mut file = File::create(path)?;
        file.write_all(&as_written(&Line::Run(header))?)?;
        let (queue, lines) = sync_channel(queue_buffers);
        let (give_back, empty) = channel();
        let thread = std::thread::Builder::new()
            .name("history".to_owned())
            .spawn(move || write_all(file, &lines, &give_back))?;
        Ok(Self {
            queue: Some(queue),
            empty,
            thread: Some(thread),
            gathered: Lines::default(),
            buffer_bytes,
            flushed_us: 0,
            lost_lines: 0,
        })
    }

    /// Adds a line; never waits.
    pub fn write(&mut self, line: &Line) {
        // A vector takes whatever is written, and a line has nothing that JSON cannot say.
        match append(&mut self.gathered.bytes, line) {
            Ok(()) => self.added(),
            Err(_) => self.lost_lines += 1,
        }
    }

    /// Adds the line of a call; never waits.
    pub fn write_call(&mut self, call: &CallRecord) {
        call.append_line(&mut self.gathered.bytes);
        self.added();
    }

    /// Adds a line that was [made ready](as_written) elsewhere; never waits.
    pub fn write_ready(&mut self, line: &[u8]) {
        self.gathered.bytes.extend_from_slice(line);
        self.added();
    }

    fn added(&mut self) {
        self.gathered.count += 1;
        if self.gathered.bytes.len() >= self.buffer_bytes {
            self.flush();
        }
    }

    /// Hands over what has been gathered for long enough.
    pub fn tick(&mut self, now_us: u64) {
        if now_us.saturating_sub(self.flushed_us) >= GATHERING_US {
            self.flushed_us = now_us;
            self.flush();
        }
    }

    fn flush(&mut self) {
        if self.gathered.count == 0 {
            return;
        }
        let empty = self.empty.try_recv().unwrap_or_default();
        let full = std::mem::replace(&mut self.gathered, Lines { bytes: empty, count: 0 });
        let Some(queue) = &self.queue else { return };
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = queue.try_send(full) {
            self.lost_lines += lost.count;
        }
    }

    /// Lines lost so far because the queue was full.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Writes what waits and the last line, whose count of lost lines is filled in here. Waits for the disk.
    pub fn finish(mut self, end: &RunEnd) -> Written {
        if let Some(queue) = self.queue.take()
            && let Err(lost) = queue.send(std::mem::take(&mut self.gathered))
        {
            self.lost_lines += lost.0.count;
        }
        let Some(tail) = self.thread.take().and_then(|thread| thread.join().ok()) else {
            return Written {
                lost_lines: self.lost_lines,
                failure: Some("its thread broke down".to_owned()),
            };
        };
        let Tail { mut file, lost_lines, failure } = tail;
        let lost_lines = lost_lines + self.lost_lines;
        let last = as_written(&Line::End(RunEnd { lost_lines, ..end.clone() }));
        let last = last.and_then(|line| file.write_all(&line));
        Written { lost_lines, failure: failure.or(last.err().map(|error| error.to_string())) }
    }
}

impl Drop for HistoryWriter {
    fn drop(&mut self) {
        self.flush();
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Writes until nobody can send any more. After a failure it goes on taking lines, so that they are counted.
fn write_all(file: File, lines: &Receiver<Lines>, give_back: &Sender<Vec<u8>>) -> Tail {
    let mut tail = Tail { file, lost_lines: 0, failure: None };
    while let Ok(mut some) = lines.recv() {
        if tail.failure.is_none() {
            tail.failure = tail.file.write_all(&some.bytes).err().map(|error| error.to_string());
        }
        if tail.failure.is_some() {
            tail.lost_lines += some.count;
        }
        some.bytes.clear();
        // A single long line is not worth keeping its memory; nobody takes buffers back after the end.
        if some.bytes.capacity() <= 4 * BUFFER_BYTES {
            drop(give_back.send(some.bytes));
        }
    }
    tail
}

/// A line as it stands in the file.
///
/// # Errors
/// When it cannot be said in JSON.
pub fn as_written(line: &Line) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    append(&mut bytes, line)?;
    Ok(bytes)
}

/// Appends a whole line or nothing.
fn append(bytes: &mut Vec<u8>, line: &Line) -> std::io::Result<()> {
    let before = bytes.len();
    if let Err(error) = serde_json::to_writer(&mut *bytes, line) {
        bytes.truncate(before);
        return Err(error.into());
    }
    bytes.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use reports::history::{Abilities, ProcessChange, ProcessEvent};

    fn header() -> RunHeader {
        RunHeader {
            format: reports::history::FORMAT,
            name: "quickstart".to_owned(),
            seed: 7,
            started_at: "2026-01-02T03:04:05Z".to_owned(),
            dialect: "wallflower".to_owned(),
            abilities: Abilities::ALL,
            policies: std::collections::BTreeMap::new(),
            transition_bound_ms: 50,
            claims: Vec::new(),
        }
    }

    fn event(at_us: u64) -> Line {
        Line::Process(ProcessEvent { event: ProcessChange::Paused, s_us: at_us, e_us: at_us })
    }

    fn end() -> RunEnd {
        RunEnd { at_us: 9, slack_us: 3, lost_lines: 0, tripwire: true }
    }

    fn lines(path: &Path) -> Vec<Line> {
        let text = std::fs::read_to_string(path).expect("a history");
        text.lines().map(|line| serde_json::from_str(line).expect("a line")).collect()
    }

    #[test]
    fn every_line_is_there_in_its_order_between_the_first_and_the_last() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        let mut writer = HistoryWriter::create(&path, header()).expect("a writer");
        (0..100).for_each(|at_us| writer.write(&event(at_us)));
        assert_eq!(writer.finish(&end()), Written { lost_lines: 0, failure: None });
        let mut expected = vec![Line::Run(header())];
        expected.extend((0..100).map(event));
        expected.push(Line::End(end()));
        assert_eq!(lines(&path), expected);
    }

    #[test]
    fn lines_lost_and_lines_written_are_together_all_lines_and_the_end_tells_the_loss() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("history.jsonl");
        let mut writer = HistoryWriter::create_with_queue(&path, header(), 1, 100).expect("a writer");
        (0..20_000).for_each(|at_us| writer.write(&event(at_us)));
        let written = writer.finish(&end());
        let lines = lines(&path);
        assert_eq!(u64::try_from(lines.len()).expect("a count") - 2 + written.lost_lines, 20_000);
        assert_eq!(lines.last(), Some(&Line::End(RunEnd { lost_lines: written.lost_lines, ..end() })));
    }

    #[test]
    fn a_full_disk_is_a_failure_with_its_cause_and_its_lines_count_as_lost() {
        let refused = HistoryWriter::create(Path::new("/dev/full"), header());
        let error = refused.expect_err("/dev/full takes nothing");
        assert_eq!(error.raw_os_error(), Some(28), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_created_is_an_error() {
        assert!(HistoryWriter::create(Path::new("/proc/no/such/folder"), header()).is_err());
    }
}
