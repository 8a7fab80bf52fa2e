//! Reads a log of latencies line by line, so that memory does not grow with its length.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::DURATIONS;
use crate::measure::Durations;

/// The longest line: a full histogram of 3 digits is far smaller.
const MAX_LINE_BYTES: u64 = 1 << 20;

/// A log that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}, line {line}: {cause}", path.display())]
pub struct LogError {
    /// Which.
    pub path: PathBuf,
    /// Where, from 1.
    pub line: u64,
    /// Why.
    pub cause: String,
}

/// A line of the log.
#[derive(Debug)]
pub struct Logged<'l> {
    /// Its first second since the run began.
    pub second: u64,
    /// How many seconds it stands for.
    pub seconds: u64,
    /// The phase's name.
    pub phase: &'l str,
    /// The operation.
    pub operation: &'l str,
    /// `response`, `service` or `lag`.
    pub what: &'l str,
    /// What was measured.
    pub durations: Durations,
}

/// Hands over each line of the log.
///
/// # Errors
/// The first line that cannot be read.
pub fn read(path: &Path, mut take: impl FnMut(Logged<'_>)) -> Result<(), LogError> {
    let mut number = 0;
    let wrong = |line, cause: String| LogError { path: path.to_owned(), line, cause };
    let mut file = BufReader::new(File::open(path).map_err(|error| wrong(0, error.to_string()))?);
    let mut unpacker = Deserializer::new();
    let mut line = Vec::new();
    loop {
        number += 1;
        line.clear();
        let read = (&mut file).take(MAX_LINE_BYTES).read_until(b'\n', &mut line);
        if read.map_err(|error| wrong(number, error.to_string()))? == 0 {
            return Ok(());
        }
        if line.last() != Some(&b'\n') {
            return Err(wrong(number, "it is cut off, or too long".to_owned()));
        }
        for entry in IntervalLogIterator::new(&line) {
            let entry =
                entry.map_err(|error| wrong(number, format!("no line of an interval log: {error:?}")))?;
            if let LogEntry::Interval(interval) = entry {
                let tag = interval.tag().map(|tag| tag.as_str()).unwrap_or_default();
                let mut parts = tag.split('/');
                let (Some(phase), Some(operation), Some(what), None) =
                    (parts.next(), parts.next(), parts.next(), parts.next())
                else {
                    return Err(wrong(number, format!("the tag `{tag}` is not phase/operation/duration")));
                };
                if !DURATIONS.contains(&what) {
                    return Err(wrong(number, format!("`{what}` is none of {}", DURATIONS.join(", "))));
                }
                let packed = STANDARD.decode(interval.encoded_histogram());
                let packed = packed.map_err(|error| wrong(number, error.to_string()))?;
                let histogram: Histogram<u64> = unpacker
                    .deserialize(&mut packed.as_slice())
                    .map_err(|error| wrong(number, format!("no histogram: {error}")))?;
                take(Logged {
                    second: interval.start_timestamp().as_secs(),
                    seconds: interval.duration().as_secs(),
                    phase,
                    operation,
                    what,
                    durations: Durations::of(histogram),
                });
            }
        }
    }
}
