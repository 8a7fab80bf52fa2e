//! How an agent speaks to a kind of registry: a pure mapping from calls to HTTP requests and from answers to
//! outcomes. No I/O here; [`crate::client`] sends.
//!
//! - [`wallflower`]: the contract's own words.
//! - [`wallflower_mcp`]: the same as calls of its MCP tools.
//! - [`mcp_mesh`]: the Go registry of mcp-mesh.
//! - [`etcd`]: keys on leases, by etcd's JSON gateway.
//! - [`nacos`]: the open API of Nacos, as r-nacos speaks it.
//! - [`lacking`]: any of them for a registry that can do less than its kind.
//! - `call`: what agents ask, in the harness's words.
//! - [`described`]: what a TOML file describes; `template` fills in its texts.
//!
//! docs/dialects.md says how to add one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reports::history::{Abilities, Outcome, Policy, Reported, Seen};
use serde::{Deserialize, Serialize};

pub mod described;
pub mod etcd;
pub mod lacking;
pub mod mcp_mesh;
pub mod nacos;
pub mod wallflower;
pub mod wallflower_mcp;

mod call;
mod template;

pub use call::Call;

/// The names of all dialects, as the command line and scenarios write them.
pub const NAMES: [&str; 4] = [wallflower::NAME, mcp_mesh::NAME, etcd::NAME, nacos::NAME];

/// The dialect of this name, one of [`NAMES`].
pub fn by_name(name: &str) -> Option<Arc<dyn Dialect>> {
    match name {
        wallflower::NAME => Some(Arc::new(wallflower::Wallflower)),
        mcp_mesh::NAME => Some(Arc::new(mcp_mesh::McpMesh)),
        etcd::NAME => Some(Arc::new(etcd::Etcd::default())),
        nacos::NAME => Some(Arc::new(nacos::Nacos)),
        _ => None,
    }
}

/// The dialect of this name, or the one that the file of this name describes, if it ends in `.toml`.
///
/// # Errors
/// When there is neither, or the file is not as it should be.
pub fn open(name: &str) -> Result<Arc<dyn Dialect>, DialectError> {
    if scenarios::is_described(name) {
        let description = scenarios::description::load(Path::new(name)).map_err(Box::new)?;
        return Ok(Arc::new(described::Described::new(description)));
    }
    by_name(name).ok_or_else(|| DialectError::Unknown { name: name.to_owned() })
}

/// Why there is no dialect.
#[derive(Debug, thiserror::Error)]
pub enum DialectError {
    /// No dialect has this name.
    #[error("there is no dialect `{name}`; the dialects are {}, and TOML files that describe one", NAMES.join(", "))]
    Unknown {
        /// As given.
        name: String,
    },
    /// The file that is to describe it.
    #[error(transparent)]
    Description(#[from] Box<scenarios::ScenarioError>),
}

/// What an agent declares of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Lower-case letters, digits and `-`, at most 63, so that every dialect can carry it.
    pub agent_id: String,
    /// Chooses the policy.
    pub agent_type: String,
    /// The status to report.
    pub status: Option<Reported>,
    /// The tripwire address that the agent declares.
    pub endpoint: SocketAddr,
    /// Capability names with versions.
    pub capabilities: Vec<(String, String)>,
    /// Names of capabilities that it depends on (any version).
    pub dependencies: Vec<String>,
    /// Further labels (the dialect adds its own for `document`).
    pub labels: Vec<(String, String)>,
    /// A number of the harness's own that views show again ([`reports::history::Sent::document`]).
    pub document: u64,
    /// One per process start, if sent.
    pub incarnation: Option<u64>,
    /// Increasing inside an incarnation, if sent.
    pub sequence: Option<u64>,
}

/// An HTTP request, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireRequest {
    /// `GET`, `POST`, ...
    pub method: &'static str,
    /// Path and query, beginning with `/`.
    pub path: String,
    /// Headers beside host and length.
    pub headers: Vec<(&'static str, String)>,
    /// The body; empty for none.
    pub body: Vec<u8>,
}

/// An HTTP answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WireAnswer {
    /// The status code.
    pub status: u16,
    /// The entity tag, if any.
    pub etag: Option<String>,
    /// What `Retry-After` says, if anything.
    pub retry_after: Option<String>,
    /// The body.
    pub body: Vec<u8>,
}

/// What an answer means.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// How the call ended.
    pub outcome: Outcome,
    /// What was seen.
    pub seen: Option<Seen>,
    /// The wiring revision that a heartbeat's answer named.
    pub wiring_revision: Option<u64>,
    /// Whether a renewal's answer said that the wiring has changed without showing it: a POST fetches it.
    pub wiring_changed: bool,
    /// The store that a list's revision belongs to, where it named one.
    pub store_id: Option<String>,
    /// The request for the next page of a list, if there is one.
    pub next_page: Option<WireRequest>,
    /// The refusal in words.
    pub note: Option<String>,
}

impl Reading {
    /// A reading that tells nothing but how the call ended.
    pub fn of(outcome: Outcome) -> Self {
        Self {
            outcome,
            seen: None,
            wiring_revision: None,
            wiring_changed: false,
            store_id: None,
            next_page: None,
            note: None,
        }
    }

    /// The same with words for it.
    pub fn noting(self, note: impl Into<String>) -> Self {
        Self { note: Some(note.into()), ..self }
    }

    /// The same with what was seen.
    pub fn seeing(self, seen: Seen) -> Self {
        Self { seen: Some(seen), ..self }
    }
}

impl WireRequest {
    /// A request without a body.
    pub fn bare(method: &'static str, path: impl Into<String>) -> Self {
        Self { method, path: path.into(), headers: Vec::new(), body: Vec::new() }
    }

    /// A POST of JSON.
    pub fn json(path: impl Into<String>, body: &impl Serialize) -> Self {
        Self {
            method: "POST",
            path: path.into(),
            headers: vec![("content-type", "application/json".to_owned())],
            // What dialects send has nothing that JSON cannot say.
            body: serde_json::to_vec(body).unwrap_or_default(),
        }
    }
}

/// A kind of registry.
pub trait Dialect: Send + Sync + std::fmt::Debug {
    /// The name on the command line.
    fn name(&self) -> &str;

    /// What this kind of registry can do at all.
    fn abilities(&self) -> Abilities;

    /// The same, told the timeouts by agent type, where agents tell them to the registry; `None` where they do not.
    ///
    /// # Errors
    /// In words, what this kind of registry cannot keep and what to write instead.
    fn with_policies(
        &self,
        _policies: &BTreeMap<String, Policy>,
    ) -> Result<Option<Arc<dyn Dialect>>, String> {
        Ok(None)
    }

    /// The request for a call, or `None` where this kind of registry has no such call.
    fn request(&self, call: &Call) -> Option<WireRequest>;

    /// The next request of a call that takes several, such as a lease and then its key; `None` at the end, and
    /// [`Dialect::read`] gets the last answer. It is handed all answers so far, at least one.
    fn follow_up(&self, _call: &Call, _answers: &[WireAnswer]) -> Option<WireRequest> {
        None
    }

    /// What an answer to `call` means. A success that cannot be read is `Failed` with a note, since the registry may
    /// have acted; an unexpected refusal is `Refused` with a note.
    fn read(&self, call: &Call, answer: &WireAnswer) -> Reading;

    /// Requests that might make a registry of this kind call the agent, in order; each answer may be an error. A
    /// later request may need a value from an earlier answer (a job's id): it is handed all answers so far and gives
    /// the next request, or `None` at the end.
    fn provoke(&self, agent: &Document, answers: &[WireAnswer]) -> Option<WireRequest>;

    /// Where the policies can be asked for, if anywhere.
    fn policies_path(&self) -> Option<&'static str>;

    /// The dialect that speaks to the same registry by its MCP tools, where it has such tools. What the tools cannot
    /// do has no request in it.
    fn over_mcp(&self) -> Option<Arc<dyn Dialect>> {
        None
    }
}

/// What an identifier may hold unescaped in a path or a query.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// A text as part of a path or as a value of a query.
pub fn escaped(text: &str) -> String {
    Cow::from(utf8_percent_encode(text, ESCAPED)).into_owned()
}

/// Most characters of a registry's words that a note keeps.
const NOTE_CHARACTERS: usize = 300;

/// A registry's words, cut to what a note may hold.
fn shortened(text: &str) -> String {
    text.chars().take(NOTE_CHARACTERS).collect()
}

/// What a successful answer's body means; one that cannot be read says that the call may have acted although nobody
/// can tell.
fn parsed<'a, T: Deserialize<'a>>(answer: &'a WireAnswer, meaning: impl FnOnce(T) -> Reading) -> Reading {
    match serde_json::from_slice(&answer.body) {
        Ok(body) => meaning(body),
        Err(error) => Reading::of(Outcome::Failed)
            .noting(shortened(&format!("unreadable answer with status {}: {error}", answer.status))),
    }
}

/// The capability that agents made for provocations offer.
const HOOK_CAPABILITY: &str = "wallflower.provoked";

/// Longest id that every dialect can carry.
const ID_CHARACTERS: usize = 63;

/// An agent at the same address, for provocations: an id of its own, so that no view of a judged agent changes by
/// them.
fn hook(agent: &Document) -> Document {
    const SUFFIX: &str = "-hook";
    let stem: String = agent.agent_id.chars().take(ID_CHARACTERS - SUFFIX.len()).collect();
    Document {
        agent_id: format!("{stem}{SUFFIX}"),
        status: None,
        capabilities: vec![(HOOK_CAPABILITY.to_owned(), "1.0.0".to_owned())],
        dependencies: Vec::new(),
        labels: Vec::new(),
        incarnation: None,
        sequence: None,
        ..agent.clone()
    }
}
