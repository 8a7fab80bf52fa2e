//! Histories line by line: nothing here holds more than one of them.

use std::io::{BufRead, Read, Write};

use thiserror::Error;

use super::{FORMAT, Line};

/// Longest line that is read: a list of some 500,000 agents.
pub const MAX_LINE_BYTES: u64 = 64 * 1024 * 1024;

/// Why a history cannot be read on.
#[derive(Debug, Error)]
pub enum HistoryError {
    /// The file could not be read.
    #[error("line {line} of the history could not be read: {cause}")]
    Unreadable {
        /// Counted from 1.
        line: u64,
        /// The system's words.
        cause: std::io::Error,
    },
    /// Something that is no line of a history.
    #[error("line {line} of the history is not understood: {cause}")]
    Malformed {
        /// Counted from 1.
        line: u64,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// A line longer than [`MAX_LINE_BYTES`].
    #[error("line {line} of the history has more than {MAX_LINE_BYTES} bytes")]
    TooLong {
        /// Counted from 1.
        line: u64,
    },
    /// The first line says nothing of the run.
    #[error("this is no history: it does not begin with a line of kind `run`")]
    NoHeader,
    /// A newer or older writer.
    #[error("the history has format {found}, this program reads format {FORMAT}")]
    Format {
        /// What the first line says.
        found: u32,
    },
}

/// The lines of a history, in order, the first of which is [`Line::Run`] in a format that this program reads. After an
/// error there is nothing more. Whether the last one is [`Line::End`] is for the judge to see.
#[derive(Debug)]
pub struct HistoryReader<R> {
    source: R,
    buffer: Vec<u8>,
    line: u64,
    ended: bool,
}

impl<R: BufRead> HistoryReader<R> {
    /// Reads from `source`, which should be buffered generously.
    pub fn new(source: R) -> Self {
        Self { source, buffer: Vec::new(), line: 0, ended: false }
    }

    /// The number of the line last read, from 1; 0 before the first.
    pub fn line_number(&self) -> u64 {
        self.line
    }

    fn read(&mut self) -> Result<Option<Line>, HistoryError> {
        let line = self.line + 1;
        self.buffer.clear();
        let read = (&mut self.source)
            .take(MAX_LINE_BYTES + 1)
            .read_until(b'\n', &mut self.buffer)
            .map_err(|cause| HistoryError::Unreadable { line, cause })?;
        if read == 0 {
            return if line == 1 { Err(HistoryError::NoHeader) } else { Ok(None) };
        }
        if u64::try_from(read).unwrap_or(u64::MAX) > MAX_LINE_BYTES {
            return Err(HistoryError::TooLong { line });
        }
        self.line = line;
        let parsed = serde_json::from_slice(&self.buffer);
        match (line, parsed) {
            (1, Ok(Line::Run(header))) if header.format == FORMAT => Ok(Some(Line::Run(header))),
            (1, Ok(Line::Run(header))) => Err(HistoryError::Format { found: header.format }),
            (1, _) => Err(HistoryError::NoHeader),
            (_, parsed) => parsed.map(Some).map_err(|cause| HistoryError::Malformed { line, cause }),
        }
    }
}

impl<R: BufRead> Iterator for HistoryReader<R> {
    type Item = Result<Line, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.read().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Writes one line with its line feed.
///
/// # Errors
/// What `writer` says.
pub fn write_line(mut writer: impl Write, line: &Line) -> std::io::Result<()> {
    serde_json::to_writer(&mut writer, line)?;
    writer.write_all(b"\n")
}
