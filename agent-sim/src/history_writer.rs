//! Writes the history in a thread of its own. The driver hands lines over without ever waiting: a line that finds the
//! queue full is lost and counted, and a run that lost one is invalid.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use reports::history::{Line, RunEnd, RunHeader};

/// Lines that may wait to be written.
const QUEUE_LINES: usize = 8_192;

/// How long lines are gathered before they are written together.
const GATHERING_TIME: Duration = Duration::from_millis(20);

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
    queue: Option<SyncSender<Box<Line>>>,
    thread: Option<JoinHandle<Tail>>,
    lost_lines: u64,
}

/// What the thread leaves: the file, and how it went.
struct Tail {
    file: BufWriter<File>,
    lost_lines: u64,
    failure: Option<String>,
}

impl HistoryWriter {
    /// Creates the file and writes its first line.
    ///
    /// # Errors
    /// When the file cannot be created or written.
    pub fn create(path: &Path, header: RunHeader) -> std::io::Result<Self> {
        Self::create_with_queue(path, header, QUEUE_LINES)
    }

    fn create_with_queue(path: &Path, header: RunHeader, queue_lines: usize) -> std::io::Result<Self> {
        let mut file = BufWriter::with_capacity(256 * 1024, File::create(path)?);
        write_line(&mut file, &Line::Run(header))?;
        file.flush()?;
        let (queue, lines) = sync_channel(queue_lines);
        let thread =
            std::thread::Builder::new().name("history".to_owned()).spawn(move || write_all(file, &lines))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), lost_lines: 0 })
    }

    /// Hands a line over; never waits.
    pub fn write(&mut self, line: Line) {
        let Some(queue) = &self.queue else { return };
        match queue.try_send(Box::new(line)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost_lines += 1,
        }
    }

    /// Lines lost so far because the queue was full.
    pub fn lost_lines(&self) -> u64 {
        self.lost_lines
    }

    /// Writes what waits and the last line, whose count of lost lines is filled in here. Waits for the disk.
    pub fn finish(mut self, end: &RunEnd) -> Written {
        self.queue = None;
        let Some(tail) = self.thread.take().and_then(|thread| thread.join().ok()) else {
            return Written {
                lost_lines: self.lost_lines,
                failure: Some("its thread broke down".to_owned()),
            };
        };
        let Tail { mut file, lost_lines, failure } = tail;
        let lost_lines = lost_lines + self.lost_lines;
        let last = write_line(&mut file, &Line::End(RunEnd { lost_lines, ..end.clone() }))
            .and_then(|()| file.flush());
        Written { lost_lines, failure: failure.or(last.err().map(|error| error.to_string())) }
    }
}

impl Drop for HistoryWriter {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

/// Writes until nobody can send any more. After a failure it goes on taking lines, so that they are counted.
fn write_all(file: BufWriter<File>, lines: &Receiver<Box<Line>>) -> Tail {
    let mut tail = Tail { file, lost_lines: 0, failure: None };
    while let Ok(line) = lines.recv() {
        tail.write(&line);
        // Waking up for every line would cost more than the writing, and most of it the driver's time.
        std::thread::sleep(GATHERING_TIME);
        lines.try_iter().for_each(|line| tail.write(&line));
        tail.flush();
    }
    tail
}

impl Tail {
    fn write(&mut self, line: &Line) {
        if self.failure.is_none() {
            self.failure = write_line(&mut self.file, line).err().map(|error| error.to_string());
        }
        self.lost_lines += u64::from(self.failure.is_some());
    }

    fn flush(&mut self) {
        if let Err(error) = self.file.flush() {
            self.failure.get_or_insert(error.to_string());
        }
    }
}

fn write_line(file: &mut impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut *file, line)?;
    file.write_all(b"\n")
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
        (0..100).for_each(|at_us| writer.write(event(at_us)));
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
        let mut writer = HistoryWriter::create_with_queue(&path, header(), 1).expect("a writer");
        (0..20_000).for_each(|at_us| writer.write(event(at_us)));
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
