//! A dialect described in TOML: how a simple kind of registry is spoken to over HTTP, without Rust.
//!
//! - `read`: from text to a description, or to every fault of the file at once.
//! - `template`: texts with `{placeholders}`.
//!
//! docs/dialects.md has all keys.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use crate::error::{ScenarioError, read_file};

mod read;
mod template;

/// How a kind of registry is spoken to.
#[derive(Debug, Clone, PartialEq)]
pub struct Description {
    /// Its name in reports.
    pub name: String,
    /// It shows `degraded`, by silence.
    pub degraded: bool,
    /// An expired agent leaves every view at Q.
    pub evicts: bool,
    /// Agents of different types have different timeouts.
    pub policies_by_type: bool,
    /// Registrations survive SIGKILL.
    pub durable: bool,
    /// After a restart every live agent gets a full new lease.
    pub lease_after_restart: bool,
    /// A full heartbeat.
    pub register: DescribedCall,
    /// A lean one; agents of a registry without one register each time.
    pub renew: Option<DescribedCall>,
    /// Deregistration.
    pub leave: Option<DescribedCall>,
    /// All agents.
    pub list: DescribedCall,
    /// One agent.
    pub read: Option<DescribedCall>,
    /// Where a list's answer has its agents: a list, or a table by id.
    pub agents: String,
    /// What an entry of a list, or the answer to `read`, shows.
    pub entry: Entry,
}

/// A request and what its answers mean.
#[derive(Debug, Clone, PartialEq)]
pub struct DescribedCall {
    /// One of [`METHODS`].
    pub method: &'static str,
    /// Path and query, with placeholders.
    pub path: String,
    /// Beside host, length and type of the body; values with placeholders.
    pub headers: BTreeMap<String, String>,
    /// JSON whose texts have placeholders.
    pub body: Option<Value>,
    /// What statuses mean: those of three digits and those of a class (`4xx`), by their first digit.
    pub statuses: BTreeMap<StatusPattern, Meaning>,
    /// What the body of a success means; the first that fits decides.
    pub when: Vec<When>,
}

/// Which statuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum StatusPattern {
    /// This one.
    Exactly(u16),
    /// All that begin with this digit.
    Class(u16),
}

/// A test of a successful answer's body.
#[derive(Debug, Clone, PartialEq)]
pub struct When {
    /// Where in it, a JSON pointer.
    pub pointer: String,
    /// What must be there.
    pub test: Test,
    /// What the answer then means.
    pub means: Meaning,
}

/// What must be at a place of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// This text, number or truth, as a text.
    Equals(String),
    /// A text that begins so.
    Begins(String),
    /// Nothing, or null.
    Absent,
}

/// What an answer means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// A heartbeat that began something new.
    Registered,
    /// A heartbeat that renewed.
    Renewed,
    /// A heartbeat that renewed and changed something.
    Updated,
    /// Deregistered.
    Left,
    /// A view with a body.
    Shown,
    /// Nobody knows the agent.
    Unknown,
    /// Somebody else has the id.
    Conflict,
    /// Refused; nothing changed.
    Refused,
    /// It may have acted.
    Unavailable,
}

/// Where an entry shows what; all pointers count from the entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Entry {
    /// The id; empty where the agents are a table by id.
    pub id: String,
    /// The status; `None` where all that is shown is healthy.
    pub status: Option<String>,
    /// Its words.
    pub words: BTreeMap<String, EntryStatus>,
    /// The document's number, a number or a text.
    pub document: Option<String>,
    /// What stands before the number in that text.
    pub document_prefix: String,
    /// The agent's type.
    pub agent_type: Option<String>,
    /// The capabilities: a list, or names with commas between them.
    pub capabilities: Option<String>,
    /// The name in an entry of that list; empty where the entries are the names.
    pub capability: String,
}

/// A status as this harness knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryStatus {
    /// Alive.
    Healthy,
    /// Late.
    Degraded,
    /// Silent for too long.
    Expired,
    /// Not to be counted as there at all.
    Gone,
}

/// The methods that a request may have.
pub const METHODS: [&str; 6] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];

/// Reads a description from a file.
///
/// # Errors
/// Every fault of the file at once, each with its place and a remedy.
pub fn load(path: &Path) -> Result<Description, ScenarioError> {
    let text = read_file(path, &[])?;
    parse(&path.display().to_string(), &text)
}

/// Reads a description from text; `name` is what errors call it.
///
/// # Errors
/// As [`load`].
pub fn parse(name: &str, text: &str) -> Result<Description, ScenarioError> {
    read::description(name, text)
}

pub use template::{PLACEHOLDERS, placeholders};
