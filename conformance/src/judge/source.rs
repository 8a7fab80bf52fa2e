//! Where a history comes from. It is read twice: first for what must be known before anything is judged (`Survey`),
//! then line by line; and a third time for the timelines, if something failed.

use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use reports::history::{CallRef, Hardship, Line, LineRef, MAX_LINE_BYTES, Operation, ProcessChange, RunEnd};

use super::JudgeError;
use super::beside::Pause;
use super::evidence::{Restart, Span};

/// A history that can be read again.
pub(super) enum Source<'a> {
    File(&'a Path),
    Lines(&'a [Line]),
}

type Take<'t> = dyn FnMut(LineRef<'_>) -> Result<(), JudgeError> + 't;

/// Takes a line with its number, counted from 1.
type TakeText<'t> = dyn FnMut(u64, &[u8]) -> Result<(), JudgeError> + 't;

impl Source<'_> {
    /// Gives every line to `take`; nothing here holds more than one of a file.
    pub(super) fn read(&self, take: &mut Take<'_>) -> Result<(), JudgeError> {
        match self {
            Self::File(path) => each_line(path, &mut |number, text| {
                let line = LineRef::parse(text).map_err(|error| JudgeError::Malformed {
                    path: path.display().to_string(),
                    line: number,
                    reason: error.to_string(),
                })?;
                take(line)
            }),
            Self::Lines(lines) => {
                for line in *lines {
                    match line {
                        Line::Call(call) => take(LineRef::Call(CallRef::from(call)))?,
                        other => take(LineRef::Other(other.clone()))?,
                    }
                }
                Ok(())
            }
        }
    }

    /// What must be known beforehand. A line that is not understood is left to [`Self::read`] to refuse.
    pub(super) fn survey(&self) -> Result<Survey, JudgeError> {
        let mut surveying = Surveying::default();
        match self {
            Self::File(path) => each_line(path, &mut |_, text| {
                if let Ok(Shallow { line: Some(kind), op: Some(op), s_us, e_us }) =
                    serde_json::from_slice(text)
                    && kind.0 == "call"
                {
                    surveying.take_call(op, s_us, e_us);
                } else if let Ok(LineRef::Other(line)) = LineRef::parse(text) {
                    surveying.take(&line);
                }
                Ok(())
            })?,
            Self::Lines(lines) => {
                for line in *lines {
                    surveying.take(line);
                }
            }
        }
        Ok(surveying.survey)
    }
}

/// As much of a call as tells when it was open.
#[derive(serde::Deserialize)]
struct Shallow<'a> {
    #[serde(default, borrow)]
    line: Option<Kind<'a>>,
    #[serde(default)]
    op: Option<Operation>,
    #[serde(default)]
    s_us: u64,
    #[serde(default)]
    e_us: u64,
}

#[derive(serde::Deserialize)]
struct Kind<'a>(#[serde(borrow)] Cow<'a, str>);

/// What a history says in many places and every judgement needs at once.
#[derive(Debug, Clone, Default)]
pub(super) struct Survey {
    pub(super) end: Option<RunEnd>,
    pub(super) restarts: Vec<Restart>,
    pub(super) pauses: Vec<Pause>,
    pub(super) steps: Vec<(Span, i64)>,
    /// When the process ended by itself.
    pub(super) deaths: Vec<Span>,
    /// The longest that a heartbeat or a leave was open.
    pub(super) longest_act_us: u64,
    /// The longest that anything else was open.
    pub(super) longest_view_us: u64,
    /// A line can end so much earlier than one that stands before it.
    pub(super) disorder_us: u64,
}

#[derive(Default)]
struct Surveying {
    survey: Survey,
    latest_us: u64,
    down_since: Option<Span>,
    paused_since: Option<Span>,
    started: bool,
}

impl Surveying {
    fn take(&mut self, line: &Line) {
        match line {
            Line::Call(call) => self.take_call(call.op, call.s_us, call.e_us),
            Line::Process(event) => self.take_process(event.event, Span { s: event.s_us, e: event.e_us }),
            Line::Hardship(Hardship::ClockStepped { offset_seconds, s_us, e_us }) => {
                self.survey.steps.push((Span { s: *s_us, e: *e_us }, *offset_seconds));
            }
            Line::End(end) => self.survey.end = Some(end.clone()),
            _ => {}
        }
    }

    fn take_call(&mut self, op: Operation, s_us: u64, e_us: u64) {
        let open = e_us.saturating_sub(s_us);
        let longest = if op.is_heartbeat() || op == Operation::Leave {
            &mut self.survey.longest_act_us
        } else {
            &mut self.survey.longest_view_us
        };
        *longest = open.max(*longest);
        self.latest_us = self.latest_us.max(e_us);
        self.survey.disorder_us = self.survey.disorder_us.max(self.latest_us - e_us);
    }

    fn take_process(&mut self, change: ProcessChange, span: Span) {
        match change {
            ProcessChange::Started => {
                if let Some(killed) = self.down_since.take() {
                    self.survey.restarts.push(Restart { killed, started: span });
                } else if self.started {
                    self.survey.restarts.push(Restart { killed: span, started: span });
                }
                self.started = true;
            }
            ProcessChange::Killed | ProcessChange::Died => {
                if change == ProcessChange::Died {
                    self.survey.deaths.push(span);
                }
                self.down_since.get_or_insert(span);
            }
            ProcessChange::Paused => self.paused_since = Some(span),
            ProcessChange::Continued => {
                let stopped = self.paused_since.take().unwrap_or(span);
                self.survey.pauses.push(Pause { stopped, continued: span });
            }
        }
    }
}

/// Reads a file line by line into one buffer.
fn each_line(path: &Path, take: &mut TakeText<'_>) -> Result<(), JudgeError> {
    let unreadable = |source| JudgeError::Read { path: path.display().to_string(), source };
    let mut reader = BufReader::with_capacity(1 << 18, File::open(path).map_err(unreadable)?);
    let mut text = Vec::new();
    let mut number = 0;
    loop {
        text.clear();
        number += 1;
        let read = (&mut reader).take(MAX_LINE_BYTES + 1).read_until(b'\n', &mut text).map_err(unreadable)?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 > MAX_LINE_BYTES {
            return Err(JudgeError::Malformed {
                path: path.display().to_string(),
                line: number,
                reason: format!("it has more than {MAX_LINE_BYTES} bytes"),
            });
        }
        take(number, &text)?;
    }
}
