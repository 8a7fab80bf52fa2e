//! The log of latencies: for each second, phase and operation what was measured in it, in the format of HdrHistogram's
//! interval logs, so that public tools read it. Tags are `phase/operation/response`, `.../service` and `.../lag`; values are
//! microseconds. A thread of its own packs and writes; nobody ever waits for it. What finds its queue full stays with the
//! next second, so that a line can stand for several seconds, but nothing is lost.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriter, IntervalLogWriterBuilder, Tag};

pub use self::read::{LogError, Logged, read};
use crate::measure::Latencies;

mod read;

/// The name of the log in the folder of a run.
pub const FILE: &str = "latencies.hlog";

/// Stretches that may wait to be written.
const QUEUE: usize = 16;

/// The names of [`Latencies`]'s three durations in tags.
const DURATIONS: [&str; 3] = ["response", "service", "lag"];

/// What was measured of one kind of call in a stretch.
#[derive(Debug, Default)]
pub struct Measured {
    /// The index of the phase.
    pub phase: usize,
    /// The operation, as in reports.
    pub operation: &'static str,
    /// What was measured.
    pub latencies: Latencies,
}

/// What was measured in some seconds.
#[derive(Debug, Default)]
struct Stretch {
    /// The first second, and the one behind the last, since the run began.
    from: u64,
    until: u64,
    measured: Vec<Measured>,
}

/// A log that is being written.
#[derive(Debug)]
pub struct LatencyLog {
    queue: Option<SyncSender<Stretch>>,
    /// What has been written, to be filled again.
    empty: Receiver<Vec<Measured>>,
    waiting: Option<Stretch>,
    thread: Option<JoinHandle<Result<(), String>>>,
    /// Whether the disk is waited for.
    waits: bool,
}

impl LatencyLog {
    /// Creates the file. `phases` are their names, `start` is when the run begins.
    ///
    /// # Errors
    /// When the file cannot be created, or the system gives no thread.
    pub fn create(path: &Path, phases: Vec<String>, start: SystemTime) -> std::io::Result<Self> {
        let file = File::create(path)?;
        let (queue, stretches) = sync_channel(QUEUE);
        let (give_back, empty) = channel();
        let thread = std::thread::Builder::new()
            .name("latencies".to_owned())
            .spawn(move || write_all(file, &phases, start, &stretches, &give_back))?;
        Ok(Self { queue: Some(queue), empty, waiting: None, thread: Some(thread), waits: false })
    }

    /// The same for one who has time: each second is written by itself, however long the disk takes.
    pub fn waiting(self) -> Self {
        Self { waits: true, ..self }
    }

    /// Takes what was measured in a second and gives something to measure the next in; never waits.
    pub fn close_second(&mut self, second: u64, measured: Vec<Measured>) -> Vec<Measured> {
        let stretch = match self.waiting.take() {
            Some(waiting) => waiting.and(second, measured),
            None => Stretch { from: second, until: second + 1, measured },
        };
        let send = |queue: &SyncSender<Stretch>, stretch| match self.waits {
            true => queue.send(stretch).map_err(|error| TrySendError::Disconnected(error.0)),
            false => queue.try_send(stretch),
        };
        match self.queue.as_ref().map(|queue| send(queue, stretch)) {
            Some(Err(TrySendError::Full(stretch))) => self.waiting = Some(stretch),
            // A writer that has ended told why; it is asked at the end.
            Some(Err(TrySendError::Disconnected(_)) | Ok(())) | None => {}
        }
        self.empty.try_recv().unwrap_or_default()
    }

    /// Writes what waits. Waits for the disk.
    ///
    /// # Errors
    /// Why something could not be written, in words.
    pub fn finish(mut self) -> Result<(), String> {
        if let (Some(queue), Some(waiting)) = (self.queue.take(), self.waiting.take()) {
            // A writer that has ended tells why below.
            drop(queue.send(waiting));
        }
        let ended = self.thread.take().map(JoinHandle::join);
        ended.unwrap_or(Ok(Ok(()))).unwrap_or_else(|_| Err("its thread broke down".to_owned()))
    }
}

impl Stretch {
    fn and(mut self, second: u64, measured: Vec<Measured>) -> Self {
        for more in measured {
            let known = self.measured.iter_mut().find(|it| it.is_of(more.phase, more.operation));
            match known {
                Some(known) => known.latencies.merge(&more.latencies),
                None => self.measured.push(more),
            }
        }
        Self { until: second + 1, ..self }
    }
}

impl Measured {
    /// Whether it is of this phase and operation.
    pub fn is_of(&self, phase: usize, operation: &str) -> bool {
        self.phase == phase && self.operation == operation
    }
}

fn write_all(
    file: File,
    phases: &[String],
    start: SystemTime,
    stretches: &Receiver<Stretch>,
    give_back: &Sender<Vec<Measured>>,
) -> Result<(), String> {
    let mut file = BufWriter::new(file);
    let mut packer = V2DeflateSerializer::new();
    let mut log = IntervalLogWriterBuilder::new()
        .add_comment("Wallflower: microseconds; tags are phase/operation/response, service or lag")
        .with_start_time(start)
        .with_base_time(start)
        .begin_log_with(&mut file, &mut packer)
        .map_err(|error| error.to_string())?;
    for mut stretch in stretches {
        write_stretch(&mut log, phases, &stretch)?;
        stretch.measured.iter_mut().for_each(|measured| measured.latencies.reset());
        // Nobody takes it back once the run is over.
        drop(give_back.send(stretch.measured));
    }
    file.flush().map_err(|error| error.to_string())
}

fn write_stretch(
    log: &mut IntervalLogWriter<'_, '_, BufWriter<File>, V2DeflateSerializer>,
    phases: &[String],
    stretch: &Stretch,
) -> Result<(), String> {
    let from = Duration::from_secs(stretch.from);
    let length = Duration::from_secs(stretch.until - stretch.from);
    for Measured { phase, operation, latencies } in &stretch.measured {
        let Some(phase) = phases.get(*phase) else { continue };
        let three = [&latencies.response, &latencies.service, &latencies.lag];
        for (name, durations) in DURATIONS.iter().zip(three) {
            let Some(histogram) = durations.histogram().filter(|histogram| !histogram.is_empty()) else {
                continue;
            };
            let tag = format!("{phase}/{operation}/{name}");
            let tag = Tag::new(&tag).ok_or_else(|| format!("`{tag}` is no tag"))?;
            log.write_histogram(histogram, from, length, Some(tag)).map_err(|error| error.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(phase: usize, us: u64) -> Measured {
        let mut latencies = Latencies::default();
        latencies.response.record(us);
        Measured { phase, operation: "list", latencies }
    }

    #[test]
    fn a_full_queue_makes_lines_longer_and_loses_nothing() {
        let (queue, stretches) = sync_channel(1);
        let (_, empty) = channel();
        let mut log = LatencyLog { queue: Some(queue), empty, waiting: None, thread: None, waits: false };
        for second in 0..3 {
            log.close_second(second, vec![measured(0, 100 + second)]);
        }
        assert_eq!(stretches.try_recv().unwrap().until, 1);
        log.close_second(3, vec![measured(1, 400)]);
        let stretch = stretches.try_recv().unwrap();
        assert_eq!((stretch.from, stretch.until), (1, 4));
        let counts: Vec<_> =
            stretch.measured.iter().map(|it| (it.phase, it.latencies.response.count())).collect();
        assert_eq!(counts, [(0, 2), (1, 1)]);
    }

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut log =
            LatencyLog::create(&path, vec!["ramp".into(), "hold".into()], SystemTime::UNIX_EPOCH).unwrap();
        log.close_second(0, vec![measured(0, 100), measured(1, 7_000)]);
        log.close_second(1, vec![measured(1, 9_000)]);
        log.finish().unwrap();
        let mut seen = Vec::new();
        read(&path, |logged| seen.push((logged.second, logged.phase.to_owned(), logged.durations.count())))
            .unwrap();
        assert_eq!(seen, [(0, "ramp".to_owned(), 1), (0, "hold".to_owned(), 1), (1, "hold".to_owned(), 1)]);
    }

    #[test]
    fn what_is_no_log_is_refused_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(&path, "#[a comment]\nTag=a/b/response,0.0,1.0,2.0,HISTnothing\n").unwrap();
        let error = read(&path, |_| {}).unwrap_err().to_string();
        assert!(error.contains("latencies.hlog, line 2: "), "{error}");
        std::fs::write(&path, "one two three").unwrap();
        assert!(read(&path, |_| {}).is_err());
    }
}
