//! One history out of the parts that several processes wrote: by the instants at which calls ended, line by line, so that
//! memory does not grow with the length of the run.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

use reports::history::{Line, MAX_LINE_BYTES, RunEnd, write_line};
use serde::Deserialize;

use super::merge::Merge;
use crate::history_writer::Written;

/// How much is read and written at once.
const BUFFER_BYTES: usize = 256 * 1024;

/// Where the part of a process is written; 0 is the process that started the others.
pub(super) fn part_of(history: &Path, number: usize) -> PathBuf {
    let mut name = history.as_os_str().to_owned();
    name.push(format!(".part-{number}"));
    PathBuf::from(name)
}

/// What tells the place of a line.
#[derive(Debug, Deserialize)]
struct Stamp<'a> {
    line: &'a str,
    e_us: Option<u64>,
    at_us: Option<u64>,
}

/// A part while it is read.
#[derive(Debug)]
struct Part {
    source: BufReader<File>,
    /// The line whose turn comes.
    line: Vec<u8>,
    us: u64,
}

impl Part {
    fn open(path: &Path) -> std::io::Result<Self> {
        let source = BufReader::with_capacity(BUFFER_BYTES, File::open(path)?);
        Ok(Self { source, line: Vec::new(), us: 0 })
    }

    /// Reads the next line that is not the last of its part; false at the end. What a process that was killed did not
    /// write to its end is left out.
    fn advance(&mut self) -> std::io::Result<bool> {
        self.line.clear();
        (&mut self.source).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut self.line)?;
        if self.line.last() != Some(&b'\n') {
            return Ok(false);
        }
        let stamp: Stamp<'_> = serde_json::from_slice(&self.line)?;
        self.us = stamp.e_us.or(stamp.at_us).unwrap_or(self.us);
        Ok(stamp.line != "end")
    }
}

/// Writes the whole history from its parts, with the first line of the first part and `end` for the last, and removes the
/// parts.
///
/// # Errors
/// When a part cannot be read or the whole not be written; the parts then stay.
pub(super) fn join(history: &Path, parts: &[PathBuf], end: &RunEnd) -> std::io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER_BYTES, File::create(history)?);
    let mut open = Vec::new();
    let mut next = BinaryHeap::new();
    for (index, path) in parts.iter().enumerate() {
        let mut part = Part::open(path)?;
        // The header is the same in all.
        if part.advance()? && index == 0 {
            out.write_all(&part.line)?;
        }
        if part.advance()? {
            next.push(Reverse((part.us, index)));
        }
        open.push(part);
    }
    while let Some(Reverse((_, index))) = next.pop() {
        let Some(part) = open.get_mut(index) else { break };
        out.write_all(&part.line)?;
        if part.advance()? {
            next.push(Reverse((part.us, index)));
        }
    }
    write_line(&mut out, &Line::End(end.clone()))?;
    out.flush()?;
    parts.iter().try_for_each(std::fs::remove_file)
}

/// One history of what the workers and the process that started them wrote, and how writing it went for all.
pub(super) fn gathered(history: &Path, merge: &Merge, end: &RunEnd, own: Written) -> Written {
    let done = merge.done();
    let lost_lines = own.lost_lines + done.lost_lines;
    let parts: Vec<PathBuf> = (0..=merge.workers()).map(|number| part_of(history, number)).collect();
    let joined = join(history, &parts, &RunEnd { lost_lines, ..end.clone() });
    let failure = own.failure.or(done.history_failure);
    Written { lost_lines, failure: failure.or(joined.err().map(|error| error.to_string())) }
}

#[cfg(test)]
#[path = "parts_tests.rs"]
mod tests;
