//! What went over the wire, kept beside a history: which calls a judge needs it for is known only at the end of a run.
//!
//! The judge never reads this file; it is for people who are shown a failure. A line finds its call by the agent, what was
//! asked and both instants.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Body, CallRecord, ExchangeOutcome, Line, Operation};

/// The most bytes of a body that are kept of an ordinary call.
pub const KEPT_CALL_BODY_BYTES: usize = 4096;

/// The most requests that are kept of one call: further pages of a list are counted.
pub const KEPT_REQUESTS: usize = 16;

/// A line of the file beside a history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "snake_case")]
pub enum KeptLine {
    /// What went over the wire in a call.
    Call(KeptCall),
    /// The last line of a run that came to its end.
    End(KeptEnd),
}

/// What went over the wire in a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptCall {
    /// As in the history.
    pub s_us: u64,
    /// As in the history.
    pub e_us: u64,
    /// As in the history.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// As in the history.
    pub op: Operation,
    /// Its requests in their order: several for the pages of a list, or where a dialect needs several.
    pub requests: Vec<KeptRequest>,
    /// Requests beyond [`KEPT_REQUESTS`].
    #[serde(default)]
    pub more_requests: u64,
}

/// A request and what came of it. The value of `authorization` is never here, nor the token where an answer echoes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    /// `GET`, `POST`, ...
    pub method: String,
    /// Path and query as they were sent.
    pub target: String,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// What was sent: its beginning, where it is longer than [`KEPT_CALL_BODY_BYTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<Body>,
    /// The version that the answer named: `HTTP/1.1`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// What came; of the body the beginning, where it is longer than [`KEPT_CALL_BODY_BYTES`].
    pub outcome: ExchangeOutcome,
}

/// How the keeping went.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptEnd {
    /// Calls that stand in the file.
    pub kept: u64,
    /// Calls that came when the file had reached its bound.
    pub beyond_bound: u64,
    /// Calls that came faster than they could be written, and those that could not be written at all.
    pub lost: u64,
}

impl KeptCall {
    /// Whether this is what went over the wire in that call.
    pub fn is_of(&self, call: &CallRecord) -> bool {
        (self.s_us, self.e_us, self.op) == (call.s_us, call.e_us, call.op) && self.agent == call.agent
    }
}

/// The file beside this history: `history.exchanges.jsonl` beside `history.jsonl`.
pub fn kept_beside(history: &Path) -> PathBuf {
    history.with_extension("exchanges.jsonl")
}

/// A call's instants stand in so many bytes of its line.
const HEAD_BYTES: usize = 512;

/// The calls of a history that began and ended at one of these pairs of instants, in its order.
///
/// # Errors
/// When the file cannot be read. A line that is not understood is passed over.
pub fn find_calls(history: &Path, spans: &[(u64, u64)]) -> std::io::Result<Vec<CallRecord>> {
    let members = |(s_us, e_us): &(u64, u64)| format!("\"s_us\":{s_us},\"e_us\":{e_us},").into_bytes();
    let members: Vec<Vec<u8>> = spans.iter().map(members).collect();
    let mut calls = Vec::new();
    let mut reader = BufReader::with_capacity(1 << 18, File::open(history)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok(calls);
        }
        let head = line.get(..HEAD_BYTES).unwrap_or(&line);
        // Nearly all lines are of other calls, and to read a line whole takes its time.
        if !members.iter().any(|members| head.windows(members.len()).any(|part| part == members)) {
            continue;
        }
        if let Ok(Line::Call(call)) = serde_json::from_slice(&line) {
            calls.push(call);
        }
    }
}

/// What is kept of these calls, in their order; and how the keeping went, where the file says it.
///
/// # Errors
/// When the file cannot be read. A line that is not understood is passed over.
pub fn find_kept(
    file: &Path,
    calls: &[CallRecord],
) -> std::io::Result<(Vec<Option<KeptCall>>, Option<KeptEnd>)> {
    let mut found: Vec<Option<KeptCall>> = vec![None; calls.len()];
    let mut end = None;
    // Nearly all lines are of other calls: their beginnings say so.
    let begins = |call: &CallRecord| {
        format!("{{\"line\":\"call\",\"s_us\":{},\"e_us\":{},", call.s_us, call.e_us).into_bytes()
    };
    let begins: Vec<Vec<u8>> = calls.iter().map(begins).collect();
    let mut reader = BufReader::with_capacity(1 << 18, File::open(file)?);
    let mut line = Vec::new();
    loop {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            return Ok((found, end));
        }
        if !line.starts_with(b"{\"line\":\"end\"") && !begins.iter().any(|begin| line.starts_with(begin)) {
            continue;
        }
        match serde_json::from_slice(&line) {
            Ok(KeptLine::Call(kept)) => {
                let place = calls.iter().position(|call| kept.is_of(call));
                if let Some(place) = place.and_then(|place| found.get_mut(place)) {
                    place.get_or_insert(kept);
                }
            }
            Ok(KeptLine::End(last)) => end = Some(last),
            Err(_) => {}
        }
    }
}
