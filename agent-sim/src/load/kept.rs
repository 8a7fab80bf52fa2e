//! What happened in a part of a run, kept for the merging of all parts: one file for each of its worker processes, with
//! their words as they told them, and one for what happened beside them.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use super::ledger::{Event, Standing};
use super::merge::{Done, Message};
use super::teller::{FRAME_BYTES, append, write_frame};

/// The beginning of the names of these files.
pub const EVENTS: &str = "shard.events";

/// Where the words of a worker are kept, from 1, beside another file of the run; 0 is the process that started the workers.
pub(super) fn file_of(beside: &Path, number: usize) -> PathBuf {
    beside.with_file_name(format!("{EVENTS}-{number}"))
}

/// Keeps the events of the process that started the workers. They are few: its own readings of the list.
#[derive(Debug)]
pub(super) struct Keeper {
    out: BufWriter<File>,
    frame: Vec<u8>,
    failure: Option<String>,
}

impl Keeper {
    /// Keeps them there.
    ///
    /// # Errors
    /// When the file cannot be created.
    pub(super) fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self { out: BufWriter::new(File::create(path)?), frame: Vec::new(), failure: None })
    }

    /// Keeps an event.
    pub(super) fn keep(&mut self, event: Event) {
        self.append(&Message::Event(event));
    }

    /// Keeps when the last second was closed, microseconds since the run began.
    pub(super) fn closed(&mut self, us: u64) {
        self.append(&Message::Turned(us, Standing::default()));
    }

    /// Keeps the end; tells why something is missing.
    pub(super) fn finish(mut self) -> Option<String> {
        self.append(&Message::Done(Done::default()));
        self.write();
        if let Err(error) = self.out.flush() {
            self.failure.get_or_insert(error.to_string());
        }
        self.failure
    }

    fn append(&mut self, message: &Message) {
        if append(&mut self.frame, message).is_none() {
            self.failure.get_or_insert("an event could not be written down".to_owned());
        }
        if self.frame.len() >= FRAME_BYTES {
            self.write();
        }
    }

    fn write(&mut self) {
        if let Err(error) = write_frame(&mut self.out, &self.frame) {
            self.failure.get_or_insert(error.to_string());
        }
        self.frame.clear();
    }
}
