//! What the parts of a run have kept, heard once more: of each worker no more is read than what its turn needs.

use std::collections::VecDeque;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::{MergeError, PartOfRun};
use crate::load::kept::file_of;
use crate::load::ledger::{Books, Event};
use crate::load::merge::{Merge, Message};
use crate::load::teller::{messages_of, read_frame};

/// The words of all workers of all parts.
#[derive(Debug)]
pub(super) struct Replay {
    workers: Vec<Words>,
    /// What happened beside the workers, of each part.
    beside: Vec<Beside>,
}

/// The words of one worker.
#[derive(Debug)]
struct Words {
    path: PathBuf,
    from: BufReader<File>,
    /// A part that says of itself that it is invalid may have lost a worker.
    may_end_early: bool,
}

/// What a part's first process kept: the harness's own readings, and when the last second was closed.
#[derive(Debug)]
struct Beside {
    words: Words,
    events: VecDeque<Event>,
    closed_us: u64,
    is_over: bool,
}

impl Replay {
    /// Opens the files of all parts.
    ///
    /// # Errors
    /// The first that is not there.
    pub(super) fn open(parts: &[PartOfRun<'_>]) -> Result<Self, MergeError> {
        let (mut workers, mut beside) = (Vec::new(), Vec::new());
        for part in parts {
            let may_end_early = !part.shard.invalid.is_empty();
            let open = |number| Words::open(&part.folder.join("report.json"), number, may_end_early);
            let words = open(0)?;
            beside.push(Beside { words, events: VecDeque::new(), closed_us: 0, is_over: false });
            let count = usize::try_from(part.report.generator.workers).unwrap_or_default();
            for number in 1..=count {
                workers.push(open(number)?);
            }
        }
        Ok(Self { workers, beside })
    }

    /// Counts everything, and closes the last second.
    ///
    /// # Errors
    /// The first file that is cut off or damaged.
    pub(super) fn run(mut self, books: &mut Books) -> Result<Merge, MergeError> {
        let mut merge = Merge::new(self.workers.len());
        loop {
            while let Some((now_us, worker)) = merge.next() {
                for beside in &mut self.beside {
                    beside.take_until(now_us, books)?;
                }
                merge.settle_next_of(worker, books);
            }
            let Some(worker) = merge.awaited() else { break };
            let Some(words) = self.workers.get_mut(worker) else { break };
            match words.next()? {
                Some(messages) => {
                    messages.into_iter().for_each(|message| merge.told(worker, message));
                }
                None if merge.is_done(worker) || words.may_end_early => merge.ended(worker),
                None => return Err(words.unreadable("it is cut off".to_owned())),
            }
        }
        let mut closed_us = 0;
        for beside in &mut self.beside {
            beside.take_until(u64::MAX, books)?;
            closed_us = closed_us.max(beside.closed_us);
        }
        let registered = merge.standing().registered;
        books.collector.advance(closed_us, registered, 0);
        books.collector.close_second(registered, 0);
        Ok(merge)
    }
}

impl Words {
    fn open(beside: &Path, number: usize, may_end_early: bool) -> Result<Self, MergeError> {
        let path = file_of(beside, number);
        match File::open(&path) {
            Ok(file) => Ok(Self { path, from: BufReader::new(file), may_end_early }),
            Err(error) => Err(MergeError::Unreadable { path, cause: error.to_string() }),
        }
    }

    /// The messages of the next frame; `None` at the end.
    fn next(&mut self) -> Result<Option<Vec<Message>>, MergeError> {
        let frame = match read_frame(&mut self.from) {
            Ok(frame) => frame,
            Err(_) if self.may_end_early => None,
            Err(error) => return Err(self.unreadable(format!("it is cut off or damaged ({error})"))),
        };
        let messages = frame.map(|frame| messages_of(&frame)).transpose();
        messages.map_err(|error| self.unreadable(format!("it is damaged ({error})")))
    }

    fn unreadable(&self, cause: String) -> MergeError {
        MergeError::Unreadable { path: self.path.clone(), cause }
    }
}

impl Beside {
    /// Counts what happened until an instant since the run began.
    fn take_until(&mut self, us: u64, books: &mut Books) -> Result<(), MergeError> {
        loop {
            while let Some(event) = self.events.pop_front_if(|event| instant_us(event) <= us) {
                books.take(&event);
            }
            if self.is_over || !self.events.is_empty() {
                return Ok(());
            }
            let Some(messages) = self.words.next()? else {
                if self.words.may_end_early {
                    self.is_over = true;
                    return Ok(());
                }
                return Err(self.words.unreadable("it is cut off".to_owned()));
            };
            for message in messages {
                match message {
                    Message::Event(event) => self.events.push_back(event),
                    Message::Turned(closed_us, _) => self.closed_us = closed_us,
                    Message::Done(_) => self.is_over = true,
                    Message::Ready | Message::Used(_) => {}
                }
            }
        }
    }
}

/// When something happened, since the run began.
fn instant_us(event: &Event) -> u64 {
    match *event {
        Event::Due(series) | Event::Missed(series, _) | Event::Blamed(series, _) | Event::Sent(series, _) => {
            series.at_us
        }
        Event::Arrived(at_us) | Event::Ended { at_us, .. } => at_us,
        Event::Gone(_) => 0,
    }
}
