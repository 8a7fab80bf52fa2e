//! A worker's words to the process that started it: messages in frames over its standard output. Nobody ever waits for
//! them: what finds the queue full is lost and counted, and a run that lost one is invalid.

use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use serde::Serialize;

use super::ledger::{Event, Standing};
use super::merge::{Message, Used};

/// A frame of this size is handed over.
pub(super) const FRAME_BYTES: usize = 64 * 1024;

/// No frame is longer.
const LONGEST_FRAME_BYTES: usize = 2 * FRAME_BYTES;

/// Frames that may wait to be written: 16 MiB.
const QUEUE_FRAMES: usize = 256;

/// How long messages stay in a frame that does not fill up, microseconds.
const GATHERING_US: u64 = 50_000;

/// Turns closer to each other than this are told as one, microseconds.
const LEAST_TURN_US: u64 = 500;

/// What a worker has to tell.
#[derive(Debug)]
pub(super) struct Teller {
    queue: Option<SyncSender<Frame>>,
    thread: Option<JoinHandle<()>>,
    gathered: Frame,
    turned_us: u64,
    flushed_us: u64,
    lost_events: u64,
}

/// Some messages as they go over the pipe, without their length.
#[derive(Debug, Default)]
struct Frame {
    bytes: Vec<u8>,
    count: u64,
}

impl Teller {
    /// Tells everything to `out`, by a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(super) fn start(out: impl Write + Send + 'static) -> std::io::Result<Self> {
        let (queue, frames) = sync_channel(QUEUE_FRAMES);
        let thread =
            std::thread::Builder::new().name("teller".to_owned()).spawn(move || write_all(out, &frames))?;
        Ok(Self {
            queue: Some(queue),
            thread: Some(thread),
            gathered: Frame::default(),
            turned_us: 0,
            flushed_us: 0,
            lost_events: 0,
        })
    }

    /// Tells an event.
    pub(super) fn take(&mut self, event: Event) {
        self.gather(&Message::Event(event));
    }

    /// Tells that the loop has turned. Turns that follow one another closely in one second are told as one.
    pub(super) fn turned(&mut self, now_us: u64, standing: Standing) {
        if now_us < self.turned_us + LEAST_TURN_US && now_us / 1_000_000 == self.turned_us / 1_000_000 {
            return;
        }
        self.turned_us = now_us;
        self.gather(&Message::Turned(now_us, standing));
        if now_us >= self.flushed_us + GATHERING_US {
            self.flushed_us = now_us;
            self.flush();
        }
    }

    /// Tells what the process has used.
    pub(super) fn used(&mut self, used: Used) {
        self.gather(&Message::Used(used));
    }

    /// Tells something at once.
    pub(super) fn tell(&mut self, message: &Message) {
        self.gather(message);
        self.flush();
    }

    /// Events that could not be told.
    pub(super) fn lost_events(&self) -> u64 {
        self.lost_events
    }

    /// Tells the last and waits until it is written.
    pub(super) fn finish(mut self, last: &Message) {
        self.gather(last);
        if let Some(queue) = self.queue.take() {
            // Nobody listens any more: then nobody needs to know.
            drop(queue.send(std::mem::take(&mut self.gathered)));
        }
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }

    fn gather(&mut self, message: &Message) {
        let before = self.gathered.bytes.len();
        match append(&mut self.gathered.bytes, message) {
            Some(()) => self.gathered.count += 1,
            None => {
                self.gathered.bytes.truncate(before);
                self.lost_events += 1;
            }
        }
        if self.gathered.bytes.len() >= FRAME_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let Some(queue) = self.queue.as_ref().filter(|_| self.gathered.count > 0) else { return };
        let next = Frame { bytes: Vec::with_capacity(self.gathered.bytes.len()), count: 0 };
        let full = std::mem::replace(&mut self.gathered, next);
        if let Err(TrySendError::Full(lost) | TrySendError::Disconnected(lost)) = queue.try_send(full) {
            self.lost_events += lost.count;
        }
    }
}

/// Appends a message; `None` where it cannot be said.
pub(super) fn append(bytes: &mut Vec<u8>, message: &impl Serialize) -> Option<()> {
    postcard::to_io(message, bytes).ok().map(drop)
}

fn write_all(mut out: impl Write, frames: &Receiver<Frame>) {
    while let Ok(frame) = frames.recv() {
        let written = write_frame(&mut out, &frame.bytes).and_then(|()| out.flush());
        // The other process is gone, and with it the run.
        if written.is_err() {
            return;
        }
    }
}

/// Writes a frame: its length, then its messages.
///
/// # Errors
/// What `out` says.
pub(super) fn write_frame(out: &mut impl Write, bytes: &[u8]) -> std::io::Result<()> {
    let length = u32::try_from(bytes.len()).unwrap_or_default().to_le_bytes();
    out.write_all(&length)?;
    out.write_all(bytes)
}

/// The bytes of the next frame; `None` at the end.
///
/// # Errors
/// When what comes is no frame.
pub(super) fn read_frame(from: &mut impl Read) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    match from.read_exact(&mut length) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let length = usize::try_from(u32::from_le_bytes(length)).unwrap_or(usize::MAX);
    if length > LONGEST_FRAME_BYTES {
        return Err(std::io::Error::other(format!("a frame of {length} bytes")));
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok(Some(bytes))
}

/// The messages of a frame.
///
/// # Errors
/// When it has something else in it.
pub(super) fn messages_of(frame: &[u8]) -> std::io::Result<Vec<Message>> {
    let mut rest = frame;
    let mut messages = Vec::new();
    while !rest.is_empty() {
        let (message, further) = postcard::take_from_bytes(rest).map_err(std::io::Error::other)?;
        messages.push(message);
        rest = further;
    }
    Ok(messages)
}
